internal import ByteIO

extension Bounded {
  /// What softmax and logSoftmax share.
  private struct Exponentials {
    /// m = max x_j
    let shift: Double
    /// Σ e^{x_j − m} ≥ 1
    let sum: Double
    /// E = max e_j
    let error: Double
    /// The relative error of the computed sum, given x̂.
    let sumError: Double

    init(_ x: ArraySlice<Bounded>, _ rules: RoundingModel) {
      shift = x.reduce(-.infinity) { max($0, $1.value) }
      var sum = 0.0
      for x in x { sum += exp(x.value - shift) }
      self.sum = sum
      error = x.reduce(0) { max($0, $1.error) }
      // Rounding d = x_j − m by u·|d| changes e^d by at most u·|d|e^d ≤ 0.38u·(1 + …); adding n terms costs γ_n.
      let n = Double(x.count)
      sumError =
        1.01
        * (rules.elementary.relative + n * rules.elementary.absolute + 2 * (n + 2) * (u + ownUnit) + 0x1p-50)
    }
  }

  /// y_i(x̂) is within e^{±(e_i + E)} of y_i(x): the ratio of two sums of e^{x_j}, each term within e^{±e_j}.
  static func softmax(_ x: ArraySlice<Bounded>, _ rules: RoundingModel, into result: inout [Bounded]) {
    let all = Exponentials(x, rules)
    guard all.error < .infinity, all.sumError < 0.5 else {
      result.append(contentsOf: repeatElement(.unknown, count: x.count))
      return
    }
    for x in x {
      let distance = all.shift - x.value
      let y = exp(-distance) / all.sum
      let spread = (x.error + all.error) * outwards
      // y·(e^spread − 1), where neither factor leaves the range of Float64.
      let growth = distance < 600 && spread < 600 ? y * expm1(spread) : exp(spread - distance)
      let propagated = min(growth * (1 + 0x1p-40), max(y, 1 - y) + 0x1p-50)
      let most = min(1, y + propagated)
      // e^d̂ against e^d, where d̂ = d(1 + δ): at most u·|d|·e^{−|d|(1 − u)}, and d itself within ± spread.
      let exponent =
        (u + ownUnit) * (distance + spread) * exp(-(1 - 2 * u) * max(0, distance - spread)) * (1 + 0x1p-40)
      let relative = rules.elementary.relative + all.sumError + 2 * (u + 0x1p-50)
      result.append(
        Bounded(
          y,
          propagated,
          own: 1.01 * (most * relative / (1 - all.sumError) + exponent / (1 - all.sumError))
            + 2 * rules.elementary.absolute + 2 * tiny))
    }
  }

  /// |∂y_i| ≤ e_i + Σ y_j e_j ≤ e_i + E; then the logarithm of a sum with a relative error, and its roundings.
  static func logSoftmax(_ x: ArraySlice<Bounded>, _ rules: RoundingModel, into result: inout [Bounded]) {
    let all = Exponentials(x, rules)
    guard all.error < .infinity, all.sumError < 0.5 else {
      result.append(contentsOf: repeatElement(.unknown, count: x.count))
      return
    }
    let logarithm = log(all.sum)
    // |ln(1 + ρ)| ≤ ρ / (1 − ρ)
    let logarithmError =
      all.sumError / (1 - all.sumError) + rules.elementary.bound(logarithm + 1) + 0x1p-50 * (logarithm + 1)
    let most = abs(all.shift) + all.error
    for x in x {
      let value = (x.value - all.shift) - logarithm
      let propagated = x.error + all.error
      // x − m − ln Σ, or x − (m + ln Σ): roundings of d, of m + ln Σ and of y.
      let magnitude = 2 * (x.magnitude + most + logarithm + logarithmError)
      result.append(Bounded(value, propagated, own: logarithmError + 2 * rounding(magnitude)))
    }
  }
}
