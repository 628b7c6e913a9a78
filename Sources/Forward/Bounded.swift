internal import CKernels
internal import Recurrent

/// The format whose roundings a `Bounded` number bounds: Float or Double.
protocol BoundedFormat: BinaryFloatingPoint, Sendable {
  /// Whether each of the numbers is stored as it is: finite, not subnormal, not rounded.
  static func holds(_ numbers: UnsafeBufferPointer<Double>) -> Bool
}

extension Float: BoundedFormat {
  static func holds(_ numbers: UnsafeBufferPointer<Double>) -> Bool {
    InstructionSet.best.kernels.unstored32(numbers.count, numbers.baseAddress) == 0
  }
}

extension Double: BoundedFormat {
  static func holds(_ numbers: UnsafeBufferPointer<Double>) -> Bool {
    InstructionSet.best.kernels.unstored64(numbers.count, numbers.baseAddress) == 0
  }
}

/// A Float64 number and a bound on how far any evaluation in `Format` may be from it.
///
/// Running error analysis (Higham 2002, section 3.3); docs/error-bounds.md derives every rule. An infinite error
/// means that nothing is known, and it stays with everything computed from it.
struct Bounded<Format: BoundedFormat>: Sendable, BitwiseCopyable {
  /// Finite.
  let value: Double
  /// At least 0, never NaN.
  let error: Double
  /// The part of `error` that the operation itself made; the rest was propagated.
  let own: Double

  /// Rounds the error outwards: covers sixteen Float64 operations on numbers ≥ 0 that made it.
  init(_ value: Double, _ propagated: Double, own: Double) {
    let error = (propagated + own) * outwards
    self.own = own * outwards
    if value.isFinite && abs(value) + error <= Self.largest {
      self.value = value
      self.error = error
    } else {
      self.value = value.isFinite ? value : 0
      self.error = .infinity
    }
  }

  /// A number that every evaluation has exactly.
  private init(exact value: Double) {
    self.value = value
    error = 0
    own = 0
  }

  static var zero: Bounded { Bounded(exact: 0) }
  static var one: Bounded { Bounded(exact: 1) }
  static var unknown: Bounded { Bounded(0, .infinity, own: 0) }

  /// A number as `Format` stores it: one rounding where it does not fit, none of it left where it is subnormal.
  static func constant(_ number: Double) -> Bounded { Bounded(number, storageError(number), own: 0) }

  static func constant(_ number: Double, off units: Double) -> Bounded {
    Bounded(number, storageError(number) + units * (u + ownUnit), own: 0)
  }

  static func storageError(_ number: Double) -> Double {
    if abs(number) < tiny { return abs(number) }
    return Double(Format(number)) == number ? 0 : u * abs(number)
  }

  /// u of the format.
  static var u: Double { Double(Format.ulpOfOne) / 2 }
  /// η: the smallest normal number of the format, so that flushing to zero is covered.
  static var tiny: Double { Double(Format.leastNormalMagnitude) }
  static var largest: Double { Double(Format.greatestFiniteMagnitude) }

  /// One rounding of a number up to `magnitude`: the evaluation's and our own.
  static func rounding(_ magnitude: Double) -> Double { (u + ownUnit) * magnitude + 2 * tiny }

  /// The number handed on as it is: nothing of its error is the operation's own.
  var passed: Bounded { Bounded(value, error, own: 0) }

  /// |x̂| ≤ magnitude for every evaluation's x̂.
  var magnitude: Double { abs(value) + error }
}

/// 2⁻⁵³: u of the Float64 that the values themselves are computed in.
let ownUnit = 0x1p-53

/// (1 + 2⁻⁵³)¹⁶ < 1 + 2⁻⁴⁸
let outwards = 1 + 0x1p-48

extension Bounded {
  static func + (left: Bounded, right: Bounded) -> Bounded {
    let value = left.value + right.value
    let propagated = left.error + right.error
    return Bounded(value, propagated, own: rounding(abs(value) + propagated))
  }

  static func - (left: Bounded, right: Bounded) -> Bounded {
    left + Bounded(-right.value, right.error, own: 0)
  }

  static func * (left: Bounded, right: Bounded) -> Bounded {
    let value = left.value * right.value
    let propagated =
      abs(left.value) * right.error + abs(right.value) * left.error + left.error * right.error
    return Bounded(value, propagated, own: rounding(abs(value) + propagated))
  }

