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
    /// How many results there are inside the features.
    var results = 1
    /// How many elements lie between two neighbours.
    var apart = 0
    /// Where the window looks, and how many places there are.
    var window = WindowAxis(size: 1, kernel: 1)
    var size = 1

    var kernel: Int { window.kernel }
    var isTime: Bool { window.size == nil }

    /// The element that part k of the kernel reads for result m, counted from the window's first; −1 outside.
    @inline(__always)
    func source(_ m: Int, _ k: Int) -> Int {
      let place = m * window.stride + k * window.dilation - window.before
      return place >= 0 && place < size ? place * apart : -1
    }

    /// How many parts of the kernel lie inside for result m, or in what is added at the ends.
    func count(_ m: Int) -> Int {
      let room = window.before + size + window.after - m * window.stride
      return min(kernel, max(0, (room - 1) / window.dilation + 1))
    }
  }

  init<Number>(_ windows: [WindowAxis], _ x: Numbers<Number>, roundsUp: Bool = false) {
    var distance = 1
    var axes: [Axis] = []
    var steps = x.steps
    for window in windows.reversed() {
      let size = window.size ?? x.steps ?? 1
      let results = window.places(of: size, roundsUp: roundsUp)
      let apart = window.size == nil ? x.batch * x.features : distance
      axes.append(
        Axis(
          results: window.size == nil ? 1 : results, apart: apart, window: window, size: size))
      if window.size == nil { steps = results } else { distance *= size }
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
