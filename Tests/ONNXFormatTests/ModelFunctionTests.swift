import ByteIO
import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// A model's own functions: the importer puts their nodes in place, the evaluator calls them, and both say the same. That onnxruntime does,
/// too, is in Tests/judges/live_unrolled.py.
@Suite struct ModelFunctionTests {
  private func model(
    _ nodes: [ONNXNode], functions: [ONNXFunction], opset: Int64 = 17,
    constants: [String: Tensor] = [:]
  ) -> ONNXModel {
    var graph = ONNXGraph(name: "g")
    graph.nodes = nodes.enumerated().map { index, node in
      var node = node
      node.index = index
      return node
    }
    graph.inputs = [ONNXValueInfo("x", .float32, [.symbol("b"), .fixed(3)])]
    graph.outputs = [ONNXValueInfo("y", .float32, nil)]
    graph.initializers = constants.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) }
    return ONNXModel(irVersion: 10, opsets: ["": opset, "own": 1], graph: graph, functions: functions)
  }

  private func call(
    _ name: String, _ inputs: [String], _ output: String = "y", _ attributes: [String: ONNXAttribute] = [:]
  ) -> ONNXNode {
    ONNXNode(
      name, name: "call", domain: "own", inputs: inputs, outputs: [output], attributes: attributes)
  }

  private func function(
    _ name: String, inputs: [String] = ["a"], outputs: [String] = ["b"],
    attributes: [String: ONNXAttribute?] = [:], _ nodes: [ONNXNode], opset: Int64 = 17
  ) -> ONNXFunction {
    ONNXFunction(
      ONNXFunction.Name(domain: "own", name: name), inputs: inputs, outputs: outputs, attributes: attributes,
      nodes: nodes.enumerated().map { index, node in
        var node = node
        node.index = index
        return node
      }, opsets: ["": opset, "own": 1])
  }

  private let x = Tensor([1, -2, 0.5, 3, -4, 5] as [Float], shape: [2, 3])

  /// What both roads compute of a model, through its bytes.
  private func expect(_ source: ONNXModel, _ expected: (Double) -> Double) throws {
    let read = try ONNXDecoder.decode(try ONNXEncoder.encode(source).model, folder: nil)
    #expect(read.functions == source.functions)
    let evaluated = try ONNXEvaluator(read).run(["x": x], precision: .float64)["y"]!
    let imported = try ONNXImporter.importModel(read).model
    let canonical = try forward(imported, inputs: ["x": x], precision: .float64)["y"]!
    for (index, value) in x.doubles.enumerated() {
      #expect(abs(evaluated.doubles[index] - expected(value)) < 1e-12)
      #expect(abs(canonical.doubles[index] - expected(value)) < 1e-12)
    }
  }

  @Test func `an attribute of the call, and its default`() throws {
    let leaky = function(
      "Leaky", attributes: ["slope": .float(0.5), "unused": nil],
      [
        ONNXNode(
          "LeakyRelu", inputs: ["a"], outputs: ["b"], attributes: ["alpha": .reference("slope", type: 1)])
      ])
    try expect(model([call("Leaky", ["x"])], functions: [leaky])) { $0 < 0 ? $0 / 2 : $0 }
    try expect(model([call("Leaky", ["x"], "y", ["slope": .float(0.25)])], functions: [leaky])) {
      $0 < 0 ? $0 / 4 : $0
    }
    // One that the call leaves out, and that has no default, is left out of the node, too: its own default is 0.01.
    let plain = function(
      "Leaky", attributes: ["slope": nil],
      [
        ONNXNode(
          "LeakyRelu", inputs: ["a"], outputs: ["b"], attributes: ["alpha": .reference("slope", type: 1)])
      ])
    try expect(model([call("Leaky", ["x"])], functions: [plain])) { $0 < 0 ? $0 * Double(Float(0.01)) : $0 }
    #expect(throws: ONNXError.self) {
      try ONNXImporter.importModel(model([call("Leaky", ["x"], "y", ["steep": .int(1)])], functions: [leaky]))
    }
    #expect(throws: ONNXError.self) {
      try ONNXEvaluator(model([call("Leaky", ["x"], "y", ["steep": .int(1)])], functions: [leaky]))
    }
  }

  @Test func `functions of functions, of one name inside and outside, called twice`() throws {
    // Names of a function are its own: `x`, `y` and `b` mean other things outside.
    let inner = function(
      "Twice", inputs: ["x"], outputs: ["y"], [ONNXNode("Add", inputs: ["x", "x"], outputs: ["y"])])
    let outer = function(
      "Four", [call("Twice", ["a"], "x"), call("Twice", ["x"], "b")])
    let nodes = [call("Four", ["x"], "b"), call("Four", ["b"])]
    try expect(model(nodes, functions: [outer, inner])) { 16 * $0 }
  }

  @Test func `an input that is left out, one that is handed on, and values inside an If`() throws {
    let clip = function(
      "Clipped", inputs: ["a", "low", "high"],
      [ONNXNode("Clip", inputs: ["a", "low", "high"], outputs: ["b"])])
    try expect(
      model(
        [call("Clipped", ["x", "", "two"])], functions: [clip],
        constants: ["two": Tensor([2] as [Float], shape: [])])
    ) { min($0, 2) }
    let same = function("Same", outputs: ["a"], [])
    try expect(
      model([call("Same", ["x"], "t"), node("Neg", ["t"])], functions: [same])
    ) { -$0 }
    let branch = { (operation: String) in
      ONNXAttribute.graph(
        ONNXGraph(
          name: operation, nodes: [ONNXNode(operation, inputs: ["a"], outputs: ["inside"])],
          outputs: [ONNXValueInfo("inside", .float32, nil)]))
    }
    let chosen = function(
      "Chosen", inputs: ["a", "yes"],
      [
        ONNXNode(
          "If", inputs: ["yes"], outputs: ["b"],
          attributes: ["then_branch": branch("Abs"), "else_branch": branch("Neg")])
      ])
    try expect(
      model(
        [call("Chosen", ["x", "no"], "t"), call("Chosen", ["t", "yes"])], functions: [chosen],
        constants: ["yes": Tensor([true], shape: []), "no": Tensor([false], shape: [])])
    ) { abs($0) }
  }

  @Test func `a function has the opset that it imports`() throws {
    // Below 13 the axes of a Squeeze are an attribute.
    let old = function(
      "Kept",
      [
        ONNXNode("Unsqueeze", inputs: ["a"], outputs: ["t"], attributes: ["axes": .ints([0])]),
        ONNXNode("Squeeze", inputs: ["t"], outputs: ["b"], attributes: ["axes": .ints([0])]),
      ], opset: 11)
    try expect(model([call("Kept", ["x"], "t"), node("Neg", ["t"])], functions: [old])) { -$0 }
  }

  @Test func `a function that calls itself, and one that is there twice, are refused`() throws {
    let first = function("First", [call("Second", ["a"], "b")])
    let second = function("Second", [call("First", ["a"], "b")])
    let source = model([call("First", ["x"])], functions: [first, second])
    #expect { try ONNXImporter.importModel(source) } throws: {
      "\($0)".contains("calls itself: own.First → own.Second → own.First")
    }
    #expect { try ONNXEvaluator(source) } throws: { "\($0)".contains("calls itself") }
    let twice = model([call("First", ["x"])], functions: [first, first])
    #expect(throws: ONNXError.twoFunctions("own.First")) {
      try ONNXDecoder.decode(try ONNXEncoder.encode(twice).model, folder: nil)
    }
  }

  @Test func `calls that double are bounded`() throws {
    // 2^40 nodes of 40 functions.
    var functions = [function("f0", [ONNXNode("Neg", inputs: ["a"], outputs: ["b"])])]
    for depth in 1...40 {
      functions.append(
        function("f\(depth)", [call("f\(depth - 1)", ["a"], "t"), call("f\(depth - 1)", ["t"], "b")]))
    }
    let source = model([call("f40", ["x"])], functions: functions)
    var limits = Limits.standard
    limits.nodes = 10_000
    #expect { try ONNXImporter.importModel(source, limits: limits) } throws: {
      "\($0)".contains("more than 10000 nodes")
    }
    #expect { try ONNXEvaluator(source, limits: limits) } throws: {
      "\($0)".contains("more than 10000 nodes")
    }
    // And a chain of calls, which is short, by its depth.
    var chain = [function("c0", [ONNXNode("Neg", inputs: ["a"], outputs: ["b"])])]
    for depth in 1...1000 { chain.append(function("c\(depth)", [call("c\(depth - 1)", ["a"], "b")])) }
    let deep = model([call("c1000", ["x"])], functions: chain)
    #expect { try ONNXImporter.importModel(deep) } throws: { "\($0)".contains("deep") }
    #expect { try ONNXEvaluator(deep) } throws: { "\($0)".contains("deep") }
  }
}
