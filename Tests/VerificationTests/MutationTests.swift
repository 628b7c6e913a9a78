import Forward
import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing
import Verification

/// Every known mistake, made in random models: it is noticed, and named.
@Suite struct MutationTests {
  /// How one mistake fared.
  struct Tally {
    var made = 0
    var noticed = 0
    var named = 0
    var certain = 0
    var wronglyCertain = 0
    var failures: [String] = []
  }

  /// How many models each mistake is made in: RNNCONV_MUTATIONS asks for more than CI's, and prints the table.
  static let asked = ProcessInfo.processInfo.environment["RNNCONV_MUTATIONS"].flatMap { Int($0) }
  static let count = asked ?? 10

  /// Both sides have models: the mistake is made in the left one.
  @Test(arguments: Mistake.all.map(\.id))
  func `a known mistake between two models is noticed and named, and never misnamed`(_ id: String) throws {
    let mistake = try #require(Mistake.named(id))
    var tally = Tally()
    for seed in 0..<UInt64(Self.count) {
      let right = MutationModels.model(for: id, seed: seed)
      var generator = SeededGenerator(seed: seed &+ 77)
      guard let wrong = mistake.apply(to: right).randomElement(using: &generator) else { continue }
      tally.made += 1
      let report = try verify(
        side(right, "trusted"), side(wrong.model, "suspect"),
        probes: try Probe.generated(for: right, seed: seed), seed: seed)
      guard report.verdict == .different else { continue }
      let diagnosis = try #require(report.diagnosis)
      tally.add(diagnosis, id, "\(id), seed \(seed), \(wrong.place)")
      #expect((diagnosis.mended != nil) == diagnosis.isCertain)
      if let mended = diagnosis.mended {
        let check = try verify(
          side(right, "trusted"), side(mended, "mended"), probes: try Probe.generated(for: right, seed: seed),
          isDiagnosing: false)
        #expect(check.verdict < .different, "\(id), seed \(seed), \(wrong.place): \(check.reasons)")
      }
    }
    tally.show("two models", id)
    #expect(tally.made >= Self.count * 9 / 10, "\(id) was made \(tally.made) times only")
    #expect(tally.wronglyCertain == 0, "\(tally.failures)")
    #expect(Double(tally.named) >= 0.99 * Double(tally.noticed), "\(tally.failures)")
  }

  /// The suspect was written by somebody who keeps one bias, so no weights agree bit for bit: outputs alone tell.
  @Test(arguments: Mistake.all.map(\.id))
  func `a known mistake in a model that is written differently is named, and never misnamed`(
    _ id: String
  ) throws {
    let mistake = try #require(Mistake.named(id))
    var tally = Tally()
    for seed in 0..<UInt64(Self.count) {
      let right = MutationModels.model(for: id, seed: seed)
      var generator = SeededGenerator(seed: seed &+ 79)
      guard let wrong = mistake.apply(to: right).randomElement(using: &generator) else { continue }
      tally.made += 1
      let report = try verify(
        side(right, "trusted"), side(wrong.model.keepingOneBias(), "suspect"),
        probes: try Probe.generated(for: right, seed: seed), seed: seed)
      guard report.verdict == .different else { continue }
      let diagnosis = try #require(report.diagnosis)
      // Without its other bias a model has the weights of one that never had two.
      if id != "bias-lost" { #expect(diagnosis.explanations.allSatisfy { $0.evidence == .outputs }) }
      tally.add(diagnosis, id, "\(id), seed \(seed), \(wrong.place)")
    }
    tally.show("written differently", id)
    #expect(tally.wronglyCertain == 0, "\(tally.failures)")
    #expect(Double(tally.named) >= 0.99 * Double(tally.noticed), "\(tally.failures)")
  }

  /// One number of one tensor is changed, which no mistake of the catalogue does.
  @Test func `what is no known mistake is given no name`() throws {
    for seed in 0..<UInt64(Self.count * 5) {
      let right = MutationModels.model(for: "gate-order", seed: seed)
      var generator = SeededGenerator(seed: seed &+ 80)
      let chosen = Int.random(in: 0..<right.tensors.count, using: &generator)
      var wrong = right
      var number = 0
      for index in wrong.layers.indices {
        wrong.layers[index].operation = wrong.layers[index].operation.mapTensors { tensor in
          defer { number += 1 }
          guard number == chosen else { return tensor }
          var values = tensor.floats
          values[Int.random(in: values.indices, using: &generator)] += 0.25
          return Tensor(values, shape: tensor.shape)
        }
      }
      let report = try verify(
        side(right, "trusted"), side(wrong, "suspect"), probes: try Probe.generated(for: right, seed: seed))
      #expect(report.verdict == .different, "seed \(seed)")
      #expect(report.diagnosis?.explanations == [], "seed \(seed): \(report.diagnosis?.summary ?? "")")
    }
  }

  /// Only the right outputs are known: the mistake is taken back in the suspect.
  @Test(arguments: Mistake.all.map(\.id))
  func `a known mistake against recorded outputs is never misnamed`(_ id: String) throws {
    let mistake = try #require(Mistake.named(id))
    var tally = Tally()
    for seed in 0..<UInt64(Self.count) {
      let right = MutationModels.model(for: id, seed: seed)
      var generator = SeededGenerator(seed: seed &+ 78)
      guard let wrong = mistake.apply(to: right).randomElement(using: &generator) else { continue }
      tally.made += 1
      let probe = try Probe.generated(for: right, seed: seed)[0]
      let expected = try forward(right, inputs: probe.inputs, precision: .float32)
      let report = try verify(
        side(wrong.model, "suspect"), expected: expected, from: "recorded", probe: probe, rounding: .float32)
      guard report.verdict == .different else { continue }
      let canBeUndone = !mistake.undo(in: wrong.model).isEmpty
      tally.add(
        try #require(report.diagnosis), id, "\(id), seed \(seed), \(wrong.place)", mustBeNamed: canBeUndone)
    }
    tally.show("recorded outputs", id)
    #expect(tally.wronglyCertain == 0, "\(tally.failures)")
    #expect(Double(tally.named) >= 0.99 * Double(tally.noticed), "\(tally.failures)")
  }
}

extension MutationTests.Tally {
  mutating func add(_ diagnosis: Diagnosis, _ id: String, _ what: String, mustBeNamed: Bool = true) {
    // A backward half that runs forward is a layer of its own in the suspect, and flipped.
    let names = id == "half-not-reversed" ? [id, "direction-flipped"] : [id]
    let isNamed = diagnosis.explanations.contains { names.contains($0.mistake) }
    if diagnosis.isCertain, !isNamed {
      wronglyCertain += 1
      failures.append("\(what): \(diagnosis.summary)")
    }
    guard mustBeNamed else { return }
    noticed += 1
    if isNamed { named += 1 } else { failures.append("\(what): \(diagnosis.summary)") }
    if diagnosis.isCertain, isNamed { certain += 1 }
  }

  func show(_ kind: String, _ id: String) {
    guard MutationTests.asked != nil else { return }
    print("| \(kind) | \(id) | \(made) | \(noticed) | \(named) | \(certain) | \(wronglyCertain) |")
  }
}
