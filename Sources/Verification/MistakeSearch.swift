internal import Forward
internal import Recurrent
internal import Tensors

/// What the right outputs are on one probe, by the names of the model that is tried.
struct KnownOutputs: Sendable {
  var probe: String
  var inputs: [String: Tensor]
  var outputs: [String: Tensor]
}

/// Tries every known mistake on a model by running it: which results give the outputs that are known?
///
/// For where parameters cannot tell: sides without a model, models that are built differently, recorded outputs.
struct MistakeSearch {
  let base: Model
  /// Of the arithmetic that the outputs come from.
  let rounding: RoundingModel
  let pieces: [Piece]
  private let smallestFirst: [Piece]

  /// Known outputs, and what the untouched model makes of it.
  struct Piece {
    let known: KnownOutputs
    let base: [String: Tensor]
    let allowance: Allowance
    /// T·B: how often a pass uses each weight.
    let size: Int
    private(set) var misses: [String: Miss] = [:]

    init(_ known: KnownOutputs, _ base: [String: Tensor], _ allowance: Allowance, size: Int) {
      (self.known, self.base, self.allowance, self.size) = (known, base, allowance, size)
      for (name, expected) in known.outputs { misses[name] = miss(name, expected) }
    }

    /// Whether the untouched model misses an element by more than rounding.
    func isMissed(_ output: String, _ index: Int, _ own: Double, _ expected: Double) -> Bool {
      !allowance.explains(found: own, expected: expected, output: output, index: index)
    }

    /// What the untouched model misses of an output.
    private func miss(_ output: String, _ expected: Tensor) -> Miss {
      guard let own = base[output], own.shape == expected.shape else { return .shape }
      let (mine, theirs) = (own.doubles, expected.doubles)
      let worst = mine.indices.filter { isMissed(output, $0, mine[$0], theirs[$0]) }
        .max { abs(mine[$0] - theirs[$0]) < abs(mine[$1] - theirs[$1]) }
      return worst.map {
        .element($0, by: abs(mine[$0] - theirs[$0]), energy: squaredDistance(mine, theirs))
      } ?? .nothing
    }
  }

  enum Miss {
    case nothing
    /// Its very shape.
    case shape
    /// By most this one; all elements together by a sum of squares.
    case element(Int, by: Double, energy: Double)
  }

  struct Found {
    let explanation: Diagnosis.Explanation
    let model: Model
    let suggestion: Diagnosis.Suggestion?

    init(
      _ mistake: Mistake, _ candidate: Candidate, evidence: Diagnosis.Explanation.Evidence, model: Model,
      name: String? = nil, leavesUlps: Bool = false
    ) {
      explanation = Diagnosis.Explanation(
        mistake: mistake.id, name: name ?? mistake.name, place: candidate.place, evidence: evidence,
        isMutual: !candidate.isLossy, leavesUlps: leavesUlps)
      suggestion = candidate.suggestion
      self.model = model
    }
  }

  struct Outcome {
    var found: [Found] = []
    var tried = 0
    var isComplete = true
  }

