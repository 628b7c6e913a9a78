import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// Normalisations of groups of features, held against loops over every index.
@Suite struct NormalizationTests {
  private struct Case {
    var layer: Normalization
    var x: Tensor
    var network: Model
  }

  private func random(
    _ divisor: Normalization.Divisor, _ generator: inout SeededGenerator, scale: Float = 2
  ) -> Case {
    let (outer, count, inner) = (
      Int.random(in: 1...3, using: &generator), Int.random(in: 1...5, using: &generator),
      Int.random(in: 1...3, using: &generator)
    )
    let features = outer * count * inner
    var layer = Normalization(divisor, count: count, inner: inner)
    layer.overTime = Bool.random(using: &generator)
    if divisor.hasEpsilon { layer.epsilon = [1e-5, 1e-3, 0.5].randomElement(using: &generator)! }
    let channel = (1...features).filter { features % $0 == 0 }.randomElement(using: &generator)!
    let numbers = features / channel
    let parts = (1...numbers).filter { numbers % $0 == 0 }
    if Bool.random(using: &generator) {
      layer.scale = generator.tensor([parts.randomElement(using: &generator)!], scale: 3)
    }
    if Bool.random(using: &generator) {
      layer.bias = generator.tensor([parts.randomElement(using: &generator)!], scale: 3)
    }
    if layer.scale != nil || layer.bias != nil { layer.channel = channel }
    // A group of one number has no deviation.
    if divisor.isCentred, count == 1, !layer.overTime { layer.overTime = true }
    let steps = Int.random(in: 2...6, using: &generator)
    let network = model(
      .normalization(layer), [.sequence("x", features: features)], .sequence("y", features: features))
    return Case(layer: layer, x: generator.tensor([steps, 2, features], scale: scale), network: network)
  }

  /// The layer as its equations have it.
  private func textbook(_ layer: Normalization, _ x: Tensor) -> [Double] {
    let (steps, rows, features) = (x.shape[0], x.shape[1], x.shape[2])
    let numbers = x.doubles
    let width = layer.count * layer.inner
    var y = numbers
    for t in 0..<steps {
      for b in 0..<rows {
        for k in 0..<features {
          func isOfGroup(_ step: Int, _ other: Int) -> Bool {
            (layer.overTime || step == t) && other / width == k / width
              && other % layer.inner == k % layer.inner
          }
          var group: [Double] = []
          for s in 0..<steps {
            for o in 0..<features where isOfGroup(s, o) {
              group.append(numbers[(s * rows + b) * features + o])
            }
          }
          let n = Double(group.count)
          let mean = group.reduce(0, +) / n
          let variance = group.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
          let own = numbers[(t * rows + b) * features + k]
          var result =
            switch layer.divisor {
            case .deviation: (own - mean) / (variance + layer.epsilon).squareRoot()
            case .guardedDeviation: (own - mean) / (variance.squareRoot() + 1e-9)
            case .rootMeanSquare: own / (group.reduce(0) { $0 + $1 * $1 } / n + layer.epsilon).squareRoot()
            case .euclidean: own / group.reduce(0) { $0 + $1 * $1 }.squareRoot()
            case .absoluteSum: own / group.reduce(0) { $0 + abs($1) }
            }
          if let scale = layer.scale { result *= scale.doubles[k / layer.channel % scale.count] }
          if let bias = layer.bias { result += bias.doubles[k / layer.channel % bias.count] }
          y[(t * rows + b) * features + k] = result
        }
      }
    }
    return y
  }

