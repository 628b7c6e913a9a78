import ByteIO
import Foundation
import NumPyFormat
import ONNXFormat
import Tensors
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

  @Test func `inspect shows what a file says of itself, and how its layers are wired`() throws {
    let outcome = try Tool.run("inspect", Sample.demo)
    for words in ["opset        17", "nodes", "LSTM", "tensors", "ir version", " → "] {
      #expect(outcome.output.contains(words), "'\(words)' is missing: \(outcome)")
    }
    let json = try Tool.run("inspect", Sample.demo, "--json").json()
    #expect((json["facts"] as? [String: String])?["opset"] == "17", "\(json)")
    #expect(try #require(json["tensorCount"] as? Int) > 0)
  }

  @Test func `a file that runs and is not imported shows what it holds, and all that stops it`() throws {
    let folder = try TemporaryFolder()
    let model = NumberTests.wrapped([
      ONNXNode("Sign", name: "first", inputs: ["x"], outputs: ["a"]),
      ONNXNode("Sign", name: "second", inputs: ["x"], outputs: ["b"]),
      ONNXNode("Add", inputs: ["a", "b"], outputs: ["c"]),
      ONNXNode("Hardmax", name: "behind", inputs: ["c"], outputs: ["d"]),
      ONNXNode("Identity", inputs: ["x"], outputs: ["y"]),
    ])
    let path = try folder.write(
      ByteBuffer(joining: [try ONNXEncoder.encode(model).model]).array, to: "sign.onnx")
    let outcome = try Tool.run("inspect", path)
    #expect(outcome.code == 4 && outcome.output.contains("nodes        6: 2 Sign,"), "\(outcome)")
    for line in [
      "input        x F32 [T, B, 2]", "output       h F32", "RNN 2 → 2, forward",
      "2 × Sign: this operator is not supported (first: 'first')",
      "1 × Hardmax: this operator is not supported ('behind')",
    ] { #expect((outcome.output + outcome.error).contains(line), "'\(line)' is missing: \(outcome)") }
    let json = try Tool.run("inspect", path, "--json").json()
    #expect(json["imported"] as? Bool == false && (json["reasons"] as? [String])?.count == 2, "\(json)")
    #expect((json["operators"] as? [String: Int])?["Sign"] == 2)
    let layer = try #require((json["layers"] as? [[String: Any]])?.first)
    #expect(layer["operation"] as? String == "RNN" && layer["hiddenSize"] as? Int == 2, "\(layer)")
    // What needs the model says all of it, too.
    let refused = try Tool.run("import", path, "-o", folder.path("m.rnnw"))
    #expect(
      refused.code == 4 && refused.error.contains("2 × Sign") && refused.error.contains("1 × Hardmax"),
      "\(refused)")
    let tensors = try Tool.run("inspect", path, "--stats")
    #expect(tensors.code == 0 && tensors.output.contains("R  F32 [1, 2, 2]  0.2 … 0.2"), "\(tensors)")
  }

  @Test func `statistics give ranges and count what is not finite`() throws {
    let folder = try TemporaryFolder()
    let tensor = Tensor([Float.nan, -2, .infinity, 5], shape: [4])
    let bytes = ByteBuffer(joining: try NumPyFormat.encodeArchive([("lstm.weight", tensor)])).array
    let path = try folder.write(bytes, to: "w.npz")
    let outcome = try Tool.run("inspect", path, "--stats")
    #expect(outcome.output.contains("lstm.weight  F32 [4]  -2 … 5, 1 NaN, 1 infinite"), "\(outcome)")
    let json = try Tool.run("inspect", path, "--stats", "--json").json()
    let entry = try #require((json["tensors"] as? [[String: Any]])?.first)
    #expect(
      entry["min"] as? Double == -2 && entry["max"] as? Double == 5 && entry["nan"] as? Int == 1, "\(entry)")
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
