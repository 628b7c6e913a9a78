import Foundation
import TestSupport
import Testing

@Suite struct InspectTests {
  @Test func `inspect names layers, shapes, types, parameters, gate order and fingerprint`() throws {
    let outcome = try Tool.run("inspect", Sample.demo)
    #expect(outcome.code == 0, "\(outcome)")
    for words in [
      "LSTM", "F32", "parameters", "bytes", "gates", "fingerprint", "bidirectional", "input", "output",
    ] {
      #expect(outcome.output.contains(words), "'\(words)' is missing: \(outcome)")
    }
  }

  @Test func `inspect as JSON has every documented key, and the same fingerprint in both formats`() throws {
    let folder = try TemporaryFolder()
    let native = folder.path("demo.rnnw")
    #expect(try Tool.run("import", Sample.demo, "-o", native).code == 0)
    let (onnx, rnnw) = (
      try Tool.run("inspect", Sample.demo, "--json").json(), try Tool.run("inspect", native, "--json").json()
    )
    for json in [onnx, rnnw] {
      #expect(
        Set(json.keys).isSuperset(of: [
          "path", "format", "fileBytes", "name", "fingerprint", "parameters", "weightBytes", "inputs",
          "outputs", "layers", "metadata", "notes",
        ]))
    }
    #expect(onnx["fingerprint"] as? String == rnnw["fingerprint"] as? String)
    #expect(onnx["format"] as? String == "onnx" && rnnw["format"] as? String == "rnnw")
    let layers = try #require(onnx["layers"] as? [[String: Any]])
    let lstm = try #require(layers.first { $0["operation"] as? String == "LSTM" })
    for key in ["name", "direction", "inputSize", "hiddenSize", "gateOrder", "inputs", "outputs", "tensors"] {
      #expect(lstm[key] != nil, "\(key)")
    }
    let tensors = try #require(lstm["tensors"] as? [[String: Any]])
    #expect(
      !tensors.isEmpty
        && tensors.allSatisfy { Set($0.keys).isSuperset(of: ["role", "elementType", "shape", "bytes"]) })
  }

  @Test(arguments: [
    ["inspect", Sample.demo], ["verify", Sample.demo], ["inspect", Sample.demo, "--json"],
    ["inspect", "no-such-file.onnx"],
  ])
  func `colour is for terminals only, and NO_COLOR turns it off`(arguments: [String]) throws {
    let escape: UInt8 = 0x1B
    let piped = try Tool.run(arguments)
    #expect(!piped.outputBytes.contains(escape) && !piped.error.utf8.contains(escape), "\(piped)")
    let plain = try Tool.run(arguments, environment: ["NO_COLOR": "1"], terminal: true)
    #expect(!plain.outputBytes.isEmpty && !plain.outputBytes.contains(escape), "\(plain)")
    let dumb = try Tool.run(arguments, environment: ["TERM": "dumb"], terminal: true)
    #expect(!dumb.outputBytes.contains(escape), "\(dumb)")
    let coloured = try Tool.run(arguments, terminal: true)
    #expect(coloured.outputBytes.contains(escape) == !arguments.contains("--json"), "\(coloured)")
  }
}
