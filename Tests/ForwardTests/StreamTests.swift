import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct StreamTests {
  @Test(arguments: specifications.indices.filter { specifications[$0].direction == .forward })
  func `Step by step equals the whole sequence, bit for bit`(_ index: Int) throws {
    let specification = specifications[index]
    for precision in Precision.allCases {
      for states in [false, true] {
        let model = specification.model(seed: 5, initialStates: states)
        let inputs = randomInputs(model, steps: 6, batch: 3, seed: 6)
        let whole = try forward(model, inputs: inputs, precision: precision)
        var stream = try StepSession(model, batch: 3, precision: precision)
        var last: [String: Tensor] = [:]
        for t in 0..<6 {
          var step = t == 0 ? inputs : [:]
          step["x"] = inputs["x"]!.rows(t..<(t + 1))
          last = try stream.step(step)
          #expect(last["y"] == whole["y"]!.rows(t..<(t + 1)), "\(specification.text), step \(t)")
        }
        #expect(last["h"] != nil && last["h"] == whole["h"])
        #expect((last["c"] != nil) == (specification.cell == .lstm) && last["c"] == whole["c"])
      }
    }
  }

  @Test(arguments: specifications.indices.filter { specifications[$0].direction == .forward })
  func `A state that was kept goes on with the same bits`(_ index: Int) throws {
    let specification = specifications[index]
    for precision in Precision.allCases {
      let model = specification.model(seed: 5, initialStates: true)
      let inputs = randomInputs(model, steps: 4, batch: 3, seed: 6)
      func step(_ t: Int) -> [String: Tensor] {
        (t == 0 ? inputs : [:]).merging(["x": inputs["x"]!.rows(t..<(t + 1))]) { $1 }
      }
      var stream = try StepSession(model, batch: 3, precision: precision)
      for t in 0..<2 { _ = try stream.step(step(t)) }
      let kept = stream.state
      var other = try StepSession(model, batch: 3, precision: precision)
      try other.restore(kept)
      #expect(other.state == kept)
      for t in 2..<4 { #expect(try other.step(step(t)) == stream.step(step(t))) }
      // From the start again.
      try other.restore([:])
      let first = try forward(
        model, inputs: inputs.merging(["x": inputs["x"]!.rows(0..<1)]) { $1 }, precision: precision)
      #expect(try other.step(step(0)) == first)
    }
  }

  @Test func `A state that does not fit is refused by name, and changes nothing`() throws {
    let lstm = LayerSpecification(.lstm)
    var generator = SeededGenerator(seed: 4)
    var upper = lstm
    upper.inputSize = lstm.hiddenSize
    // Two layers of one name.
    let model = Model(
      inputs: [.sequence("x", features: 3)], outputs: [.sequence("z", features: upper.hiddenSize)],
      layers: [
        Layer("lstm", .recurrent(lstm.layer(&generator)), inputs: ["x"], outputs: ["y"]),
        Layer("lstm", .recurrent(upper.layer(&generator)), inputs: ["y"], outputs: ["z"]),
      ])
    var stream = try StepSession(model, batch: 1, precision: .float32)
    _ = try stream.step(["x": generator.tensor([1, 1, 3])])
    let state = stream.state
    #expect(state.keys.sorted() == ["lstm#2.cell", "lstm#2.hidden", "lstm.cell", "lstm.hidden"])
    var wrong = state
    wrong["lstm#2.cell"] = nil
    #expect(throws: ForwardError.missingState("lstm#2.cell")) { try stream.restore(wrong) }
    wrong["lstm#2.cell"] = generator.tensor([2, 4])
    #expect(throws: ForwardError.self) { try stream.restore(wrong) }
    wrong = state.merging(["other": generator.tensor([1])]) { $1 }
    #expect(throws: ForwardError.unknownInput("other")) { try stream.restore(wrong) }
    #expect(stream.state == state)
  }

  @Test func `A stack from tokens to the last step's scores streams`() throws {
    var generator = SeededGenerator(seed: 9)
    let (lower, upper) = (LayerSpecification(.lstm), LayerSpecification(.gru(resetAfter: true)))
    var upperSpecification = upper
    upperSpecification.inputSize = 4
    let model = Model(
      inputs: [integerPort("ids", hasTime: true)], outputs: [.vector("scores", features: 5)],
      layers: [
        Layer("table", .embedding(table: generator.tensor([7, 3])), inputs: ["ids"], outputs: ["x"]),
        Layer("lower", .recurrent(lower.layer(&generator)), inputs: ["x"], outputs: ["y"]),
        Layer("upper", .recurrent(upperSpecification.layer(&generator)), inputs: ["y"], outputs: ["z"]),
        Layer("last", .select(.step(-1)), inputs: ["z"], outputs: ["v"]),
        Layer(
          "head", .dense(weight: generator.tensor([5, 4]), bias: generator.tensor([5])), inputs: ["v"],
          outputs: ["scores"]),
      ])
    let ids = Tensor([3, 1, -1, 0, 6, 2] as [Int64], shape: [3, 2])
    var stream = try StepSession(model, batch: 2, precision: .float32)
    for t in 0..<3 {
      let sofar = try forward(model, inputs: ["ids": ids.rows(0..<(t + 1))], precision: .float32)
      #expect(try stream.step(["ids": ids.rows(t..<(t + 1))]) == sofar)
    }
  }

  @Test func `Models that need the whole sequence are refused, naming the layer`() throws {
    for direction in [Direction.reverse, .bidirectional] {
      var specification = LayerSpecification(.rnn)
      specification.direction = direction
      #expect(
        throws: ForwardError.cannotStream(layer: "layer", reason: "it starts at the end of the sequence")
      ) { try StepSession(specification.model(seed: 1), batch: 1, precision: .float32) }
    }
    #expect(throws: ForwardError.cannotStream(layer: "layer", reason: "it has lengths")) {
      try StepSession(LayerSpecification(.rnn).model(seed: 1, lengths: true), batch: 1, precision: .float32)
    }
    for selection in [Selection.mean, .max, .step(0)] {
      #expect(throws: ForwardError.cannotStream(layer: "layer", reason: "it needs the whole sequence")) {
        try StepSession(
          model(.select(selection), [.sequence("x", features: 1)], .vector("y", features: 1)), batch: 1,
          precision: .float32)
      }
    }
    var generator = SeededGenerator(seed: 1)
    var specification = LayerSpecification(.rnn)
    specification.inputSize = 4
    let decoder = Model(
      inputs: [.sequence("x", features: 4)], outputs: [.sequence("z", features: 4)],
      layers: [
        Layer("encoder", .recurrent(specification.layer(&generator)), inputs: ["x"], outputs: ["y", "h"]),
        Layer(
          "decoder", .recurrent(specification.layer(&generator)), inputs: ["x", nil, "h"], outputs: ["z"]),
      ])
    #expect(
      throws: ForwardError.cannotStream(
        layer: "decoder", reason: "its initial state depends on the sequence")
    ) { try StepSession(decoder, batch: 1, precision: .float32) }
  }

  @Test func `A step of two steps, another batch or a late state is refused, and the stream goes on`() throws
  {
    let model = LayerSpecification(.rnn).model(seed: 1, initialStates: true)
    let inputs = randomInputs(model, steps: 2, batch: 2, seed: 1)
    var stream = try StepSession(model, batch: 2, precision: .float32)
    #expect(throws: ForwardError.wrongShape(port: "x", expected: "[T, B, 3]", found: [2, 2, 3])) {
      try stream.step(inputs)
    }
    let first = ["x": inputs["x"]!.rows(0..<1), "h0": inputs["h0"]!]
    #expect(throws: ForwardError.missingInput(port: "h0")) { try stream.step(["x": first["x"]!]) }
    _ = try stream.step(first)
    #expect(throws: ForwardError.inputAfterStart(port: "h0")) { try stream.step(first) }
    let one = Tensor([1, 2, 3] as [Float], shape: [1, 1, 3])
    #expect(throws: ForwardError.batchMismatch(source: "port 'x'", expected: 2, found: 1)) {
      try stream.step(["x": one])
    }
    let last = try stream.step(["x": inputs["x"]!.rows(1..<2)])
    #expect(last["h"] == (try forward(model, inputs: inputs, precision: .float32)["h"]))
  }
}
