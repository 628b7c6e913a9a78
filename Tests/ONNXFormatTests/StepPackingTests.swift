import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// Steps that rows skip. That onnxruntime computes the same of what is written is in Tests/judges/live_unrolled.py.
@Suite struct StepPackingTests {
  private let tokens = Tensor([3, 0, 0, 4, 5, 0, 0, 0, 6, 7] as [Int64], shape: [5, 2])

  private func model(_ directions: [StepPacking.Direction]) -> Model {
    var layers: [Layer] = []
    var value = "x"
    for (index, direction) in directions.enumerated() {
      let made = "v\(index)"
      layers.append(
        Layer(
          made, .stepPacking(StepPacking(skipped: 0, direction)), inputs: [value, "tokens"],
          outputs: [made]))
      value = made
    }
    var outputs = [Model.Port.sequence("y", features: 1)]
    outputs[0].value = value
    let port = Model.Port(
      name: "tokens", value: "tokens", elementType: .int64, kind: .tokens,
      axes: [PortAxis([.time]), PortAxis([.batch])])
    return Model(name: "m", inputs: [.sequence("x", features: 1), port], outputs: outputs, layers: layers)
  }

  private func run(_ model: Model) throws -> [Double] {
    let x = Tensor((1...10).map { Float($0) }, shape: [5, 2, 1])
    return try forward(model, inputs: ["x": x, "tokens": tokens], precision: .float64)["y"]!.doubles
  }

  // Row 0 keeps its steps 0, 2 and 4; row 1 its steps 1 and 4.
  @Test(
    arguments: [
      ([StepPacking.Direction.pack], [1, 4, 5, 10, 9, 2, 3, 6, 7, 8]),
      ([.pack, .unpack], [1, 0, 0, 4, 5, 0, 0, 0, 9, 10]),
      ([.pack, .unpackHolding], [1, 0, 1, 4, 5, 4, 5, 4, 9, 10]),
    ] as [([StepPacking.Direction], [Double])])
  func `what is taken out, and where it goes again`(_ directions: [StepPacking.Direction], expected: [Double])
    throws
  {
    #expect(try run(model(directions)) == expected)
  }

  @Test(arguments: [15, 17, 20, 23] as [Int64])
  func `its functions come back, and compute the same`(_ opset: Int64) throws {
    for direction in [StepPacking.Direction.unpack, .unpackHolding] {
      let model = model([.pack, direction])
      let exported = try ONNXExporter.export(model, opset: opset).model
      let read = try ONNXDecoder.decode(try ONNXEncoder.encode(exported).model, folder: nil)
      #expect(read.functions.map(\.name.name).sorted() == exported.functions.map(\.name.name).sorted())
      #expect(try ONNXImporter.importModel(read).model.fingerprint == model.fingerprint)
      let x = Tensor((1...10).map { Float($0) }, shape: [5, 2, 1])
      let evaluated = try ONNXEvaluator(read).run(["x": x, "tokens": tokens], precision: .float64)["y"]!
      #expect(evaluated.doubles == (try run(model)))
    }
    #expect(throws: ONNXError.self) { try ONNXExporter.export(model([.pack]), opset: 14) }
  }
}
