import ByteIO
import Foundation
import ONNXFormat
import RNNConv
import Tensors
import TestSupport
import Testing

/// Parts of ONNX files: what comes along, what becomes an input or output, and that the part computes what it does in the whole.
@Suite struct ExtractionTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static let export = Repository.fixtures.appending(
    path: "onnx/torch-legacy-lstm-bi-bf-norm/model.onnx"
  ).path

  private func weight(_ shape: [Int], _ seed: UInt64) -> Tensor {
    var generator = SeededGenerator(seed: seed)
    return Tensor(
      (0..<shape.reduce(1, *)).map { _ in Float.random(in: -0.5...0.5, using: &generator) }, shape: shape)
  }

  /// x → Scale → RNN (with an initial state that sizes make) → Sign, and an operator that nobody knows beside it.
  private func model(unknown: String = "Sign") -> ONNXModel {
    var graph = ONNXGraph(name: "whole")
    graph.nodes = [
      ONNXNode(
        "Constant", name: "two", inputs: [], outputs: ["c"],
        attributes: ["value": .tensor(Tensor([Float(2)], shape: []))]),
      ONNXNode("Mul", name: "/in/Mul", inputs: ["x", "c"], outputs: ["scaled"]),
      ONNXNode("Shape", inputs: ["x"], outputs: ["shape"]),
      ONNXNode("Gather", inputs: ["shape", "one"], outputs: ["rows"]),
      ONNXNode(
        "Concat", inputs: ["front", "rows", "back"], outputs: ["size"], attributes: ["axis": .int(0)]),
      ONNXNode("ConstantOfShape", inputs: ["size"], outputs: ["h0"]),
      ONNXNode(
        "RNN", name: "/rnn/RNN", inputs: ["scaled", "W", "R", "", "", "h0"], outputs: ["", "h"],
        attributes: ["hidden_size": .int(3)]),
      ONNXNode(unknown, name: "/out/Sign", inputs: ["h"], outputs: ["y"]),
    ]
    for index in graph.nodes.indices { graph.nodes[index].index = index }
    graph.initializers = [
      .init("W", weight([1, 3, 4], 1)), .init("R", weight([1, 3, 3], 2)),
      .init("one", Tensor([Int64(1)], shape: [1])),
      .init("front", Tensor([Int64(1)], shape: [1])), .init("back", Tensor([Int64(3)], shape: [1])),
    ]
    graph.inputs = [ONNXValueInfo("x", .float32, [.symbol("T"), .symbol("B"), .fixed(4)])]
    graph.outputs = [ONNXValueInfo("y", .float32, nil)]
    return ONNXModel(irVersion: 8, opsets: ["": 17], graph: graph)
  }

  private func file(_ model: ONNXModel) throws -> String {
    try folder.write(ByteBuffer(joining: [try ONNXEncoder.encode(model).model]).array, to: "whole.onnx")
  }

  private func extracted(_ path: String, _ layers: [String], to name: String = "part.onnx") throws
    -> Extraction
  {
    try ExtractionRequest(path, layers: layers).write(to: folder.path(name))
  }

  @Test func `what goes in and comes out has the sizes and symbols that the whole graph gives it`() throws {
    let found = try extracted(try file(model()), ["/rnn"])
    #expect(found.inputs.map(\.description) == ["scaled F32 [T, B, 4]", "h0 F32 [1, B, 3]"])
    #expect(found.outputs.map(\.description) == ["h F32 [1, B, 3]"])
    #expect(found.nodeCount == 1 && found.wholeNodeCount == 8 && found.runs == 2)
    let part = try ONNXDecoder.decode(try ByteBuffer.open(path: folder.path("part.onnx")), folder: nil)
    #expect(
      part.graph.nodes.map(\.name) == ["/rnn/RNN"] && part.graph.initializers.map(\.name) == ["W", "R"])
    #expect(part.opsets == ["": 17])
  }

  @Test func `constants come along, and what several nodes give each other stays inside`() throws {
    let found = try extracted(try file(model()), ["/in", "/rnn/RNN", "h0"])
    // h0 is made of a size that is computed from x, which is no constant.
    #expect(
      found.inputs.map(\.name) == ["x", "size"] && found.outputs.map(\.name) == ["h"] && found.nodeCount == 3)
    let part = try ONNXDecoder.decode(try ByteBuffer.open(path: folder.path("part.onnx")), folder: nil)
    #expect(part.graph.nodes.map(\.operation) == ["Constant", "Mul", "ConstantOfShape", "RNN"])
  }

  @Test func `the rest of a graph may hold what nobody knows, unless the part depends on it`() throws {
    let path = try file(model(unknown: "Unheard"))
    #expect(try extracted(path, ["/rnn"]).runs == 2)
    // Behind the unknown nothing can be tried, and a part that holds it does not run.
    #expect(throws: RNNConvError.self) { try extracted(path, ["/out"]) }
    var request = ExtractionRequest(path, layers: ["/out"])
    request.options.verify = false
    #expect(throws: RNNConvError.self) { try request.write(to: folder.path("out.onnx")) }
  }

  @Test func `names that mean nothing list near ones`() throws {
    let path = try file(model())
    for (name, word) in [
      ("rnn", "'/rnn/RNN'"), ("RNN", "'/rnn/RNN'"), ("/ini", "'/in/Mul'"), ("", "there are"),
    ] {
      let error = #expect(throws: RNNConvError.self, "\(name)") { try extracted(path, [name]) }
      #expect(error?.description.contains(word) ?? false, "\(name): \(String(describing: error))")
    }
    #expect(try extracted(path, ["/r*"]).nodeCount == 1)
  }

  @Test func `a part of PyTorch's export becomes a state dict, and .rnnw`() throws {
    for target in ["pt", "safetensors", "rnnw"] {
      let found = try extracted(Self.export, ["/recurrent"], to: "part.\(target)")
      #expect(found.conversion?.report?.verdict ?? .different <= .equal, "\(found)")
      let tensors = try ModelFile.open(folder.path("part.\(target)")).storedTensors
      #expect(tensors.count >= 4)
    }
  }

  @Test func `a single recurrent node becomes the module that it was`() throws {
    let path = Repository.fixtures.appending(path: "onnx/torch-dynamo-lstm/model.onnx").path
    let found = try extracted(path, ["node_lstm__2"], to: "node.pt")
    #expect(found.nodeCount == 1 && found.conversion?.report?.verdict ?? .different <= .equal, "\(found)")
    let names = try ModelFile.open(folder.path("node.pt")).storedTensors.map(\.name)
    #expect(names.count == 4 && names.contains("node_lstm__2.weight_hh_l0"), "\(names)")
  }

  @Test func `every node of every fixture is the same alone as in the whole`() throws {
    var (parts, refused) = (0, 0)
    for entry in try RecordedCase.all(in: FixtureTests.folder)
    where entry.name.hasPrefix("torch") || entry.name.hasPrefix("keras") {
      let model = try ONNXDecoder.decode(try ByteBuffer.open(path: entry.model), folder: nil)
      let node = model.graph.nodes.first { ["LSTM", "GRU", "RNN", "Loop"].contains($0.operation) }
      guard let node else { continue }
      var request = ExtractionRequest(
        entry.model, layers: [node.name.isEmpty ? node.outputs.first { !$0.isEmpty }! : node.name])
      request.options.verify = true
      do {
        #expect(try request.write(to: folder.path("part.onnx")).runs > 0, "\(entry.name)")
        parts += 1
      } catch { refused += 1 }
    }
    #expect(parts >= 40 && refused <= 3, "\(parts) parts, \(refused) refused")
  }
}
