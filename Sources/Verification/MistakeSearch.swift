internal import Forward
internal import Recurrent
internal import Tensors

/// What the right outputs are on one probe, by the names of the model that is tried.
struct Evidence: Sendable {
  var probe: String
  var inputs: [String: Tensor]
  var outputs: [String: Tensor]

  var size: Int { inputs.values.reduce(0) { $0 + $1.count } }
}

/// Tries every known mistake on a model: which results give the outputs that are known?
struct MistakeSearch {
  let base: Model
  /// Smallest first.
  let evidence: [Evidence]
  /// Of the arithmetic that the outputs come from.
  let rounding: RoundingModel
  /// For each piece of evidence, deviations beyond which no rounding needs to be thought of.
  private let hopeless: [[String: [Double]]]

  struct Found {
    let explanation: Diagnosis.Explanation
    let model: Model
  }

  struct Outcome {
    var found: [Found] = []
    var tried = 0
    var isComplete = true
  }

  init(_ base: Model, _ evidence: [Evidence], rounding: RoundingModel) {
    self.base = base
    self.rounding = rounding
    self.evidence = evidence.sorted { $0.size < $1.size }
    hopeless = self.evidence.map { evidence in
      let bounds = try? boundedForward(base, inputs: evidence.inputs, rounding: .float32)
      return (bounds ?? [:]).mapValues { bounded in
        zip(bounded.values, bounded.errors).map { 256 * $1 + 1e-6 * (1 + abs($0)) }
      }
    }
  }

  /// - Parameters:
  ///   - mistakes: those to try.
  ///   - target: the fingerprint of the model that the mistake may have led to.
  ///   - effort: about how many multiplications may be spent on finding candidates.
  func run(
    _ mistakes: [Mistake] = Mistake.all, for purpose: Mistake.Purpose, target: Model? = nil,
    effort: Int = 20_000_000_000
  ) -> Outcome {
    var outcome = Outcome()
    let cost = base.parameterCount * max(1, evidence.first?.size ?? 1)
    let targetPrint = target?.fingerprint
    for mistake in mistakes {
      for candidate in mistake.candidates(base, purpose) {
        if outcome.tried * cost > effort {
          outcome.isComplete = false
          return outcome
        }
        guard let model = candidate.changed(base) else { continue }
        outcome.tried += 1
        guard comesNear(model) else { continue }
        // The very weights need no bound, which can be beyond all numbers where a mistake makes them huge.
        let isBitExact = targetPrint != nil && model.fingerprint == targetPrint
        guard isBitExact || evidence.allSatisfy({ confirms(model, $0) }) else { continue }
        let explanation = Diagnosis.Explanation(
          mistake: mistake.id, name: mistake.name, place: candidate.place,
          evidence: isBitExact ? .weights : .outputs)
        // The same change in other words is no second explanation.
        let isKnown = outcome.found.contains {
          $0.explanation.mistake == mistake.id && $0.model == model
        }
        if !isKnown { outcome.found.append(Found(explanation: explanation, model: model)) }
      }
    }
    // Where a mistake gives the very weights, one that merely gives the same outputs has not been made.
    let exact = outcome.found.filter { $0.explanation.evidence == .weights }
    if !exact.isEmpty { outcome.found = exact }
    return outcome
  }

  /// Whether the model gives every output of the evidence to within what rounding could ever do.
  private func comesNear(_ model: Model) -> Bool {
    for (number, piece) in evidence.enumerated() {
      guard let outputs = try? forward(model, inputs: piece.inputs, precision: .float64) else { return false }
      for (name, expected) in piece.outputs {
        guard let found = outputs[name], found.shape == expected.shape else { return false }
        guard let limits = hopeless[number][name], limits.count == found.count else { continue }
        for (index, (a, b)) in zip(found.doubles, expected.doubles).enumerated()
        where !isSame(a, b) && !(abs(a - b) <= limits[index]) {
          return false
        }
      }
    }
    return evidence.contains { !$0.outputs.isEmpty }
  }

  /// Whether the model gives every output within its bounds.
  private func confirms(_ model: Model, _ piece: Evidence) -> Bool {
    for rounding in [RoundingModel.float64, rounding] {
      guard let outputs = try? boundedForward(model, inputs: piece.inputs, rounding: rounding) else {
        return false
      }
      let fits = piece.outputs.allSatisfy { name, expected in
        guard let bounded = outputs[name], bounded.shape == expected.shape else { return false }
        let values = expected.doubles
        return values.indices.allSatisfy { index in
          // The other side claims to compute the same, so it may be off as far.
          isSame(bounded.values[index], values[index])
            || abs(bounded.values[index] - values[index]) <= 2 * bounded.errors[index]
        }
      }
      if fits { return true }
    }
    return false
  }
}

/// Equal, or alike in being no number.
func isSame(_ left: Double, _ right: Double) -> Bool { left == right || left.isNaN && right.isNaN }
