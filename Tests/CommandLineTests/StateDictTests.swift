import Foundation
import TestSupport
import Testing

/// Files of weights on the command line: what is inferred is shown, what is assumed is said, what decides is asked for.
@Suite struct StateDictTests {
  static let fixtures = Repository.fixtures.appending(path: "pytorch")
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func path(_ name: String) -> String { Self.fixtures.appending(path: name).path }

  private func json(at path: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(filePath: path))
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  @Test func `inspect lists how the architecture was found`() throws {
    let outcome = try Tool.run("inspect", path("classifier/model.pt"))
    #expect(outcome.code == 0, "\(outcome)")
    for line in [
      "inferred  rnn: GRU 5 → 4, 1 layer, forward", "inferred  fc: Linear 4 → 3",
      "settle it with --select", "settle it with --head", "settle it with --batch-first",
    ] { #expect(outcome.output.contains(line), "\(outcome)") }
    let json = try Tool.run("inspect", "--json", path("classifier/model.pt")).json()
    let findings = try #require(json["findings"] as? [[String: Any]])
    #expect(findings.compactMap { $0["option"] as? String } == ["--select", "--head", "--batch-first"])
  }

  @Test func `tensors are listed where no model can be made, and where one can`() throws {
    for (name, line) in [
      ("two-linears/model.pt", "rnn.weight_ih_l0  F32 [4, 5]"),
      ("gru-f16/model.pt", "weight_hh_l0  F16 [12, 4]"),
    ] {
      let outcome = try Tool.run("inspect", "--tensors", path(name))
      #expect(outcome.code == 0 && outcome.output.contains(line), "\(outcome)")
    }
    let json = try Tool.run("inspect", "--tensors", "--json", path("two-linears/model.pt")).json()
    let tensors = try #require(json["tensors"] as? [[String: Any]])
    #expect(tensors.count == 7 && tensors.first?["bytes"] as? Int == 80)
  }

  @Test func `a classifier goes to ONNX and is compared with what torch computed`() throws {
    let flags = ["--batch-first", "--select", "last", "--head", "softmax"]
    let converted = try Tool.run(["convert", path("classifier/model.pt"), folder.path("m.onnx")] + flags)
    #expect(converted.code == 0 && !converted.output.contains("assumed"), "\(converted)")
    let data = [
      "--input", path("classifier/inputs.npz"), "--expected", path("classifier/outputs.npz"), "--runtime",
      "pytorch",
    ]
    #expect(try Tool.run(["verify", folder.path("m.onnx")] + data).code == 0)
    let both = try Tool.run(["verify", path("classifier/model.pt"), folder.path("m.onnx")] + flags)
    #expect(both.code == 0 && both.output.contains("verdict: "), "\(both)")
    // Without the flags it is another model, and its outputs have another shape.
    #expect(try Tool.run(["verify", path("classifier/model.pt")] + data).code == 1)
  }

  @Test func `what was said of a file is replayed with it`() throws {
    let evidence = folder.path("proof.json")
    let made = try Tool.run(
      "verify", path("two-linears/model.pt"), "--head", "tanh,none", "--nonlinearity", "tanh", "--input",
      path("two-linears/inputs.npz"), "--expected", path("two-linears/outputs.npz"), "--evidence", evidence)
    #expect(made.code == 0, "\(made)")
    let replayed = try Tool.run("replay", evidence)
    #expect(replayed.code == 0 && replayed.output.contains("reproduced"), "\(replayed)")
    let request = try json(at: evidence)["request"] as? [String: Any]
    #expect((request?["architecture"] as? [String: Any])?["head"] as? [String] == ["tanh", "none"])
  }

  @Test func `each of two files may be told another thing`() throws {
    // Two places of one file, which alone does not say which is meant.
    let twice = path("lstm-twice/model.pt")
    let places = ["--key", "net.other", "--left-key", "net.raw", "--right-key", "net.ema"]
    for command in ["verify", "diff"] { #expect(try Tool.run([command, twice, twice] + places).code == 0) }
    let (one, half, evidence) = (
      path("classifier/model.pt"), folder.path("m.onnx"), folder.path("proof.json")
    )
    let other = ["--left-select", "last", "--right-select", "mean"]
    let differing = try Tool.run(["verify", one, one, "--no-diagnosis", "--evidence", evidence] + other)
    #expect(differing.code == 1 && differing.output.contains("verdict: "), "\(differing)")
    let replayed = try Tool.run("replay", evidence)
    #expect(replayed.code == 1 && replayed.output.hasPrefix("reproduced"), "\(replayed)")
    #expect(try Tool.run(["diff", one, one] + other).code == 1)
    #expect(try Tool.run("convert", one, half, "--batch-first", "--select", "last").code == 0)
    let blamed = try Tool.run("verify", one, half, "--left-batch-first", "--left-select", "hidden")
    #expect([0, 1].contains(blamed.code) && !blamed.output.contains("--select hidden:"), "\(blamed)")
    let wrong = try Tool.run("verify", one, half, "--left-select", "first")
    #expect(wrong.code == 2 && wrong.error.contains("--left-select first: use last"), "\(wrong)")
  }

  @Test func `evidence of shards holds each shard's hash`() throws {
    let evidence = folder.path("proof.json")
    let index = path("safetensors-sharded/model.safetensors.index.json")
    #expect(try Tool.run("verify", index, "--no-batch-first", "--evidence", evidence).code == 0)
    let files = try #require(try json(at: evidence)["files"] as? [[String: Any]])
    #expect(
      files.count == 3 && files.allSatisfy { ($0["path"] as? String)?.contains("sharded/model") ?? false })
  }

  @Test func `assumptions are printed by a conversion`() throws {
    let outcome = try Tool.run("convert", path("rnn-relu-zip/model.pt"), folder.path("m.rnnw"))
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("assumed  rnn: nonlinearity tanh"), "\(outcome)")
  }

