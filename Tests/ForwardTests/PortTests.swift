import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct PortTests {
  private let features = PortAxis([.features(stride: 1, count: 2)], size: 2)

  private func port(_ name: String, _ axes: [PortAxis], kind: ValueKind = .sequence(features: 2))
    -> Model.Port
  {
    Model.Port(name: name, value: name, elementType: .float32, kind: kind, axes: axes)
  }

  private func pass(_ input: Model.Port, _ x: Tensor, _ output: Model.Port) throws -> Tensor {
    try forward(model(.dropout(ratio: 0.5), [input], output), inputs: [input.name: x], precision: .float32)[
      output.name]!
  }

  @Test func `Batch-first ports transpose, and one arrangement becomes another`() throws {
    let batchFirst = [PortAxis([.batch]), PortAxis([.time]), features]
    let timeFirst = [PortAxis([.time]), PortAxis([.batch]), features]
    var generator = SeededGenerator(seed: 1)
    let x = generator.tensor([3, 4, 2])
    #expect(try pass(port("x", batchFirst), x, port("y", timeFirst)) == x.transposed([1, 0, 2]))
    #expect(try pass(port("x", batchFirst), x, port("y", batchFirst)) == x)
  }

  @Test func `Features split over axes are put together, around axes of size 1`() throws {
    // ONNX's Y: [T, D, B, H]
    let onnx = [
      PortAxis([.time]), PortAxis([.features(stride: 3, count: 2)], size: 2), PortAxis([.batch]),
      PortAxis([.features(stride: 1, count: 3)], size: 3), PortAxis([], size: 1),
    ]
    let plain = [PortAxis([.time]), PortAxis([.batch]), PortAxis([.features(stride: 1, count: 6)], size: 6)]
    var generator = SeededGenerator(seed: 1)
    let x = generator.tensor([4, 2, 5, 3, 1])
    let kind = ValueKind.sequence(features: 6)
    let y = try pass(port("x", onnx, kind: kind), x, port("y", plain, kind: kind))
    #expect(y == (try x.reshaped([4, 2, 5, 3]).transposed([0, 2, 1, 3]).reshaped([4, 5, 6])))
    #expect(try pass(port("x", plain, kind: kind), y, port("y", onnx, kind: kind)) == x)
  }

  @Test func `An axis of time and batch together is resolved through another port`() throws {
    let flat = port("x", [PortAxis([.time, .batch]), features])
    var generator = SeededGenerator(seed: 1)
    let x = generator.tensor([6, 2])
    #expect(throws: ForwardError.ambiguousShape(port: "x", found: [6, 2])) {
      try pass(flat, x, port("y", flat.axes))
    }
    let network = Model(
      inputs: [flat, .vector("v", features: 1)],
      outputs: [port("x", [PortAxis([.time]), PortAxis([.batch]), features])], layers: [])
    let outputs = try forward(
      network, inputs: ["x": x, "v": generator.tensor([3, 1])], precision: .float32)
    #expect(outputs["x"]!.shape == [2, 3, 2])
  }

  @Test func `Shapes that do not fit are refused, naming the port`() throws {
    let fixed = port("x", [PortAxis([.time], symbol: "steps"), PortAxis([.batch], size: 3), features])
    for shape in [[4, 2, 2], [4, 3, 3], [4, 3], [4, 3, 2, 1]] {
      let x = Tensor([Float](repeating: 0, count: shape.reduce(1, *)), shape: shape)
      #expect(throws: ForwardError.wrongShape(port: "x", expected: "[steps, 3, 2]", found: shape)) {
        try pass(fixed, x, port("y", fixed.axes))
      }
    }
    let open = port("y", [PortAxis([.time]), PortAxis([.batch]), features])
    let x = Tensor([Float](repeating: 0, count: 16), shape: [4, 2, 2])
    let network = model(.dropout(ratio: 0), [open], fixed)
    #expect(throws: ForwardError.wrongShape(port: "x", expected: "[steps, 3, 2]", found: [4, 2, 2])) {
      try forward(network, inputs: ["y": x], precision: .float32)
    }
  }

  @Test func `Missing, unknown and wrongly typed inputs are refused`() throws {
    let network = LayerSpecification(.lstm).model(seed: 1, lengths: true)
    var inputs = randomInputs(network, steps: 3, batch: 2, lengths: [1, 2], seed: 1)
    inputs["lengths"] = nil
    #expect(throws: ForwardError.missingInput(port: "lengths")) {
      try forward(network, inputs: inputs, precision: .float32)
    }
    inputs["lengths"] = Tensor([1, 2] as [Float], shape: [2])
    #expect(throws: ForwardError.wrongElementType(port: "lengths", expected: "integers", found: .float32)) {
      try forward(network, inputs: inputs, precision: .float32)
    }
    inputs["lengths"] = Tensor([1, 2, 3] as [Int32], shape: [3])
    #expect(throws: ForwardError.batchMismatch(source: "port 'lengths'", expected: 2, found: 3)) {
      try forward(network, inputs: inputs, precision: .float32)
    }
    inputs["lengths"] = Tensor([1, 2] as [Int32], shape: [2])
    inputs["z"] = inputs["lengths"]
    #expect(throws: ForwardError.unknownInput("z")) {
      try forward(network, inputs: inputs, precision: .float32)
    }
  }

  @Test(arguments: [-1, 4] as [Int64])
  func `A length outside 0…T is refused, naming layer and row`(_ length: Int64) throws {
    let network = LayerSpecification(.gru(resetAfter: true)).model(seed: 1, lengths: true)
    let inputs = randomInputs(network, steps: 3, batch: 2, lengths: [1, length], seed: 1)
    #expect(
      throws: ForwardError.lengthOutOfRange(layer: "layer", row: 1, length: length, allowed: 0...3)
    ) { try forward(network, inputs: inputs, precision: .float32) }
  }

  @Test func `An invalid model is refused`() {
    let network = Model(inputs: [], outputs: [.vector("y", features: 1)], layers: [])
    #expect(throws: ForwardError.invalidModel(.unknownValue(layer: "y", value: "y"))) {
      try forward(network, inputs: [:], precision: .float32)
    }
  }
}
