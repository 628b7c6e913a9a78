import ByteIO
import Foundation
import NumPyFormat
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct RunTests {
  @Test(arguments: ["forward", "evaluator", "auto"], ["float32", "float64"])
  func `running the demo gives PyTorch's outputs`(engine: String, precision: String) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("outputs.npz")
    let outcome = try Tool.run(
      "run", Sample.demo, "--input", Sample.demoInputs, "-o", path, "--engine", engine, "--precision",
      precision)
    #expect(outcome.code == 0, "\(outcome)")
    let (found, expected) = (try Sample.npz(path), try Sample.npz(Sample.demoOutputs))
    #expect(Set(found.keys) == Set(expected.keys))
    for (name, tensor) in expected { #expect(Sample.distance(found[name], tensor) < 1e-5, "\(name)") }
  }

  @Test func `inputs are named files, and one output is a plain array`() throws {
    let folder = try TemporaryFolder()
    var inputs: [String] = []
    for (index, (name, tensor)) in try Sample.npz(Sample.demoInputs).enumerated() {
      let path = try folder.write(try Sample.npy(tensor), to: "\(index).npy")
      inputs += ["--input", "\(name)=\(path)"]
    }
    for (name, tensor) in try Sample.npz(Sample.demoOutputs) {
      let path = folder.path("y.npy")
      let outcome = try Tool.run(["run", Sample.demo, "-o", path, "--output-name", name] + inputs)
      #expect(outcome.code == 0, "\(outcome)")
      let found = try NumPyFormat.decodeArray(try ByteBuffer.open(path: path))
      #expect(Sample.distance(found, tensor) < 1e-5, "\(name)")
    }
  }

  @Test func `a model with one input takes an array without a name`() throws {
    let folder = try TemporaryFolder()
    let model = try folder.write(try Sample.lstm(seed: 1), to: "m.rnnw")
    var generator = SeededGenerator(seed: 2)
    let x = try folder.write(try Sample.npy(generator.tensor([5, 2, 3])), to: "x.npy")
    let outcome = try Tool.run("run", model, "--input", x, "-o", "-")
    #expect(outcome.code == 0, "\(outcome.error)")
    let outputs = try Sample.npz(ByteBuffer(outcome.outputBytes))
    #expect(outputs["y"]?.shape == [5, 2, 4])
    #expect(Set(outputs.keys) == ["y", "h", "c"])
  }

  @Test func `several outputs do not fit into one array`() throws {
    let folder = try TemporaryFolder()
    let model = try folder.write(try Sample.lstm(seed: 1), to: "m.rnnw")
    let x = try folder.write(
      try Sample.npy(Tensor([Float](repeating: 0, count: 6), shape: [2, 1, 3])), to: "x.npy")
    let outcome = try Tool.run("run", model, "--input", x, "-o", folder.path("y.npy"))
    #expect(outcome.code == 2, "\(outcome)")
    #expect(outcome.error.contains("--output-name"), "names the option that exists: \(outcome)")
  }

  @Test(arguments: [
    (["--input", "nonsense={x}"], "nonsense"),
    (["--input", "x={short}"], "shape"),
    (["--input", "x={x}", "--output-name", "z"], "no output 'z'"),
    (["--input", "x={x}", "--precision", "float8"], "--precision float8"),
    (["--input", "x={x}", "--engine", "steam"], "steam"),
    ([], "--input"),
  ])
  func `wrong inputs and options are named`(arguments: [String], words: String) throws {
    let folder = try TemporaryFolder()
    let model = try folder.write(try Sample.lstm(seed: 1), to: "m.rnnw")
    var generator = SeededGenerator(seed: 2)
    let x = try folder.write(try Sample.npy(generator.tensor([5, 2, 3])), to: "x.npy")
    let short = try folder.write(try Sample.npy(generator.tensor([5, 2])), to: "short.npy")
    let filled = arguments.map {
      $0.replacingOccurrences(of: "{x}", with: x).replacingOccurrences(of: "{short}", with: short)
    }
    let before = try folder.names()
    let outcome = try Tool.run(["run", model, "-o", folder.path("y.npz")] + filled)
    #expect(outcome.code == 2, "\(outcome)")
    #expect(outcome.error.contains(words), "\(outcome)")
    #expect(try folder.names() == before)
  }

  @Test func `values that are NaN or infinite come through as they are`() throws {
    let folder = try TemporaryFolder()
    let model = try folder.write(try Sample.lstm(seed: 1), to: "m.rnnw")
    let x = try folder.write(
      try Sample.npy(Tensor([Float.nan, Float.infinity, -Float.infinity, 1, 2, 3], shape: [2, 1, 3])),
      to: "x.npy")
    for engine in ["forward", "evaluator"] {
      let outcome = try Tool.run("run", model, "--input", x, "-o", folder.path("y.npz"), "--engine", engine)
      #expect(outcome.code == 0, "\(outcome)")
      #expect(try Sample.npz(folder.path("y.npz"))["y"]?.doubles.allSatisfy(\.isNaN) == true)
    }
    let verified = try Tool.run("verify", model, "--input", x)
    #expect(verified.signal == nil, "\(verified)")
  }
}
