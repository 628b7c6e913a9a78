public import Tensors

/// `(x − mean) / √(variance + epsilon) ⊙ scale + bias` of each channel, with the mean and variance that training left (Ioffe and Szegedy 2015).
public struct BatchNormalization: Sendable, Equatable {
  /// γ, `[C]`
  public var scale: Tensor
  /// β, `[C]`
  public var bias: Tensor
  /// Of the channel in training, `[C]`.
  public var mean: Tensor
  /// Of the channel in training, `[C]`: not its root.
  public var variance: Tensor
  /// Added to the variance, at least 0; a number of Float32, as formats hold it.
  public var epsilon: Double { didSet { epsilon = Double(Float(epsilon)) } }
  /// How many features that follow one another are of one channel.
  public var inner: Int

  /// A normalisation of C channels of `inner` features; PyTorch's and ONNX' own epsilon is 1e-5.
  public init(
    scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, epsilon: Double = 1e-5, inner: Int = 1
  ) {
    (self.scale, self.bias, self.mean, self.variance) = (scale, bias, mean, variance)
    (self.epsilon, self.inner) = (Double(Float(epsilon)), inner)
  }
}

extension BatchNormalization: StepwiseLayer {
  package var name: LayerName { .batchNormalization }
  package var operation: Layer.Operation { .batchNormalization(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.real("epsilon", epsilon)
    try fields.integer("inner", inner)
    try fields.tensor("scale", scale)
    try fields.tensor("bias", bias)
    try fields.tensor("mean", mean)
    try fields.tensor("variance", variance)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    let (epsilon, inner) = (try fields.real("epsilon"), try fields.size("inner"))
    self.init(
      scale: try fields.tensor("scale"), bias: try fields.tensor("bias"), mean: try fields.tensor("mean"),
      variance: try fields.tensor("variance"), epsilon: epsilon, inner: inner)
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) {
    scale = transform(scale)
    bias = transform(bias)
    mean = transform(mean)
    variance = transform(variance)
  }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard epsilon >= 0, epsilon.isFinite else {
      throw inputs.invalid("epsilon \(epsilon) is negative or no number")
    }
    guard inner >= 1, input.features > 0, input.features % inner == 0 else {
      throw inputs.invalid("channels of \(inner) features in \(input.features)")
    }
    let shape = [input.features / inner]
    try inputs.require(scale, "scale", shape: shape)
    try inputs.require(bias, "bias", shape: shape)
    try inputs.require(mean, "mean", shape: shape)
    try inputs.require(variance, "variance", shape: shape)
    return [input]
  }
}
