import ByteIO
import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing

/// Attacks on the file system and on memory through a whole command; docs/SECURITY.md names each.
@Suite struct SecurityTests {
  /// A model with its weights in `w.bin` beside it.
  private func external() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let outcome = try Tool.run("convert", Sample.demo, folder.path("m.onnx"), "--external-data", "w.bin")
    #expect(outcome.code == 0, "\(outcome)")
    return folder
  }

  @Test(arguments: [true, false])
  func `external data behind a link is not read`(symbolic: Bool) throws {
    let folder = try external()
    let outside = try TemporaryFolder()
    let secret = outside.path("secret")
    try FileManager.default.moveItem(atPath: folder.path("w.bin"), toPath: secret)
    if symbolic {
      try FileManager.default.createSymbolicLink(atPath: folder.path("w.bin"), withDestinationPath: secret)
    } else {
      try FileManager.default.linkItem(atPath: secret, toPath: folder.path("w.bin"))
    }
    for command in [
      ["inspect"], ["verify"], ["run", "--input", Sample.demoInputs, "-o", folder.path("y.npz")],
    ] {
      let outcome = try Tool.run([command[0], folder.path("m.onnx")] + command.dropFirst())
      #expect(outcome.code == 4, "\(outcome)")
      #expect(outcome.error.contains(symbolic ? "symbolic link" : "hard link"), "\(outcome)")
    }
    #expect(try folder.names() == ["m.onnx", "w.bin"])
  }

  @Test func `external data is not written through a link, nor is the model then`() throws {
    let folder = try TemporaryFolder()
    let outside = try TemporaryFolder()
    let precious = try outside.write(Array("precious".utf8), to: "precious")
    try FileManager.default.createSymbolicLink(atPath: folder.path("w.bin"), withDestinationPath: precious)
    let outcome = try Tool.run(
      "convert", Sample.demo, folder.path("m.onnx"), "--external-data", "w.bin", "--force")
    #expect(outcome.code == 4, "\(outcome)")
    #expect(outcome.error.contains("w.bin: cannot write: there is a symbolic link"), "\(outcome)")
    #expect(try outside.read("precious") == Array("precious".utf8))
    #expect(try folder.names() == ["w.bin"])
  }

  @Test(arguments: ["../w.bin", "/tmp/w.bin", "sub/w.bin", "..", ""])
  func `external data is written beside the model and nowhere else`(name: String) throws {
    let folder = try TemporaryFolder()
    let outcome = try Tool.run("convert", Sample.demo, folder.path("m.onnx"), "--external-data", name)
    #expect(outcome.code == 2, "\(outcome)")
    #expect(try folder.names().isEmpty)
  }

  @Test(arguments: ["../evil.npy", "/tmp/evil.npy", "a/../../evil.npy"])
  func `names in an archive make no files`(name: String) throws {
    let folder = try TemporaryFolder()
    var writer = ZipWriter()
    try writer.append(name: name, [ByteBuffer(try Sample.npy(Tensor([Float(1)], shape: [1])))])
    let chunks = writer.finish()
    let path = try folder.write(ByteBuffer(joining: chunks).array, to: "w.npz")
    let outcome = try Tool.run("inspect", path, "--tensors")
    #expect(outcome.signal == nil, "\(outcome)")
    #expect(try folder.names() == ["w.npz"])
    #expect(!FileManager.default.fileExists(atPath: folder.path("../evil.npy")))
    #expect(!FileManager.default.fileExists(atPath: "/tmp/evil.npy"))
  }

  /// A limit that the demo or a sample exceeds, and what the refusal says.
  static let limits: [(setting: String, native: Bool, word: String)] = [
    ("file-bytes=100", false, "over the limit of 100"), ("nodes=1", false, "more than 1 nodes"),
    ("tensors=1", false, "more than 1 tensors"), ("string-bytes=1", false, "over the limit of 1 bytes"),
    ("header-bytes=100", true, "over the limit of 100"), ("tensors=1", true, "more than 1 tensors"),
    ("string-bytes=1", true, "over the limit of 1"), ("json-values=3", true, "more than 3 values"),
    ("nesting=1", true, "deeper than 1 levels"),
  ]

  @Test(arguments: limits)
  func `a file over a limit of the user's is refused`(
    limit: (setting: String, native: Bool, word: String)
  ) throws {
    let folder = try TemporaryFolder()
    let path = limit.native ? try folder.write(Sample.lstm(seed: 1), to: "m.rnnw") : Sample.demo
    for command in ["inspect", "verify"] {
      let outcome = try Tool.run(command, path, "--limit", limit.setting)
      #expect(outcome.code == 4, "\(outcome)")
      #expect(outcome.error.contains(limit.word), "\(outcome)")
    }
  }

  @Test(arguments: ["inputs", "expected"], [true, false])
  func `a limit of the user's binds check, for tensors' files too`(list: String, isExceeded: Bool) throws {
    let folder = try TemporaryFolder()
    _ = try folder.write(Sample.lstm(seed: 1), to: "m.rnnw")
    let good = try Sample.npy(Tensor([Float](repeating: 0, count: 12), shape: [2, 2, 3]))
    _ = try folder.write(good, to: "x.npy")
    let run = try Tool.run(
      "run", folder.path("m.rnnw"), "--input", folder.path("x.npy"), "-o", folder.path("y.npz"))
    #expect(run.code == 0, "\(run)")
    // Longer than the model, which the limit lets pass.
    let long = try Sample.npy(Tensor([Float](repeating: 0, count: 300_000), shape: [50_000, 2, 3]))
    let (inputs, expected) =
      list == "inputs" && isExceeded
      ? ("x=long.npy", "y.npz") : ("x.npy", list == "expected" && isExceeded ? "y=long.npy" : "y.npz")
    _ = try folder.write(long, to: "long.npy")
    _ = try folder.write(
      Array(
        """
        { "rnnconv_check": 1, "fixtures": [
          { "name": "f", "models": ["m.rnnw"], "inputs": ["\(inputs)"], "expected": ["\(expected)"] }
        ] }
        """.utf8), to: "rnnconv.json")
    let outcome = try Tool.run("check", folder.url.path, "--limit", "file-bytes=100000")
    #expect(outcome.code == (isExceeded ? 1 : 0), "\(outcome)")
    #expect(outcome.output.contains("over the limit of 100000") == isExceeded, "\(outcome)")
    #expect(outcome.output.contains("long.npy") == isExceeded, "\(outcome)")
  }

  @Test(arguments: limits)
  func `check refuses a model over a limit of the user's`(
    limit: (setting: String, native: Bool, word: String)
  ) throws {
    let folder = try TemporaryFolder()
    let name = limit.native ? "m.rnnw" : "m.onnx"
    _ = try folder.write(
      limit.native ? try Sample.lstm(seed: 1) : Array(Data(contentsOf: URL(filePath: Sample.demo))), to: name)
    _ = try folder.write(
      Array("{ \"rnnconv_check\": 1, \"fixtures\": [{ \"name\": \"f\", \"models\": [\"\(name)\"] }] }".utf8),
      to: "rnnconv.json")
    let good = try Tool.run("check", folder.url.path)
    #expect(good.code == 0, "\(good)")
    let outcome = try Tool.run("check", folder.url.path, "--limit", limit.setting)
    #expect(outcome.code == 1 && outcome.output.contains(limit.word), "\(outcome)")
  }

  @Test func `a limit of the user's binds the inputs of a run`() throws {
    let folder = try TemporaryFolder()
    let outcome = try Tool.run(
      "run", Sample.demo, "--input", Sample.demoInputs, "-o", folder.path("y.npz"), "--limit",
      "header-bytes=20")
    // The model has no textual header.
    #expect(outcome.code == 4 && outcome.error.contains("over the limit of 20"), "\(outcome)")
    #expect(try folder.names().isEmpty)
  }

  @Test(arguments: ["nodes", "nodes=", "nodes=0", "nodes=-1", "nodes=many", "walls=3", ""])
  func `a limit that is none is 2, and the message lists them`(setting: String) throws {
    let outcome = try Tool.run("inspect", Sample.demo, "--limit", setting)
    #expect(outcome.code == 2, "\(outcome)")
    #expect(Limits.names.allSatisfy { outcome.error.contains($0.name) }, "\(outcome)")
  }
}
