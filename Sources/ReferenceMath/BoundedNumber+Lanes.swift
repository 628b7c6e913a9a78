/// Functions of several numbers, whose errors say more together than those of the operations that they are made of.
extension BoundedNumber {
  /// One function of z, n and h, linear in z with slope h − n; also as n + z(h − n) and h + (1 − z)(n − h).
  public static func blend(_ z: BoundedNumber, _ n: BoundedNumber, _ h: BoundedNumber) -> BoundedNumber {
    let value = (1 - z.value) * n.value + z.value * h.value
    let (dz, dn, dh) = (z.radius, n.radius, h.radius)
    guard value.isFinite, max(dz, dn, dh) < .infinity else { return unknown(value) }
    let complement = Swift.abs(1 - z.value)
    let propagated =
      complement * dn + Swift.abs(z.value) * dh + dz * (Swift.abs(h.value - n.value) + dh + dn)
    // The largest sum of terms of the three forms, of which four roundings reach each at most.
    let terms = (1 + 2 * (z.most + complement + dz)) * (n.most + h.most)
    return BoundedNumber(value, propagated, own: 4.001 * rounding(terms))
  }

  /// By e_i + E, E the largest of the radii, the numerator and the sum move against each other: y_i moves by a factor within
  /// e^±(e_i + E), inside of [0, 1].
  public static func softmax(_ x: ArraySlice<BoundedNumber>) -> [BoundedNumber] {
    let powers = ShiftedPowers(x)
    return x.indices.map { index in
      // A number that is −∞ for sure has no share.
      if x[index].isExact, x[index].value == -.infinity, powers.total > 0 { return BoundedNumber(exact: 0) }
      let share = powers.power(x[index]) / powers.total
      guard share.isFinite, powers.widest < .infinity else { return unknown(share) }
      let moved = powers.widest + x[index].radius
      let propagated = Swift.min(share * Double.expm1(moved) * (1 + 0x1p-40), Swift.max(share, 1 - share))
      let most = Swift.min(1, share + propagated)
      return BoundedNumber(
        share, propagated,
        own: 1.01 * (most * (powers.relative(x[index]) + powers.sum + 2 * unit) + powers.absolute) + tiny)
    }
  }

  /// Moves by e_i + E at most.
  public static func logSoftmax(_ x: ArraySlice<BoundedNumber>) -> [BoundedNumber] {
    let powers = ShiftedPowers(x)
    let logarithm = Double.log(powers.total)
    return x.map { x in
      let value = x.value - powers.top - logarithm
      guard value.isFinite, powers.widest < .infinity else {
        return x.isExact && value == -.infinity ? BoundedNumber(exact: value) : unknown(value)
      }
      let most = Swift.abs(x.value - powers.top) + x.radius + powers.widest + Swift.abs(logarithm)
      return BoundedNumber(
        value, x.radius + powers.widest,
        own: 1.01 * (powers.sum + powers.elementary.bound(Swift.abs(logarithm) + powers.widest))
          + 3 * rounding(most))
    }
  }

  /// Moves by no more than the one of the numbers that moves most.
  public static func logSumExp(_ x: ArraySlice<BoundedNumber>) -> BoundedNumber {
    let powers = ShiftedPowers(x)
    let value = powers.top + Double.log(powers.total)
    guard value.isFinite, powers.widest < .infinity else {
      let isSure = x.allSatisfy(\.isExact) && powers.top.isInfinite
      return isSure ? BoundedNumber(exact: powers.top) : unknown(value)
    }
    let logarithm = Double.log(powers.total)
    return BoundedNumber(
      value, powers.widest,
      own: 1.01 * (powers.sum + powers.elementary.bound(Swift.abs(logarithm) + powers.widest))
        + 3 * rounding(Swift.abs(powers.top) + Swift.abs(logarithm) + powers.widest))
  }

  /// e^(x − max x) of some numbers, and what evaluations of them are off by.
  private struct ShiftedPowers {
    let top: Double
    let total: Double
    /// The largest radius.
    let widest: Double
    /// What the sum's roundings and the powers in it are off by, as a share of the sum.
    let sum: Double
    /// What a power may be off by at least, as a share of the sum.
    let absolute: Double
    let elementary = EvaluationRules.current.functions.elementary

    init(_ x: ArraySlice<BoundedNumber>) {
      let top = x.reduce(-Double.infinity) { $0.isNaN || $0 > $1.value ? $0 : $1.value }
      self.top = top
      widest = x.reduce(0) { $0.isNaN ? $0 : Swift.max($0, $1.radius) }
      total = x.reduce(0) { $0 + Double.exp($1.value - top) }
      absolute = elementary.absolute
      let (moved, all) = (widest, total)
      // A rounding of d = x − max x changes e^d by u|d|e^d; what is far from the maximum has a small e^d.
      let powers = x.reduce(0) { sum, x in
        let distance = Swift.abs(x.value - top)
        guard distance.isFinite else { return sum }
        let share = Swift.min(1, Double.exp(x.value - top + moved + x.radius) / all)
        return sum + share * BoundedNumber.unit * (distance + moved + x.radius)
      }
      sum =
        powers + elementary.relative + Double(x.count) * elementary.absolute
        + BoundedNumber.gamma(Double(x.count + 2))
    }

    func power(_ x: BoundedNumber) -> Double { Double.exp(x.value - top) }

    /// What a power is off by, as a share of it.
    func relative(_ x: BoundedNumber) -> Double {
      BoundedNumber.unit * (Swift.abs(x.value - top) + widest + x.radius) + elementary.relative
    }
  }

  /// A norm moves by no more than the norm of what its elements move by; the root of a sum of squares is no NaN.
  public static func norm(_ x: ArraySlice<BoundedNumber>) -> BoundedNumber {
    let value = x.reduce(0) { $0 + $1.value * $1.value }.squareRoot()
    let propagated = x.reduce(0) { $0 + $1.radius * $1.radius }.squareRoot()
    guard value.isFinite, propagated < .infinity, value * value < largest else { return unknown(value) }
    let most = value + propagated
    // Squares below η may be flushed to 0: each takes less than √η off the norm.
    let flushed = (Double(x.count) * tiny).squareRoot()
    return BoundedNumber(
      value, propagated, own: gamma(Double(x.count + 4)) * most + Swift.min(flushed, most) + tiny)
  }

  /// The deviations from the mean are a projection: their norm moves by no more than that of the errors, ρ√n. The variance is off by
  /// 5γQ besides, Q the mean square of the magnitudes, whether it is made in two passes, by updates or as E[x²] − m².
  public static func moments(_ x: ArraySlice<BoundedNumber>) -> (mean: BoundedNumber, variance: BoundedNumber)
  {
    let count = Double(x.count)
    let mean = x.reduce(0, +) / BoundedNumber(x.count)
    let centre = mean.value
    let value = x.reduce(0) { $0 + ($1.value - centre) * ($1.value - centre) } / count
    let (moved, square) = x.reduce((0.0, 0.0)) {
      ($0.0 + $1.radius * $1.radius / count, $0.1 + $1.most * $1.most / count)
    }
    guard value.isFinite, moved < .infinity, square < largest else { return (mean, unknown(value)) }
    let propagated = (2 * (value * moved).squareRoot() + moved) * (1 + gamma(count + 8))
    let variance = BoundedNumber(
      value, propagated, own: 5 * gamma(count + 8) * square + 4 * (count + 2) * tiny)
    return (mean, variance)
  }
}
