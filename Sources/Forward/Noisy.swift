internal import ByteIO
internal import Recurrent
internal import Tensors

/// A number of one evaluation as a runtime might make it: Float64, with errors of the size that roundings usually have.
///
/// Where `Bounded` asks how far all roundings can lead together, this asks where they do lead: each sum and each operation gets
/// an error from a seed, of the size that many roundings leave that do not conspire (Higham 2002, section 2.8: √n u for n u).
struct Noisy: Scalar, BitwiseCopyable {
  typealias Rules = NoiseRules
  typealias Sums = NoisyProducts

  var value: Double
  /// Of the pass; errors are drawn from it and from what they are errors of.
  var seed: UInt64

  struct Weights: Sendable {
    let values: [Double]
    let panels: PackedMatrix<Double>?
    let seed: NoiseSeed
  }

  /// A sum of products under way.
  struct Sum: SumOfProducts, BitwiseCopyable {
    var value = 0.0
    /// Σ|a||b|
    var magnitude = 0.0
    var terms = 0
    var seed: UInt64 = 0

    static func + (left: Sum, right: Sum) -> Sum {
      Sum(
        value: left.value + right.value, magnitude: left.magnitude + right.magnitude,
        terms: left.terms + right.terms,
        seed: left.seed | right.seed)
    }
  }
}

/// What a noisy pass is told: how accurate the arithmetic is, and its seed.
struct NoiseRules: PassRules {
  let model: RoundingModel
  let seed: NoiseSeed
  /// Weights are packed whatever this says: a pass is run with many seeds.
  var readsStoredWeights = false
  var narrowsWeights: Bool { false }
}

/// The seed of the pass that runs: layers are made ready once and run with many seeds.
///
/// Unchecked: passes that share it run one after another.
final class NoiseSeed: @unchecked Sendable {
  var value: UInt64
  init(_ value: UInt64) { self.value = value }
}

/// u of Float32. Errors this small go through a model nearly linearly, so that those of another format are the same in another
/// unit.
private let unit = 0x1p-24

/// Uniform within ±1, from the bits given: SplitMix64's finish (Steele, Lea and Flood 2014).
@inline(__always)
private func draw(_ bits: UInt64, _ seed: UInt64) -> Double {
  var z = bits &+ seed
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return Double(Int64(bitPattern: z ^ (z >> 31))) * 0x1p-63
}

struct NoisyProducts: Products {
  private let sums: TripleSums
  private let count: Int
  private let seed: UInt64

  init(_ weights: Noisy.Weights, units: Range<Int>, _ x: [Noisy], starts: [Int], count: Int) {
    self.count = count
    seed = weights.seed.value
    let rows = TripleSums.rows(starts, count) { (x[$0].value, abs(x[$0].value), 0) }
    sums = TripleSums(weights.panels!, units: units, rows, rows: starts.count)
  }

  @inline(__always)
  func sum(_ k: Int, _ r: Int) -> Noisy.Sum {
    Noisy.Sum(value: sums.first(k, r), magnitude: sums.second(k, r), terms: count, seed: seed)
  }
}

extension Noisy {
  static var zero: Noisy { Noisy(value: 0, seed: 0) }
  static var one: Noisy { Noisy(value: 1, seed: 0) }
  static var unknown: Noisy { Noisy(value: .nan, seed: 0) }
  static var emptySum: Sum { Sum() }

  static func weights(_ tensor: Tensor) -> Weights {
    Weights(values: tensor.doubles, panels: nil, seed: NoiseSeed(0))
  }
  static func stored(_ tensor: Tensor, _ rules: NoiseRules) -> Weights {
    Weights(values: tensor.doubles, panels: nil, seed: rules.seed)
  }
  static func matrix(_ tensor: Tensor, _ rules: NoiseRules) -> Weights {
    let (values, depth) = (tensor.doubles, tensor.shape[1])
    return Weights(
      values: [],
      panels: PackedMatrix(
        .numbers(values), outputs: depth == 0 ? 0 : values.count / depth, depth: depth, bias: nil),
      seed: rules.seed)
  }
  @inline(__always)
  static func element(_ weights: Weights, _ index: Int) -> Noisy {
    Noisy(value: weights.values[index], seed: weights.seed.value)
  }
  static func elements(_ weights: Weights) -> [Noisy] {
    weights.values.map { Noisy(value: $0, seed: weights.seed.value) }
  }
  static func constant(_ number: Double) -> Noisy { Noisy(value: number, seed: 0) }

  static func + (left: Sum, right: Noisy) -> Sum {
    Sum(
      value: left.value + right.value, magnitude: left.magnitude + abs(right.value), terms: left.terms + 1,
      seed: left.seed | right.seed)
  }

