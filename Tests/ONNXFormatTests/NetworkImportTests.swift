import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// What stands around a recurrence: how sizes are followed, what is decided at import, and what is refused.
@Suite struct NetworkImportTests {
  fileprivate func graph(
    _ nodes: [ONNXNode], inputs: [ONNXValueInfo], outputs: [String] = ["y"], weights: [(String, Tensor)] = []
  ) -> ONNXModel {
    var graph = ONNXGraph(name: "g")
    graph.nodes = nodes.enumerated().map { index, node in
      var node = node
      node.index = index
      return node
    }
    graph.inputs = inputs
    graph.outputs = outputs.map { ONNXValueInfo($0, .float32, nil) }
    graph.initializers = weights.map { .init($0.0, $0.1) }
    return ONNXModel(irVersion: 8, opsets: ["": 17], graph: graph)
  }

  private func conv(
    _ x: String, _ y: String, stride: Int64 = 1, pads: [Int64] = [1, 1], _ weight: String = "w"
  ) -> ONNXNode {
    ONNXNode(
      "Conv", inputs: [x, weight], outputs: [y],
      attributes: ["strides": .ints([stride]), "pads": .ints(pads)])
  }

  private let kernel = ("w", Tensor([Float](repeating: 0.5, count: 4 * 4 * 3), shape: [4, 4, 3]))
  fileprivate let audio = [ONNXValueInfo("x", .float32, [.symbol("batch"), .fixed(4), .symbol("frames")])]

  @Test func `what two strides leave of time is told from time, and equal strides from each other`() throws {
    let both = graph(
      [
        conv("x", "a", stride: 2), conv("x", "b", stride: 2),
        ONNXNode("Add", inputs: ["a", "b"], outputs: ["y"]),
      ],
      inputs: audio, weights: [kernel])
    #expect(try ONNXImporter.importModel(both).model.layers.count == 3)
    let mixed = graph(
      [conv("x", "a", stride: 2), ONNXNode("Add", inputs: ["a", "x"], outputs: ["y"])], inputs: audio,
      weights: [kernel])
    #expect(throws: ONNXError.self) { try ONNXImporter.importModel(mixed) }
    // Twice by two is once by four.
    let composed = graph(
      [
        conv("x", "a", stride: 2), conv("a", "b", stride: 2), conv("x", "c", stride: 4, pads: [1, 1]),
        ONNXNode("Add", inputs: ["b", "c"], outputs: ["y"]),
      ], inputs: audio, weights: [kernel])
    #expect(try ONNXImporter.importModel(composed).model.layers.count == 4)
  }

