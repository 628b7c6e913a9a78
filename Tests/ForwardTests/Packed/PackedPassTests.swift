import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// Sizes that fill panels, tiles and teams, and sizes that do not.
private struct Size: Sendable {
  var batch, input, hidden, steps: Int
}

private let sizes = [
  Size(batch: 1, input: 5, hidden: 20, steps: 7), Size(batch: 3, input: 17, hidden: 33, steps: 9),
  Size(batch: 14, input: 40, hidden: 64, steps: 5), Size(batch: 64, input: 30, hidden: 48, steps: 30),
  Size(batch: 2, input: 3, hidden: 130, steps: 4),
]

extension LayerSpecification {
  fileprivate func sized(_ size: Size) -> LayerSpecification {
    var copy = self
    copy.inputSize = size.input
    copy.hiddenSize = size.hidden
    copy.scale = 1 / Float(size.hidden).squareRoot()
    if projectionSize != nil { copy.projectionSize = size.hidden / 3 }
    return copy
  }
}

@Suite struct PackedPassTests {
  /// The bound covers every order of summation, so it holds for one more.
  @Test(arguments: specifications.indices, sizes.indices.dropLast(2))
  func `Every cell is within the derived bound of the textbook pass in Float64`(_ index: Int, _ size: Int)
    throws
  {
    let size = sizes[size]
    let model = specifications[index].sized(size).model(seed: 3, lengths: true, initialStates: true)
    let lengths = (0..<size.batch).map { Int64(($0 * 5 + 2) % (size.steps + 1)) }
    let inputs = randomInputs(model, steps: size.steps, batch: size.batch, lengths: lengths, seed: 4)
    let bound = try boundedForward(model, inputs: inputs, rounding: .float32)
    for set in InstructionSet.available {
      let execution = Execution(threads: 2, instructions: set)
      let outputs = try forward(model, inputs: inputs, precision: .float32, execution: execution)
      #expect(outputs.count == model.outputs.count)
      for (name, output) in outputs {
        for (k, value) in output.doubles.enumerated() {
          let (expected, error) = (bound[name]!.values[k], bound[name]!.errors[k])
          #expect(abs(value - expected) <= error, "\(specifications[index].text) \(name)[\(k)]")
        }
      }
    }
  }

