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
    /// Whose outputs move.
    var moved = 0
    var noticed = 0
    var named = 0
    var certain = 0
    var wronglyCertain = 0
    var failures: [String] = []
  }

  /// How many models each mistake is made in: RNNCONV_MUTATIONS asks for more than CI's, and prints the table.
  static let asked = ProcessInfo.processInfo.environment["RNNCONV_MUTATIONS"].flatMap { Int($0) }
  static let count = asked ?? 10

  /// Of these the suspect's own numbers are all there, so that the model can be mended.
  static let mendable = [
    "gate-order", "kernel-transposed", "kernel-reshaped", "kernels-swapped", "layers-swapped",
    "directions-swapped", "update-complement", "peephole-order", "bias-twice", "biases-swapped", "reset-form",
    "hard-sigmoid", "candidate-activation", "output-activation", "gate-activation", "coupling",
    "direction-flipped", "axes-swapped", "states-swapped", "byte-order",
  ]

  /// What these lost is not in the model that suffered them: outputs alone cannot have it named.
  static let lossy: Set = [
    "peepholes-dropped", "bias-lost", "bias-repeated", "activations-lost", "clip-dropped",
    "initial-state-ignored", "precision-lost",
  ]

  /// A model and one with the mistake made in it at a random place.
  private func pair(
    _ mistake: Mistake, _ seed: UInt64, salt: UInt64, size: Int = 3
  ) -> (right: Model, wrong: (place: String, model: Model))? {
    let right = MutationModels.model(for: mistake.id, seed: seed, size: size)
    var generator = SeededGenerator(seed: seed &+ salt)
    return mistake.apply(to: right).randomElement(using: &generator).map { (right, $0) }
  }

  /// Both sides have models: the mistake is made in the left one.
  @Test(arguments: Mistake.all.map(\.id))
  func `a known mistake between two models is noticed and named, and never misnamed`(_ id: String) throws {
    let mistake = try #require(Mistake.named(id))
    var tally = Tally()
    for seed in 0..<UInt64(Self.count) {
      guard let (right, wrong) = pair(mistake, seed, salt: 77) else { continue }
      tally.made += 1
      try check(right, wrong, mistake, seed, &tally)
    }
    tally.show("two models", id)
    try tally.expectNamed(id, of: Self.count)
  }

  @Test(arguments: Mistake.all.map(\.id))
  func `so it is in models of realistic size`(_ id: String) throws {
    let mistake = try #require(Mistake.named(id))
    var tally = Tally()
    for (seed, size) in zip(UInt64(0)..., [24, 40, 64]) {
      guard let (right, wrong) = pair(mistake, seed, salt: 81, size: size) else { continue }
      tally.made += 1
      try check(right, wrong, mistake, seed, &tally)
    }
    tally.show("realistic size", id)
    try tally.expectNamed(id, of: 3)
  }

  private func check(
    _ right: Model, _ wrong: (place: String, model: Model), _ mistake: Mistake, _ seed: UInt64,
    _ tally: inout Tally
  ) throws {
    let what = "\(mistake.id), seed \(seed), \(wrong.place)"
    let probes = try Probe.generated(for: right, seed: seed)
    let outcome = Result { () throws(VerificationError) in
      try verify(side(right, "trusted"), side(wrong.model, "suspect"), probes: probes, seed: seed)
    }
    // Bytes the other way round can be no number: refused, which is better than named.
    if case .failure(.notFinite) = outcome { return }
    let report = try outcome.get()
    let isMoved = try right.moves(wrong.model, on: probes)
    if isMoved { tally.expectNoticed(report.verdict, what) }
    guard isMoved || report.verdict == .different else { return }
    let diagnosis =
      try report.diagnosis
      ?? diagnose(
        left: side(right, "trusted"), right: side(wrong.model, "suspect"), probes: probes)
    tally.add(diagnosis, mistake.id, what, right, wrong)
    #expect(diagnosis.mended == nil || diagnosis.isCertain, "\(what)")
    if Self.mendable.contains(mistake.id), diagnosis.isCertain { #expect(diagnosis.mended != nil, "\(what)") }
    if let mended = diagnosis.mended {
      let check = try verify(
        side(right, "trusted"), side(mended, "mended"), probes: probes, isDiagnosing: false)
      #expect(check.verdict < .different, "\(what): \(check.reasons)")
    }
  }

  /// The suspect was written by somebody who keeps one bias, so that no bias agrees bit for bit.
  @Test(arguments: Mistake.all.map(\.id))
  func `a known mistake in a model that is written differently is named, and never misnamed`(
    _ id: String
  ) throws {
    let mistake = try #require(Mistake.named(id))
    var tally = Tally()
    for seed in 0..<UInt64(Self.count) {
      guard let (right, wrong) = pair(mistake, seed, salt: 79) else { continue }
      tally.made += 1
      let suspect = wrong.model.keepingOneBias()
      let probes = try Probe.generated(for: right, seed: seed)
      guard try right.moves(suspect, on: probes) else { continue }
      let diagnosis = try diagnose(
        left: side(right, "trusted"), right: side(suspect, "suspect"), probes: probes)
      tally.add(diagnosis, id, "\(id), seed \(seed), \(wrong.place)", right, wrong)
    }
    tally.show("written differently", id)
    try tally.expectNamed(id, of: Self.count)
  }

  /// One number of one tensor is changed, which no mistake of the catalogue does.
  @Test func `what is no known mistake is given no name`() throws {
    for seed in 0..<UInt64(Self.count * 5) {
      let right = MutationModels.model(for: "gate-order", seed: seed)
      var generator = SeededGenerator(seed: seed &+ 80)
      let (wrong, _) = right.changingOneNumber(by: 0.25, using: &generator)
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
      guard let (right, wrong) = pair(mistake, seed, salt: 78) else { continue }
      tally.made += 1
      let probe = try Probe.generated(for: right, seed: seed).last!
      let expected = try forward(right, inputs: probe.inputs, precision: .float32)
      let report = try verify(
        side(wrong.model, "suspect"), expected: expected, from: "recorded", probe: probe, rounding: .float32)
      guard report.verdict == .different else { continue }
      tally.moved += 1
      let canBeUndone = !mistake.undo(in: wrong.model).isEmpty
      tally.add(
        try #require(report.diagnosis), id, "\(id), seed \(seed), \(wrong.place)", right, wrong,
        mustBeNamed: canBeUndone)
    }
    tally.show("recorded outputs", id)
    try #require(tally.moved > 0, "\(id) never made a difference")
    if Self.lossy.contains(id) {
      tally.expectMade(id, of: Self.count)
      #expect(tally.noticed == 0, "\(id) was taken back: what was lost, and from where?")
    } else {
      try tally.expectNamed(id, of: Self.count)
    }
  }
}