  @Test func `clocks are closed under windows and pads`() {
    for first in 1...3 {
      for second in 1...3 {
        let (a, b) = (
          WindowAxis(size: nil, kernel: 3, stride: first, before: 1),
          WindowAxis(size: nil, kernel: 2, stride: second, after: 1)
        )
        let clock = Clock().through(a).through(b)
        #expect(clock == Clock().through(a).through(b))
        #expect((clock == Clock()) == false || (first == 1 && second == 1))
      }
    }
    #expect(Clock().padded(3).padded(-3) == Clock())
    #expect(Clock().through(WindowAxis(size: nil, kernel: 3, before: 1, after: 1)) == Clock())
    #expect(
      Clock().through(WindowAxis(size: nil, kernel: 2, stride: 2), roundsUp: true)
        != Clock().through(WindowAxis(size: nil, kernel: 2, stride: 2)))
  }

  private func branching(_ condition: [ONNXNode], inputs: [ONNXValueInfo]) -> ONNXModel {
    func branch(_ operation: String) -> ONNXGraph {
      var graph = ONNXGraph(name: operation)
      graph.nodes = [ONNXNode(operation, inputs: ["x"], outputs: ["inside"])]
      graph.outputs = [ONNXValueInfo("inside", .float32, nil)]
      return graph
    }
    let choice = ONNXNode(
      "If", inputs: ["c"], outputs: ["y"],
      attributes: ["then_branch": .graph(branch("Tanh")), "else_branch": .graph(branch("Relu"))])
    let constants = [
      ("two", Tensor([2] as [Int64], shape: [])), ("rate", Tensor([16000] as [Int64], shape: [])),
    ]
    return graph(
      condition + [
        choice,
        ONNXNode("LSTM", inputs: ["y", "w", "r"], outputs: ["z"], attributes: ["hidden_size": .int(1)]),
      ],
      inputs: inputs, outputs: ["z"],
      weights: constants + [
        ("w", Tensor([Float](repeating: 1, count: 8), shape: [1, 4, 2])),
        ("r", Tensor([Float](repeating: 1, count: 4), shape: [1, 4, 1])),
      ])
  }

  private let sequence = ONNXValueInfo("x", .float32, [.symbol("frames"), .symbol("batch"), .fixed(2)])

  @Test func `an If is decided by a size, by a bound number, or refused with what would decide it`() throws {
    let byRank = branching(
      [
        ONNXNode("Shape", inputs: ["x"], outputs: ["s"]), ONNXNode("Size", inputs: ["s"], outputs: ["n"]),
        ONNXNode("Equal", inputs: ["n", "two"], outputs: ["c"]),
      ], inputs: [sequence])
    let imported = try ONNXImporter.importModel(byRank)
    #expect(imported.model.layers.first?.operation == .activation(.relu))
    #expect(imported.notes.contains { $0.detail.contains("its condition is false") })

    let byInput = branching(
      [ONNXNode("Equal", inputs: ["sr", "rate"], outputs: ["c"])],
      inputs: [sequence, ONNXValueInfo("sr", .int64, [])])
    #expect(throws: ONNXError.self) { try ONNXImporter.importModel(byInput) }
    for (rate, expected) in [(16000, Activation.tanh), (8000, .relu)] as [(Int64, Activation)] {
      let bound = try ONNXImporter.importModel(byInput, bindings: ["sr": Tensor([rate], shape: [])]).model
      #expect(bound.layers.first?.operation == .activation(expected))
      #expect(bound.inputs.map(\.name) == ["x"])
    }
  }

  @Test(arguments: ["frames", "x:0"])
  func `a size that an input leaves open is bound by its symbol, or by input and axis`(name: String) throws {
    let byFrames = branching(
      [
        ONNXNode("Shape", inputs: ["x"], outputs: ["s"], attributes: ["end": .int(1)]),
        ONNXNode("Squeeze", inputs: ["s"], outputs: ["n"]),
        ONNXNode("Equal", inputs: ["n", "two"], outputs: ["c"]),
      ], inputs: [sequence])
    let open = #expect(throws: ONNXError.self) { try ONNXImporter.importModel(byFrames) }
    #expect(open.map { "\($0)".contains("NAME=NUMBER") } ?? false)
    let bound = try ONNXImporter.importModel(byFrames, bindings: [name: Tensor([2] as [Int64], shape: [])])
      .model
    #expect(bound.inputs[0].axes[0].size == 2)
  }

  @Test func `float token ids are tokens, and are written as they came`() throws {
    let model = graph(
      [
        ONNXNode("Cast", inputs: ["ids"], outputs: ["i"], attributes: ["to": .int(6)]),
        ONNXNode("Gather", inputs: ["table", "i"], outputs: ["e"]),
        ONNXNode("Transpose", inputs: ["e"], outputs: ["t"], attributes: ["perm": .ints([1, 0, 2])]),
        ONNXNode("LSTM", inputs: ["t", "w", "r"], outputs: ["y"], attributes: ["hidden_size": .int(1)]),
      ], inputs: [ONNXValueInfo("ids", .float32, [.symbol("batch"), .fixed(5)])],
      weights: [
        ("table", Tensor([Float](repeating: 1, count: 6), shape: [3, 2])),
        ("w", Tensor([Float](repeating: 1, count: 8), shape: [1, 4, 2])),
        ("r", Tensor([Float](repeating: 1, count: 4), shape: [1, 4, 1])),
      ])
    let imported = try ONNXImporter.importModel(model).model
    #expect(imported.inputs[0].kind == .tokens)
    #expect(imported.inputs[0].elementType == .float32)
    let back = try ONNXImporter.importModel(ONNXExporter.export(imported).model).model
    #expect(back.fingerprint == imported.fingerprint)
  }

  @Test func `windows of any numbers are read, or refused with the node, and never stop the program`() throws
  {
    let sizes: [Int64] = [-(1 << 62), -1, 0, 1, 2, 1 << 25, 1 << 40, .max]
    for kernel in sizes {
      for stride in sizes {
        for pad in sizes {
          let nodes = [
            ONNXNode(
              "MaxPool", name: "pool", inputs: ["x"], outputs: ["y"],
              attributes: [
                "kernel_shape": .ints([kernel]), "strides": .ints([stride]), "pads": .ints([pad, pad]),
                "dilations": .ints([stride]),
              ])
          ]
          for size in [ONNXValueInfo.Dimension.fixed(7), .symbol("t")] {
            let model = graph(nodes, inputs: [ONNXValueInfo("x", .float32, [.symbol("b"), .fixed(4), size])])
            do { try ONNXImporter.importModel(model).model.validated() } catch let error as ONNXError {
              #expect("\(error)".contains("pool"))
            }
          }
        }
      }
    }
    for pads in sizes {
      let node = ONNXNode("Pad", name: "pad", inputs: ["x", "p"], outputs: ["y"])
      let model = graph(
        [node], inputs: [ONNXValueInfo("x", .float32, [.symbol("b"), .fixed(4), .symbol("t")])],
        weights: [("p", Tensor([0, pads, 0, 0, 0, pads], shape: [6]))])
      _ = try? ONNXImporter.importModel(model).model.validated()
    }
  }
}

