import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// How large rounding noise is said to be, beside what Float32 really does.
@Suite struct NoiseTests {
  private static let cells: [Cell] = Cell.all

  /// The largest deviation from the Float64 pass, in multiples of the output's noise; NaN where a number is none.
  private func multiple(_ found: [Double], _ noise: NoiseTensor) -> Double {
    let usual = (noise.deviations.reduce(0) { $0 + $1 * $1 } / Double(noise.deviations.count)).squareRoot()
    return found.indices.reduce(0) { worst, index in
      let deviation = abs(found[index] - noise.values[index]) / max(noise.deviations[index], usual / 8)
      // max would pass over a NaN.
      return worst.isNaN || deviation.isNaN ? .nan : max(worst, deviation)
    }
  }

  @Test(arguments: cells, [0.7, 1.5])
  func `Float32 in every order is off by a few times the noise, and by no less than a tenth of it`(
    _ cell: Cell, _ gain: Double
  ) throws {
    var multiples: [Double] = []
    for k in 0..<6 {
      let model = stackedModel(
        cell, .forward, layers: 1, inputSize: 3, hiddenSize: 6, gain: gain, seed: UInt64(k))
      let inputs = randomInputs(model, steps: 60, batch: 1, seed: UInt64(k + 1))
      let noise = try roundingNoise(model, inputs: inputs, rounding: .float32, seed: 1, passes: 16)["y"]!
      for order in EvaluationOrder.allCases {
        let y = textbook(model, inputs, 0, 60, as: Float.self, order: order).y
        multiples.append(multiple(y.flatMap { $0.map { Double($0) } }, noise))
      }
    }
    #expect(multiples.allSatisfy { $0 < 10 }, "\(multiples)")
    multiples.sort()
    #expect(multiples[multiples.count / 2] > 0.3, "noise far above what happens hides mistakes: \(multiples)")
  }

  @Test func `The seed alone decides the noise, and Float64's is that of two evaluations in its unit`() throws
  {
    let model = stackedModel(.lstm, .bidirectional, layers: 2, inputSize: 3, hiddenSize: 4, gain: 1, seed: 3)
    let inputs = randomInputs(model, steps: 9, batch: 2, seed: 4)
    func noise(_ seed: UInt64, _ rounding: RoundingModel) throws -> [String: NoiseTensor] {
      try roundingNoise(model, inputs: inputs, rounding: rounding, seed: seed, passes: 4)
    }
    #expect(try noise(5, .float64) == noise(5, .float64))
    #expect(try noise(5, .float64) != noise(6, .float64))
    let (double, single) = (try noise(5, .float64)["y"]!, try noise(5, .float32)["y"]!)
    #expect(
      zip(double.deviations, single.deviations).allSatisfy {
        abs($0 - $1 * 0x1p-29 * 2.0.squareRoot()) <= 1e-12 * $0
      })
  }

  @Test func `A slightly wrong weight is far beyond the noise`() throws {
    let model = stackedModel(
      .gru(resetAfter: true), .forward, layers: 1, inputSize: 3, hiddenSize: 6, gain: 1, seed: 9)
    let inputs = randomInputs(model, steps: 60, batch: 1, seed: 10)
    let noise = try roundingNoise(model, inputs: inputs, rounding: .float32, seed: 1, passes: 16)["y"]!
    var wrong = model
    guard case .recurrent(var layer) = wrong.layers[0].operation else { throw CancellationError() }
    var weights = layer.directions[0].recurrentWeight!.floats
    weights[0] += 1e-4
    layer.directions[0].recurrentWeight = Tensor(weights, shape: layer.directions[0].recurrentWeight!.shape)
    wrong.layers[0].operation = .recurrent(layer)
    #expect(multiple(try forward(wrong, inputs: inputs, precision: .float32)["y"]!.doubles, noise) > 40)
  }

  /// Every operation of a model goes through the noisy arithmetic.
  @Test func `Every activation and head has noise about as large as what Float32 does`() throws {
    for kind in Activation.Kind.allCases {
      let activation =
        kind == .clip ? Activation(kind, alpha: 0.25, beta: 0.5) : Activation(kind, alpha: 0.4, beta: 0.3)
      // Where the function has values.
      let offset = [.log, .power].contains(kind) ? 2 : 0.0
      let ones = Tensor([1, 1, 1, 1] as [Float], shape: [4])
      let normalization = LayerNormalization(scale: ones, bias: ones, epsilon: 0.1)
      let model = Model(
        inputs: [.sequence("x", features: 4)],
        outputs: ["a", "s", "l", "n"].map { .sequence($0, features: 4) },
        layers: [
          Layer(
            "offset", .activation(Activation(.affine, alpha: 1, beta: offset)), inputs: ["x"], outputs: ["o"]),
          Layer("activation", .activation(activation), inputs: ["o"], outputs: ["a"]),
          Layer("softmax", .softmax, inputs: ["a"], outputs: ["s"]),
          Layer("logSoftmax", .logSoftmax, inputs: ["a"], outputs: ["l"]),
          Layer("norm", .layerNormalization(normalization), inputs: ["x"], outputs: ["n"]),
        ])
      let inputs = randomInputs(model, steps: 50, batch: 2, seed: 11)
      let found = try forward(model, inputs: inputs, precision: .float32)
      for (name, noise) in try roundingNoise(model, inputs: inputs, rounding: .float32, seed: 1, passes: 16) {
        let isExact = found[name]!.doubles == noise.values
        #expect(isExact || multiple(found[name]!.doubles, noise) < 12, "\(kind), \(name)")
        #expect(noise.deviations.allSatisfy { $0 < 1e-6 }, "\(kind), \(name)")
      }
    }
  }
}
