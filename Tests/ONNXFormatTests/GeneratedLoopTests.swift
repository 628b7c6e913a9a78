import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

private let cells: [Cell] = Cell.all

/// A Generate becomes a Loop, and that becomes the Generate again. That onnxruntime agrees with the Loop is in
/// RNNConvTests.
@Suite struct GeneratedLoopTests {
  @Test(arguments: cells, GeneratingForm.allCases)
  func `a Generate becomes a Loop, and that becomes the same model again`(
    _ cell: Cell, _ form: GeneratingForm
  ) throws {
    let model = form.model(cell, seed: 1)
    for opset in [11, 12, 13, 17, 18, 22] as [Int64] {
      let exported = try ONNXExporter.export(model, opset: opset)
      #expect(exported.model.graph.nodes.contains { $0.operation == "Loop" })
      let bytes = try ONNXEncoder.encode(exported.model).model
      let back = try ONNXImporter.importModel(try ONNXDecoder.decode(bytes, folder: nil)).model
      #expect(back.fingerprint == model.fingerprint, "opset \(opset)")
    }
  }

  @Test func `weights of a narrower type, and Float64, come back as they were`() throws {
    for type in [ElementType.float16, .float64] {
      var model = GeneratingForm.captioning.model(.lstm, seed: 2)
      for index in model.layers.indices {
        model.layers[index].operation = model.layers[index].operation.mapTensors { tensor in
          tensor.elementType.isFloat ? (try? tensor.converted(to: type).tensor) ?? tensor : tensor
        }
      }
      if type == .float64 {
        // Ports of F32 would make the graph compute in it, and round the weights.
        for index in model.inputs.indices where !model.inputs[index].kind.isInteger {
          model.inputs[index].elementType = type
        }
        for index in model.outputs.indices where !model.outputs[index].kind.isInteger {
          model.outputs[index].elementType = type
        }
      }
      let exported = try ONNXExporter.export(model, opset: 17)
      let back = try ONNXImporter.importModel(exported.model).model
      #expect(back.fingerprint == model.fingerprint, "\(type)")
    }
  }

