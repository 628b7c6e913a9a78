internal import ByteIO

/// The elementary functions of an interval, each off by what `EvaluationRules` says besides.
extension BoundedNumber {
  /// How far libm's functions are off, twice over, as a share of the result.
  private static var ownShare: Double { 0x1p-50 }

  /// A function that only rises or only falls: nowhere in the interval farther than at one of its ends.
  ///
  /// - Parameters:
  ///   - domain: where it is defined; of what may leave it nothing is known.
  ///   - absolute: what formulas that cancel are off by besides.
  private static func monotone(
    _ x: BoundedNumber, in domain: ClosedRange<Double> = -.infinity ... .infinity,
    _ accuracy: FunctionAccuracy, absolute: Double = 0, _ f: (Double) -> Double
  ) -> BoundedNumber {
    let value = f(x.value)
    guard x.radius < .infinity, x.low >= domain.lowerBound, x.high <= domain.upperBound else {
      return unknown(value)
    }
    if value.isInfinite { return x.isExact ? BoundedNumber(exact: value) : unknown(value) }
    var propagated = 0.0
    if !x.isExact {
      let (a, b) = (f(x.low), f(x.high))
      propagated = max(abs(a - value), abs(b - value)) + ownShare * max(abs(a), abs(b))
    }
    let most = abs(value) + propagated
    return BoundedNumber(value, propagated, own: accuracy.bound(most) + ownShare * most + absolute + tiny)
  }

  private static var functions: RuntimeFunctions { EvaluationRules.current.functions }

  public static func exp(_ x: BoundedNumber) -> BoundedNumber {
    monotone(x, functions.elementary, Double.exp)
  }

  /// e^x − 1 as well, where e^x is rounded near 1.
  public static func expm1(_ x: BoundedNumber) -> BoundedNumber {
    let accuracy = functions.elementary
    return monotone(x, accuracy, absolute: accuracy.bound(1) + unit, Double.expm1)
  }

  public static func log(_ x: BoundedNumber) -> BoundedNumber {
    // What may be flushed to 0 has no logarithm.
    monotone(x, in: (x.isExact ? 0 : tiny) ... .infinity, functions.elementary, Double.log)
  }

  /// ln(1 + x) as well, where 1 + x is rounded.
  public static func log1p(_ x: BoundedNumber) -> BoundedNumber {
    let least = 1 + x.low
    let absolute = least > 0 ? 1.001 * unit * (1 + Swift.abs(x.value) + x.radius) / least : 0
    return monotone(
      x, in: -1 ... .infinity, functions.elementary, absolute: absolute.isFinite ? absolute : 0, Double.log1p)
  }

  public static func tanh(_ x: BoundedNumber) -> BoundedNumber { monotone(x, functions.tanh, Double.tanh) }

  public static func sigmoid(_ x: BoundedNumber) -> BoundedNumber {
    monotone(x, functions.sigmoid) { 1 / (1 + Double.exp(-$0)) }
  }

  public static func erf(_ x: BoundedNumber) -> BoundedNumber {
    monotone(x, functions.elementary, Double.erf)
  }
  public static func atan(_ x: BoundedNumber) -> BoundedNumber {
    monotone(x, functions.elementary, Double.atan)
  }
  public static func sinh(_ x: BoundedNumber) -> BoundedNumber {
    monotone(x, functions.elementary, Double.sinh)
  }
  public static func asinh(_ x: BoundedNumber) -> BoundedNumber {
    monotone(x, functions.elementary, Double.asinh)
  }
  public static func asin(_ x: BoundedNumber) -> BoundedNumber {
    monotone(x, in: -1...1, functions.elementary, Double.asin)
  }
  public static func acos(_ x: BoundedNumber) -> BoundedNumber {
    monotone(x, in: -1...1, functions.elementary, Double.acos)
  }
  public static func atanh(_ x: BoundedNumber) -> BoundedNumber {
    monotone(x, in: -1...1, functions.elementary, Double.atanh)
  }
  public static func acosh(_ x: BoundedNumber) -> BoundedNumber {
    monotone(x, in: 1 ... .infinity, functions.elementary, Double.acosh)
  }

  public func squareRoot() -> BoundedNumber {
    Self.monotone(
      self, in: 0 ... .infinity, FunctionAccuracy(relative: Self.unit, absolute: Self.tiny)
    ) { $0.squareRoot() }
  }

  /// Falls, then rises.
  public static func cosh(_ x: BoundedNumber) -> BoundedNumber {
    monotone(x.magnitude, functions.elementary, Double.cosh)
  }

