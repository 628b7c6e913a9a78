internal import ByteIO
internal import Recurrent
internal import Tensors

/// How the roundings of a perturbed pass fall: anywhere within ± u, at either end, all upwards, all downwards.
enum Noise: CaseIterable {
  case uniform, extreme, up, down
}

/// Monte Carlo arithmetic (Parker 1997): every operation is off by as much as the rounding model allows at most.
///
/// The generic pass, so that what a bound says of "any evaluation" and what evaluations do can be held side by side.
struct Stochastic<Format: BoundedFormat>: Scalar {
  typealias Weights = [Double]
  typealias Rules = RoundingModel

  struct Sum: SumOfProducts {
    var value: Stochastic
    static func + (left: Sum, right: Sum) -> Sum { Sum(value: left.value + right.value) }
  }

  /// A trifle below u, since the pass itself is in Float64.
  static var u: Double { Double(Format.ulpOfOne) / 2 * (1 - 0x1p-20) }

  var value: Double

  init(value: Double) { self.value = value }
  init(_ sum: Sum) { self = sum.value }

  /// One rounding; an overflow is ±∞ as in the format.
  static func rounded(_ value: Double) -> Stochastic {
    let rounded = value * (1 + u * NoiseSource.current.next())
    let isTooLarge = abs(rounded) > Double(Format.greatestFiniteMagnitude)
    return Stochastic(value: isTooLarge ? (rounded < 0 ? -.infinity : .infinity) : rounded)
  }

  private static func off(_ value: Double, _ error: FunctionError) -> Stochastic {
    Stochastic(value: value + error.bound(abs(value)) * (1 - 0x1p-20) * NoiseSource.current.next())
  }
}

/// Where the numbers of one perturbed pass get their errors from: seeded, so that a pass can be done again.
///
/// A class, since each draw moves it on; unchecked, since a pass runs in one task.
final class NoiseSource: @unchecked Sendable {
  @TaskLocal static var current = NoiseSource(.uniform, seed: 0)

  private var state: UInt64
  private let noise: Noise

  init(_ noise: Noise, seed: UInt64) {
    self.noise = noise
    state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
  }

  /// SplitMix64 (Steele, Lea and Flood 2014).
  func bits() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Within ± 1.
  func next() -> Double {
    switch noise {
    case .uniform: Double(bits() >> 11) * 0x1p-52 - 1
    case .extreme: bits() & 1 == 0 ? 1 : -1
    case .up: 1
    case .down: -1
    }
  }
}

extension Stochastic {
  static var zero: Stochastic { Stochastic(value: 0) }
  static var one: Stochastic { Stochastic(value: 1) }
  static var unknown: Stochastic { Stochastic(value: .nan) }
  static var emptySum: Sum { Sum(value: zero) }

  static func weights(_ tensor: Tensor) -> [Double] { tensor.doubles.map { Double(Format($0)) } }
  /// Each weight somewhere within what storing it moves it.
  static func stored(_ tensor: Tensor, _ rules: RoundingModel) -> [Double] {
    guard let storage = rules.storage, tensor.elementType.isFloat else { return weights(tensor) }
    let source = NoiseSource.current
    return zip(tensor.doubles, storage.stored(tensor).doubles).map { own, stored in
      Double(Format(own + abs(stored - own) * source.next()))
    }
  }
  static func element(_ weights: [Double], _ index: Int) -> Stochastic { Stochastic(value: weights[index]) }
  static func elements(_ weights: [Double]) -> [Stochastic] { weights.map { Stochastic(value: $0) } }
  static func constant(_ number: Double) -> Stochastic { Stochastic(value: Double(Format(number))) }
  static func constant(_ number: Double, off units: Double) -> Stochastic {
    Stochastic(value: Double(Format(number)) + units * u * NoiseSource.current.next())
  }

