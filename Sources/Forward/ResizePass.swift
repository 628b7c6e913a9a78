internal import Recurrent

/// A resize ready for passes in any arithmetic: each result along an axis is a sum of some places, one axis after another.
struct ResizePass<Number: Scalar> {
  let layer: Resize

  /// x `[T, B, C·n…]`; returns `[T′, B, C·l…]`.
  func run(_ x: Numbers<Number>) -> Numbers<Number> {
    var (elements, steps) = (x.elements, x.steps)
    let inside = layer.axes.filter { $0.size != nil }
    var sizes = inside.map { $0.size! }
    let channels = x.features / sizes.reduce(1, *)
    if let time = layer.axes.first(where: { $0.size == nil }), let count = x.steps {
      elements = resized(
        elements, outer: 1, count: count, inner: x.batch * x.features, parts(time, of: count))
      steps = time.results(of: count)
    }
    for (position, axis) in inside.enumerated() {
      elements = resized(
        elements,
        outer: (steps ?? 1) * x.batch * channels * sizes[..<position].reduce(1, *),
        count: sizes[position], inner: sizes[(position + 1)...].reduce(1, *),
        parts(axis, of: sizes[position]))
      sizes[position] = axis.results(of: sizes[position])
    }
    return Numbers(
      steps: steps, batch: x.batch, features: channels * sizes.reduce(1, *), elements: elements)
  }

  /// One of the places that a result is made of.
  private struct Part {
    var place: Int
    var weight: Number
  }

  /// `[outer, count, inner]` along its middle.
  private func resized(
    _ x: [Number], outer: Int, count: Int, inner: Int, _ results: [[Part]]
  ) -> [Number] {
    var y: [Number] = []
    y.reserveCapacity(outer * results.count * inner)
    for block in 0..<outer {
      let base = block * count * inner
      for parts in results {
        for column in 0..<inner {
          if parts.count == 1 {
            y.append(x[base + parts[0].place * inner + column])
            continue
          }
          y.append(
            Number(
              parts.reduce(Number.emptySum) { $0 + x[base + $1.place * inner + column] * $1.weight }))
        }
      }
    }
    return y
  }

  /// What each result along an axis of n places is made of; one part alone counts as it is.
  private func parts(_ axis: Resize.Axis, of n: Int) -> [[Part]] {
    let count = axis.results(of: n)
    if axis.isUnchanged { return (0..<n).map { [Part(place: $0, weight: .constant(1))] } }
    return (0..<count).map { m in
      let (exact, isExact) = layer.coordinates.place(m, scale: axis.scale, of: n, results: count)
      // Far outside, only the edge is seen in any case.
      let x = min(max(exact, -Double(n) - 8), 2 * Double(n) + 8)
      func held(_ place: Int) -> Int { min(max(place, 0), n - 1) }
      // Units of rounding that a runtime's own coordinate may be off by: docs/error-bounds.md.
      let size = layer.coordinates == .halfPixelSymmetric ? abs(exact) + Double(n) : abs(exact)
      let units = isExact ? 0 : 4 * (size + 1)
      let lower = Int(x.rounded(.down))
      /// Places that a runtime may find itself between, though x lies beside: their weights are 0 but for its rounding.
      let isNearLower = x - x.rounded(.down) < units * 0x1p-24
      let isNearUpper = x.rounded(.down) + 1 - x < units * 0x1p-24
      switch layer.mode {
      case .nearest(let rounding):
        return [Part(place: held(Int(rounding.place(x))), weight: .constant(1))]
      case .linear:
        if x == x.rounded(.down), isExact { return [Part(place: held(lower), weight: .constant(1))] }
        let t = x - Double(lower)
        var parts = [(lower, 1 - t), (lower + 1, t)]
        if isNearLower { parts.append((lower - 1, 0)) }
        if isNearUpper { parts.append((lower + 2, 0)) }
        return parts.map { Part(place: held($0.0), weight: .constant($0.1, off: isExact ? 0 : units + 2)) }
      case .cubic(let a, let excludesOutside):
        let reach = (isNearLower ? lower - 2 : lower - 1)...(isNearUpper ? lower + 3 : lower + 2)
        let places = reach.filter { !excludesOutside || (0..<n).contains($0) }
        let weights = places.map { Self.weight(abs(Double($0) - x), a) }
        let total = excludesOutside ? weights.reduce(0, +) : 1
        let off = Self.slope(a) * units + 20 * (6 + 10 * abs(a))
        return zip(places, weights).map { place, weight in
          guard excludesOutside else { return Part(place: held(place), weight: .constant(weight, off: off)) }
          let share = weight / total
          return Part(
            place: held(place),
            weight: total > 0.05
              ? .constant(share, off: off * (1 + 6 * abs(share)) / min(total, 1)) : .unknown)
        }
      }
    }
  }

  /// The most that the cubic convolution's slope is.
  private static func slope(_ a: Double) -> Double { a >= -1.5 && a <= 0 ? 1.5 : 12 + 5 * abs(a) }

  /// The cubic convolution with coefficient a, at a distance (Keys 1981).
  private static func weight(_ d: Double, _ a: Double) -> Double {
    if d <= 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0
  }
}