  /// Its slope has slopes within ±1, so that |f(x̂) − f(x)| ≤ |f'(x)|r + r²/2. Near its zeros only the absolute error of a
  /// runtime's function is small: it reduces its argument by a π that is rounded.
  private static func wave(_ x: BoundedNumber, _ value: Double, slope: Double) -> BoundedNumber {
    let radius = x.radius
    guard value.isFinite, radius < .infinity else { return unknown(value) }
    let linear = (Swift.abs(slope) + ownShare) * radius + radius * radius / 2
    return BoundedNumber(
      value, min(linear, radius, 2), own: functions.elementary.bound(1) + ownShare + tiny)
  }

  public static func sin(_ x: BoundedNumber) -> BoundedNumber {
    wave(x, Double.sin(x.value), slope: Double.cos(x.value))
  }
  public static func cos(_ x: BoundedNumber) -> BoundedNumber {
    wave(x, Double.cos(x.value), slope: Double.sin(x.value))
  }

  /// Rises between its poles, the zeros of the cosine.
  public static func tan(_ x: BoundedNumber) -> BoundedNumber {
    let value = Double.tan(x.value)
    let (cosine, radius) = (cos(x), x.radius)
    guard value.isFinite, radius < 1, Swift.abs(cosine.value) > cosine.radius else { return unknown(value) }
    let slope = 1 / Swift.max(0x1p-1000, (Swift.abs(cosine.value) - cosine.radius)) + 1
    // The argument, too, is reduced by a rounded π.
    let absolute = functions.elementary.bound(1) * slope * slope
    return monotone(x, functions.elementary, absolute: absolute, Double.tan)
  }

  /// Of numbers above 0 it is monotone in each of both, so that it is farthest at some pair of ends.
  public static func pow(_ x: BoundedNumber, _ y: BoundedNumber) -> BoundedNumber {
    let value = Double.pow(x.value, y.value)
    guard value.isFinite, x.radius < .infinity, y.radius < .infinity else {
      return x.isExact && y.isExact && value.isInfinite ? BoundedNumber(exact: value) : unknown(value)
    }
    if y.isExact, y.value == 1 { return x }
    if y.isExact, y.value == 0 { return BoundedNumber(exact: 1) }
    var ends: [Double]
    let isOfWhole = y.isExact && y.value == y.value.rounded(.towardZero)
    if x.low > 0 || x.isExact {
      ends = [x.low, x.high].flatMap { a in [y.low, y.high].map { Double.pow(a, $0) } }
    } else if isOfWhole, y.value > 0 || x.high < 0 {
      ends = [x.low, x.high].map { Double.pow($0, y.value) } + (x.high < 0 ? [] : [0])
    } else if y.low > 0, x.low >= 0 {
      ends = [x.low, x.high].flatMap { a in [y.low, y.high].map { Double.pow(a, $0) } }
    } else {
      return unknown(value)
    }
    let isPlain = x.isExact && y.isExact
    let propagated = isPlain ? 0 : ends.reduce(0) { Swift.max($0, Swift.abs($1 - value)) }
    guard propagated.isFinite else { return unknown(value) }
    let most = ends.reduce(Swift.abs(value)) { Swift.max($0, Swift.abs($1)) }
    // By a function, or by products, a root, a quotient.
    let made = (Swift.min(Swift.abs(y.value), 64) + 3) * rounding(most)
    return BoundedNumber(
      value, propagated + ownShare * most, own: made + functions.elementary.bound(most) + ownShare * most)
  }

  /// x − q · y, where it is sure which whole q that is.
  public static func fmod(_ x: BoundedNumber, _ y: BoundedNumber) -> BoundedNumber {
    let value = Double.fmod(x.value, y.value)
    guard !(x.isExact && y.isExact) else {
      return BoundedNumber(exactOperation: value, 0, own: rounding(Swift.abs(value)), isExact: true)
    }
    let quotient = x.value / y.value
    guard quotient.isFinite, x.radius < .infinity, y.radius < Swift.abs(y.value) / 2 else {
      return unknown(value)
    }
    let whole = quotient.rounded(.towardZero)
    let reach = (x.radius + (Swift.abs(quotient) + 1) * y.radius) / (Swift.abs(y.value) - y.radius) * 1.001
    let within = Swift.abs(quotient - whole)
    guard within > reach, within + reach < 1 else { return unknown(value) }
    let propagated = x.radius + Swift.abs(whole) * y.radius
    return BoundedNumber(value, propagated, own: rounding(Swift.abs(value) + propagated))
  }

  /// Whole numbers where all of the interval is rounded to the same one.
  public func rounded(_ rule: FloatingPointRoundingRule) -> BoundedNumber {
    let value = value.rounded(rule)
    let (a, b) = (low.rounded(rule), high.rounded(rule))
    if a == b || isExact { return BoundedNumber(exact: value) }
    guard radius < .infinity else { return .unknown(value) }
    return BoundedNumber(value, max(value - a, b - value), own: 0)
  }

  public static var pi: BoundedNumber { BoundedNumber(stored: Double.pi) }
  public static var infinity: BoundedNumber { BoundedNumber(exact: .infinity) }
}
