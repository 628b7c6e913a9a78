internal import ByteIO
internal import Recurrent

// Each function f gives |f̂(x̂) − f(x)| ≤ L·e + own: L bounds |f'| over [x − e, x + e], `own` is the runtime's and
// our own error of f there. libm's functions here are taken to be good to 8 units of 2⁻⁵³ (glibc documents ≤ 2 ulp).

let ownFunction = 0x1p-50

extension Bounded: Scalar {
  typealias Rules = RoundingModel

  static func activate(_ activation: Activation, _ x: Bounded, _ rules: RoundingModel) -> Bounded {
    guard x.error < .infinity else { return .unknown }
    var alpha: Bounded { constant(activation.alpha) }
    var beta: Bounded { constant(activation.beta) }
    switch activation.kind {
    case .identity: return x
    case .tanh: return tanh(x, rules)
    case .sigmoid: return sigmoid(x, rules)
    case .relu: return relu(x)
    case .affine: return alpha * x + beta
    case .leakyRelu: return leaky(x, alpha)
    case .thresholdedRelu: return thresholdedRelu(x, alpha, inclusive: false)
    case .inclusiveThresholdedRelu: return thresholdedRelu(x, alpha, inclusive: true)
    case .scaledTanh: return alpha * tanh(beta * x, rules)
    case .hardSigmoid: return unitClamp(alpha * x + beta)
    case .elu: return elu(x, alpha, rules)
    case .softsign: return softsign(x)
    case .softplus: return softplus(x, rules)
    case .gelu: return gelu(x, rules)
    case .silu: return x * sigmoid(x, rules)
    case .mish: return x * tanh(softplus(x, rules), rules)
    case .clip: return clamp(x, alpha, beta)
    case .exp: return exponential(x, rules)
    case .log: return logarithm(x, rules)
    case .power: return power(x, activation.alpha, rules)
    case .abs: return Bounded(abs(x.value), x.error, own: 0)
    case .erf: return errorFunction(x, rules)
    case .sin: return wave(sin(x.value), slope: cos(x.value), x, rules)
    case .cos: return wave(cos(x.value), slope: sin(x.value), x, rules)
    case .selu: return beta * elu(x, alpha, rules)
    case .celu: return celu(x, alpha, rules)
    case .hardSwish: return hardSwish(x)
    case .geluTanh: return x * (constant(0.5) * (one + tanh(geluArgument(x, rules), rules)))
    }
  }

  /// The least |x̂|.
  var least: Double { max(0, abs(value) - error * outwards) * (1 - 0x1p-50) }
  var isPositive: Bool { value > error * outwards }
  var isNegative: Bool { -value > error * outwards }

  /// σ' = e^{−|x|} / (1 + e^{−|x|})², largest where |x| is least.
  static func sigmoidSlope(_ least: Double) -> Double {
    let t = exp(-least) * (1 + ownFunction)
    return min(0.25, t / ((1 + t) * (1 + t)) * (1 + 0x1p-45))
  }

  /// Errors up to this take one exponential an activation: where it changes little, the slope over x ± e follows from
  /// the one at x.
  private static var small: Double { 0x1p-10 }

  /// Beyond it e^{−|x|} and e^{−e} leave what Float64 holds with full accuracy.
  private static var wide: Double { 300 }

  /// At least e^e, e ≥ 0, and less than e⁴/100 above it.
  private static func growth(_ e: Double) -> Double {
    // What follows e³/6 is e⁴/24 (1 + e/5 + …) ≤ e⁴/20 here.
    e <= 0.5 ? 1 + e * (1 + e * (0.5 + e * (1 / 6.0 + e / 20))) : exp(e)
  }

  static func sigmoid(_ x: Bounded, _ rules: RoundingModel) -> Bounded {
    // Of σ(|x|) and of σ'(x) = t / (1 + t)²
    let size = abs(x.value)
    let t = exp(-size)
    let s = 1 / (1 + t)
    let y = x.value < 0 ? t * s : s
    var propagated: Double
    if x.error <= small {
      // |d/dx ln σ'| ≤ 1, and e^e ≤ 1 + 2e
      propagated = t * s * s * (1 + 2 * x.error) * (1 + 0x1p-45) * x.error
    } else if size < wide && x.error < wide {
      // σ falls further to |x| − e than it rises to |x| + e, and is steepest in between where |x̂| is least.
      let t = t * growth(x.error)
      let low = 1 / (1 + t)
      let slope = t >= 1 - ownFunction ? 0.25 : min(0.25, t * low * low * (1 + 0x1p-45))
      propagated = min(slope * x.error, s - low + ownFunction)
    } else {
      propagated = min(sigmoidSlope(x.least) * x.error, 1)
    }
    return Bounded(
      y, propagated, own: rules.sigmoid.bound(min(1, y + propagated)) + ownFunction * y + 2 * tiny)
  }

