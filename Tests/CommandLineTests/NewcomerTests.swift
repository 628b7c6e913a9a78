import Foundation
import NumPyFormat
import RNNConv
import TestSupport
import Testing

/// What people stumbled over who had not seen the tool before.
@Suite struct NewcomerTests {
  let folder: TemporaryFolder
  private let demo = Repository.fixtures.appending(path: "demo")
  private let classifier = Repository.fixtures.appending(path: "pytorch/classifier/model.pt").path

  init() throws { folder = try TemporaryFolder() }

  private var model: String { demo.appending(path: "model.onnx").path }

  @Test func `Float32's outputs are judged as such, whatever type keeps them`() throws {
    let outputs = try TensorFile.read(demo.appending(path: "outputs.npz").path)
    let inputs = demo.appending(path: "inputs.npz").path
    func verify(_ factor: Double) throws -> Tool.Outcome {
      let wide = outputs.map { entry in
        (entry.name!, Tensor(entry.tensor.doubles.map { $0 * factor }, shape: entry.tensor.shape))
      }
      let path = folder.path("wide.npz")
      try TensorFile.write(wide.map { (name: $0.0, tensor: $0.1) }, to: path)
      return try Tool.run("verify", model, "--input", inputs, "--expected", path)
    }
    let kept = try verify(1)
    #expect(kept.code == 0 && kept.output.contains("verdict: equal"), "\(kept)")
    // Numbers that Float32 has not were computed in Float64, and these are off by a thousand times its rounding.
    let moved = try verify(1 + 0x1p-40)
    #expect(moved.code == 1, "\(moved)")
  }

  @Test func `what is said of an architecture that a file holds itself is refused`() throws {
    for arguments in [
      ["convert", model, folder.path("o.rnnw"), "--select", "mean"], ["inspect", model, "--batch-first"],
      ["verify", model, "--head", "softmax"], ["verify", model, classifier, "--left-select", "last"],
      ["diff", model, model, "--select", "last"],
    ] {
      let outcome = try Tool.run(arguments)
      #expect(outcome.code == 2 && outcome.error.contains("holds its own architecture"), "\(outcome)")
    }
    // Of two files it may be about the other one.
    let onnx = folder.path("m.onnx")
    #expect(try Tool.run("convert", classifier, onnx, "--batch-first", "--select", "last").code == 0)
    #expect(try Tool.run("verify", classifier, onnx, "--batch-first", "--select", "last").code == 0)
    #expect(try Tool.run("diff", onnx, classifier, "--batch-first", "--select", "last").code == 0)
    // A wrong guess looks like a wrong file: it is said where they differ.
    let guessed = try Tool.run("verify", onnx, classifier, "--no-diagnosis")
    #expect(
      guessed.code == 1 && guessed.output.contains("assumed") && guessed.output.contains("(--batch-first)"))
  }

  @Test func `no report is written over another, or over what is compared`() throws {
    let page = folder.path("same.html")
    let twice = try Tool.run("verify", model, "--report", page, "--evidence", page)
    #expect(twice.code == 2 && twice.error.contains("named twice"), "\(twice)")
    let copy = folder.path("copy.onnx")
    try FileManager.default.copyItem(atPath: model, toPath: copy)
    let over = try Tool.run("verify", copy, "--report", copy, "--force")
    #expect(over.code == 2 && over.error.contains("name another file"), "\(over)")
    #expect(try Data(contentsOf: URL(filePath: copy)) == Data(contentsOf: URL(filePath: model)))
  }

  @Test func `import writes no .rnnw under another format's name`() throws {
    let outcome = try Tool.run("import", model, "-o", folder.path("o.onnx"))
    #expect(outcome.code == 2 && outcome.error.contains("rnnconv convert"), "\(outcome)")
    #expect(try folder.names().isEmpty)
    let unknown = try Tool.run("convert", model, folder.path("o.h5"))
    #expect(
      unknown.code == 2 && !unknown.error.contains(".npz") && unknown.error.contains(".rnnw"), "\(unknown)")
  }

  @Test func `a last state that nobody reads cannot be exchanged unseen`() throws {
    let tagger = Repository.fixtures.appending(path: "pytorch/tagger/model.pt").path
    let report = try Tool.run("verify", tagger, "--head", "log_softmax", "--power", "--json").json()
    let mistakes = try #require(report["mistakes"] as? [[String: Any]])
    let swapped = try #require(mistakes.first { $0["mistake"] as? String == "states-swapped" })
    #expect(swapped["ways"] as? Int == 0, "\(swapped)")
  }
}
