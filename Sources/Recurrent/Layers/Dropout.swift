package import Tensors

/// Identity at inference; kept so that a round trip loses nothing.
public struct Dropout: Sendable, Equatable {
  /// The share of elements that training drops.
  public var ratio: Double

  /// A dropout that drops this share of elements in training.
  public init(ratio: Double) { self.ratio = ratio }
}

extension Dropout: StepwiseLayer {
  package var name: LayerName { .dropout }
  package var operation: Layer.Operation { .dropout(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.real("ratio", ratio)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(ratio: try fields.real("ratio"))
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    [try inputs.features()]
  }
}
