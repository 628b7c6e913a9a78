package import Recurrent
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
  var fillings: [Filling]
  /// Whether its rows are filled differently, which its title then says.
  var isMixed: Bool
  /// Lengths reach both ends: one row of a single step, one of all steps.
  var isRagged: Bool
  /// Every row has all steps.
  var isFull: Bool

  init(
    name: String, time: Int, batch: Int, fillings: [Filling] = [.uniform(1)], isRagged: Bool = false,
    isFull: Bool = false
  ) {
    (self.name, self.time, self.batch, self.fillings) = (name, time, batch, fillings)
    (self.isRagged, self.isFull, isMixed) = (isRagged, isFull, fillings.count > 1)
  }

  enum Filling: Hashable {
    /// Uniform in ±scale.
    case uniform(Float)
    /// Uniform, as large as moves the gates.
    case moving
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
    var fitted = self
    fitted.batch =
      (model.inputs + model.outputs).allSatisfy(\.hasBatch) ? model.fixedSize(.batch) ?? batch : 1
    fitted.time = model.fixedSize(.time) ?? model.stepsNeeded(for: time)
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
  /// Beyond so many parameters a few steps show what the evaluator makes of the file, and more would only take longer.
  private static let largeModel = 1 << 22

  /// - Parameter isBlind: whether a side has no model, so that probes alone show what it does.
  func recipes(for model: Model, isBlind: Bool = false) -> [ProbeRecipe] {
    let mixed: [ProbeRecipe.Filling] = [.uniform(1), .moving, .uniform(1)]
    let ragged = ProbeRecipe(name: "ragged lengths", time: 6, batch: 4, isRagged: true)
    if model.parameterCount > Self.largeModel, self != .thorough, !isBlind {
      return [
        ProbeRecipe(name: "single step", time: 1, batch: 1, fillings: [.moving]),
        ProbeRecipe(
          name: "three steps", time: 3, batch: 2, fillings: [.uniform(1), .moving],
          isRagged: model.takesLengths),
      ]
    }
    // What goes wrong with sequences goes wrong with the shortest ones or behind them; a batch of three keeps rows apart from
    // time and features.
    func steps(_ name: String, _ count: Int) -> ProbeRecipe {
      ProbeRecipe(name: name, time: count, batch: 3, fillings: mixed)
    }
    var recipes = [steps("single step", 1), steps("four steps", 4)]
    let dropped = model.outputs.flatMap(\.axes).filter(\.isDroppedAtOne).flatMap(\.factors)
    if dropped.contains(.batch) { recipes.append(ProbeRecipe(name: "single row", time: 4, batch: 1)) }
    if model.takesLengths { recipes.append(ragged) }
    if self == .quick { return recipes }
    recipes += [
      steps("two steps", 2), steps("three steps", 3),
      ProbeRecipe(
        name: "extremes", time: 6, batch: 4, fillings: [.uniform(1), .uniform(20), .oneHot, .faint],
        isFull: true),
      steps("longer", 12),
    ]
    if isBlind {
      recipes += [33, 130].filter { $0 * 3 * model.parameterCount < Self.longBudget }.map {
        steps("many steps", $0)
      }
    }
    if self == .standard { return recipes }
    let most = min(1_000, Self.longBudget / max(model.parameterCount, 1))
    recipes += [
      ProbeRecipe(name: "large batch", time: 5, batch: 16),
      ProbeRecipe(name: "constant", time: 9, batch: 2, fillings: [.constant(0.5)]),
    ]
    if most > 12 { recipes.append(ProbeRecipe(name: "long", time: most, batch: 1)) }
    return recipes
  }
}

extension Model {
  /// The scale of a uniform input that moves the gates of the layer that reads it by one or two, where weights are small.
  func movingScale(of port: Model.Port) -> Float {
    for layer in layers where layer.inputs.first == port.value {
      let weight: Tensor
      switch layer.operation {
      case .recurrent(let recurrent): weight = recurrent.directions[0].inputWeight
      case .dense(let dense): weight = dense.weight
      case .convolution(let convolution):
        // Of as many elements.
        let shape = convolution.weight.shape
        weight = try! convolution.weight.reshaped([shape[0], shape.dropFirst().reduce(1, *)])
      case .embedding, .activation, .softmax, .logSoftmax, .layerNormalization, .select, .concat, .slice,
        .arithmetic, .reverse,
        .constant,
        .dropout, .argMax, .generate, .pool, .padding, .gather, .unfold, .fold, .reduce, .timeSoftmax,
        .repeated, .stepPacking, .batchNormalization, .normalization, .transposedConvolution, .resize,
        .cumulativeSum, .attention, .choice:
        continue
      }
      // Some rows tell the size of all.
      let some = weight.rows(0..<min(weight.shape[0], 64)).doubles
      let square = some.reduce(0) { $0 + $1 * $1 } / Double(max(some.count, 1))
      let deviation = (square * Double(weight.shape[1]) / 3).squareRoot()
      return Float(min(max(1.5 / max(deviation, 1e-6), 2), 64))
    }
    return 4
  }

  /// The model with those sizes fixed that the other one fixes, so that probes fit both.
  package func fitting(_ other: Model) -> Model {
    var model = self
    for index in model.inputs.indices {
      let port = model.inputs[index]
      let same =
        other.inputs.first { $0.name == port.name }
        ?? (index < other.inputs.count ? other.inputs[index] : port)
      guard same.axes.map(\.factors) == port.axes.map(\.factors) else { continue }
      for axis in port.axes.indices where port.axes[axis].size == nil {
        model.inputs[index].axes[axis].size = same.axes[axis].size
      }
    }
    return model
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
  func vocabulary(of port: Model.Port) -> Int? {
    layers.lazy.compactMap { layer in
      switch layer.operation {
      case .embedding(let embedding) where layer.inputs.first == port.value: return embedding.table.shape[0]
      case .generate(let generate):
        // The first token, looked up in the body.
        guard let position = layer.inputs.firstIndex(of: port.value) else { return nil }
        let value = generate.carried[position].input
        for inner in generate.body {
          if case .embedding(let embedding) = inner.operation, inner.inputs.first == value {
            return embedding.table.shape[0]
          }
        }
        return nil
      case .embedding, .recurrent, .dense, .activation, .softmax, .logSoftmax, .layerNormalization, .select,
        .concat, .slice,
        .arithmetic, .reverse,
        .constant, .dropout, .argMax, .convolution, .pool, .padding, .gather, .unfold, .fold, .reduce,
        .timeSoftmax, .repeated, .stepPacking, .batchNormalization, .normalization, .transposedConvolution,
        .resize, .cumulativeSum, .attention,
        .choice:
        return nil
      }
    }.first
  }
}
