import Recurrent
import Tensors
import TestSupport
import Verification

extension MutationModels {
  /// A transposed convolution, norms, an axis that is resized, attention and sums before a recurrence, in which the mistakes of these
  /// layers can be made; nil where `mistake` is none of them.
  static func surrounded(for mistake: String, seed: UInt64, size: Int) -> Model? {
    guard Mistake.aroundIDs.contains(mistake) else { return nil }
    let turn = Int(seed)
    var generator = SeededGenerator(seed: seed &+ 9)
    func positive(_ count: Int) -> Tensor {
      Tensor((0..<count).map { _ in Float.random(in: 0.3...2, using: &generator) }, shape: [count])
    }
    let (heads, channels, bands, units) = (2, size > 8 ? 8 : 4, 6, max(4, size))
    let transposed = TransposedConvolution(
      weight: generator.tensor([channels, channels, 3, 3], scale: 1.5 / Float(channels)),
      bias: generator.tensor([channels]),
      axes: [
        TransposedAxis(size: nil, kernel: 3, before: 1, after: 1),
        // Padding 1 and output padding 1: 12 places.
        TransposedAxis(size: bands, kernel: 3, stride: 2, before: 1, after: 0),
      ])
    let batch = BatchNormalization(
      scale: positive(channels), bias: generator.tensor([channels]), mean: generator.tensor([channels]),
      variance: positive(channels), epsilon: 1e-3, inner: 2 * bands)
    let modes: [Resize.Mode] =
      mistake == "nearest-rounding"
      ? Resize.Rounding.allCases.map { .nearest($0) }
      : [.linear, .nearest(.floor), .cubic(a: -0.75, excludesOutside: false), .nearest(.halfDown)]
    let coordinates: [Resize.Coordinates] = [.halfPixel, .alignCorners, .asymmetric]
    // Neither a multiple of 12 nor a part of it.
    let results = turn % 2 == 0 ? 17 : 7
    let resize = Resize(
      modes[turn % modes.count], coordinates[turn % coordinates.count],
      axes: [Resize.Axis(size: 2 * bands, results: results)])
    let groups = [channels, 2, 1][turn % 3]
    let grouped = Normalization(
      turn % 4 == 3 ? .rootMeanSquare : .deviation, count: channels / groups * results,
      overTime: turn % 5 == 4, epsilon: 1e-5, scale: positive(channels), bias: generator.tensor([channels]),
      channel: results)
    let features = channels * results
    func dense() -> Layer.Operation {
      .dense(
        Dense(
          weight: generator.tensor([units, features], scale: 2 / Float(features).squareRoot()),
          bias: generator.tensor([units])))
    }
    let norm: Layer.Operation =
      turn % 2 == 0
      ? .layerNormalization(LayerNormalization(scale: positive(units), bias: generator.tensor([units])))
      : .normalization(
        Normalization(.rootMeanSquare, count: units, epsilon: 1e-6, scale: positive(units)))
    var specification = LayerSpecification(turn % 2 == 0 ? .gru(resetAfter: true) : .lstm)
    (specification.inputSize, specification.hiddenSize) = (units, units)
    specification.scale = 1 / Float(units).squareRoot()
    let factor = Tensor([1 / Float(units / heads).squareRoot()], shape: [1])
    return Model(
      name: "surrounded", inputs: [.sequence("x", features: channels * bands)],
      outputs: [.sequence("y", features: units)],
      layers: [
        Layer("transposed", .transposedConvolution(transposed), inputs: ["x"], outputs: ["a"]),
        Layer("batch-norm", .batchNormalization(batch), inputs: ["a"], outputs: ["b"]),
        Layer("resize", .resize(resize), inputs: ["b"], outputs: ["c"]),
        Layer("group-norm", .normalization(grouped), inputs: ["c"], outputs: ["d"]),
        Layer("queries", dense(), inputs: ["d"], outputs: ["q"]),
        Layer("keys", dense(), inputs: ["d"], outputs: ["k"]),
        Layer("values", dense(), inputs: ["d"], outputs: ["v"]),
        Layer("scaled", .arithmetic(Arithmetic(.multiply, constant: factor)), inputs: ["q"], outputs: ["s"]),
        Layer("attention", .attention(Attention(heads: heads)), inputs: ["s", "k", "v"], outputs: ["e"]),
        Layer("norm", norm, inputs: ["e"], outputs: ["f"]),
        Layer(
          "sum", .cumulativeSum(CumulativeSum(isExclusive: turn % 2 == 1, isReverse: turn % 3 == 1)),
          inputs: ["f"], outputs: ["g"]),
        Layer("recurrence", .recurrent(specification.layer(&generator)), inputs: ["g"], outputs: ["h"]),
        Layer("softmax", turn % 2 == 0 ? .logSoftmax : .softmax, inputs: ["h"], outputs: ["y"]),
      ])
  }
}

extension Mistake {
  /// Those of what resizes, of norms, attention, transposed convolutions and sums.
  static let aroundIDs: Set = [
    "resize-coordinates", "nearest-rounding", "resize-mode", "norm-groups", "norm-kind", "epsilon-outside",
    "softmax-logarithm", "attention-scale", "output-padding", "cumulative-sum",
  ]
}