  /// tanh' = 1 / cosh² = 4σ'(2x) = 1 − tanh²
  static func tanh(_ x: Bounded, _ rules: RoundingModel) -> Bounded {
    guard x.error < .infinity else { return .unknown }
    // |tanh x| = (1 − t) / (1 + t), t = e^{−2|x|}. libm's tanh takes three times as long. Near 0 its expm1 keeps 1 − t from
    // cancelling; elsewhere 1 − t ≥ 0.39, which at most doubles the error of t. With the other roundings: 2⁻⁵⁰ of y at most.
    let size = abs(x.value)
    let t: Double
    let difference: Double
    if size < 0.25 {
      difference = -expm1(-2 * size)
      t = 1 - difference
    } else {
      t = exp(-2 * size)
      difference = 1 - t
    }
    let positive = difference / (1 + t)
    let y = x.value < 0 ? -positive : positive
    var propagated: Double
    if x.error <= small {
      // |d/dx ln tanh'| ≤ 2, and e^{2e} ≤ 1 + 4e; y² is good to 2⁻⁴⁹.
      propagated = (1 - y * y + 0x1p-49) * (1 + 4 * x.error) * (1 + 0x1p-45) * x.error
    } else if size < wide && x.error < wide {
      // As σ.
      let t = t * growth(2 * x.error)
      let inverse = 1 / (1 + t)
      let slope = t >= 1 - ownFunction ? 1 : min(1, 4 * t * inverse * inverse * (1 + 0x1p-45))
      propagated = min(slope * x.error, positive - (1 - t) * inverse + 2 * ownFunction)
    } else {
      propagated = min(4 * sigmoidSlope(2 * x.least) * x.error, 2)
    }
    let most = min(1, positive + propagated)
    return Bounded(y, propagated, own: rules.tanh.bound(most) + ownFunction * most + 2 * tiny)
  }

  /// Exact but for its input.
  private static func relu(_ x: Bounded) -> Bounded {
    x.isNegative ? .zero : Bounded(max(0, x.value), x.error, own: 0)
  }

  static func leaky(_ x: Bounded, _ alpha: Bounded) -> Bounded {
    guard max(x.error, alpha.error) < .infinity else { return .unknown }
    if x.isPositive { return x.passed }
    let negative = alpha * x
    if x.isNegative {
      // What a rounded α is off by is no error of x.
      let propagated = alpha.magnitude * x.error
      return Bounded(
        negative.value, propagated,
        own: alpha.error * abs(x.value) + rounding(alpha.magnitude * x.magnitude))
    }
    let slope = max(1, alpha.magnitude)
    let value = x.value < 0 ? negative.value : x.value
    return Bounded(
      value, slope * x.error, own: alpha.error * x.magnitude + rounding(slope * x.magnitude))
  }

  /// Jumps at α: an interval on both sides of it covers 0 and x.
  private static func thresholdedRelu(_ x: Bounded, _ alpha: Bounded, inclusive: Bool) -> Bounded {
    let margin = (x.error + alpha.error) * outwards
    let distance = (x.value - alpha.value) * (1 - 0x1p-50)
    if distance > margin || inclusive && distance == margin { return x.passed }
    if -distance > margin || !inclusive && -distance == margin { return .zero }
    let passes = x.value > alpha.value || inclusive && x.value == alpha.value
    return Bounded(passes ? x.value : 0, x.magnitude, own: 0)
  }

  /// min(max(x, 0), 1)
  static func unitClamp(_ x: Bounded) -> Bounded {
    guard x.error < .infinity else { return .unknown }
    if x.isNegative { return .zero }
    if (x.value - 1) * (1 - 0x1p-50) > x.error * outwards { return .one }
    return Bounded(min(max(x.value, 0), 1), x.error, own: 0)
  }

  /// e^x − 1 has the absolute error of e^x and of a subtraction, unless a runtime has expm1.
  private static func elu(_ x: Bounded, _ alpha: Bounded, _ rules: RoundingModel) -> Bounded {
    if x.isPositive { return x.passed }
    let value = x.value < 0 ? alpha.value * expm1(x.value) : x.value
    let slope =
      x.isNegative ? alpha.magnitude * exp(x.value + x.error) * (1 + 0x1p-45) : max(1, alpha.magnitude)
    let own = alpha.magnitude * (rules.elementary.bound(1) + 4 * (u + ownFunction)) + 2 * tiny
    return Bounded(value, slope * x.error, own: alpha.error + own)
  }

  /// f' = 1 / (1 + |x|)²
  private static func softsign(_ x: Bounded) -> Bounded {
    let value = x.value / (1 + abs(x.value))
    let slope = 1 / ((1 + x.least) * (1 + x.least))
    let most = min(1, abs(value) + slope * x.error * outwards)
    return Bounded(value, slope * x.error, own: 3.001 * rounding(most))
  }

  /// f' = σ; a runtime may compute ln(1 + e^x) without log1p, which costs an absolute error.
  private static func softplus(_ x: Bounded, _ rules: RoundingModel) -> Bounded {
    let value = max(0, x.value) + log1p(exp(-abs(x.value)))
    let slope = min(1, 1 / (1 + exp(-(x.value + x.error))) * (1 + 0x1p-45))
    let propagated = slope * x.error
    let own = 2 * rules.elementary.bound(1) + 4 * (u + ownFunction)
    return Bounded(
      value, propagated,
      own: own + rules.elementary.relative * (value + propagated) + 2 * rounding(value + propagated))
  }

  /// f' = Φ + xφ, within (−0.13, 1.13); on (−∞, −√2) it falls from 0, so that |f'| is largest at the right end.
  private static func gelu(_ x: Bounded, _ rules: RoundingModel) -> Bounded {
    let value = x.value * (erfc(-x.value * 0.5.squareRoot()) / 2)
    let right = x.value + x.error * outwards
    var slope = 1.13
    if right < -1.5 {
      let density = exp(-right * right / 2) * 0.3989422804014327
      slope = (abs(right) * density + erfc(-right * 0.5.squareRoot()) / 2) * (1 + 0x1p-40)
    }
    let propagated = slope * x.error
    // 1 + erf(x/√2) cancels for x < 0: its error is absolute, and x scales it.
    let absolute = x.magnitude * (rules.elementary.bound(1) + 4 * (u + ownFunction))
    return Bounded(value, propagated, own: absolute + 4 * rounding(abs(value) + propagated))
  }
}
