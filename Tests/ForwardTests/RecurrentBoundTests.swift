import Glibc
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// The bound of recurrent layers that tracks symbols: rigorous, and of use over long sequences.
@Suite struct RecurrentBoundTests {
  private static let cells = Cell.all

  private struct RandomCase {
    let name: String
    let model: Model
    let inputs: [String: Tensor]
    let steps: Int
    let batch: Int
  }

  /// Cells × directions × 1…3 layers × weights from 0.1 to 3; T up to 100, a few up to 1,000.
  private func randomCase(_ k: Int) -> RandomCase {
    var generator = SeededGenerator(seed: UInt64(9000 + k))
    let cell = Self.cells[k % Self.cells.count]
    let count = Self.cells.count
    let direction = Direction.allCases[k / count % 3]
    let layers = 1 + k / (3 * count) % 3
    let scale = [0.1, 0.3, 0.6, 1, 2, 3][k / (9 * count) % 6]
    let isLong = k % 97 == 50
    let size = isLong ? 2 : Int.random(in: 1...5, using: &generator)
    let steps = isLong ? 1000 : k % 10 == 0 ? 100 : Int.random(in: 1...20, using: &generator)
    let batch = isLong || k % 10 == 0 ? 1 : 2
    let model = stackedModel(
      cell, direction, layers: isLong ? 1 : layers, inputSize: 2, hiddenSize: size,
      gain: scale * Double(size).squareRoot(), seed: UInt64(k))
    return RandomCase(
      name: "model \(k): \(cell) \(direction), \(layers) layers, H = \(size), T = \(steps), scale \(scale)",
      model: model,
      inputs: randomInputs(model, steps: steps, batch: batch, seed: UInt64(k + 5000), scale: 1.5),
      steps: steps, batch: batch)
  }

  @Test(arguments: 0..<24)
  func `600 random models: Float32 and perturbed passes lie within the bound`(_ part: Int) throws {
    for k in (part * 25)..<(part * 25 + 25) {
      let random = randomCase(k)
      let bound = try boundedForward(random.model, inputs: random.inputs, rounding: .float32)["y"]!
      let found = try forward(random.model, inputs: random.inputs, precision: .float32)["y"]!.doubles
      #expect(isWithin(found, bound), "\(random.name)")
      for noise in random.steps > 20 ? [Noise.extreme] : Noise.allCases {
        let perturbed = try perturbedForward(
          random.model, inputs: random.inputs, rounding: .float32, noise: noise, seed: UInt64(k))["y"]!
          .doubles
        #expect(isWithin(perturbed, bound), "\(random.name), noise \(noise)")
      }
    }
  }

  @Test(arguments: 0..<8)
  func `Other orders, FMA and merged biases lie within the bound over 40 steps`(_ part: Int) throws {
    for k in (part * 9)..<(part * 9 + 9) {
      var specification = specifications[k % specifications.count]
      specification.scale = [0.3, 0.6, 1, 2][k % 4]
      let model = specification.model(seed: UInt64(k))
      let inputs = randomInputs(model, steps: 40, batch: 1, seed: UInt64(k + 1))
      let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
      for order in EvaluationOrder.allCases {
        let y = textbook(model, inputs, 0, 40, as: Float.self, order: order).y
        #expect(isWithin(y.flatMap { $0.map { Double($0) } }, bound), "\(specification.text), \(order)")
      }
    }
  }

  /// Activations that are off by 1e-4 to 1e-2 bring curvature into play, which roundings alone hardly do.
  @Test(arguments: [1e-4, 1e-3, 1e-2])
  func `Passes with bad activations lie within their bound`(_ badness: Double) throws {
    var rounding = RoundingModel.float32
    rounding.sigmoid = FunctionError(relative: 0, absolute: badness)
    rounding.tanh = FunctionError(relative: badness, absolute: badness)
    var decided = 0
    for k in 0..<96 {
      let model = stackedModel(
        Self.cells[k % Self.cells.count], Direction.allCases[k / 4 % 3], layers: 1 + k / 12 % 2, inputSize: 2,
        hiddenSize: 3,
        gain: [0.5, 1, 2, 4][k / 24], seed: UInt64(k))
      let inputs = randomInputs(model, steps: 15, batch: 1, seed: UInt64(k + 1))
      let bound = try boundedForward(model, inputs: inputs, rounding: rounding)["y"]!
      for noise in Noise.allCases {
        let found = try perturbedForward(
          model, inputs: inputs, rounding: rounding, noise: noise, seed: UInt64(k))["y"]!.doubles
        #expect(isWithin(found, bound), "model \(k), noise \(noise)")
      }
      decided += bound.errors.count { $0 < 0.5 }
    }
    #expect(decided > 1000)
  }

