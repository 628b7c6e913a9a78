extension Bounded {
  /// y_i = (x_i − m) / s, where s = √(v + ε) is a norm of x's distance from its mean: neither moves by more than x does.
  ///
  /// docs/error-bounds.md ("Layer normalization") derives it, for the variance in two passes, in one (E[x²] − m²) or by updates, and
  /// for the quotient as such, as a product with 1/s, or as x/s − m/s.
  static func normalise(
    _ x: ArraySlice<Bounded>, epsilon: Double, _ rules: RoundingModel, into result: inout [Bounded]
  ) {
    let n = Double(x.count)
    let unit = u + ownUnit
    // γ_k of the longest chain of roundings.
    let gamma = (n + 8) * unit / (1 - (n + 8) * unit)
    let errors = x.reduce(0) { $0 + $1.error }
    guard errors < .infinity, (n + 8) * unit < 0.01 else {
      result.append(contentsOf: repeatElement(.unknown, count: x.count))
      return
    }
    let mean = x.reduce(0) { $0 + $1.value } / n
    let variance = x.reduce(0) { $0 + ($1.value - mean) * ($1.value - mean) } / n
    let s = (variance + epsilon).squareRoot()
    // Of |x̂| and x̂².
    let magnitude = x.reduce(0) { $0 + $1.magnitude } / n
    let square = x.reduce(0) { $0 + $1.magnitude * $1.magnitude } / n
    let meanError = gamma * magnitude + n * tiny
    /// |ŝ − s| ≤ ‖e‖₂ / √n, x̂ being exact; then what computing v̂ + ε is off by.
    let moved = (x.reduce(0) { $0 + $1.error * $1.error } / n).squareRoot() * outwards
    let least = max(s - moved, epsilon.squareRoot()) * (1 - 0x1p-40) - 2 * gamma * magnitude
    let varianceError = 5 * gamma * square + unit * epsilon + 2 * n * tiny
    guard least > 0, varianceError < least * least / 2 else {
      result.append(contentsOf: repeatElement(.unknown, count: x.count))
      return
    }
    let rootError = varianceError / least
    let divisor = least - rootError
    let most = (n - 1).squareRoot() * (1 + 0x1p-40)
    for x in x {
      let y = (x.value - mean) / s
      // x_i − m moves by (1 − 1/n) e_i and by 1/n of the others.
      let numerator = ((n - 1) * x.error + (errors - x.error)) / n
      let propagated = min((numerator + abs(y) * moved) / least * (1 + 0x1p-40), abs(y) + most)
      let greatest = abs(y) + propagated
      let rounded = 4 * unit * (x.magnitude + magnitude) + meanError + greatest * rootError
      result.append(
        Bounded(
          y, propagated,
          own: 1.02 * (rounded / divisor + 10 * unit * greatest) + 4 * tiny / divisor + 4 * tiny))
    }
  }
}
