internal import Recurrent
internal import Tensors

/// What the importer knows about a value of the graph.
enum ImportedValue: Equatable {
  /// Numbers known now.
  case constant(Tensor)
  /// A canonical value under an arrangement.
  case view(View)
  /// Integers computed from shapes: a scalar or a 1-D vector of sizes.
  case sizes([Size], isScalar: Bool)
  /// A constant repeated along axes whose sizes may be open; `base` has size 1 there.
  case filled(base: Tensor, shape: [Size])
  /// Whether each token id is negative (or is not).
  case mask(View, isNegative: Bool)
  /// A graph input that only weights use; its numbers come from the caller.
  case unbound
}

/// A size that may depend on the run: `factor · T^times · B^batches`.
struct Size: Equatable {
  var factor: Int
  var times = 0
  var batches = 0

  static func known(_ value: Int) -> Size { Size(factor: value) }
  static let time = Size(factor: 1, times: 1)
  static let batch = Size(factor: 1, batches: 1)

  /// The number, where it depends on nothing.
  var known: Int? { times == 0 && batches == 0 ? factor : nil }

  /// Saturates: no tensor has `Int.max` elements, so such a size fits nothing.
  static func * (left: Size, right: Size) -> Size {
    let (factor, overflow) = left.factor.multipliedReportingOverflow(by: right.factor)
    return Size(
      factor: overflow ? .max : factor, times: left.times + right.times, batches: left.batches + right.batches
    )
  }

  /// The exact quotient, or nil.
  static func / (left: Size, right: Size) -> Size? {
    guard right.factor > 0, left.factor % right.factor == 0, left.times >= right.times,
      left.batches >= right.batches
    else { return nil }
    return Size(
      factor: left.factor / right.factor, times: left.times - right.times,
      batches: left.batches - right.batches)
  }
}
