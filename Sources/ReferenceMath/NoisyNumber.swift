public import Tensors

/// A number of one evaluation as a runtime might make it: Float64, with errors of the size that roundings of Float32 usually have.
///
/// Where `BoundedNumber` asks how far all roundings can lead together, this asks where they do lead: each operation whose result
/// is no number of Float32 gets an error from the seed, and so does each sum and function. The same seed draws the same errors.
/// It is an estimate: docs/error-bounds.md ("The evaluator's own bounds") says how far runtimes were off, in multiples of it.
@frozen
public struct NoisyNumber: ReferenceScalar {
  public typealias Magnitude = NoisyNumber

  public let value: Double
  /// Of the evaluation; 0 where nothing of it has gone in.
  @usableFromInline let seed: UInt64

  @inlinable
  init(_ value: Double, _ seed: UInt64) {
    self.value = value
    self.seed = seed
  }

  /// u of Float32. Errors this small go through a graph nearly linearly: those of Float64 are the same in another unit.
  @inlinable static var unit: Double { 0x1p-24 }
  /// How far a function is usually off, as a share of the most that it may be.
  @inlinable static var typicalShare: Double { 0.4 }

  /// Uniform within ±1, from the number and the seed: the finish of SplitMix64 (Steele, Lea and Flood 2014).
  @inlinable
  static func draw(_ bits: UInt64, _ seed: UInt64) -> Double {
    var z = bits &+ seed
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double(Int64(bitPattern: z ^ (z >> 31))) * 0x1p-63
  }

  /// An operation's result. Float32 rounds none that is a number of it.
  @inlinable
  static func rounded(_ value: Double, _ seed: UInt64) -> NoisyNumber {
    if seed == 0 || Double(Float(value)) == value || !value.isFinite { return NoisyNumber(value, seed) }
    return NoisyNumber(value * (1 + 0.75 * unit * draw(value.bitPattern, seed)), seed)
  }

  /// What a function gives at x. In half of the evaluations arguments close by get the same error, as approximations have it, so
  /// that it adds up along a slow sequence.
  static func function(_ y: Double, at x: NoisyNumber, _ accuracy: FunctionAccuracy) -> NoisyNumber {
    guard x.seed != 0, y.isFinite else { return NoisyNumber(y, x.seed) }
    let place = (Swift.min(Swift.max(x.value, -64), 64) * 16).rounded(.down)
    let key = x.seed & 2 == 0 || place.isNaN ? x.value.bitPattern : UInt64(bitPattern: Int64(place))
    let error = typicalShare * accuracy.bound(Swift.abs(y))
    return NoisyNumber(y + error * draw(key &* 0x9E37_79B9_7F4A_7C15, x.seed), x.seed)
  }

  @inlinable
  public static func + (left: NoisyNumber, right: NoisyNumber) -> NoisyNumber {
    rounded(left.value + right.value, left.seed | right.seed)
  }
  @inlinable
  public static func - (left: NoisyNumber, right: NoisyNumber) -> NoisyNumber {
    rounded(left.value - right.value, left.seed | right.seed)
  }
  @inlinable
  public static func * (left: NoisyNumber, right: NoisyNumber) -> NoisyNumber {
    rounded(left.value * right.value, left.seed | right.seed)
  }
  @inlinable
  public static func / (left: NoisyNumber, right: NoisyNumber) -> NoisyNumber {
    rounded(left.value / right.value, left.seed | right.seed)
  }
  @inlinable
  public static func *= (left: inout NoisyNumber, right: NoisyNumber) { left = left * right }
  @inlinable
  public static prefix func - (x: NoisyNumber) -> NoisyNumber { NoisyNumber(-x.value, x.seed) }
  @inlinable
  public var magnitude: NoisyNumber { NoisyNumber(Swift.abs(value), seed) }

  @inlinable
  public static func == (left: NoisyNumber, right: NoisyNumber) -> Bool { left.value == right.value }
  @inlinable
  public static func < (left: NoisyNumber, right: NoisyNumber) -> Bool { left.value < right.value }
  @inlinable
  public static func <= (left: NoisyNumber, right: NoisyNumber) -> Bool { left.value <= right.value }
  @inlinable
  public static func > (left: NoisyNumber, right: NoisyNumber) -> Bool { left.value > right.value }
  @inlinable
  public static func >= (left: NoisyNumber, right: NoisyNumber) -> Bool { left.value >= right.value }

