internal import CKernels
internal import Recurrent

/// A recurrent layer over packed weights: the products of W with a block of steps at once, then step after step.
///
/// Results do not depend on the threads, on the batch or on how many steps run at once: each sum has one order, and each
/// row's arithmetic is its own.
struct PackedRecurrence<Number: Panelled>: Sendable {
  let layer: RecurrentLayer
  let directions: [PackedDirection<Number>]
  let execution: Execution

  init(_ layer: RecurrentLayer, _ rules: Execution) {
    self.layer = layer
    execution = rules
    directions = layer.directions.map { PackedDirection(layer, $0, rules) }
  }

  /// As `RecurrentPass.run`.
  func run(
    _ x: Numbers<Number>, lengths: [Int]?, h: Numbers<Number>?, c: Numbers<Number>?
  ) -> [Value<Number>] {
    let steps = x.steps ?? 1
    let rows = BatchRows(steps: steps, batch: x.batch, lengths: lengths)
    let hasCells = layer.cell.hasCellState
    let units = directions.count * layer.outputSize
    let cells = hasCells ? directions.count * layer.hiddenSize : 0
    var lastH = h ?? Numbers(zeros: nil, batch: x.batch, features: units)
    var lastC = c ?? Numbers(zeros: nil, batch: x.batch, features: cells)
    let count = steps * x.batch * units
    let y = [Number](unsafeUninitializedCapacity: count) { y, filled in
      filled = count
      guard count > 0, let y = y.baseAddress else { return }
      if rows.isRagged { y.initialize(repeating: 0, count: count) }
      x.elements.withUnsafeBufferPointer { x in
        lastH.elements.withUnsafeMutableBufferPointer { lastH in
          lastC.elements.withUnsafeMutableBufferPointer { lastC in
            // Where there are no features there is nothing to read; any pointer does.
            run(
              rows,
              PassPointers(
                x: x.baseAddress ?? UnsafePointer(y), y: y, lastH: lastH.baseAddress ?? y,
                lastC: lastC.baseAddress ?? y))
          }
        }
      }
    }
    let sequence = Numbers(steps: steps, batch: x.batch, features: units, elements: y)
    return [.numbers(sequence), .numbers(lastH)] + (hasCells ? [.numbers(lastC)] : [])
  }

  private func run(_ rows: BatchRows, _ pointers: PassPointers<Number>) {
    withThreads(Sharing(layer, rows, threads: execution.threads).members) { threads in
      // Fewer than wanted: shared out anew.
      run(rows, pointers, Sharing(layer, rows, threads: threads))
    }
  }

  /// On the thread that calls it: `pointers.lastH` and `lastC` are the initial states and become the last ones.
  func runAlone(_ rows: BatchRows, _ pointers: PassPointers<Number>) {
    run(rows, pointers, Sharing(layer, rows, threads: 1))
  }

  private func run(_ rows: BatchRows, _ pointers: PassPointers<Number>, _ sharing: Sharing) {
    let ld = (max(directions[0].blocks, directions[0].outputBlocks) + 1) * Number.panelWidth
    let states = Workspace<Number>(directions.count * StatePointers<Number>.count(rows.batch, ld))
    let barriers = (0..<sharing.teams).map { _ in ck_barrier_make(Int32(sharing.teamSize)) }
    defer { for barrier in barriers { ck_barrier_free(barrier) } }
    for d in directions.indices {
      let state = StatePointers(states.start, direction: d, batch: rows.batch, ld: ld)
      state.load(pointers, d, layer, rows)
    }
    concurrently(sharing.members) { member in
      for share in sharing.shares(of: member) {
        let isReverse = layer.direction == .reverse || share.direction == 1
        let run = DirectionRun(
          weights: directions[share.direction], kernels: execution.instructions.kernels, rows: rows,
          pointers: pointers, isReverse: isReverse, share: share, directions: directions.count,
          state: StatePointers(states.start, direction: share.direction, batch: rows.batch, ld: ld),
          barrier: barriers[share.team])
        run.run()
      }
    }
  }
}

/// The arrays of a pass: x `[T, B, I]`, y `[T, B, D·O]`, h `[B, D·O]` and c `[B, D·H]`, initial states at first.
struct PassPointers<Number: Native> {
  let x: UnsafePointer<Number>
  let y: UnsafeMutablePointer<Number>
  let lastH: UnsafeMutablePointer<Number>
  let lastC: UnsafeMutablePointer<Number>
}

/// Rows of a batch, the longest first: those that still run are always the first ones.
struct BatchRows {
  let steps: Int
  let batch: Int
  /// Which row of the batch each is, and its length.
  let order: [Int]
  let lengths: [Int]
  let isRagged: Bool

  init(steps: Int, batch: Int, lengths: [Int]?) {
    self.steps = steps
    self.batch = batch
    isRagged = lengths?.contains { $0 != steps } ?? false
    if isRagged, let lengths {
      order = (0..<batch).sorted { (lengths[$1], $0) < (lengths[$0], $1) }
      self.lengths = order.map { lengths[$0] }
    } else {
      order = Array(0..<batch)
      self.lengths = [Int](repeating: steps, count: batch)
    }
  }
}

/// States of one direction, rows in the order of `BatchRows`: h twice (before and after a step), c, and what lies between two
/// products of a step.
struct StatePointers<Number: Native> {
  let start: UnsafeMutablePointer<Number>
  let batch: Int
  /// Numbers from row to row.
  let ld: Int

  init(_ start: UnsafeMutablePointer<Number>, direction: Int, batch: Int, ld: Int) {
    self.start = start + direction * Self.count(batch, ld)
    self.batch = batch
    self.ld = ld
  }

  static func count(_ batch: Int, _ ld: Int) -> Int { 4 * batch * ld }

  /// h after `step` steps.
  func h(_ step: Int) -> UnsafeMutablePointer<Number> { start + step % 2 * batch * ld }
  var c: UnsafeMutablePointer<Number> { start + 2 * batch * ld }
  var between: UnsafeMutablePointer<Number> { start + 3 * batch * ld }

  /// The initial states.
  func load(_ pointers: PassPointers<Number>, _ d: Int, _ layer: RecurrentLayer, _ rows: BatchRows) {
    let (count, units, cells) = (layer.directions.count, layer.outputSize, layer.hiddenSize)
    let hasCells = layer.cell.hasCellState
    for (row, b) in rows.order.enumerated() {
      (h(0) + row * ld).update(from: pointers.lastH + (b * count + d) * units, count: units)
      guard hasCells else { continue }
      (c + row * ld).update(from: pointers.lastC + (b * count + d) * cells, count: cells)
    }
  }
}