  @Test(arguments: Normalization.Divisor.allCases)
  func `It is what its equations say, and Float32 and perturbed passes lie within its bound`(
    _ divisor: Normalization.Divisor
  ) throws {
    var generator = SeededGenerator(seed: 21)
    var ratios: [Double] = []
    for index in 0..<60 {
      let random = random(divisor, &generator)
      let inputs = ["x": random.x]
      let found = try forward(random.network, inputs: inputs, precision: .float64)["y"]!.doubles
      let expected = textbook(random.layer, random.x)
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-10 * max(1, abs($1)) }, "case \(index)")
      let bound = try boundedForward(random.network, inputs: inputs, rounding: .float32)["y"]!
      let single = try forward(random.network, inputs: inputs, precision: .float32)["y"]!.doubles
      #expect(isWithin(single, bound), "case \(index)")
      for noise in Noise.allCases {
        let perturbed = try perturbedForward(
          random.network, inputs: inputs, rounding: .float32, noise: noise, seed: UInt64(index))["y"]!
        #expect(isWithin(perturbed.doubles, bound), "case \(index), noise \(noise)")
      }
      ratios += bound.errors
    }
    // Anything lies within an infinite bound.
    #expect(ratios.count { $0 < 1e-4 } > ratios.count * 9 / 10)
  }

  /// Roundings as they fall in Float: one by one, in other forms than the pass has.
  @Test func `Sums in one pass and products with an inverse, in Float, lie within the bound`() throws {
    var generator = SeededGenerator(seed: 22)
    for index in 0..<60 {
      let divisor = Normalization.Divisor.allCases[index % 5]
      var layer = Normalization(divisor, count: 6, overTime: true)
      if divisor.hasEpsilon { layer.epsilon = 1e-5 }
      let x = generator.tensor([7, 1, 6], scale: 3)
      let network = model(
        .normalization(layer), [.sequence("x", features: 6)], .sequence("y", features: 6))
      let bound = try boundedForward(network, inputs: ["x": x], rounding: .float32)["y"]!
      let numbers = x.floats
      let n = Float(numbers.count)
      let mean = divisor.isCentred ? numbers.reduce(0, +) / n : 0
      let square = numbers.reduce(0) { $0 + $1 * $1 }
      let variance = square / n - mean * mean
      let inverse: Float =
        switch divisor {
        case .deviation, .rootMeanSquare: 1 / (variance + 1e-5).squareRoot()
        case .guardedDeviation: 1 / (variance.squareRoot() + 1e-9)
        case .euclidean: 1 / square.squareRoot()
        case .absoluteSum: 1 / numbers.reduce(0) { $0 + abs($1) }
        }
      #expect(isWithin(numbers.map { Double($0 * inverse - mean * inverse) }, bound), "\(divisor)")
    }
  }

  @Test func `Zeros stay zeros under a norm, and constant numbers under a deviation`() throws {
    for divisor in Normalization.Divisor.allCases {
      let layer = Normalization(divisor, count: 3, epsilon: divisor.hasEpsilon ? 1e-5 : 0)
      let network = model(.normalization(layer), [.vector("x", features: 3)], .vector("y", features: 3))
      let x = Tensor([0, 0, 0] as [Float], shape: [1, 3])
      #expect(try forward(network, inputs: ["x": x], precision: .float32)["y"]!.doubles == [0, 0, 0])
      let bound = try boundedForward(network, inputs: ["x": x], rounding: .float32)["y"]!
      #expect(isWithin([0, 0, 0], bound))
      if divisor.isNorm { #expect(bound.errors == [0, 0, 0]) }
    }
  }

  @Test func `Squares that overflow or are flushed to zero leave nothing known`() throws {
    for (divisor, size) in [(Normalization.Divisor.deviation, 1e25), (.euclidean, 1e25), (.euclidean, 1e-25)]
    {
      let layer = Normalization(divisor, count: 2)
      let network = model(.normalization(layer), [.vector("x", features: 2)], .vector("y", features: 2))
      let x = Tensor([Float(size), -Float(size) / 2], shape: [1, 2])
      let bound = try boundedForward(network, inputs: ["x": x], rounding: .float32)["y"]!
      #expect(bound.errors.allSatisfy { $0 == .infinity }, "\(divisor) \(size)")
    }
  }

  @Test func `Groups that do not fit the features are refused`() throws {
    func check(_ layer: Normalization, _ input: Model.Port = .sequence("x", features: 12)) {
      let output = Model.Port(
        name: "y", value: "y", elementType: .float32, kind: input.kind, axes: input.axes)
      #expect(throws: ModelError.self, "\(layer)") {
        try model(.normalization(layer), [input], output).validated()
      }
    }
    check(Normalization(.deviation, count: 5))
    check(Normalization(.deviation, count: 0))
    check(Normalization(.deviation, count: .max, inner: .max))
    check(Normalization(.deviation, count: 12, overTime: true), .vector("x", features: 12))
    check(Normalization(.euclidean, count: 12, epsilon: 1))
    check(Normalization(.deviation, count: 12, epsilon: -1))
    check(Normalization(.deviation, count: 12, epsilon: .nan))
    check(Normalization(.deviation, count: 12, channel: 3))
    let scale = Tensor([1, 2, 3, 4, 5] as [Float], shape: [5])
    check(Normalization(.deviation, count: 12, scale: scale))
    check(Normalization(.deviation, count: 12, bias: scale, channel: .max))
  }

  @Test func `It streams unless its groups are of all steps`() {
    #expect(Normalization(.deviation, count: 2).reasonNotToStream([], varying: []) == nil)
    #expect(Normalization(.deviation, count: 2, overTime: true).reasonNotToStream([], varying: []) != nil)
  }
}
