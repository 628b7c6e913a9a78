import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// A vector at each step of a sequence, and what a vector of the whole sequence means beside its steps.
@Suite struct RepeatTests {
  private func recurrence(_ inputs: Int, _ generator: inout SeededGenerator) -> Layer.Operation {
    var specification = LayerSpecification(.gru(resetAfter: true))
    specification.inputSize = inputs
    return .recurrent(specification.layer(&generator))
  }

  /// x → GRU → its last step, at each step of x → GRU → its last step; the steps too, where they are asked for.
  private func autoencoder(_ between: Layer, asksForSteps: Bool) -> Model {
    var generator = SeededGenerator(seed: 4)
    let outputs: [Model.Port] =
      [.vector("end", features: 4)] + (asksForSteps ? [.sequence("decoded", features: 4)] : [])
    return Model(
      name: "autoencoder", inputs: [.sequence("x", features: 3)], outputs: outputs,
      layers: [
        Layer("encoder", recurrence(3, &generator), inputs: ["x"], outputs: ["encoded"]),
        Layer("last", .select(.step(-1)), inputs: ["encoded"], outputs: ["code"]), between,
        Layer("decoder", recurrence(4, &generator), inputs: ["again"], outputs: ["decoded"]),
        Layer("end", .select(.step(-1)), inputs: ["decoded"], outputs: ["end"]),
      ])
  }

  @Test func `the vector stands at each step`() throws {
    let model = Model(
      name: "repeat", inputs: [.sequence("x", features: 2), .vector("v", features: 3)],
      outputs: [.sequence("y", features: 3)],
      layers: [Layer("repeat", .repeated, inputs: ["x", "v"], outputs: ["y"])])
    let v: [Float] = [1, 2, 3, 4, 5, 6]
    let inputs = [
      "x": Tensor([Float](repeating: 0, count: 8 * 2), shape: [4, 2, 2]), "v": Tensor(v, shape: [2, 3]),
    ]
    let y = try forward(model, inputs: inputs, precision: .float32)["y"]!
    #expect(y.shape == [4, 2, 3])
    #expect(y.floats == [v, v, v, v].flatMap(\.self))
    let bound = try boundedForward(model, inputs: inputs, rounding: .float32)["y"]!
    #expect(bound.errors.allSatisfy { $0 == 0 })
  }

  /// A pass that forgets steps must not take the last of some for the last of all.
  @Test func `a vector of the whole sequence beside its steps is that of the whole sequence`() throws {
    var generator = SeededGenerator(seed: 5)
    let x = generator.tensor([700, 1, 3])
    for between in [
      Layer("again", .repeated, inputs: ["x", "code"], outputs: ["again"]),
      Layer("again", .arithmetic(Arithmetic(.add)), inputs: ["encoded", "code"], outputs: ["again"]),
    ] {
      let ends = try [false, true].map { asksForSteps in
        let model = autoencoder(between, asksForSteps: asksForSteps)
        return try forward(model, inputs: ["x": x], precision: .float32)["end"]!.floats
      }
      #expect(ends[0] == ends[1], "\(between.operation.name)")
    }
  }
}
