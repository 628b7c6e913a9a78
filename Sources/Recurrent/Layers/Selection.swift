package import Tensors

/// How a sequence `[T, B, F]` becomes a vector `[B, F]`.
public enum Selection: Sendable, Hashable {
  /// Step k; negative counts from the end, −1 is the last of the padded sequence.
  case step(Int)
  /// Step `lengths[b] − 1` of each row; the second input holds the lengths `[B]`.
  case lastValid
  /// Mean over all T steps.
  case mean
  /// Maximum over all T steps.
  case max
  /// Sum of all T steps.
  case sum
}

extension Selection: LayerKind {
  private enum Word: String {
    case step, lastValid, mean, max, sum
  }

  private var word: Word {
    switch self {
    case .step: .step
    case .lastValid: .lastValid
    case .mean: .mean
    case .max: .max
    case .sum: .sum
    }
  }

  package var name: LayerName { .select }
  package var operation: Layer.Operation { .select(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.text("selection", word.rawValue)
    if case .step(let step) = self { try fields.integer("step", step) }
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    let word: Word = try fields.name("selection", "selection")
    switch word {
    case .step: self = .step(try fields.integer("step"))
    case .lastValid: self = .lastValid
    case .mean: self = .mean
    case .max: self = .max
    case .sum: self = .sum
    }
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let wanted = self == .lastValid ? 2 : 1
    guard inputs.count == wanted, let sequence = inputs[0] else {
      throw inputs.wrongCount("inputs", expected: "\(wanted)")
    }
    if wanted == 2, inputs[1] != .indices { throw inputs.wrongInput(1, expected: "lengths [B]") }
    switch sequence {
    case .sequence(let features): return [.vector(features: features)]
    case .tokens:
      guard case .step = self else { throw inputs.wrongInput(0, expected: "a sequence") }
      return [.indices]
    case .vector, .indices: throw inputs.wrongInput(0, expected: "a sequence")
    }
  }

  package func steps(of input: Int?) -> Int? {
    guard case .step(let step) = self, let input else { return 0 }
    return (-input..<input).contains(step) ? 0 : nil
  }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    self == .step(-1) ? nil : "it needs the whole sequence"
  }
}