  /// Whose mistake is looked for.
  enum Role {
    /// The model's that is tried: it is taken back.
    case mended
    /// The other side's: it is made. Of a mistake that can be taken back nobody knows whose it is, so that a trusted side
    /// can only be charged with those that lose something.
    case made(isLossy: Bool)
    /// The recording's: what its runtime did is made.
    case recorded
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
        known, try forward(base, inputs: known.inputs, precision: .float64),
        try Allowance(base, known.inputs, rounding), size: sizes.max() ?? 1)
    }
    smallestFirst = pieces.sorted { $0.size < $1.size }
  }

  /// What a search may cost, in multiplications; one that needs more is cut short.
  struct Budget {
    private(set) var left: Int
    var isSpent: Bool { left < 0 }

    /// A few seconds.
    static let standard = Budget(left: 20_000_000_000)
    /// A pass with bounds, in plain passes.
    static let bounded = 32

    mutating func spend(_ multiplications: Int) { left -= multiplications }
  }

  func run(_ role: Role, budget: inout Budget) -> Outcome {
    var outcome = Outcome()
    // Where nothing is missed there is nothing to explain.
    let isMissed = pieces.contains {
      $0.misses.values.contains { if case .nothing = $0 { false } else { true } }
    }
    guard isMissed else { return outcome }
    let all = Mistake.all.flatMap { mistake in candidates(mistake, role).map { (mistake, $0.0, $0.name) } }
    // A search that is cut short has tried the likeliest.
    for (mistake, candidate, name) in all.sorted(by: { $0.1.rank < $1.1.rank }) {
      if budget.isSpent {
        outcome.isComplete = false
        return outcome
      }
      // Making a candidate and preparing its pass touches each weight a few times.
      budget.spend(4 * base.parameterCount)
      guard let model = candidate.changed(base) else { continue }
      outcome.tried += 1
      guard explains(model, &budget) else { continue }
      // The same change in other words is no second explanation.
      if outcome.found.contains(where: { $0.explanation.mistake == mistake.id && $0.model == model }) {
        continue
      }
      outcome.found.append(Found(mistake, candidate, evidence: .outputs, model: model, name: name))
    }
    return outcome
  }

  private func candidates(_ mistake: Mistake, _ role: Role) -> [(Candidate, name: String)] {
    switch role {
    case .mended: mistake.candidates(base, .mend).map { ($0, mistake.name) }
    case .made(let isLossy):
      mistake.candidates(base, .make).filter { $0.isLossy || !isLossy }.map { ($0, mistake.name) }
    case .recorded:
      mistake.recorder.map { name in mistake.candidates(base, .make).map { ($0, name) } } ?? []
    }
  }

  /// The base with a mistake taken back at the place where it was made, if that gives the known outputs.
  func takingBack(_ explanation: Diagnosis.Explanation) -> Model? {
    var budget = Budget.standard
    return Mistake.named(explanation.mistake)?.candidates(base, .mend)
      .filter { $0.place == explanation.place }.compactMap { $0.changed(base) }
      .first { explains($0, &budget) }
  }

  /// Whether the model may be the one behind the known outputs: a quick pass, which few survive, then one with bounds.
  private func explains(_ model: Model, _ budget: inout Budget) -> Bool {
    for piece in smallestFirst {
      budget.spend(piece.size * base.parameterCount)
      if !comesNear(model, piece) { return false }
    }
    var isTold = false
    for piece in smallestFirst {
      budget.spend(Budget.bounded * piece.size * base.parameterCount)
      guard let told = explains(model, piece) else { return false }
      isTold = isTold || told
    }
    return isTold
  }

  /// Whether the model gives every output to within what rounding could ever do, and most of what the base misses.
  private func comesNear(_ model: Model, _ piece: Piece) -> Bool {
    guard let outputs = try? forward(model, inputs: piece.known.inputs, precision: .float64) else {
      return false
    }
    return piece.known.outputs.allSatisfy { name, expected in
      guard let found = outputs[name], found.shape == expected.shape else { return false }
      let (mine, theirs) = (found.doubles, expected.doubles)
      switch piece.misses[name] {
      // Where the base gives another shape, the bounds alone judge.
      case .shape, nil: return true
      case .element(_, _, let energy) where !(16 * squaredDistance(mine, theirs) <= energy): return false
      case .element, .nothing:
        return mine.indices.allSatisfy { index in
          let (x, y) = (mine[index], theirs[index])
          return isSame(x, y)
            || abs(x - y) <= 128 * piece.allowance.allowed(name, index) + 1e-6 * (1 + abs(y))
        }
      }
    }
  }

  /// Whether something that the base misses is explained; nil unless the model gives every output within what is allowed,
  /// and that is little beside what the base misses.
  private func explains(_ model: Model, _ piece: Piece) -> Bool? {
    guard let outputs = try? forward(model, inputs: piece.known.inputs, precision: .float64),
      let allowance = try? Allowance(model, piece.known.inputs, rounding)
    else { return nil }
    var isTold = false
    for (name, expected) in piece.known.outputs {
      guard let found = outputs[name], found.shape == expected.shape else { return nil }
      var farthest = 0.0
      for (index, (mine, theirs)) in zip(found.doubles, expected.doubles).enumerated() {
        guard allowance.explains(found: mine, expected: theirs, output: name, index: index) else {
          return nil
        }
        if mine != theirs { farthest = max(farthest, abs(mine - theirs)) }
      }
      switch piece.misses[name] {
      case .nothing, nil: break
      case .shape: isTold = true
      case .element(let index, let deviation, _):
        // What covers what it is to explain explains nothing, unless hardly anything is left of it.
        guard 2 * allowance.allowed(name, index) <= deviation || 64 * farthest <= deviation else {
          return nil
        }
        isTold = true
      }
    }
    return isTold
  }
}

/// Σ (a − b)², where alike in being no number counts as 0.
private func squaredDistance(_ a: [Double], _ b: [Double]) -> Double {
  zip(a, b).reduce(0) { isSame($1.0, $1.1) ? $0 : $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
}
