import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing
import Verification

@Suite struct VerifyTests {
  /// A model with the outputs that PyTorch computed.
  static func recorded(_ file: String) -> String {
    Repository.fixtures.appending(path: "onnx/torch-legacy-lstm/\(file)").path
  }

  @Test func `the report as JSON has every documented key`() throws {
    let outcome = try Tool.run("verify", Sample.demo, "--json")
    #expect(outcome.code == 0, "\(outcome)")
    let report = try outcome.json()
    #expect(
      Set(report.keys).isSuperset(of: [
        "verdict", "left", "right", "fingerprints", "outputs", "roads", "probes", "seed", "reasons",
        "diagnosis",
      ]))
    #expect(["identical", "equal"].contains(report["verdict"] as? String))
    let outputs = try #require(report["outputs"] as? [[String: Any]])
    #expect(!outputs.isEmpty)
    for output in outputs {
      #expect(
        Set(output.keys).isSuperset(of: [
          "name", "verdict", "elements", "undecided", "maxDeviation", "bound", "tightness", "firstOutside",
          "worst",
        ]))
    }
    let roads = try #require(report["roads"] as? [[String: Any]])
    #expect(
      !roads.isEmpty && roads.allSatisfy { Set($0.keys).isSuperset(of: ["side", "verdict", "outputs"]) })
    #expect(report["seed"] as? Int == 1)
  }

  @Test func `recorded outputs of PyTorch are within the bound`() throws {
    let outcome = try Tool.run(
      "verify", Self.recorded("model.onnx"), "--input", Self.recorded("inputs.npz"), "--expected",
      Self.recorded("outputs.npz"), "--runtime", "pytorch")
    #expect(outcome.code == 0, "\(outcome)")
    #expect(
      outcome.output.contains("verdict: equal") || outcome.output.contains("verdict: identical"), "\(outcome)"
    )
  }

  @Test func `where neither side can be imported, inputs are made up by what the graph says`() throws {
    let file = Repository.fixtures.appending(path: "onnx/torch-dynamo-rnn-tanh/model.onnx").path
    let outcome = try Tool.run("verify", file, file)
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("has no canonical model"), "\(outcome)")
  }

  @Test func `recorded outputs that are off are different, and close only by a tolerance`() throws {
    let folder = try TemporaryFolder()
    let outputs = try Sample.npz(Self.recorded("outputs.npz"))
    let (name, tensor) = try #require(outputs.first { $0.key == "y" })
    var values = tensor.floats
    values[0] += 0.01
    let path = try folder.write(try Sample.npy(Tensor(values, shape: tensor.shape)), to: "y.npy")
    let arguments = [
      "verify", Self.recorded("model.onnx"), "--input", Self.recorded("inputs.npz"), "--expected",
      "\(name)=\(path)",
    ]
    let strict = try Tool.run(arguments)
    #expect(strict.code == 1, "\(strict)")
    #expect(strict.output.contains("first leaves its bound at [0"), "\(strict)")
    let tolerant = try Tool.run(arguments + ["--atol", "0.02"])
    #expect(tolerant.code == 0 && tolerant.output.contains("verdict: close"), "\(tolerant)")
  }

  @Test func `two models of the same shapes with other weights are different`() throws {
    let folder = try TemporaryFolder()
    let a = try folder.write(try Sample.lstm(seed: 1), to: "a.rnnw")
    let b = try folder.write(try Sample.lstm(seed: 2), to: "b.rnnw")
    let outcome = try Tool.run("verify", a, b)
    #expect(outcome.code == 1, "\(outcome)")
    #expect(outcome.output.contains("verdict: different"), "\(outcome)")
    let json = try Tool.run("verify", a, b, "--json")
    #expect(json.code == 1)
    #expect(try json.json()["verdict"] as? String == "different")
  }

  @Test func `models that cannot be compared are told apart by their inputs or shapes`() throws {
    let folder = try TemporaryFolder()
    let a = try folder.write(try Sample.lstm(seed: 1), to: "a.rnnw")
    var larger = LayerSpecification(.lstm)
    larger.hiddenSize = 5
    let b = try folder.write(try Sample.rnnw(larger.model(seed: 1)), to: "b.rnnw")
    let shapes = try Tool.run("verify", a, b)
    #expect(shapes.code == 1 && shapes.output.contains("has shape"), "\(shapes)")
    let inputs = try Tool.run("verify", a, Sample.demo)
    #expect(inputs.code == 2, "\(inputs)")
    #expect(inputs.error.contains("inputs differ"), "\(inputs)")
  }

  @Test func `a recurrence that explodes is inconclusive`() throws {
    // Large recurrent weights make a tanh RNN chaotic: rounding errors grow until they are as large as the state.
    let folder = try TemporaryFolder()
    var specification = LayerSpecification(.rnn)
    specification.scale = 3
    specification.hiddenSize = 16
    let native = try folder.write(try Sample.rnnw(specification.model(seed: 3)), to: "m.rnnw")
    let onnx = folder.path("m.onnx")
    #expect(try Tool.run("convert", native, onnx).signal == nil)
    var generator = SeededGenerator(seed: 4)
    let x = try folder.write(try Sample.npy(generator.tensor([200, 2, 3], scale: 0.01)), to: "x.npy")
    let outcome = try Tool.run("verify", native, onnx, "--input", x)
    #expect(outcome.code == 5, "\(outcome)")
    #expect(outcome.output.contains("verdict: inconclusive"), "\(outcome)")
    #expect(outcome.output.contains("the recurrence expands"), "\(outcome)")
  }

  @Test func `a wrong gate order is named, and mended by the command that the report tells`() throws {
    let folder = try TemporaryFolder()
    let model = LayerSpecification(.lstm).model(seed: 1)
    let wrong = try #require(
      Mistake.named("gate-order")?.apply(to: model).first {
        $0.place.contains("ONNX order i,o,f,g taken for PyTorch")
      })
    let a = try folder.write(try Sample.rnnw(model), to: "a.rnnw")
    let b = try folder.write(try Sample.rnnw(wrong.model), to: "b.rnnw")
    let fixed = folder.path("fixed.onnx")
    let outcome = try Tool.run("verify", a, b, "--write-fixed", fixed)
    #expect(outcome.code == 1, "\(outcome)")
    #expect(outcome.output.contains("certain: in \(b), the gates are taken in another order"), "\(outcome)")
    #expect(outcome.output.contains("wrote \(fixed)"), "\(outcome)")
    #expect(try Tool.run("verify", a, fixed).code == 0)
    let told = try Tool.run("verify", a, b)
    #expect(
      told.output.contains("mend with    rnnconv verify \(a) \(b) --write-fixed fixed-b.rnnw"), "\(told)")
    let json = try Tool.run("verify", a, b, "--json").json()
    let diagnosis = try #require(json["diagnosis"] as? [String: Any])
    #expect(
      Set(diagnosis.keys) == [
        "suspect", "reference", "certain", "summary", "explanations", "places", "tried", "complete",
        "mendable", "suggestion",
      ])
    #expect(diagnosis["certain"] as? Bool == true && diagnosis["mendable"] as? Bool == true)
  }

  @Test func `where no known mistake explains it nothing is written`() throws {
    let folder = try TemporaryFolder()
    let a = try folder.write(try Sample.lstm(seed: 1), to: "a.rnnw")
    let b = try folder.write(try Sample.lstm(seed: 2), to: "b.rnnw")
    let outcome = try Tool.run("verify", a, b, "--write-fixed", folder.path("fixed.rnnw"))
    #expect(outcome.code == 1, "\(outcome)")
    #expect(outcome.output.contains("nothing was written"), "\(outcome)")
    #expect(!FileManager.default.fileExists(atPath: folder.path("fixed.rnnw")))
  }

  /// An LSTM, and one in which what the name says was done to it.
  private func pair(_ folder: TemporaryFolder, _ mistake: String) throws -> (String, String) {
    let model = LayerSpecification(.lstm).model(seed: 1)
    let wrong = try #require(Mistake.named(mistake)?.apply(to: model).first)
    return (
      try folder.write(try Sample.rnnw(model), to: "a.rnnw"),
      try folder.write(try Sample.rnnw(wrong.model), to: "b.rnnw")
    )
  }

  @Test func `nothing is mended over a file that is compared, under whatever name`() throws {
    let folder = try TemporaryFolder()
    let (a, b) = try pair(folder, "gate-order")
    let bytes = try Data(contentsOf: URL(filePath: b))
    try FileManager.default.linkItem(atPath: b, toPath: folder.path("hard.rnnw"))
    try FileManager.default.createSymbolicLink(atPath: folder.path("soft.rnnw"), withDestinationPath: b)
    for target in [b, a, folder.path("./b.rnnw"), folder.path("hard.rnnw"), folder.path("soft.rnnw")] {
      let outcome = try Tool.run("verify", a, b, "--write-fixed", target)
      #expect(outcome.code == 2 && outcome.error.contains("--write-fixed"), "\(outcome)")
    }
    #expect(try Data(contentsOf: URL(filePath: b)) == bytes)
  }

  @Test func `nothing is mended with what only the right side has`() throws {
    let folder = try TemporaryFolder()
    let (a, b) = try pair(folder, "bias-lost")
    let outcome = try Tool.run("verify", a, b, "--write-fixed", folder.path("fixed.rnnw"))
    #expect(outcome.code == 1 && outcome.output.contains("nothing was written"), "\(outcome)")
    #expect(outcome.output.contains("what was lost is not in \(b)"), "\(outcome)")
    #expect(!FileManager.default.fileExists(atPath: folder.path("fixed.rnnw")))
  }

  @Test func `a diagnosis can be left out`() throws {
    let folder = try TemporaryFolder()
    let (a, b) = try pair(folder, "gate-order")
    let outcome = try Tool.run("verify", a, b, "--no-diagnosis")
    #expect(outcome.code == 1 && !outcome.output.contains("diagnosis"), "\(outcome)")
    #expect(try Tool.run("verify", a, b, "--no-diagnosis", "--json").json()["diagnosis"] is NSNull)
    #expect(try Tool.run("verify", a, b, "--no-diagnosis", "--write-fixed", folder.path("c.rnnw")).code == 2)
  }

  @Test func `an option that settles the difference is told instead of a wrong file`() throws {
    let folder = try TemporaryFolder()
    let checkpoint = Repository.fixtures.appending(path: "pytorch/hidden-bi/model.pt").path
    let (model, fixed) = (folder.path("m.onnx"), folder.path("fixed.onnx"))
    #expect(try Tool.run("convert", checkpoint, model, "--select", "hidden").code == 0)
    let outcome = try Tool.run(
      "verify", checkpoint, model, "--select", "last", "--write-fixed", fixed, "--report",
      folder.path("out.html"))
    #expect(outcome.code == 1, "\(outcome)")
    let page = try String(contentsOfFile: folder.path("out.html"), encoding: .utf8)
    #expect(page.contains("<dt>Diagnosis</dt><dd>the option --select last: with --select hidden both agree"))
    #expect(!page.contains("Mend with"))
    #expect(
      outcome.output.contains("the option --select last: with --select hidden both agree"), "\(outcome)")
    #expect(!outcome.output.contains("certain"), "\(outcome)")
    #expect(!FileManager.default.fileExists(atPath: fixed))
    #expect(try Tool.run("verify", checkpoint, model, "--select", "hidden").code == 0)
  }

  @Test func `an assumption that settles the difference is told instead of a wrong file`() throws {
    let folder = try TemporaryFolder()
    let checkpoint = Repository.fixtures.appending(path: "pytorch/hidden-bi/model.pt").path
    let model = folder.path("m.onnx")
    #expect(try Tool.run("convert", checkpoint, model, "--batch-first").code == 0)
    for (flags, told) in [
      ([], "which its weights do not say: with --batch-first both agree (tried)"),
      (["--no-batch-first"], "the option --no-batch-first: with --batch-first both agree (tried)"),
      (
        ["--no-left-batch-first"],
        "the option --no-left-batch-first: with --left-batch-first both agree (tried)"
      ),
    ] {
      let outcome = try Tool.run(["verify", checkpoint, model] + flags)
      #expect(outcome.code == 1 && outcome.output.contains(told), "\(outcome)")
      #expect(!outcome.output.contains("certain"), "\(outcome)")
    }
    #expect(try Tool.run("verify", checkpoint, model, "--batch-first").code == 0)
  }

  @Test func `initial states that one side alone takes are a difference that is told`() throws {
    let folder = try TemporaryFolder()
    var model = try LayerSpecification(.lstm).model(seed: 1)
    guard case .recurrent(let layer) = model.layers[0].operation else {
      Issue.record("no recurrent layer")
      return
    }
    let plain = try folder.write(Sample.rnnw(model), to: "plain.rnnw")
    for (name, position) in [("h0", 2), ("c0", 3)] {
      while model.layers[0].inputs.count <= position { model.layers[0].inputs.append(nil) }
      model.layers[0].inputs[position] = name
      model.inputs.append(.vector(name, features: layer.hiddenSize))
    }
    model.inputs[0].name = "sequence"
    let states = try folder.write(Sample.rnnw(model), to: "states.rnnw")
    for files in [[plain, states], [states, plain]] {
      let outcome = try Tool.run(["verify"] + files)
      #expect(outcome.code == 1, "\(outcome)")
      #expect(outcome.output.contains("\(plain) does not read the input 'h0' of \(states)"), "\(outcome)")
      #expect(outcome.output.contains("an initial state is ignored"), "\(outcome)")
    }
  }

  @Test func `power tells what the inputs cannot notice`() throws {
    let folder = try TemporaryFolder()
    let model = try folder.write(try Sample.lstm(seed: 1), to: "a.rnnw")
    var generator = SeededGenerator(seed: 4)
    let x = try folder.write(try Sample.npy(generator.tensor([1, 1, 3])), to: "x.npy")
    let outcome = try Tool.run("verify", model, "--power", "--input", x)
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("not noticed: a layer runs in the other direction"), "\(outcome)")
    #expect(outcome.output.contains("because every sequence has one step (T = 1)"), "\(outcome)")
    let json = try Tool.run("verify", model, "--power", "--json").json()
    #expect(Set(json.keys) == ["model", "probes", "seed", "mistakes"])
  }
}
