import ByteIO
import Foundation
import NativeFormat
import ONNXFormat
import RNNConv
import TestSupport
import Testing
import Verification

/// The onnx package's backend node cases for RNN, LSTM and GRU (wheel 1.16.2, the last that holds them as files).
///
/// All their LSTM weights are constant, so they cannot see a wrong gate order: MatrixTests do.
@Suite struct BackendTests {
  static let folder = Repository.root.appending(path: ".peers/backend")

  static func cases() throws -> [RecordedCase] {
    let cases = try RecordedCase.all(in: Self.folder)
    try #require(cases.count == 12, "run scripts/backend-data.sh")
    return cases
  }

  /// Inputs and outputs of a case, by the graph's names; W, R, B and P are inputs of these graphs.
  static func data(_ entry: RecordedCase) throws -> (inputs: [String: Tensor], outputs: [String: Tensor]) {
    let source = try ONNXDecoder.decode(try .open(path: entry.model), folder: nil)
    let set = entry.folder.appending(path: "test_data_set_0")
    func read(_ kind: String, _ names: [String]) throws -> [String: Tensor] {
      var result: [String: Tensor] = [:]
      for (index, name) in names.enumerated() {
        result[name] = try TensorFile.read(set.appending(path: "\(kind)_\(index).pb").path)[0].tensor
      }
      return result
    }
    return (
      try read("input", source.graph.inputs.map(\.name)), try read("output", source.graph.outputs.map(\.name))
    )
  }

  @Test func everyCaseRunsWithinTheBoundOfItsExpectedTensors() throws {
    for entry in try Self.cases() {
      let (inputs, outputs) = try Self.data(entry)
      let file = try ModelFile.open(entry.model, bindings: inputs)
      expectWithinBound(file, inputs, outputs, entry.name)
      let own = try file.model.inputs.map(\.name)
      #expect(try file.run(inputs.filter { own.contains($0.key) }).keys.sorted() == outputs.keys.sorted())
    }
  }

  @Test func everyExportIsEvaluatedToTheSameTensors() throws {
    for entry in try Self.cases() {
      let (inputs, outputs) = try Self.data(entry)
      let model = try ModelFile.open(entry.model, bindings: inputs).model
      let exported = try ONNXExporter.export(model)
      let source = try ONNXDecoder.decode(try ONNXEncoder.encode(exported.model).model, folder: nil)
      let own = inputs.filter { input in model.inputs.contains { $0.name == input.key } }
      let results = try ONNXEvaluator(source).run(own, precision: .float32)
      let file = ModelFile(model, name: entry.name)
      expectWithinBound(file, own, results, entry.name)
      expectWithinBound(file, own, outputs, entry.name)
    }
  }

  @Test func everyCaseIsTheSameModelAfterTheNativeFormat() throws {
    for entry in try Self.cases() {
      let model = try ModelFile.open(entry.model, bindings: try Self.data(entry).inputs).model
      let bytes = ByteBuffer(joining: try NativeFormat.encode(model))
      #expect(try NativeFormat.decode(bytes) == model)
    }
  }
}
