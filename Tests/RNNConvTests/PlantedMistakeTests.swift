import ByteIO
import Forward
import Foundation
import RNNConv
import TestSupport
import Testing

@testable import ONNXFormat

/// A converter's mistake planted in the gate table that importer and exporter share.
@Suite struct PlantedMistakeTests {
  enum Mistake: CaseIterable {
    case lstmGates, lstmPeepholes, gruGates

    var gates: ONNXGates {
      var gates = ONNXGates.specification
      switch self {
      // PyTorch's i, f, g, o taken for ONNX' i, o, f, c.
      case .lstmGates: gates.lstm = GateOrder(.input, .forget, .candidate, .output)
      case .lstmPeepholes: gates.peepholes = GateOrder(.input, .forget, .output)
      case .gruGates: gates.gru = GateOrder(.reset, .update, .new)
      }
      return gates
    }

    var model: Model {
      var specification = LayerSpecification(self == .gruGates ? .gru(resetAfter: true) : .lstm)
      specification.peepholes = self != .gruGates
      return specification.model(seed: 1)
    }
  }

  @Test(arguments: Mistake.allCases)
  func readerAndWriterAgreeYetVerifyTells(_ mistake: Mistake) throws {
    let source = try ONNXExporter.export(mistake.model).model  // a right file
    let misread = try ONNXImporter.importModel(source, gates: mistake.gates).model
    let written = try ONNXExporter.export(misread, opset: 17, gates: mistake.gates).model
    // Both of one mind: the file that comes out has the very weights of the one that went in.
    #expect(written.graph.initializers.map(\.tensor) == source.graph.initializers.map(\.tensor))
    let again = try ONNXImporter.importModel(written, gates: mistake.gates).model
    #expect(again == misread)

    let evaluator = try ONNXEvaluator(source)
    let file = Subject(name: "file", model: misread, inputNames: ["x"]) { inputs, precision in
      try evaluator.run(inputs, precision: precision == .float32 ? .float32 : .float64)
    }
    let imported = ModelFile(misread, name: "import").subject
    let report = try verify(file, imported, probes: try Probe.generated(for: misread, seed: 1))
    #expect(report.verdict == .different)
    #expect(report.reasons.contains { $0.contains("the import is wrong") })
    let diagnosis = try #require(report.diagnosis)
    #expect(diagnosis.isCertain && diagnosis.suspect == "the import of file", "\(diagnosis.summary)")
    #expect(
      diagnosis.explanations.map(\.mistake) == [mistake == .lstmPeepholes ? "peephole-order" : "gate-order"])
    // Taking the mistake back gives what a right importer reads.
    #expect(diagnosis.mended == (try ONNXImporter.importModel(source).model))
  }

  @Test(arguments: Mistake.allCases)
  func withoutTheMistakeTheSameCheckPasses(_ mistake: Mistake) throws {
    let source = try ONNXExporter.export(mistake.model).model
    let model = try ONNXImporter.importModel(source).model
    let evaluator = try ONNXEvaluator(source)
    let file = Subject(name: "file", model: model, inputNames: ["x"]) { inputs, precision in
      try evaluator.run(inputs, precision: precision == .float32 ? .float32 : .float64)
    }
    let report = try verify(
      file, ModelFile(model, name: "import").subject, probes: try Probe.generated(for: model, seed: 1))
    #expect(report.verdict <= .equal)
  }
}
