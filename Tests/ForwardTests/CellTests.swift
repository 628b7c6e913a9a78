import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct CellTests {
  @Test(arguments: specifications.indices)
  func `Every cell, direction, length and initial state gives what plain loops give`(_ index: Int) throws {
    let specification = specifications[index]
    let (steps, lengths) = (5, [5, 1, 0, 3] as [Int64])
    for ragged in [false, true] {
      for states in [false, true] {
        let model = specification.model(seed: UInt64(index), lengths: ragged, initialStates: states)
        let inputs = randomInputs(
          model, steps: steps, batch: 4, lengths: lengths, seed: UInt64(100 + index))
        let outputs = try forward(model, inputs: inputs, precision: .float64)
        let y = outputs["y"]!
        let features = y.shape[2]
        for b in 0..<4 {
          let length = ragged ? Int(lengths[b]) : steps
          let (expectedY, expectedH, expectedC) = textbook(model, inputs, b, length, as: Double.self)
          for t in 0..<steps {
            for j in 0..<features {
              let expected = t < length ? expectedY[t][j] : 0
              #expect(
                abs(y.doubles[(t * 4 + b) * features + j] - expected) <= 1e-13, "\(specification.text)")
            }
          }
          #expect(isClose(outputs["h"]!.rows(b..<(b + 1)), expectedH.flatMap { $0 }))
          #expect((outputs["c"] != nil) == (specification.cell == .lstm))
          if let c = outputs["c"] { #expect(isClose(c.rows(b..<(b + 1)), expectedC.flatMap { $0 })) }
        }
      }
    }
  }

  @Test(arguments: specifications.indices, [Precision.float32, .float64])
  func `A row of a ragged batch equals the row alone, bit for bit`(
    _ index: Int, _ precision: Precision
  ) throws {
    let lengths = [4, 7, 0, 1, 6] as [Int64]
    var specification = specifications[index]
    (specification.inputSize, specification.hiddenSize) = (21, 19)
    let model = specification.model(seed: 7, lengths: true, initialStates: true)
    let inputs = randomInputs(model, steps: 7, batch: 5, lengths: lengths, seed: 8)
    let outputs = try forward(model, inputs: inputs, precision: precision)
    for b in 0..<5 {
      let length = Int(lengths[b])
      let alone = try forward(model, inputs: row(b, of: inputs, length: length), precision: precision)
      #expect(row(b, of: outputs, length: length) == alone, "\(specification.text), row \(b)")
    }
  }

  @Test func `A row of length 0 has zeros for outputs and keeps its initial state`() throws {
    var specification = LayerSpecification(.lstm)
    specification.direction = .bidirectional
    let model = specification.model(seed: 1, lengths: true, initialStates: true)
    let inputs = randomInputs(model, steps: 3, batch: 2, lengths: [0, 3], seed: 2)
    let outputs = try forward(model, inputs: inputs, precision: .float32)
    #expect(row(0, of: outputs, length: 3)["y"]!.floats.allSatisfy { $0 == 0 })
    #expect(outputs["h"]!.rows(0..<1) == inputs["h0"]!.rows(0..<1))
    #expect(outputs["c"]!.rows(0..<1) == inputs["c0"]!.rows(0..<1))
  }

  @Test func `The rows of a batch may come in any order`() throws {
    let model = LayerSpecification(.gru(resetAfter: false)).model(seed: 3, initialStates: true)
    let inputs = randomInputs(model, steps: 6, batch: 3, seed: 4)
    let order = [2, 0, 1]
    func reordered(_ tensors: [String: Tensor]) -> [String: Tensor] {
      tensors.mapValues { tensor in
        let ranges = order.map { $0..<($0 + 1) }
        return tensor.shape.count == 2
          ? tensor.rows(ranges) : tensor.transposed([1, 0, 2]).rows(ranges).transposed([1, 0, 2])
      }
    }
    let outputs = try forward(model, inputs: inputs, precision: .float32)
    #expect(try forward(model, inputs: reordered(inputs), precision: .float32) == reordered(outputs))
  }

  @Test func `A sequence without steps gives the initial states`() throws {
    let model = LayerSpecification(.lstm).model(seed: 3, initialStates: true)
    let inputs = randomInputs(model, steps: 0, batch: 2, seed: 4)
    let outputs = try forward(model, inputs: inputs, precision: .float32)
    #expect(outputs["y"]!.shape == [0, 2, 4])
    #expect(try #require(outputs["h"]) == inputs["h0"])
  }

  @Test func `Half-precision and quantised weights are taken at their exact values in Float64`() throws {
    let bytes = Tensor([1, 2, 250, 3] as [Int32], shape: [2, 2])
    let quantised = try Tensor(
      .uint8, shape: [2, 2], bytes: bytes.converted(to: .uint8).tensor.bytes,
      quantization: .init(scale: 0.1, zeroPoint: 2))
    let half = try Tensor([0.1, 0.2] as [Float], shape: [2]).converted(to: .float16).tensor
    let model = model(
      .dense(weight: quantised, bias: half), [.vector("x", features: 2)], .vector("y", features: 2))
    let x = Tensor([1, 2] as [Float], shape: [1, 2])
    let y = try forward(model, inputs: ["x": x], precision: .float64)["y"]!.doubles
    let expected = [-0.1 + Double(Float16(0.1)), 24.8 + 0.2 + Double(Float16(0.2))]
    #expect(y.count == expected.count)
    for (y, expected) in zip(y, expected) { #expect(abs(y - expected) < 1e-14) }
  }

  private func isClose(_ tensor: Tensor, _ expected: [Double]) -> Bool {
    tensor.count == expected.count && zip(tensor.doubles, expected).allSatisfy { abs($0 - $1) <= 1e-13 }
  }
}

/// Row b of a batch by plain loops.
func textbook<F: BinaryFloatingPoint>(
  _ model: Model, _ inputs: [String: Tensor], _ b: Int, _ length: Int, as: F.Type,
  order: EvaluationOrder = EvaluationOrder()
) -> (y: [[F]], h: [[F]], c: [[F]]) {
  let layer = model.recurrent
  let alone = row(b, of: inputs, length: length)
  func split(_ numbers: [Double], _ size: Int) -> [[F]] {
    stride(from: 0, to: numbers.count, by: size).map { start in
      numbers[start..<(start + size)].map { F($0) }
    }
  }
  return Textbook<F>(layer: layer, order: order).run(
    split(alone["x"]!.doubles, layer.inputSize),
    h0: alone["h0"].map { split($0.doubles, layer.outputSize) },
    c0: alone["c0"].map { split($0.doubles, layer.hiddenSize) })
}
