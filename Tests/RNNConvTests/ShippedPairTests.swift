import Foundation
import RNNConv
import TestSupport
import Testing

/// fixtures/flow: a vanilla RNN and an LSTM trained alike to name the first of 64 tokens (fixtures/make_flow.py).
@Suite struct ShippedPairTests {
  private static let pair = try! RecordedCase.all(in: Repository.fixtures.appending(path: "flow"))

  private func flow(_ name: String) throws -> GradientFlow {
    let recorded = try #require(Self.pair.first { $0.name == name })
    return try ModelFile.open(recorded.model).gradientFlow(inputs: recorded.inputs()).flows[0]
  }

  @Test func `Both give what PyTorch recorded, and the LSTM alone names the first token`() throws {
    #expect(Self.pair.map(\.name) == ["lstm", "rnn"])
    var right: [String: Int] = [:]
    for recorded in Self.pair {
      let file = try ModelFile.open(recorded.model)
      let outputs = try recorded.outputs()
      expectWithinBound(file, try recorded.inputs(), outputs, recorded.name, runtime: .pytorch)
      let first = try #require(recorded.inputs()["x"]).rows(0..<1).floats
      let answers = try #require(outputs["output"]).floats
      func token(_ values: [Float], _ row: Int) -> Int {
        let four = Array(values[(row * 4)..<(row * 4 + 4)])
        return four.firstIndex(of: four.max()!)!
      }
      right[recorded.name] = (0..<8).filter { token(answers, $0) == token(first, $0) }.count
    }
    #expect(right["lstm"] == 8 && right["rnn"]! < 6, "\(right)")
  }

  @Test func `The RNN's gradient vanishes long before the first token, the LSTM's reaches it`() throws {
    let (rnn, lstm) = (try flow("rnn"), try flow("lstm"))
    guard case .vanishes(let halfLife) = rnn.verdict else {
      Issue.record("\(rnn.verdict)")
      return
    }
    #expect(halfLife < 8)
    #expect(rnn.stateNorms[64] < -3)
    #expect(lstm.stateNorms[64] > rnn.stateNorms[64] + 3)
    #expect(lstm.verdict == .stable && lstm.cellNorms.allSatisfy { $0 > -1 })
    #expect(lstm.exponents[0] > rnn.exponents[0])
    // What carries it: some units whose forget gate stays open.
    let forget = try #require(lstm.gates.first { $0.gate == .forget })
    #expect(forget.units.upperBound > 0.95)
  }

  @Test func `Given inputs are cut to their first steps, made-up ones have as many as asked for`() throws {
    let recorded = Self.pair[0]
    let file = try ModelFile.open(recorded.model)
    let inputs = try recorded.inputs()
    let x = try #require(inputs["x"])
    let cut = try file.gradientFlow(inputs: inputs, length: 20)
    #expect(try cut.flows == file.gradientFlow(inputs: ["x": x.rows(0..<20)]).flows)
    #expect(cut.flows[0].steps == 20 && cut.seed == nil)
    #expect(throws: RNNConvError.self) { try file.gradientFlow(inputs: inputs, length: 65) }
    let made = try file.gradientFlow(length: 12, seed: 3)
    #expect(made.flows[0].steps == 12 && made.seed == 3)
    #expect(try made.flows == file.gradientFlow(length: 12, seed: 3).flows)
    #expect(try made.flows != file.gradientFlow(length: 12, seed: 4).flows)
  }

  /// Batch before time, tokens, lengths, states, both directions: each direction has all its steps.
  @Test(arguments: [
    "torch-legacy-lstm-bf-last-dyn", "torch-legacy-lstm-tagger", "torch-legacy-lstm-bi-packed-dyn",
    "torch-legacy-gru-2-bi-bf-dyn", "hand-gru-before-hard-sigmoid", "hand-lstm-hard-sigmoid",
  ])
  func `Sequences are made up for whatever a model takes`(name: String) throws {
    let path = Repository.fixtures.appending(path: "onnx/\(name)/model.onnx").path
    let report = try ModelFile.open(path).gradientFlow()
    #expect(!report.flows.isEmpty)
    for flow in report.flows {
      #expect(flow.stateNorms.count == flow.steps + 1 && flow.steps == report.flows[0].steps)
      #expect(
        flow.stateNorms.allSatisfy { !$0.isNaN } && flow.exponents.count == flow.outputSize + flow.cellSize)
    }
  }
}
