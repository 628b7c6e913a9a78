internal import ByteIO
internal import Recurrent

extension Bounded {
  /// A range that holds every slope of the activation over x ± e: then f(x̂) − f(x) is one of them times x̂ − x.
  ///
  /// Nil where f jumps. Not asked for compositions of other functions. The error is finite.
  func slopes(of activation: Activation) -> ClosedRange<Double>? {
    let (low, high) = (value - error * outwards, value + error * outwards)
    switch activation.kind {
    case .sigmoid: return Self.bell(least, most)
    case .tanh:
      let slopes = Self.bell(2 * least, 2 * most)
      return (4 * slopes.lowerBound)...(4 * slopes.upperBound)
    case .relu: return kinked(left: 0)
    case .leakyRelu: return kinked(left: activation.alpha)
    case .thresholdedRelu, .inclusiveThresholdedRelu:
      let margin = error * outwards + Self.storageError(activation.alpha)
      if (value - activation.alpha) * (1 - 0x1p-50) > margin { return 1...1 }
      return (activation.alpha - value) * (1 - 0x1p-50) > margin ? 0...0 : nil
    // αe^x left of 0, 1 right of it
    case .elu:
      let (least, most) = (exp(low) * (1 - 0x1p-45), exp(min(high, 0)) * (1 + 0x1p-45))
      let left = hull([activation.alpha * least, activation.alpha * most])
      return isPositive ? 1...1 : isNegative ? left : hull([left.lowerBound, left.upperBound, 1])
    // 1 / (1 + |x|)², which falls with |x|
    case .softsign:
      func slope(_ x: Double) -> Double { 1 / ((1 + x) * (1 + x)) }
      return (slope(most) * (1 - 0x1p-45))...(slope(least) * (1 + 0x1p-45))
    // σ(x), which rises
    case .softplus:
      func slope(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
      return (slope(low) * (1 - 0x1p-45))...(slope(high) * (1 + 0x1p-45))
    // Φ + xφ, whose own slope (2 − x²)φ is within ±0.8
    case .gelu:
      let slope = erfc(-value * 0.5.squareRoot()) / 2 + value * exp(-value * value / 2) * 0.3989422804014327
      let reach = 0.8 * error * outwards + 0x1p-40
      return max(-0.13, slope - reach)...min(1.13, slope + reach)
    case .clip: return slopes(ofClipTo: activation.alpha...activation.beta)
    // e^x and 1/x: one rises, one falls
    case .exp: return (exp(low) * (1 - 0x1p-40))...(exp(high) * (1 + 0x1p-40))
    case .log: return low > 0 ? (1 / high * (1 - 0x1p-45))...(1 / low * (1 + 0x1p-45)) : nil
    // ax^{a − 1}, which rises or falls on either side of 0, where it is 0 or has a pole
    case .power:
      let slopes = [low, high].map { activation.alpha * pow($0, activation.alpha - 1) }
      guard slopes.allSatisfy(\.isFinite) else { return nil }
      let reach = 0x1p-40 * max(abs(slopes[0]), abs(slopes[1]))
      let ends = hull(low < 0 && high > 0 ? slopes + [0] : slopes)
      return (ends.lowerBound - reach)...(ends.upperBound + reach)
    case .abs: return kinked(left: -1)
    // 2/√π · e^{−x²}, which falls with |x|
    case .erf:
      func slope(_ x: Double) -> Double { 1.1283791670955126 * exp(-x * x) }
      return (slope(most) * (1 - 0x1p-40))...(slope(least) * (1 + 0x1p-40))
    case .sin: return wave(around: cos(value))
    case .cos: return wave(around: -sin(value))
    // e^{x/α} left of 0, 1 right of it
    case .celu:
      if isPositive { return 1...1 }
      let least = exp(low / activation.alpha) * (1 - 0x1p-40)
      return least...(isNegative ? exp(high / activation.alpha) * (1 + 0x1p-40) : 1)
    // (2x + 3)/6 within ±3, 0 left and 1 right of it
    case .hardSwish:
      let ends = [low, high].map { (2 * min(max($0, -3), 3) + 3) / 6 }
      let slopes = hull((low <= -3 ? [0] : []) + (high >= 3 ? [1] : []) + (high > -3 && low < 3 ? ends : []))
      return (slopes.lowerBound - 0x1p-45)...(slopes.upperBound + 0x1p-45)
    case .identity, .affine, .scaledTanh, .hardSigmoid, .silu, .mish, .selu, .geluTanh: return nil
    }
  }

  /// Slopes of sin or cos, which differ by no more than e from the one at x.
  private func wave(around slope: Double) -> ClosedRange<Double> {
    let reach = error * outwards + 0x1p-50
    return max(-1, slope - reach)...max(-1, min(1, slope + reach))
  }

  /// Slopes of min(max(x, low), high).
  func slopes(ofClipTo limits: ClosedRange<Double>) -> ClosedRange<Double> {
    let margin = error * outwards
    func surely(_ distance: Double) -> Bool { distance * (1 - 0x1p-50) > margin }
    if surely(value - limits.upperBound) || surely(limits.lowerBound - value) { return 0...0 }
    return surely(limits.upperBound - value) && surely(value - limits.lowerBound) ? 1...1 : 0...1
  }

  /// Slopes of a function that is straight on both sides of 0.
  private func kinked(left: Double) -> ClosedRange<Double> {
    isPositive ? 1...1 : isNegative ? left...left : hull([left, 1])
  }

  /// The greatest |x̂|.
  private var most: Double { magnitude * (1 + 0x1p-50) }

  /// σ' over least ≤ |x| ≤ most: it falls with |x|.
  private static func bell(_ least: Double, _ most: Double) -> ClosedRange<Double> {
    let t = exp(-most)
    return (t / ((1 + t) * (1 + t)) * (1 - 0x1p-45))...sigmoidSlope(least)
  }
}

private func hull(_ numbers: [Double]) -> ClosedRange<Double> { numbers.min()!...numbers.max()! }
