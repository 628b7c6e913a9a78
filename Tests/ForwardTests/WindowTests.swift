import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// Convolutions, pools and pads, held against loops over every index.
@Suite struct WindowTests {
  /// `[C][place…]` of one row as a function, 0 or nothing outside.
  private struct Image {
    let sizes: [Int]
    let values: [Double]

    func at(_ channel: Int, _ place: [Int]) -> Double? {
      var index = channel
      for (position, size) in zip(place, sizes) {
        guard (0..<size).contains(position) else { return nil }
        index = index * size + position
      }
      return values[index]
    }
  }

  /// Every index below these sizes, the last fastest.
  private func indices(_ sizes: [Int]) -> [[Int]] {
    sizes.reduce([[]]) { all, size in all.flatMap { start in (0..<size).map { start + [$0] } } }
  }

  private struct Case {
    var axes: [WindowAxis]
    var sizes: [Int]
    var channels: Int
    var rows: Int

    /// Where time is, of the axes.
    var time: Int? { axes.firstIndex { $0.size == nil } }
    var steps: Int? { time.map { sizes[$0] } }

    var port: Model.Port {
      let features = channels * zip(axes, sizes).reduce(1) { $0 * ($1.0.size == nil ? 1 : $1.1) }
      return time == nil ? .vector("x", features: features) : .sequence("x", features: features)
    }

    /// The canonical order of a row's image: `[T, B, F]`.
    func canonical(_ images: [Image]) -> Tensor {
      var values: [Double] = []
      let inner = sizes.indices.filter { $0 != time }
      for step in 0..<(steps ?? 1) {
        for image in images {
          for channel in 0..<channels {
            for place in inner.reduce(
              [[Int]]([[]]), { all, axis in all.flatMap { a in (0..<sizes[axis]).map { a + [$0] } } })
            {
              var full = place
              if let time { full.insert(step, at: time) }
              values.append(image.at(channel, full)!)
            }
          }
        }
      }
      return Tensor(values, shape: (steps.map { [$0] } ?? []) + [rows, values.count / (rows * (steps ?? 1))])
    }
  }

  /// Random windows over one to three axes, one of which may be time.
  private func cases(_ count: Int, _ generator: inout SeededGenerator) -> [Case] {
    (0..<count).map { _ in
      let rank = Int.random(in: 1...3, using: &generator)
      let time = Bool.random(using: &generator) ? Int.random(in: 0..<rank, using: &generator) : -1
      var sizes: [Int] = []
      let axes = (0..<rank).map { axis in
        let size = Int.random(in: 1...(rank == 1 ? 13 : 6), using: &generator)
        var window = WindowAxis(
          size: axis == time ? nil : size, kernel: Int.random(in: 1...4, using: &generator))
        window.stride = Int.random(in: 1...3, using: &generator)
        window.dilation = Int.random(in: 1...2, using: &generator)
        window.before = Int.random(in: 0..<window.kernel, using: &generator)
        window.after = Int.random(in: 0..<window.kernel, using: &generator)
        // What does not fit is made to.
        while size + window.before + window.after < window.dilation * (window.kernel - 1) + 1 {
          window.kernel -= 1
        }
        window.before = min(window.before, window.dilation * (window.kernel - 1))
        window.after = min(window.after, window.dilation * (window.kernel - 1))
        while size + window.before + window.after < window.dilation * (window.kernel - 1) + 1 {
          window.kernel -= 1
        }
        sizes.append(size)
        return window
      }
      return Case(
        axes: axes, sizes: sizes, channels: Int.random(in: 1...4, using: &generator),
        rows: Int.random(in: 1...3, using: &generator))
    }
  }

  private func images(_ window: Case, _ generator: inout SeededGenerator) -> [Image] {
    (0..<window.rows).map { _ in
      let count = window.channels * window.sizes.reduce(1, *)
      return Image(
        sizes: window.sizes,
        values: (0..<count).map { _ in Double(Float.random(in: -2...2, using: &generator)) })
    }
  }

  private func results(_ window: Case, roundsUp: Bool = false) -> [Int] {
    zip(window.axes, window.sizes).map { axis, size in
      let room = size + axis.before + axis.after - axis.dilation * (axis.kernel - 1) - 1
      var count = room / axis.stride + 1
      if roundsUp, room % axis.stride != 0, count * axis.stride < size + axis.before { count += 1 }
      return count
    }
  }

