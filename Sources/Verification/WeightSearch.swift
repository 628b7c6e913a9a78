internal import Forward
internal import Recurrent
internal import Tensors

/// Two models side by side, and which known mistakes, made in one of them, give the other: found on the parameters alone.
struct WeightSearch {
  let base: Model
  let target: Model
  /// Which of the target's inputs and outputs are which of the base's.
  let inputs: [String: String]
  let outputs: [String: String]
  /// What weights may have been rounded to on the way from one to the other.
  let storage: WeightStorage?
  let structure: Structure
  /// Every pair of parameters where the models align.
  let pairs: [ParameterPair]
  /// What is known of them, by where they are.
  private var known: [Key: Known] = [:]
  /// What a mistake has to change, by the number of the base's layer (nil: in a loop's body).
  private let guilty: [(layer: Int?, role: String?)]

  private struct Key: Hashable {
    var left: String
    var right: String
    var role: String

    init(_ pair: ParameterPair) { (left, right, role) = (pair.layers.left, pair.layers.right, pair.role) }
  }

  private struct Known {
    var left: Numbers?
    var relation: ParameterDifference.Relation?
  }

  init(
    _ base: Model, _ target: Model, inputs: [String: String], outputs: [String: String],
    storage: WeightStorage? = nil
  ) {
    (self.base, self.target, self.inputs, self.outputs) = (base, target, inputs, outputs)
    self.storage = storage
    structure = Structure(base, target, inputs: inputs, outputs: outputs, storage: storage)
    let alignment = Alignment(base, target, inputs: inputs, outputs: outputs)
    pairs =
      alignment.failure == nil
      ? alignment.pairs.flatMap { ParameterPair.all($0.left, $0.right) } : []
    var differences = structure.differences[...]
    var twice: Set<Key> = []
    for pair in pairs {
      let key = Key(pair)
      // Differences stand in the order of the pairs.
      var relation: ParameterDifference.Relation?
      if let next = differences.first, next.left == key.left, next.right == key.right, next.role == key.role {
        relation = next.relation
        differences.removeFirst()
      }
      if known.updateValue(Known(left: pair.left, relation: relation), forKey: key) != nil {
        twice.insert(key)
      }
    }
    // Layers of several loops may share a name.
    for key in twice { known[key] = nil }
    let numbers = Dictionary(base.layers.enumerated().map { ($1.name, $0) }) { first, _ in first }
    guilty =
      structure.differences.filter { $0.relation == .different }.map { (numbers[$0.left], $0.role) }
      + structure.attributes.filter { !$0.isRounding }.map { (numbers[$0.layer], nil) }
  }

  /// The same with the sides exchanged.
  var reversed: WeightSearch {
    func turned(_ names: [String: String]) -> [String: String] {
      Dictionary(names.map { ($0.value, $0.key) }) { first, _ in first }
    }
    return WeightSearch(target, base, inputs: turned(inputs), outputs: turned(outputs), storage: storage)
  }

  /// What a search may cost, in layers of candidates that are laid beside the target: some seconds.
  private static let mostLayers = 1 << 22

  /// - Parameters:
  ///   - mistakes: of which kind.
  ///   - isLossy: whether to try only what cannot be taken back.
  func run(
    _ mistakes: [Mistake] = Mistake.all, for purpose: Mistake.Purpose = .make, isLossy: Bool = false
  ) -> MistakeSearch.Outcome {
    var outcome = MistakeSearch.Outcome()
    // Where nothing differs, nothing is to be explained.
    guard !structure.isProof else { return outcome }
    var purpose = purpose
    let layers = guilty.compactMap(\.layer)
    if !layers.isEmpty, layers.count == guilty.count { purpose.layers = Set(layers) }
    var best = Structure.Outcome.near
    var layersLeft = Self.mostLayers
    for mistake in mistakes {
      for candidate in mistake.candidates(base, purpose) where candidate.isLossy || !isLossy {
        outcome.tried += 1
        guard reaches(candidate) else { continue }
        layersLeft -= base.layers.count
        guard layersLeft >= 0 else {
          outcome.isComplete = false
          return outcome
        }
        guard let model = candidate.make(), let result = explains(model), result <= best,
          (try? model.validated()) != nil
        else { continue }
        // One that gives the very numbers leaves less open than one that gives them to a rounding.
        if result < best { outcome.found = [] }
        best = result
        // The same change in other words is no second explanation.
        if outcome.found.contains(where: { isAlike($0.model, model) }) { continue }
        outcome.found.append(
          MistakeSearch.Found(
            mistake, candidate, evidence: .weights, model: model, leavesUlps: result == .near))
      }
    }
    return outcome
  }

  /// The name of the first layer that differs.
  var firstGuilty: String? {
    let body =
      structure.differences.first { $0.relation == .different }?.left ?? structure.attributes.first?.layer
    return guilty.compactMap(\.layer).min().map { base.layers[$0].name } ?? body
  }

  /// The base with a mistake taken back, where that gives the target; nil where something was lost for good.
  func mending(_ explanation: Diagnosis.Explanation) -> Model? {
    Mistake.named(explanation.mistake).flatMap { run([$0], for: .mend).found.first?.model }
  }

  /// Whether a candidate may change all that differs.
  private func reaches(_ candidate: Candidate) -> Bool {
    guilty.allSatisfy { layer, role in layer.map { candidate.touches($0, role) } ?? true }
  }

  /// How near a model comes to the target; nil where some parameter differs by more than rounding.
  private func explains(_ model: Model) -> Structure.Outcome? {
    let alignment = Alignment(model, target, inputs: inputs, outputs: outputs)
    guard alignment.failure == nil, alignment.attributes.allSatisfy(\.isRounding) else { return nil }
    var open: [ParameterPair] = []
    var relations: Set<ParameterDifference.Relation> = []
    for pair in alignment.pairs.flatMap({ ParameterPair.all($0.left, $0.right) }) {
      guard let known = known[Key(pair)], isUntouched(pair.left, known.left) else {
        open.append(pair)
        continue
      }
      if known.relation == .different { return nil }
      if let relation = known.relation { relations.insert(relation) }
    }
    for pair in open {
      // A candidate need not be valid: weights of another layer may have other shapes.
      if let left = pair.left, let right = pair.right, left.shape != right.shape { return nil }
      guard let difference = ParameterDifference(pair, storage, isBrief: true) else { continue }
      if difference.relation == .different { return nil }
      relations.insert(difference.relation)
    }
    if relations.contains(.near) { return .near }
    return relations.isEmpty && alignment.attributes.isEmpty ? .same : .rounded
  }

  private func isUntouched(_ numbers: Numbers?, _ known: Numbers?) -> Bool {
    guard let numbers, let known else { return numbers == nil && known == nil }
    return numbers.isShared(with: known)
  }

  /// Whether two models are the same but for how they are written.
  private func isAlike(_ one: Model, _ other: Model) -> Bool {
    func itself(_ ports: [Model.Port]) -> [String: String] {
      Dictionary(ports.map { ($0.name, $0.name) }) { first, _ in first }
    }
    return Structure(one, other, inputs: itself(one.inputs), outputs: itself(one.outputs)).outcome == .same
  }
}
