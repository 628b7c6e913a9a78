import ByteIO
import Foundation
import NumPyFormat
import PyTorchFormat
import RNNConv
import SafetensorsFormat
import StateDictModels
import TestSupport
import Testing

/// A file of weights that PyTorch or safetensors wrote, with what PyTorch computes from it.
struct StateDictCase: Sendable, CustomTestStringConvertible {
  let name: String
  let folder: URL
  let model: String
  let options: [String]
  let elementType: String
  /// Whether the file holds its weights in another form: under weight norm, or quantised.
  let isDerived: Bool

  var testDescription: String { name }
  var path: String { folder.appending(path: model).path }

  func tensors(_ kind: String) throws -> [String: Tensor] {
    try RecordedCase.tensors(folder.appending(path: "\(kind).npz").path)
  }

  /// What the command line's options of the manifest mean.
  var architecture: ArchitectureOptions {
    var result = ArchitectureOptions()
    var rest = options[...]
    while let option = rest.popFirst() {
      switch option {
      case "--batch-first": result.batchFirst = true
      case "--no-batch-first": result.batchFirst = false
      case "--nonlinearity": result.nonlinearity = rest.popFirst()
      case "--key": result.key = rest.popFirst()
      case "--select": result.select = rest.popFirst().flatMap(Architecture.Selection.init(rawValue:))
      case "--head":
        result.head = rest.popFirst()!.split(separator: ",").map {
          Architecture.Activation(rawValue: String($0))
        }
      default: fatalError("unknown option \(option)")
      }
    }
    return result
  }

  static let all: [StateDictCase] = {
    let data = try! Data(contentsOf: Repository.fixtures.appending(path: "manifest.json"))
    let manifest = try! JSONSerialization.jsonObject(with: data) as! [String: Any]
    return (manifest["fixtures"] as! [[String: Any]]).compactMap { entry in
      guard let folder = entry["folder"] as? String, folder.hasPrefix("pytorch/") else { return nil }
      return StateDictCase(
        name: entry["name"] as! String, folder: Repository.fixtures.appending(path: folder),
        model: entry["model"] as! String, options: entry["options"] as! [String],
        elementType: entry["dtype"] as! String, isDerived: entry["derived"] as? Bool ?? false)
    }
  }()
}

