package import Tensors

/// What is made of the places of an axis inside the features: `[…, outer·count·inner]` becomes `[…, outer·inner]`.
public struct Reduction: Sendable, Hashable {
  /// What is made of them.
  public enum Function: String, Sendable, CaseIterable, Hashable {
    case sum, mean, max
  }

  /// What is made of them.
  public var function: Function
  /// How many places the axis has.
  public var count: Int
  /// How many features lie between two places of the axis; 1 where it is the last.
  public var inner: Int

  /// Over an axis of `count` places, `inner` features apart.
  public init(_ function: Function, count: Int, inner: Int = 1) {
    (self.function, self.count, self.inner) = (function, count, inner)
  }
}

extension Reduction: StepwiseLayer {
  package var name: LayerName { .reduce }
  package var operation: Layer.Operation { .reduce(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.text("function", function.rawValue)
    try fields.integer("count", count)
    try fields.integer("inner", inner)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(
      try fields.name("function", "function"), count: try fields.size("count"),
      inner: try fields.size("inner"))
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard count >= 1, inner >= 1, count <= input.features, inner <= input.features / count,
      input.features % (count * inner) == 0
    else {
      throw inputs.invalid("an axis of \(count), \(inner) apart, in \(input.features) features")
    }
    return [input.with(features: input.features / count)]
  }
}
