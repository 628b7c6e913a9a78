import ByteIO
import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct EvidenceTests {
  /// Two files of one model and the evidence of their comparison.
  private func evidence(_ folder: TemporaryFolder, _ options: String...) throws -> String {
    _ = try folder.write(try Sample.lstm(seed: 1), to: "a.rnnw")
    #expect(try Tool.run("convert", folder.path("a.rnnw"), folder.path("b.onnx")).code == 0)
    let outcome = try Tool.run(
      ["verify", "a.rnnw", "b.onnx", "--evidence", "proof.json"] + options, in: folder.path(""))
    #expect(outcome.code == 0, "\(outcome)")
    return folder.path("proof.json")
  }

  private func edit(_ path: String, _ change: (String) -> String) throws {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let changed = change(text)
    #expect(changed != text)
    try changed.write(toFile: path, atomically: true, encoding: .utf8)
  }

  @Test func `evidence holds the documented keys and replays from anywhere`() throws {
    let folder = try TemporaryFolder()
    let proof = try evidence(folder, "--seed", "18446744073709551615", "--suite", "quick")
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: proof))) as? [String: Any])
    #expect(
      Set(object.keys) == [
        "evidence", "tool", "version", "request", "files", "rounding", "probes", "report",
      ])
    let request = try #require(object["request"] as? [String: Any])
    #expect(
      Set(request.keys) == [
        "files", "inputs", "expected", "bindings", "format", "seed", "suite", "runtime", "storage",
        "tolerance",
      ])
    let files = try #require(object["files"] as? [[String: Any]])
    #expect(files.map { $0["path"] as? String } == ["a.rnnw", "b.onnx"])
    #expect(files.allSatisfy { Set($0.keys) == ["path", "bytes", "sha256"] })
    // The repository's root is not where the files are.
    let replay = try Tool.run("replay", proof)
    #expect(replay.code == 0, "\(replay)")
    #expect(replay.output.hasSuffix("every number bit for bit\n"), "\(replay)")
    let json = try Tool.run("replay", proof, "--json").json()
    #expect(Set(json.keys) == ["reproduced", "recorded", "now", "differences"])
    #expect(json["reproduced"] as? Bool == true && (json["differences"] as? [Any])?.isEmpty == true)
  }

  @Test func `a changed file is named`() throws {
    let folder = try TemporaryFolder()
    let proof = try evidence(folder)
    _ = try folder.write(try Sample.lstm(seed: 2), to: "a.rnnw")
    let replay = try Tool.run("replay", proof)
    #expect(replay.code == 1, "\(replay)")
    #expect(replay.output.contains("a.rnnw changed"), "\(replay)")
    #expect(!replay.output.contains("b.onnx changed"), "\(replay)")
    try FileManager.default.removeItem(atPath: folder.path("b.onnx"))
    let missing = try Tool.run("replay", proof)
    #expect(missing.code == 4 && missing.error.contains("b.onnx"), "\(missing)")
  }

  @Test func `a number that differs in its last bit is named`() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write(try Sample.lstm(seed: 1), to: "a.rnnw")
    _ = try folder.write(try Sample.lstm(seed: 2), to: "b.rnnw")
    let outcome = try Tool.run(
      "verify", "a.rnnw", "b.rnnw", "--evidence", "proof.json", in: folder.path(""))
    #expect(outcome.code == 1, "\(outcome)")
    let proof = folder.path("proof.json")
    let same = try Tool.run("replay", proof)
    #expect(same.code == 1 && same.output.hasPrefix("reproduced: verdict different"), "\(same)")
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: proof))) as? [String: Any])
    let report = try #require(json["report"] as? [String: Any])
    let outputs = try #require(report["outputs"] as? [[String: Any]])
    let number = try #require(outputs[0]["maxDeviation"] as? Double)
    try edit(proof) {
      $0.replacingOccurrences(of: "\"maxDeviation\": \(number)", with: "\"maxDeviation\": \(number.nextUp)")
    }
    let replay = try Tool.run("replay", proof)
    #expect(replay.code == 1, "\(replay)")
    #expect(
      replay.output.contains("report.outputs[0].maxDeviation: \(number.nextUp) recorded, \(number) now"),
      "\(replay)")
  }

  @Test func `another version is told and does not count`() throws {
    let folder = try TemporaryFolder()
    let proof = try evidence(folder)
    try edit(proof) { text in
      let line = text.split(separator: "\n").first { $0.contains("\"version\"") }!
      return text.replacingOccurrences(of: line, with: "  \"version\": \"0.0.1\",")
    }
    let replay = try Tool.run("replay", proof)
    #expect(replay.code == 0 && replay.output.contains("recorded by rnnconv 0.0.1"), "\(replay)")
  }

  @Test func `given inputs and expected outputs are evidence too`() throws {
    let folder = try TemporaryFolder()
    let proof = folder.path("proof.json")
    let outcome = try Tool.run(
      "verify", Sample.demo, "--input", Sample.demoInputs, "--expected", Sample.demoOutputs, "--runtime",
      "pytorch", "--atol", "0.001", "--evidence", proof)
    #expect(outcome.code == 0, "\(outcome)")
    let replay = try Tool.run("replay", proof)
    #expect(replay.code == 0, "\(replay)")
  }

  @Test func `external data is hashed`() throws {
    let folder = try TemporaryFolder()
    var specification = LayerSpecification(.lstm)
    specification.inputSize = 40
    let model = try folder.write(try Sample.rnnw(specification.model(seed: 1)), to: "a.rnnw")
    let exported = try Tool.run(
      "export", model, "-o", folder.path("b.onnx"), "--external-data", "weights.bin")
    #expect(exported.code == 0, "\(exported)")
    #expect(
      try Tool.run("verify", "a.rnnw", "b.onnx", "--evidence", "proof.json", in: folder.path("")).code == 0)
    let text = try String(contentsOfFile: folder.path("proof.json"), encoding: .utf8)
    #expect(text.contains("\"path\": \"weights.bin\""), "\(text.prefix(2_000))")
    #expect(try Tool.run("replay", folder.path("proof.json")).code == 0)
  }

  @Test func `what is no evidence is refused`() throws {
    let folder = try TemporaryFolder()
    for (name, text) in [
      ("text", "no JSON"), ("empty", "{}"), ("newer", "{\"evidence\": 2}"), ("bare", "{\"evidence\": 1}"),
      (
        "broken",
        "{\"evidence\": 1, \"request\": {\"files\": 3}, \"report\": {\"verdict\": \"equal\"}}"
      ),
    ] {
      let path = try folder.write(text.utf8, to: name)
      let outcome = try Tool.run("replay", path)
      #expect(outcome.code == 4, "\(outcome)")
    }
    let piped = try Tool.run(
      "verify", "-", "--evidence", folder.path("p.json"), input: try Sample.lstm(seed: 1))
    #expect(piped.code == 2 && piped.error.contains("standard input"), "\(piped)")
  }
}
