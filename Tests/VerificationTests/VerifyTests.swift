import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Verification

/// Sides made of canonical models; the formats' own evaluators are compared in RNNConvTests.
@Suite struct VerifyTests {
  private func subject(_ model: Model, _ name: String, _ evaluated: Model? = nil) -> Subject {
    let runs = evaluated ?? model
    return Subject(name: name, model: model, inputNames: model.inputs.map(\.name)) { inputs, precision in
      try forward(runs, inputs: inputs, precision: precision)
    }
  }

  private func changed(_ model: Model, _ change: (inout RecurrentLayer) -> Void) -> Model {
    var model = model
    guard case .recurrent(var layer) = model.layers[0].operation else { return model }
    change(&layer)
    model.layers[0].operation = .recurrent(layer)
    return model
  }

  private func report(_ left: Model, _ right: Model) throws -> VerificationReport {
    try verify(
      subject(left, "left"), subject(right, "right"), probes: try Probe.generated(for: left, seed: 1), seed: 1
    )
  }

  static let cells: [Cell] = [.rnn, .lstm, .gru(resetAfter: false), .gru(resetAfter: true)]

  @Test(arguments: cells, Direction.allCases)
  func aModelIsIdenticalToItself(_ cell: Cell, _ direction: Direction) throws {
    var specification = LayerSpecification(cell)
    specification.direction = direction
    let model = specification.model(seed: 4, lengths: true, initialStates: true)
    #expect(try report(model, model).verdict == .identical)
  }

  @Test(arguments: cells)
  func biasesMergedOnceAreEqualToFloat32(_ cell: Cell) throws {
    guard cell != .gru(resetAfter: true) else { return }  // there the two biases do different things
    var specification = LayerSpecification(cell)
    specification.hiddenSize = 12
    let model = changed(specification.model(seed: 5)) { layer in
      // Thirds, so that the sum needs rounding.
      let thirds = layer.directions[0].recurrentBias!.floats.map { $0 / 3 }
      layer.directions[0].recurrentBias = Tensor(thirds, shape: [thirds.count])
    }
    let merged = changed(model) { layer in
      let sum = zip(layer.directions[0].inputBias!.floats, layer.directions[0].recurrentBias!.floats).map {
        $0 + $1
      }
      layer.directions[0].inputBias = Tensor(sum, shape: [sum.count])
      layer.directions[0].recurrentBias = nil
    }
    let report = try report(model, merged)
    #expect(report.verdict == .equal)
    #expect(report.outputs.contains { $0.widened > 0 }, "one rounding of a bias is more than Float64's")
  }

  @Test(arguments: cells)
  func aChangedWeightIsDifferent(_ cell: Cell) throws {
    let model = LayerSpecification(cell).model(seed: 6)
    let other = changed(model) { layer in
      var values = layer.directions[0].recurrentWeight.floats
      values[0] += 0.01
      layer.directions[0].recurrentWeight = Tensor(values, shape: layer.directions[0].recurrentWeight.shape)
    }
    let report = try report(model, other)
    #expect(report.verdict == .different)
    #expect(report.outputs.contains { $0.firstOutside != nil })
    #expect(report.reasons.contains { $0.contains("first leaves its bound") })
  }

  @Test func aWrongGateOrderIsDifferent() throws {
    let model = LayerSpecification(.lstm).model(seed: 7)
    let swapped = changed(model) { layer in
      let wrong = GateOrder(.input, .forget, .output, .candidate)
      layer.directions[0].inputWeight = wrong.reorder(layer.directions[0].inputWeight, to: .lstm)
    }
    #expect(try report(model, swapped).verdict == .different)
  }

  /// A planted importer's mistake: reader and writer agree, only the file's own evaluator tells.
  @Test func anImportThatMisunderstandsItsFileIsDifferent() throws {
    let model = LayerSpecification(.lstm).model(seed: 8)
    let misread = changed(model) { layer in
      let wrong = GateOrder(.input, .forget, .output, .candidate)
      layer.directions[0].recurrentWeight = wrong.reorder(layer.directions[0].recurrentWeight, to: .lstm)
    }
    // The file computes `model`; both canonical models are misread alike.
    let report = try verify(
      subject(misread, "left", model), subject(misread, "right", model),
      probes: try Probe.generated(for: misread, seed: 1))
    #expect(report.verdict == .different)
    #expect(report.reasons.contains { $0.contains("the import is wrong") })
  }

  @Test func notANumberNeverPasses() throws {
    let model = LayerSpecification(.rnn).model(seed: 9)
    let broken = Subject(name: "right", model: model, inputNames: ["x"]) { inputs, precision in
      try forward(model, inputs: inputs, precision: precision).mapValues { tensor in
        Tensor([Double](repeating: .nan, count: tensor.count), shape: tensor.shape)
      }
    }
    let report = try verify(subject(model, "left"), broken, probes: try Probe.generated(for: model, seed: 1))
    #expect(report.verdict == .different)
  }

