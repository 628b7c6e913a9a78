import Foundation
import RNNConv
import TestSupport
import Testing

/// The library examples of the README, compiled and run; a test holds the README's text against this file.
@Suite struct ReadmeExampleTests {
  private let demo = Repository.fixtures.appending(path: "demo/model.onnx").path
  private let gru = Repository.fixtures.appending(path: "onnx/torch-legacy-gru/model.onnx").path

  @Test func openAndRun() throws {
    let path = gru
    let inputs = try RecordedCase(name: "gru", folder: URL(filePath: gru).deletingLastPathComponent())
      .inputs()
    // README: run
    let file = try ModelFile.open(path)
    let outputs = try file.run(inputs)
    for (name, tensor) in outputs { print(name, tensor.elementType, tensor.shape) }
    // README: end
    #expect(outputs.keys.sorted() == (try file.model.outputs.map(\.name).sorted()))
  }

  @Test func serve() async throws {
    let path = gru
    let recorded = try RecordedCase(name: "gru", folder: URL(filePath: gru).deletingLastPathComponent())
      .inputs()
    let requests = [[String: Tensor]](repeating: recorded, count: 8)
    // README: serve
    let model = try await ModelFile.open(path).prepared(threads: 1)
    let answers = try await withThrowingTaskGroup(of: [String: Tensor].self) { group in
      for request in requests { group.addTask { try await model.run(request) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    // README: end
    let alone = try await ModelFile.open(path).run(recorded)
    #expect(answers.count == 8 && answers.allSatisfy { $0 == alone })
  }

  @Test func stepThroughAStream() throws {
    let folder = Repository.fixtures.appending(path: "onnx/torch-legacy-lstm-bf-last-dyn")
    let recorded = RecordedCase(name: "lstm", folder: folder)
    let path = recorded.model
    let x = try #require(try recorded.inputs()["x"])  // [B, T, I]
    let (batch, steps, features) = (x.shape[0], x.shape[1], x.shape[2])
    let byTime = x.transposed([1, 0, 2])
    let frames = try (0..<steps).map { try byTime.rows($0..<($0 + 1)).reshaped([batch, 1, features]) }
    var output: [String: Tensor] = [:]
    let scratch = try TemporaryFolder()
    let saved = scratch.path("state.npz")
    // README: stream
    var stream = try ModelFile.open(path).stream(batch: batch)
    for frame in frames {  // [batch, 1, features], as the model's input is arranged
      output = try stream.step(["x": frame])
    }
    try TensorFile.write(stream.state, to: saved)  // another stream goes on from here with `restore`
    // README: end
    #expect(try TensorFile.readNamed(saved) == stream.state && !stream.state.isEmpty)
    // Carrying h and c step by step gives the bits of the whole sequence at once.
    #expect(output == (try ModelFile.open(path).run(["x": x])))
  }

  @Test func buildAModel() throws {
    var generator = SeededGenerator(seed: 3)
    let lstm = LayerSpecification(.lstm).layer(&generator)
    let weight = generator.tensor([2, lstm.outputSize])
    // README: build
    var builder = ModelBuilder("tagger")
    let x = try builder.input(.sequence("x", features: 3, batchFirst: true))
    let states = try builder.recurrent(lstm, x)
    let scores = try builder.add(.dense(weight: weight, bias: nil), to: states.sequence)
    try builder.output("y", try builder.add(.softmax, to: scores), batchFirst: true)
    let file = ModelFile(builder.model, name: "tagger")
    // README: end
    let y = try file.run(["x": Tensor([Float](repeating: 1, count: 18), shape: [2, 3, 3])])["y"]
    #expect(y?.shape == [2, 3, 2])
  }

  @Test func catchErrorsByCase() throws {
    let file = try ModelFile.open(demo)
    // README: errors
    do {
      _ = try file.run([:])
    } catch .run(let path, .missingInput(let port)) {
      print("\(path) needs \(port)")
    }
    // README: end
  }

  @Test func convertAndVerify() throws {
    let folder = try TemporaryFolder()
    let (source, target) = (demo, folder.path("model.rnnw"))
    // README: convert
    let file = try ModelFile.open(source)
    let conversion = try file.convert(to: target)
    print(conversion.exactness)  // proven: `convert` throws where the written file computes something else

    let report = try file.verify(against: ModelFile.open(target))
    print(report.verdict)
    // README: end
    #expect(conversion.report?.verdict == .equal || conversion.report?.verdict == .identical)
    #expect(report.verdict <= .equal)
  }

  @Test func theReadmeShowsTheseExamples() throws {
    let readme = try String(contentsOf: Repository.root.appending(path: "README.md"), encoding: .utf8)
    let source = try String(contentsOf: URL(filePath: #filePath), encoding: .utf8)
    var examples = 0
    for part in source.components(separatedBy: "// README: ").dropFirst() where !part.hasPrefix("end") {
      guard !part.hasPrefix("\"") else { continue }
      let lines = part.components(separatedBy: "\n").dropFirst().dropLast()
        .map { $0.hasPrefix("    ") ? String($0.dropFirst(4)) : $0 }
      let text = lines.joined(separator: "\n").trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(readme.contains(text), "not in README.md:\n\(text)")
      examples += 1
    }
    #expect(examples == 6)
  }
}
