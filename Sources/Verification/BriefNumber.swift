internal import ByteIO

extension Double {
  /// For people: two to four digits, such as `1.2e-7` or `0.0312`.
  package var brief: String {
    guard isFinite, self != 0 else { return self == 0 ? "0" : "\(self)" }
    let exponent = log10(magnitude).rounded(.down)
    if (-3..<6).contains(exponent) {
      let digits = pow(10, 3 - min(exponent, 3))
      let rounded = (self * digits).rounded() / digits
      return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }
    // 9.96 rounds up to 10.0: take its exponent then.
    let mantissa = (self / pow(10, exponent) * 10).rounded() / 10
    return mantissa.magnitude >= 10 ? "\(mantissa / 10)e\(Int(exponent) + 1)" : "\(mantissa)e\(Int(exponent))"
  }
}
