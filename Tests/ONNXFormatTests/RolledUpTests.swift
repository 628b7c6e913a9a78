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

  /// The same over embedded tokens, where a row skips the steps of token 2: its states stay, and what it gives is 0 or what it was.
  private func maskedLoop(_ step: WrittenStep, holds: Bool) -> ONNXModel {
    var source = loop(step)
    let isLSTM = step.layer.cell == .lstm
    let place = source.graph.nodes.firstIndex { $0.operation == "Loop" }!
    var generator = SeededGenerator(seed: 4)
    source.graph.inputs[0] = ONNXValueInfo("tokens", .int64, [.symbol("t"), .symbol("b")])
    source.graph.initializers += [
      .init("table", generator.tensor([5, 3], scale: 1)), .init("skipped", Tensor([2] as [Int64], shape: [])),
      .init("last", Tensor([-1] as [Int64], shape: [1])),
    ]
    source.graph.nodes.insert(
      contentsOf: [
        ONNXNode("Gather", inputs: ["table", "tokens"], outputs: ["x"]),
        ONNXNode("Equal", inputs: ["tokens", "skipped"], outputs: ["skips"]),
        ONNXNode("Not", inputs: ["skips"], outputs: ["runs"]),
        ONNXNode("Unsqueeze", inputs: ["runs", "last"], outputs: ["mask"]),
      ], at: 0)
    source.opsets = ["": 13]
    return changed(source, place + 4) { body in
      for index in body.nodes.indices where body.nodes[index].operation == "Split" {
        // Sizes are an input from opset 13 on.
        body.nodes[index].attributes["split"] = nil
      }
      body.nodes.removeAll { $0.outputs == ["y_t"] }
      body.nodes.insert(ONNXNode("Gather", inputs: ["mask", "i"], outputs: ["m"]), at: 0)
      for state in isLSTM ? ["h", "c"] : ["h"] {
        body.nodes.append(
          ONNXNode("Where", inputs: ["m", "\(state)_new", state], outputs: ["\(state)_kept"]))
      }
      body.outputs = body.outputs.map {
        ONNXValueInfo($0.name.replacing("_new", with: "_kept"), $0.elementType, $0.shape)
      }
      if holds {
        body.nodes.append(ONNXNode("Identity", inputs: ["h_kept"], outputs: ["y_t"]))
      } else {
        body.nodes += [
          ONNXNode("Cast", inputs: ["m"], outputs: ["number"], attributes: ["to": .int(1)]),
          ONNXNode("Mul", inputs: ["h_new", "number"], outputs: ["y_t"]),
        ]
      }
    }
  }

  @Test(arguments: cells, [false, true])
  func `rows that skip steps by a token keep their states, and give 0 or what they gave`(
    _ cell: Cell, holds: Bool
  ) throws {
    let step = WrittenStep(cell)
    var source = maskedLoop(step, holds: holds)
    if holds {
      // From zeros: what a row gives before its first step is then 0, too.
      for state in cell == .lstm ? ["h0", "c0"] : ["h0"] {
        source.graph.inputs.removeAll { $0.name == state }
        source.graph.initializers.append(.init(state, Tensor([0, 0, 0, 0] as [Float], shape: [1, 4])))
      }
    }
    let found = try ONNXImporter.importModel(source)
    expectLayer(found.model, step)
    #expect(found.model.layers.contains { if case .stepPacking = $0.operation { true } else { false } })
    var inputs = [
      "tokens": Tensor([2, 0, 2, 1, 2, 2, 3, 2, 2, 2, 4, 2, 1, 2, 2] as [Int64], shape: [5, 3])
    ]
    if !holds {
      inputs["h0"] = random([3, 4], seed: 2)
      if cell == .lstm { inputs["c0"] = random([3, 4], seed: 3) }
    }
    try expectSame(source, found.model, inputs)
    let back = try ONNXExporter.export(found.model).model
    #expect(try ONNXImporter.importModel(back).model.fingerprint == found.model.fingerprint)
    try expectSame(back, found.model, inputs)
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

  private func changed(
    _ source: ONNXModel, _ place: Int? = nil, _ change: (inout ONNXGraph) -> Void
  ) -> ONNXModel {
    var source = source
    let place = place ?? source.graph.nodes.firstIndex { $0.operation == "Loop" }!
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

  @Test func `hard sigmoids, spelled out in two ways`() throws {
    for spelling in ["0.2·x + 0.5", "(x + 3) · 1/6"] {
      let source = changed(loop(WrittenStep(.lstm))) { body in
        var nodes: [ONNXNode] = []
        for node in body.nodes {
          guard node.operation == "Sigmoid" else {
            nodes.append(node)
            continue
          }
          let (x, y) = (node.inputs[0], node.outputs[0])
          if spelling.hasPrefix("0.2") {
            nodes += [
              ONNXNode("Mul", inputs: [x, "fifth"], outputs: ["\(y)a"]),
              ONNXNode("Add", inputs: ["\(y)a", "half"], outputs: ["\(y)b"]),
              ONNXNode("Clip", inputs: ["\(y)b", "zero", "one"], outputs: [y]),
            ]
          } else {
            nodes += [
              ONNXNode("Add", inputs: [x, "three"], outputs: ["\(y)a"]),
              ONNXNode("Clip", inputs: ["\(y)a", "nought", "six"], outputs: ["\(y)b"]),
              ONNXNode("Mul", inputs: ["\(y)b", "sixth"], outputs: [y]),
            ]
          }
        }
        body.nodes = nodes
        for (name, number) in [
          ("fifth", 0.2), ("half", 0.5), ("nought", 0), ("three", 3), ("six", 6), ("sixth", 1.0 / 6),
        ] as [(String, Float)] { body.initializers.append(.init(name, Tensor([number], shape: []))) }
        body.nodes = body.nodes.map { node in
          var node = node
          node.inputs = node.inputs.map { $0 == "zero" ? "nought" : $0 }
          return node
        }
      }
      let found = try ONNXImporter.importModel(source)
      let layer = found.model.layers.lazy.compactMap { layer -> RecurrentLayer? in
        if case .recurrent(let recurrent) = layer.operation { recurrent } else { nil }
      }.first
      let gate = try #require(layer?.directions.first?.gateActivation)
      #expect(gate.kind == .hardSigmoid && gate.beta == 0.5)
      #expect(gate.alpha == Double(spelling.hasPrefix("0.2") ? Float(0.2) : Float(1.0 / 6)))
      // A sixth is none in Float32: six of them are next to 1.
      #expect(found.notes.contains { $0.exactness == .rounded } == !spelling.hasPrefix("0.2"))
      let inputs = loopInputs(.lstm, steps: 4, rows: 2)
      let canonical = try forward(found.model, inputs: inputs, precision: .float64)["y"]!
      let evaluated = try ONNXEvaluator(source).run(inputs, precision: .float64)["y"]!
      for (a, b) in zip(canonical.doubles, evaluated.doubles) { #expect(abs(a - b) < 1e-7) }
    }
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
