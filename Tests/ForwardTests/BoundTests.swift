import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct BoundTests {
  /// Scale, steps and hidden size of random model k.
  private func randomCase(_ k: Int) -> (Model, [String: Tensor], steps: Int, batch: Int) {
    var generator = SeededGenerator(seed: UInt64(1000 + k))
    var specification = specifications[k % specifications.count]
    specification.scale = [0.1, 0.3, 0.6, 1, 2, 3][k % 6]
    specification.inputSize = Int.random(in: 1...6, using: &generator)
    specification.hiddenSize = Int.random(in: 2...8, using: &generator)
    let steps = k % 7 == 0 ? 50 : Int.random(in: 1...12, using: &generator)
    let model = specification.model(seed: UInt64(k), initialStates: k % 2 == 0)
    let inputs = randomInputs(model, steps: steps, batch: 2, seed: UInt64(k + 5000), scale: 1.5)
    return (model, inputs, steps, 2)
  }

  @Test(arguments: 0..<12)
  func `The Float32 pass of 300 random models lies within the Float32 bound`(_ part: Int) throws {
    try check(part, .float32, .float32)
  }

  /// 25 of the random models, every output of each.
  private func check(_ part: Int, _ rounding: RoundingModel, _ precision: Precision) throws {
    var decided = 0
    for k in (part * 25)..<(part * 25 + 25) {
      let (model, inputs, _, _) = randomCase(k)
      let bounds = try boundedForward(model, inputs: inputs, rounding: rounding)
      let found = try forward(model, inputs: inputs, precision: precision)
      #expect(Set(bounds.keys) == Set(found.keys) && !found.isEmpty)
      for (name, bound) in bounds {
        #expect(isWithin(found[name]!.doubles, bound), "model \(k), output \(name)")
        decided += bound.errors.count { $0 < .infinity }
      }
    }
    // Anything lies within an infinite bound.
    #expect(decided > 0)
  }

  @Test(arguments: 0..<12)
  func `Float32 sums in other orders, with FMA and with merged biases lie within the bound`(_ part: Int)
    throws
  {
    var decided = 0
    for k in (part * 10)..<(part * 10 + 10) {
      let (model, inputs, steps, batch) = randomCase(k)
      let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
      decided += bound.errors.count { $0 < .infinity }
      let features = bound.shape[2]
      for order in EvaluationOrder.allCases {
        for b in 0..<batch {
          let y = textbook(model, inputs, b, steps, as: Float.self, order: order).y
          for t in 0..<steps {
            for j in 0..<features {
              #expect(
                bound.contains(Double(y[t][j]), at: (t * batch + b) * features + j),
                "model \(k), \(order), row \(b), step \(t)")
            }
          }
        }
      }
    }
    #expect(decided > 0)
  }

  @Test(arguments: 0..<6)
  func `Float64 evaluations lie within the Float64 bound`(_ part: Int) throws {
    try check(part, .float64, .float64)
  }

  @Test func `The bound of a small model is less than 1000 times the deviation, in the median`() throws {
    var ratios: [Double] = []
    for k in 0..<120 where k % 6 < 4 {
      let (model, inputs, steps, _) = randomCase(k)
      guard steps <= 12 else { continue }
      let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
      let found = try forward(model, inputs: inputs, precision: .float32)["y"]!.doubles
      for index in found.indices {
        let deviation = abs(found[index] - bound.values[index])
        if deviation > 0 { ratios.append(bound.errors[index] / deviation) }
      }
    }
    let median = ratios.sorted()[ratios.count / 2]
    #expect(median < 1000)
    #expect(median > 1)
    print("median of bound / deviation over \(ratios.count) outputs: \(median)")
  }

  @Test func `The bound of an exploding model is infinite, and never a NaN`() throws {
    var specification = LayerSpecification(.rnn)
    specification.scale = 50
    var model = specification.model(seed: 1)
    var layer = model.recurrent
    layer.directions[0].candidateActivation = Activation(.leakyRelu, alpha: 0.5)
    model.layers[0].operation = .recurrent(layer)
    let inputs = randomInputs(model, steps: 400, batch: 1, seed: 2)
    let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
    #expect(bound.errors.last == .infinity)
    #expect(bound.errors.allSatisfy { $0 >= 0 })
    #expect(bound.values.allSatisfy { $0.isFinite })
    #expect(bound.errors.first! < 1e-2)
  }

  @Test func `The bound of a long GRU grows no faster than its steps`() throws {
    var specification = LayerSpecification(.gru(resetAfter: true))
    specification.scale = 3
    let model = specification.model(seed: 3)
    let inputs = randomInputs(model, steps: 300, batch: 1, seed: 4)
    let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
    #expect(bound.errors.allSatisfy { $0 < 2.1 * 300 })
  }

  @Test func `A NaN in any gate makes its unit unknown`() throws {
    for specification in specifications where specification.direction == .forward {
      for gate in 0..<specification.cell.gateCount {
        var model = specification.model(seed: 3)
        var layer = model.recurrent
        let rows = specification.cell.gateCount * 4
        var weights = layer.directions[0].inputWeight.floats
        weights[gate * 4 * 3] = .nan
        layer.directions[0].inputWeight = Tensor(weights, shape: [rows, 3])
        model.layers[0].operation = .recurrent(layer)
        let inputs = randomInputs(model, steps: 1, batch: 1, seed: 4)
        let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
        // A coupled LSTM does not read its forget gate.
        let isRead = !(specification.inputForget && gate == 0)
        #expect((bound.errors[0] == .infinity) == isRead, "\(specification.text), gate \(gate)")
      }
    }
  }

  @Test func `NaN and infinite weights and inputs give infinite errors`() throws {
    for bad in [Float.nan, .infinity, -.infinity] {
      let weight = Tensor([1, 2, bad, 4] as [Float], shape: [2, 2])
      let model = model(
        .dense(weight: weight, bias: nil), [.vector("x", features: 2)], .vector("y", features: 2))
      let x = Tensor([0, 1] as [Float], shape: [1, 2])
      let bound = try boundedForward(model, inputs: ["x": x], rounding: .float32)["y"]!
      #expect(bound.errors[0] < 1e-5)
      #expect(bound.errors[1] == .infinity)
      let badX = Tensor([bad, 1] as [Float], shape: [1, 2])
      #expect(
        try boundedForward(model, inputs: ["x": badX], rounding: .float32)["y"]!.errors[0] == .infinity)
    }
  }

  @Test func `Weights that Float32 must round widen the bound`() throws {
    func error(_ weight: Double) throws -> Double {
      let model = model(
        .dense(weight: Tensor([weight], shape: [1, 1]), bias: nil), [.vector("x", features: 1)],
        .vector("y", features: 1))
      let x = Tensor([1] as [Float], shape: [1, 1])
      let bound = try boundedForward(model, inputs: ["x": x], rounding: .float32)["y"]!
      #expect(bound.contains(Double(Float(weight)), at: 0))
      return bound.errors[0]
    }
    #expect(try error(0.1) - error(0.125) * 0.8 >= 0.1 * 0x1p-24)
  }

  @Test(arguments: everyActivation)
  func `Every activation of a perturbed argument lies within its bound`(_ activation: Activation) throws {
    // A dense layer with weights that Float32 rounds gives the argument its error.
    var generator = SeededGenerator(seed: 11)
    let scales: [Float] = [1e-3, 0.1, 1, 3, 10, 60, 200]
    let weights = scales.flatMap { scale in
      generator.floats(60, scale: scale).map { Double($0) * (1 + 0x1p-27) }
    }
    var network = model(
      .dense(weight: Tensor(weights, shape: [weights.count, 1]), bias: nil), [.vector("x", features: 1)],
      .vector("y", features: weights.count))
    network.layers[0].outputs = ["a"]
    network.layers.append(Layer("activation", .activation(activation), inputs: ["a"], outputs: ["y"]))
    let x = Tensor([1] as [Float], shape: [1, 1])
    let bound = try boundedForward(network, inputs: ["x": x], rounding: .float32)["y"]!
    let exact = try forward(network, inputs: ["x": x], precision: .float64)["y"]!.doubles
    let jumps = [.thresholdedRelu, .inclusiveThresholdedRelu].contains(activation.kind)
    for (index, weight) in weights.enumerated() {
      #expect(bound.contains(exact[index], at: index), "\(weight)")
      #expect(bound.errors[index] < 1e-5 * max(1, abs(weight)) || jumps)
    }
    // The Float32 pass, and passes with the argument moved to either side by what Float32 may move it.
    for factor in [1, 1 - 0x1p-24, 1 + 0x1p-24] {
      var moved = network
      moved.layers[0].operation = .dense(
        weight: Tensor(weights.map { Float($0 * factor) }, shape: [weights.count, 1]), bias: nil)
      let found = try forward(moved, inputs: ["x": x], precision: .float32)["y"]!.doubles
      for (index, weight) in weights.enumerated() {
        #expect(bound.contains(found[index], at: index), "\(activation) of \(weight)")
      }
    }
  }

  @Test(arguments: [Activation.Kind.thresholdedRelu, .inclusiveThresholdedRelu])
  func `An argument that straddles the threshold has a bound that covers the jump`(
    _ kind: Activation.Kind
  ) throws {
    // 0.1 is no Float32: it may be stored on either side of a threshold of 0.1.
    var network = model(
      .dense(weight: Tensor([0.1] as [Double], shape: [1, 1]), bias: nil), [.vector("x", features: 1)],
      .vector("y", features: 1))
    network.layers[0].outputs = ["a"]
    network.layers.append(
      Layer(
        "activation", .activation(Activation(kind, alpha: 0.1)), inputs: ["a"], outputs: ["y"]))
    let x = Tensor([1] as [Float], shape: [1, 1])
    let bound = try boundedForward(network, inputs: ["x": x], rounding: .float32)["y"]!
    #expect(bound.contains(0, at: 0))
    #expect(bound.contains(0.1, at: 0))
  }

  @Test func `An exact argument at the threshold is known to pass or not to`() throws {
    func y(_ kind: Activation.Kind) throws -> BoundedTensor {
      let network = model(
        .activation(Activation(kind, alpha: 0.5)), [.vector("x", features: 1)], .vector("y", features: 1))
      let x = Tensor([0.5] as [Float], shape: [1, 1])
      return try boundedForward(network, inputs: ["x": x], rounding: .float32)["y"]!
    }
    let (open, closed) = try (y(.thresholdedRelu), y(.inclusiveThresholdedRelu))
    #expect(open.contains(0, at: 0) && !open.contains(0.5, at: 0))
    #expect(closed.contains(0.5, at: 0) && !closed.contains(0, at: 0))
  }

  @Test(arguments: [Layer.Operation.softmax, .logSoftmax])
  func `Softmax and its logarithm lie within their bounds, for close and for far features`(
    _ operation: Layer.Operation
  ) throws {
    var generator = SeededGenerator(seed: 21)
    for scale in [0.01, 1, 10, 100, 1000, 1e5] as [Float] {
      let weights = generator.floats(12 * 4, scale: scale).map { Double($0) * (1 + 0x1p-27) }
      var network = model(
        .dense(weight: Tensor(weights, shape: [12, 4]), bias: nil), [.vector("x", features: 4)],
        .vector("y", features: 12))
      network.layers[0].outputs = ["a"]
      network.layers.append(Layer("head", operation, inputs: ["a"], outputs: ["y"]))
      let x = generator.tensor([20, 4])
      for (rounding, precision) in [(RoundingModel.float32, Precision.float32), (.float64, .float64)] {
        let bound = try boundedForward(network, inputs: ["x": x], rounding: rounding)["y"]!
        let found = try forward(network, inputs: ["x": x], precision: precision)["y"]!.doubles
        #expect(isWithin(found, bound), "scale \(scale)")
        if scale <= 1 { #expect(bound.errors.allSatisfy { $0 < 1e-4 }) }
      }
    }
  }

  @Test func `LayerNormalization lies within its bound, near constant features and far from 0 too`() throws {
    var generator = SeededGenerator(seed: 22)
    let normalization = LayerNormalization(scale: generator.tensor([12]), bias: generator.tensor([12]))
    for scale in [1e-4, 0.01, 1, 100, 1e5] as [Float] {
      for offset in [0, 1, 100] as [Double] {
        let weights = generator.floats(12 * 4, scale: scale).map { Double($0) * (1 + 0x1p-27) }
        var network = model(
          .dense(
            weight: Tensor(weights, shape: [12, 4]),
            bias: Tensor([Double](repeating: offset * Double(scale), count: 12), shape: [12])),
          [.vector("x", features: 4)], .vector("y", features: 12))
        network.layers[0].outputs = ["a"]
        network.layers.append(
          Layer("head", .layerNormalization(normalization), inputs: ["a"], outputs: ["y"]))
        let x = generator.tensor([20, 4])
        for (rounding, precision) in [(RoundingModel.float32, Precision.float32), (.float64, .float64)] {
          let bound = try boundedForward(network, inputs: ["x": x], rounding: rounding)["y"]!
          let found = try forward(network, inputs: ["x": x], precision: precision)["y"]!.doubles
          #expect(isWithin(found, bound), "scale \(scale), offset \(offset)")
          if scale >= 0.01, offset == 0 { #expect(bound.errors.allSatisfy { $0 < 1e-3 }) }
        }
      }
    }
  }

  @Test func `Every arithmetic lies within its bound, and a divisor around 0 has none`() throws {
    var generator = SeededGenerator(seed: 31)
    for arithmetic in Arithmetic.Operator.allCases {
      let network = model(
        .arithmetic(arithmetic, constant: nil, constantFirst: false),
        [.vector("a", features: 50), .vector("b", features: 50)], .vector("y", features: 50))
      // Float64 inputs, which Float32 rounds.
      let a = Tensor((0..<50).map { _ in Double.random(in: -3...3, using: &generator) }, shape: [1, 50])
      var divisors = (0..<50).map { _ in Double.random(in: -3...3, using: &generator) }
      divisors[0] = 0
      divisors[1] = 1e-40
      let inputs = ["a": a, "b": Tensor(divisors, shape: [1, 50])]
      let bound = try boundedForward(network, inputs: inputs, rounding: .float32)["y"]!
      let found = try forward(network, inputs: inputs, precision: .float32)["y"]!.doubles
      #expect(isWithin(found, bound))
      #expect((bound.errors[0] == .infinity) == (arithmetic == .divide))
      #expect((bound.errors[1] == .infinity) == (arithmetic == .divide))
      #expect(bound.errors[2] < 1e-4)
    }
  }

  @Test func `A choice between features closer than their errors is undecided, and so is its embedding`()
    throws
  {
    let weight = Tensor([0.1, 0.1 + 1e-9, -1] as [Double], shape: [3, 1])
    var network = model(
      .dense(weight: weight, bias: nil), [.vector("x", features: 1)], .vector("y", features: 2))
    network.layers[0].outputs = ["a"]
    network.layers.append(Layer("choice", .argMax, inputs: ["a"], outputs: ["id"]))
    network.layers.append(
      Layer(
        "table", .embedding(table: Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [3, 2])), inputs: ["id"],
        outputs: ["y"]))
    network.outputs.append(integerPort("id", hasTime: false))
    let x = Tensor([1, -1] as [Float], shape: [2, 1])
    let bounds = try boundedForward(network, inputs: ["x": x], rounding: .float32)
    #expect(bounds["id"]!.isInteger)
    #expect(bounds["id"]!.errors == [.infinity, 0])
    #expect(bounds["id"]!.values[1] == 2)
    #expect(bounds["y"]!.errors[0] == .infinity && bounds["y"]!.errors[1] == .infinity)
    #expect(bounds["y"]!.values[2...] == [5, 6])
    #expect(bounds["y"]!.errors[2] < 1e-6)
  }

  @Test(arguments: [Selection.mean, .max, .step(-1)])
  func `Reductions over the steps lie within their bounds`(_ selection: Selection) throws {
    var generator = SeededGenerator(seed: 41)
    let network = model(
      .select(selection), [.sequence("x", features: 3)], .vector("y", features: 3))
    let x = Tensor((0..<300).map { _ in Double.random(in: -3...3, using: &generator) }, shape: [50, 2, 3])
    let bound = try boundedForward(network, inputs: ["x": x], rounding: .float32)["y"]!
    let found = try forward(network, inputs: ["x": x], precision: .float32)["y"]!.doubles
    #expect(isWithin(found, bound))
    #expect(bound.errors.allSatisfy { $0 < 1e-4 })
  }
}
