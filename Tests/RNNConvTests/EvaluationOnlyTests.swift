import ByteIO
import Foundation
import ONNXFormat
import RNNConv
import Tensors
import TestSupport
import Testing
import Verification

/// Files that are evaluated and not imported: judged by the bounds and the noise of their own evaluator, without a tolerance.
@Suite struct EvaluationOnlyTests {
  private func entries() throws -> [RecordedCase] {
    try RecordedCase.all(in: FixtureTests.folder).filter { FixtureTests.notImportable[$0.name] != nil }
  }

  @Test func `what peers recorded is equal, and a file is equal to itself`() throws {
    let entries = try entries()
    #expect(entries.count >= 14)
    for entry in entries {
      let file = try ModelFile.open(entry.model)
      let options = VerificationOptions(inputs: try entry.inputs())
      let recorded = try file.verify(expected: try entry.outputs(), from: "recorded", options)
      #expect(recorded.verdict <= .equal, "\(entry.name): \(recorded)")
      #expect(recorded.outputs.allSatisfy { $0.maxAllowed > 0 && $0.blindShare < 1e-3 }, "\(entry.name)")
      // On inputs that are made up, too.
      for options in [options, VerificationOptions()] {
        let report = try file.verify(against: try ModelFile.open(entry.model), options)
        #expect(
          report.verdict == .equal && report.outputs.allSatisfy { $0.undecided == 0 },
          "\(entry.name): \(report)")
      }
    }
  }

  @Test func `a weight that is changed a little is proven to be different, as a file and by a recording`()
    throws
  {
    for entry in try entries() {
      var source = try ONNXDecoder.decode(try ByteBuffer.open(path: entry.model), folder: entry.folder.path)
      guard
        let largest = source.graph.initializers.indices.filter({
          source.graph.initializers[$0].tensor.elementType == .float32
        }).max(by: { source.graph.initializers[$0].tensor.count < source.graph.initializers[$1].tensor.count }
        )
      else { continue }
      let tensor = source.graph.initializers[largest].tensor
      // As weights of a bit less precision are.
      source.graph.initializers[largest].tensor = Tensor(
        tensor.floats.map { $0 * (1 + 0x1p-9) }, shape: tensor.shape)
      let changed = try ModelFile(bytes: try ONNXEncoder.encode(source).model, path: "changed.onnx")
      let options = VerificationOptions(inputs: try entry.inputs())
      let file = try ModelFile.open(entry.model)
      let report = try file.verify(against: changed, options)
      #expect(
        report.verdict == .different && report.outputs.contains(where: \.isProven), "\(entry.name): \(report)"
      )
      let recorded = try changed.verify(expected: try entry.outputs(), from: "recorded", options)
      #expect(recorded.verdict == .different, "\(entry.name): \(recorded)")
    }
  }

  /// `y` = the place of the largest of x · W, and x at that place of a table.
  private func picking(_ weights: [Float]) throws -> ModelFile {
    let graph = ONNXGraph(
      name: "picking",
      nodes: [
        ONNXNode("MatMul", inputs: ["x", "W"], outputs: ["scores"]),
        ONNXNode("ArgMax", inputs: ["scores"], outputs: ["place"], attributes: ["axis": .int(1)]),
        ONNXNode("Gather", inputs: ["table", "place"], outputs: ["y"]),
        ONNXNode(
          "Einsum", inputs: ["x", "x"], outputs: ["z"],
          attributes: ["equation": .string("bi,bi->b")]),
      ],
      initializers: [
        .init("W", Tensor(weights, shape: [2, 2])), .init("table", Tensor([0, 100] as [Float], shape: [2])),
      ],
      inputs: [ONNXValueInfo("x", .float32, [.unknown, .fixed(2)])],
      outputs: [ONNXValueInfo("y", .float32, nil), ONNXValueInfo("z", .float32, nil)])
    let model = ONNXModel(irVersion: 8, opsets: ["": 13], graph: graph)
    return try ModelFile(bytes: try ONNXEncoder.encode(model).model, path: "picking.onnx")
  }

  @Test func `what rounding alone picks is inconclusive, and nothing else is`() throws {
    let inputs = ["x": Tensor([0.1, 0.2] as [Float], shape: [1, 2])]
    let options = VerificationOptions(inputs: inputs)
    let z = Tensor([0.05] as [Float], shape: [1])
    func verdicts(_ file: ModelFile, y: Float) throws -> [String: Verdict] {
      let report = try file.verify(
        expected: ["y": Tensor([y], shape: [1, 1]), "z": z], from: "recorded", options)
      return Dictionary(uniqueKeysWithValues: report.outputs.map { ($0.name, $0.verdict) })
    }
    // Columns that give the same score, but for the order of what is added: 0.1 · 0.4 + 0.2 · 0.2 = 0.1 · 0.2 + 0.2 · 0.3
    let tied = try picking([0.4, 0.2, 0.2, 0.3])
    #expect(throws: RNNConvError.self) { try tied.model }
    let both = try [0, 100].map { try verdicts(tied, y: $0) }
    #expect(both.map { $0["y"] }.contains(.inconclusive) && !both.map { $0["y"] }.contains(.different))
    #expect(both.allSatisfy { $0["z"] == .equal })
    let certain = try picking([0.4, 0.2, 0.2, 0.2])
    #expect(try verdicts(certain, y: 0)["y"] == .identical)
    #expect(try verdicts(certain, y: 100)["y"] == .different)
  }
}