  @Test(arguments: cells, GeneratingForm.allCases)
  func `the evaluator runs the Loop as the canonical model does`(_ cell: Cell, _ form: GeneratingForm) throws
  {
    var generator = SeededGenerator(seed: 4)
    for seed in UInt64(1)..<4 {
      let model = form.model(cell, seed: seed)
      let inputs: [String: Tensor]
      switch form {
      case .captioning:
        inputs = [
          "features": generator.tensor([3, 5], scale: 2), "first": Tensor([Int64(0), 2, 5], shape: [3]),
        ]
      case .drawing: inputs = ["start": generator.tensor([3, 3])]
      case .translation:
        inputs = [
          "words": Tensor([Int64(1), 2, 3, 4, 5, 6], shape: [2, 3]),
          "lengths": Tensor([Int64(1), 2, 1], shape: [3]),
        ]
      }
      let exported = try ONNXExporter.export(model, opset: 17)
      let found = try ONNXEvaluator(exported.model).run(inputs, precision: .float64)
      let expected = try forward(model, inputs: inputs, precision: .float64)
      for (name, tensor) in expected {
        #expect(found[name]?.shape == tensor.shape, "\(name), seed \(seed)")
        for (a, b) in zip(found[name]!.doubles, tensor.doubles) { #expect(abs(a - b) < 1e-11, "\(name)") }
      }
    }
  }

  /// One fault each: what counts rows and steps is either exactly that or no Generate.
  @Test func `a loop that does anything else is refused by name`() throws {
    let model = GeneratingForm.captioning.model(.gru(resetAfter: true), seed: 1)
    let exported = try ONNXExporter.export(model, opset: 17).model
    let place = try #require(exported.graph.nodes.firstIndex { $0.operation == "Loop" })
    guard case .graph(let body)? = exported.graph.nodes[place].attributes["body"] else {
      Issue.record("no body")
      return
    }
    #expect(GeneratedLoop(exported.graph.nodes[place]) != nil)
    var mutants: [(String, ONNXGraph)] = []
    func mutant(_ name: String, _ change: (inout ONNXGraph) -> Void) {
      var copy = body
      change(&copy)
      mutants.append((name, copy))
    }
    func replace(_ graph: inout ONNXGraph, _ operation: String, by other: String) {
      let index = graph.nodes.lastIndex { $0.operation == operation }!
      graph.nodes[index].operation = other
    }
    mutant("rows end together") { replace(&$0, "ReduceMax", by: "ReduceMin") }
    mutant("ended rows come back") { replace(&$0, "Or", by: "And") }
    mutant("steps count down") { replace(&$0, "Add", by: "Sub") }
    mutant("stops at other tokens") { replace(&$0, "Equal", by: "Less") }
    mutant("the mask is another's") { graph in
      let index = graph.nodes.firstIndex { $0.operation == "Where" }!
      graph.nodes[index].inputs[0] = graph.outputs[1].name
    }
    mutant("features are padded with ones") { graph in
      let index = graph.initializers.firstIndex {
        $0.tensor.elementType == .float32 && $0.tensor.shape == [1]
      }!
      graph.initializers[index].tensor = Tensor([1] as [Float], shape: [1])
    }
    mutant("the body reads the iteration") { graph in
      graph.nodes.append(
        ONNXNode("Cast", inputs: [graph.inputs[0].name], outputs: ["turn"], attributes: ["to": .int(1)]))
    }
    for (name, graph) in mutants {
      var changed = exported
      changed.graph.nodes[place].attributes["body"] = .graph(graph)
      let error = #expect(throws: ONNXError.self, "\(name)") { _ = try ONNXImporter.importModel(changed) }
      #expect(error?.description.contains("control flow") ?? false, "\(name): \(error?.description ?? "")")
    }
    // Rows that start as ended.
    var changed = exported
    let start = try #require(changed.graph.initializers.firstIndex { $0.tensor.elementType == .bool })
    changed.graph.initializers[start].tensor = Tensor([true], shape: [1])
    let error = #expect(throws: ONNXError.self) { _ = try ONNXImporter.importModel(changed) }
    #expect(error?.description.contains("not 0 for every row") ?? false)
  }

  @Test func `names are nothing to the importer, and constants may lie outside the body`() throws {
    let model = GeneratingForm.translation.model(.lstm, seed: 6)
    var exported = try ONNXExporter.export(model, opset: 17).model
    let place = try #require(exported.graph.nodes.firstIndex { $0.operation == "Loop" })
    guard case .graph(var body)? = exported.graph.nodes[place].attributes["body"] else {
      Issue.record("no body")
      return
    }
    func renamed(_ name: String) -> String {
      name.isEmpty ? "" : "n\(name.utf8.reduce(7) { ($0 * 31 + Int($1)) % 1_000_000_007 })"
    }
    for index in body.nodes.indices {
      body.nodes[index].name = ""
      body.nodes[index].inputs = body.nodes[index].inputs.map(renamed)
      body.nodes[index].outputs = body.nodes[index].outputs.map(renamed)
    }
    for index in body.inputs.indices { body.inputs[index].name = renamed(body.inputs[index].name) }
    for index in body.outputs.indices { body.outputs[index].name = renamed(body.outputs[index].name) }
    for index in body.initializers.indices {
      body.initializers[index].name = renamed(body.initializers[index].name)
    }
    // The weights of the body, as an optimiser may leave them: in the graph around it.
    let weights = body.initializers.filter { $0.tensor.count > 4 }
    body.initializers.removeAll { $0.tensor.count > 4 }
    exported.graph.initializers += weights
    exported.graph.nodes[place].attributes["body"] = .graph(body)
    let back = try ONNXImporter.importModel(exported).model
    #expect(back.fingerprint == model.fingerprint)
  }

  @Test func `what ONNX cannot say is refused`() throws {
    let error = #expect(throws: ONNXError.self) {
      _ = try ONNXExporter.export(GeneratingForm.drawing.model(.rnn, seed: 1), opset: 10)
    }
    #expect(error?.description.contains("opset 11") ?? false)
  }
}