  @Test func `A bound that assumes too little of the arithmetic is caught`() throws {
    var noSigmoid = RoundingModel.float32
    noSigmoid.sigmoid = FunctionError(relative: 0, absolute: 1e-3)
    var noTanh = RoundingModel.float32
    noTanh.tanh = FunctionError(relative: 0, absolute: 1e-3)
    for cell in Self.cells {
      let model = stackedModel(cell, .forward, layers: 1, inputSize: 3, hiddenSize: 4, gain: 1.5, seed: 5)
      let inputs = randomInputs(model, steps: 30, batch: 2, seed: 6)
      let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
      // The evaluation's sigmoid or tanh is worse than the model says.
      for actual in (cell.hasGateActivation ? [noSigmoid] : [])
        + (cell.kind.candidateActivation == .tanh ? [noTanh] : [])
      {
        let found = try perturbedForward(model, inputs: inputs, rounding: actual, noise: .extreme, seed: 7)[
          "y"]!.doubles
        #expect(!isWithin(found, bound), "\(cell)")
      }
      // Float32 judged as if it were Float64.
      let float64 = try boundedForward(model, inputs: inputs, rounding: .float64)["y"]!
      let float32 = try forward(model, inputs: inputs, precision: .float32)["y"]!.doubles
      #expect(!isWithin(float32, float64), "\(cell)")
    }
  }

  /// One unit with positive weights: errors of one sign add up to what the bound says, so little can be left out.
  @Test func `Half the bound is caught where all errors have one sign`() throws {
    var rounding = RoundingModel.float32
    rounding.tanh = FunctionError(relative: 0, absolute: 1e-3)
    let parameters = DirectionParameters(
      inputWeight: Tensor([0.25] as [Float], shape: [1, 1]),
      recurrentWeight: Tensor([0.75] as [Float], shape: [1, 1]))
    let model = Model(
      inputs: [.sequence("x", features: 1)], outputs: [.sequence("y", features: 1)],
      layers: [
        Layer(
          "layer",
          .recurrent(
            RecurrentLayer(
              cell: .rnn, direction: .forward, inputSize: 1, hiddenSize: 1, directions: [parameters])),
          inputs: ["x"], outputs: ["y"])
      ])
    let inputs = ["x": Tensor([Float](repeating: 0.125, count: 40), shape: [40, 1, 1])]
    let bound = try boundedForward(model, inputs: inputs, rounding: rounding)["y"]!
    let found = try perturbedForward(model, inputs: inputs, rounding: rounding, noise: .up, seed: 1)["y"]!
      .doubles
    #expect(isWithin(found, bound))
    let half = BoundedTensor(
      shape: bound.shape, values: bound.values, errors: bound.errors.map { $0 / 2 }, isInteger: false)
    #expect(!isWithin(found, half))
  }

  @Test func `It is never larger than the bound of intervals alone`() throws {
    var better = 0
    for k in 0..<specifications.count * 2 {
      var specification = specifications[k % specifications.count]
      specification.scale = [0.5, 2][k / specifications.count]
      let layer = specification.model(seed: UInt64(k)).recurrent
      var generator = SeededGenerator(seed: UInt64(k))
      let x = Numbers<Bounded<Float>>(
        steps: 25, batch: 2, features: 3,
        elements: generator.floats(150).map { Bounded<Float>.constant(Double($0)) })
      let pass = RecurrentPass<Bounded<Float>>(layer, .float32)
      let plain = pass.run(x, lengths: [25, 14], h: nil, c: nil)
      let both = Bounded.run(pass, x, lengths: [25, 14], h: nil, c: nil)
      for (plain, both) in zip(plain, both) {
        for (plain, both) in zip(plain.numbers.elements, both.numbers.elements) {
          #expect(both.error <= plain.error, "\(specification.text)")
          // Another order of summation may move the middle.
          #expect(abs(both.value - plain.value) <= plain.error)
          if both.error < plain.error / 2 { better += 1 }
        }
      }
    }
    #expect(better > 1000)
  }