  static func dot(_ weights: [Double], row: Int, _ x: [Stochastic], at start: Int, count: Int) -> Sum {
    var sum = 0.0
    let (source, u) = (NoiseSource.current, u)
    for k in 0..<count {
      let product = weights[row * count + k] * x[start + k].value * (1 + u * source.next())
      sum = (sum + product) * (1 + u * source.next())
    }
    return Sum(value: Stochastic(value: sum))
  }

  static func + (left: Sum, right: Stochastic) -> Sum { Sum(value: left.value + right) }
  static func + (left: Stochastic, right: Stochastic) -> Stochastic { rounded(left.value + right.value) }
  static func - (left: Stochastic, right: Stochastic) -> Stochastic { rounded(left.value - right.value) }
  static func * (left: Stochastic, right: Stochastic) -> Stochastic { rounded(left.value * right.value) }
  static func / (left: Stochastic, right: Stochastic) -> Stochastic { rounded(left.value / right.value) }

  /// One of the three forms, by chance.
  static func blend(
    _ n: Stochastic, _ h: Stochastic, _ z: Stochastic, _ gate: Activation, _ rules: RoundingModel
  ) -> Stochastic {
    switch NoiseSource.current.bits() % 3 {
    case 0: (one - z) * n + z * h
    case 1: n + z * (h - n)
    default: h + (one - z) * (n - h)
    }
  }

  static func clip(_ x: Stochastic, _ limit: Stochastic) -> Stochastic {
    Stochastic(value: Double.clip(x.value, limit.value))
  }
  static func maximum(_ left: Stochastic, _ right: Stochastic) -> Stochastic {
    Stochastic(value: Double.maximum(left.value, right.value))
  }
  static func minimum(_ left: Stochastic, _ right: Stochastic) -> Stochastic {
    Stochastic(value: Double.minimum(left.value, right.value))
  }
  static func compare(
    _ left: Stochastic, _ right: Stochastic, _ comparison: Arithmetic.Operator
  ) -> Stochastic {
    Stochastic(value: comparison.holds(left.value, right.value) ? 1 : 0)
  }
  static func choose(_ condition: Stochastic, _ a: Stochastic, _ b: Stochastic) -> Stochastic {
    condition.value != 0 ? a : b
  }
  static func leaky(_ x: Stochastic, _ slope: Stochastic) -> Stochastic { x.value < 0 ? slope * x : x }

  static func activate(_ activation: Activation, _ x: Stochastic, _ rules: RoundingModel) -> Stochastic {
    var alpha: Stochastic { constant(activation.alpha) }
    var beta: Stochastic { constant(activation.beta) }
    func elementary(_ value: Double) -> Stochastic { off(value, rules.elementary) }
    var softplus: Stochastic {
      Stochastic(value: x.value < 0 ? 0 : x.value) + elementary(log1p(exp(-abs(x.value))))
    }
    switch activation.kind {
    case .identity: return x
    case .tanh: return off(tanh(x.value), rules.tanh)
    case .sigmoid: return off(Double.sigmoid(x.value), rules.sigmoid)
    case .relu: return Stochastic(value: x.value < 0 ? 0 : x.value)
    case .affine: return alpha * x + beta
    case .leakyRelu: return leaky(x, alpha)
    case .thresholdedRelu: return x.value > alpha.value || x.value.isNaN ? x : zero
    case .inclusiveThresholdedRelu: return x.value < alpha.value ? zero : x
    case .scaledTanh: return alpha * off(tanh((beta * x).value), rules.tanh)
    case .hardSigmoid:
      let y = (alpha * x + beta).value
      return Stochastic(value: y < 0 ? 0 : y > 1 ? 1 : y)
    case .elu: return x.value < 0 ? alpha * (elementary(exp(x.value)) - one) : x
    case .softsign: return x / (one + Stochastic(value: abs(x.value)))
    case .softplus: return softplus
    case .gelu:
      let half = off(erf(x.value * 0.5.squareRoot()), rules.elementary) + one
      return x * (half * constant(0.5))
    case .silu: return x * off(Double.sigmoid(x.value), rules.sigmoid)
    case .mish: return x * off(tanh(softplus.value), rules.tanh)
    case .clip:
      return Stochastic(
        value: x.value < alpha.value ? alpha.value : x.value > beta.value ? beta.value : x.value)
    case .abs: return Stochastic(value: abs(x.value))
    case .exp, .log, .erf: return elementary(Double.activate(activation, x.value))
    // Of the whole range: near the zeros of a wave only the absolute error is small.
    case .sin, .cos:
      let y = Double.activate(activation, x.value)
      return Stochastic(value: y + off(1, rules.elementary).value - 1)
    case .selu: return beta * (x.value < 0 ? alpha * (elementary(exp(x.value)) - one) : x)
    case .celu: return x.value < 0 ? alpha * (elementary(exp((x / alpha).value)) - one) : x
    case .hardSwish:
      let y = (x * constant(1 / 6.0) + constant(0.5)).value
      return x * Stochastic(value: y < 0 ? 0 : y > 1 ? 1 : y)
    case .geluTanh:
      let inner = constant(GeluTanh.scale) * (x + constant(GeluTanh.cubic) * (x * x * x))
      return x * (constant(0.5) * (one + off(tanh(inner.value), rules.tanh)))
    case .power: return elementary(Double.power(x.value, alpha.value))
    }
  }

