internal import ByteIO

/// Functions that networks put around a recurrence; docs/error-bounds.md ("Powers, logarithms, waves") derives them.
extension Bounded {
  /// min(max(x, low), high): the middle of three numbers moves by no more than the one that moves most.
  static func clamp(_ x: Bounded, _ low: Bounded, _ high: Bounded) -> Bounded {
    guard max(x.error, low.error, high.error) < .infinity else { return .unknown }
    let margin = x.error * outwards
    func surely(_ distance: Double, _ limit: Bounded) -> Bool {
      distance * (1 - 0x1p-50) > (margin + limit.error) * outwards
    }
    if surely(low.value - x.value, low) { return Bounded(low.value, 0, own: low.error) }
    if surely(x.value - high.value, high) { return Bounded(high.value, 0, own: high.error) }
    if surely(x.value - low.value, low), surely(high.value - x.value, high) { return x.passed }
    return Bounded(min(max(x.value, low.value), high.value), x.error, own: max(low.error, high.error))
  }

  /// |e^x̂ − e^x| ≤ e^x (e^e − 1), which is how far it rises; it falls by less.
  static func exponential(_ x: Bounded, _ rules: RoundingModel) -> Bounded {
    let value = exp(x.value)
    // Far to the right of an e^x that Float64 does not hold, the end itself; x + e is off by 2⁻⁵³ of less than 2¹⁰.
    let propagated =
      x.error <= 1
      ? value * expm1(x.error) * (1 + 0x1p-45) : exp(x.value + x.error * outwards) * (1 + 0x1p-40)
    return Bounded(
      value, propagated,
      own: rules.elementary.bound(value + propagated) + ownFunction * value + 2 * tiny)
  }

  /// |ln x̂ − ln x| ≤ ln(x / (x − e)) = ln(1 + e / (x − e)); nothing is known where x̂ may be flushed to 0 or is below.
  static func logarithm(_ x: Bounded, _ rules: RoundingModel) -> Bounded {
    let least = (x.value - x.error * outwards) * (1 - 0x1p-50)
    guard least >= tiny else { return .unknown }
    let value = log(x.value)
    let propagated = log1p(x.error / least) * (1 + 0x1p-45)
    return Bounded(
      value, propagated,
      own: rules.elementary.bound(abs(value) + propagated) + ownFunction * abs(value) + 2 * tiny)
  }

  /// x^a, however it is made: by a function, a root, a quotient, products.
  ///
  /// It is steepest at the end of the interval that is farther from 0 where a ≥ 1, else at the nearer one.
  static func power(_ x: Bounded, _ exponent: Double, _ rules: RoundingModel) -> Bounded {
    let isWhole = exponent == exponent.rounded()
    let size = abs(x.value)
    let least = max(0, size - x.error) * (1 - 0x1p-50)
    // Powers of what is negative, poles and what may be flushed into one are no numbers.
    let isDefined =
      exponent >= 0 ? isWhole || x.value >= x.error : least >= tiny && (isWhole || x.value > 0)
    guard isDefined, exponent.magnitude <= 0x1p12 else { return .unknown }
    if exponent == 0 { return .one }
    let value = pow(x.value, exponent)
    var propagated = 0.0
    if x.error > 0 {
      if exponent >= 1 {
        // (|x| + e)^a − |x|^a
        let most = (size + x.error) * (1 + 0x1p-50)
        propagated = pow(most, exponent) * -expm1(exponent * log1p(-x.error / most))
      } else {
        // |(|x| − e)^a − |x|^a|, which is all of it where that end is 0
        propagated = abs(value * expm1(-exponent * log1p(x.error / least)))
      }
    }
    propagated *= 1 + 0x1p-36
    let greatest = abs(value) + propagated
    // An exponent that the format rounds by d makes x^a into x^a · e^{d ln x}.
    var exponentError = 0.0
    if storageError(exponent) > 0 {
      guard least > 0 else { return .unknown }
      let logarithm = max(abs(log(least)), abs(log(size + x.error))) * (1 + 0x1p-40)
      exponentError = greatest * expm1(storageError(exponent) * logarithm) * (1 + 0x1p-36)
    }
    // As 1 / x^n, whose divisor may be flushed to 0.
    if exponent < -1, greatest * 8 * tiny > 1 { return .unknown }
    // |a| products or fewer, a quotient, a root.
    let made = (exponent.magnitude + 3) * rounding(greatest + exponentError)
    return Bounded(
      value, propagated,
      own: exponentError + made + rules.elementary.bound(greatest + exponentError) + ownFunction * greatest)
  }

