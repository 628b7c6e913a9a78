import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// Mish is an operator from opset 18 on; below it is written as its function body in the specification has it.
@Suite struct MishTests {
  @Test(arguments: [7, 17, 18, 22] as [Int64])
  func `Mish is read back from whatever it is written as`(opset: Int64) throws {
    var specification = LayerSpecification(.rnn)
    specification.hiddenSize = 4
    var model = specification.model(seed: 1)
    model.layers[0].outputs = [model.layers[0].outputs[0], nil]
    model.layers.append(
      Layer("f", .activation(Activation(.mish)), inputs: [model.outputs[0].value], outputs: ["f"]))
    model.outputs = [.sequence("f", features: 4)]
    let file = try ONNXExporter.export(model, opset: opset).model
    #expect(try ONNXImporter.importModel(file).model.fingerprint == model.fingerprint)
  }

  @Test func `no recurrent operator can name it`() throws {
    var generator = SeededGenerator(seed: 1)
    let specification = LayerSpecification(.rnn)
    var (model, layer) = (specification.model(seed: 1), specification.layer(&generator))
    layer.directions[0].candidateActivation = Activation(.mish)
    model.layers[0].operation = .recurrent(layer)
    let error = #expect(throws: ONNXError.self) { try ONNXExporter.export(model) }
    #expect("\(try #require(error))".contains("mish"))
  }
}