  /// What intervals alone made 21 of, for real deviations of 7e-7.
  @Test func `Two bidirectional LSTM layers of 24 units are decided over 20 steps`() throws {
    let model = stackedModel(.lstm, .bidirectional, layers: 2, inputSize: 8, hiddenSize: 24, gain: 2, seed: 1)
    let inputs = randomInputs(model, steps: 20, batch: 1, seed: 2)
    let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
    #expect(bound.errors.max()! < 1e-2)
    #expect(isWithin(try forward(model, inputs: inputs, precision: .float32)["y"]!.doubles, bound))
  }

  @Test(arguments: cells)
  fileprivate func `Over 1,000 steps of a recurrence that contracts the bound does not grow`(_ cell: Cell)
    throws
  {
    let model = stackedModel(cell, .forward, layers: 1, inputSize: 2, hiddenSize: 4, gain: 1, seed: 3)
    let inputs = randomInputs(model, steps: 1000, batch: 1, seed: 4)
    let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
    #expect(bound.errors.max()! < 2e-5)
    #expect(bound.errors.suffix(400).max()! < 3 * bound.errors[80..<400].max()!)
  }

  @Test func `In the median the bound is less than 3,000 times the deviation, over 100 steps`() throws {
    for cell in Self.cells {
      let model = stackedModel(cell, .forward, layers: 1, inputSize: 4, hiddenSize: 8, gain: 1.5, seed: 8)
      let inputs = randomInputs(model, steps: 100, batch: 1, seed: 9)
      let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
      let found = try forward(model, inputs: inputs, precision: .float32)["y"]!.doubles
      let ratios = found.indices.compactMap { index in
        let deviation = abs(found[index] - bound.values[index])
        return deviation > 0 ? bound.errors[index] / deviation : nil
      }.sorted()
      #expect(ratios[ratios.count / 2] < 3000, "\(cell)")
      #expect(ratios[0] >= 1)
    }
  }

  @Test func `Weights that Float32 rounds, uncertain inputs and initial states count`() throws {
    for (k, specification) in specifications.enumerated() {
      var generator = SeededGenerator(seed: UInt64(k))
      var model = specification.model(seed: UInt64(k), initialStates: true)
      var layer = model.recurrent
      // No Float32: each weight may move by u·|w|.
      func unfit(_ tensor: Tensor) -> Tensor {
        Tensor(tensor.doubles.map { $0 * (1 + 0x1p-27) }, shape: tensor.shape)
      }
      for d in layer.directions.indices {
        layer.directions[d].recurrentWeight = layer.directions[d].recurrentWeight.map { unfit($0) }
        layer.directions[d].inputWeight = unfit(layer.directions[d].inputWeight)
      }
      model.layers[0].operation = .recurrent(layer)
      var inputs = randomInputs(model, steps: 30, batch: 1, seed: UInt64(k + 9))
      for (name, tensor) in inputs { inputs[name] = unfit(tensor) }
      let bounds = try boundedForward(model, inputs: inputs, rounding: .float32)
      let float32 = try forward(model, inputs: inputs, precision: .float32)
      // Float64 with weights and inputs moved by up to u.
      func moved(_ tensor: Tensor) -> Tensor {
        Tensor(
          tensor.doubles.map { $0 * (1 + (Bool.random(using: &generator) ? 1 : -1) * 0x1.fffp-25) },
          shape: tensor.shape)
      }
      for d in layer.directions.indices {
        layer.directions[d].recurrentWeight = layer.directions[d].recurrentWeight.map { moved($0) }
        layer.directions[d].inputWeight = moved(layer.directions[d].inputWeight)
      }
      model.layers[0].operation = .recurrent(layer)
      let float64 = try forward(model, inputs: inputs.mapValues(moved), precision: .float64)
      #expect(bounds.count == model.outputs.count)
      for (name, bound) in bounds {
        #expect(isWithin(float32[name]!.doubles, bound), "\(specification.text), \(name)")
        #expect(isWithin(float64[name]!.doubles, bound), "\(specification.text), \(name)")
      }
    }
  }
}
