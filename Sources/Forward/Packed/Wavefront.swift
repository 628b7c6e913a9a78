internal import CKernels
internal import Recurrent

/// Recurrent layers one upon another, block of steps by block of steps: while one thread runs the upper layers on a
/// block, another already runs the lower ones on the next.
///
/// For layers too small to be shared out themselves. How many steps run at once changes no bit, and so neither does
/// this.
struct Wavefront<Number: Panelled> {
  /// A thread is not worth waiting for after fewer multiplications.
  private static var leastBlock: Int { 1_000_000 }

  private let layers: [RecurrentLayer]
  private let steps: Int
  private let batch: Int
  let threads: Int
  /// Steps of a block.
  private let block: Int

  /// Nil where it would not pay.
  ///
  /// - Parameter layers: each reads what the one before it puts out, from the first step to the last.
  init?(_ layers: [RecurrentLayer], steps: Int, batch: Int, _ execution: Execution) {
    let rows = BatchRows(steps: steps, batch: batch, lengths: nil)
    threads = min(layers.count, execution.threads)
    let isSmall = layers.allSatisfy { Sharing($0, rows, threads: execution.threads).members == 1 }
    let work = layers.map { $0.cell.gateCount * $0.hiddenSize * ($0.inputSize + $0.outputSize) * batch }
    block = max(8, Self.leastBlock / max(1, work.max() ?? 1))
    guard threads > 1, isSmall, steps >= 4 * block else { return nil }
    self.layers = layers
    self.steps = steps
    self.batch = batch
  }

  /// Of each layer y `[T, B, O]` and the last states, from x `[T, B, I]` and the initial states.
  func run(
    _ recurrences: [PackedRecurrence<Number>], _ x: Numbers<Number>,
    _ states: [InitialStates<Number>]
  ) -> [[Value<Number>]] {
    var offsets = [0]
    for layer in layers {
      offsets.append(offsets.last! + batch * (steps * layer.outputSize + layer.outputSize + layer.hiddenSize))
    }
    let memory = Workspace<Number>(offsets.last!)
    let start = memory.start
    func pointers(_ index: Int) -> (y: UnsafeMutablePointer<Number>, h: UnsafeMutablePointer<Number>) {
      let y = start + offsets[index]
      return (y, y + batch * steps * layers[index].outputSize)
    }
    for (index, state) in states.enumerated() {
      let (h, size) = (pointers(index).h, batch * layers[index].outputSize)
      if let initial = state.h { h.update(from: initial.elements, count: size) }
      if let initial = state.c {
        (h + size).update(from: initial.elements, count: batch * layers[index].hiddenSize)
      }
    }
    x.elements.withUnsafeBufferPointer { x in
      let x = x.baseAddress ?? UnsafePointer(start)
      withThreads(threads) { threads in
        let barrier = ck_barrier_make(Int32(threads))
        defer { ck_barrier_free(barrier) }
        let blocks = (steps + block - 1) / block
        concurrently(threads) { member in
          let own = (layers.count * member / threads)..<(layers.count * (member + 1) / threads)
          for turn in 0..<(blocks + threads - 1) {
            let first = (turn - member) * block
            if first >= 0 && first < steps {
              let rows = BatchRows(steps: min(block, steps - first), batch: batch, lengths: nil)
              for index in own {
                let (y, h) = pointers(index)
                let input = index == 0 ? x : UnsafePointer(pointers(index - 1).y)
                let (inputs, outputs) = (layers[index].inputSize, layers[index].outputSize)
                recurrences[index].runAlone(
                  rows,
                  PassPointers(
                    x: input + first * batch * inputs, y: y + first * batch * outputs, lastH: h,
                    lastC: h + batch * outputs))
              }
            }
            ck_barrier_wait(barrier)
          }
        }
      }
    }
    return layers.indices.map { index in
      let (layer, y) = (layers[index], pointers(index).y)
      var next = y
      func taken(_ steps: Int?, _ features: Int) -> Value<Number> {
        let count = (steps ?? 1) * batch * features
        defer { next += count }
        return .numbers(
          Numbers(
            steps: steps, batch: batch, features: features,
            elements: Array(UnsafeBufferPointer(start: next, count: count))))
      }
      let outputs = [taken(steps, layer.outputSize), taken(nil, layer.outputSize)]
      return layer.cell.hasCellState ? outputs + [taken(nil, layer.hiddenSize)] : outputs
    }
  }
}

extension Model {
  /// The layer at `index` and those after it that each read the sequence of the one before, where all of them run from the
  /// first step to the last; empty where there is but one.
  func stack(at index: Int) -> [RecurrentLayer] {
    var stack: [RecurrentLayer] = []
    var made: Set<String> = []
    for wiring in layers[index...] {
      guard case .recurrent(let layer) = wiring.operation, layer.direction == .forward, layer.path == .time
      else { break }
      let (x, rest) = (wiring.inputs[0], wiring.inputs.dropFirst())
      // No lengths, and initial states that are there already.
      guard rest.first.flatMap({ $0 }) == nil, rest.allSatisfy({ $0.map { !made.contains($0) } ?? true })
      else { break }
      if !stack.isEmpty, x == nil || x != layers[index + stack.count - 1].outputs.first.flatMap({ $0 }) {
        break
      }
      stack.append(layer)
      made.formUnion(wiring.outputs.compactMap { $0 })
    }
    return stack.count > 1 ? stack : []
  }
}