  @inlinable public init(integerLiteral value: Int) { self.init(Double(value), 0) }
  @inlinable public init(floatLiteral value: Double) { self.init(value, 0) }
  @inlinable public init(_ number: Int) { self.init(Double(number), 0) }
  @inlinable public init(_ number: Int64) { self.init(Double(number), 0) }
  @inlinable public init(_ number: Float) { self.init(Double(number), 0) }
  @inlinable public init(_ number: Double) { self.init(number, 0) }
  public init?<T: BinaryInteger>(exactly source: T) {
    guard let value = Double(exactly: source) else { return nil }
    self.init(value, 0)
  }

  @inlinable public var isNaN: Bool { value.isNaN }
  @inlinable public var isInfinite: Bool { value.isInfinite }
  @inlinable public var isFinite: Bool { value.isFinite }
  @inlinable public var estimate: Double { value }
  @inlinable public var decided: Double { value }
  @inlinable public var whole: Int64? { Int64(exactly: value) }
  @inlinable public static var pi: NoisyNumber { NoisyNumber(.pi, 0) }
  @inlinable public static var infinity: NoisyNumber { NoisyNumber(.infinity, 0) }

  @inlinable
  public func rounded(_ rule: FloatingPointRoundingRule) -> NoisyNumber {
    NoisyNumber(value.rounded(rule), seed)
  }
  /// Of so many roundings some cancel.
  public func alsoRounded(_ times: Int, _ terms: NoisyNumber...) -> NoisyNumber {
    guard seed != 0, Double(Float(value)) != value else { return self }
    let square = terms.reduce(0) { $0 + $1.value * $1.value }
    let off = 0.4 * Self.unit * (Double(times) * square).squareRoot()
    return off.isFinite ? NoisyNumber(value + off * Self.draw(value.bitPattern &+ 1, seed), seed) : self
  }

  public static func held(_ values: [NoisyNumber], as type: ElementType) -> [NoisyNumber]? {
    guard type.unitRoundoff > unit else { return nil }
    return try? narrowed(values, to: type)
  }

  @inlinable public func squareRoot() -> NoisyNumber { Self.rounded(value.squareRoot(), seed) }
}

extension NoisyNumber {
  private static func elementary(_ x: NoisyNumber, _ y: Double) -> NoisyNumber {
    function(y, at: x, EvaluationRules.current.functions.elementary)
  }

  public static func exp(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.exp(x.value)) }
  /// Some subtract 1 from e^x, which is rounded near 1.
  public static func expm1(_ x: NoisyNumber) -> NoisyNumber { exp(x) - 1 }
  public static func log(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.log(x.value)) }
  public static func log1p(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.log1p(x.value)) }
  public static func erf(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.erf(x.value)) }
  public static func tan(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.tan(x.value)) }
  public static func asin(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.asin(x.value)) }
  public static func acos(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.acos(x.value)) }
  public static func atan(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.atan(x.value)) }
  public static func sinh(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.sinh(x.value)) }
  public static func cosh(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.cosh(x.value)) }
  public static func asinh(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.asinh(x.value)) }
  public static func acosh(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.acosh(x.value)) }
  public static func atanh(_ x: NoisyNumber) -> NoisyNumber { elementary(x, Double.atanh(x.value)) }

  /// Near its zeros a wave is off by what its argument's reduction is.
  private static func wave(_ x: NoisyNumber, _ y: Double) -> NoisyNumber {
    var accuracy = EvaluationRules.current.functions.elementary
    accuracy.absolute += accuracy.relative / 4
    return function(y, at: x, accuracy)
  }
  public static func sin(_ x: NoisyNumber) -> NoisyNumber { wave(x, Double.sin(x.value)) }
  public static func cos(_ x: NoisyNumber) -> NoisyNumber { wave(x, Double.cos(x.value)) }

  public static func tanh(_ x: NoisyNumber) -> NoisyNumber {
    function(Double.tanh(x.value), at: x, EvaluationRules.current.functions.tanh)
  }
  public static func sigmoid(_ x: NoisyNumber) -> NoisyNumber {
    function(1 / (1 + Double.exp(-x.value)), at: x, EvaluationRules.current.functions.sigmoid)
  }

  /// Squares and roots are no more than rounded.
  public static func pow(_ x: NoisyNumber, _ y: NoisyNumber) -> NoisyNumber {
    let (power, seed) = (Double.pow(x.value, y.value), x.seed | y.seed)
    if [2, 0.5, -1, 1, 0].contains(y.value) { return rounded(power, seed) }
    return elementary(NoisyNumber(x.value, seed), power)
  }
  public static func fmod(_ x: NoisyNumber, _ y: NoisyNumber) -> NoisyNumber {
    rounded(Double.fmod(x.value, y.value), x.seed | y.seed)
  }

  /// Also in one pass, as E[x²] − m², which rounds as much of both.
  public static func moments(_ x: ArraySlice<NoisyNumber>) -> (mean: NoisyNumber, variance: NoisyNumber) {
    let count = NoisyNumber(x.count)
    let mean = x.reduce(0, +) / count
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
    guard (mean.seed | variance.seed) & 2 != 0 else { return (mean, variance) }
    let square = x.reduce(0) { $0 + $1.value * $1.value } / Double(Swift.max(x.count, 1))
    let off = unit * square * draw(square.bitPattern, variance.seed)
    return (mean, NoisyNumber(Swift.max(0, variance.value + off), variance.seed))
  }
}

