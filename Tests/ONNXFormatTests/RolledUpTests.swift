import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// A cell's step in plain operators, as exporters write it.
private struct WrittenStep {
  var nodes: [ONNXNode] = []
  var weights: [ONNXGraph.Initializer] = []
  let layer: RecurrentLayer

  init(_ cell: Cell, seed: UInt64 = 1) {
    var generator = SeededGenerator(seed: seed)
    layer = LayerSpecification(cell).layer(&generator)
    let parameters = layer.directions[0]
    for (name, tensor) in [
      ("W", parameters.inputWeight), ("R", parameters.recurrentWeight!), ("bW", parameters.inputBias!),
      ("bR", parameters.recurrentBias!),
    ] { weights.append(.init(name, tensor)) }
    weights.append(.init("Wn", parameters.recurrentWeight!.rows(layer.rows(of: .new))))
    weights.append(.init("bn", parameters.recurrentBias!.rows(layer.rows(of: .new))))
    weights.append(.init("Rrz", parameters.recurrentWeight!.rows(0..<layer.rows(of: .new).lowerBound)))
    weights.append(.init("brz", parameters.recurrentBias!.rows(0..<layer.rows(of: .new).lowerBound)))
    weights.append(.init("one", Tensor([1] as [Float], shape: [])))
    weights.removeAll { $0.tensor.count == 0 }
  }

  private mutating func add(
    _ operation: String, _ inputs: [String], _ outputs: String..., attributes: [String: ONNXAttribute] = [:]
  ) {
    nodes.append(ONNXNode(operation, inputs: inputs, outputs: outputs, attributes: attributes))
  }

  private mutating func gates(_ names: [String], of input: String, _ tag: String) {
    let size = Int64(layer.hiddenSize)
    nodes.append(
      ONNXNode(
        "Split", inputs: [input], outputs: names.map { $0 + tag },
        attributes: ["axis": .int(1), "split": .ints(names.map { _ in size })]))
  }

  /// From x and the states to the new states; names inside end in `tag`.
  mutating func step(x: String, h: String, c: String = "", newH: String, newC: String = "", _ tag: String) {
    let transposed = ["transB": ONNXAttribute.int(1)]
    add("Gemm", [x, "W", "bW"], "gx\(tag)", attributes: transposed)
    switch layer.cell {
    case .rnn:
      add("Gemm", [h, "R", "bR"], "gh\(tag)", attributes: transposed)
      add("Add", ["gx\(tag)", "gh\(tag)"], "a\(tag)")
      add("Tanh", ["a\(tag)"], newH)
    case .lstm:
      add("Gemm", [h, "R", "bR"], "gh\(tag)", attributes: transposed)
      add("Add", ["gx\(tag)", "gh\(tag)"], "a\(tag)")
      gates(["f", "i", "o", "g"], of: "a\(tag)", tag)
      for gate in ["f", "i", "o"] { add("Sigmoid", [gate + tag], "s\(gate)\(tag)") }
      add("Tanh", ["g\(tag)"], "tg\(tag)")
      add("Mul", ["sf\(tag)", c], "kept\(tag)")
      add("Mul", ["si\(tag)", "tg\(tag)"], "new\(tag)")
      add("Add", ["kept\(tag)", "new\(tag)"], newC)
      add("Tanh", [newC], "tc\(tag)")
      add("Mul", ["so\(tag)", "tc\(tag)"], newH)
    case .gru(let resetAfter):
      gates(["xr", "xz", "xn"], of: "gx\(tag)", tag)
      if resetAfter {
        add("Gemm", [h, "R", "bR"], "gh\(tag)", attributes: transposed)
        gates(["hr", "hz", "hn"], of: "gh\(tag)", tag)
      } else {
        add("Gemm", [h, "Rrz", "brz"], "gh\(tag)", attributes: transposed)
        gates(["hr", "hz"], of: "gh\(tag)", tag)
      }
      for gate in ["r", "z"] {
        add("Add", ["x\(gate)\(tag)", "h\(gate)\(tag)"], "a\(gate)\(tag)")
        add("Sigmoid", ["a\(gate)\(tag)"], "s\(gate)\(tag)")
      }
      if resetAfter {
        add("Mul", ["sr\(tag)", "hn\(tag)"], "rh\(tag)")
      } else {
        add("Mul", ["sr\(tag)", h], "reset\(tag)")
        add("Gemm", ["reset\(tag)", "Wn", "bn"], "rh\(tag)", attributes: transposed)
      }
      add("Add", ["xn\(tag)", "rh\(tag)"], "an\(tag)")
      add("Tanh", ["an\(tag)"], "n\(tag)")
      // Keras' way: (1 − z)·n + z·h.
      add("Sub", ["one", "sz\(tag)"], "other\(tag)")
      add("Mul", ["other\(tag)", "n\(tag)"], "taken\(tag)")
      add("Mul", ["sz\(tag)", h], "kept\(tag)")
      add("Add", ["taken\(tag)", "kept\(tag)"], newH)
    case .minGRU: Issue.record("no step of a minGRU")
    }
  }
}

