internal import CKernels
internal import Recurrent

/// One thread's share of one direction of a recurrent layer, over all steps.
struct DirectionRun<Number: Panelled> {
  let weights: PackedDirection<Number>
  let kernels: ck_kernels
  let rows: BatchRows
  let pointers: PassPointers<Number>
  let isReverse: Bool
  let share: Share
  let directions: Int
  let state: StatePointers<Number>
  let barrier: OpaquePointer?

  private var width: Int { Number.panelWidth }
  /// This thread's blocks of units and of outputs.
  private var blocks: Range<Int> { share.part(of: weights.blocks) }
  private var outputs: Range<Int> { share.part(of: weights.outputBlocks) }

  func run() {
    let ldx = (blocks.count * weights.gates + 1) * width
    let stepsAtOnce = max(1, min(rows.steps, max(24, 24_576 / ldx) / max(1, share.rows.count)))
    let scratch = Scratch<Number>(
      x: Workspace(stepsAtOnce * share.rows.count * ldx), r: Workspace(share.rows.count * ldx),
      second: Workspace(share.rows.count * blocks.count * width),
      gathered: Workspace(isContiguous ? 0 : stepsAtOnce * share.rows.count * weights.inputSize), ldx: ldx)
    let steps = share.rows.isEmpty ? 0 : rows.lengths[share.rows.lowerBound]
    for first in stride(from: 0, to: steps, by: stepsAtOnce) {
      let range = first..<min(first + stepsAtOnce, steps)
      let input = gather(range, scratch.gathered.start)
      if stepsAtOnce == 1 {
        step(first, active(first), input: input.start, x: scratch.x.start, scratch)
        continue
      }
      inputProducts(blocks, rows: input.count, input.start, scratch.x.start, ldx: ldx)
      var x = scratch.x.start
      for k in range {
        let active = active(k)
        step(k, active, input: nil, x: x, scratch)
        x += active * ldx
      }
    }
    storeStates()
  }

  /// How many of this share's rows run in step k: the first ones.
  private func active(_ k: Int) -> Int {
    if !rows.isRagged { return share.rows.count }
    var count = share.rows.count
    while count > 0, rows.lengths[share.rows.lowerBound + count - 1] <= k { count -= 1 }
    return count
  }

  /// Where step k of a row, in `BatchRows` order, is in x and y.
  private func position(_ k: Int, _ row: Int) -> Int {
    let t = isReverse ? rows.lengths[row] - 1 - k : k
    return t * rows.batch + rows.order[row]
  }

  /// Whether x is this share's rows, step after step.
  private var isContiguous: Bool { !isReverse && !rows.isRagged && share.rows.count == rows.batch }

  /// x of some steps, the active rows of one after those of the other.
  private func gather(
    _ steps: Range<Int>, _ gathered: UnsafeMutablePointer<Number>
  ) -> (start: UnsafePointer<Number>, count: Int) {
    let size = weights.inputSize
    if isContiguous { return (pointers.x + steps.lowerBound * rows.batch * size, steps.count * rows.batch) }
    var count = 0
    for k in steps {
      for row in share.rows.prefix(active(k)) {
        (gathered + count * size).update(from: pointers.x + position(k, row) * size, count: size)
        count += 1
      }
    }
    return (UnsafePointer(gathered), count)
  }

  /// W x + b_W for some blocks of units.
  private func inputProducts(
    _ blocks: Range<Int>, rows: Int, _ x: UnsafePointer<Number>, _ products: UnsafeMutablePointer<Number>,
    ldx: Int
  ) {
    let panels = (blocks.lowerBound * weights.gates)..<(blocks.upperBound * weights.gates)
    weights.input.product(kernels, panels, rows: rows, x, lda: weights.inputSize, products, ldc: ldx)
  }

