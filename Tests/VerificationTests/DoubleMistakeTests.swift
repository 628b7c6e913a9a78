import Forward
import Recurrent
import Tensors
import TestSupport
import Testing
import Verification

/// What is certain must be right: a second small mistake, and changes that change nothing, make nothing certain.
@Suite struct DoubleMistakeTests {
  private func diagnosis(_ left: Model, _ right: Model) throws -> Diagnosis {
    try diagnose(
      left: side(left, "trusted"), right: side(right, "suspect"),
      probes: try Probe.generated(for: left, seed: 1))
  }

  /// The evaluator's 1,526 double mistakes blamed the trusted file five times.
  @Test(arguments: [Float(1e-4), 3e-7, 0.3])
  func `a known mistake and one number that is off besides are never certain`(_ change: Float) throws {
    let ids = [
      "gate-order", "kernel-transposed", "kernel-reshaped", "kernels-swapped", "directions-swapped",
      "layers-swapped",
      "bias-twice", "bias-lost", "update-complement", "direction-flipped", "reset-form", "clip-dropped",
      "peephole-order",
    ]
    var made = 0
    for id in ids {
      let mistake = try #require(Mistake.named(id))
      for seed in 0..<UInt64(MutationTests.count) {
        let model = MutationModels.model(for: id, seed: seed)
        var generator = SeededGenerator(seed: seed &+ 90)
        guard let wrong = mistake.apply(to: model).randomElement(using: &generator) else { continue }
        let (suspect, role) = wrong.model.changingOneNumber(by: change, using: &generator)
        // What is off by less than a merged bias is rounded by is no second mistake.
        if change < 1e-6, role.contains("ias") { continue }
        made += 1
        let found = try diagnosis(model, suspect)
        #expect(
          !found.isCertain && found.mended == nil,
          "\(id), seed \(seed), \(wrong.place), \(role): \(found.summary)")
        #expect(found.suspect == "suspect", "\(id), seed \(seed)")
        #expect(!found.places.isEmpty)
      }
    }
    try #require(made > 50)
  }

  @Test func `a transposed kernel with one number off besides is told as that`() throws {
    var specification = LayerSpecification(.lstm)
    specification.direction = .bidirectional
    let model = specification.model(seed: 1)
    let wrong = try #require(
      Mistake.named("kernel-transposed")?.apply(to: model).first {
        $0.place == "layer 'layer', reverse: the recurrent kernel, gate by gate"
      }
    ).model.changingRecurrent { layer in
      var values = layer.directions[1].recurrentWeight!.floats
      values[4 * 8 + 1] += 1e-4
      layer.directions[1].recurrentWeight = Tensor(values, shape: [16, 4])
    }
    let found = try diagnosis(model, wrong)
    #expect(
      found.places.contains {
        $0.hasPrefix(
          "layer 'layer', reverse.recurrentWeight: transposed gate by gate; 1 number differs besides (first at [8, 1]: "
        )
      }, "\(found.places)")
  }

  /// A unit that is alone has nothing that could be transposed, and few numbers that could not be anything.
  @Test(arguments: Cell.all)
  func `models of one unit that differ by no known mistake are certain of none`(_ cell: Cell) throws {
    for seed in 0..<40 as Range<UInt64> {
      var specification = LayerSpecification(cell)
      (specification.inputSize, specification.hiddenSize) = (1, 1)
      let model = specification.model(seed: seed)
      var generator = SeededGenerator(seed: seed)
      let (wrong, _) = model.changingOneNumber(by: 0.25, using: &generator)
      #expect(try diagnosis(model, wrong).explanations.isEmpty, "seed \(seed)")
      // Recorded outputs of another model.
      let probe = try Probe.generated(for: model, seed: seed).last!
      let expected = try forward(wrong, inputs: probe.inputs, precision: .float32)
      let found = try diagnose(side(model, "suspect"), expected: expected, from: "recorded", probe: probe)
      #expect(!found.isCertain, "seed \(seed): \(found.summary)")
    }
  }

  /// Both halves of a bidirectional layer alike, all gates alike: what is exchanged is the same.
  @Test func `an exchange of equal parts explains nothing`() throws {
    var specification = LayerSpecification(.lstm)
    specification.direction = .bidirectional
    var generator = SeededGenerator(seed: 5)
    let model = specification.model(seed: 5).changingRecurrent { layer in
      let gate = layer.directions[0].inputWeight.rows(0..<4)
      layer.directions[0].inputWeight = Tensor.concatenated([gate, gate, gate, gate])
      layer.directions[0].recurrentWeight = Tensor.concatenated(
        Array(repeating: layer.directions[0].recurrentWeight!.rows(0..<4), count: 4))
      layer.directions[0].inputBias = nil
      layer.directions[0].recurrentBias = nil
      layer.directions[1] = layer.directions[0]
    }
    let (wrong, _) = model.changingOneNumber(by: 0.25, using: &generator)
    #expect(try diagnosis(model, wrong).explanations.isEmpty)
  }
}
