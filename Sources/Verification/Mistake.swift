public import Recurrent

/// A convention that converters get wrong, as something that can be done to a model.
public struct Mistake: Sendable {
  /// Such as `gate-order`.
  public let id: String
  /// In plain words: `the gates are stacked in another order`.
  public let name: String
  /// What a recording that suffers it did, in plain words; nil where no runtime is known to do so.
  var recorder: String?
  let candidates: @Sendable (_ model: Model, _ purpose: Purpose) -> [Candidate]

  /// What candidates are wanted for.
  struct Purpose: Sendable {
    /// Whether the mistake is made, or taken back. Some cannot be taken back: what was lost is not in the model.
    var isMaking: Bool
    /// The layers that it has to change, all of them, by number; nil where that is not known.
    var layers: Set<Int>?

    static let make = Purpose(isMaking: true)
    static let mend = Purpose(isMaking: false)
  }

  init(
    _ id: String, _ name: String, candidates: @escaping @Sendable (Model, Purpose) -> [Candidate]
  ) {
    self.id = id
    self.name = name
    self.candidates = candidates
  }

  /// The same, where runtimes that record outputs are known to make it.
  func recorded(_ name: String) -> Mistake {
    var mistake = self
    mistake.recorder = name
    return mistake
  }

  /// A mistake in the parameters of recurrent layers.
  init(_ id: String, _ name: String, _ changes: [Change]) {
    self.init(id, name) { model, purpose in changes.flatMap { $0.candidates(in: model, purpose) } }
  }

  /// Every way of making the mistake in `model` that leaves a valid, changed model, and where it is made.
  public func apply(to model: Model) -> [(place: String, model: Model)] { results(model, .make) }

  /// Every way of taking the mistake back.
  public func undo(in model: Model) -> [(place: String, model: Model)] { results(model, .mend) }

  private func results(_ model: Model, _ purpose: Purpose) -> [(place: String, model: Model)] {
    candidates(model, purpose).compactMap { candidate in
      guard let changed = candidate.changed(model), (try? changed.validated()) != nil else { return nil }
      return (candidate.place, changed)
    }
  }

  /// The catalogue (docs/diagnosis.md).
  public static let all: [Mistake] =
    weights + biases + equations + structure + selections + windows + around + storage

  /// The mistake with this id.
  public static func named(_ id: String) -> Mistake? { all.first { $0.id == id } }
}

/// One way of making, or taking back, a mistake. The model is made only when it is asked for.
struct Candidate: Sendable {
  let place: String
  /// Less for what is made more often: in all of a model, by an order that some format has.
  var rank = 0
  /// Whether the mistake loses what cannot be had back from the model that suffered it.
  var isLossy = false
  /// What somebody can do about it who gave an option.
  var suggestion: Diagnosis.Suggestion?
  /// Whether it may change a parameter of a layer (nil: anything but parameters): what it does not touch need not be compared.
  var touches: @Sendable (_ layer: Int, _ role: String?) -> Bool = { _, role in role == nil }
  let make: @Sendable () -> Model?

  /// The model, where it is not the one that it was made from. It need not be valid: a pass checks that.
  func changed(_ original: Model) -> Model? {
    guard let model = make(), model != original else { return nil }
    return model
  }
}

/// A change of recurrent layers' parameters.
struct Change: Sendable {
  typealias Edit = @Sendable (_ layer: inout RecurrentLayer, _ direction: Int) -> Void

  /// In words; empty where the mistake's name says it all.
  var detail: String
  /// False for what both directions share.
  var isPerDirection = true
  /// As a candidate's.
  var rank = 0
  /// The tensors that it changes; nil for any of them, and for what else a layer has.
  var parts: [StackedPart]?
  var fits: @Sendable (RecurrentLayer) -> Bool
  var make: Edit
  /// Nil where the mistake loses something.
  var mend: Edit?
  /// Which layers can have suffered the mistake; nil for those that it fits.
  var suffered: (@Sendable (RecurrentLayer) -> Bool)?

