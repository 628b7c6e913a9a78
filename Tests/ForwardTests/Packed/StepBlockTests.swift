import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

@Suite struct StepBlockTests {
  /// Two recurrent layers and the last step of the upper one; with `y`, also all steps, which nothing can forget.
  private func model(_ cell: Cell, batchFirst: Bool, withSequence: Bool) -> Model {
    var generator = SeededGenerator(seed: 21)
    var (lower, upper) = (LayerSpecification(cell), LayerSpecification(cell))
    (lower.inputSize, lower.hiddenSize) = (6, 20)
    (upper.inputSize, upper.hiddenSize) = (20, 18)
    (lower.scale, upper.scale) = (0.3, 0.3)
    var x = Model.Port.sequence("x", features: 6)
    if batchFirst {
      x = Model.Port(
        name: "x", value: "x", elementType: .float32, kind: x.kind, axes: [x.axes[1], x.axes[0], x.axes[2]])
    }
    return Model(
      inputs: [x, .vector("h0", features: 20)],
      outputs: [.vector("last", features: 18), .vector("h", features: 20)]
        + (withSequence ? [.sequence("z", features: 18)] : []),
      layers: [
        Layer("lower", .recurrent(lower.layer(&generator)), inputs: ["x", nil, "h0"], outputs: ["y", "h"]),
        Layer("upper", .recurrent(upper.layer(&generator)), inputs: ["y"], outputs: ["z"]),
        Layer("select", .select(.step(-1)), inputs: ["z"], outputs: ["last"]),
      ])
  }

  @Test(arguments: [Cell.rnn, .lstm, .gru(resetAfter: true)], [1, 3, 200])
  func `A pass that forgets its steps gives the same bits`(_ cell: Cell, _ batch: Int) throws {
    for batchFirst in [false, true] {
      let forgetting = model(cell, batchFirst: batchFirst, withSequence: false)
      let remembering = model(cell, batchFirst: batchFirst, withSequence: true)
      #expect(forgetting.forgetsSteps && !remembering.forgetsSteps)
      let steps = 1100
      var generator = SeededGenerator(seed: 22)
      let shape = batchFirst ? [batch, steps / batch + 7, 6] : [steps / batch + 7, batch, 6]
      let inputs = ["x": generator.tensor(shape), "h0": generator.tensor([batch, 20])]
      for precision in Precision.allCases {
        let whole = try forward(remembering, inputs: inputs, precision: precision)
        let blocks = try forward(forgetting, inputs: inputs, precision: precision)
        let prepared = try PackedModel(forgetting, precision: precision).run(inputs)
        #expect(blocks.keys.sorted() == ["h", "last"])
        #expect(blocks["last"] == whole["last"] && blocks["h"] == whole["h"], "\(cell), B = \(batch)")
        #expect(prepared == blocks)
      }
    }
  }

  @Test func `Models with lengths, a reverse direction or all steps asked for are run whole`() {
    #expect(!LayerSpecification(.lstm).model(seed: 1).forgetsSteps)
    var reverse = LayerSpecification(.rnn)
    reverse.direction = .reverse
    for specification in [LayerSpecification(.rnn), reverse] {
      var model = specification.model(seed: 1, lengths: specification.direction == .forward)
      model.outputs.removeAll { $0.kind.hasTime }
      #expect(!model.forgetsSteps)
    }
  }
}
