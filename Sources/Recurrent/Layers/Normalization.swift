public import Tensors

/// `(x − m) / d ⊙ scale + bias`, m and d made of groups of features that have nothing to do with one another, at each step or over all
/// of them: instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016), group normalisation (Wu and He 2018), RMSNorm (Zhang and
/// Sennrich 2019), division by a norm.
///
/// A group is an axis inside the features, `[…, outer·count·inner]`, as a `Reduction` has it. Of C channels of P places an instance is
/// `count` P, a group of them `count` C/G·P.
public struct Normalization: Sendable, Equatable {
  /// What m and d are, over the n numbers of a group.
  public enum Divisor: String, Sendable, CaseIterable, Hashable {
    /// m their mean, d = √(v + epsilon), where v is their mean (x − m)².
    case deviation
    /// m their mean, d = √v + 10⁻⁹: ONNX' MeanVarianceNormalization.
    case guardedDeviation
    /// m = 0, d = √(mean x² + epsilon).
    case rootMeanSquare
    /// m = 0, d = √(Σ x²); where that is 0, so is the result.
    case euclidean
    /// m = 0, d = Σ |x|; where that is 0, so is the result.
    case absoluteSum
  }

  /// What is taken away and divided by.
  public var divisor: Divisor
  /// How many features a group has.
  public var count: Int
  /// How many features lie between two of a group; 1 where they follow one another.
  public var inner: Int
  /// Whether a group is of all T steps of its row; else each step has its own.
  public var overTime: Bool
  /// At least 0, a number of Float32, as formats hold it; 0 where `divisor` has none.
  public var epsilon: Double { didSet { epsilon = Double(Float(epsilon)) } }
  /// γ, `[C]`, a number for each `channel` features, and again from the first on where there are more; nil for ones.
  public var scale: Tensor?
  /// β, `[C]`; nil for none.
  public var bias: Tensor?
  /// How many features that follow one another share a number of `scale` and `bias`.
  public var channel: Int

  /// A normalisation of groups of `count` features, `inner` apart.
  public init(
    _ divisor: Divisor, count: Int, inner: Int = 1, overTime: Bool = false, epsilon: Double = 0,
    scale: Tensor? = nil, bias: Tensor? = nil, channel: Int = 1
  ) {
    (self.divisor, self.count, self.inner, self.overTime) = (divisor, count, inner, overTime)
    (self.epsilon, self.scale, self.bias, self.channel) = (Double(Float(epsilon)), scale, bias, channel)
  }
}

extension Normalization.Divisor {
  /// Whether the mean is taken away first.
  package var isCentred: Bool { self == .deviation || self == .guardedDeviation }
  /// Whether it is a norm of the numbers, by which nothing but zeros is 0.
  package var isNorm: Bool { self == .euclidean || self == .absoluteSum }
  /// Whether `epsilon` is a part of it.
  package var hasEpsilon: Bool { self == .deviation || self == .rootMeanSquare }
  /// What `guardedDeviation` adds to the root.
  package static let guarding = 1e-9
}

extension Normalization: LayerKind {
  package var name: LayerName { .normalization }
  package var operation: Layer.Operation { .normalization(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.text("divisor", divisor.rawValue)
    try fields.integer("count", count)
    try fields.integer("inner", inner)
    try fields.flag("overTime", overTime)
    try fields.real("epsilon", epsilon)
    try fields.integer("channel", channel)
    try fields.tensor("scale", scale)
    try fields.tensor("bias", bias)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    let divisor: Divisor = try fields.name("divisor", "divisor")
    let (count, inner) = (try fields.size("count"), try fields.size("inner"))
    let (overTime, epsilon) = (try fields.flag("overTime"), try fields.real("epsilon"))
    let channel = try fields.size("channel")
    self.init(
      divisor, count: count, inner: inner, overTime: overTime, epsilon: epsilon,
      scale: try fields.optionalTensor("scale"), bias: try fields.optionalTensor("bias"), channel: channel)
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) {
    scale = scale.map(transform)
    bias = bias.map(transform)
  }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard count >= 1, inner >= 1, count <= input.features, inner <= input.features / count,
      input.features % (count * inner) == 0
    else {
      throw inputs.invalid("groups of \(count), \(inner) apart, in \(input.features) features")
    }
    guard !overTime || input.hasTime else { throw inputs.wrongInput(0, expected: "a sequence") }
    guard epsilon >= 0, epsilon.isFinite, divisor.hasEpsilon || epsilon == 0 else {
      throw inputs.invalid("epsilon \(epsilon) of \(divisor.rawValue)")
    }
    for (name, tensor) in [("scale", scale), ("bias", bias)] {
      guard let tensor else { continue }
      guard tensor.shape.count == 1, channel >= 1, channel <= input.features, tensor.count >= 1,
        tensor.count <= input.features / channel, input.features % (tensor.count * channel) == 0
      else { throw inputs.wrongShape(name, expected: [input.features / max(channel, 1)], found: tensor) }
      try inputs.requireFloat(tensor, name)
    }
    guard channel == 1 || scale != nil || bias != nil else {
      throw inputs.invalid("channels of \(channel) features, without scale and bias")
    }
    return [input]
  }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    overTime ? "it needs the whole sequence" : nil
  }
}