  static func softmax(_ x: ArraySlice<Stochastic>, _ rules: RoundingModel, into result: inout [Stochastic]) {
    let shift = x.reduce(Stochastic(value: -.infinity)) { maximum($0, $1) }
    let powers = x.map { off(exp(($0 - shift).value), rules.elementary) }
    let sum = powers.reduce(zero) { $0 + $1 }
    result += powers.map { $0 / sum }
  }

  static func logSoftmax(
    _ x: ArraySlice<Stochastic>, _ rules: RoundingModel, into result: inout [Stochastic]
  ) {
    let shift = x.reduce(Stochastic(value: -.infinity)) { maximum($0, $1) }
    let sum = x.reduce(zero) { $0 + off(exp(($1 - shift).value), rules.elementary) }
    let logarithm = off(log(sum.value), rules.elementary)
    result += x.map { ($0 - shift) - logarithm }
  }

  /// The variance in two passes or in one, the quotient in one of three forms, by chance.
  static func normalise(
    _ x: ArraySlice<Stochastic>, by divisor: Normalization.Divisor, epsilon: Double, _ rules: RoundingModel,
    into result: inout [Stochastic]
  ) {
    let n = Stochastic(value: Double(x.count))
    let mean = divisor.isCentred ? x.reduce(zero) { $0 + $1 } / n : zero
    let chance = NoiseSource.current.bits()
    var variance: Stochastic {
      chance % 2 == 0
        ? x.reduce(zero) { $0 + ($1 - mean) * ($1 - mean) } / n
        : x.reduce(zero) { $0 + $1 * $1 } / n - mean * mean
    }
    func root(_ square: Stochastic) -> Stochastic { rounded(square.value.squareRoot()) }
    let root =
      switch divisor {
      case .deviation, .rootMeanSquare: root(variance + Stochastic(value: epsilon))
      case .guardedDeviation: root(variance) + Stochastic(value: Normalization.Divisor.guarding)
      case .euclidean: root(x.reduce(zero) { $0 + $1 * $1 })
      case .absoluteSum: x.reduce(zero) { $0 + Stochastic(value: abs($1.value)) }
      }
    if divisor.isNorm, root.value == 0 {
      result += x.map { _ in zero }
      return
    }
    let (inverse, shift) = (one / root, mean / root)
    switch chance / 2 % 3 {
    case 0: result += x.map { ($0 - mean) / root }
    case 1: result += x.map { ($0 - mean) * inverse }
    default: result += x.map { $0 * inverse - shift }
    }
  }

  static func argMax(_ x: ArraySlice<Stochastic>) -> (offset: Int, isDecided: Bool) {
    Double.argMax(x.map(\.value)[...])
  }
}