  /// A change that is its own inverse.
  static func involution(
    _ detail: String, perDirection: Bool = true, parts: [StackedPart]? = nil,
    _ fits: @escaping @Sendable (RecurrentLayer) -> Bool, _ edit: @escaping Edit
  ) -> Change {
    Change(detail: detail, isPerDirection: perDirection, parts: parts, fits: fits, make: edit, mend: edit)
  }

  func candidates(in model: Model, _ purpose: Mistake.Purpose) -> [Candidate] {
    let edit = purpose.isMaking ? make : mend
    guard let edit else { return [] }
    let fits = purpose.isMaking ? fits : suffered ?? fits
    return model.places(perDirection: isPerDirection, where: { fits($0) && has(parts, $0) }).map { place in
      let directions = Dictionary(place.directions) { first, _ in first }
      return Candidate(
        place: detail.isEmpty ? place.words : "\(place.words): \(detail)", rank: rank + place.rank,
        isLossy: mend == nil,
        touches: { layer, role in
          directions[layer].map { self.touches(role, model.layers[layer], $0) } ?? false
        }
      ) {
        var model = model
        for (index, directions) in place.directions {
          guard case .recurrent(var layer) = model.layers[index].operation else { continue }
          for direction in directions { edit(&layer, direction) }
          model.layers[index].operation = .recurrent(layer)
        }
        return model
      }
    }
  }

  /// Whether a layer has what is to be changed: without R nothing is left of a change of R and some other tensors that another
  /// change does not make.
  private func has(_ parts: [StackedPart]?, _ layer: RecurrentLayer) -> Bool {
    guard let parts, parts != StackedPart.allCases, parts.contains(.recurrentWeight) else { return true }
    return layer.cell.kind.hasRecurrentWeight
  }

  /// - Parameter role: such as `forward.recurrentWeight`.
  private func touches(_ role: String?, _ layer: Layer, _ directions: [Int]) -> Bool {
    guard let role else { return parts == nil }
    if let parts, !parts.contains(where: { $0.isPart(of: role) }) { return false }
    guard isPerDirection, case .recurrent(let recurrent) = layer.operation else { return true }
    return directions.contains { role.hasPrefix(recurrent.directionNames[$0]) }
  }
}

/// Where a mistake can be made: all recurrent layers that it fits, one of them, or one direction.
struct MistakePlace {
  /// Layer index, and directions in it.
  var directions: [(Int, [Int])]
  var words: String
  /// 0 where it is all of the model that the mistake fits.
  var rank = 0
}

extension Model {
  func places(perDirection: Bool, where fits: (RecurrentLayer) -> Bool) -> [MistakePlace] {
    var whole = MistakePlace(directions: [], words: "all recurrent layers")
    var places: [MistakePlace] = []
    for (index, layer) in layers.enumerated() {
      guard case .recurrent(let recurrent) = layer.operation, fits(recurrent) else { continue }
      let all = perDirection ? Array(recurrent.directions.indices) : [0]
      whole.directions.append((index, all))
      places.append(MistakePlace(directions: [(index, all)], words: "layer '\(layer.name)'", rank: 1))
      for direction in all where all.count > 1 {
        let name = recurrent.directionNames[direction]
        places.append(
          MistakePlace(directions: [(index, [direction])], words: "layer '\(layer.name)', \(name)", rank: 2))
      }
    }
    // Of one layer that is the place which stands already.
    return whole.directions.count > 1 ? places + [whole] : places
  }

  /// Indices of the recurrent layers.
  var recurrentLayers: [(index: Int, layer: RecurrentLayer)] {
    layers.enumerated().compactMap { index, layer in
      if case .recurrent(let recurrent) = layer.operation { (index, recurrent) } else { nil }
    }
  }
}