  /// The error of a sum of n products in a few partial sums: each product's own rounding, those of partial sums, which grow
  /// like √k, and the last ones, where the sum is nearly whole (the input's part, the state's, the biases); together about
  /// u · √((Σ|a||b|)² (1/(2n) + 1/48) + (Σab)²/2), whatever the order.
  @inline(__always)
  init(_ sum: Sum) {
    let share = 0.5 / Double(max(sum.terms, 1)) + 1 / 48
    let error = unit * (sum.magnitude * sum.magnitude * share + sum.value * sum.value / 2).squareRoot()
    self.init(
      value: sum.value + 1.7 * error * draw(sum.value.bitPattern, sum.seed), seed: sum.seed)
  }

  /// One rounding, by up to half a unit in the last place.
  @inline(__always)
  private static func rounded(_ value: Double, _ seed: UInt64) -> Noisy {
    Noisy(value: value * (1 + 0.75 * unit * draw(value.bitPattern, seed)), seed: seed)
  }

  @inline(__always)
  static func + (left: Noisy, right: Noisy) -> Noisy {
    rounded(left.value + right.value, left.seed | right.seed)
  }
  @inline(__always)
  static func - (left: Noisy, right: Noisy) -> Noisy {
    rounded(left.value - right.value, left.seed | right.seed)
  }
  @inline(__always)
  static func * (left: Noisy, right: Noisy) -> Noisy {
    rounded(left.value * right.value, left.seed | right.seed)
  }
  @inline(__always)
  static func / (left: Noisy, right: Noisy) -> Noisy {
    rounded(left.value / right.value, left.seed | right.seed)
  }

  static func blend(_ n: Noisy, _ h: Noisy, _ z: Noisy, _ gate: Activation, _ rules: NoiseRules) -> Noisy {
    n + z * (h - n)
  }
  static func clip(_ x: Noisy, _ limit: Noisy) -> Noisy {
    Noisy(value: Double.clip(x.value, limit.value), seed: x.seed)
  }
  static func maximum(_ left: Noisy, _ right: Noisy) -> Noisy {
    Noisy(value: Double.maximum(left.value, right.value), seed: left.seed)
  }
  static func minimum(_ left: Noisy, _ right: Noisy) -> Noisy {
    Noisy(value: Double.minimum(left.value, right.value), seed: left.seed)
  }
  static func compare(_ left: Noisy, _ right: Noisy, _ comparison: Arithmetic.Operator) -> Noisy {
    Noisy(value: comparison.holds(left.value, right.value) ? 1 : 0, seed: left.seed | right.seed)
  }
  static func choose(_ condition: Noisy, _ a: Noisy, _ b: Noisy) -> Noisy { condition.value != 0 ? a : b }
  static func leaky(_ x: Noisy, _ slope: Noisy) -> Noisy { x.value < 0 ? slope * x : x }

  /// What a runtime's function is off by: in half of the passes another error for each argument, in the others the same one for
  /// arguments close by, as approximations have; along a slow sequence such errors add up.
  @inline(__always)
  private static func off(_ y: Double, at x: Double, _ error: FunctionError, _ seed: UInt64) -> Double {
    let place = (min(max(x, -64), 64) * 16).rounded(.down)
    // No number is in no place.
    let key = seed & 2 == 0 || place.isNaN ? x.bitPattern : UInt64(bitPattern: Int64(place))
    return y + typicalShare * error.bound(abs(y)) * draw(key &* 0x9E37_79B9_7F4A_7C15, seed)
  }

