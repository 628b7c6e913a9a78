import ArgumentParser
import Crypto
import Foundation
import RNNConv
import Testing

/// What a package that depends on rnnconv does with it, by `import RNNConv` alone: Foundation beside it, no `@testable`.
@Suite struct StrangerTests {
  let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../../fixtures").standardized
  let scratch = FileManager.default.temporaryDirectory.appending(path: "stranger-\(UUID())")

  init() throws { try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true) }

  var demo: String { fixtures.appending(path: "demo/model.onnx").path }

  /// The numbers of an input's shape: what a port leaves open is `steps` or `batch`.
  func inputs(of model: Model, steps: Int, batch: Int) throws -> [String: Tensor] {
    var inputs: [String: Tensor] = [:]
    for port in model.inputs {
      let shape = port.axes.map { axis in
        axis.size ?? (axis.factors.contains(.time) ? steps : batch)
      }
      let count = shape.reduce(1, *)
      inputs[port.name] = try Tensor((0..<count).map { sin(Float($0)) }, shape: shape)
    }
    return inputs
  }

  // MARK: Loading and running

  @Test func `a file loads from a path and from memory`() throws {
    let file = try ModelFile.open(demo)
    #expect(file.format == .onnx && file.holdsWeightsAlone == false)
    let data = try Data(contentsOf: URL(filePath: demo))
    let again = try ModelFile(bytes: ByteBuffer(data), path: "demo.onnx", format: .onnx)
    #expect(try again.model.fingerprint == file.model.fingerprint)
    let inputs = try inputs(of: file.model, steps: 5, batch: 2)
    let outputs = try file.run(inputs)
    #expect(try again.run(inputs) == outputs)
    // A second run goes over packed weights, and gives the same bits.
    #expect(try file.run(inputs) == outputs)
    #expect(try file.prepared(threads: 1).run(inputs) == outputs)
    for (name, tensor) in outputs { #expect("\(tensor)".hasPrefix("F32 ["), "\(name)") }
    #expect("\(file)".contains("onnx") && "\(file)".contains("LSTM"))
  }

  @Test func `eight tasks at once are served by one prepared model`() async throws {
    let file = try await ModelFile.open(demo)
    let prepared = try file.prepared(threads: 1)
    let inputs = try inputs(of: file.model, steps: 7, batch: 1)
    let alone = try await file.run(inputs)
    try await withThrowingTaskGroup(of: [String: Tensor].self) { group in
      for _ in 0..<8 {
        group.addTask {
          var last: [String: Tensor] = [:]
          for _ in 0..<50 { last = try await prepared.run(inputs) }
          return last
        }
      }
      for try await outputs in group { #expect(outputs == alone) }
    }
  }

  // MARK: Building and streaming

  /// An LSTM of 4 units over 3 features, and the scores of 2 classes for each step.
  func tagger(batchFirst: Bool = false) throws -> Model {
    func weights(_ rows: Int, _ columns: Int) throws -> Tensor {
      try Tensor((0..<(rows * columns)).map { cos(Float($0)) / 2 }, shape: [rows, columns])
    }
    var builder = ModelBuilder("tagger")
    let x = try builder.input(.sequence("x", features: 3, batchFirst: batchFirst))
    let lstm = RecurrentLayer(
      cell: .lstm, direction: .forward, inputSize: 3, hiddenSize: 4,
      directions: [
        DirectionParameters(
          inputWeight: try weights(16, 3), recurrentWeight: try weights(16, 4),
          inputBias: try Tensor(repeating: Float(0.1), shape: [16]))
      ])
    let states = try builder.recurrent(lstm, x)
    let scores = try builder.add(.dense(weight: try weights(2, 4), bias: nil), to: states.sequence)
    try builder.output("scores", try builder.add(.softmax, to: scores), batchFirst: batchFirst)
    return builder.model
  }

  @Test func `a model built in code runs, streams and remembers`() throws {
    let file = ModelFile(try tagger(), name: "tagger")
    let x = try Tensor((0..<18).map { sin(Float($0)) }, shape: [3, 2, 3])
    let whole = try #require(try file.run(["x": x])["scores"])
    #expect(whole.shape == [3, 2, 2])
    #expect(try abs(whole[0, 1, 0] + whole[0, 1, 1] - 1) < 1e-6)
    func frame(_ t: Int) throws -> Tensor {
      try Tensor((0..<6).map { sin(Float(6 * t + $0)) }, shape: [1, 2, 3])
    }
    var stream = try file.stream(batch: 2)
    #expect(stream.state.isEmpty)
    _ = try stream.step(["x": frame(0)])
    let state = stream.state
    #expect(state.keys.sorted() == ["LSTM.cell", "LSTM.hidden"] && state["LSTM.cell"]?.shape == [2, 4])
    // Saved, read again by another stream: it goes on with the same bits.
    let saved = scratch.appending(path: "state.npz").path
    try TensorFile.write(state, to: saved)
    var other = try file.stream(batch: 2)
    try other.restore(TensorFile.readNamed(saved))
    for t in 1..<3 {
      let scores = try #require(try stream.step(["x": frame(t)])["scores"])
      #expect(try other.step(["x": frame(t)])["scores"] == scores)
      for row in 0..<2 { #expect(try scores[0, row, 0] == whole[t, row, 0]) }
    }
    stream.reset()
    #expect(stream.state.isEmpty)
    let first = try #require(try stream.step(["x": frame(0)])["scores"])
    #expect(try first[0, 1, 1] == whole[0, 1, 1])
    #expect(throws: RNNConvError.self) { try stream.restore(["LSTM.hidden": state["LSTM.hidden"]!]) }
  }

  @Test func `the batch comes first where that is asked for`() throws {
    let file = ModelFile(try tagger(batchFirst: true), name: "tagger")
    let scores = try file.run(["x": Tensor(repeating: Float(1), shape: [2, 5, 3])])["scores"]
    #expect(scores?.shape == [2, 5, 2])
  }

  @Test func `what does not fit is an error of the builder, of the layer's name`() throws {
    var builder = ModelBuilder()
    let x = try builder.input(.sequence("x", features: 3))
    let weight = try Tensor(repeating: Float(0), shape: [2, 4])
    do throws(RNNConvError) {
      _ = try builder.add(.dense(weight: weight, bias: nil), to: x)
      Issue.record("it fitted")
    } catch {
      guard case .model(.wrongShape(layer: "Dense", _, let expected, let found)) = error else { throw error }
      #expect(expected != found && found == [2, 4])
    }
    #expect(throws: RNNConvError.model(.duplicatePort("x"))) { try builder.input(.vector("x", features: 1)) }
    #expect(builder.model.layers.isEmpty && builder.model.inputs.count == 1)
  }

  // MARK: Converting and verifying

  @Test(arguments: [Format.rnnw, .onnx, .pytorch, .safetensors])
  func `a model converts, and is proven`(_ format: Format) async throws {
    let file = ModelFile(try tagger(), name: "tagger")
    let target = scratch.appending(path: "tagger").path
    var options = ConversionOptions()
    options.format = format
    let conversion = try await file.convert(to: target, options)
    #expect(conversion.report.map { $0.verdict <= .equal } == true)
    let written = try await ModelFile.open(target)
    #expect(written.format == format)
    let report = try await file.verify(against: written)
    #expect(report.verdict <= .equal && "\(report)".contains("\(report.verdict)"))
    // The bytes are anybody's to hash.
    #expect(!SHA256.hash(data: try Data(contentsOf: URL(filePath: target))).description.isEmpty)
  }

  @Test func `a wrong model is told, with the reason`() throws {
    let right = try tagger()
    var wrong = right
    guard case .recurrent(var layer) = wrong.layers[0].operation else {
      Issue.record("no LSTM")
      return
    }
    layer.clip = 0.1
    wrong.layers[0].operation = .recurrent(layer)
    let report = try ModelFile(right, name: "right").verify(against: ModelFile(wrong, name: "wrong"))
    #expect(report.verdict == .different && report.diagnosis != nil)
  }

  // MARK: Errors, by case

  @Test func `errors are matched by case`() throws {
    let file = try ModelFile.open(demo)
    do throws(RNNConvError) {
      _ = try file.run([:])
      Issue.record("it ran on nothing")
    } catch {
      guard case .run(let path, .missingInput(let port)) = error else { throw error }
      #expect(path == demo && file.inputNames.contains(port))
    }
    do throws(RNNConvError) {
      _ = try ModelFile.open("/nowhere/at/all.onnx")
      Issue.record("it was found")
    } catch {
      guard case .file(let fault) = error else { throw error }
      #expect(fault.path == "/nowhere/at/all.onnx")
    }
    do throws(RNNConvError) {
      _ = try ModelFile(bytes: ByteBuffer(Array("no model".utf8)))
      Issue.record("it was read")
    } catch {
      guard case .unknownFormat(_, let known) = error else { throw error }
      #expect(known.contains("onnx"))
    }
    #expect(throws: TensorError.wrongCount(shape: [2, 2], found: 3)) {
      try Tensor([1, 2, 3], shape: [2, 2])
    }
    let tensor = try Tensor([1.5, 2.5], shape: [2])
    #expect(throws: TensorError.indexOutOfRange([2], shape: [2])) { try tensor[2] }
    var few = Limits.standard
    few.fileBytes = 10
    #expect(throws: RNNConvError.self) { try ModelFile.open(demo, limits: few) }
  }

  /// Names of Foundation's that used to be ours as well.
  @Test func `Foundation's names are Foundation's`() {
    let _: Foundation.Operation = Operation()
    let _: Stream.Type = InputStream.self
    let _: Port.Type = Port.self
  }
}

/// A command of the stranger's own.
struct Command: ParsableCommand {
  @ArgumentParser.Argument var file: String
}
