import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct DiffTests {
  @Test func `a conversion is the same model`() throws {
    let folder = try TemporaryFolder()
    let native = folder.path("demo.rnnw")
    #expect(try Tool.run("import", Sample.demo, "-o", native).code == 0)
    let outcome = try Tool.run("diff", Sample.demo, native)
    #expect(outcome.code == 0 && outcome.output.hasSuffix("verdict: same\n"), "\(outcome)")
  }

  @Test func `other weights are different, gate by gate`() throws {
    let folder = try TemporaryFolder()
    let a = try folder.write(try Sample.lstm(seed: 1), to: "a.rnnw")
    let b = try folder.write(try Sample.lstm(seed: 2), to: "b.rnnw")
    let outcome = try Tool.run("diff", a, b)
    #expect(outcome.code == 1, "\(outcome)")
    #expect(outcome.output.contains("f: 12 of 12 differ"), "\(outcome)")
    #expect(outcome.output.hasSuffix("verdict: different (1 of 1 layers)\n"), "\(outcome)")

    let json = try Tool.run("diff", a, b, "--json")
    #expect(json.code == 1)
    let object = try json.json()
    #expect(Set(object.keys) == ["same", "left", "right", "fingerprints", "ports", "layers"])
    #expect(object["same"] as? Bool == false)
    let layers = try #require(object["layers"] as? [[String: Any]])
    #expect(
      Set(layers[0].keys) == ["same", "left", "right", "operation", "attributes", "tensors", "notes"])
    let tensors = try #require(layers[0]["tensors"] as? [[String: Any]])
    #expect(Set(tensors[0].keys) == ["role", "same", "left", "right", "blocks"])
    let blocks = try #require(tensors[0]["blocks"] as? [[String: Any]])
    #expect(blocks.map { $0["gate"] as? String } == ["f", "i", "o", "g"])
    #expect(
      Set(blocks[0].keys) == [
        "gate", "elements", "differing", "maxUlps", "medianUlps", "maxDifference",
      ])
  }

  @Test func `what cannot be read has exit code 4`() throws {
    #expect(try Tool.run("diff", Sample.demo, "missing.onnx").code == 4)
    #expect(try Tool.run("diff", Sample.demo).code == 2)
  }
}
