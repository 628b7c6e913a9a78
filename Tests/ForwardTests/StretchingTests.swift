import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// Transposed convolutions and resizes, held against loops over every index.
@Suite struct StretchingTests {
  /// Where an element stands in `[T, B, F]`: channels × axes of fixed size are the features, one axis may be time.
  private struct Layout {
    var sizes: [Int]
    var time: Int?
    var rows: Int
    var channels: Int

    var features: Int {
      channels * sizes.indices.filter { $0 != time }.reduce(1) { $0 * sizes[$1] }
    }
    var shape: [Int] { (time.map { [sizes[$0]] } ?? []) + [rows, features] }

    func index(_ row: Int, _ channel: Int, _ place: [Int]) -> Int {
      var feature = channel
      for axis in sizes.indices where axis != time { feature = feature * sizes[axis] + place[axis] }
      return ((time.map { place[$0] } ?? 0) * rows + row) * features + feature
    }
  }

  private func port(_ name: String, _ layout: Layout) -> Model.Port {
    layout.time == nil ? .vector(name, features: layout.features) : .sequence(name, features: layout.features)
  }

  private func indices(_ sizes: [Int]) -> [[Int]] {
    sizes.reduce([[Int]]([[]])) { all, size in all.flatMap { index in (0..<size).map { index + [$0] } } }
  }

  /// The layer's Float64 numbers; those of Float32 and perturbed passes lie within its bound.
  private func run(
    _ operation: Layer.Operation, _ x: Tensor, _ source: Layout, _ target: Layout, _ comment: Comment,
    within most: Double = 1e-3
  ) throws -> [Double] {
    let network = model(operation, [port("x", source)], port("y", target))
    let exact = try forward(network, inputs: ["x": x], precision: .float64)["y"]!
    let bound = try boundedForward(network, inputs: ["x": x], rounding: .float32)["y"]!
    let single = try forward(network, inputs: ["x": x], precision: .float32)["y"]!.doubles
    #expect(isWithin(single, bound), comment)
    for noise in Noise.allCases {
      let perturbed = try perturbedForward(
        network, inputs: ["x": x], rounding: .float32, noise: noise, seed: 3)["y"]!.doubles
      #expect(isWithin(perturbed, bound), comment)
    }
    #expect(bound.errors.allSatisfy { $0 < most }, comment)
    #expect(exact.shape == target.shape, comment)
    return exact.doubles
  }

