import Foundation
import TestSupport
import Testing

/// `extract`, and `convert --like`: what they say, and what they refuse.
@Suite struct PartTests {
  static let export = Repository.fixtures.appending(path: "onnx/torch-legacy-lstm-bi-bf-norm/model.onnx").path
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func `a part says what it is, and runs`() throws {
    let part = folder.path("part.onnx")
    let outcome = try Tool.run("extract", Self.export, "--layers", "/recurrent/LSTM", "-o", part)
    #expect(outcome.code == 0, "\(outcome)")
    for words in [
      "nodes    1 of", "input    ", "output   ", "verified identical: the part alone and in the whole graph",
    ] {
      #expect(outcome.output.contains(words), "'\(words)' is missing: \(outcome)")
    }
    #expect(try Tool.run("inspect", part).output.contains("LSTM"))
    let again = try Tool.run("extract", Self.export, "--layers", "/recurrent/LSTM", "-o", part)
    #expect(again.code == 2 && again.error.contains("--force"), "\(again)")
    let json = try Tool.run(
      "extract", Self.export, "--layers", "/recurrent/LSTM", "-o", part, "--force", "--json"
    ).json()
    #expect(json["nodes"] as? Int == 1 && (json["verifiedRuns"] as? Int ?? 0) >= 1, "\(json)")
    let unknown = try Tool.run("extract", Self.export, "--layers", "LSTM", "-o", folder.path("x.onnx"))
    #expect(unknown.code == 2 && unknown.error.contains("'/recurrent/LSTM'"), "\(unknown)")
  }

  @Test func `new weights in an old export say where each went, and what is proven`() throws {
    let (weights, target) = (folder.path("w.pt"), folder.path("new.onnx"))
    #expect(try Tool.run("convert", Self.export, weights).code == 0)
    let outcome = try Tool.run("convert", weights, target, "--like", Self.export)
    #expect(outcome.code == 0, "\(outcome)")
    for words in [
      "onnx::LSTM_206 ← recurrent.weight_ih_l0, recurrent.weight_ih_l0_reverse, gates i,f,g,o → i,o,f,g",
      "onnx::MatMul_208 ← linear.weight, transposed", "verified 4 modules", "recurrent",
    ] { #expect(outcome.output.contains(words), "'\(words)' is missing: \(outcome)") }
    let json = try Tool.run("convert", weights, target, "--like", Self.export, "--json", "--force").json()
    let transfer = try #require(json["transfer"] as? [String: Any])
    #expect(
      (transfer["placements"] as? [Any])?.count == 9 && (transfer["unproven"] as? [Any])?.isEmpty == true,
      "\(transfer)")
    let wrong = try Tool.run("convert", Self.export, target, "--like", weights, "--force")
    #expect(wrong.code == 2 && wrong.error.contains("holds its own graph"), "\(wrong)")
  }

  @Test func `an architecture in words makes a model of modules that names cannot tell`() throws {
    let weights = folder.path("w.pt")
    #expect(try Tool.run("convert", Self.export, weights).code == 0)
    let text = #"{"steps": [{"recurrent": "recurrent", "mode": "LSTM"}, {"linear": "linear"}]}"#
    let path = try folder.write(Array(text.utf8), to: "model.json")
    let outcome = try Tool.run("inspect", weights, "--architecture", path)
    #expect(outcome.code == 0 && outcome.output.contains("architecture: as it was given"), "\(outcome)")
    #expect(!outcome.output.contains("LayerNormalization"), "\(outcome)")
    for (text, word) in [
      (#"{"steps": [{"conv": "recurrent"}]}"#, "no convolution"), (#"{"steps": 1}"#, "no steps"),
      ("{", "expected a key"),
      (#"{"steps": [{"pool": "max", "kernel": [2], "stride": [0]}]}"#, "stride"),
      (#"{"steps": [{"pool": "max", "kernel": [2, 2]}]}"#, "axes is missing"),
    ] {
      let path = try folder.write(Array(text.utf8), to: "bad.json")
      let outcome = try Tool.run("inspect", weights, "--architecture", path)
      #expect(outcome.code == 4 && outcome.error.contains(word), "\(outcome)")
    }
    let both = try Tool.run("inspect", weights, "--architecture", path, "--select", "last")
    #expect(both.code == 4 && both.error.contains("--select"), "\(both)")
  }
}
