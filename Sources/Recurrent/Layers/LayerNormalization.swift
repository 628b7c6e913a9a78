public import Tensors

/// `(x − mean) / √(var + epsilon) ⊙ scale + bias`, mean and variance over the features of each step and row
/// (Ba, Kiros and Hinton 2016).
public struct LayerNormalization: Sendable, Equatable {
  /// γ, `[F]`
  public var scale: Tensor
  /// β, `[F]`; nil for none.
  public var bias: Tensor?
  /// Added to the variance, at least 0; a number of Float32, as formats hold it and as runtimes compute with it.
  public var epsilon: Double { didSet { epsilon = Double(Float(epsilon)) } }

  /// A normalisation by these parameters; PyTorch's and ONNX' own epsilon is 1e-5.
  public init(scale: Tensor, bias: Tensor? = nil, epsilon: Double = 1e-5) {
    (self.scale, self.bias, self.epsilon) = (scale, bias, Double(Float(epsilon)))
  }
}

extension LayerNormalization: StepwiseLayer {
  package var name: LayerName { .layerNormalization }
  package var operation: Layer.Operation { .layerNormalization(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.real("epsilon", epsilon)
    try fields.tensor("scale", scale)
    try fields.tensor("bias", bias)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    let epsilon = try fields.real("epsilon")
    self.init(
      scale: try fields.tensor("scale"), bias: try fields.optionalTensor("bias"), epsilon: epsilon)
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) {
    scale = transform(scale)
    bias = bias.map(transform)
  }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard input.features > 0 else { throw inputs.invalid("no features to normalise") }
    guard epsilon >= 0, epsilon.isFinite else {
      throw inputs.invalid("epsilon \(epsilon) is negative or no number")
    }
    try inputs.require(scale, "scale", shape: [input.features])
    if let bias { try inputs.require(bias, "bias", shape: [input.features]) }
    return [input]
  }
}