  @Test func `tensors that would be left behind need leave`() throws {
    let arguments = [
      "convert", path("stack/model.pt"), folder.path("m.rnnw"), "--modules", "rnn", "--no-batch-first",
    ]
    let refused = try Tool.run(arguments)
    #expect(refused.code == 3 && refused.error.contains("top.weight_ih_l0"), "\(refused)")
    #expect(try folder.names().isEmpty)
    let allowed = try Tool.run(arguments + ["--allow-loss"])
    #expect(allowed.code == 0 && allowed.output.contains("exact    1 of 1 layers"), "\(allowed)")
  }

  @Test(arguments: [
    ["lstm-twice/model.pt", "--key", "net.other"], ["lstm-twice/model.pt"],
    ["two-linears/model.pt"], ["stack/model.pt", "--modules", "nothing"],
    ["lstm-zip/model.pt", "--head", "relu,relu"],
  ])
  func `what the file leaves open is 4, with what would settle it`(arguments: [String]) throws {
    let outcome = try Tool.run(["inspect", path(arguments[0])] + arguments.dropFirst())
    #expect(outcome.code == 4 && outcome.error.hasPrefix("error: \(path(arguments[0])): "), "\(outcome)")
  }

  @Test(arguments: [
    ["--nonlinearity", "elu"], ["--select", "first"], ["--head", "swish"], ["--head", ""],
  ])
  func `flags that mean nothing are 2`(flags: [String]) throws {
    let outcome = try Tool.run(["inspect", path("lstm-zip/model.pt")] + flags)
    #expect(outcome.code == 2, "\(outcome)")
  }

  @Test func `a pickle that would run something is 4 and is not run`() throws {
    let mark = folder.path("was-run")
    let pickle = Array("\u{80}".unicodeScalars.map { UInt8($0.value) }) + [2] + Array("cos\nsystem\n(X".utf8)
    let command = Array("touch \(mark)".utf8)
    let bytes = pickle + [UInt8(command.count), 0, 0, 0] + command + Array("tR.".utf8)
    for name in ["m.pt", "m.bin", "m.pkl"] {
      let outcome = try Tool.run("inspect", try folder.write(bytes, to: name))
      #expect(outcome.code == 4 && outcome.error.contains("os.system"), "\(outcome)")
    }
    #expect(!FileManager.default.fileExists(atPath: mark))
  }

  @Test func `garbage under these extensions is 4`() throws {
    for name in ["m.pt", "m.pth", "m.safetensors", "m.npz"] {
      let outcome = try Tool.run("inspect", try folder.write(Array("not a model".utf8), to: name))
      #expect(outcome.code == 4 && outcome.error.hasPrefix("error: \(folder.path(name)): "), "\(outcome)")
    }
  }
}