  /// |â/b̂ − a/b| ≤ (e_a + |a/b|·e_b) / (|b| − e_b), unless b̂ may be 0.
  static func / (left: Bounded, right: Bounded) -> Bounded {
    let least = (abs(right.value) - right.error) * (1 - 0x1p-50)
    guard least > 0, left.error < .infinity else { return .unknown }
    let value = left.value / right.value
    let propagated = (left.error + abs(value) * right.error) / least * (1 + 0x1p-40)
    return Bounded(value, propagated, own: rounding(abs(value) + propagated))
  }

  /// (1 − z)n + zh, n + z(h − n) or h + (1 − z)(n − h): one function, whose roundings are bounded for all three.
  static func blend(
    _ n: Bounded, _ h: Bounded, _ z: Bounded, _ gate: Activation, _ rules: RoundingModel
  ) -> Bounded {
    guard max(n.error, h.error, z.error) < .infinity else { return .unknown }
    let value = (1 - z.value) * n.value + z.value * h.value
    let complement = abs(1 - z.value)
    let linear =
      complement * n.error + abs(z.value) * h.error
      + z.error * (abs(h.value - n.value) * (1 + 0x1p-50) + h.error + n.error)
    // With ẑ in [0, 1] the result lies between n̂ and ĥ; `excess` is how far ẑ may leave it.
    let low = min(n.value - n.error, h.value - h.error)
    let high = max(n.value + n.error, h.value + h.error)
    let excess =
      switch gate.kind {
      case .sigmoid: rules.sigmoid.bound(1) + 2 * tiny
      case .hardSigmoid: 0.0
      default: max(0, z.value + z.error - 1, z.error - z.value)
      }
    let hull =
      max(high - value, value - low) + (excess + 0x1p-50) * (high - low) + 0x1p-50 * (abs(low) + abs(high))
    let propagated = min(linear, hull)
    let (nMost, hMost) = (n.magnitude, h.magnitude)
    let (zMost, complementMost) = (z.magnitude, complement + z.error)
    let terms = max(
      complementMost * nMost + zMost * hMost, nMost + zMost * (nMost + hMost),
      hMost + complementMost * (nMost + hMost))
    // Four roundings at most reach any term; each may underflow.
    return Bounded(
      value, propagated,
      own: 4.001 * rounding(terms) + 0x1p-50 * terms + (zMost + complementMost) * 2 * tiny)
  }

  /// 1-Lipschitz; certain where the whole interval is clipped.
  static func clip(_ x: Bounded, _ limit: Bounded) -> Bounded {
    guard x.error < .infinity, limit.error < .infinity else { return .unknown }
    let reach = (abs(x.value) - x.error) * (1 - 0x1p-50)
    if reach >= limit.value + limit.error {
      return Bounded(x.value < 0 ? -limit.value : limit.value, 0, own: limit.error)
    }
    return Bounded(min(max(x.value, -limit.value), limit.value), x.error, own: limit.error)
  }

  static func maximum(_ left: Bounded, _ right: Bounded) -> Bounded {
    let (high, low) = left.value >= right.value ? (left, right) : (right, left)
    let isCertain = (high.value - low.value) * (1 - 0x1p-50) >= low.error
    // |max(â, b̂) − max(a, b)| ≤ max(e_a, e_b)
    return Bounded(high.value, isCertain ? high.error : max(high.error, low.error), own: 0)
  }

  static func minimum(_ left: Bounded, _ right: Bounded) -> Bounded {
    maximum(left.negated, right.negated).negated
  }

  /// Exact.
  private var negated: Bounded { Bounded(-value, error, own: 0) }

  static func argMax(_ x: ArraySlice<Bounded>) -> (offset: Int, isDecided: Bool) {
    var best = x.startIndex
    for index in x.indices.dropFirst() where x[index].value > x[best].value { best = index }
    let isDecided = x.indices.allSatisfy { index in
      if index == best { return x[index].error < .infinity }
      let gap = x[best].value - x[index].value
      let needed = x[best].error + x[index].error
      // A tie falls to the first of equals.
      return needed == 0 && index > best ? gap >= 0 : gap * (1 - 0x1p-50) > needed * outwards
    }
    return (best - x.startIndex, isDecided)
  }
}