  private func run(
    _ operation: Layer.Operation, _ window: Case, _ x: Tensor, made: Int, results: [Int], _ name: Comment
  ) throws -> [Double] {
    var target = window
    target.sizes = results
    target.channels = made
    let features = made * zip(window.axes, results).reduce(1) { $0 * ($1.0.size == nil ? 1 : $1.1) }
    let output: Model.Port =
      window.time == nil ? .vector("y", features: features) : .sequence("y", features: features)
    let network = model(operation, [window.port], output)
    let exact = try forward(network, inputs: ["x": x], precision: .float64)["y"]!
    let found = try forward(network, inputs: ["x": x], precision: .float32)["y"]!.doubles
    let bound = try boundedForward(network, inputs: ["x": x], rounding: .float32)["y"]!
    #expect(isWithin(found, bound), name)
    #expect(bound.errors.allSatisfy { $0 < 1e-3 }, name)
    // Steps, rows and features alone: two ways to write one image would be told apart here.
    #expect(exact.shape.last == features, name)
    return exact.doubles
  }

  @Test func `A convolution is the sum over its window, in every number of axes, with groups`() throws {
    var generator = SeededGenerator(seed: 5)
    for (index, window) in cases(150, &generator).enumerated() {
      let groups = [1, window.channels].randomElement(using: &generator)!
      let units = Int.random(in: 1...3, using: &generator)
      let outputs = groups * units
      let kernel = window.axes.map(\.kernel)
      let weight = generator.tensor([outputs, window.channels / groups] + kernel)
      let bias = Bool.random(using: &generator) ? generator.tensor([outputs]) : nil
      let images = images(window, &generator)
      let results = results(window)
      let layer = Convolution(weight: weight, bias: bias, axes: window.axes, groups: groups)
      let found = try run(
        .convolution(layer), window, window.canonical(images), made: outputs, results: results,
        "case \(index)")
      let w = weight.doubles
      let made = images.map { image in
        Image(
          sizes: results,
          values: (0..<outputs).flatMap { o in
            indices(results).map { m in
              var sum = bias?.doubles[o] ?? 0
              for c in 0..<(window.channels / groups) {
                for k in indices(kernel) {
                  let place = window.axes.indices.map {
                    m[$0] * window.axes[$0].stride + k[$0] * window.axes[$0].dilation - window.axes[$0].before
                  }
                  let own = k.indices.reduce(o * (window.channels / groups) + c) { $0 * kernel[$1] + k[$1] }
                  sum += w[own] * (image.at(o / units * (window.channels / groups) + c, place) ?? 0)
                }
              }
              return sum
            }
          })
      }
      var target = window
      (target.sizes, target.channels) = (results, outputs)
      let expected = target.canonical(made).doubles
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-9 }, "case \(index): \(window)")
      #expect(found.count == expected.count)
    }
  }

  @Test func `A pool takes the largest or the mean of its window, by how many places count`() throws {
    var generator = SeededGenerator(seed: 6)
    for (index, window) in cases(150, &generator).enumerated() {
      let roundsUp = Bool.random(using: &generator)
      let isSeeing = zip(window.axes, window.sizes).allSatisfy {
        !$0.isBlind(of: $1, roundsUp: roundsUp)
      }
      guard isSeeing else { continue }
      let reduction = Pool.Reduction.allCases.randomElement(using: &generator)!
      let images = images(window, &generator)
      let results = results(window, roundsUp: roundsUp)
      let found = try run(
        .pool(Pool(reduction, axes: window.axes, roundsUp: roundsUp)), window, window.canonical(images),
        made: window.channels, results: results, "case \(index)")
      let kernel = window.axes.map(\.kernel)
      let made = images.map { image in
        Image(
          sizes: results,
          values: (0..<window.channels).flatMap { c in
            indices(results).map { m in
              var seen: [Double] = []
              var padded = 0
              for k in indices(kernel) {
                let place = window.axes.indices.map {
                  m[$0] * window.axes[$0].stride + k[$0] * window.axes[$0].dilation - window.axes[$0].before
                }
                if let value = image.at(c, place) { seen.append(value) }
                let isCounted = window.axes.indices.allSatisfy {
                  place[$0] < window.sizes[$0] + window.axes[$0].after
                }
                if isCounted { padded += 1 }
              }
              return switch reduction {
              case .max: seen.max()!
              case .mean: seen.reduce(0, +) / Double(seen.count)
              case .paddedMean: seen.reduce(0, +) / Double(padded)
              }
            }
          })
      }
      var target = window
      target.sizes = results
      let expected = target.canonical(made).doubles
      #expect(
        zip(found, expected).allSatisfy { abs($0 - $1) < 1e-9 }, "case \(index): \(window) \(reduction)")
      #expect(found.count == expected.count)
    }
  }

  @Test func `Pads mirror, repeat and go round, and take away`() throws {
    func padded(_ mode: Padding.Mode, _ before: Int, _ after: Int) throws -> [Double] {
      let x = Tensor([1, 2, 3, 4] as [Double], shape: [4, 1, 1])
      let layer = Layer.Operation.padding(
        Padding(mode, axes: [.init(size: nil, before: before, after: after)]))
      let network = model(layer, [.sequence("x", features: 1)], .sequence("y", features: 1))
      return try forward(network, inputs: ["x": x], precision: .float64)["y"]!.doubles
    }
    #expect(try padded(.constant(7), 2, 1) == [7, 7, 1, 2, 3, 4, 7])
    #expect(try padded(.reflect, 2, 3) == [3, 2, 1, 2, 3, 4, 3, 2, 1])
    #expect(try padded(.edge, 2, 1) == [1, 1, 1, 2, 3, 4, 4])
    #expect(try padded(.wrap, 2, 1) == [3, 4, 1, 2, 3, 4, 1])
    #expect(try padded(.constant(0), -1, -2) == [2])
    #expect(throws: ForwardError.tooFewSteps(layer: "layer", steps: 4, least: 5)) { try padded(.edge, -4, 0) }
  }

  @Test func `Axes inside the features become time and back, are picked and reduced`() throws {
    let x = Tensor((0..<24).map { Double($0) }, shape: [2, 12])
    func run(_ operation: Layer.Operation, _ output: Model.Port) throws -> Tensor {
      try forward(
        model(operation, [.vector("x", features: 12)], output), inputs: ["x": x], precision: .float64)["y"]!
    }
    // [2, 3, 2] along its middle.
    let steps = try run(.unfold(Unfold(count: 3, inner: 2)), .sequence("y", features: 4))
    #expect(steps.shape == [3, 2, 4])
    #expect(steps.doubles.prefix(8) == [0, 1, 6, 7, 12, 13, 18, 19])
    let folded = try forward(
      model(.fold(Fold(count: 3)), [.sequence("x", features: 4)], .vector("y", features: 12)),
      inputs: ["x": steps], precision: .float64)["y"]!
    #expect(folded.doubles.prefix(12) == [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11])
    let picked = try run(
      .gather(FeatureGather(start: 10, [.init(count: 2, stride: 0), .init(count: 3, stride: -4)])),
      .vector("y", features: 6))
    #expect(picked.doubles == [10, 6, 2, 10, 6, 2, 22, 18, 14, 22, 18, 14])
    let sums = try run(.reduce(Reduction(.sum, count: 3, inner: 2)), .vector("y", features: 4))
    #expect(sums.doubles.prefix(4) == [6, 9, 24, 27])
    let most = try run(.reduce(Reduction(.max, count: 3, inner: 2)), .vector("y", features: 4))
    #expect(most.doubles.prefix(4) == [4, 5, 10, 11])
    let weights = try forward(
      model(.timeSoftmax, [.sequence("x", features: 4)], .sequence("y", features: 4)), inputs: ["x": steps],
      precision: .float64)["y"]!.doubles
    for index in 0..<8 {
      let sum: Double = weights[index] + weights[8 + index] + weights[16 + index]
      #expect(abs(sum - 1) < 1e-12)
    }
  }

  @Test func `A batch normalisation takes each channel's own numbers, folded or not`() throws {
    var generator = SeededGenerator(seed: 12)
    for mean in [0, 3, 1000] as [Float] {
      let layer = BatchNormalization(
        scale: generator.tensor([3]), bias: generator.tensor([3]),
        mean: Tensor([mean, -mean, 0.5], shape: [3]), variance: Tensor([4, 0.01, 1] as [Float], shape: [3]),
        epsilon: 1e-3, inner: 2)
      let network = model(
        .batchNormalization(layer), [.sequence("x", features: 6)], .sequence("y", features: 6))
      let x = generator.tensor([5, 2, 6], scale: 2)
      let found = try forward(network, inputs: ["x": x], precision: .float64)["y"]!.doubles
      let bound = try boundedForward(network, inputs: ["x": x], rounding: .float32)["y"]!
      let single = try forward(network, inputs: ["x": x], precision: .float32)["y"]!.doubles
      #expect(isWithin(single, bound))
      var unfolded: [Double] = []
      for (index, value) in x.doubles.enumerated() {
        let channel = index % 6 / 2
        func of(_ tensor: Tensor) -> Double { tensor.doubles[channel] }
        let exact =
          (value - of(layer.mean)) / (of(layer.variance) + layer.epsilon).squareRoot() * of(layer.scale)
          + of(layer.bias)
        #expect(abs(found[index] - exact) <= 1e-9 * max(1, abs(exact)))
        let (v, m) = (Float(value), Float(of(layer.mean)))
        let root = (Float(of(layer.variance)) + Float(layer.epsilon)).squareRoot()
        unfolded.append(Double((v - m) / root * Float(of(layer.scale)) + Float(of(layer.bias))))
      }
      #expect(isWithin(unfolded, bound))
      if mean == 0 { #expect(bound.errors.allSatisfy { $0 < 1e-5 }) }
    }
  }

  @Test func `A pattern of indices is found again`() {
    var generator = SeededGenerator(seed: 9)
    for _ in 0..<500 {
      let factors = (0..<Int.random(in: 1...3, using: &generator)).map { _ in
        FeatureGather.Factor(
          count: Int.random(in: 1...4, using: &generator), stride: Int.random(in: -5...9, using: &generator))
      }
      let gather = FeatureGather(start: 100, factors)
      #expect(FeatureGather(sources: gather.sources)?.sources == gather.sources)
    }
    #expect(FeatureGather(sources: [0, 1, 3]) == nil)
    #expect(FeatureGather(sources: []) == nil)
  }

  @Test func `The fewest steps are those that every window fits`() {
    func least(_ axes: [WindowAxis]) -> Int {
      var value = "x"
      var layers: [Layer] = []
      for (index, axis) in axes.enumerated() {
        let weight = Tensor([Float](repeating: 1, count: axis.kernel), shape: [1, 1, axis.kernel])
        let operation = Layer.Operation.convolution(Convolution(weight: weight, axes: [axis]))
        layers.append(Layer("c", operation, inputs: [value], outputs: ["v\(index)"]))
        value = "v\(index)"
      }
      let port = Model.Port.sequence("y", features: 1, value: value)
      return Model(inputs: [.sequence("x", features: 1)], outputs: [port], layers: layers).stepsNeeded(for: 1)
    }
    #expect(least([WindowAxis(size: nil, kernel: 3, before: 1, after: 1)]) == 1)
    #expect(least([WindowAxis(size: nil, kernel: 5)]) == 5)
    #expect(
      least([WindowAxis(size: nil, kernel: 256, stride: 128), WindowAxis(size: nil, kernel: 3)]) == 512)
  }

  @Test func `What reaches over other steps does not stream, and says so`() throws {
    let narrow = Convolution(
      weight: Tensor([1, 2] as [Float], shape: [1, 2, 1]), axes: [WindowAxis(size: nil, kernel: 1)])
    #expect(narrow.reasonNotToStream([], varying: []) == nil)
    let wide = Convolution(
      weight: Tensor([1, 2] as [Float], shape: [1, 1, 2]), axes: [WindowAxis(size: nil, kernel: 2)])
    #expect(wide.reasonNotToStream([], varying: []) != nil)
    let inside = Convolution(
      weight: Tensor([1, 2] as [Float], shape: [1, 1, 2]), axes: [WindowAxis(size: 4, kernel: 2)])
    #expect(inside.reasonNotToStream([], varying: []) == nil)
  }
}
