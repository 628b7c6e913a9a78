import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct BuildTests {
  private func example(_ name: String, _ file: String = "example.model.json") -> String {
    Repository.fixtures.appending(path: "forms/\(name)/\(file)").path
  }

  @Test(arguments: ["adding", "captioning", "latching", "orbit", "parity", "reversal", "sentiment"])
  func `a description becomes a file, and the two are one model`(name: String) throws {
    let folder = try TemporaryFolder()
    // The evaluator of the ONNX file does not round as the forward pass does.
    for (target, verdict) in [("model.rnnw", "identical"), ("model.onnx", "equal")] {
      let path = folder.path(target)
      let built = try Tool.run("build", example(name), "-o", path)
      #expect(built.code == 0, "\(built)")
      #expect(built.output.contains("verified"), "\(built)")
      let verified = try Tool.run("verify", example(name), path)
      #expect(verified.code == 0 && verified.output.contains("verdict: \(verdict)"), "\(verified)")
      #expect(verified.output.contains("the same model"), "\(verified)")
      let inspected = try Tool.run("inspect", path)
      #expect(inspected.code == 0, "\(inspected)")
    }
  }

  @Test func `run gives what PyTorch recorded, and a beam of one the same`() throws {
    let folder = try TemporaryFolder()
    for (options, name) in [([], "greedy"), (["--beam", "1", "--length-penalty", "0.7"], "beam")] {
      let path = folder.path("\(name).npz")
      let outcome = try Tool.run(
        ["run", example("captioning"), "--input", example("captioning", "inputs.npz"), "-o", path] + options)
      #expect(outcome.code == 0, "\(outcome)")
      let (found, expected) = (try Sample.npz(path), try Sample.npz(example("captioning", "outputs.npz")))
      for (output, tensor) in expected {
        if tensor.elementType.isFloat {
          #expect(Sample.distance(found[output], tensor) < 1e-4, "\(output)")
        } else {
          #expect(found[output] == tensor, "\(output)")
        }
      }
    }
  }

  @Test func `what cannot be searched or built says why`() throws {
    let folder = try TemporaryFolder()
    let inputs = example("adding", "inputs.npz")
    var outcome = try Tool.run(
      "run", example("adding"), "--input", inputs, "-o", folder.path("y.npy"), "--beam", "3")
    #expect(outcome.code == 2 && outcome.error.contains("no loop that feeds tokens back"), "\(outcome)")
    outcome = try Tool.run(
      "run", example("adding"), "--input", inputs, "-o", folder.path("y.npy"), "--beam", "0")
    #expect(outcome.code == 2, "\(outcome)")
    let broken = try folder.write(Array("{\"rnnconv_description\": 2}".utf8), to: "broken.model.json")
    outcome = try Tool.run("build", broken, "-o", folder.path("m.rnnw"))
    #expect(outcome.code == 4 && outcome.error.contains("only version 1"), "\(outcome)")
  }
}