  /// The same cells, also in kinds of activations that the kernels do not know.
  @Test(
    arguments: specifications.indices, [Activation.sigmoid, Activation(.hardSigmoid, alpha: 0.2, beta: 0.5)])
  func `Packed Float64 is the generic pass but for the order of its sums`(_ index: Int, _ gate: Activation)
    throws
  {
    for size in sizes {
      var generator = SeededGenerator(seed: 8)
      var layer = specifications[index].sized(size).layer(&generator)
      for d in layer.directions.indices {
        layer.directions[d].gateActivation = gate
        layer.directions[d].candidateActivation = gate == .sigmoid ? .tanh : .relu
        if gate != .sigmoid { layer.directions[d].outputActivation = Activation(.softsign) }
      }
      let count = size.steps * size.batch * size.input
      let x = Numbers(
        steps: size.steps, batch: size.batch, features: size.input,
        elements: generator.floats(count).map { Double($0) })
      let lengths = (0..<size.batch).map { ($0 * 3 + 1) % (size.steps + 1) }
      for lengths in [nil, lengths] {
        let packed = PackedRecurrence<Double>(layer, Execution(threads: 3)).run(
          x, lengths: lengths, h: nil, c: nil)
        let generic = RecurrentPass<Double>(layer, Execution()).run(x, lengths: lengths, h: nil, c: nil)
        #expect(packed.count == generic.count && !packed.isEmpty)
        for (packed, generic) in zip(packed, generic) {
          #expect(packed.numbers.elements.count == generic.numbers.elements.count)
          for (a, b) in zip(packed.numbers.elements, generic.numbers.elements) { #expect(abs(a - b) < 1e-13) }
        }
      }
    }
  }

  @Test(arguments: specifications.indices, sizes.indices)
  func `Threads and instruction sets do not change a bit`(_ index: Int, _ size: Int) throws {
    let size = sizes[size]
    let model = specifications[index].sized(size).model(seed: 5, lengths: true)
    let lengths = (0..<size.batch).map { Int64(size.steps - $0 % 3) }
    let inputs = randomInputs(model, steps: size.steps, batch: size.batch, lengths: lengths, seed: 6)
    for precision in Precision.allCases {
      let alone = Execution(threads: 1, instructions: .portable)
      let expected = try forward(model, inputs: inputs, precision: precision, execution: alone)
      for set in InstructionSet.available {
        for threads in [1, 2, 8] {
          let execution = Execution(threads: threads, instructions: set)
          let found = try forward(model, inputs: inputs, precision: precision, execution: execution)
          #expect(found == expected, "\(specifications[index].text), \(set), \(threads) threads")
        }
      }
    }
  }

  /// Large enough that teams share the units of one step, with an odd number of blocks.
  @Test(arguments: Cell.all, [1, 7, 40])
  func `1, 2 and 8 threads give the same bits where they share a layer`(_ cell: Cell, _ batch: Int) throws {
    for direction in Direction.allCases {
      var specification = LayerSpecification(cell)
      specification.direction = direction
      specification = specification.sized(Size(batch: batch, input: 64, hidden: 528, steps: 8))
      if cell == .lstm { specification.projectionSize = 100 }
      let model = specification.model(seed: 7)
      let layer = model.recurrent
      let rows = BatchRows(steps: 8, batch: batch, lengths: nil)
      #expect(Sharing(layer, rows, threads: 8).members > 2, "the test must have threads to share among")
      let inputs = randomInputs(model, steps: 8, batch: batch, seed: 8)
      let outputs = try [1, 2, 8].map {
        try forward(model, inputs: inputs, precision: .float32, execution: Execution(threads: $0))
      }
      #expect(outputs[0] == outputs[1] && outputs[0] == outputs[2], "\(cell) \(direction)")
    }
  }

  @Test(arguments: specifications.indices, Precision.allCases)
  func `A row of 64 is bit-equal to itself alone, ragged or not`(_ index: Int, _ precision: Precision) throws
  {
    let size = Size(batch: 64, input: 9, hidden: 24, steps: 11)
    for ragged in [false, true] {
      let model = specifications[index].sized(size).model(seed: 9, lengths: true, initialStates: true)
      let lengths = (0..<64).map { Int64(ragged ? 1 + $0 % 11 : 11) }
      let inputs = randomInputs(model, steps: 11, batch: 64, lengths: lengths, seed: 10)
      let together = try forward(model, inputs: inputs, precision: precision)
      for b in stride(from: 0, to: 64, by: 7) {
        let length = Int(lengths[b])
        let alone = try forward(model, inputs: row(b, of: inputs, length: length), precision: precision)
        #expect(together.count == model.outputs.count)
        for name in together.keys {
          let expected = row(b, of: [name: together[name]!], length: length)
          #expect(
            alone[name]! == expected[name]!, "\(specifications[index].text), row \(b), \(name)")
        }
      }
    }
  }

  @Test func `Steps in blocks and steps alone are the same bits: a stream of a large layer`() throws {
    var specification = LayerSpecification(.gru(resetAfter: true))
    specification = specification.sized(Size(batch: 2, input: 70, hidden: 150, steps: 40))
    let model = specification.model(seed: 11)
    let inputs = randomInputs(model, steps: 40, batch: 2, seed: 12)
    let whole = try forward(model, inputs: inputs, precision: .float32)
    var stream = try StepSession(model, batch: 2, precision: .float32)
    for t in 0..<40 {
      let step = try stream.step(["x": inputs["x"]!.rows(t..<(t + 1))])
      #expect(step["y"] == whole["y"]!.rows(t..<(t + 1)), "step \(t)")
      if t == 39 { #expect(step["h"] != nil && step["h"] == whole["h"]) }
    }
  }

  @Test func `A pass in a pass, and passes side by side, give the same bits`() async throws {
    let specification = LayerSpecification(.lstm).sized(Size(batch: 16, input: 64, hidden: 128, steps: 20))
    let model = specification.model(seed: 13)
    let inputs = randomInputs(model, steps: 20, batch: 16, seed: 14)
    let expected = try forward(model, inputs: inputs, precision: .float32, execution: Execution(threads: 1))
    try await withThrowingTaskGroup(of: [String: Tensor].self) { group in
      for _ in 0..<8 {
        group.addTask {
          try forward(model, inputs: inputs, precision: .float32, execution: Execution(threads: 4))
        }
      }
      for try await found in group { #expect(found == expected) }
    }
  }
}