  /// erf' = 2/√π · e^{−x²}, largest where |x| is least.
  static func errorFunction(_ x: Bounded, _ rules: RoundingModel) -> Bounded {
    let value = erf(x.value)
    let slope = 1.1283791670955126 * exp(-x.least * x.least) * (1 + 0x1p-40)
    let propagated = min(slope * x.error, 2)
    let most = min(1, abs(value) + propagated)
    return Bounded(value, propagated, own: rules.elementary.bound(most) + ownFunction * most + 2 * tiny)
  }

  /// sin or cos, whose slope itself has slopes within ±1: |f(x̂) − f(x)| ≤ |f'(x)|e + e²/2.
  ///
  /// Near its zeros only the absolute error of a runtime's function is small: it reduces its argument by a rounded π.
  static func wave(_ value: Double, slope: Double, _ x: Bounded, _ rules: RoundingModel) -> Bounded {
    let linear = (abs(slope) + ownFunction) * x.error + x.error * x.error / 2
    return Bounded(
      value, min(linear, x.error, 2), own: rules.elementary.bound(1) + ownFunction + 2 * tiny)
  }

  /// x where x ≥ 0, else α(e^{x/α} − 1): f' = e^{x/α} or 1, and α moves it by no more than itself is moved.
  static func celu(_ x: Bounded, _ alpha: Bounded, _ rules: RoundingModel) -> Bounded {
    guard alpha.error < alpha.value / 2 else { return .unknown }
    if x.isPositive { return x.passed }
    let value = x.value < 0 ? alpha.value * expm1(x.value / alpha.value) : x.value
    let slope = x.isNegative ? min(1, exp((x.value + x.error) / alpha.value) * (1 + 0x1p-40)) : 1
    // Rounding t = x/α moves αe^t by at most u α|t|e^t < 0.4uα; e^t − 1 cancels, unless a runtime has expm1.
    let own = alpha.magnitude * (rules.elementary.bound(1) + 6 * (u + ownFunction) + 2 * tiny) + 2 * tiny
    return Bounded(value, slope * x.error, own: alpha.error + own)
  }

  /// x·min(max(x/6 + ½, 0), 1): f' = (2x + 3)/6 within ±3, 0 left and 1 right of it.
  static func hardSwish(_ x: Bounded) -> Bounded {
    // Some compute x · min(max(x + 3, 0), 6) / 6.
    guard 6 * x.magnitude <= largest else { return .unknown }
    let (low, high) = (x.value - x.error * outwards, x.value + x.error * outwards)
    // A little beyond −3, where x/6 + ½ may be rounded to more than 0.
    if high < -3.001 { return .zero }
    func slope(_ x: Double) -> Double { abs(2 * min(max(x, -3), 3) + 3) / 6 }
    let steepest = low > 3.001 ? 1 : max(slope(low), slope(high)) * (1 + 0x1p-50)
    let gate = min(max(x.value / 6 + 0.5, 0), 1)
    // x/6 + ½ is off by 2u, x + 3 by 6u; then a product and a quotient: 4.1u|x| in either form, 2u|x| beyond 3.
    return Bounded(x.value * gate, steepest * x.error, own: 6.01 * rounding(x.magnitude))
  }

  /// √(2/π)·(x + 0.044715x³)
  static func geluArgument(_ x: Bounded, _ rules: RoundingModel) -> Bounded {
    constant(GeluTanh.scale) * (x + constant(GeluTanh.cubic) * power(x, 3, rules))
  }
}
