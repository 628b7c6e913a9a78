import ByteIO
import Foundation
import NativeFormat
import ONNXFormat
import RNNConv
import TestSupport
import Testing
import Verification

/// A model with inputs and the outputs that a peer recorded for them: `model.onnx`, `inputs.npz`, `outputs.npz`.
struct RecordedCase {
  let name: String
  let folder: URL

  var model: String { folder.appending(path: "model.onnx").path }
  var inputsPath: String { folder.appending(path: "inputs.npz").path }

  func inputs() throws -> [String: Tensor] { try Self.tensors(inputsPath) }
  func outputs() throws -> [String: Tensor] { try Self.tensors(folder.appending(path: "outputs.npz").path) }

  static func tensors(_ path: String) throws -> [String: Tensor] {
    Dictionary(uniqueKeysWithValues: try TensorFile.read(path).map { ($0.name!, $0.tensor) })
  }

  /// Every folder in `parent` that holds a model.
  static func all(in parent: URL) throws -> [RecordedCase] {
    try FileManager.default.contentsOfDirectory(atPath: parent.path).sorted().compactMap { name in
      let folder = parent.appending(path: name)
      let hasModel = FileManager.default.fileExists(atPath: folder.appending(path: "model.onnx").path)
      return hasModel ? RecordedCase(name: name, folder: folder) : nil
    }
  }
}

/// Judges exports of many cases by onnxruntime in one process.
struct ExportJudge {
  private let place: TemporaryFolder
  private var lines: [String] = []
  var folder: URL { place.url }

  init() throws { place = try TemporaryFolder() }

  /// Writes an export of `model` for the judge; returns the path.
  mutating func add(_ model: Model, _ name: String, opset: Int64, inputs: String) throws -> String {
    let exported = try ONNXExporter.export(model, opset: opset)
    let encoded = try ONNXEncoder.encode(exported.model)
    let path = folder.appending(path: "\(name).onnx").path
    try Data(encoded.model.array).write(to: URL(filePath: path))
    lines.append("\(path)\t\(inputs)\t\(folder.appending(path: "\(name).npz").path)")
    return path
  }

  /// Runs onnxruntime; returns its outputs by case name, and what it refused.
  func run() throws -> (outputs: [String: [String: Tensor]], refused: [String]) {
    let list = folder.appending(path: "list.tsv")
    try lines.joined(separator: "\n").write(to: list, atomically: true, encoding: .utf8)
    let answers = try runPython(["Tests/judges/run_onnx.py", list.path]).split(separator: "\n")
    try #require(answers.count == lines.count, "onnxruntime did not answer for every export")
    var outputs: [String: [String: Tensor]] = [:]
    var refused: [String] = []
    for answer in answers {
      let object = try JSONSerialization.jsonObject(with: Data(answer.utf8)) as? [String: Any] ?? [:]
      let path = object["model"] as? String ?? ""
      let name = URL(filePath: path).deletingPathExtension().lastPathComponent
      if object["ok"] as? Bool == true {
        outputs[name] = try RecordedCase.tensors(folder.appending(path: "\(name).npz").path)
      } else {
        refused.append("\(name): \(object["error"] ?? "?")")
      }
    }
    return (outputs, refused)
  }

  func remove() { try? FileManager.default.removeItem(at: folder) }
}

/// How far numbers are off at most, as `measure` has it; infinite where one is none, or where they are not as many.
func worst(
  _ found: [Double], _ expected: [Double], _ measure: (_ found: Double, _ expected: Double) -> Double
) -> Double {
  guard found.count == expected.count else { return .infinity }
  return zip(found, expected).reduce(0) { worst, pair in
    let deviation = measure(pair.0, pair.1)
    // max would pass over a NaN.
    return deviation.isNaN ? .infinity : max(worst, deviation)
  }
}

/// Checks that no recorded output leaves the derived bound, and that the bound says something.
func expectWithinBound(
  _ file: ModelFile, _ inputs: [String: Tensor], _ outputs: [String: Tensor], _ name: String,
  runtime: VerificationOptions.Runtime = .onnxruntime
) {
  do {
    let options = VerificationOptions(inputs: inputs, runtime: runtime)
    let report = try file.verify(expected: outputs, from: "recorded", options)
    #expect(
      report.outputs.count == outputs.count && !outputs.isEmpty, "\(name): not every output was compared")
    #expect(report.verdict <= .equal, "\(name): \(report.verdict): \(report.reasons)")
  } catch { Issue.record("\(name): \(error)") }
}

/// W, R, B and P of the recurrent nodes of a file, in order, straight from its own tensors.
func recurrentWeights(_ path: String) throws -> [[String: Tensor]] {
  let model = try ONNXDecoder.decode(try .open(path: path), folder: nil)
  let tensors = Dictionary(uniqueKeysWithValues: model.graph.initializers.map { ($0.name, $0.tensor) })
  return model.graph.nodes.filter { ["RNN", "LSTM", "GRU"].contains($0.operation) }.map { node in
    var weights: [String: Tensor] = [:]
    for (position, role) in [(1, "W"), (2, "R"), (3, "B"), (7, "P")] where position < node.inputs.count {
      weights[role] = tensors[node.inputs[position]]
    }
    return weights
  }
}
