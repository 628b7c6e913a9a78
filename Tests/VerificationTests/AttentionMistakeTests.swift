import Forward
import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Verification

/// Causal attention of 64 features over 50 steps, against loops of its own with the mistakes that people make.
@Suite struct AttentionMistakeTests {
  private static let (features, heads, steps, batch) = (64, 4, 50, 2)

  /// Queries are scaled by 1/√d, d = 16, as torch does; what is read is `[T, B, 64]`.
  private static var model: Model {
    let width = Double(features / heads)
    return Model(
      inputs: ["q", "k", "v"].map { .sequence($0, features: features) },
      outputs: [.sequence("y", features: features)],
      layers: [
        Layer(
          "scale",
          .arithmetic(
            .multiply, constant: Tensor([Float(1 / width.squareRoot())], shape: [1]), constantFirst: false),
          inputs: ["q"], outputs: ["scaled"]),
        Layer(
          "attend", .attention(Attention(heads: heads, isCausal: true)), inputs: ["scaled", "k", "v"],
          outputs: ["y"]),
      ])
  }

  private struct Textbook {
    /// Of query t the keys up to t + reach.
    var reach = 0
    var scale = 1 / Double(features / heads).squareRoot()
    /// Whether features of the heads alternate.
    var alternates = false

    func callAsFunction(_ inputs: [String: Tensor], _ precision: Precision) throws -> Tensor {
      let (q, k, v) = (inputs["q"]!.doubles, inputs["k"]!.doubles, inputs["v"]!.doubles)
      let steps = inputs["q"]!.shape[0]
      var y = [Double](repeating: 0, count: q.count)
      for b in 0..<batch {
        for h in 0..<heads {
          func place(_ step: Int, _ d: Int) -> Int {
            (step * batch + b) * features + (alternates ? d * heads + h : h * (features / heads) + d)
          }
          for t in 0..<steps {
            // The first query of a mask that hides its own step looks at it all the same.
            let last = min(steps - 1, max(0, t + reach))
            let powers = (0...last).map { s in
              exp(
                (0..<(features / heads)).reduce(0) { $0 + q[place(t, $1)] * k[place(s, $1)] } * scale)
            }
            let total = powers.reduce(0, +)
            for d in 0..<(features / heads) {
              let sum = powers.indices.reduce(0) { $0 + powers[$1] * v[place($1, d)] }
              y[place(t, d)] = sum / total
            }
          }
        }
      }
      let exact = Tensor(y, shape: [steps, batch, features])
      return precision == .float64 ? exact : try exact.converted(to: .float32).tensor
    }
  }

  private func verdict(_ textbook: Textbook) throws -> Verdict {
    let model = Self.model
    let right = Subject(name: "layer", model: model, inputNames: ["q", "k", "v"]) { inputs, precision in
      try forward(model, inputs: inputs, precision: precision)
    }
    let other = Subject(name: "loops", model: model, inputNames: ["q", "k", "v"]) { inputs, precision in
      ["y": try textbook(inputs, precision)]
    }
    var generator = SeededGenerator(seed: 9)
    let shape = [Self.steps, Self.batch, Self.features]
    let probe = Probe(
      name: "random",
      inputs: ["q": generator.tensor(shape), "k": generator.tensor(shape), "v": generator.tensor(shape)])
    return try verify(right, other, probes: [probe], seed: 1).verdict
  }

  @Test func `loops over every index are equal`() throws {
    #expect(try verdict(Textbook()) <= .equal)
  }

  @Test
  func
    `a mask off by one, no mask, a scale of d in place of its root, and heads that alternate are different`()
    throws
  {
    let d = Double(Self.features / Self.heads)
    for (words, wrong) in [
      ("one too many", Textbook(reach: 1)), ("one too few", Textbook(reach: -1)),
      ("no mask", Textbook(reach: Self.steps)), ("scale", Textbook(scale: 1 / d)),
      ("no scale", Textbook(scale: 1)), ("heads", Textbook(alternates: true)),
    ] {
      #expect(try verdict(wrong) == .different, "\(words)")
    }
  }
}