private let cells: [Cell] = [.rnn, .lstm, .gru(resetAfter: false), .gru(resetAfter: true)]

private func info(_ name: String, _ shape: ONNXValueInfo.Dimension...) -> ONNXValueInfo {
  ONNXValueInfo(name, .float32, shape)
}

/// Loops along sequences and steps written out one by one become recurrent layers with the very weights, which compute what the graph
/// does; what only looks like them does not.
@Suite struct RolledUpTests {
  private func file(_ graph: ONNXGraph, opset: Int64 = 12) -> ONNXModel {
    var graph = graph
    for index in graph.nodes.indices { graph.nodes[index].index = index }
    return ONNXModel(irVersion: 8, opsets: ["": opset], graph: graph)
  }

  /// The only recurrent layer of a file, held against the weights of its step.
  private func expectLayer(_ model: Model, _ step: WrittenStep, _ direction: Direction = .forward) {
    let layers = model.layers.compactMap { layer in
      if case .recurrent(let recurrent) = layer.operation { recurrent } else { nil }
    }
    var expected = step.layer
    expected.direction = direction
    #expect(layers == [expected])
  }

  /// What the canonical model and the evaluator compute of a file, in Float64.
  private func expectSame(_ source: ONNXModel, _ model: Model, _ inputs: [String: Tensor]) throws {
    let canonical = try forward(model, inputs: inputs, precision: .float64)
    let evaluated = try ONNXEvaluator(source).run(inputs, precision: .float64)
    for port in model.outputs {
      let (a, b) = (try #require(canonical[port.name]), try #require(evaluated[port.name]))
      #expect(a.shape == b.shape, "\(port.name)")
      for (x, y) in zip(a.doubles, b.doubles) { #expect(abs(x - y) < 1e-12, "\(port.name)") }
    }
  }

  private func random(_ shape: [Int], seed: UInt64 = 9) -> Tensor {
    var generator = SeededGenerator(seed: seed)
    return generator.tensor(shape, scale: 1)
  }

  // MARK: Loops

  /// `for x in sequence { h = cell(x, h) }`, `[T, B, 3]`, with states from outside.
  private func loop(_ step: WrittenStep, countsItself: Bool = false) -> ONNXModel {
    let states = step.layer.cell == .lstm ? ["h", "c"] : ["h"]
    var step = step
    var body = ONNXGraph(name: "body")
    step.nodes = [ONNXNode("Gather", inputs: ["x", countsItself ? "t" : "i"], outputs: ["x_t"])]
    step.step(x: "x_t", h: "h", c: "c", newH: "h_new", newC: "c_new", "_")
    body.nodes = step.nodes
    body.initializers = step.weights
    body.inputs = [ONNXValueInfo("i", .int64, []), ONNXValueInfo("go", .bool, [])]
    body.outputs = [ONNXValueInfo("go_on", .bool, [])]
    var graph = ONNXGraph(name: "g")
    graph.inputs = [info("x", .symbol("t"), .symbol("b"), .fixed(3))]
    graph.nodes = [
      ONNXNode("Shape", inputs: ["x"], outputs: ["shape"]),
      ONNXNode("Gather", inputs: ["shape", "zero"], outputs: ["steps"]),
    ]
    graph.initializers = [
      .init("zero", Tensor([0] as [Int64], shape: [])), .init("true", Tensor([true], shape: [])),
    ]
    if countsItself {
      // As tf2onnx writes it: a counter of its own, and a condition.
      body.initializers.append(.init("1", Tensor([1] as [Int64], shape: [])))
      body.inputs.append(ONNXValueInfo("t", .int64, []))
      body.nodes += [
        ONNXNode("Add", inputs: ["t", "1"], outputs: ["t_new"]),
        ONNXNode("Less", inputs: ["t_new", "steps"], outputs: ["go_on"]),
      ]
      body.outputs.append(ONNXValueInfo("t_new", .int64, []))
      graph.nodes.append(ONNXNode("Less", inputs: ["zero", "steps"], outputs: ["some"]))
    } else {
      body.nodes.append(ONNXNode("Identity", inputs: ["go"], outputs: ["go_on"]))
    }
    body.nodes.append(ONNXNode("Identity", inputs: ["h_new"], outputs: ["y_t"]))
    for state in states {
      body.inputs.append(info(state, .unknown, .fixed(4)))
      body.outputs.append(info("\(state)_new", .unknown, .fixed(4)))
      graph.inputs.append(info("\(state)0", .symbol("b"), .fixed(4)))
    }
    body.outputs.append(info("y_t", .unknown, .fixed(4)))
    let counter = countsItself ? ["t_last"] : []
    graph.nodes.append(
      ONNXNode(
        "Loop", inputs: (countsItself ? ["", "some", "zero"] : ["steps", "true"]) + states.map { "\($0)0" },
        outputs: counter + states.map { "\($0)_last" } + ["y"], attributes: ["body": .graph(body)]))
    graph.outputs = (states.map { "\($0)_last" } + ["y"]).map { ONNXValueInfo($0, .float32, nil) }
    return file(graph)
  }

  private func loopInputs(_ cell: Cell, steps: Int, rows: Int) -> [String: Tensor] {
    var inputs = ["x": random([steps, rows, 3]), "h0": random([rows, 4], seed: 2)]
    if cell == .lstm { inputs["c0"] = random([rows, 4], seed: 3) }
    return inputs
  }

  @Test(arguments: cells, [false, true])
  func `a Loop along a sequence is a recurrent layer`(_ cell: Cell, countsItself: Bool) throws {
    let step = WrittenStep(cell)
    let source = loop(step, countsItself: countsItself)
    let found = try ONNXImporter.importModel(source)
    expectLayer(found.model, step)
    #expect(found.notes.contains { $0.detail.contains("a Loop whose body is a step of") })
    for (steps, rows) in [(1, 1), (5, 2), (9, 3)] {
      try expectSame(source, found.model, loopInputs(cell, steps: steps, rows: rows))
    }
    // Its own export is an operator.
    let back = try ONNXExporter.export(found.model).model
    #expect(back.graph.nodes.contains { $0.operation == cell.name })
    #expect(try ONNXImporter.importModel(back).model.fingerprint == found.model.fingerprint)
  }

  private func refusal(_ source: ONNXModel) -> String {
    do {
      _ = try ONNXImporter.importModel(source)
      return ""
    } catch { return error.description }
  }

  private func changed(_ source: ONNXModel, _ change: (inout ONNXGraph) -> Void) -> ONNXModel {
    var source = source
    let place = source.graph.nodes.firstIndex { $0.operation == "Loop" }!
    guard case .graph(var body)? = source.graph.nodes[place].attributes["body"] else { return source }
    change(&body)
    source.graph.nodes[place].attributes["body"] = .graph(body)
    return source
  }

  @Test func `a Loop that its numbers stop, or that is no cell, is refused with the reason`() {
    let source = loop(WrittenStep(.rnn))
    let stopped = changed(source) { body in
      body.nodes.removeAll { $0.outputs == ["go_on"] }
      body.initializers.append(.init("most", Tensor([3] as [Float], shape: [])))
      body.nodes += [
        ONNXNode(
          "ReduceSum", inputs: ["h_new"], outputs: ["sum"],
          attributes: ["keepdims": .int(0), "axes": .ints([0, 1])]),
        ONNXNode("Less", inputs: ["sum", "most"], outputs: ["go_on"]),
      ]
    }
    #expect(refusal(stopped).contains("whether it goes on depends on what its body computes"))
    let other = changed(source) { body in
      for index in body.nodes.indices where body.nodes[index].operation == "Tanh" {
        body.nodes[index].operation = "Exp"
      }
    }
    #expect(refusal(other).contains("what its body makes of 'h' is no step of an RNN, LSTM or GRU"))
    let counted = changed(source) { body in
      for index in body.nodes.indices where body.nodes[index].operation == "Tanh" {
        body.nodes.append(ONNXNode("Cast", inputs: ["i"], outputs: ["number"], attributes: ["to": .int(1)]))
        body.nodes.append(ONNXNode("Mul", inputs: ["a_", "number"], outputs: ["times"]))
        body.nodes[index].inputs = ["times"]
      }
    }
    #expect(refusal(counted).contains("its body computes with 'i'"))
    var short = source
    short.graph.initializers.append(.init("few", Tensor([3] as [Int64], shape: [])))
    short.graph.nodes[short.graph.nodes.count - 1].inputs[0] = "few"
    #expect(refusal(short).contains("number of steps that it reads"))
  }

  @Test func `a body that looks like a deep cell takes no time`() {
    let source = changed(loop(WrittenStep(.rnn))) { body in
      // Each value twice in the next: written as a tree it would have 2^400 leaves.
      body.nodes.removeAll { $0.operation == "Tanh" }
      var last = "a_"
      for depth in 0..<400 {
        body.nodes += [
          ONNXNode("Tanh", inputs: [last], outputs: ["t\(depth)"]),
          ONNXNode("Sigmoid", inputs: [last], outputs: ["s\(depth)"]),
          ONNXNode("Mul", inputs: ["t\(depth)", "s\(depth)"], outputs: ["m\(depth)"]),
        ]
        last = "m\(depth)"
      }
      body.nodes.append(ONNXNode("Identity", inputs: [last], outputs: ["h_new"]))
    }
    #expect(refusal(source).contains("no step of an RNN"))
  }

  // MARK: Steps written out

  private enum Reading: CaseIterable { case inOrder, backwards, shuffled }

  /// The steps of x `[B, T, 3]` one after another; y `[B, T, 4]` and the last state.
  private func writtenOut(
    _ step: WrittenStep, steps count: Int = 5, _ reading: Reading = .inOrder, other: Int? = nil
  ) -> ONNXModel {
    var step = step
    let isLSTM = step.layer.cell == .lstm
    var order = Array(0..<count)
    if reading == .backwards { order.reverse() }
    if reading == .shuffled { order.swapAt(1, 2) }
    var constants = step.weights
    for t in 0..<count { constants.append(.init("t\(t)", Tensor([Int64(t)], shape: []))) }
    if let other {
      // One step with weights of its own.
      var generator = SeededGenerator(seed: 77)
      for name in ["R", "Rrz", "Wn"] {
        guard let tensor = constants.first(where: { $0.name == name })?.tensor else { continue }
        constants.append(.init("\(name)_\(other)", generator.tensor(tensor.shape, scale: 1)))
      }
    }
    for (position, t) in order.enumerated() {
      step.nodes.append(
        ONNXNode("Gather", inputs: ["x", "t\(t)"], outputs: ["x_\(t)"], attributes: ["axis": .int(1)]))
      let first = step.nodes.count
      step.step(
        x: "x_\(t)", h: "h_\(position)", c: isLSTM ? "c_\(position)" : "", newH: "h_\(position + 1)",
        newC: "c_\(position + 1)", "_\(position)")
      if position == other {
        for index in step.nodes.indices.dropFirst(first) {
          step.nodes[index].inputs = step.nodes[index].inputs.map {
            ["R", "Rrz", "Wn"].contains($0) ? "\($0)_\(position)" : $0
          }
        }
      }
      step.nodes.append(
        ONNXNode(
          "Unsqueeze", inputs: ["h_\(position + 1)"], outputs: ["y_\(t)"], attributes: ["axes": .ints([1])]))
    }
    step.nodes.append(
      ONNXNode(
        "Concat", inputs: (0..<count).map { "y_\($0)" }, outputs: ["y"], attributes: ["axis": .int(1)]))
    step.nodes.append(ONNXNode("Identity", inputs: ["h_\(count)"], outputs: ["last"]))
    var graph = ONNXGraph(name: "g", nodes: step.nodes, initializers: constants)
    graph.inputs = [
      info("x", .symbol("b"), .fixed(count), .fixed(3)), info("h_0", .symbol("b"), .fixed(4)),
    ]
    if isLSTM { graph.inputs.append(info("c_0", .symbol("b"), .fixed(4))) }
    graph.outputs = [ONNXValueInfo("y", .float32, nil), ONNXValueInfo("last", .float32, nil)]
    return file(graph)
  }

  private func inputs(_ cell: Cell, steps: Int = 5, rows: Int) -> [String: Tensor] {
    var inputs = ["x": random([rows, steps, 3]), "h_0": random([rows, 4], seed: 2)]
    if cell == .lstm { inputs["c_0"] = random([rows, 4], seed: 3) }
    return inputs
  }

  @Test(arguments: cells, [false, true])
  func `steps that are written out are a recurrent layer again`(_ cell: Cell, isBackwards: Bool) throws {
    let step = WrittenStep(cell)
    let source = writtenOut(step, isBackwards ? .backwards : .inOrder)
    let found = try ONNXImporter.importModel(source)
    expectLayer(found.model, step, isBackwards ? .reverse : .forward)
    #expect(found.notes.contains { $0.detail.contains("5 steps of a recurrence that was written out") })
    for rows in [1, 3] { try expectSame(source, found.model, inputs(cell, rows: rows)) }
    let back = try ONNXExporter.export(found.model).model
    #expect(try ONNXImporter.importModel(back).model.fingerprint == found.model.fingerprint)
  }

  @Test(arguments: cells)
  func `two steps are enough`(_ cell: Cell) throws {
    let step = WrittenStep(cell)
    let source = writtenOut(step, steps: 2)
    let found = try ONNXImporter.importModel(source)
    expectLayer(found.model, step)
    try expectSame(source, found.model, inputs(cell, steps: 2, rows: 2))
  }

  @Test(arguments: cells)
  func `steps of different weights, or in no order, stay as they stand`(_ cell: Cell) throws {
    for source in [writtenOut(WrittenStep(cell), other: 2), writtenOut(WrittenStep(cell), .shuffled)] {
      let found = try? ONNXImporter.importModel(source)
      guard let found else {
        #expect(refusal(source).contains("written out step by step"))
        continue
      }
      #expect(
        !found.model.layers.contains { if case .recurrent = $0.operation { true } else { false } })
      try expectSame(source, found.model, inputs(cell, rows: 2))
    }
  }
}
