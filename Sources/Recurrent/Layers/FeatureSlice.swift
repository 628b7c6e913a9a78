package import Tensors

/// Features `start ..< start + count`.
public struct FeatureSlice: Sendable, Equatable {
  /// The first feature.
  public var start: Int
  /// How many features, at least 1.
  public var count: Int

  /// Features `start ..< start + count`.
  public init(start: Int, count: Int) { (self.start, self.count) = (start, count) }
}

extension FeatureSlice: StepwiseLayer {
  package var name: LayerName { .slice }
  package var operation: Layer.Operation { .slice(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.integer("start", start)
    try fields.integer("count", count)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(start: try fields.integer("start"), count: try fields.integer("count"))
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard start >= 0, count >= 1, start <= input.features, count <= input.features - start else {
      throw inputs.invalid("features \(start) ..< \(start)+\(count) of \(input.features)")
    }
    return [input.with(features: count)]
  }
}
