package import Tensors

/// `y_t = Σ_s softmax_s(q_t · k_s) v_s` for each head: attention by products (Vaswani et al. 2017), over the steps of keys and values.
///
/// Inputs: queries `[T, B, H·D]`, keys `[S, B, H·D]`, values `[S, B, H·E]`, heads first; the output is `[T, B, H·E]`. What scores are scaled
/// by is a factor of the queries.
public struct Attention: Sendable, Hashable {
  /// H.
  public var heads: Int

  /// Of H heads.
  public init(heads: Int) { self.heads = heads }
}

extension Attention: LayerKind {
  package var name: LayerName { .attention }
  package var operation: Layer.Operation { .attention(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.integer("heads", heads)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(heads: try fields.size("heads"))
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    guard inputs.count == 3 else { throw inputs.wrongCount("inputs", expected: "3") }
    for index in 0..<3 {
      guard case .sequence? = inputs[index] else { throw inputs.wrongInput(index, expected: "a sequence") }
    }
    let (queries, keys, values) = (inputs[0]!, inputs[1]!, inputs[2]!)
    guard keys.features == queries.features else {
      throw inputs.wrongInput(1, expected: "\(queries.features) features, as its queries have")
    }
    guard heads >= 1, queries.features > 0, queries.features % heads == 0, values.features % heads == 0 else {
      throw inputs.invalid("\(heads) heads of \(queries.features) and \(values.features) features")
    }
    return [queries.with(features: values.features)]
  }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    "it looks at all steps of its keys"
  }
}
