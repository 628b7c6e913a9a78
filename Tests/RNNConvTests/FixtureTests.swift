import ByteIO
import Foundation
import NativeFormat
import ONNXFormat
import RNNConv
import TestSupport
import Testing
import Verification

/// The shipped fixtures: exports of PyTorch's two exporters and of tf2onnx, and hand-built graphs, with the outputs that
/// PyTorch, Keras and onnxruntime recorded.
@Suite(.serialized) struct FixtureTests {
  static let folder = Repository.fixtures.appending(path: "onnx")

  /// Files that are evaluated as they are and refused for import, with a word that the reason must hold.
  static let notImportable: [String: String] = [
    "hand-if-lstm": "control flow", "hand-scan-rnn": "control flow", "hand-written-out-lstm": "step by step",
    // Before opset 13 these normalise over batch and features at once.
    "hand-logsoftmax-3d-11": "not that of the features", "hand-softmax-3d-11": "not that of the features",
    "keras-gru-after-loop": "control flow", "keras-gru-before-loop": "control flow",
    "keras-lstm-hard-sigmoid-loop": "control flow", "keras-rnn-loop": "control flow",
    "torch-dynamo-rnn-relu-bf-dyn": "step by step", "torch-dynamo-rnn-relu-bi-18": "step by step",
    "torch-dynamo-rnn-tanh": "step by step", "torch-dynamo-rnn-tanh-2-bf-states": "step by step",
    "torch-dynamo-rnn-tanh-nobias": "step by step",
  ]

  private func importable() throws -> [(entry: RecordedCase, model: Model)] {
    try RecordedCase.all(in: Self.folder).filter { Self.notImportable[$0.name] == nil }.map {
      ($0, try ModelFile.open($0.model).model)
    }
  }

  @Test func thereAreEnoughFromEachSource() throws {
    let names = try RecordedCase.all(in: Self.folder).map(\.name)
    #expect(names.filter { $0.hasPrefix("torch-legacy") }.count >= 25)
    #expect(names.filter { $0.hasPrefix("torch-dynamo") }.count >= 15)
    #expect(names.filter { $0.hasPrefix("keras") }.count >= 10)
    #expect(Set(Self.notImportable.keys).isSubset(of: names))
  }

  @Test func everyFixtureIsImportedOrRefusedByName() throws {
    for entry in try RecordedCase.all(in: Self.folder) {
      let file = try ModelFile.open(entry.model)
      if let word = Self.notImportable[entry.name] {
        let error = #expect(throws: RNNConvError.self, "\(entry.name)") { try file.model }
        #expect(error?.description.contains(word) ?? false, "\(entry.name): \(error.map { "\($0)" } ?? "")")
      } else {
        #expect(throws: Never.self, "\(entry.name)") { try file.model }
      }
    }
  }

  @Test func theEvaluatorGivesWhatThePeerRecorded() throws {
    for entry in try RecordedCase.all(in: Self.folder) {
      let results = try ModelFile.open(entry.model).evaluate(try entry.inputs())
      let recorded = try entry.outputs()
      #expect(!recorded.isEmpty, "\(entry.name)")
      for (name, expected) in recorded {
        guard let found = results[name] else {
          Issue.record("\(entry.name): no output '\(name)'")
          continue
        }
        #expect(found.shape == expected.shape, "\(entry.name), \(name)")
        let off = worst(found.doubles, expected.doubles) { abs($0 - $1) / (1 + abs($1)) }
        #expect(off < 1e-5, "\(entry.name), \(name): \(off)")
      }
    }
  }

  @Test func everyImportAgreesWithThePeerAndWithItsOwnEvaluator() throws {
    for (entry, _) in try importable() {
      let file = try ModelFile.open(entry.model)
      expectWithinBound(file, try entry.inputs(), try entry.outputs(), entry.name)
      let report = try file.verify(VerificationOptions(inputs: try entry.inputs()))
      #expect(report.verdict <= .equal, "\(entry.name): \(report.reasons)")
    }
  }

  @Test func everyImportSurvivesBothRoundTrips() throws {
    var judge = try ExportJudge()
    defer { judge.remove() }
    let list = try importable()
    for (entry, model) in list {
      do {
        let bytes = ByteBuffer(joining: try NativeFormat.encode(model))
        let back = try NativeFormat.decode(bytes)
        #expect(back == model, "\(entry.name)")
        let path = try judge.add(back, entry.name, opset: 17, inputs: entry.inputsPath)
        let again = try ModelFile.open(path).model
        #expect(Self.weights(again) == Self.weights(model), "\(entry.name)")
      } catch { Issue.record("\(entry.name): \(error)") }
    }
    let (outputs, refused) = try judge.run()
    // onnxruntime has no Float64 LSTM.
    #expect(refused.count == 1 && refused.allSatisfy { $0.contains("double") }, "\(refused)")
    #expect(outputs.count == list.count - 1)
    for (entry, model) in list {
      guard let theirs = outputs[entry.name] else { continue }
      expectWithinBound(ModelFile(model, name: entry.name), try entry.inputs(), theirs, entry.name)
    }
  }

  @Test func everyFormatThatCanHoldAModelHoldsItsFingerprint() throws {
    let folder = try TemporaryFolder()
    var held: [String: Int] = [:]
    for (entry, model) in try importable() {
      var options = ConversionOptions()
      options.verify = false
      for target in ["model.rnnw", "model.onnx", "model.pt", "model.safetensors"] {
        let path = folder.path(target)
        let made = Result { () throws(RNNConvError) in
          try ModelFile(model, name: entry.name).convert(to: path, options)
        }
        switch made {
        case .success(let conversion):
          // What had to be rounded is another model.
          guard conversion.exactness == .exact else { continue }
          let again = try ModelFile.open(path).model
          #expect(again.fingerprint == model.fingerprint, "\(entry.name) as \(target)")
          held[target, default: 0] += 1
        case .failure(.notExpressible(_, let reason)):
          #expect(reason.contains("'"), "\(entry.name): \(reason)")
        case .failure(let error): Issue.record("\(entry.name) as \(target): \(error)")
        }
      }
    }
    #expect(held["model.rnnw"]! > 40 && held["model.onnx"]! > 40 && held["model.pt"]! > 10, "\(held)")
  }

  /// The bits of every tensor but small constants, in the order of the layers.
  private static func weights(_ model: Model) -> [Tensor] {
    model.tensors.filter { $0.tensor.count > 1 }.map(\.tensor)
  }
}
