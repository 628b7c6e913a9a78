internal import Forward
internal import Recurrent
internal import Tensors

/// What the right outputs are on one probe, by the names of the model that is tried.
struct KnownOutputs: Sendable {
  var probe: String
  var inputs: [String: Tensor]
  var outputs: [String: Tensor]
}

/// Tries every known mistake on a model: which results give the outputs that are known?
struct MistakeSearch {
  let base: Model
  /// Of the arithmetic that the outputs come from.
  let rounding: RoundingModel
  let pieces: [Piece]
  private let smallestFirst: [Piece]

  /// Known outputs, and what the untouched model makes of it.
  struct Piece {
    let known: KnownOutputs
    let base: [String: BoundedTensor]
    /// T·B: how often a pass uses each weight.
    let size: Int

    /// Whether the untouched model misses an element by more than rounding.
    func isMissed(_ output: String, _ index: Int, _ expected: Double) -> Bool {
      guard let own = base[output] else { return false }
      return !isSame(own.values[index], expected)
        && !(abs(own.values[index] - expected) <= 2 * own.errors[index])
    }

    /// The element of an output that the untouched model misses by most, and by how much.
    func worstMiss(_ output: String) -> (index: Int, deviation: Double)? {
      guard let own = base[output], let expected = known.outputs[output], own.shape == expected.shape else {
        return nil
      }
      return expected.doubles.enumerated().filter { isMissed(output, $0, $1) }
        .map { ($0.offset, abs(own.values[$0.offset] - $0.element)) }.max { $0.1 < $1.1 }
    }
  }

  struct Found {
    let explanation: Diagnosis.Explanation
    let model: Model
  }

  struct Outcome {
    var found: [Found] = []
    var tried = 0
    var isComplete = true
  }

  /// - Throws: what the base's pass throws; then there is nothing to start from.
  init(_ base: Model, _ known: [KnownOutputs], rounding: RoundingModel) throws(ForwardError) {
    self.base = base
    self.rounding = rounding
    pieces = try known.map { (known) throws(ForwardError) in
      let sizes = base.inputs.compactMap { port in
        known.inputs[port.name].map { $0.count / max(1, port.kind.features) }
      }
      return Piece(
        known: known, base: try boundedForward(base, inputs: known.inputs, rounding: rounding),
        size: sizes.max() ?? 1)
    }
    smallestFirst = pieces.sorted { $0.size < $1.size }
  }

  /// - Parameters:
  ///   - target: the model that the mistake may have led to.
  ///   - effort: about how many multiplications may be spent on finding candidates.
  func run(for purpose: Mistake.Purpose, target: Model? = nil, effort: Int = 20_000_000_000) -> Outcome {
    var outcome = Outcome()
    // Making a candidate and preparing its pass touches each weight a few times more.
    let cost = base.parameterCount * (4 + (smallestFirst.first?.size ?? 1))
    let targetPrint = target?.fingerprint
    for mistake in Mistake.all {
      for candidate in mistake.candidates(base, purpose) {
        if outcome.tried * cost > effort {
          outcome.isComplete = false
          return outcome
        }
        guard let model = candidate.changed(base) else { continue }
        outcome.tried += 1
        guard let evidence = evidence(for: model, targetPrint) else { continue }
        // The same change in other words is no second explanation.
        if outcome.found.contains(where: { $0.explanation.mistake == mistake.id && $0.model == model }) {
          continue
        }
        let explanation = Diagnosis.Explanation(
          mistake: mistake.id, name: mistake.name, place: candidate.place, evidence: evidence)
        outcome.found.append(Found(explanation: explanation, model: model))
      }
    }
    // Where a mistake gives the very weights, one that merely gives the same outputs has not been made.
    let exact = outcome.found.filter { $0.explanation.evidence == .weights }
    if !exact.isEmpty { outcome.found = exact }
    return outcome
  }

  /// The base with a mistake taken back at the place where it was made, if that gives the known outputs.
  func takingBack(_ explanation: Diagnosis.Explanation, like target: Model) -> Model? {
    let targetPrint = target.fingerprint
    return Mistake.named(explanation.mistake)?.candidates(base, .mend).lazy
      .filter { $0.place == explanation.place }.compactMap { $0.changed(base) }
      .first { evidence(for: $0, targetPrint) != nil }
  }

  /// What speaks for the model being the one behind the known outputs; nil if nothing does.
  private func evidence(for model: Model, _ target: Fingerprint?) -> Diagnosis.Explanation.Evidence? {
    guard comesNear(model) else { return nil }
    // The very weights need no bound, which can be beyond all numbers where a mistake makes them huge.
    if let target, model.fingerprint == target { return .weights }
    return pieces.allSatisfy { explains(model, $0) } ? .outputs : nil
  }

  /// Whether the model gives every output to within what rounding could ever do: a quick pass that few survive.
  private func comesNear(_ model: Model) -> Bool {
    smallestFirst.allSatisfy { piece in
      guard let outputs = try? forward(model, inputs: piece.known.inputs, precision: .float64) else {
        return false
      }
      return piece.known.outputs.allSatisfy { name, expected in
        guard let found = outputs[name], found.shape == expected.shape else { return false }
        // Where the base gives another shape, the bounds alone judge.
        guard let own = piece.base[name], own.shape == found.shape else { return true }
        return zip(zip(found.doubles, expected.doubles), own.errors).allSatisfy { pair, error in
          isSame(pair.0, pair.1) || abs(pair.0 - pair.1) <= 256 * error + 1e-6 * (1 + abs(pair.1))
        }
      }
    }
  }

  /// Whether the model gives every output within its bounds, and what it leaves is little beside what the base misses.
  private func explains(_ model: Model, _ piece: Piece) -> Bool {
    guard let passes = try? forward(model, inputs: piece.known.inputs, precision: .float64) else {
      return false
    }
    let models: [RoundingModel] = rounding.format == .float64 ? [rounding] : [.float64, rounding]
    return models.contains { rounding in
      guard let outputs = try? boundedForward(model, inputs: piece.known.inputs, rounding: rounding) else {
        return false
      }
      return piece.known.outputs.allSatisfy { name, expected in
        guard let found = outputs[name], found.shape == expected.shape, let pass = passes[name]?.doubles
        else {
          return false
        }
        var left = 0.0
        for (index, value) in expected.doubles.enumerated() where !isSame(pass[index], value) {
          let deviation = abs(pass[index] - value)
          // The other side claims to compute the same, so it may be off as far.
          guard deviation <= 2 * found.errors[index] else { return false }
          left = max(left, deviation)
        }
        // A bound that covers what it is to explain explains nothing, unless hardly anything is left to explain.
        return piece.worstMiss(name).map { miss in
          4 * found.errors[miss.index] <= miss.deviation || 64 * left <= miss.deviation
        } ?? true
      }
    }
  }
}

/// Equal, or alike in being no number.
func isSame(_ left: Double, _ right: Double) -> Bool { left == right || left.isNaN && right.isNaN }
