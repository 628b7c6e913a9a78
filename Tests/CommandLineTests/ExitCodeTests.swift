import Foundation
import Recurrent
import TestSupport
import Testing

@Suite struct ExitCodeTests {
  @Test(arguments: [
    (["inspect"], "file"),
    (["inspect", "--nonsense", Sample.demo], "--nonsense"),
    (["frobnicate"], "frobnicate"),
    (["help", "verfy"], "did you mean 'verify'?"),
    (["import", Sample.demo], "--output"),
    (["convert", Sample.demo], "output"),
    (["convert", Sample.demo, "m.rnnw", "--dtype", "F8"], "--dtype F8"),
    (["convert", Sample.demo, "m.rnnw", "--dtype", "I32"], "--dtype I32"),
    (["convert", Sample.demo, "m.onnx", "--opset", "six"], "--opset"),
    (["convert", Sample.demo, "m.onnx", "--opset", "6"], "opset 6"),
    (["convert", Sample.demo, "m.onnx", "--opset", "999"], "opset 999"),
    (["convert", Sample.demo, "m.onnx", "--opset=-1"], "opset -1"),
    (["convert", Sample.demo, "m.txt"], "m.txt: the extension names no format"),
    (["convert", Sample.demo, "m"], "m: the extension names no format"),
    (["convert", Sample.demo, "-"], "--format"),
    (["convert", Sample.demo, "m.rnnw", "--format", "gguf"], "unknown format 'gguf'"),
    (["inspect", Sample.demo, "--from", "gguf"], "unknown format 'gguf'"),
    (["inspect", Sample.demo, "--bind", "W="], "'W=' names no file"),
    (["convert", Sample.demo, "-", "--format", "onnx", "--external-data", "w.bin"], "--external-data"),
    (["verify"], "file"),
    (["verify", "a", "b", "c"], "one or two files"),
    (["verify", Sample.demo, Sample.demo, "--expected", "y.npy"], "not both"),
    (["verify", Sample.demo, "--expected", Sample.demoOutputs], "--input"),
    (["verify", Sample.demo, "--runtime", "abacus"], "--runtime abacus"),
    (["verify", Sample.demo, "--seed=-1"], "--seed"),
    (["verify", Sample.demo, "--atol=-1"], "--atol"),
    (["verify", Sample.demo, "--rtol=nan"], "--rtol"),
    (["run", Sample.demo, "--input", Sample.demoInputs], "--output"),
  ])
  func `bad arguments are 2`(arguments: [String], words: String) throws {
    let folder = try TemporaryFolder()
    let outcome = try Tool.run(arguments, in: folder.url.path)
    #expect(outcome.code == 2, "\(outcome)")
    #expect(outcome.error.contains(words), "\(outcome)")
    #expect(outcome.output.isEmpty, "\(outcome)")
    #expect(try folder.names().isEmpty)
  }

  @Test func `a layer that ONNX lacks is 3, and nothing is written`() throws {
    let folder = try TemporaryFolder()
    var projected = LayerSpecification(.lstm)
    projected.projectionSize = 2
    projected.peepholes = true
    let path = try folder.write(try Sample.rnnw(projected.model(seed: 1)), to: "m.rnnw")
    for command in [["export", path, "-o"], ["convert", path]] {
      let outcome = try Tool.run(command + [folder.path("m.onnx"), "--external-data", "m.bin"])
      #expect(outcome.code == 3, "\(outcome)")
      #expect(outcome.error.contains("projection"), "\(outcome)")
      #expect(outcome.error.contains("layer 'layer'"), "\(outcome)")
      #expect(try folder.names() == ["m.rnnw"])
    }
  }

  @Test(arguments: ["inspect", "import", "export", "convert", "verify", "run"])
  func `files that are no models are 4, with their path`(command: String) throws {
    let folder = try TemporaryFolder()
    let files = [
      "missing.onnx": "cannot open: no such file",
      try folder.write([], to: "empty.onnx"): "empty",
      try folder.write([], to: "empty"): "empty",
      try folder.write(Array("hello, this is a text\n".utf8), to: "text.onnx"): "not an ONNX model",
      try folder.write(Array("hello, this is a text\n".utf8), to: "text.txt"): "not a file of a known format",
      try folder.write(Array("PK\u{3}\u{4}".utf8) + Array(repeating: 0, count: 90), to: "m.zip"):
        "not a file of a known format",
      try folder.write(Array("\nhello\n".utf8), to: "newline"): "not a",
      try folder.write([0x89, 0x52, 0x4E, 0x4E, 0x0D, 0x0A, 0x1A, 0x0A], to: "cut"): "the file is cut short",
      try folder.write([0x89, 0x52, 0x4E, 0x4E, 0x0A, 0x1A, 0x0A], to: "m.rnnw"): "text mode",
      folder.url.path: "is a directory",
    ]
    let before = try folder.names()
    for (path, words) in files {
      let rest: [String] =
        switch command {
        case "import", "export": ["-o", folder.path("out.rnnw")]
        case "convert": [folder.path("out.rnnw")]
        case "run": ["--input", Sample.demoInputs, "-o", folder.path("out.npz")]
        default: []
        }
      let outcome = try Tool.run([command, path] + rest)
      #expect(outcome.code == 4, "\(outcome)")
      #expect(outcome.error.hasPrefix("error: \(path): "), "\(outcome)")
      #expect(outcome.error.dropFirst(path.count + 9).contains(words), "\(outcome)")
    }
    #expect(try folder.names() == before)
  }

  @Test func `tensor files that are none are 4, with their path`() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Array("not numbers".utf8), to: "x.npy")
    for arguments in [
      ["run", Sample.demo, "-o", folder.path("y.npz"), "--input"], ["verify", Sample.demo, "--input"],
    ] {
      let outcome = try Tool.run(arguments + [path])
      #expect(outcome.code == 4, "\(outcome)")
      #expect(outcome.error.contains("\(path): neither .npy nor .npz"), "\(outcome)")
    }
  }
}
