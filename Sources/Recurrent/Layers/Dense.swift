public import Tensors

/// `weight · x + bias` over the features.
public struct Dense: Sendable, Equatable {
  /// `[O, F]`
  public var weight: Tensor
  /// `[O]`; nil for none.
  public var bias: Tensor?

  /// Weight `[O, F]`, bias `[O]` or nil for none.
  public init(weight: Tensor, bias: Tensor? = nil) { (self.weight, self.bias) = (weight, bias) }
}

extension Dense: StepwiseLayer {
  package var name: LayerName { .dense }
  package var operation: Layer.Operation { .dense(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.tensor("weight", weight)
    try fields.tensor("bias", bias)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(weight: try fields.tensor("weight"), bias: try fields.optionalTensor("bias"))
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) {
    weight = transform(weight)
    bias = bias.map(transform)
  }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard weight.shape.count == 2, weight.shape[1] == input.features else {
      throw inputs.wrongShape("weight", expected: [-1, input.features], found: weight)
    }
    try inputs.requireFloat(weight, "weight")
    if let bias { try inputs.require(bias, "bias", shape: [weight.shape[0]]) }
    return [input.with(features: weight.shape[0])]
  }
}