  static func activate(_ activation: Activation, _ x: Noisy, _ rules: NoiseRules) -> Noisy {
    let (a, seed, model) = (x.value, rules.seed.value, rules.model)
    func number(_ value: Double) -> Noisy { Noisy(value: value, seed: seed) }
    var alpha: Noisy { number(activation.alpha) }
    var beta: Noisy { number(activation.beta) }
    func elementary(_ y: Double) -> Noisy { number(off(y, at: a, model.elementary, seed)) }
    func sigmoid(_ a: Double) -> Noisy { number(off(Double.sigmoid(a), at: a, model.sigmoid, seed)) }
    var softplus: Noisy { number(a < 0 ? 0 : a) + elementary(log1p(exp(-abs(a)))) }
    func tangent(_ a: Double) -> Noisy { number(off(quickTanh(a), at: a, model.tanh, seed)) }
    switch activation.kind {
    case .identity: return x
    case .tanh: return tangent(a)
    case .sigmoid: return sigmoid(a)
    case .relu: return number(a < 0 ? 0 : a)
    case .affine: return alpha * x + beta
    case .leakyRelu: return leaky(x, alpha)
    case .thresholdedRelu: return a > activation.alpha || a.isNaN ? x : number(0)
    case .inclusiveThresholdedRelu: return a < activation.alpha ? number(0) : x
    case .scaledTanh: return alpha * tangent((beta * x).value)
    case .hardSigmoid:
      let y = (alpha * x + beta).value
      return number(y < 0 ? 0 : y > 1 ? 1 : y)
    // Some subtract 1 from e^x, rounded near 1.
    case .elu: return a < 0 ? alpha * (elementary(exp(a)) - one) : x
    case .softsign: return x / (one + number(abs(a)))
    case .softplus: return softplus
    case .gelu:
      let half = elementary(erf(a * 0.5.squareRoot())) + one
      return x * (half * number(0.5))
    case .silu: return x * sigmoid(a)
    case .mish: return x * tangent(softplus.value)
    case .clip, .abs: return number(Double.activate(activation, a))
    case .exp, .log, .erf, .sin, .cos: return elementary(Double.activate(activation, a))
    case .selu: return beta * (a < 0 ? alpha * (elementary(exp(a)) - one) : x)
    case .celu: return a < 0 ? alpha * (elementary(exp((x / alpha).value)) - one) : x
    case .hardSwish:
      let y = (x * number(1 / 6.0) + number(0.5)).value
      return x * number(y < 0 ? 0 : y > 1 ? 1 : y)
    case .geluTanh:
      let inner = number(GeluTanh.scale) * (x + number(GeluTanh.cubic) * (x * x * x))
      return x * (number(0.5) * (one + tangent(inner.value)))
    case .power:
      let y = Double.activate(activation, a)
      return [2, 0.5, -1].contains(activation.alpha) ? rounded(y, seed) : elementary(y)
    }
  }

  static func softmax(_ x: ArraySlice<Noisy>, _ rules: NoiseRules, into result: inout [Noisy]) {
    let powers = shiftedPowers(x, rules)
    let sum = powers.reduce(zero) { $0 + $1 }
    result += powers.map { $0 / sum }
  }

  static func logSoftmax(_ x: ArraySlice<Noisy>, _ rules: NoiseRules, into result: inout [Noisy]) {
    let shift = x.reduce(Noisy(value: -.infinity, seed: 0)) { maximum($0, $1) }
    let sum = shiftedPowers(x, rules).reduce(zero) { $0 + $1 }
    let seed = rules.seed.value
    let logarithm = Noisy(value: off(log(sum.value), at: sum.value, rules.model.elementary, seed), seed: seed)
    result += x.map { ($0 - shift) - logarithm }
  }

  private static func shiftedPowers(_ x: ArraySlice<Noisy>, _ rules: NoiseRules) -> [Noisy] {
    let shift = x.reduce(Noisy(value: -.infinity, seed: 0)) { maximum($0, $1) }
    let seed = rules.seed.value
    return x.map { number in
      let shifted = number - shift
      return Noisy(
        value: off(exp(shifted.value), at: shifted.value, rules.model.elementary, seed), seed: seed)
    }
  }

  /// In half of the passes as x/s − m/s, as PyTorch computes it.
  static func normalise(
    _ x: ArraySlice<Noisy>, by divisor: Normalization.Divisor, epsilon: Double, _ rules: NoiseRules,
    into result: inout [Noisy]
  ) {
    let seed = rules.seed.value
    func number(_ value: Double) -> Noisy { Noisy(value: value, seed: seed) }
    let n = number(Double(x.count))
    let mean = divisor.isCentred ? x.reduce(zero) { $0 + $1 } / n : zero
    func root(_ square: Noisy) -> Noisy { number(square.value.squareRoot()) }
    var squares: Noisy { x.reduce(zero) { $0 + ($1 - mean) * ($1 - mean) } }
    let length =
      switch divisor {
      case .deviation, .rootMeanSquare: root(squares / n + number(epsilon))
      case .guardedDeviation: root(squares / n) + number(Normalization.Divisor.guarding)
      case .euclidean: root(squares)
      case .absoluteSum: x.reduce(zero) { $0 + number(abs($1.value)) }
      }
    if divisor.isNorm, length.value == 0 {
      result += x.map { _ in zero }
      return
    }
    let inverse = one / length
    let shift = mean * inverse
    result += x.map { seed & 2 == 0 ? ($0 - mean) * inverse : $0 * inverse - shift }
  }

  static func argMax(_ x: ArraySlice<Noisy>) -> (offset: Int, isDecided: Bool) {
    Double.argMax(x.map(\.value)[...])
  }
}

/// tanh x, off by far less than Float32's functions are, in a third of the time.
private func quickTanh(_ x: Double) -> Double {
  abs(x) < 1.0 / 16 ? tanh(x) : 1 - 2 / (1 + exp(2 * x))
}

/// How far a function is usually off, as a share of the most that it may be: calibrated (docs/error-bounds.md).
private let typicalShare = 0.4
