internal import Recurrent
internal import Tensors

/// How much is tried when inputs are made up.
public enum ProbeSuite: String, Sendable, CaseIterable {
  /// Random inputs and a single step: a smoke test.
  case quick
  /// What finds the known mistakes, in a fraction of a second for small models.
  case standard
  /// Also long sequences (1,000 steps where the model is not too large), large batches, constants.
  case thorough
}

/// What a generated probe is like.
struct ProbeRecipe {
  var name: String
  var time: Int
  var batch: Int
  /// One for each row, and again from the first for further rows: rows do not see each other, so that a batch tries
  /// several things at the price of one.
  var fillings = [Filling.uniform(1)]
  /// Lengths reach both ends: one row of a single step, one of all steps.
  var isRagged = false
  /// Every row has all steps.
  var isFull = false

  enum Filling: Hashable {
    /// Uniform in ±scale.
    case uniform(Float)
    /// One feature of each step is 1, the others 0; tokens reach both ends of the vocabulary.
    case oneHot
    /// Zeros, then tiny numbers, then numbers below Float32's smallest normal one, 1.2e-38, which hardware may flush to
    /// zero: a third of the steps each.
    case faint
    /// The same number everywhere.
    case constant(Float)
  }

  /// Whether another recipe of the same sizes tries nothing that this one does not.
  func covers(_ other: ProbeRecipe) -> Bool {
    (time, batch, isRagged, isFull) == (other.time, other.batch, other.isRagged, other.isFull)
      && Set(fillings).isSuperset(of: other.fillings)
  }

  /// The same with the sizes that the model fixes: several recipes, where the batch has fewer rows than there are
  /// fillings.
  func fitted(to model: Model) -> [ProbeRecipe] {
    func fixedSize(_ factor: AxisFactor) -> Int? {
      model.inputs.lazy.flatMap(\.axes).first { $0.factors == [factor] && $0.size != nil }?.size
    }
    var fitted = self
    fitted.batch = fixedSize(.batch) ?? batch
    fitted.time = fixedSize(.time) ?? time
    if !model.takesLengths { (fitted.isRagged, fitted.isFull) = (false, false) }
    // Too few steps for all of these.
    if fitted.time < 3, let faint = fillings.firstIndex(of: .faint) {
      fitted.fillings.replaceSubrange(
        faint...faint, with: [.uniform(0), .uniform(ProbeRecipe.tiny), .uniform(ProbeRecipe.denormal)])
    }
    return stride(from: 0, to: fitted.fillings.count, by: max(1, min(fitted.batch, fitted.fillings.count)))
      .map { first in
        var part = fitted
        part.fillings = Array(fitted.fillings.dropFirst(first).prefix(max(1, fitted.batch)))
        return part
      }
  }

  static let tiny: Float = 1e-30
  static let denormal: Float = 0x1p-130
}

extension ProbeSuite {
  /// Parameters × steps that a long probe may cost: seconds, not minutes.
  private static let longBudget = 4_000_000_000

  func recipes(for model: Model) -> [ProbeRecipe] {
    var recipes = [
      ProbeRecipe(name: "random", time: 7, batch: 3), ProbeRecipe(name: "single step", time: 1, batch: 1),
    ]
    let ragged = ProbeRecipe(name: "ragged lengths", time: 6, batch: 4, isRagged: true)
    if model.takesLengths { recipes.append(ragged) }
    if self == .quick { return recipes }
    recipes += [
      ProbeRecipe(name: "longer", time: 12, batch: 2),
      ProbeRecipe(
        name: "extremes", time: 6, batch: 4, fillings: [.uniform(1), .uniform(20), .oneHot, .faint],
        isFull: true),
    ]
    if self == .standard { return recipes }
    let steps = min(1_000, Self.longBudget / max(model.parameterCount, 1))
    recipes += [
      ProbeRecipe(name: "large batch", time: 5, batch: 16),
      ProbeRecipe(name: "constant", time: 9, batch: 2, fillings: [.constant(0.5)]),
    ]
    if steps > 12 { recipes.append(ProbeRecipe(name: "long", time: steps, batch: 1)) }
    return recipes
  }
}

extension Model {
  /// Whether token ids come in from outside.
  var takesTokens: Bool { inputs.contains { vocabulary(of: $0) != nil } }

  /// Whether valid lengths of rows come in from outside.
  var takesLengths: Bool {
    inputs.contains { $0.kind.isInteger && vocabulary(of: $0) == nil }
  }

  /// V, where an input is looked up in a table.
  func vocabulary(of port: Port) -> Int? {
    layers.lazy.compactMap { layer in
      switch layer.operation {
      case .embedding(let table) where layer.inputs.first == port.value: return table.shape[0]
      case .generate(let generate):
        // The first token, looked up in the body.
        guard let position = layer.inputs.firstIndex(of: port.value) else { return nil }
        let value = generate.carried[position].input
        for inner in generate.body {
          if case .embedding(let table) = inner.operation, inner.inputs.first == value {
            return table.shape[0]
          }
        }
        return nil
      default: return nil
      }
    }.first
  }
}