extension NoisyNumber {
  /// The error of a sum of n products in a few partial sums: each product's own rounding, those of partial sums, which grow like
  /// √k, and the last ones, where the sum is nearly whole; together about u √((Σ|a||b|)² (1/(2n) + 1/48) + (Σab)²/2).
  public static func accumulateProduct(
    _ a: UnsafePointer<NoisyNumber>, _ b: UnsafePointer<NoisyNumber>,
    into c: UnsafeMutablePointer<NoisyNumber>,
    rows: Int, inner: Int, columns: Int
  ) {
    // Inside: the caller has as many elements behind the pointers.
    let left = UnsafeBufferPointer(start: a, count: rows * inner)
    let right = UnsafeBufferPointer(start: b, count: inner * columns)
    func product(_ part: (Double) -> Double) -> [Double] {
      var sums = [Double](repeating: 0, count: rows * columns)
      left.map { part($0.value) }.withUnsafeBufferPointer { x in
        right.map { part($0.value) }.withUnsafeBufferPointer { y in
          sums.withUnsafeMutableBufferPointer {
            ReferenceMath.accumulateProduct(x, y, into: $0, rows: rows, inner: inner, columns: columns)
          }
        }
      }
      return sums
    }
    guard inner > 0 else { return }
    let (sums, magnitudes) = (product { $0 }, product { Swift.abs($0) })
    let seed = left.reduce(0) { $0 | $1.seed } | right.reduce(0) { $0 | $1.seed }
    let share = 0.5 / Double(inner) + 1 / 48
    for index in sums.indices {
      let (old, sum, magnitude) = (c[index], sums[index], magnitudes[index])
      let error = 1.7 * unit * (magnitude * magnitude * share + sum * sum / 2).squareRoot()
      // Of integers, or one number alone, Float32 rounds nothing.
      let isExact =
        seed == 0 || magnitude <= 0x1p24 && magnitude == magnitude.rounded() && Double(Float(sum)) == sum
      let noisy = isExact ? sum : sum + error * draw(sum.bitPattern, seed)
      c[index] = old.value == 0 ? NoisyNumber(noisy, old.seed | seed) : old + NoisyNumber(noisy, seed)
    }
  }

  public static var elementType: ElementType { .float64 }

  public static func values(of tensor: Tensor) -> [NoisyNumber] {
    let seed = EvaluationRules.current.seed
    return tensor.doubles.map { NoisyNumber($0, seed) }
  }

  public static func copy(
    _ elements: Range<Int>, of tensor: Tensor, to target: UnsafeMutablePointer<NoisyNumber>
  ) {
    var numbers = [Double](repeating: 0, count: elements.count)
    numbers.withUnsafeMutableBufferPointer { numbers in
      if let start = numbers.baseAddress { tensor.copy(elements, to: start) }
    }
    let seed = EvaluationRules.current.seed
    for (index, number) in numbers.enumerated() {
      (target + index).initialize(to: NoisyNumber(number, seed))
    }
  }

  public static func tensor(_ values: [NoisyNumber], shape: [Int]) -> Tensor {
    Tensor(values.map(\.value), shape: shape)
  }
}
