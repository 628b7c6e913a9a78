package import Tensors

/// `y_t = Σ_{s ≤ t} x_s`: sums over the steps up to each, as ONNX' CumSum along time.
public struct CumulativeSum: Sendable, Hashable {
  /// Whether a step itself is left out of its sum.
  public var isExclusive: Bool
  /// Whether sums go from the last step to the first.
  public var isReverse: Bool

  /// By default a step's own numbers are part of its sum, and sums begin with the first step.
  public init(isExclusive: Bool = false, isReverse: Bool = false) {
    (self.isExclusive, self.isReverse) = (isExclusive, isReverse)
  }
}

extension CumulativeSum: LayerKind {
  package var name: LayerName { .cumulativeSum }
  package var operation: Layer.Operation { .cumulativeSum(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.flag("exclusive", isExclusive)
    try fields.flag("reverse", isReverse)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(isExclusive: try fields.flag("exclusive"), isReverse: try fields.flag("reverse"))
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard input.hasTime else { throw inputs.wrongInput(0, expected: "a sequence") }
    return [input]
  }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    "its sums are not carried from step to step"
  }
}