extension NetworkImportTests {
  @Test func `a refusal names all operators that are not known, and how often they occur`() throws {
    let nodes = ["Hardmax", "TopK", "Hardmax"].enumerated().map { index, name in
      ONNXNode(name, inputs: ["x"], outputs: ["v\(index)"])
    }
    let model = graph(nodes, inputs: audio, outputs: ["v0"])
    let error = #expect(throws: ONNXError.self) { try ONNXImporter.importModel(model) }
    guard case .refused(.unknownOperator, let all)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(
      all.map(\.line) == [
        "2 × Hardmax: this operator is not supported (first: #0)",
        "1 × TopK: this operator is not supported (#1)",
      ])
    var foreign = nodes
    for index in foreign.indices { foreign[index].domain = "ours" }
    let refused = #expect(throws: ONNXError.self) {
      try ONNXEvaluator(graph(foreign, inputs: audio, outputs: ["v0"]))
    }
    #expect(refused.map { "\($0)" }?.contains("ours.Hardmax ×2, ours.TopK ×1") ?? false)
  }

  @Test func `a refusal goes on behind a node, and lists every reason once`() throws {
    let seven = ("seven", Tensor([Int64(7)], shape: [1]))
    // Two convolutions over sizes that do not fit, control flow, an operator behind both that is not known, and one in the Loop.
    var body = ONNXGraph(
      name: "body", nodes: [ONNXNode("TopK", name: "inner", inputs: ["s"], outputs: ["t"])])
    body.inputs = [
      ONNXValueInfo("i", .int64, []), ONNXValueInfo("c", .bool, []), ONNXValueInfo("s", .float32, nil),
    ]
    body.outputs = [ONNXValueInfo("c", .bool, []), ONNXValueInfo("t", .float32, nil)]
    let model = graph(
      [
        ONNXNode("Conv", name: "one", inputs: ["x", "w"], outputs: ["a"], attributes: ["group": .int(3)]),
        ONNXNode("Conv", name: "two", inputs: ["x", "w"], outputs: ["b"], attributes: ["group": .int(5)]),
        ONNXNode(
          "Loop", name: "turns", inputs: ["seven", "", "x"], outputs: ["l"],
          attributes: ["body": .graph(body)]),
        ONNXNode("Add", name: "joined", inputs: ["a", "l"], outputs: ["d"]),
        ONNXNode("Hardmax", name: "behind", inputs: ["d"], outputs: ["y"]),
        conv("x", "fine"),
      ], inputs: audio, weights: [kernel, seven])
    let error = #expect(throws: ONNXError.self) { try ONNXImporter.importModel(model) }
    guard case .refused(_, let all)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    let found = all.map { "\($0.count) \($0.operation) \($0.first)" }
    #expect(found == ["2 Conv 'one'", "1 Loop 'turns'", "1 Hardmax 'behind'", "1 TopK 'inner'"], "\(found)")
  }
}

/// What the caller says of an input's axes.
@Suite struct GivenAxesTests {
  private func imported(_ axes: [String: [InputAxis]]) throws(ONNXError) -> Model {
    var graph = ONNXGraph(name: "g", nodes: [node("Tanh", ["x"])])
    graph.inputs = [.init("x", .float32, [.symbol("a"), .symbol("b"), .fixed(3)])]
    graph.outputs = [.init("y", .float32, nil)]
    return try ONNXImporter.importModel(
      ONNXModel(irVersion: 8, opsets: ["": 17], graph: graph), axes: axes
    ).model
  }

  @Test func `axes that no operator tells are those that are given`() throws {
    for axes in [[InputAxis.batch, .time, .features], [.time, .batch, .features]] {
      let port = try imported(["x": axes]).inputs[0]
      #expect(port.axes[axes.firstIndex(of: .time)!].factors == [.time])
      #expect(port.axes[axes.firstIndex(of: .batch)!].factors == [.batch])
    }
  }

  @Test func `another input or number of axes is refused by name`() {
    #expect(throws: ONNXError.self) { try imported(["z": [.batch]]) }
    do throws(ONNXError) {
      _ = try imported(["x": [.batch, .features]])
      Issue.record("two axes of three")
    } catch { #expect("\(error)".contains("'x'") && "\(error)".contains("2 axes"), "\(error)") }
  }
}
