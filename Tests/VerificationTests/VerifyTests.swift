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
    guard case .recurrent(var layer) = model.layers[0].operation else { preconditionFailure("no layer") }
    change(&layer)
    model.layers[0].operation = .recurrent(layer)
    return model
  }

  private func report(_ left: Model, _ right: Model) throws -> VerificationReport {
    try verify(
      subject(left, "left"), subject(right, "right"), probes: try Probe.generated(for: left, seed: 1), seed: 1
    )
  }

  static let cells: [Cell] = Cell.all

  @Test(arguments: cells, Direction.allCases)
  func aModelIsIdenticalToItself(_ cell: Cell, _ direction: Direction) throws {
    var specification = LayerSpecification(cell)
    specification.direction = direction
    let model = specification.model(seed: 4, lengths: true, initialStates: true)
    #expect(try report(model, model).verdict == .identical)
  }

  @Test(arguments: [Cell.rnn, .lstm, .gru(resetAfter: false)])
  func biasesMergedOnceAreEqualAndThatIsStated(_ cell: Cell) throws {
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
    let structure = try #require(report.structure)
    #expect(structure.outcome == .rounded)
    #expect(structure.differences.map(\.role) == ["forward.bias"])
    #expect(structure.differences.map(\.relation) == [.rounded(.merged)])
    #expect(report.reasons.contains { $0.contains("two biases added to one") }, "\(report.reasons)")
    #expect(report.reasons.contains { $0.contains("this moves output") }, "\(report.reasons)")
  }

  @Test(arguments: cells)
  func aChangedWeightIsDifferent(_ cell: Cell) throws {
    let model = LayerSpecification(cell).model(seed: 6)
    let other = changed(model) { layer in
      var values = layer.directions[0].inputWeight.floats
      values[0] += 0.01
      layer.directions[0].inputWeight = Tensor(values, shape: layer.directions[0].inputWeight.shape)
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
      layer.directions[0].recurrentWeight = wrong.reorder(layer.directions[0].recurrentWeight!, to: .lstm)
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

  @Test func recordedOutputsAreJudgedByNoiseWhereTheWorstCaseSaysNothing() throws {
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
      #expect(
        !right.outputs.isEmpty && right.outputs.allSatisfy { $0.stochastic > 0 && $0.noiseMultiple < 9 })
      #expect(right.verdict < .different)
      let other = changed(model) { layer in
        var values = layer.directions[0].recurrentWeight!.floats
        values[0] += 0.01
        layer.directions[0].recurrentWeight = Tensor(
          values, shape: layer.directions[0].recurrentWeight!.shape)
      }
      #expect(try report(model, recorded: other).verdict >= .inconclusive)
    }
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

  @Test func otherNumbersOfOutputsAreDifferent() throws {
    let model = LayerSpecification(.lstm).model(seed: 12)
    var fewer = model
    fewer.outputs.removeLast()
    let report = try report(model, fewer)
    #expect(report.verdict == .different)
    #expect(report.reasons.contains { $0.contains("the outputs differ") }, "\(report.reasons)")
  }

  @Test func aNumberThatIsNoneIsNamed() throws {
    for (value, role) in [(Float.nan, "recurrentWeight"), (.infinity, "recurrentWeight")] {
      let model = changed(LayerSpecification(.gru(resetAfter: true)).model(seed: 14)) { layer in
        var values = layer.directions[0].recurrentWeight!.floats
        values[5] = value
        layer.directions[0].recurrentWeight = Tensor(
          values, shape: layer.directions[0].recurrentWeight!.shape)
      }
      do {
        _ = try report(model, model)
        Issue.record("\(value) passed")
      } catch let error as VerificationError {
        #expect(error.description.contains("forward.\(role) holds \(value)"), "\(error)")
      }
    }
  }

  @Test func whatTheSuspectIsUnsureOfIsNotAllowed() throws {
    // Two biases of 5e5 that leave a wrong sum: its own Float32 bound is wider than its mistake.
    let model = LayerSpecification(.rnn).model(seed: 15)
    let other = changed(model) { layer in
      let sums = zip(layer.directions[0].inputBias!.floats, layer.directions[0].recurrentBias!.floats)
        .map { $0 + $1 + 0.15 }
      layer.directions[0].inputBias = Tensor(sums.map { _ in Float(5e5) }, shape: [sums.count])
      layer.directions[0].recurrentBias = Tensor(sums.map { $0 - 5e5 }, shape: [sums.count])
    }
    let report = try report(model, other)
    #expect(report.verdict == .different && report.structure?.outcome == .different)
  }

  /// Rows of a table that no probe draws.
  @Test func aWeightThatNoOutputShowsIsDifferentAllTheSame() throws {
    var table = (0..<400).map { Float($0) / 400 }
    func model() -> Model {
      Model(
        inputs: [
          Model.Port(
            name: "t", value: "t", elementType: .int64, kind: .tokens,
            axes: [PortAxis([.time]), PortAxis([.batch])])
        ],
        outputs: [
          Model.Port(
            name: "y", value: "y", elementType: .float32, kind: .sequence(features: 2),
            axes: [
              PortAxis([.time]), PortAxis([.batch]), PortAxis([.features(stride: 1, count: 2)], size: 2),
            ])
        ],
        layers: [
          Layer(
            "embedding", .embedding(table: Tensor(table, shape: [200, 2])), inputs: ["t"], outputs: ["y"])
        ])
    }
    let right = model()
    let drawn = Set(try Probe.generated(for: right, seed: 1).flatMap { try $0.inputs["t"]!.integers() })
    let row = try #require((0..<200).first { !drawn.contains(Int64($0)) })
    table[2 * row] += 1
    let report = try report(right, model())
    #expect(report.verdict == .different)
    #expect(!report.outputs.isEmpty && report.outputs.allSatisfy { $0.maxDeviation == 0 })
    #expect(report.reasons.contains { $0.contains("first at [\(row), 0]") }, "\(report.reasons)")
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

  @Test func verdictsAreOrderedFromBestToWorst() {
    #expect(Verdict.identical < .equal && Verdict.close < .different)
  }
}