  /// Step k of the first `active` rows; `x` is their products with W, or where these go that `input` still has to make.
  ///
  /// Products and gates follow one another in groups of blocks whose products stay in the first cache.
  private func step(
    _ k: Int, _ active: Int, input: UnsafePointer<Number>?, x: UnsafeMutablePointer<Number>,
    _ scratch: borrowing Scratch<Number>
  ) {
    let (ld, ldx) = (state.ld, scratch.ldx)
    let first = share.rows.lowerBound * ld
    let (before, after) = (state.h(k) + first, state.h(k + 1) + first)
    let between = state.between + first
    let backwards = k % 2 == 1
    let gates = weights.gateBlocks.outer.count
    let group = max(1, min(blocks.count, 4096 / (active * weights.gates * width)))
    let groups = (blocks.count + group - 1) / group

    // Products that only their own group reads all go to the same place, which stays in the cache.
    let isKept = !weights.gateBlocks.inner.isEmpty
    let ldr = isKept ? ldx : (group * gates + 1) * width
    func own(_ blocks: Range<Int>) -> Int { blocks.lowerBound - self.blocks.lowerBound }
    func xStart(_ blocks: Range<Int>) -> UnsafeMutablePointer<Number> {
      x + (isKept || input == nil ? own(blocks) * weights.gates * width : 0)
    }
    func rStart(_ blocks: Range<Int>) -> UnsafeMutablePointer<Number> {
      scratch.r.start + (isKept ? own(blocks) * gates * width : 0)
    }
    func gateStep(_ blocks: Range<Int>) -> GateStep<Number> {
      let start = blocks.lowerBound * width
      return GateStep(
        rows: active, blocks: blocks.count, unit: start,
        units: min(blocks.upperBound * width, weights.hiddenSize) - start,
        x: UnsafePointer(xStart(blocks)), ldx: ldx, r: UnsafePointer(rStart(blocks)), ldr: ldr,
        n: UnsafePointer(scratch.second.start) + own(blocks) * width, ldn: self.blocks.count * width,
        before: UnsafePointer(before) + start, c: state.c + first + start,
        h: (weights.second == nil ? after : between) + start, ld: ld)
    }
    for number in 0..<groups {
      let start = blocks.lowerBound + (backwards ? groups - 1 - number : number) * group
      let some = start..<min(start + group, blocks.upperBound)
      if let input { inputProducts(some, rows: active, input, xStart(some), ldx: ldx) }
      weights.recurrent?.product(
        kernels, (some.lowerBound * gates)..<(some.upperBound * gates), rows: active, before, lda: ld,
        rStart(some), ldc: ldr, backwards: backwards)
      isKept ? weights.inner(gateStep(some)) : gateStep(some).run(weights, kernels)
    }
    if let matrix = weights.second {
      ck_barrier_wait(barrier)
      if !isKept {
        matrix.product(
          kernels, outputs, rows: active, between, lda: ld, after + outputs.lowerBound * width, ldc: ld,
          backwards: backwards)
      } else {
        matrix.product(
          kernels, blocks, rows: active, between, lda: ld, scratch.second.start, ldc: blocks.count * width,
          backwards: backwards)
        var step = gateStep(blocks)
        step.h = after + blocks.lowerBound * width
        weights.gates(step)
      }
    }
    let columns = columns
    for row in 0..<active {
      let target = position(k, share.rows.lowerBound + row) * directions + share.direction
      (pointers.y + target * weights.outputSize + columns.lowerBound)
        .update(from: after + row * ld + columns.lowerBound, count: columns.count)
    }
    ck_barrier_wait(barrier)
  }

  /// This thread's outputs.
  private var columns: Range<Int> {
    min(outputs.lowerBound * width, weights.outputSize)..<min(outputs.upperBound * width, weights.outputSize)
  }

  /// The states after the last valid step of each row; c of this thread's units.
  private func storeStates() {
    let columns = columns
    let cells =
      min(blocks.lowerBound * width, weights.hiddenSize)..<min(blocks.upperBound * width, weights.hiddenSize)
    let hasCells = weights.cell.hasCellState
    for row in share.rows {
      let target = rows.order[row] * directions + share.direction
      (pointers.lastH + target * weights.outputSize + columns.lowerBound)
        .update(
          from: state.h(rows.lengths[row]) + row * state.ld + columns.lowerBound, count: columns.count)
      guard hasCells else { continue }
      (pointers.lastC + target * weights.hiddenSize + cells.lowerBound)
        .update(from: state.c + row * state.ld + cells.lowerBound, count: cells.count)
    }
  }
}

/// What one thread needs besides states, allocated once for all steps: products with W and R, `ldx` from row to row, with
/// what lies between two products, and rows of x that do not follow one another.
private struct Scratch<Number: Native>: ~Copyable {
  let x: Workspace<Number>
  let r: Workspace<Number>
  let second: Workspace<Number>
  let gathered: Workspace<Number>
  let ldx: Int
}

extension GateStep where Number: Panelled {
  /// In the kernels where they know the cell.
  fileprivate func run(_ weights: PackedDirection<Number>, _ kernels: ck_kernels) {
    if let standard = weights.standard, Number.standardStep(kernels, standard, self) { return }
    weights.gates(self)
  }
}
