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
  /// Products of queries and keys, open along two axes.
  case scores(Scores)
  /// A constant whose numbers follow from their places along open axes.
  case pattern(StepPattern)
  /// Whether each token id is negative (or is not).
  case mask(View, isNegative: Bool)
  /// A sequence's steps as a list of tensors; the view's axes are those of each, without time. Nil for an empty list.
  case list(View?)
  /// A graph input that only weights use; its numbers come from the caller.
  case unbound
}

/// A size that may depend on the run: `factor · T^times · B^batches`, where T is the number of steps by a clock.
struct Size: Equatable {
  var factor: Int
  var times = 0
  var batches = 0
  var clock = Clock()

  static func known(_ value: Int) -> Size { Size(factor: value) }
  static func time(_ clock: Clock) -> Size { Size(factor: 1, times: 1, clock: clock) }
  static let batch = Size(factor: 1, batches: 1)

  /// The number, where it depends on nothing.
  var known: Int? { times == 0 && batches == 0 ? factor : nil }

  /// Saturates: no tensor has `Int.max` elements, so such a size fits nothing. Nor does one of two clocks.
  static func * (left: Size, right: Size) -> Size {
    let (factor, overflow) = left.factor.multipliedReportingOverflow(by: right.factor)
    let isMixed = left.times > 0 && right.times > 0 && left.clock != right.clock
    return Size(
      factor: overflow || isMixed ? .max : factor, times: left.times + right.times,
      batches: left.batches + right.batches, clock: left.times > 0 ? left.clock : right.clock)
  }

  /// The exact quotient, or nil.
  static func / (left: Size, right: Size) -> Size? {
    guard right.factor > 0, left.factor % right.factor == 0, left.times >= right.times,
      left.batches >= right.batches, right.times == 0 || left.clock == right.clock
    else { return nil }
    let times = left.times - right.times
    return Size(
      factor: left.factor / right.factor, times: times, batches: left.batches - right.batches,
      clock: times > 0 ? left.clock : Clock())
  }
}

/// How many steps a sequence has, of the T that the inputs have: ⌊(times · T + add) ÷ divide⌋, and what layers make of that.
///
/// Two sequences of one clock have as many steps, whatever T is.
struct Clock: Hashable {
  private var times = 1
  private var add = 0
  private var divide = 1
  /// What follows where steps are not counted so.
  private var rest: [Change] = []

  private enum Change: Hashable {
    case window(WindowAxis, roundsUp: Bool)
    /// Times a number, and some more.
    case stretch(Int, adding: Int)
  }

  init() {}

  /// Where each step but the first becomes `factor` steps, the first so many and `count` more.
  func stretched(by factor: Int, adding count: Int = 0) -> Clock {
    if factor == 1, count == 0 { return self }
    var clock = self
    let (product, overflow) = times.multipliedReportingOverflow(by: factor)
    let (offset, tooFar) = add.multipliedReportingOverflow(by: factor)
    guard rest.isEmpty, divide == 1, !overflow, !tooFar, product < 1 << 40, abs(offset) < 1 << 40 else {
      clock.rest.append(.stretch(factor, adding: count))
      return clock
    }
    clock.times = product
    clock.add = offset + count
    return clock
  }

  /// Behind a window along time.
  func through(_ window: WindowAxis, roundsUp: Bool = false) -> Clock {
    var clock = self
    guard !roundsUp || window.stride == 1, rest.isEmpty else {
      clock.rest.append(.window(window, roundsUp: roundsUp))
      return clock
    }
    let shift = window.before + window.after - window.span + window.stride
    let (product, overflow) = divide.multipliedReportingOverflow(by: window.stride)
    let (offset, tooFar) = divide.multipliedReportingOverflow(by: shift)
    guard !overflow, !tooFar, abs(offset) < 1 << 40, product < 1 << 40 else {
      clock.rest.append(.window(window, roundsUp: roundsUp))
      return clock
    }
    clock.add += offset
    clock.divide = product
    // ⌊(g·x + a) ÷ (g·d)⌋ = ⌊(x + ⌊a ÷ g⌋) ÷ d⌋
    while let common = (2...1024).first(where: { clock.times % $0 == 0 && clock.divide % $0 == 0 }) {
      clock.times /= common
      clock.divide /= common
      clock.add = (clock.add - ((clock.add % common) + common) % common) / common
    }
    return clock
  }

  /// Behind what a transposed convolution spreads along time.
  func through(_ axis: TransposedAxis) -> Clock {
    stretched(by: axis.stride, adding: axis.added - axis.stride)
  }

  /// Behind steps added at the ends, or taken away there.
  func padded(_ count: Int) -> Clock {
    through(WindowAxis(size: nil, kernel: 1, before: max(count, 0)).shrunk(by: max(-count, 0)))
  }
}

extension WindowAxis {
  /// A window that reads one place, but needs `count` more behind it.
  fileprivate func shrunk(by count: Int) -> WindowAxis {
    var window = self
    window.kernel += count
    return window
  }
}
