internal import ByteIO
public import Recurrent
public import Tensors

/// One set of inputs on which sides are compared.
public struct Probe: Sendable, Equatable {
  /// Such as `T=7 B=3 random`.
  public var name: String
  /// By port name.
  public var inputs: [String: Tensor]

  public init(name: String, inputs: [String: Tensor]) {
    self.name = name
    self.inputs = inputs
  }
}

extension Probe {
  /// What a generated probe is like.
  private struct Recipe {
    var name: String
    var time: Int
    var batch: Int
    var scale: Float
  }

  /// Seeded probes for a model: single and several steps, ragged lengths, zeros, large and tiny numbers.
  ///
  /// Sizes that the model fixes are kept. Same seed, same probes.
  /// - Throws: `.inputTooLarge` where the fixed sizes ask for more than a probe should take.
  public static func generated(for model: Model, seed: UInt64) throws(VerificationError) -> [Probe] {
    let recipes = [
      Recipe(name: "random", time: 7, batch: 3, scale: 1),
      Recipe(name: "single step", time: 1, batch: 1, scale: 1),
      Recipe(name: "longer", time: 12, batch: 2, scale: 1),
      Recipe(name: "zeros", time: 3, batch: 2, scale: 0),
      Recipe(name: "saturating", time: 5, batch: 2, scale: 20),
      Recipe(name: "tiny", time: 4, batch: 2, scale: 1e-30),
    ]
    var generator = SplitMix(state: seed)
    return try recipes.map { (recipe) throws(VerificationError) in
      let batch = fixedSize(.batch, in: model) ?? recipe.batch
      let time = fixedSize(.time, in: model) ?? recipe.time
      var inputs: [String: Tensor] = [:]
      for port in model.inputs {
        inputs[port.name] = try tensor(for: port, in: model, time, batch, recipe.scale, &generator)
      }
      return Probe(name: "T=\(time) B=\(batch) \(recipe.name)", inputs: inputs)
    }
  }

  /// Elements that one made-up input may have.
  private static let largestInput = 1 << 26

  private static func fixedSize(_ factor: AxisFactor, in model: Model) -> Int? {
    model.inputs.lazy.flatMap(\.axes).first { $0.factors == [factor] && $0.size != nil }?.size
  }

  private static func tensor(
    for port: Port, in model: Model, _ time: Int, _ batch: Int, _ scale: Float, _ generator: inout SplitMix
  ) throws(VerificationError) -> Tensor {
    let sizes = port.axes.map { axis in
      axis.factors.map { factor in
        switch factor {
        case .time: time
        case .batch: batch
        case .features(_, let count): count
        }
      }
    }
    guard let count = checkedProduct(Array(sizes.joined())), count <= largestInput else {
      throw .inputTooLarge(port.name, sizes: Array(sizes.joined()), limit: largestInput)
    }
    let shape = sizes.map { $0.reduce(1, *) }
    if port.kind.isInteger {
      let range = integerRange(of: port, in: model, time: time)
      let values = (0..<count).map { _ in Int64.random(in: range, using: &generator) }
      return (try? Tensor(values, shape: shape).converted(to: port.elementType).tensor)
        ?? Tensor(values, shape: shape)
    }
    let values = (0..<count).map { _ in Float.random(in: -1...1, using: &generator) * scale }
    return (try? Tensor(values, shape: shape).converted(to: port.elementType).tensor)
      ?? Tensor(values, shape: shape)
  }

  /// Token ids below the vocabulary, lengths between 1 and T.
  private static func integerRange(of port: Port, in model: Model, time: Int) -> ClosedRange<Int64> {
    for layer in model.layers {
      if case .embedding(let table) = layer.operation, layer.inputs.first == port.value {
        return 0...Int64(max(0, table.shape[0] - 1))
      }
    }
    return 1...Int64(max(1, time))
  }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, the same everywhere.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
