package import Tensors

/// An axis inside the features becomes time: a vector `[B, outer·count·inner]` a sequence `[count, B, outer·inner]`.
public struct Unfold: Sendable, Hashable {
  /// How many steps there are.
  public var count: Int
  /// How many features lie between two places of the axis; 1 where it is the last.
  public var inner: Int

  /// An axis of `count` places, `inner` features apart.
  public init(count: Int, inner: Int) { (self.count, self.inner) = (count, inner) }
}

/// Time becomes an axis of the features, the first: a sequence `[count, B, F]` a vector `[B, count·F]`.
public struct Fold: Sendable, Hashable {
  /// How many steps the sequence must have.
  public var count: Int

  /// All of `count` steps.
  public init(count: Int) { self.count = count }
}

extension Unfold: LayerKind {
  package var name: LayerName { .unfold }
  package var operation: Layer.Operation { .unfold(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.integer("count", count)
    try fields.integer("inner", inner)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(count: try fields.size("count"), inner: try fields.size("inner"))
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard !input.hasTime else { throw inputs.wrongInput(0, expected: "a vector") }
    guard count >= 1, inner >= 1, count <= input.features, inner <= input.features / count,
      input.features % (count * inner) == 0
    else {
      throw inputs.invalid("an axis of \(count), \(inner) apart, in \(input.features) features")
    }
    return [.sequence(features: input.features / count)]
  }

  package func steps(of input: Int?) -> Int? { count }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    "it makes all steps at once"
  }
}

extension Fold: LayerKind {
  package var name: LayerName { .fold }
  package var operation: Layer.Operation { .fold(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.integer("count", count)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(count: try fields.size("count"))
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard input.hasTime else { throw inputs.wrongInput(0, expected: "a sequence") }
    guard (1...ValueKind.mostFeatures).contains(count),
      input.features <= ValueKind.mostFeatures / count
    else { throw inputs.invalid("\(count) steps of \(input.features) features are too many") }
    return [.vector(features: count * input.features)]
  }

  package func steps(of input: Int?) -> Int? { 0 }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    "it needs the whole sequence"
  }
}