  @Test func anExpandingRecurrenceIsInconclusiveAndNeverDressedUpAsEqual() throws {
    var specification = LayerSpecification(.rnn)
    specification.hiddenSize = 16
    specification.scale = 8
    let model = specification.model(seed: 10)
    // Within reach of no bound: a recurrence that amplifies every rounding, over 400 steps.
    var generator = SeededGenerator(seed: 1)
    let probe = Probe(name: "long", inputs: ["x": generator.tensor([400, 1, 3])])
    let run = try forward(model, inputs: probe.inputs, precision: .float32)
    let report = try verify(
      subject(model, "left"), expected: run, from: "recorded", probe: probe, rounding: .float32)
    #expect(report.verdict == .inconclusive)
    #expect(report.reasons.contains { $0.contains("the recurrence expands (the recurrent kernel of gate") })
  }

  @Test func whereTheWorstCaseSaysNothingPerturbedPassesDecide() throws {
    for scale in [2, 3] {
      var specification = LayerSpecification(.rnn)
      specification.hiddenSize = 16
      specification.scale = Float(scale)
      let model = specification.model(seed: 1)
      var generator = SeededGenerator(seed: 1)
      let probe = Probe(name: "long", inputs: ["x": generator.tensor([60, 1, 3])])
      func report(_ model: Model, recorded: Model) throws -> VerificationReport {
        try verify(
          subject(model, "left"),
          expected: try forward(recorded, inputs: probe.inputs, precision: .float32), from: "recorded",
          probe: probe, rounding: .float32)
      }
      let right = try report(model, recorded: model)
      #expect(right.verdict == .equal && right.outputs.allSatisfy { $0.stochastic > 0 })
      #expect(right.reasons.contains { $0.contains("evidence, not proof") })
      let other = changed(model) { layer in
        var values = layer.directions[0].recurrentWeight.floats
        values[0] += 0.01
        layer.directions[0].recurrentWeight = Tensor(values, shape: layer.directions[0].recurrentWeight.shape)
      }
      #expect(try report(model, recorded: other).verdict >= .inconclusive)
    }
  }

  /// Where a bound is lost, tanh still keeps the output within [−1, 1]; but 0, its middle, is no pass's number.
  @Test func anEnvelopeIsAroundThePassNotTheMiddleOfAnInterval() throws {
    var specification = LayerSpecification(.lstm)
    specification.hiddenSize = 16
    specification.scale = 4
    var decided = 0
    for seed in [2, 3] as [UInt64] {
      let model = specification.model(seed: seed)
      var generator = SeededGenerator(seed: seed)
      let probe = Probe(name: "long", inputs: ["x": generator.tensor([300, 1, 3])])
      let report = try verify(
        subject(model, "left"), expected: try forward(model, inputs: probe.inputs, precision: .float32),
        from: "recorded", probe: probe, rounding: .float32)
      for output in report.outputs {
        #expect(output.outsideEnvelope == 0, "seed \(seed)")
        decided += output.stochastic
      }
    }
    #expect(decided > 0)
  }

  @Test func aToleranceGivesCloseAtBest() throws {
    let model = LayerSpecification(.rnn).model(seed: 11)
    let other = changed(model) { layer in
      let values = layer.directions[0].inputWeight.floats.map { $0 * 1.0001 }
      layer.directions[0].inputWeight = Tensor(values, shape: layer.directions[0].inputWeight.shape)
    }
    let report = try verify(
      subject(model, "left"), subject(other, "right"), probes: try Probe.generated(for: model, seed: 1),
      tolerance: Tolerance(absolute: 0.1))
    #expect(report.verdict == .close)
  }

  @Test func differentNumbersOfOutputsAreAnError() throws {
    let model = LayerSpecification(.lstm).model(seed: 12)
    var fewer = model
    fewer.outputs.removeLast()
    #expect(throws: VerificationError.self) { try report(model, fewer) }
  }

  @Test func probesKeepSizesThatTheModelFixesAndRepeatWithTheirSeed() throws {
    var model = LayerSpecification(.lstm).model(seed: 13)
    model.inputs[0].axes[0].size = 5
    model.inputs[0].axes[1].size = 2
    let probes = try Probe.generated(for: model, seed: 3)
    #expect(probes.allSatisfy { $0.inputs["x"]!.shape == [5, 2, 3] })
    #expect(try probes == Probe.generated(for: model, seed: 3))
    #expect(try probes != Probe.generated(for: model, seed: 4))
  }

  @Test func verdictsHaveTheDocumentedExitCodes() {
    #expect(Verdict.allCases.map(\.exitCode) == [0, 0, 0, 5, 1])
    #expect(Verdict.identical < .equal && Verdict.close < .different)
  }
}
