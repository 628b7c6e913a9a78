public import Tensors

/// A value that no input makes.
public struct Constant: Sendable, Equatable {
  /// A vector `[B, F]`, or `[1, F]` for every row alike; or integers `[B]` or `[1]`.
  public var value: Tensor

  /// A vector `[B, F]` or `[1, F]`, or integers `[B]` or `[1]`.
  public init(_ value: Tensor) { self.value = value }
}

extension Constant: StepwiseLayer {
  package var name: LayerName { .constant }
  package var operation: Layer.Operation { .constant(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.tensor("value", value)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(try fields.tensor("value"))
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) { value = transform(value) }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    guard inputs.count == 0 else { throw inputs.wrongCount("inputs", expected: "0") }
    if !value.elementType.isFloat, value.quantization == nil, value.elementType != .bool {
      guard value.shape.count == 1, value.shape[0] >= 1 else {
        throw inputs.wrongShape("value", expected: [-1], found: value)
      }
      return [.indices]
    }
    guard value.shape.count == 2, value.shape[0] >= 1 else {
      throw inputs.wrongShape("value", expected: [1, -1], found: value)
    }
    try inputs.requireFloat(value, "value")
    return [.vector(features: value.shape[1])]
  }
}
