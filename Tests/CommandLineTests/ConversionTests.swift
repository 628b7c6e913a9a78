import ByteIO
import Foundation
import NativeFormat
import NumPyFormat
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct ConversionTests {
  @Test func `what a target cannot heed is refused`() throws {
    let folder = try TemporaryFolder()
    for (target, flags) in [
      ("m.onnx", ["--compress"]), ("m.rnnw", ["--opset", "14"]), ("m.pt", ["--external-data", "w.bin"]),
      ("m.safetensors", ["--compress", "--opset", "14"]),
    ] {
      let outcome = try Tool.run(["convert", Sample.demo, folder.path(target)] + flags)
      #expect(outcome.code == 2, "\(outcome)")
      for flag in flags where flag.hasPrefix("--") { #expect(outcome.error.contains(flag), "\(outcome)") }
      #expect(!FileManager.default.fileExists(atPath: folder.path(target)))
    }
  }

  @Test func `the demo goes to rnnw and back to ONNX and is proven identical`() throws {
    let folder = try TemporaryFolder()
    let (native, back) = (folder.path("demo.rnnw"), folder.path("demo.onnx"))
    let imported = try Tool.run("import", Sample.demo, "-o", native)
    #expect(imported.code == 0, "\(imported)")
    // Two roads that sum in different orders: within the bound, not bit for bit.
    #expect(imported.output.contains("verified equal"), "\(imported)")
    #expect(imported.error.isEmpty, "\(imported)")

    let exported = try Tool.run("export", native, "-o", back)
    #expect(exported.code == 0, "\(exported)")
    #expect(exported.output.contains("verified equal"), "\(exported)")

    let verified = try Tool.run("verify", Sample.demo, back)
    #expect(verified.code == 0, "\(verified)")
    #expect(verified.output.hasSuffix("verdict: identical\n"), "\(verified)")
    #expect(try folder.names() == ["demo.onnx", "demo.rnnw"])
  }

  @Test func `convert goes from ONNX to rnnw to ONNX, and twice the same way gives the same bytes`() throws {
    let folder = try TemporaryFolder()
    for (source, target) in [(Sample.demo, "a.rnnw"), ("a.rnnw", "a.onnx"), ("a.onnx", "b.rnnw")] {
      let outcome = try Tool.run("convert", source, target, in: folder.url.path)
      #expect(outcome.code == 0, "\(outcome)")
    }
    let again = try Tool.run("convert", Sample.demo, folder.path("c.rnnw"))
    #expect(again.code == 0, "\(again)")
    #expect(try folder.read("a.rnnw") == folder.read("c.rnnw"))
    let verified = try Tool.run("verify", "a.rnnw", "b.rnnw", in: folder.url.path)
    #expect(verified.output.contains("verdict: identical"), "\(verified)")
  }

  @Test func `a model can be converted onto itself`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(try Data(contentsOf: URL(filePath: Sample.demo)), to: "model.onnx")
    let outcome = try Tool.run("convert", path, path, "--opset", "14", "--force")
    #expect(outcome.code == 0, "\(outcome)")
    #expect(try Tool.run("verify", Sample.demo, path).code == 0)
  }

  @Test func `convert prints what it did as JSON`() throws {
    let folder = try TemporaryFolder()
    let outcome = try Tool.run("convert", Sample.demo, folder.path("m.rnnw"), "--json")
    let json = try outcome.json()
    #expect(
      Set(json.keys).isSuperset(of: ["source", "target", "written", "exactness", "notes", "verification"]))
    #expect(json["written"] as? Bool == true)
    #expect((json["verification"] as? [String: Any])?["verdict"] as? String == "equal")
  }

  @Test func `nothing writes over its input, or over a model that is there, without being told to`() throws {
    let folder = try TemporaryFolder()
    let demo = Array(try Data(contentsOf: URL(filePath: Sample.demo)))
    let (a, b) = (try folder.write(demo, to: "a.onnx"), try folder.write([1, 2, 3], to: "b.onnx"))
    try FileManager.default.createSymbolicLink(atPath: folder.path("link.onnx"), withDestinationPath: a)
    for (arguments, target) in [
      (["convert", a, a], a), (["convert", folder.path("link.onnx"), a, "--opset", "14"], a),
      (["convert", a, b], b),
      (["import", a, "-o", b, "--format", "onnx"], b), (["export", a, "-o", b], b),
      (["convert", a, folder.path("c.onnx"), "--external-data", "b.onnx"], b),
      (["verify", a, a, "--evidence", b], b), (["verify", a, a, "--report", b], b),
      (["gradient-flow", a, "--svg", b], b),
      (["run", a, "--input", a, "-o", a], a),
    ] {
      let outcome = try Tool.run(arguments)
      #expect(
        outcome.code == 2 && outcome.error.contains("\(target): ") && outcome.error.contains("--force"),
        "\(outcome)")
    }
    #expect(try folder.read("a.onnx") == demo && folder.read("b.onnx") == [1, 2, 3])
    #expect(try folder.names() == ["a.onnx", "b.onnx", "link.onnx"])
    #expect(try Tool.run("convert", a, b, "--force").code == 0)
    #expect(try Tool.run("convert", b, b, "--opset", "14", "--force").code == 0)
    #expect(try Tool.run("verify", a, b).code == 0)
    #expect(try Tool.run("convert", a, "/dev/null", "--format", "rnnw").code == 0)
  }

  @Test(arguments: [
    ("F16", 1e6, "numbers beyond the greatest F16 (1 of"), ("I8", .infinity, "NaN or ∞ (1 of"),
    ("I8", 1e300, "numbers too great for a scale"),
  ])
  func `weights that the type cannot hold are named`(type: String, weight: Double, words: String) throws {
    let folder = try TemporaryFolder()
    var model = LayerSpecification(.lstm).model(seed: 1)
    model.layers[0].operation = model.layers[0].operation.mapTensors { tensor in
      var values = tensor.doubles
      if tensor.shape.count > 1 { values[0] = weight }
      return Tensor(values, shape: tensor.shape)
    }
    let path = try folder.write(Sample.rnnw(model), to: "m.rnnw")
    for more in [[], ["--no-verify"]] {
      let outcome = try Tool.run(
        ["convert", path, folder.path("o.rnnw"), "--dtype", type, "--allow-loss"] + more)
      #expect(outcome.code == 3 && outcome.error.contains("forward.inputWeight holds \(words)"), "\(outcome)")
    }
    #expect(try folder.names() == ["m.rnnw"])
  }

  @Test func `standard input and standard output take the place of files`() throws {
    let folder = try TemporaryFolder()
    let bytes = Array(try Data(contentsOf: URL(filePath: Sample.demo)))
    let imported = try Tool.run("import", "-", "-o", "-", input: bytes)
    #expect(imported.code == 0, "\(imported.error)")
    #expect(
      NativeFormat.recognises(ByteBuffer(imported.outputBytes)), "nothing but the model on standard output")
    let exported = try Tool.run("export", "-", "-o", "-", "--format", "onnx", input: imported.outputBytes)
    #expect(exported.code == 0, "\(exported.error)")
    let path = try folder.write(exported.outputBytes, to: "back.onnx")
    #expect(try Tool.run("verify", Sample.demo, path).code == 0)
    let inspected = try Tool.run("inspect", "-", input: imported.outputBytes)
    #expect(inspected.code == 0 && inspected.output.contains("LSTM"), "\(inspected)")
    let verified = try Tool.run("verify", "-", Sample.demo, input: imported.outputBytes)
    #expect(verified.code == 0 && verified.output.contains("verdict: equal"), "\(verified)")
  }

  @Test(arguments: ["F16", "BF16", "f64"])
  func `narrower or wider weights are reported, recorded in the file and still verified`(type: String) throws
  {
    let folder = try TemporaryFolder()
    let path = folder.path("m.rnnw")
    let outcome = try Tool.run("convert", Sample.demo, path, "--dtype", type)
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("verified"), "\(outcome)")
    let metadata = try #require(
      try Tool.run("inspect", path, "--json").json()["metadata"] as? [String: String])
    if type == "f64" {
      #expect(metadata["rnnconv:loss"] == nil)
    } else {
      #expect(outcome.output.contains("weights rounded to \(type)"), "\(outcome)")
      #expect(metadata["rnnconv:loss"]?.contains("weights rounded to \(type)") == true, "\(metadata)")
    }
    // The loss stays with the model through ONNX.
    let onnx = try Tool.run("convert", path, folder.path("m.onnx"))
    #expect(onnx.code == 0, "\(onnx)")
    let carried = try #require(
      try Tool.run("inspect", folder.path("m.onnx"), "--json").json()["metadata"] as? [String: String])
    #expect(carried["rnnconv:loss"] == metadata["rnnconv:loss"])
  }

  @Test(arguments: [7, 11, 13, 14, 17, 22, 28])
  func `any operator set can be chosen`(opset: Int) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("m.onnx")
    let outcome = try Tool.run("convert", Sample.demo, path, "--opset", "\(opset)")
    #expect(outcome.code == 0, "\(outcome)")
    let metadata = try #require(
      try Tool.run("inspect", path, "--json").json()["metadata"] as? [String: String])
    #expect(metadata["onnx:opset"] == "\(opset)")
    #expect(try Tool.run("verify", Sample.demo, path).code == 0)
  }

  @Test func `weights can live in a file beside the model`() throws {
    let folder = try TemporaryFolder()
    let outcome = try Tool.run(
      "convert", Sample.demo, folder.path("m.onnx"), "--external-data", "weights.bin")
    #expect(outcome.code == 0, "\(outcome)")
    #expect(try folder.names() == ["m.onnx", "weights.bin"])
    #expect(try folder.read("m.onnx").count < folder.read("weights.bin").count)
    #expect(try Tool.run("verify", Sample.demo, folder.path("m.onnx")).code == 0)
  }

  @Test(arguments: ["../weights.bin", "/weights.bin", "a/weights.bin", "..", ".", ""])
  func `the file of the weights cannot be outside the model's folder`(name: String) throws {
    let folder = try TemporaryFolder()
    let outcome = try Tool.run("convert", Sample.demo, folder.path("m.onnx"), "--external-data", name)
    #expect(outcome.code == 2, "\(outcome)")
    #expect(outcome.error.contains("--external-data"), "\(outcome)")
    #expect(try folder.names().isEmpty)
  }

  @Test func `compression gives a smaller file of the same model`() throws {
    let folder = try TemporaryFolder()
    var model = LayerSpecification(.gru(resetAfter: true))
    model.inputSize = 40
    model.hiddenSize = 40
    let plain = try folder.write(try Sample.rnnw(model.model(seed: 1)), to: "plain.rnnw")
    let outcome = try Tool.run("convert", plain, folder.path("small.rnnw"), "--compress")
    #expect(outcome.code == 0, "\(outcome)")
    #expect(try folder.read("small.rnnw").count < folder.read("plain.rnnw").count)
    let verified = try Tool.run("verify", plain, folder.path("small.rnnw"))
    #expect(verified.output.contains("verdict: identical"), "\(verified)")
  }

  @Test func `weights that are graph inputs are bound to files`() throws {
    // A case of the onnx package: W, R and B are inputs without initializers.
    let backend =
      ProcessInfo.processInfo.environment["RNNCONV_BACKEND"]
      ?? Repository.root.appending(path: ".peers/backend").path
    let model = "\(backend)/test_lstm_with_initial_bias/model.onnx"
    let data = "\(backend)/test_lstm_with_initial_bias/test_data_set_0"
    let folder = try TemporaryFolder()
    let native = folder.path("m.rnnw")

    let unbound = try Tool.run("import", model, "-o", native)
    #expect(unbound.code == 4, "\(unbound)")
    #expect(unbound.error.contains("--bind W=FILE"), "\(unbound)")

    let bind = [
      "--bind", "W=\(data)/input_1.pb", "--bind", "R=\(data)/input_2.pb", "--bind", "B=\(data)/input_3.pb",
    ]
    let bound = try Tool.run(["import", model, "-o", native] + bind)
    #expect(bound.code == 0, "\(bound)")
    let against = try Tool.run(["verify", model, native] + bind)
    #expect(against.code == 0, "\(against)")
    let expected = try Tool.run(
      ["verify", model] + (0..<4).flatMap { ["--input", "\(data)/input_\($0).pb"] }
        + ["--expected", "\(data)/output_0.pb"])
    #expect(expected.code == 0, "\(expected)")
    let missing = try Tool.run(["import", model, "-o", native, "--bind", "\(data)/input_1.npy"])
    #expect(missing.code == 4 && missing.error.contains("input_1.npy: cannot open"), "\(missing)")
  }

  @Test(arguments: ["F16", "BF16", "I8"])
  func `narrower weights come with a certificate of how far outputs move`(type: String) throws {
    let folder = try TemporaryFolder()
    let narrow = folder.path("m.rnnw")
    let refused = try Tool.run("convert", Sample.demo, narrow, "--dtype", "I8")
    #expect(refused.code == 3, "\(refused)")
    let outcome = try Tool.run("convert", Sample.demo, narrow, "--dtype", type, "--allow-loss", "--json")
    #expect(outcome.code == 0, "\(outcome)")
    let movement = try #require(try outcome.json()["movement"] as? [String: Any])
    #expect(movement["verdict"] as? String == "equal", "\(movement)")
    let output = try #require((movement["outputs"] as? [[String: Any]])?.first)
    let (moved, certified) = (output["maxDeviation"] as? Double ?? 0, output["maxAllowed"] as? Double ?? 0)
    #expect(moved > 1e-5 && moved <= certified && certified < 1.01 * moved && certified < 1e3, "\(output)")
    // The file says what it holds, and every number is what that rounding gives.
    let told = try Tool.run("verify", Sample.demo, narrow)
    #expect(
      told.code == 0 && told.output.contains(type == "I8" ? "quantised" : "rounded to \(type)"), "\(told)")
    #expect(told.output.contains("this moves output"), "\(told)")
    let judged = try Tool.run("verify", Sample.demo, narrow, "--storage", type)
    #expect(judged.code == 0, "\(judged)")
  }
}
