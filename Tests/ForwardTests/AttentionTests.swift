import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

/// Attention by products, held against loops over every index.
@Suite struct AttentionTests {
  private func network(heads: Int, depth: Int, width: Int) -> Model {
    let ports: [Model.Port] = [
      .sequence("q", features: heads * depth), .sequence("k", features: heads * depth),
      .sequence("v", features: heads * width),
    ]
    return model(.attention(Attention(heads: heads)), ports, .sequence("y", features: heads * width))
  }

  /// What a Float64 pass gives; those of Float32, and of any noise, are within a narrow bound of it.
  private func bounded(
    _ network: Model, _ inputs: [String: Tensor], case index: Int
  ) throws -> [Double] {
    let bound = try boundedForward(network, inputs: inputs, rounding: .float32)["y"]!
    #expect(bound.errors.allSatisfy { $0 < 1e-4 }, "case \(index)")
    #expect(isWithin(try forward(network, inputs: inputs, precision: .float32)["y"]!.doubles, bound))
    for noise in Noise.allCases {
      let perturbed = try perturbedForward(
        network, inputs: inputs, rounding: .float32, noise: noise, seed: UInt64(index))["y"]!
      #expect(isWithin(perturbed.doubles, bound), "case \(index), noise \(noise)")
    }
    return try forward(network, inputs: inputs, precision: .float64)["y"]!.doubles
  }

  @Test func `Each query takes the values by how alike it is to their keys`() throws {
    var generator = SeededGenerator(seed: 41)
    for index in 0..<40 {
      let (heads, depth, width) = (
        Int.random(in: 1...3, using: &generator), Int.random(in: 1...4, using: &generator),
        Int.random(in: 1...4, using: &generator)
      )
      let (steps, sources) = (
        Int.random(in: 1...5, using: &generator), Int.random(in: 1...6, using: &generator)
      )
      let network = network(heads: heads, depth: depth, width: width)
      let inputs = [
        "q": generator.tensor([steps, 2, heads * depth], scale: 2),
        "k": generator.tensor([sources, 2, heads * depth], scale: 2),
        "v": generator.tensor([sources, 2, heads * width], scale: 3),
      ]
      let found = try bounded(network, inputs, case: index)
      let (q, k, v) = (inputs["q"]!.doubles, inputs["k"]!.doubles, inputs["v"]!.doubles)
      for t in 0..<steps {
        for b in 0..<2 {
          for h in 0..<heads {
            let powers = (0..<sources).map { s in
              exp(
                (0..<depth).reduce(0) {
                  $0 + q[(t * 2 + b) * heads * depth + h * depth + $1]
                    * k[(s * 2 + b) * heads * depth + h * depth + $1]
                })
            }
            for e in 0..<width {
              let sum = (0..<sources).reduce(0) {
                $0 + powers[$1] * v[($1 * 2 + b) * heads * width + h * width + e]
              }
              let expected = sum / powers.reduce(0, +)
              #expect(abs(found[(t * 2 + b) * heads * width + h * width + e] - expected) < 1e-10)
            }
          }
        }
      }
    }
  }

