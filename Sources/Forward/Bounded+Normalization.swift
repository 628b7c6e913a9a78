internal import Recurrent

// docs/error-bounds.md ("Normalizations") derives both.
extension Bounded {
  static func normalise(
    _ x: ArraySlice<Bounded>, by divisor: Normalization.Divisor, epsilon: Double, _ rules: RoundingModel,
    into result: inout [Bounded]
  ) {
    let made =
      divisor.isCentred
      ? centred(x, by: divisor, epsilon: epsilon) : divided(x, by: divisor, epsilon: epsilon)
    result += made ?? [Bounded](repeating: .unknown, count: x.count)
  }

  /// y_i = (x_i − m) / s, where s = √(v + ε) is a norm of x's distance from its mean: neither moves by more than x does.
  ///
  /// For the variance in two passes, in one (E[x²] − m²) or by updates, and for the quotient as such, as a product with 1/s, or as
  /// x/s − m/s. Nil where nothing is known.
  private static func centred(
    _ x: ArraySlice<Bounded>, by divisor: Normalization.Divisor, epsilon: Double
  ) -> [Bounded]? {
    let n = Double(x.count)
    let unit = u + ownUnit
    // γ_k of the longest chain of roundings.
    let gamma = (n + 8) * unit / (1 - (n + 8) * unit)
    let errors = x.reduce(0) { $0 + $1.error }
    // Of |x̂| and x̂².
    let magnitude = x.reduce(0) { $0 + $1.magnitude } / n
    let square = x.reduce(0) { $0 + $1.magnitude * $1.magnitude } / n
    guard errors < .infinity, (n + 8) * unit < 0.01, 2 * n * square < largest else { return nil }
    let mean = x.reduce(0) { $0 + $1.value } / n
    let variance = x.reduce(0) { $0 + ($1.value - mean) * ($1.value - mean) } / n
    let root = (variance + epsilon).squareRoot()
    // Behind the root, where ε is none.
    let added = divisor == .guardedDeviation ? Normalization.Divisor.guarding : 0
    let meanError = gamma * magnitude + n * tiny
    /// |ŝ − s| ≤ ‖e‖₂ / √n, x̂ being exact; then what computing v̂ + ε is off by.
    let moved = (x.reduce(0) { $0 + $1.error * $1.error } / n).squareRoot() * outwards
    let leastRoot = max(root - moved, epsilon.squareRoot()) * (1 - 0x1p-40) - 2 * gamma * magnitude
    let varianceError = 5 * gamma * square + unit * epsilon + 2 * n * tiny
    guard leastRoot > 0, varianceError < leastRoot * leastRoot / 2 else { return nil }
    let rootError = varianceError / leastRoot + 2 * unit * added
    let (s, least) = (root + added, leastRoot + added)
    let lower = least - rootError
    let most = (n - 1).squareRoot() * (1 + 0x1p-40)
    return x.map { x in
      let y = (x.value - mean) / s
      // x_i − m moves by (1 − 1/n) e_i and by 1/n of the others.
      let numerator = ((n - 1) * x.error + (errors - x.error)) / n
      let propagated = min((numerator + abs(y) * moved) / least * (1 + 0x1p-40), abs(y) + most)
      let greatest = abs(y) + propagated
      let rounded = 4 * unit * (x.magnitude + magnitude) + meanError + greatest * rootError
      return Bounded(
        y, propagated,
        own: 1.02 * (rounded / lower + 10 * unit * greatest) + 4 * tiny / lower + 4 * tiny)
    }
  }

  /// y_i = x_i / d, d a norm of x, with ε as one more of its parts: its sum has no terms below 0, so that nothing cancels.
  private static func divided(
    _ x: ArraySlice<Bounded>, by divisor: Normalization.Divisor, epsilon: Double
  ) -> [Bounded]? {
    let n = Double(x.count)
    let unit = u + ownUnit
    let gamma = (n + 8) * unit / (1 - (n + 8) * unit)
    let errors = x.reduce(0) { $0 + $1.error }
    let squares = x.reduce(0) { $0 + $1.value * $1.value }
    guard errors < .infinity, (n + 8) * unit < 0.01 else { return nil }
    if divisor.isNorm, errors == 0, x.allSatisfy({ $0.value == 0 }) { return x.map { _ in .zero } }
    let isSquare = divisor != .absoluteSum
    if isSquare {
      guard 2 * x.reduce(0, { $0 + $1.magnitude * $1.magnitude }) < largest else { return nil }
    }
    let moved = (x.reduce(0) { $0 + $1.error * $1.error }).squareRoot() * outwards
    // d, how far it moves, and the most that any |y_i| can be.
    let (d, shift, most) =
      switch divisor {
      case .rootMeanSquare: ((squares / n + epsilon).squareRoot(), moved / n.squareRoot(), n.squareRoot())
      case .absoluteSum: (x.reduce(0) { $0 + abs($1.value) }, errors * outwards, 1.0)
      case .euclidean, .deviation, .guardedDeviation: (squares.squareRoot(), moved, 1.0)
      }
    let least = max(d - shift, epsilon.squareRoot()) * (1 - 0x1p-40)
    // Nor may 1/d be flushed to 0.
    guard least > 0, d + shift < largest / 8 else { return nil }
    // Of d: γ of the sum, of which the root takes half; what is flushed to 0 in it, beside the least that it can be.
    let flushed = 2 * n * tiny / (isSquare ? least * least : least)
    let relative = gamma + flushed + 6 * unit
    guard relative < 0.01 else { return nil }
    return x.map { x in
      let y = x.value / d
      let propagated = min(
        (x.error + abs(y) * shift) / least * (1 + 0x1p-40), (abs(y) + most) * (1 + 0x1p-40))
      return Bounded(
        y, propagated, own: 1.02 * (abs(y) + propagated) * relative + 4 * tiny / least + 4 * tiny)
    }
  }
}
