import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// Operators of networks around a recurrence, as exporters write them, and what they become.
@Suite struct WindowImportTests {
  /// A recurrence of four units, `[T, B, 4]`; `steps` fixes T.
  private func recurrence(steps: Int? = nil) -> Model {
    var specification = LayerSpecification(.rnn)
    specification.hiddenSize = 4
    var model = specification.model(seed: 1)
    model.layers[0].outputs = [model.layers[0].outputs[0], nil]
    model.outputs.removeLast(model.outputs.count - 1)
    for index in model.inputs.indices {
      for axis in model.inputs[index].axes.indices where model.inputs[index].axes[axis].factors == [.time] {
        model.inputs[index].axes[axis].size = steps
      }
    }
    return model
  }

  /// What nodes behind a recurrence become; `x` is what they read, `y` what they give.
  private func imported(
    _ nodes: [ONNXNode], _ constants: [String: Tensor] = [:], steps: Int? = nil
  ) throws -> Model {
    let file = try ONNXExporter.export(recurrence(steps: steps)).model.followed(by: nodes, constants)
    return try ONNXImporter.importModel(file).model
  }

  private func integers(_ values: Int64...) -> Tensor { Tensor(values, shape: [values.count]) }

  /// What the recurrence gives, and the model behind it, in Float64.
  private func run(_ model: Model, steps: Int) throws -> (before: [Double], after: Tensor) {
    let inputs = ["x": Tensor((0..<(steps * 2 * 3)).map { Float($0 * 7 % 11) / 11 }, shape: [steps, 2, 3])]
    let plain = recurrence()
    let x = inputs.mapValues { tensor in
      tensor.shape[2] == plain.inputs[0].kind.features
        ? tensor
        : Tensor(
          (0..<(steps * 2 * plain.inputs[0].kind.features)).map { Float($0 * 7 % 11) / 11 },
          shape: [steps, 2, plain.inputs[0].kind.features])
    }
    let named = [plain.inputs[0].name: x["x"]!]
    let before = try forward(plain, inputs: named, precision: .float64)[plain.outputs[0].name]!
    return (
      before.doubles, try forward(model, inputs: named, precision: .float64)[model.outputs[0].name]!
    )
  }

  @Test func `a constant of more axes than the value gives it as many`() throws {
    let constant = Tensor([1, 2, 3, 4] as [Float], shape: [1, 1, 1, 4])
    let model = try imported([node("Add", ["x", "c"])], ["c": constant])
    let (before, after) = try run(model, steps: 3)
    #expect(after.shape == [1, 3, 2, 4])
    #expect(after.doubles == before.enumerated().map { $1 + Double($0 % 4 + 1) })
    // Of four axes the third is that of the rows.
    #expect(throws: ONNXError.self) {
      try imported(
        [node("Add", ["x", "c"], "a"), node("Softmax", ["a"], "y", ["axis": .int(2)])], ["c": constant])
    }
  }

  @Test func `a BatchNormalization is of each channel, wherever its axis stands`() throws {
    let (scale, bias): ([Float], [Float]) = ([1, 2, -1, 0.5], [0.25, 0, 1, -2])
    let (mean, variance): ([Float], [Float]) = ([0.5, -1, 0, 2], [1, 4, 0.25, 9])
    func vector(_ values: [Float]) -> Tensor { Tensor(values, shape: [4]) }
    let nodes = [
      node("Transpose", ["x"], "t", ["perm": .ints([1, 2, 0])]),
      node("BatchNormalization", ["t", "s", "b", "m", "v"], "n", ["epsilon": .float(0.5)]),
      node("Transpose", ["n"], "y", ["perm": .ints([2, 0, 1])]),
    ]
    let constants = [
      "s": vector(scale), "b": vector(bias), "m": vector(mean), "v": vector(variance),
    ]
    let (before, after) = try run(try imported(nodes, constants), steps: 3)
    for (index, (x, y)) in zip(before, after.doubles).enumerated() {
      let c = index % 4
      let expected =
        Double(scale[c]) * (x - Double(mean[c])) / (Double(variance[c]) + 0.5).squareRoot() + Double(bias[c])
      #expect(abs(y - expected) < 1e-6)
    }
  }

  @Test(arguments: [(0, 2), (1, 3), (2, 1)], [nil, 7])
  func `every k-th step from one on`(_ cut: (from: Int64, apart: Int64), steps: Int?) throws {
    let model = try imported(
      [node("Slice", ["x", "s", "e", "a", "p"])],
      ["s": integers(cut.from), "e": integers(.max), "a": integers(0), "p": integers(cut.apart)], steps: steps
    )
    let (before, after) = try run(model, steps: 7)
    let kept = stride(from: Int(cut.from), to: 7, by: Int(cut.apart))
    #expect(after.doubles == kept.flatMap { before[($0 * 8)..<($0 * 8 + 8)] })
  }

  @Test func `a size divided by a number is rounded towards zero`() throws {
    let model = try imported(
      [
        node("Shape", ["x"], "shape"), node("Gather", ["shape", "two"], "size"),
        node("Div", ["size", "three"], "end"), node("Slice", ["x", "zero", "end", "two"]),
      ],
      ["two": integers(2), "three": integers(3), "zero": integers(0)])
    #expect(model.outputs[0].kind == .sequence(features: 1))
  }

  @Test func `picked features come back, in front of a recurrence and of all steps at once`() throws {
    let width = recurrence().inputs[0].kind.features
    var front = recurrence()
    let input = front.inputs[0].value
    front.layers[0].inputs[0] = "backwards"
    front.layers.insert(
      Layer(
        "backwards", .gather(FeatureGather(start: width - 1, [.init(count: width, stride: -1)])),
        inputs: [input], outputs: ["backwards"]), at: 0)
    var behind = recurrence(steps: 3)
    behind.layers += [
      Layer("fold", .fold(Fold(count: 3)), inputs: [behind.outputs[0].value], outputs: ["all"]),
      Layer(
        "turn", .gather(FeatureGather([.init(count: 4, stride: 1), .init(count: 3, stride: 4)])),
        inputs: ["all"], outputs: ["turned"]),
      Layer(
        "dense", .dense(weight: Tensor((0..<24).map { Float($0) }, shape: [2, 12]), bias: nil),
        inputs: ["turned"], outputs: ["z"]),
    ]
    behind.outputs = [.vector("z", features: 2)]
    for model in [front, behind] {
      let back = try ONNXImporter.importModel(ONNXExporter.export(model).model).model
      #expect(back.fingerprint == model.fingerprint, "\(back)")
    }
  }
}
