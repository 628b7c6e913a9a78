import Forward
import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing

/// Bigrams: the next token's scores are a row of the table. Beams can be checked by trying every sequence.
private struct Bigrams {
  static let stop = 0
  let scores: [[Double]]
  let maxSteps: Int

  enum Head { case none, softmax, logSoftmax }

  func model(_ head: Head = .none) -> Model {
    let table = Tensor(scores.flatMap { $0 }, shape: [scores.count, scores.count])
    var body = [Layer("table", .embedding(table: table), inputs: ["token"], outputs: ["scores"])]
    switch head {
    case .none: break
    case .softmax: body.append(Layer("head", .softmax, inputs: ["scores"], outputs: ["p"]))
    case .logSoftmax: body.append(Layer("head", .logSoftmax, inputs: ["scores"], outputs: ["p"]))
    }
    body.append(Layer("best", .argMax, inputs: [head == .none ? "scores" : "p"], outputs: ["next"]))
    let generate = Generate(
      body: body, carried: [.init(input: "token", output: "next", kind: .tokens)],
      collected: ["next", "scores"], stop: .init(value: "next", token: Int64(Self.stop), padding: -1),
      maxSteps: maxSteps)
    return Model(
      inputs: [.indices("first")],
      outputs: [.tokens("tokens"), .sequence("scores", features: scores.count), .indices("steps")],
      layers: [Layer("loop", .generate(generate), inputs: ["first"], outputs: ["tokens", "scores", "steps"])])
  }

  private func logProbability(_ last: Int, _ next: Int) -> Double {
    scores[last][next] - log(scores[last].map { exp($0) }.reduce(0, +))
  }

  /// The best of all sequences that end with the stop token or have all steps.
  func best(from first: Int, penalty alpha: Double) -> [Int] {
    var best: (tokens: [Int], rank: Double) = ([], -.infinity)
    func visit(_ tokens: [Int], _ last: Int, _ sum: Double) {
      if !tokens.isEmpty, tokens.last == Self.stop || tokens.count == maxSteps {
        let rank = sum / pow((5 + Double(tokens.count)) / 6, alpha)
        if rank > best.rank { best = (tokens, rank) }
        return
      }
      for next in scores.indices { visit(tokens + [next], next, sum + logProbability(last, next)) }
    }
    visit([], first, 0)
    return best.tokens
  }

  static func random(seed: UInt64, vocabulary: Int = 4, maxSteps: Int = 4) -> Bigrams {
    var generator = SeededGenerator(seed: seed)
    return Bigrams(
      scores: (0..<vocabulary).map { _ in generator.floats(vocabulary, scale: 2).map { Double($0) } },
      maxSteps: maxSteps)
  }
}

@Suite struct BeamTests {
  private func tokens(_ model: Model, _ first: [Int64], _ beam: Beam) throws -> [[Int]] {
    let found = try beamForward(
      model, inputs: ["first": Tensor(first, shape: [first.count])], precision: .float64, beam: beam)
    let (tokens, steps) = (try found["tokens"]!.integers(), try found["steps"]!.integers())
    return first.indices.map { row in (0..<Int(steps[row])).map { Int(tokens[$0 * first.count + row]) } }
  }

  @Test(arguments: [0, 0.6, 1, 2, -1])
  func `A beam that drops nothing finds the best of all sequences`(_ penalty: Double) throws {
    var longer = 0
    for seed in UInt64(0)..<12 {
      let bigrams = Bigrams.random(seed: seed)
      let found = try tokens(bigrams.model(), [1, 2, 3], Beam(width: 256, lengthPenalty: penalty))
      let expected = (1...3).map { bigrams.best(from: $0, penalty: penalty) }
      #expect(found == expected, "seed \(seed)")
      longer += found.filter { $0.count > 1 }.count
    }
    #expect(longer > 0)
  }

  @Test func `Two hypotheses escape what traps one`() throws {
    // From 1: 2 looks best (0.6) but then everything is even; 3 (0.4) surely stops.
    let bigrams = Bigrams(
      scores: [[0, 0, 0, 0], [-9, -9, log(0.6), log(0.4)], [0, 0, 0, 0], [9, -9, -9, -9]], maxSteps: 3)
    #expect(try tokens(bigrams.model(), [1], Beam(width: 1))[0].first == 2)
    #expect(try tokens(bigrams.model(), [1], Beam(width: 2)) == [[3, 0]])
    #expect(bigrams.best(from: 1, penalty: 0) == [3, 0])
  }

  @Test func `Probabilities and their logarithms are taken as such, scores through a softmax`() throws {
    for seed in UInt64(20)..<26 {
      let bigrams = Bigrams.random(seed: seed)
      let beam = Beam(width: 3, lengthPenalty: 0.6)
      let plain = try tokens(bigrams.model(), [1, 2, 3], beam)
      #expect(try tokens(bigrams.model(.softmax), [1, 2, 3], beam) == plain)
      #expect(try tokens(bigrams.model(.logSoftmax), [1, 2, 3], beam) == plain)
    }
  }

  @Test(arguments: [Cell.rnn, .lstm, .gru(resetAfter: true)])
  func `A beam of one is greedy, bit for bit, and every row is the row alone`(_ cell: Cell) throws {
    var generator = SeededGenerator(seed: 3)
    let model = GeneratingForm.captioning.model(cell, seed: 8)
    let features = generator.tensor([4, 5], scale: 2)
    let first = Tensor([Int64(0), 2, 3, 5], shape: [4])
    let inputs = ["features": features, "first": first]
    for precision in Precision.allCases {
      let greedy = try forward(model, inputs: inputs, precision: precision)
      #expect(
        try beamForward(model, inputs: inputs, precision: precision, beam: Beam(width: 1, lengthPenalty: 1))
          == greedy)
      let wide = try beamForward(model, inputs: inputs, precision: precision, beam: Beam(width: 3))
      for row in 0..<4 {
        let own = ["features": features.rows(row..<(row + 1)), "first": first.rows(row..<(row + 1))]
        let alone = try beamForward(model, inputs: own, precision: precision, beam: Beam(width: 3))
        let steps = Int(try alone["steps"]!.integers()[0])
        #expect(try wide["steps"]!.integers()[row] == Int64(steps))
        for (name, width) in [("tokens", 1), ("scores", 6)] {
          for step in 0..<steps {
            let ours = wide[name]!.doubles[((step * 4 + row) * width)..<((step * 4 + row + 1) * width)]
            #expect(Array(ours) == Array(alone[name]!.doubles[(step * width)..<((step + 1) * width)]))
          }
        }
      }
    }
  }

  @Test func `What cannot be searched is refused by name`() throws {
    let cases: [(Model, [String: Tensor], Beam, String)] = [
      (
        GeneratingForm.drawing.model(.rnn, seed: 1), ["start": Tensor([0, 0, 0] as [Float], shape: [1, 3])],
        Beam(width: 2), "0 tokens"
      ),
      (LayerSpecification(.rnn).model(seed: 1), [:], Beam(width: 2), "no loop"),
      (
        Bigrams.random(seed: 1).model(), ["first": Tensor([Int64(1)], shape: [1])], Beam(width: 0),
        "a beam of 0"
      ),
    ]
    for (model, inputs, beam, word) in cases {
      let error = #expect(throws: ForwardError.self, "\(word)") {
        _ = try beamForward(model, inputs: inputs, precision: .float32, beam: beam)
      }
      #expect(error?.description.contains(word) ?? false, "\(error?.description ?? "")")
    }
  }
}
