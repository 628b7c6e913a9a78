package import Tensors

/// Steps that a row skips are taken out of a sequence, or put in again: a row skips the steps whose token is `skipped`, as Keras does with
/// `mask_zero`.
///
/// Packing, `[T, B, F]` and tokens `[T, B]` give `[T, B, F]`, where of each row the steps that are kept come first, in their order, and
/// those that are skipped behind them; and how many are kept, `[B]`. Unpacking is the inverse: the k-th step of a row goes where its k-th
/// kept one was; steps that were skipped are 0, or what the step before is (the first ones 0).
public struct StepPacking: Sendable, Hashable {
  /// The token of steps that are skipped.
  public var skipped: Int
  /// What it does.
  public var direction: Direction

  /// Out of the sequence or into it.
  public enum Direction: String, Sendable, CaseIterable, Hashable {
    /// Kept steps first; a second output holds how many there are.
    case pack
    /// Back where they were, between zeros.
    case unpack
    /// Back where they were; a skipped step is what the one before is.
    case unpackHolding
  }

  /// Of steps whose token is `skipped`.
  public init(skipped: Int, _ direction: Direction) { (self.skipped, self.direction) = (skipped, direction) }
}

extension StepPacking: LayerKind {
  package var name: LayerName { .stepPacking }
  package var operation: Layer.Operation { .stepPacking(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.integer("skipped", skipped)
    try fields.text("direction", direction.rawValue)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(
      skipped: try fields.integer("skipped"), try fields.name("direction", "direction"))
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    guard inputs.count == 2, let x = inputs[0] else { throw inputs.wrongCount("inputs", expected: "2") }
    guard x.hasTime, !x.isInteger else { throw inputs.wrongInput(0, expected: "a sequence") }
    guard inputs[1] == .tokens else { throw inputs.wrongInput(1, expected: "tokens [T, B]") }
    return direction == .pack ? [x, .indices] : [x]
  }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    "which of its steps are skipped, only the whole sequence tells"
  }
}
