internal import Recurrent

/// A number whose error remembers where it came from, so that errors can cancel.
///
/// Affine arithmetic (de Figueiredo and Stolfi 2004): for every evaluation there are ε_k in [−1, 1], the same for all
/// numbers of a row of the batch, such that |x̂ − (x + Σ c_k ε_k)| ≤ rest. A symbol ε_k stands for what one step added
/// to one state. docs/error-bounds.md derives every rule.
struct Affine<Format: BoundedFormat>: Sendable {
  /// x, and the least bound known on |x̂ − x|.
  let center: Bounded<Format>
  /// c_k
  let coefficients: Coefficients
  /// Σ|c_k|
  let spread: Double
  /// What no symbol explains.
  let rest: Double
}

extension Affine {
  /// A number whose error has nothing to do with others'.
  init(_ center: Bounded<Format>) {
    self.init(center: center, coefficients: Coefficients(), spread: 0, rest: center.error)
  }

  /// The interval's bound and the affine one, whichever is less.
  init(_ interval: Bounded<Format>, _ coefficients: Coefficients, rest: Double) {
    let spread = coefficients.sum
    let radius = (spread + rest) * outwards
    // An infinite interval means that a NaN is possible, and then nothing else counts. Where symbols say far less than
    // the interval (a saturated gate), or have overflowed, they are better forgotten.
    guard interval.error < .infinity, radius <= 4 * interval.error else {
      self.init(interval)
      return
    }
    self.init(
      center: radius < interval.error ? Bounded(interval.value, radius, own: 0) : interval,
      coefficients: coefficients, spread: spread, rest: rest * outwards)
  }

  /// The same number where symbols explain all of its error.
  init(_ center: Bounded<Format>, settled coefficients: Coefficients) {
    self.init(center: center, coefficients: coefficients, spread: coefficients.sum, rest: 0)
  }

  /// Σ a_j x_j with exact a_j, of which `interval` is a bound: errors add up with their signs.
  ///
  /// - Parameter remainder: how far the operation is from linear.
  init(_ interval: Bounded<Format>, _ terms: [(Double, Affine)], remainder: Double = 0) {
    guard interval.error < .infinity else {
      self.init(interval)
      return
    }
    var coefficients = Coefficients()
    var rest = remainder + interval.own
    var spread = 0.0
    for (a, x) in terms {
      coefficients.add(a, x.coefficients)
      rest += abs(a) * x.rest
      spread += abs(a) * x.spread
    }
    // Coefficients are rounded: aⱼ itself once, then a product and additions; and they may underflow.
    let lost = Double(terms.count + 3) * ownUnit * spread + 0x1p-1000
    self.init(interval, coefficients, rest: (rest + lost) * outwards)
  }

  /// f(x), where every slope of f over x ± e lies in `slopes`: linear with the middle slope, and the rest apart.
  func through(_ slopes: ClosedRange<Double>, _ y: Bounded<Format>) -> Affine {
    let middle = (slopes.lowerBound + slopes.upperBound) / 2
    let half = max(slopes.upperBound - middle, middle - slopes.lowerBound) * outwards
    return Affine(y, [(middle, self)], remainder: half * center.error)
  }
}

extension Affine {
  static func + (left: Affine, right: Affine) -> Affine {
    Affine(left.center + right.center, [(1, left), (1, right)])
  }

  static func - (left: Affine, right: Affine) -> Affine {
    Affine(left.center - right.center, [(1, left), (-1, right)])
  }

  /// (a + α)(b + β) = ab + bα + aβ + αβ
  static func * (left: Affine, right: Affine) -> Affine {
    Affine(
      left.center * right.center, [(right.center.value, left), (left.center.value, right)],
      remainder: left.center.error * right.center.error)
  }

  /// (1 − z)n + zh = its value + (1 − z)ν + zη + (h − n)ζ + ζ(η − ν)
  static func blend(
    _ n: Affine, _ h: Affine, _ z: Affine, _ gate: Activation, _ rules: RoundingModel
  ) -> Affine {
    Affine(
      .blend(n.center, h.center, z.center, gate, rules),
      [(1 - z.center.value, n), (z.center.value, h), (h.center.value - n.center.value, z)],
      remainder: z.center.error * (h.center.error + n.center.error))
  }

  static func clip(_ x: Affine, _ limit: Affine) -> Affine {
    // The error of the limit is the operation's own.
    let limits = -limit.center.value...limit.center.value
    return x.through(x.center.slopes(ofClipTo: limits), .clip(x.center, limit.center))
  }

  static func activate(_ activation: Activation, _ x: Affine, _ rules: RoundingModel) -> Affine {
    var alpha: Affine { constant(activation.alpha) }
    var beta: Affine { constant(activation.beta) }
    switch activation.kind {
    case .identity: return x
    case .affine: return alpha * x + beta
    case .scaledTanh: return alpha * activate(.tanh, beta * x, rules)
    case .hardSigmoid:
      let a = alpha * x + beta
      return a.through(a.center.slopes(ofClipTo: 0...1), .unitClamp(a.center))
    case .silu: return x * activate(.sigmoid, x, rules)
    case .selu: return beta * activate(Activation(.elu, alpha: activation.alpha), x, rules)
    case .geluTanh:
      let cube = constant(GeluTanh.cubic) * activate(Activation(.power, alpha: 3), x, rules)
      let tangent = activate(.tanh, constant(GeluTanh.scale) * (x + cube), rules)
      return x * (constant(0.5) * (one + tangent))
    case .mish: return x * activate(.tanh, activate(Activation(.softplus), x, rules), rules)
    case .tanh, .sigmoid, .relu, .leakyRelu, .thresholdedRelu, .inclusiveThresholdedRelu, .elu, .softsign,
      .softplus, .gelu, .clip, .exp, .log, .power, .abs, .erf, .sin, .cos, .celu, .hardSwish:
      let y = Bounded.activate(activation, x.center, rules)
      guard y.error < .infinity, let slopes = x.center.slopes(of: activation) else { return Affine(y) }
      return x.through(slopes, y)
    }
  }
}
