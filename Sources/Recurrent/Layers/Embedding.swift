public import Tensors

/// Token ids `[T, B]` or `[B]` to rows of a table.
public struct Embedding: Sendable, Equatable {
  /// `[V, F]`
  public var table: Tensor

  /// A table `[V, F]`: a row for each token id.
  public init(table: Tensor) { self.table = table }
}

extension Embedding: StepwiseLayer {
  package var name: LayerName { .embedding }
  package var operation: Layer.Operation { .embedding(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.tensor("table", table)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(table: try fields.tensor("table"))
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) { table = transform(table) }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let ids = try inputs.only()
    guard ids.isInteger else { throw inputs.wrongInput(0, expected: "token ids") }
    guard table.shape.count == 2 else { throw inputs.wrongShape("table", expected: [-1, -1], found: table) }
    try inputs.requireFloat(table, "table")
    return [ids.hasTime ? .sequence(features: table.shape[1]) : .vector(features: table.shape[1])]
  }
}
