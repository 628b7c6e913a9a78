import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// What perturbed passes say where the worst case is useless.
@Suite struct EnvelopeTests {
  private static let cells: [Cell] = [.rnn, .lstm, .gru(resetAfter: false), .gru(resetAfter: true)]

  private func isWithin(_ found: [Double], _ envelope: BoundedTensor) -> Bool {
    found.indices.allSatisfy { envelope.contains(found[$0], at: $0) }
  }

  @Test(arguments: cells, [0.7, 1.5, 3])
  func `Float32 in every order is within the envelope, which is within the bound`(
    _ cell: Cell, _ gain: Double
  )
    throws
  {
    var narrower = 0
    for k in 0..<6 {
      let model = stackedModel(
        cell, .forward, layers: 1, inputSize: 3, hiddenSize: 6, gain: gain, seed: UInt64(k))
      let inputs = randomInputs(model, steps: 60, batch: 1, seed: UInt64(k + 1))
      let envelope = try stochasticEnvelope(model, inputs: inputs, rounding: .float32, seed: 1)["y"]!
      for order in EvaluationOrder.allCases {
        let y = textbook(model, inputs, 0, 60, as: Float.self, order: order).y
        #expect(isWithin(y.flatMap { $0.map { Double($0) } }, envelope), "model \(k), \(order)")
      }
      let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
      narrower += zip(envelope.errors, bound.errors).count { $0 < $1 }
    }
    #expect(narrower > 1000, "an envelope wider than the bound would be of no use")
  }

  @Test func `The seed alone decides an envelope`() throws {
    let model = stackedModel(.lstm, .bidirectional, layers: 2, inputSize: 3, hiddenSize: 4, gain: 1, seed: 3)
    let inputs = randomInputs(model, steps: 9, batch: 2, seed: 4)
    func envelope(_ seed: UInt64) throws -> [String: BoundedTensor] {
      try stochasticEnvelope(model, inputs: inputs, rounding: .float64, seed: seed)
    }
    #expect(try envelope(5) == envelope(5))
    #expect(try envelope(5) != envelope(6))
  }

  @Test func `A slightly wrong weight is outside the envelope`() throws {
    let model = stackedModel(
      .gru(resetAfter: true), .forward, layers: 1, inputSize: 3, hiddenSize: 6, gain: 1, seed: 9)
    let inputs = randomInputs(model, steps: 60, batch: 1, seed: 10)
    let envelope = try stochasticEnvelope(model, inputs: inputs, rounding: .float32, seed: 1)["y"]!
    var wrong = model
    guard case .recurrent(var layer) = wrong.layers[0].operation else { throw CancellationError() }
    var weights = layer.directions[0].recurrentWeight.floats
    weights[0] += 1e-4
    layer.directions[0].recurrentWeight = Tensor(weights, shape: layer.directions[0].recurrentWeight.shape)
    wrong.layers[0].operation = .recurrent(layer)
    #expect(!isWithin(try forward(wrong, inputs: inputs, precision: .float32)["y"]!.doubles, envelope))
  }

  /// Every operation of a model goes through the perturbed arithmetic.
  @Test func `Every activation and head has an envelope around its Float32 value`() throws {
    for kind in Activation.Kind.allCases {
      let activation = Activation(kind, alpha: 0.4, beta: 0.3)
      let model = Model(
        inputs: [.sequence("x", features: 4)],
        outputs: [.sequence("a", features: 4), .sequence("s", features: 4), .sequence("l", features: 4)],
        layers: [
          Layer("activation", .activation(activation), inputs: ["x"], outputs: ["a"]),
          Layer("softmax", .softmax, inputs: ["a"], outputs: ["s"]),
          Layer("logSoftmax", .logSoftmax, inputs: ["a"], outputs: ["l"]),
        ])
      let inputs = randomInputs(model, steps: 5, batch: 2, seed: 11)
      let found = try forward(model, inputs: inputs, precision: .float32)
      let envelopes = try stochasticEnvelope(model, inputs: inputs, rounding: .float32, seed: 1)
      for (name, envelope) in envelopes {
        #expect(isWithin(found[name]!.doubles, envelope), "\(kind), \(name)")
        #expect(envelope.errors.allSatisfy { $0 < 1e-4 }, "\(kind), \(name)")
      }
    }
  }
}