  @Test func `Keys without values, heads that do not fit, and vectors are refused`() throws {
    var generator = SeededGenerator(seed: 42)
    let network = network(heads: 2, depth: 2, width: 1)
    #expect(throws: ForwardError.stepsMismatch(layer: "layer", expected: 3, found: 2)) {
      try forward(
        network,
        inputs: [
          "q": generator.tensor([4, 1, 4]), "k": generator.tensor([3, 1, 4]),
          "v": generator.tensor([2, 1, 2]),
        ], precision: .float32)
    }
    for (heads, ports) in [
      (3, [Model.Port.sequence("q", features: 4), .sequence("k", features: 4), .sequence("v", features: 6)]),
      (0, [.sequence("q", features: 4), .sequence("k", features: 4), .sequence("v", features: 4)]),
      (1, [.sequence("q", features: 4), .sequence("k", features: 3), .sequence("v", features: 4)]),
      (1, [.sequence("q", features: 4), .vector("k", features: 4), .sequence("v", features: 4)]),
      (1, [.sequence("q", features: 4), .sequence("k", features: 4)]),
    ] {
      #expect(throws: ModelError.self) {
        try model(.attention(Attention(heads: heads)), ports, .sequence("y", features: 4)).validated()
      }
    }
    #expect(Attention(heads: 1).reasonNotToStream([], varying: []) != nil)
  }

  /// Of a query those keys alone that a mask shows and that do not lie behind it.
  @Test(arguments: [false, true], [false, true])
  func `Keys that a mask hides, or that come later, have no part in the sum`(
    _ isCausal: Bool, _ isMasked: Bool
  ) throws {
    var generator = SeededGenerator(seed: 43)
    for index in 0..<20 {
      let (heads, depth, width) = (2, Int.random(in: 1...4, using: &generator), 3)
      let (steps, sources) = (
        Int.random(in: 1...6, using: &generator), Int.random(in: 1...6, using: &generator)
      )
      var network = network(heads: heads, depth: depth, width: width)
      network.layers[0].operation = .attention(Attention(heads: heads, isCausal: isCausal))
      var inputs = [
        "q": generator.tensor([steps, 2, heads * depth], scale: 2),
        "k": generator.tensor([sources, 2, heads * depth], scale: 2),
        "v": generator.tensor([sources, 2, heads * width], scale: 3),
      ]
      // The first key is shown, so that every query sees one.
      let shown = (0..<(sources * 2)).map { $0 < 2 || Bool.random(using: &generator) }
      if isMasked {
        network.inputs.append(.sequence("m", features: 1))
        network.layers[0].inputs.append("m")
        inputs["m"] = Tensor(shown.map { $0 ? 1 : 0 as Float }, shape: [sources, 2, 1])
      }
      let found = try bounded(network, inputs, case: index)
      let (q, k, v) = (inputs["q"]!.doubles, inputs["k"]!.doubles, inputs["v"]!.doubles)
      for t in 0..<steps {
        for b in 0..<2 {
          for h in 0..<heads {
            var (total, sums) = (0.0, [Double](repeating: 0, count: width))
            for s in 0..<sources where (!isCausal || s <= t) && (!isMasked || shown[s * 2 + b]) {
              var score = 0.0
              for d in 0..<depth {
                score +=
                  q[(t * 2 + b) * heads * depth + h * depth + d]
                  * k[(s * 2 + b) * heads * depth + h * depth + d]
              }
              total += exp(score)
              for e in 0..<width {
                sums[e] += exp(score) * v[(s * 2 + b) * heads * width + h * width + e]
              }
            }
            for e in 0..<width {
              let place = (t * 2 + b) * heads * width + h * width + e
              #expect(abs(found[place] - sums[e] / total) < 1e-10)
            }
          }
        }
      }
    }
  }

  @Test
  func `A query that sees no key is no number, a mask of two features and one of other steps are refused`()
    throws
  {
    var network = network(heads: 1, depth: 2, width: 2)
    network.inputs.append(.sequence("m", features: 1))
    network.layers[0].inputs.append("m")
    var generator = SeededGenerator(seed: 44)
    var inputs = [
      "q": generator.tensor([2, 1, 2]), "k": generator.tensor([2, 1, 2]), "v": generator.tensor([2, 1, 2]),
      "m": Tensor([0, 0] as [Float], shape: [2, 1, 1]),
    ]
    let found = try forward(network, inputs: inputs, precision: .float32)["y"]!.doubles
    #expect(found.allSatisfy { $0.isNaN })
    let bound = try boundedForward(network, inputs: inputs, rounding: .float32)["y"]!
    #expect(bound.errors.allSatisfy { $0 == .infinity })
    // Before the first key that is shown a causal query sees none.
    network.layers[0].operation = .attention(Attention(heads: 1, isCausal: true))
    inputs["m"] = Tensor([0, 1] as [Float], shape: [2, 1, 1])
    let later = try forward(network, inputs: inputs, precision: .float32)["y"]!.doubles
    #expect(later.prefix(2).allSatisfy { $0.isNaN } && later.suffix(2).allSatisfy { $0.isFinite })
    inputs["m"] = Tensor([0, 1, 1] as [Float], shape: [3, 1, 1])
    #expect(throws: ForwardError.stepsMismatch(layer: "layer", expected: 2, found: 3)) {
      try forward(network, inputs: inputs, precision: .float32)
    }
    network.inputs[3] = .sequence("m", features: 2)
    #expect(throws: ModelError.self) { try network.validated() }
    #expect(Attention(heads: 1, isCausal: true).reasonNotToStream([], varying: []) != nil)
  }
}
