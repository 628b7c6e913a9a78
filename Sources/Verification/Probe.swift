internal import ByteIO
public import Recurrent
public import Tensors

/// One set of inputs on which sides are compared.
public struct Probe: Sendable, Equatable {
  /// Such as `T=7 B=3 random`.
  public var name: String
  /// By port name.
  public var inputs: [String: Tensor]

  /// Inputs by port name, under a name for reports.
  public init(name: String, inputs: [String: Tensor]) {
    self.name = name
    self.inputs = inputs
  }
}

extension Probe {
  /// Seeded probes for a model: what a suite tries, such as ragged lengths, zeros, large and tiny numbers.
  ///
  /// Sizes that the model fixes are kept. Same seed, same probes.
  /// - Parameters:
  ///   - model: whose inputs are made up.
  ///   - seed: of the numbers.
  ///   - suite: how much is tried.
  ///   - isBlind: whether a side has no model: then probes alone show what it does, and there are longer ones.
  /// - Throws: `.inputTooLarge` where the fixed sizes ask for more than a probe should take.
  public static func generated(
    for model: Model, seed: UInt64, suite: ProbeSuite = .standard, isBlind: Bool = false
  ) throws(VerificationError) -> [Probe] {
    var generator = SplitMix(state: seed)
    let all = suite.recipes(for: model, isBlind: isBlind).flatMap { $0.fitted(to: model) }
    // Where sizes are fixed, a single step or a long sequence is but another random one.
    let recipes = all.enumerated().filter { index, recipe in
      !all.enumerated().contains { other, candidate in
        candidate.covers(recipe) && (other < index || other > index && !recipe.covers(candidate))
      }
    }
    return try recipes.map { (_, recipe) throws(VerificationError) in
      try Probe(recipe, for: model, &generator)
    }
  }

  /// One seeded random sequence of `steps` steps, all of them valid; sizes that the model fixes are kept.
  ///
  /// - Throws: `.inputTooLarge`, as `generated`.
  public static func sequence(
    for model: Model, steps: Int, seed: UInt64
  ) throws(VerificationError) -> Probe {
    var generator = SplitMix(state: seed)
    let recipe = ProbeRecipe(name: "random", time: steps, batch: 1, isFull: true)
    return try Probe(recipe.fitted(to: model)[0], for: model, &generator)
  }

  private init(
    _ recipe: ProbeRecipe, for model: Model, _ generator: inout SplitMix
  ) throws(VerificationError) {
    var inputs: [String: Tensor] = [:]
    for port in model.inputs {
      inputs[port.name] = try Self.tensor(for: port, in: model, recipe, &generator)
    }
    self.init(name: "T=\(recipe.time) B=\(recipe.batch) \(recipe.title(for: model))", inputs: inputs)
  }

  /// Elements that one made-up input may have.
  private static let largestInput = 1 << 26

  private static func tensor(
    for port: Model.Port, in model: Model, _ recipe: ProbeRecipe, _ generator: inout SplitMix
  ) throws(VerificationError) -> Tensor {
    let sizes = port.axes.map { axis in
      axis.factors.map { factor in
        switch factor {
        case .time: recipe.time
        case .batch: recipe.batch
        case .features(_, let count): count
        }
      }
    }
    guard let count = checkedProduct(Array(sizes.joined())), count <= largestInput else {
      throw .inputTooLarge(port.name, sizes: Array(sizes.joined()), limit: largestInput)
    }
    let shape = sizes.map { $0.reduce(1, *) }
    if port.kind.isInteger {
      let values = integers(count, for: port, in: model, recipe, &generator)
      return (try? Tensor(values, shape: shape).converted(to: port.elementType).tensor)
        ?? Tensor(values, shape: shape)
    }
    let values = numbers(count, for: port, in: model, recipe, &generator)
    if port.elementType == .bool { return Tensor(values.map { $0 > 0 }, shape: shape) }
    return (try? Tensor(values, shape: shape).converted(to: port.elementType).tensor)
      ?? Tensor(values, shape: shape)
  }

  /// Token ids below the vocabulary, lengths between 1 and T.
  private static func integers(
    _ count: Int, for port: Model.Port, in model: Model, _ recipe: ProbeRecipe, _ generator: inout SplitMix
  ) -> [Int64] {
    let vocabulary = model.vocabulary(of: port)
    let range = vocabulary.map { 0...Int64(max(0, $0 - 1)) } ?? 1...Int64(max(1, recipe.time))
    var values = (0..<count).map { _ in Int64.random(in: range, using: &generator) }
    if vocabulary == nil, recipe.isFull { return Array(repeating: range.upperBound, count: count) }
    if vocabulary != nil, recipe.fillings.contains(.oneHot), count > 0 {
      values[count - 1] = range.upperBound
      values[0] = range.lowerBound
    }
    if vocabulary == nil, recipe.isRagged, count > 0 {
      values[count - 1] = range.upperBound
      values[0] = range.lowerBound
    }
    return values
  }

  /// Each row filled as the recipe says, wherever the port's axes put rows, steps and features.
  private static func numbers(
    _ count: Int, for port: Model.Port, in model: Model, _ recipe: ProbeRecipe, _ generator: inout SplitMix
  ) -> [Float] {
    let moving = recipe.fillings.contains(.moving) ? model.movingScale(of: port) : 1
    let hot = (0..<max(recipe.time * recipe.batch, 1)).map { _ in
      Int.random(in: 0..<max(port.kind.features, 1), using: &generator)
    }
    let factors = Array(port.axes.map(\.factors).joined())
    let shows = model.showsKeys(port)
    return (0..<count).map { flat in
      var (rest, time, row, feature) = (flat, 0, 0, 0)
      for factor in factors.reversed() {
        switch factor {
        case .time:
          time = rest % recipe.time
          rest /= recipe.time
        case .batch:
          row = rest % recipe.batch
          rest /= recipe.batch
        case .features(let stride, let size):
          feature += rest % size * stride
          rest /= size
        }
      }
      if time == 0, let shows { return shows ? 1 : -1 }
      func random(_ scale: Float) -> Float { Float.random(in: -1...1, using: &generator) * scale }
      switch recipe.fillings[row % recipe.fillings.count] {
      case .uniform(let scale): return random(scale)
      case .moving: return random(moving)
      case .constant(let value): return value
      case .oneHot where port.kind.hasTime: return hot[time * recipe.batch + row] == feature ? 1 : 0
      case .oneHot: return random(1)
      case .faint:
        let third = port.kind.hasTime ? 3 * time / recipe.time : 3 * feature / max(port.kind.features, 1)
        return third == 0 ? 0 : random(third == 1 ? ProbeRecipe.tiny : ProbeRecipe.denormal)
      }
    }
  }
}

extension ProbeRecipe {
  /// The name, and what the rows hold where they differ.
  fileprivate func title(for model: Model) -> String {
    if !isMixed { return name }
    var seen: Set<Filling> = []
    let names = fillings.filter { seen.insert($0).inserted }.map { filling in
      switch filling {
      case .uniform(1): "random"
      case .moving: "moving"
      case .uniform(0): "zeros"
      case .uniform(Self.tiny): "tiny"
      case .uniform(Self.denormal): "denormal"
      case .uniform: "saturating"
      case .oneHot: model.takesTokens ? "one-hot tokens" : "one-hot"
      case .faint: "zeros-tiny-denormal"
      case .constant: "constant"
      }
    }
    return names.joined(separator: "/")
  }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, the same everywhere.
package struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  package init(state: UInt64) { self.state = state }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
