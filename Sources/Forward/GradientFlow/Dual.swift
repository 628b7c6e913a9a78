internal import ByteIO
internal import Recurrent

/// A number and its derivatives by a few others: forward differentiation, exact up to rounding (Wengert, Comm. ACM 7, 1964).
struct Dual: CellNumber, SumOfProducts {
  var value: Double
  /// ∂value by each of up to eight variables, which the caller numbers.
  var slopes = SIMD8<Double>.zero

  init(_ value: Double, slopes: SIMD8<Double> = .zero) {
    self.value = value
    self.slopes = slopes
  }

  /// The variable of this number: its derivative by itself is 1.
  init(_ value: Double, variable: Int) {
    self.init(value)
    slopes[variable] = 1
  }

  init(_ sum: Dual) { self = sum }

  static var one: Dual { Dual(1) }

  static func + (left: Dual, right: Dual) -> Dual {
    Dual(left.value + right.value, slopes: left.slopes + right.slopes)
  }
  static func - (left: Dual, right: Dual) -> Dual {
    Dual(left.value - right.value, slopes: left.slopes - right.slopes)
  }
  static func * (left: Dual, right: Dual) -> Dual {
    Dual(
      left.value * right.value, slopes: left.value * right.slopes + right.value * left.slopes)
  }

  static func blend(_ n: Dual, _ h: Dual, _ z: Dual, _ gate: Activation, _ rules: Execution) -> Dual {
    (one - z) * n + z * h
  }

  /// Flat beyond the limit, whose own ends count as inside.
  static func clip(_ x: Dual, _ limit: Dual) -> Dual {
    Dual(
      Double.clip(x.value, limit.value), slopes: abs(x.value) > limit.value ? .zero : x.slopes)
  }

  static func activate(_ activation: Activation, _ x: Dual, _ rules: Execution) -> Dual {
    Dual(
      Double.activate(activation, x.value), slopes: activation.slope(at: x.value) * x.slopes)
  }
}