  @Test func `A transposed convolution spreads each place over its window, in every number of axes`() throws {
    var generator = SeededGenerator(seed: 31)
    for index in 0..<150 {
      let rank = Int.random(in: 1...3, using: &generator)
      let groups = Int.random(in: 1...2, using: &generator)
      var source = Layout(
        sizes: (0..<rank).map { _ in Int.random(in: 1...(rank == 1 ? 9 : 4), using: &generator) },
        time: Bool.random(using: &generator) ? Int.random(in: 0..<rank, using: &generator) : nil,
        rows: Int.random(in: 1...3, using: &generator), channels: 0)
      source.channels = groups * Int.random(in: 1...3, using: &generator)
      let axes = (0..<rank).map { axis in
        var window = TransposedAxis(
          size: axis == source.time ? nil : source.sizes[axis],
          kernel: Int.random(in: 1...4, using: &generator))
        window.stride = Int.random(in: 1...3, using: &generator)
        window.dilation = Int.random(in: 1...2, using: &generator)
        window.before = Int.random(in: 0..<window.kernel, using: &generator)
        window.after = Int.random(in: -1..<window.kernel, using: &generator)
        while window.places(of: source.sizes[axis]) == 0 {
          if window.after > 0 { window.after -= 1 } else { window.before -= 1 }
        }
        return window
      }
      let units = Int.random(in: 1...3, using: &generator)
      var target = source
      target.channels = units * groups
      target.sizes = zip(axes, source.sizes).map { axis, n in
        (n - 1) * axis.stride + axis.dilation * (axis.kernel - 1) + 1 - axis.before - axis.after
      }
      let kernel = axes.map(\.kernel)
      let weight = generator.tensor([source.channels, units] + kernel)
      let bias = Bool.random(using: &generator) ? generator.tensor([target.channels]) : nil
      let x = generator.tensor(source.shape, scale: 2)
      let layer = TransposedConvolution(weight: weight, bias: bias, axes: axes, groups: groups)
      let found = try run(.transposedConvolution(layer), x, source, target, "case \(index)")
      var expected = [Double](repeating: 0, count: found.count)
      let (numbers, w) = (x.doubles, weight.doubles)
      for row in 0..<source.rows {
        for m in indices(target.sizes) {
          for o in 0..<target.channels { expected[target.index(row, o, m)] = bias?.doubles[o] ?? 0 }
        }
        for i in indices(source.sizes) {
          for k in indices(kernel) {
            let m = axes.indices.map { i[$0] * axes[$0].stride + k[$0] * axes[$0].dilation - axes[$0].before }
            guard zip(m, target.sizes).allSatisfy({ (0..<$1).contains($0) }) else { continue }
            for c in 0..<source.channels {
              for u in 0..<units {
                let own = k.indices.reduce(c * units + u) { $0 * kernel[$1] + k[$1] }
                let o = c / (source.channels / groups) * units + u
                expected[target.index(row, o, m)] += w[own] * numbers[source.index(row, c, i)]
              }
            }
          }
        }
      }
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-9 }, "case \(index): \(axes)")
    }
  }

  @Test(arguments: [false, true], [false, true])
  func `Sums up to each step lie within their bound, whatever is left out`(_ exclusive: Bool, _ reverse: Bool)
    throws
  {
    var generator = SeededGenerator(seed: 33)
    let x = generator.tensor([9, 2, 3], scale: 3)
    let layout = Layout(sizes: [9], time: 0, rows: 2, channels: 3)
    let layer = CumulativeSum(isExclusive: exclusive, isReverse: reverse)
    let found = try run(.cumulativeSum(layer), x, layout, layout, "\(layer)")
    let numbers = x.doubles
    for index in found.indices {
      let t = index / 6
      let steps = (0..<9).filter { reverse ? $0 >= t : $0 <= t }.filter { !exclusive || $0 != t }
      #expect(abs(found[index] - steps.reduce(0) { $0 + numbers[$1 * 6 + index % 6] }) < 1e-12)
    }
    #expect(layer.reasonNotToStream([], varying: []) != nil)
  }

  // MARK: Resizes

  private func weight(_ mode: Resize.Mode, _ d: Double) -> Double {
    switch mode {
    case .nearest, .linear: return max(0, 1 - d)
    case .cubic(let a, _):
      if d <= 1 { return (a + 2) * d * d * d - (a + 3) * d * d + 1 }
      return d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a : 0
    }
  }

  /// One axis of numbers, as the definition has it: a sum over all places, and those that stand for the ends outside.
  private func resized(_ x: [Double], _ layer: Resize, _ axis: Resize.Axis, to count: Int) -> [Double] {
    let n = x.count
    if axis.scale == 1, count == n { return x }
    return (0..<count).map { m in
      let (m, s, l) = (Double(m), axis.scale, Double(count))
      let place =
        switch layer.coordinates {
        case .halfPixel: (m + 0.5) / s - 0.5
        case .halfPixelSymmetric: Double(n) / 2 * (1 - l / (s * Double(n))) + (m + 0.5) / s - 0.5
        case .pytorchHalfPixel: count > 1 ? (m + 0.5) / s - 0.5 : 0
        case .alignCorners: count > 1 ? m * Double(n - 1) / (l - 1) : 0
        case .asymmetric: m / s
        }
      func held(_ p: Int) -> Double { x[min(max(p, 0), n - 1)] }
      if case .nearest(let rounding) = layer.mode {
        let (low, high) = (Int(place.rounded(.down)), Int(place.rounded(.up)))
        let isHigh =
          switch rounding {
          case .floor: false
          case .ceil: true
          case .halfDown: place - Double(low) > 0.5
          case .halfUp: place - Double(low) >= 0.5
          }
        return held(isHigh ? high : low)
      }
      var excludes = false
      if case .cubic(_, true) = layer.mode { excludes = true }
      var (sum, total) = (0.0, 0.0)
      for p in -4...(n + 4) where !excludes || (0..<n).contains(p) {
        let own = weight(layer.mode, abs(Double(p) - place))
        sum += own * held(p)
        total += own
      }
      return excludes ? sum / total : sum
    }
  }

  @Test func `A resize takes the places around each result, by every way to lay it`() throws {
    var generator = SeededGenerator(seed: 32)
    for index in 0..<240 {
      let coordinates = Resize.Coordinates.allCases[index % 5]
      let modes: [Resize.Mode] =
        [.linear, .cubic(a: -0.75, excludesOutside: false), .cubic(a: -0.5, excludesOutside: true)]
        + Resize.Rounding.allCases.map { .nearest($0) }
      let mode = modes[index / 5 % modes.count]
      let hasTime = Bool.random(using: &generator)
      let rank = Int.random(in: 1...2, using: &generator)
      let source = Layout(
        sizes: (0..<rank).map { _ in Int.random(in: 1...6, using: &generator) }, time: hasTime ? 0 : nil,
        rows: 2, channels: Int.random(in: 1...3, using: &generator))
      let axes = (0..<rank).map { axis -> Resize.Axis in
        if hasTime, axis == 0 { return Resize.Axis(times: Int.random(in: 1...4, using: &generator)) }
        let n = source.sizes[axis]
        if Bool.random(using: &generator) {
          return Resize.Axis(size: n, results: Int.random(in: 1...11, using: &generator))
        }
        let scale = Double(Float.random(in: 0.5...2.5, using: &generator))
        return Resize.Axis(size: n, results: max(1, Int(Double(n) * scale)), scale: scale)
      }
      let layer = Resize(mode, coordinates, axes: axes)
      guard !layer.axes.isEmpty else { continue }
      var target = source
      target.sizes = zip(axes, source.sizes).map { $0.results ?? Int($0.scale) * $1 }
      let x = generator.tensor(source.shape, scale: 2)
      let found = try run(.resize(layer), x, source, target, "case \(index): \(layer)", within: 2e-3)
      // One axis after another.
      var (values, layout) = (x.doubles, source)
      for axis in axes.indices {
        var next = layout
        next.sizes[axis] = target.sizes[axis]
        var made = [Double](repeating: 0, count: next.shape.reduce(1, *))
        var ends = layout.sizes
        ends[axis] = 1
        for row in 0..<layout.rows {
          for channel in 0..<layout.channels {
            for place in indices(ends) {
              func at(_ p: Int) -> [Int] {
                var full = place
                full[axis] = p
                return full
              }
              let line = (0..<layout.sizes[axis]).map { values[layout.index(row, channel, at($0))] }
              for (p, value) in resized(line, layer, axes[axis], to: next.sizes[axis]).enumerated() {
                made[next.index(row, channel, at(p))] = value
              }
            }
          }
        }
        (values, layout) = (made, next)
      }
      #expect(zip(found, values).allSatisfy { abs($0 - $1) < 1e-9 }, "case \(index): \(layer)")
      #expect(found.count == values.count)
    }
  }

  @Test func `Numbers of steps follow, and what is left of too few is refused`() throws {
    let weight = Tensor([1, 2, 3, 4] as [Float], shape: [1, 1, 4])
    let spread = TransposedConvolution(
      weight: weight, axes: [TransposedAxis(size: nil, kernel: 4, stride: 2, before: 3, after: 3)])
    #expect([1, 2, 3, 4].map { spread.steps(of: $0) } == [nil, nil, 2, 4])
    let network = model(
      .transposedConvolution(spread), [.sequence("x", features: 1)], .sequence("y", features: 1))
    #expect(network.stepsNeeded(for: 1) >= 1)
    #expect(throws: ForwardError.tooFewSteps(layer: "layer", steps: 2, least: 3)) {
      try forward(network, inputs: ["x": Tensor([1, 2] as [Float], shape: [2, 1, 1])], precision: .float32)
    }
    #expect(Resize(.linear, .halfPixel, axes: [.init(times: 3)]).steps(of: 5) == 15)
    #expect(spread.reasonNotToStream([], varying: []) != nil)
    #expect(Resize(.linear, .halfPixel, axes: [.init(times: 3)]).reasonNotToStream([], varying: []) != nil)
    #expect(
      Resize(.linear, .halfPixel, axes: [.init(size: 2, results: 3)]).reasonNotToStream([], varying: [])
        == nil)
  }

  @Test func `Sizes that cannot be are refused, and layers that multiply steps without end`() {
    func check(_ operations: [Layer.Operation], features: Int, _ comment: Comment) {
      var layers: [Layer] = []
      for (index, operation) in operations.enumerated() {
        layers.append(Layer("l\(index)", operation, inputs: ["v\(index)"], outputs: ["v\(index + 1)"]))
      }
      #expect(throws: ModelError.self, comment) {
        try Model(
          inputs: [.sequence("x", features: features, value: "v0")],
          outputs: [.sequence("y", features: features, value: "v\(operations.count)")], layers: layers
        ).validated()
      }
    }
    func spread(_ axis: TransposedAxis, kernel: Int = 1) -> Layer.Operation {
      .transposedConvolution(
        TransposedConvolution(
          weight: Tensor([Float](repeating: 1, count: kernel), shape: [1, 1, kernel]), axes: [axis]))
    }
    check([spread(TransposedAxis(size: nil, kernel: 1, stride: 0))], features: 1, "stride 0")
    check([spread(TransposedAxis(size: nil, kernel: 1, dilation: .max))], features: 1, "dilation")
    check([spread(TransposedAxis(size: nil, kernel: 2, dilation: 1 << 24), kernel: 2)], features: 1, "span")
    check([spread(TransposedAxis(size: 3, kernel: 1, before: 3))], features: 3, "nothing left")
    check([spread(TransposedAxis(size: 3, kernel: 1, after: .min))], features: 3, "added")
    check([spread(TransposedAxis(size: 4, kernel: 1, stride: 1 << 24))], features: 4, "features")
    for scale in [Double.nan, .infinity, 0, -1, 1e300] {
      check(
        [.resize(Resize(.linear, .halfPixel, axes: [.init(size: 4, results: 4, scale: scale)]))], features: 4,
        "scale \(scale)")
    }
    check([.resize(Resize(.linear, .halfPixel, axes: [.init(size: 4, results: 0)]))], features: 4, "none")
    check(
      [.resize(Resize(.linear, .halfPixel, axes: [.init(size: 4, results: 1 << 23)]))], features: 4, "many")
    check([.resize(Resize(.linear, .halfPixel, axes: [.init(times: 0)]))], features: 4, "0 times")
    check([.resize(Resize(.linear, .halfPixel, axes: [.init(times: 2000)]))], features: 4, "2000 times")
    let times = Layer.Operation.resize(Resize(.nearest(.floor), .asymmetric, axes: [.init(times: 1024)]))
    check([times, times], features: 1, "1024² times")
  }
}
