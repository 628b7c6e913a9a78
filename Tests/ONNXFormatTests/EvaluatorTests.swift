import Foundation
import ONNXFormat
import TestSupport
import Testing

@Suite("ONNX evaluator against its judges")
struct EvaluatorTests {
  /// The cases that Tests/judges/evaluator_cases.py makes, with onnxruntime's outputs; made once.
  static let generated = Result { () throws -> (folder: URL, names: [String], report: String) in
    let folder = Repository.root.appending(path: ".build/evaluator-cases")
    try? FileManager.default.removeItem(at: folder)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    _ = try runPython(["Tests/judges/evaluator_cases.py", folder.path])
    func lines(_ file: String) throws -> [String] {
      try String(contentsOf: folder.appending(path: file), encoding: .utf8).split(separator: "\n").map(
        String.init)
    }
    return (folder, try lines("cases.txt"), try lines("refused.txt").joined(separator: "\n"))
  }

  @Test(
    "computes what onnxruntime computes, in every operator and attribute",
    arguments: EvaluationPrecision.allCases)
  func agreesWithOnnxruntime(precision: EvaluationPrecision) throws {
    let (folder, names, refused) = try Self.generated.get()
    #expect(names.count >= 2_350, "too few cases; the judge refused:\n\(refused)")
    #expect(refused.isEmpty, "the judge refused cases:\n\(refused)")
    for name in names {
      let path = folder.appending(path: name)
      let failure = try EvaluatorCase(model: path.appending(path: "model.onnx"), data: path).failure(
        precision)
      if let failure { Issue.record("\(name): \(failure)") }
    }
  }

  /// Where `make test` unpacks the cases of the onnx wheel that still ships them (1.16.2).
  static let backend = URL(
    filePath: ProcessInfo.processInfo.environment["RNNCONV_BACKEND"]
      ?? Repository.root.appending(path: ".peers/backend").path)

  @Test(
    "passes every RNN, LSTM and GRU case of the onnx backend tests", arguments: EvaluationPrecision.allCases)
  func passesBackendCases(precision: EvaluationPrecision) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.backend.path).sorted().filter {
      name in
      ["test_rnn_", "test_simple_rnn_", "test_lstm_", "test_gru_"].contains { name.hasPrefix($0) }
    }
    #expect(names.count >= 12, "only \(names) in \(Self.backend.path)")
    for name in names {
      let path = Self.backend.appending(path: name)
      let sets = try FileManager.default.contentsOfDirectory(atPath: path.path).filter {
        $0.hasPrefix("test_data_set_")
      }
      #expect(!sets.isEmpty, "\(name) has no data")
      for set in sets {
        let data = path.appending(path: set)
        let failure = try EvaluatorCase(model: path.appending(path: "model.onnx"), data: data).failure(
          precision)
        if let failure { Issue.record("\(name)/\(set): \(failure)") }
      }
    }
  }
}