extension MutationTests.Tally {
  /// What moves the outputs must be noticed.
  mutating func expectNoticed(_ verdict: Verdict, _ what: String) {
    moved += 1
    #expect(verdict == .different, "\(what): moves the outputs, and is '\(verdict)'")
  }

  mutating func add(
    _ diagnosis: Diagnosis, _ id: String, _ what: String, _ right: Model,
    _ wrong: (place: String, model: Model),
    mustBeNamed: Bool = true
  ) {
    // A backward half that runs forward is a layer of its own in the suspect, and flipped.
    let names = id == "half-not-reversed" ? [id, "direction-flipped"] : [id]
    let isNamed = diagnosis.explanations.contains { explanation in
      // One change may have two names.
      names.contains(explanation.mistake)
        || Mistake.named(explanation.mistake)?.apply(to: right).contains {
          $0.place == explanation.place && $0.model == wrong.model
        } ?? false
    }
    if diagnosis.isCertain, !isNamed {
      wronglyCertain += 1
      failures.append("\(what): \(diagnosis.summary)")
    }
    guard mustBeNamed else { return }
    noticed += 1
    if isNamed { named += 1 } else { failures.append("\(what): \(diagnosis.summary)") }
    if diagnosis.isCertain, isNamed { certain += 1 }
  }

  /// Of as many models nearly all were made wrong, and nothing else was blamed for it.
  func expectMade(_ id: String, of count: Int) {
    #expect(10 * made >= 9 * count, "\(id) was made \(made) times only")
    #expect(wronglyCertain == 0, "\(failures)")
  }

  /// And what was noticed was named.
  func expectNamed(_ id: String, of count: Int) throws {
    expectMade(id, of: count)
    try #require(noticed > 0, "\(id) was never noticed")
    #expect(Double(named) >= 0.99 * Double(noticed), "\(failures)")
  }

  func show(_ kind: String, _ id: String) {
    guard MutationTests.asked != nil else { return }
    print("| \(kind) | \(id) | \(made) | \(noticed) | \(named) | \(certain) | \(wronglyCertain) |")
  }
}
