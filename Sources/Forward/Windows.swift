internal import Recurrent

/// Where the windows of a layer look in `[T, B, C·n…]`.
struct Windows {
  /// T′; nil for vectors.
  let steps: Int?
  /// m…: how many results a channel of a step and row has.
  let places: Int
  /// n…: how many places a channel of a step and row has.
  let inner: Int
  /// k…: how many places a window reads.
  let kernel: Int
  private let axes: (Axis, Axis, Axis)
  private let isTimed: Bool
  private let batch: Int
  private let features: Int

  private struct Axis {
    var isTime = false
    /// How many places there are, and how many results.
    var size = 1
    var places = 1
    var kernel = 1
    /// Part k reads for result m the place (m · stride + k · dilation − before) ÷ divisor, where that is one.
    var stride = 1
    var dilation = 1
    var before = 0
    var divisor = 1
    /// Places added behind.
    var after = 0
    /// How many elements lie between two neighbours.
    var apart = 0

    /// How many results there are inside the features.
    var results: Int { isTime ? 1 : places }

    init() {}

    init(_ window: WindowAxis, size: Int, roundsUp: Bool) {
      isTime = window.size == nil
      (self.size, places, kernel) = (size, window.places(of: size, roundsUp: roundsUp), window.kernel)
      (stride, dilation, before, after) = (window.stride, window.dilation, window.before, window.after)
    }

    /// The other way round: the places whose windows reach a result.
    init(_ window: TransposedAxis, size: Int) {
      isTime = window.size == nil
      (self.size, places, kernel) = (size, window.places(of: size), window.kernel)
      (dilation, before, divisor) = (-window.dilation, -window.before, window.stride)
    }

    /// The element that part k of the kernel reads for result m, counted from the window's first; −1 outside.
    @inline(__always)
    func source(_ m: Int, _ k: Int) -> Int {
      var place = m * stride + k * dilation - before
      if divisor != 1 {
        guard place >= 0, place % divisor == 0 else { return -1 }
        place /= divisor
      }
      return place >= 0 && place < size ? place * apart : -1
    }

    /// How many parts of a window lie inside for result m, or in what is added at the ends.
    func count(_ m: Int) -> Int {
      let room = before + size + after - m * stride
      return min(kernel, max(0, (room - 1) / dilation + 1))
    }
  }

  init<Number>(_ windows: [WindowAxis], _ x: Numbers<Number>, roundsUp: Bool = false) {
    self.init(x, windows.map { Axis($0, size: $0.size ?? x.steps ?? 1, roundsUp: roundsUp) })
  }

  /// Of each result the places that are spread over it.
  init<Number>(_ windows: [TransposedAxis], _ x: Numbers<Number>) {
    self.init(x, windows.map { Axis($0, size: $0.size ?? x.steps ?? 1) })
  }

  private init<Number>(_ x: Numbers<Number>, _ given: [Axis]) {
    var distance = 1
    var axes: [Axis] = []
    var steps = x.steps
    for var axis in given.reversed() {
      axis.apart = axis.isTime ? x.batch * x.features : distance
      axes.append(axis)
      if axis.isTime { steps = axis.places } else { distance *= axis.size }
    }
    while axes.count < 3 { axes.append(Axis()) }
    self.axes = (axes[2], axes[1], axes[0])
    self.steps = steps
    places = axes.reduce(1) { $0 * $1.results }
    inner = distance
    kernel = axes.reduce(1) { $0 * $1.kernel }
    isTimed = axes.contains(where: \.isTime)
    batch = x.batch
    features = x.features
  }

  /// The result's place along each axis, for step and row `output` (t·B + b) and one of its channel's places.
  private func position(_ output: Int, _ place: Int) -> (Int, Int, Int) {
    let step = output / batch
    let (outer, last) = place.quotientAndRemainder(dividingBy: axes.2.results)
    let (first, middle) = outer.quotientAndRemainder(dividingBy: axes.1.results)
    return (
      axes.0.isTime ? step : first, axes.1.isTime ? step : middle, axes.2.isTime ? step : last
    )
  }

  /// Calls `body` for each part of the kernel, major first, with the element of channel 0 that it reads; not for those outside.
  ///
  /// - Parameters:
  ///   - output: the result's step and row, t·B + b.
  ///   - place: of the result in its channel.
  @inline(__always)
  func forEachSource(_ output: Int, _ place: Int, _ body: (_ source: Int, _ part: Int) -> Void) {
    let (first, middle, last) = position(output, place)
    let base = (isTimed ? output % batch : output) * features
    var part = 0
    for i in 0..<axes.0.kernel {
      let outer = axes.0.source(first, i)
      for j in 0..<axes.1.kernel {
        let inner = axes.1.source(middle, j)
        for k in 0..<axes.2.kernel {
          let own = axes.2.source(last, k)
          if outer >= 0, inner >= 0, own >= 0 { body(base + outer + inner + own, part) }
          part += 1
        }
      }
    }
  }

  /// How many places a window reads, those added at the ends among them, but none beyond these.
  func paddedCount(_ output: Int, _ place: Int) -> Int {
    let (first, middle, last) = position(output, place)
    return axes.0.count(first) * axes.1.count(middle) * axes.2.count(last)
  }
}
