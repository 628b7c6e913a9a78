import Recurrent
import Tensors
import TestSupport
import Verification

extension MutationModels {
  /// Convolutions over time and bands, a norm, a pool and a recurrence, in which the mistakes of windows can be made; nil where `mistake`
  /// is none of them.
  static func windowed(for mistake: String, seed: UInt64, size: Int) -> Model? {
    guard Mistake.windowIDs.contains(mistake) else { return nil }
    let turn = Int(seed)
    var generator = SeededGenerator(seed: seed &+ 7)
    func positive(_ count: Int) -> Tensor {
      Tensor((0..<count).map { _ in Float.random(in: 0.3...2, using: &generator) }, shape: [count])
    }
    let groups = mistake == "groups-interleaved" || turn % 3 == 1 ? 2 : 1
    let dilation = mistake == "dilation-ignored" || turn % 4 == 3 ? 2 : 1
    let functions = [
      Activation(.gelu), Activation(.leakyRelu, alpha: Double(Float(0.1))), Activation(.hardSwish),
      Activation(.silu),
      Activation(.hardSigmoid, alpha: Double(Float(0.2)), beta: 0.5),
    ]
    let modes: [Padding.Mode] = [.reflect, .edge, .wrap, .constant(0)]
    let reductions = Pool.Reduction.allCases
    // 2 channels of 8 bands, of 10 when padded.
    let first = Convolution(
      weight: generator.tensor([4, 2 / groups, 3, 3], scale: 0.6), bias: generator.tensor([4]),
      axes: [
        WindowAxis(size: nil, kernel: 3, dilation: dilation, before: 2 * dilation),
        WindowAxis(size: 10, kernel: 3, before: 0, after: 1),
      ], groups: groups)
    let second = Convolution(
      weight: generator.tensor([4, 4, 3, 3], scale: 0.4), bias: generator.tensor([4]),
      axes: [
        WindowAxis(size: nil, kernel: 3, before: 1, after: 1),
        WindowAxis(size: 9, kernel: 3, before: 1, after: 1),
      ])
    let pool = Pool(
      reductions[turn % reductions.count],
      axes: [
        WindowAxis(size: nil, kernel: 1), WindowAxis(size: 9, kernel: 3, stride: 2, before: 1, after: 0),
      ])
    let norm = BatchNormalization(
      scale: positive(4), bias: generator.tensor([4]), mean: generator.tensor([4]), variance: positive(4),
      inner: 9)
    let features = 4 * 4
    let units = max(size, 3)
    var specification = LayerSpecification(turn % 2 == 0 ? .lstm : .gru(resetAfter: true))
    (specification.inputSize, specification.hiddenSize) = (features, units)
    specification.scale = 1 / Float(units).squareRoot()
    return Model(
      name: "windowed", inputs: [.sequence("x", features: 16)], outputs: [.sequence("y", features: units)],
      layers: [
        Layer(
          "pad", .padding(Padding(modes[turn % modes.count], axes: [.init(size: 8, before: 1, after: 1)])),
          inputs: ["x"], outputs: ["padded"]),
        Layer("first", .convolution(first), inputs: ["padded"], outputs: ["a"]),
        Layer("function", .activation(functions[turn % functions.count]), inputs: ["a"], outputs: ["b"]),
        Layer("second", .convolution(second), inputs: ["b"], outputs: ["c"]),
        Layer("norm", .batchNormalization(norm), inputs: ["c"], outputs: ["d"]),
        Layer("pool", .pool(pool), inputs: ["d"], outputs: ["e"]),
        Layer("recurrence", .recurrent(specification.layer(&generator)), inputs: ["e"], outputs: ["f"]),
        Layer(
          "layer-norm",
          .layerNormalization(LayerNormalization(scale: positive(units), bias: generator.tensor([units]))),
          inputs: ["f"], outputs: ["g"]),
        Layer("softmax", turn % 2 == 0 ? .softmax : .timeSoftmax, inputs: ["g"], outputs: ["y"]),
      ])
  }
}

extension Mistake {
  /// Those of the layers around a recurrence.
  static let windowIDs: Set = [
    "kernel-flipped", "convolution-transposed", "padding-side", "dilation-ignored", "groups-interleaved",
    "pad-mode",
    "pool-form", "epsilon", "variance-as-deviation", "biased-variance", "softmax-axis", "activation-form",
    "flatten-order",
  ]
}
