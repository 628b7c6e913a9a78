import Forward
import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing
import Verification

@Suite struct DiagnosisTests {
  private func report(_ left: Model, _ right: Model) throws -> VerificationReport {
    try verify(side(left, "left"), side(right, "right"), probes: try Probe.generated(for: left, seed: 1))
  }

  private func made(_ id: String, _ model: Model, _ place: String) throws -> Model {
    let ways = try #require(Mistake.named(id)).apply(to: model)
    return try #require(ways.first { $0.place.contains(place) }, "\(ways.map(\.place))").model
  }

  @Test func `ids are unique and every mistake is documented`() throws {
    #expect(Set(Mistake.all.map(\.id)).count == Mistake.all.count)
    let text = try String(
      contentsOf: Repository.root.appending(path: "docs/diagnosis.md"), encoding: .utf8)
    for mistake in Mistake.all { #expect(text.contains("`\(mistake.id)`"), "\(mistake.id)") }
  }

  @Test func `ONNX's order read as PyTorch's is named, placed and mended`() throws {
    let model = LayerSpecification(.lstm).model(seed: 3)
    let wrong = try made("gate-order", model, "ONNX order i,o,f,g taken for PyTorch and Keras order i,f,g,o")
    let diagnosis = try #require(try report(model, wrong).diagnosis)
    #expect(diagnosis.isCertain)
    #expect(diagnosis.explanations.first?.evidence == .weights)
    #expect(diagnosis.summary.contains("ONNX order i,o,f,g taken for PyTorch and Keras order i,f,g,o"))
    #expect(diagnosis.places.contains { $0.contains("first differs at step 0") }, "\(diagnosis.places)")
    #expect(diagnosis.places.contains { $0.contains("holds the left model's") }, "\(diagnosis.places)")
    #expect(try report(model, #require(diagnosis.mended)).verdict == .identical)
  }

  @Test func `an importer's swapped gates are named although both sides agree`() throws {
    let model = LayerSpecification(.lstm).model(seed: 4)
    let misread = try made("gate-order", model, "ONNX order i,o,f,g taken for Core ML order i,f,o,g")
    func file(_ name: String) -> Subject {
      Subject(name: name, model: misread, inputNames: ["x"]) { inputs, precision in
        try forward(model, inputs: inputs, precision: precision)
      }
    }
    let report = try verify(file("a"), file("b"), probes: try Probe.generated(for: model, seed: 1))
    #expect(report.verdict == .different)
    let diagnosis = try #require(report.diagnosis)
    #expect(diagnosis.isCertain && diagnosis.suspect == "the import of a", "\(diagnosis.summary)")
    #expect(diagnosis.explanations.first?.mistake == "gate-order")
    #expect(diagnosis.mended == model)
  }

  @Test func `what the left side lost is told to be the left side's`() throws {
    let model = LayerSpecification(.lstm).model(seed: 5)
    let poorer = try made("bias-lost", model, "the recurrent bias")
    let diagnosis = try #require(try report(poorer, model).diagnosis)
    #expect(diagnosis.isCertain && diagnosis.suspect == "left", "\(diagnosis.summary)")
  }

  @Test(arguments: [Cell.rnn, .lstm, .gru(resetAfter: true)])
  func `lengths are told to be ignored where the suspect has no such input any more`(_ cell: Cell) throws {
    let model = LayerSpecification(cell).model(seed: 6, lengths: true)
    let wrong = LayerSpecification(cell).model(seed: 6)
    let report = try report(model, wrong)
    #expect(report.reasons.contains("right does not read the input 'lengths' of left"))
    let diagnosis = try #require(report.diagnosis)
    #expect(diagnosis.isCertain, "\(diagnosis.summary)")
    #expect(diagnosis.explanations.map(\.mistake) == ["lengths-ignored"])
    // What was lost is in the left model only, which is no mended suspect.
    #expect(diagnosis.mended == nil)
  }

  @Test func `a change that is no known mistake is not named`() throws {
    let model = LayerSpecification(.gru(resetAfter: true)).model(seed: 6)
    let other = LayerSpecification(.gru(resetAfter: true)).model(seed: 7)
    let diagnosis = try #require(try report(model, other).diagnosis)
    #expect(diagnosis.explanations.isEmpty && !diagnosis.isCertain && diagnosis.mended == nil)
    #expect(diagnosis.summary.contains("none of the known mistakes"))
    #expect(diagnosis.places.contains { $0.contains("layer 'layer'") })
  }

  @Test func `where several explain the data none is certain`() throws {
    // Both biases are alike, so doubling either gives the same sum.
    var model = LayerSpecification(.lstm).model(seed: 8)
    model = model.changingRecurrent { $0.directions[0].recurrentBias = $0.directions[0].inputBias }
    let ways = try #require(Mistake.named("bias-twice")).undo(in: model)
    let right = try #require(ways.first { $0.place.contains("the input bias") }).model
    let probe = try Probe.generated(for: model, seed: 1).last!
    let expected = try forward(right, inputs: probe.inputs, precision: .float64)
    let diagnosis = try diagnose(
      side(model, "suspect"), expected: expected, from: "recorded", probe: probe, rounding: .float64)
    #expect(diagnosis.explanations.count == 2 && !diagnosis.isCertain && diagnosis.mended == nil)
    #expect(diagnosis.summary.hasPrefix("several"), "\(diagnosis.summary)")
  }

  @Test func `the first layer that differs is named`() throws {
    let model = MutationModels.model(for: "layers-swapped", seed: 0)
    let wrong = try made("kernel-reshaped", model, "layer 'second': the input kernel")
    let diagnosis = try #require(try report(model, wrong).diagnosis)
    #expect(diagnosis.places.contains { $0.hasPrefix("layer 'second' is the first") }, "\(diagnosis.places)")
    #expect(diagnosis.isCertain)
  }

  @Test func `mistakes that can be taken back are`() throws {
    for mistake in Mistake.all {
      let model = MutationModels.model(for: mistake.id, seed: 1)
      let wrong = try #require(mistake.apply(to: model).first, "\(mistake.id)")
      let undone = mistake.undo(in: wrong.model)
      if ["half-not-reversed", "output-not-reversed", "halves-swapped"].contains(mistake.id) { continue }
      #expect(undone.isEmpty == MutationTests.lossy.contains(mistake.id), "\(mistake.id)")
      if undone.isEmpty { continue }
      let probes = try Probe.generated(for: model, seed: 1)
      let isBack = try undone.contains {
        try verify(side(model, "a"), side($0.model, "b"), probes: probes, isDiagnosing: false).verdict
          <= .equal
      }
      #expect(isBack, "\(mistake.id) at \(wrong.place)")
    }
  }
}

@Suite struct PowerTests {
  @Test func `random weights and inputs notice every mistake that can be made`() throws {
    let model = LayerSpecification(.lstm).model(seed: 1, lengths: true, initialStates: true)
    let report = try power(of: model, name: "m", probes: try Probe.generated(for: model, seed: 1))
    let made = report.mistakes.filter { $0.ways > 0 && $0.mistake != "precision-lost" }
    #expect(made.count > 10)
    for item in made { #expect(item.noticed > 0, "\(item)") }
    #expect(report.mistakes.contains { $0.mistake == "gate-order" && $0.noticed == $0.ways })
  }

  @Test func `one step, zero biases and full lengths are told as what makes inputs blind`() throws {
    var specification = LayerSpecification(.lstm)
    specification.biases = false
    let model = specification.model(seed: 2, lengths: true)
    var generator = SeededGenerator(seed: 3)
    let probe = Probe(
      name: "one",
      inputs: ["x": generator.tensor([1, 1, 3]), "lengths": Tensor([1] as [Int64], shape: [1])])
    let report = try power(of: model, name: "m", probes: [probe])
    let items = Dictionary(uniqueKeysWithValues: report.mistakes.map { ($0.mistake, $0) })
    #expect(items["direction-flipped"]?.noticed == 0)
    #expect(items["direction-flipped"]?.reasons == ["every sequence has one step (T = 1)"])
    #expect(items["lengths-ignored"]?.reasons.contains("every row is as long as the sequence") == true)
    #expect(items["bias-lost"]?.ways == 0)
  }
}
