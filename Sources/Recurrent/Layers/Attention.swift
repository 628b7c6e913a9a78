package import Tensors

/// `y_t = Σ_s softmax_s(q_t · k_s) v_s` for each head: attention by products (Vaswani et al. 2017), over the steps of keys and values.
///
/// Inputs: queries `[T, B, H·D]`, keys `[S, B, H·D]`, values `[S, B, H·E]`, heads first, and perhaps a mask `[S, B, 1]`; the output is
/// `[T, B, H·E]`. What scores are scaled by is a factor of the queries. The sum, and that of the softmax, goes over the steps s that a query
/// may see: where the mask is not 0, and of causal attention s ≤ t. A query that may see none has no softmax: its y is NaN.
public struct Attention: Sendable, Hashable {
  /// H.
  public var heads: Int
  /// Whether a query sees no step behind its own.
  public var isCausal: Bool

  /// Of H heads, by default over all steps.
  public init(heads: Int, isCausal: Bool = false) { (self.heads, self.isCausal) = (heads, isCausal) }
}

extension Attention: LayerKind {
  package var name: LayerName { .attention }
  package var operation: Layer.Operation { .attention(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.integer("heads", heads)
    // Left out where it is not so: files and fingerprints from before it stay as they were.
    if isCausal { try fields.flag("causal", true) }
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(heads: try fields.size("heads"), isCausal: try fields.optionalFlag("causal") ?? false)
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    guard inputs.count == 3 || inputs.count == 4 else {
      throw inputs.wrongCount("inputs", expected: "3 or 4")
    }
    for index in 0..<inputs.count {
      guard case .sequence? = inputs[index] else { throw inputs.wrongInput(index, expected: "a sequence") }
    }
    let (queries, keys, values) = (inputs[0]!, inputs[1]!, inputs[2]!)
    guard keys.features == queries.features else {
      throw inputs.wrongInput(1, expected: "\(queries.features) features, as its queries have")
    }
    guard heads >= 1, queries.features > 0, queries.features % heads == 0, values.features % heads == 0 else {
      throw inputs.invalid("\(heads) heads of \(queries.features) and \(values.features) features")
    }
    if inputs.count == 4, inputs[3]!.features != 1 {
      throw inputs.wrongInput(3, expected: "1 feature: whether a step may be seen")
    }
    return [queries.with(features: values.features)]
  }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    isCausal
      ? "it looks at all steps of its keys up to its own, which are not carried from step to step"
      : "it looks at all steps of its keys"
  }
}
