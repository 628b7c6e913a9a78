import ByteIO
import Foundation
import ONNXFormat
import RNNConv
import TestSupport
import Testing

/// What is no difference of models: biases of zeros, inputs that nothing reads.
@Suite struct OneModelTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: Cell.all)
  func `one bias of two comes back from ONNX as the same model`(_ cell: Cell) throws {
    for isInput in [true, false] {
      var model = LayerSpecification(cell).model(seed: 2)
      guard case .recurrent(var layer) = model.layers[0].operation else {
        Issue.record("no cell")
        return
      }
      if isInput { layer.directions[0].recurrentBias = nil } else { layer.directions[0].inputBias = nil }
      model.layers[0].operation = .recurrent(layer)
      let path = folder.path("m.onnx")
      let report = try #require(try ModelFile(model, name: "m").convert(to: path).report)
      let back = try ModelFile.open(path).model
      #expect(back.fingerprint == model.fingerprint && report.fingerprints[0] == report.fingerprints[1])
      // Whatever they hold counts again where it is not zero.
      layer.directions[0].recurrentBias = layer.directions[0].inputBias ?? layer.directions[0].recurrentBias
      var other = model
      other.layers[0].operation = .recurrent(layer)
      #expect((other.fingerprint == model.fingerprint) == !isInput)
    }
  }

  @Test func `an input that nothing reads is said, and no reason to refuse a verification`() throws {
    let (whole, blind) = (folder.path("whole.onnx"), folder.path("blind.onnx"))
    let model = LayerSpecification(.lstm).model(seed: 4, lengths: true)
    _ = try ModelFile(model, name: "whole").convert(to: whole)
    var graph = try ONNXExporter.export(LayerSpecification(.lstm).model(seed: 4)).model
    let lengths = try #require(
      try ONNXExporter.export(model).model.graph.inputs.first { $0.name == "lengths" })
    graph.graph.inputs.append(lengths)
    try Data(try ONNXEncoder.encode(graph).model.array).write(to: URL(filePath: blind))
    let report = try VerificationRequest([whole, blind]).run().report
    #expect(report.verdict == .different)
    #expect(report.reasons.contains { $0.contains("does not read the input 'lengths'") })
    #expect(report.reasons.contains { $0.contains("graph input 'lengths' is used by nothing") })
    #expect(try VerificationRequest([blind]).run().report.verdict <= .equal)
    // What is written has no such input any more: that is a loss, to be agreed to.
    let refused = #expect(throws: RNNConvError.self) {
      try ModelFile.open(blind).convert(to: folder.path("o.rnnw"))
    }
    #expect(refused?.isOfTheTarget == true)
  }

  @Test func `a file whose rules are the model's has no second road`() throws {
    let path = folder.path("m.rnnw")
    _ = try ModelFile(LayerSpecification(.lstm).model(seed: 5), name: "m").convert(to: path)
    let onnx = folder.path("m.onnx")
    _ = try ModelFile.open(path).convert(to: onnx)
    let report = try ModelFile.open(onnx).verify(against: ModelFile.open(path))
    #expect(report.roads.map(\.isSecond) == [true, false])
  }
}
