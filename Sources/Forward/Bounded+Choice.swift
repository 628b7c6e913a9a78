internal import Recurrent

extension Bounded {
  /// Certain where the intervals lie apart, or neither number is off; else 0 and 1 are both possible.
  static func compare(_ left: Bounded, _ right: Bounded, _ comparison: Arithmetic.Operator) -> Bounded {
    guard left.error < .infinity, right.error < .infinity else { return .unknown }
    let isApart = abs(left.value - right.value) * (1 - 0x1p-50) > (left.error + right.error) * outwards
    let value = comparison.holds(left.value, right.value) ? 1.0 : 0.0
    return Bounded(value, isApart || left.error + right.error == 0 ? 0 : 1, own: 0)
  }

  /// Where the condition may or may not be 0 it is either of both.
  static func choose(_ condition: Bounded, _ a: Bounded, _ b: Bounded) -> Bounded {
    guard condition.error < .infinity else { return .unknown }
    let (chosen, other) = condition.value != 0 ? (a, b) : (b, a)
    if condition.error == 0 || abs(condition.value) * (1 - 0x1p-50) > condition.error { return chosen.passed }
    guard a.error < .infinity, b.error < .infinity else { return .unknown }
    return Bounded(
      chosen.value, max(chosen.error, abs(other.value - chosen.value) * (1 + 0x1p-50) + other.error), own: 0)
  }
}
