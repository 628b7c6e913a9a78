import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// ThresholdedRelu inside the recurrent operators is x where x ≥ α, the operator of that name x where x > α
/// (specification, RNN, "Activation functions", and ThresholdedRelu).
@Suite struct ThresholdTests {
  /// h = f(x), one unit without recurrence: α itself arrives at the activation.
  private func cell(_ activation: Activation) -> Model {
    var specification = LayerSpecification(.rnn)
    (specification.inputSize, specification.hiddenSize, specification.biases) = (1, 1, false)
    var model = specification.model(seed: 1)
    var generator = SeededGenerator(seed: 1)
    var layer = specification.layer(&generator)
    layer.directions[0].inputWeight = Tensor([1] as [Float], shape: [1, 1])
    layer.directions[0].recurrentWeight = Tensor([0] as [Float], shape: [1, 1])
    layer.directions[0].candidateActivation = activation
    model.layers[0].operation = .recurrent(layer)
    return model
  }

  /// The function as an operator, behind a unit that hands x on.
  private func pointwise(_ activation: Activation) -> Model {
    var model = cell(Activation(.identity))
    // Nobody reads its last state.
    model.layers[0].outputs = [model.layers[0].outputs[0], nil]
    model.layers.append(
      Layer("f", .activation(activation), inputs: [model.outputs[0].value], outputs: ["f"]))
    model.outputs = [.sequence("f", features: 1)]
    return model
  }

  /// At α and beside it, through the imported model and through the file's own evaluator.
  private func check(_ source: Model, _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation)
    throws
  {
    let file = try ONNXExporter.export(source).model
    let back = try ONNXImporter.importModel(file).model
    #expect(back.fingerprint == source.fingerprint, sourceLocation: sourceLocation)
    let x = ["x": Tensor([0.25, 0.5, 0.75] as [Float], shape: [3, 1, 1])]
    let name = source.outputs[0].name
    #expect(try forward(back, inputs: x, precision: .float64)[name]?.doubles == expected)
    #expect(try ONNXEvaluator(file).run(x, precision: .float64)[name]?.doubles == expected)
  }

  @Test func `inside a cell α itself passes, in the operator it does not`() throws {
    try check(cell(Activation(.inclusiveThresholdedRelu, alpha: 0.5)), [0, 0.5, 0.75])
    try check(pointwise(Activation(.thresholdedRelu, alpha: 0.5)), [0, 0, 0.75])
  }

  @Test func `the other of the two is refused by name, never written as its sibling`() throws {
    for model in [
      cell(Activation(.thresholdedRelu, alpha: 0.5)),
      pointwise(Activation(.inclusiveThresholdedRelu, alpha: 0.5)),
    ] {
      let error = #expect(throws: ONNXError.self) { try ONNXExporter.export(model) }
      #expect("\(try #require(error))".contains("x = α"))
    }
  }
}