@Suite struct StateDictFixtureTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func `there are enough of each form`() {
    #expect(StateDictCase.all.count >= 40)
    #expect(StateDictCase.all.count { $0.name.contains("safetensors") } >= 4)
  }

  @Test(arguments: StateDictCase.all)
  func `what torch computed lies within the bound, for the import and for the evaluator`(
    entry: StateDictCase
  ) throws {
    let file = try ModelFile.open(entry.path, architecture: entry.architecture)
    expectWithinBound(
      file, try entry.tensors("inputs"), try entry.tensors("outputs"), entry.name, runtime: .pytorch)
    let report = try file.verify(VerificationOptions(inputs: try entry.tensors("inputs")))
    #expect(report.verdict <= .equal, "\(report.reasons)")
    // The evaluator alone against torch, with no canonical model between.
    let own = try file.evaluate(try entry.tensors("inputs"), precision: .float64)
    for (name, expected) in try entry.tensors("outputs") {
      let off = worst(own[name]?.doubles ?? [], expected.doubles) { abs($0 - $1) }
      #expect(off < 2e-6, "\(name): \(off)")
    }
  }

  @Test(arguments: StateDictCase.all)
  func `every format gives the weights back bit for bit`(entry: StateDictCase) throws {
    let file = try ModelFile.open(entry.path, architecture: entry.architecture)
    let weights = try entry.tensors("weights")
    let isNarrow = ["float16", "bfloat16"].contains(entry.elementType)
    for target in ["model.rnnw", "model.safetensors", "model.pt", "model.onnx"] {
      // ONNX stores narrow weights as they are and widens them in the graph, which reads back as wide ones.
      if target.hasSuffix("onnx"), isNarrow { continue }
      let conversion = try file.convert(to: folder.path(target))
      #expect(
        conversion.exactness == (entry.isDerived ? .rounded : .exact), "\(target): \(conversion.notes)")
      #expect(conversion.report!.verdict <= .equal, "\(target): \(conversion.report!.reasons)")
      // Without any options: what rnnconv writes says itself how it runs.
      let again = try ModelFile.open(folder.path(target))
      #expect(again.findings.allSatisfy { $0.kind == .inferred }, "\(again.findings)")
      #expect(try again.model.fingerprint == file.model.fingerprint, "\(target)")
      _ = try again.convert(to: folder.path("back.pt"))
      let state = try PyTorchFormat.decode(try ByteBuffer.open(path: folder.path("back.pt")))
      // A cell that is run over a sequence is a module of one layer.
      let isCell = entry.name.hasSuffix("-cell")
      let weights = Dictionary(uniqueKeysWithValues: weights.map { (isCell ? $0 + "_l0" : $0, $1) })
      #expect(Set(state.entries.map(\.name)) == Set(weights.keys), "\(target)")
      for (name, tensor) in state.entries.map({ ($0.name, $0.tensor) }) {
        let expected = try #require(weights[name])
        // PyTorch takes the norms of weight norm in Float32, in an order of its own.
        let isRight =
          entry.name.contains("weight-norm")
          ? tensor.count == expected.count
            && zip(tensor.floats, expected.floats).allSatisfy { abs($0 - $1) <= 2 * $1.ulp }
          : tensor.bytes == expected.bytes
        #expect(isRight && tensor.shape == expected.shape, "\(target), \(name)")
      }
    }
  }

  @Test func `ONNX files made of state dicts compute in onnxruntime what torch computed`() throws {
    var judge = try ExportJudge()
    defer { judge.remove() }
    for entry in StateDictCase.all {
      let model = try ModelFile.open(entry.path, architecture: entry.architecture).model
      let inputs = entry.folder.appending(path: "inputs.npz").path
      _ = try judge.add(model, entry.name, opset: 17, inputs: inputs)
    }
    let (outputs, refused) = try judge.run()
    // onnxruntime has no Float64 LSTM.
    #expect(refused.count == 1 && refused.allSatisfy { $0.contains("double") }, "\(refused)")
    #expect(outputs.count == StateDictCase.all.count - 1)
    for entry in StateDictCase.all {
      guard let theirs = outputs[entry.name] else { continue }
      let file = try ModelFile.open(entry.path, architecture: entry.architecture)
      expectWithinBound(file, try entry.tensors("inputs"), theirs, entry.name)
    }
  }

  @Test func `a planted mistake in the importer's gate order is found by the evaluator`() throws {
    let entry = try #require(StateDictCase.all.first { $0.name == "state-lstm-zip" })
    let state = try PyTorchFormat.decode(try ByteBuffer.open(path: entry.path))
    let inference = try Inference(state, entry.architecture)
    var gates = TorchGates()
    gates.lstm = .init(.input, .output, .forget, .candidate)
    let wrong = try StateDictImporter.importModel(state, inference.architecture, gates: gates)
    let file = try ModelFile.open(entry.path, architecture: entry.architecture)
    let report = try file.verify(against: ModelFile(wrong, name: "wrong"))
    #expect(report.verdict == .different)
  }

  @Test(arguments: ["large.pt", "large.safetensors"])
  func `opening a file maps its weights and does not read them`(name: String) throws {
    // 64 MiB of weights, most of them in W.
    let rows = 4 * 64
    let columns = (64 << 20) / 4 / rows
    var generator = SeededGenerator(seed: 2)
    let bytes = ByteBuffer(byteCount: rows * columns * 4) { _ in }
    let state = StateDict(entries: [
      .init("weight_ih_l0", try Tensor(.float32, shape: [rows, columns], bytes: bytes)),
      .init("weight_hh_l0", generator.tensor([rows, 64])),
    ])
    let path = folder.path(name)
    if name.hasSuffix("pt") {
      try AtomicFile.write(PyTorchWriter.encode(state), to: path)
    } else {
      let file = SafetensorsFile(tensors: state.entries.map { .init($0.name, $0.tensor) })
      try AtomicFile.write(SafetensorsFormat.encode(file), to: path)
    }
    let file = try ModelFile.open(path)
    #expect(file.findings.contains { $0.detail.contains("LSTM \(columns) → 64") })
    let (mapped, resident) = try Self.mapping(of: path)
    #expect(mapped > 64 << 10)
    #expect(resident * 20 < mapped, "\(resident) of \(mapped) KiB are in memory")
    // Nor does the import: gates are put in order where their weights are used.
    #expect(try file.model.parameterCount == rows * (columns + 64))
    #expect(try Self.mapping(of: path).resident * 20 < mapped)
    // What is read counts.
    let whole = try ByteBuffer.open(path: path)
    #expect(crc32(whole) != 0)
    #expect(try Self.mapping(of: path).resident * 2 > mapped)
    withExtendedLifetime(whole) {}
  }

  /// KiB of a file that are mapped, and how many of them are in this process's memory.
  private static func mapping(of path: String) throws -> (mapped: Int, resident: Int) {
    let name = path.split(separator: "/").suffix(2).joined(separator: "/")
    // Files of /proc have no size: they are read to their end.
    let table = try #require(try FileHandle(forReadingAtPath: "/proc/self/smaps")?.readToEnd())
    var (mapped, resident, isInside) = (0, 0, false)
    for line in String(decoding: table, as: UTF8.self).split(separator: "\n") {
      let fields = line.split(separator: " ", omittingEmptySubsequences: true)
      if fields.first?.contains("-") == true { isInside = line.hasSuffix(name) }
      if isInside, fields.first == "Size:" { mapped += Int(fields[1])! }
      if isInside, fields.first == "Rss:" { resident += Int(fields[1])! }
    }
    return (mapped, resident)
  }

  @Test func `what is not in the file as it is used is said`() throws {
    for (name, word) in [
      ("state-lstm-weight-norm", "weight norm"), ("state-lstm-quantised-bi", "8 bits"),
      ("state-lstm-quantised-module-bf", "8 bits"),
    ] {
      let entry = try #require(StateDictCase.all.first { $0.name == name })
      let file = try ModelFile.open(entry.path, architecture: entry.architecture)
      #expect(
        file.findings.contains { $0.detail.contains(word) }
          && file.notes.contains { $0.exactness == .rounded })
    }
  }

  @Test func `pickled modules say themselves what a state dict leaves out`() throws {
    for name in [
      "state-rnn-relu-module-bf", "state-lstm-module-legacy-bf", "state-lstm-quantised-module-bf",
    ] {
      let entry = try #require(StateDictCase.all.first { $0.name == name })
      #expect(entry.options.isEmpty)
      let findings = try ModelFile.open(entry.path).findings
      #expect(!findings.isEmpty && findings.allSatisfy { $0.kind == .inferred }, "\(findings)")
    }
  }

  @Test func `two copies of a state dict are not chosen between`() throws {
    let entry = try #require(StateDictCase.all.first { $0.name == "state-lstm-twice" })
    let error = #expect(throws: RNNConvError.self) { try ModelFile.open(entry.path) }
    #expect(error?.description.contains("net.raw, net.ema; choose one with `.key`") ?? false, "\(error!)")
  }

  @Test func `damaged weights of a mapped archive are found before anything is made of them`() throws {
    let entry = try #require(StateDictCase.all.first { $0.name == "state-lstm-zip" })
    var bytes = try ByteBuffer.open(path: entry.path).array
    let first = try #require(try entry.tensors("weights")["rnn.weight_ih_l0"]).bytes.array
    let place = try #require(bytes.firstRange(of: first)?.lowerBound)
    bytes[place] ^= 1
    let path = try folder.write(bytes, to: "damaged.pt")
    let file = try ModelFile.open(path)
    for attempt in [
      { _ = try file.convert(to: folder.path("x.rnnw")) }, { _ = try file.verify() },
    ] {
      let error = #expect(throws: RNNConvError.self) { try attempt() }
      #expect(error?.description.contains("CRC-32") ?? false)
    }
    #expect(try folder.names() == ["damaged.pt"])
  }
}
