import ByteIO
import ONNXFormat
import Tensors
import Testing

@Suite("ONNX evaluator refuses")
struct EvaluatorRefusalTests {
  @Test("a cycle, naming its nodes")
  func cycle() {
    let error = refusal([
      .init("Add", name: "p", inputs: ["x", "y"], outputs: ["a"]),
      .init("Relu", name: "q", inputs: ["a"], outputs: ["y"]),
    ])
    #expect(error == .cycle(nodes: ["'p' (Add)", "'q' (Relu)"]))
  }

  @Test("a value made twice, and one made never")
  func values() {
    let twice = [
      ONNXNode("Relu", inputs: ["x"], outputs: ["y"]),
      ONNXNode("Tanh", inputs: ["x"], outputs: ["y"], index: 1),
    ]
    #expect(refusal(twice) == .duplicateValue(node: "#1 (Tanh)", value: "y"))
    #expect(
      refusal([.init("Relu", inputs: ["z"], outputs: ["y"])]) == .unknownValue(node: "#0 (Relu)", value: "z"))
    #expect(
      refusal([.init("Relu", inputs: ["x"], outputs: ["other"])])
        == .graphOutput("y", reason: "nothing makes it"))
    #expect(
      refusal([.init("Add", inputs: ["x", ""], outputs: ["y"])])
        == .missingInput(node: "#0 (Add)", input: "B"))
  }

  @Test("operators, domains and opsets that it does not know, with what to do")
  func operators() {
    let unknown = refusal([.init("QLinearConv", inputs: ["x"], outputs: ["y"])])
    #expect("\(unknown!)".contains("'QLinearConv'") || "\(unknown!)".contains("QLinearConv"))
    let foreign = refusal([
      .init("DynamicQuantizeLSTM", domain: "com.microsoft", inputs: ["x"], outputs: ["y"])
    ])
    guard case .unknownOperator(_, "com.microsoft", _)? = foreign else {
      Issue.record("\(foreign!)")
      return
    }
    let old = refusal([.init("Gelu", inputs: ["x"], outputs: ["y"])], opset: 17)
    #expect("\(old!)".contains("before opset 20"))
    #expect(refusal([], opset: 99) == .unsupportedOpset(99, supported: 7...28))
  }

  @Test("attributes that are unknown, of the wrong type, or missing")
  func attributes() {
    func attribute(_ operation: String, _ attributes: [String: ONNXAttribute]) -> ONNXError? {
      refusal([.init(operation, inputs: ["x"], outputs: ["y"], attributes: attributes)])
    }
    guard case .unsupportedAttribute(_, "beta", _)? = attribute("Elu", ["beta": .float(1)]) else {
      Issue.record("unknown attribute")
      return
    }
    guard case .unsupportedAttribute(_, "alpha", _)? = attribute("Elu", ["alpha": .int(1)]) else {
      Issue.record("attribute of the wrong type")
      return
    }
    #expect(attribute("Cast", [:]) == .missingAttribute(node: "#0 (Cast)", attribute: "to"))
  }

  @Test(
    "tensors over the limit, before they are made",
    arguments: ["Expand", "ConstantOfShape", "Tile", "Range", "Reshape"])
  func overLimit(operation: String) throws {
    let huge = Tensor([Int64(1) << 62], shape: [1])
    let scalar = { (value: Int64) in Tensor([value], shape: []) }
    var constants = ["huge": huge, "a": scalar(0), "b": scalar(1 << 62), "c": scalar(1)]
    var inputs = ["x", "huge"]
    switch operation {
    case "ConstantOfShape": inputs = ["huge"]
    case "Range": inputs = ["a", "b", "c"]
    case "Reshape": constants["huge"] = Tensor([Int64(1) << 62, -1], shape: [2])
    default: break
    }
    let error = failure([.init(operation, inputs: inputs, outputs: ["y"])], constants)
    guard case .overLimit(let node, _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(node == "#0 (\(operation))")
  }

  @Test("indices outside their axis, division by zero, and overflow")
  func arithmetic() {
    let index = ["i": Tensor([Int64(3)], shape: [1])]
    guard
      case .invalid(_, let gather)? = failure([.init("Gather", inputs: ["x", "i"], outputs: ["y"])], index)
    else {
      Issue.record("gather")
      return
    }
    #expect(gather == "index 3 of an axis of size 3")
    func integers(_ operation: String, _ a: Int64, _ b: Int64) -> ONNXError? {
      let constants = ["a": Tensor([a], shape: [1]), "b": Tensor([b], shape: [1])]
      return failure([.init(operation, inputs: ["a", "b"], outputs: ["y"])], constants)
    }
    for (operation, a, b) in [
      ("Div", 1, 0), ("Div", .min, -1), ("Mod", 1, 0), ("Add", .max, 1), ("Sub", .min, 1), ("Mul", .max, 2),
      ("Pow", 10, 30),
    ] as [(String, Int64, Int64)] {
      guard case .invalid? = integers(operation, a, b) else {
        Issue.record("\(operation) \(a) \(b)")
        return
      }
    }
    let big = ["a": Tensor([Int32.max], shape: [1]), "b": Tensor([Int32(1)], shape: [1])]
    guard case .invalid(_, let reason)? = failure([.init("Add", inputs: ["a", "b"], outputs: ["y"])], big)
    else {
      Issue.record("int32")
      return
    }
    #expect(reason.contains("overflows I32"))
    let cast = [ONNXNode("Cast", inputs: ["f"], outputs: ["y"], attributes: ["to": .int(7)])]
    for value in [Float.nan, .infinity, 1e30] {
      guard case .invalid? = failure(cast, ["f": Tensor([value], shape: [1])]) else {
        Issue.record("cast \(value)")
        return
      }
    }
  }

  @Test("weights of the wrong shape, naming the input and what it should be")
  func recurrentShapes() {
    let node = ONNXNode(
      "LSTM", name: "l", inputs: ["x3", "W", "R"], outputs: ["y"], attributes: ["hidden_size": .int(2)])
    let constants = [
      "x3": zeros([4, 1, 3]), "W": zeros([1, 8, 3]), "R": zeros([1, 8, 3]),
    ]
    #expect(
      failure([node], constants)
        == .shapeMismatch(node: "'l' (LSTM)", input: "R", expected: "[1, 8, 2]", found: [1, 8, 3]))
  }

  @Test("recurrent attributes that have no one meaning")
  func recurrentAttributes() {
    let constants = ["x3": zeros([4, 1, 3]), "W": zeros([1, 2, 3]), "R": zeros([1, 2, 2])]
    for (name, attributes) in [
      ("activation_alpha", ["activation_alpha": .floats([0.5])]), ("clip", ["clip": .float(-1)]),
      ("activations", ["activations": .strings(["Gelu"])]),
      ("activations", ["activations": .strings(["Tanh", "Relu"])]),
      ("activation_alpha", ["activations": .strings(["Affine"])]),
      ("direction", ["direction": .string("sideways")]),
      ("layout", ["layout": .int(2)]), ("hidden_size", ["hidden_size": .int(-1)]),
    ] as [(String, [String: ONNXAttribute])] {
      let error = failure(
        [.init("RNN", inputs: ["x3", "W", "R"], outputs: ["y"], attributes: attributes)], constants)
      guard case .unsupportedAttribute(_, name, _)? = error else {
        Issue.record("\(name): \(String(describing: error))")
        return
      }
    }
  }

  @Test("a loop that does not end, at the limit of steps")
  func endlessLoop() throws {
    var body = ONNXGraph(name: "body", nodes: [.init("Identity", inputs: ["c"], outputs: ["go"])])
    body.inputs = [.init("i", .int64, []), .init("c", .bool, [])]
    body.outputs = [.init("go", .bool, [])]
    let loop = ONNXNode("Loop", inputs: ["", "on"], outputs: [], attributes: ["body": .graph(body)])
    let copy = ONNXNode("Identity", inputs: ["x"], outputs: ["y"], index: 1)
    var limits = Limits.standard
    limits.evaluationSteps = 1_000
    let error = failure([loop, copy], ["on": Tensor([true], shape: [])], limits: limits)
    guard case .overLimit? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test(
    "work that neither weights nor inputs explain: products in a loop, a value made out of nothing, slices gathered"
  )
  func bombs() throws {
    func constant(_ name: String, _ shape: [Int]) -> [ONNXNode] {
      [
        .init(
          "Constant", inputs: [], outputs: ["\(name)_shape"],
          attributes: ["value_ints": .ints(shape.map { Int64($0) })]),
        .init("ConstantOfShape", inputs: ["\(name)_shape"], outputs: [name]),
      ]
    }
    func loop(_ nodes: [ONNXNode], carrying: [String], scanning: [String] = []) -> ONNXNode {
      var body = ONNXGraph(
        name: "body", nodes: nodes + [.init("Identity", inputs: ["c"], outputs: ["go"], index: 9)])
      body.inputs =
        [.init("i", .int64, []), .init("c", .bool, [])] + carrying.map { .init($0, .float32, nil) }
      body.outputs =
        [.init("go", .bool, [])] + (carrying.map { "\($0)_next" } + scanning).map { .init($0, .float32, nil) }
      return ONNXNode(
        "Loop", inputs: ["trips", "on"] + carrying.map { "\($0)_first" },
        outputs: scanning.map { "all_\($0)" },
        attributes: ["body": .graph(body)], index: 7)
    }
    let trips = ONNXNode(
      "Constant", inputs: [], outputs: ["trips"], attributes: ["value_int": .int(1_000_000)], index: 6)
    let copy = ONNXNode("Identity", inputs: ["x"], outputs: ["y"], index: 8)
    let products = loop(
      [.init("MatMul", inputs: ["m", "m"], outputs: ["m_next"])], carrying: ["m"])
    let gathering = loop(
      [.init("Identity", inputs: ["big"], outputs: ["slice"])], carrying: [], scanning: ["slice"])
    for nodes in [
      constant("m_first", [1_000, 1_000]) + [trips, products, copy],
      constant("big", [1 << 28]) + [copy], constant("big", [1 << 20]) + [trips, gathering, copy],
    ] {
      let start = ContinuousClock.now
      let error = failure(nodes, ["on": Tensor([true], shape: [])])
      guard case .overLimit? = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(ContinuousClock.now - start < .seconds(20))
    }
  }

  @Test("inputs that are missing, unknown, or not what the graph states")
  func inputs() throws {
    var graph = ONNXGraph(name: "g", nodes: [.init("Add", inputs: ["x", "z"], outputs: ["y"])])
    graph.inputs = [
      .init("x", .float32, [.symbol("batch"), .fixed(3)]),
      .init("z", .float32, [.symbol("batch"), .unknown]),
      // Nobody reads it, so it needs no value.
      .init("lengths", .int32, [.symbol("batch")]),
    ]
    graph.outputs = [.init("y", .float32, nil)]
    let evaluator = try ONNXEvaluator(ONNXModel(irVersion: 8, opsets: ["": 17], graph: graph))
    func run(_ inputs: [String: Tensor]) -> ONNXError? {
      do throws(ONNXError) {
        _ = try evaluator.run(inputs, precision: .float32)
        return nil
      } catch { return error }
    }
    #expect(run(["x": zeros([2, 3]), "z": zeros([2, 1])]) == nil)
    #expect(run(["x": zeros([2, 3])]) == .missingValue(input: "z"))
    for (inputs, reason) in [
      (["x": zeros([2, 4]), "z": zeros([2, 1])], "size 4, the graph takes 3"),
      (["x": zeros([2]), "z": zeros([2, 1])], "rank 1"),
      (["x": Tensor([Int64(1), 2, 3], shape: [1, 3]), "z": zeros([1, 1])], "takes F32, not I64"),
      (["x": zeros([2, 3]), "z": zeros([3, 1])], "'batch' is 3 on axis 0, but 2 in input 'x'"),
      (["x": zeros([2, 3]), "z": zeros([2, 1]), "w": zeros([1])], "no such input"),
    ] {
      let error = run(inputs)
      guard case .wrongValue? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect("\(error!)".contains(reason))
    }
  }

  @Test("nothing where an input has a default: the caller's tensor goes before the initializer")
  func defaults() throws {
    var graph = ONNXGraph(name: "g", nodes: [.init("Identity", inputs: ["x"], outputs: ["y"])])
    graph.inputs = [.init("x", .float32, [.fixed(1)])]
    graph.initializers = [.init("x", Tensor([Float(1)], shape: [1]))]
    graph.outputs = [.init("y", .float32, nil)]
    let evaluator = try ONNXEvaluator(ONNXModel(irVersion: 8, opsets: ["": 17], graph: graph))
    #expect(try evaluator.run([:], precision: .float64)["y"] == Tensor([1.0], shape: [1]))
    let given = ["x": Tensor([Float(2)], shape: [1])]
    #expect(try evaluator.run(given, precision: .float32)["y"] == Tensor([Float(2)], shape: [1]))
  }

  // MARK: Graphs of one output `y` over an input `x` [3]

  private func zeros(_ shape: [Int]) -> Tensor {
    Tensor([Float](repeating: 0, count: shape.reduce(1, *)), shape: shape)
  }

  private func model(_ nodes: [ONNXNode], _ constants: [String: Tensor], opset: Int64) -> ONNXModel {
    var graph = ONNXGraph(name: "g", nodes: nodes)
    graph.inputs = [.init("x", .float32, [.fixed(3)])]
    graph.initializers = constants.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) }
    graph.outputs = [.init("y", nil, nil)]
    return ONNXModel(irVersion: 8, opsets: ["": opset], graph: graph)
  }

  /// What making the evaluator throws.
  private func refusal(_ nodes: [ONNXNode], opset: Int64 = 17) -> ONNXError? {
    do throws(ONNXError) {
      _ = try ONNXEvaluator(model(nodes, [:], opset: opset))
      return nil
    } catch { return error }
  }

  /// What running throws, once the evaluator is made.
  private func failure(_ nodes: [ONNXNode], _ constants: [String: Tensor], limits: Limits = .standard)
    -> ONNXError?
  {
    do throws(ONNXError) {
      let evaluator = try ONNXEvaluator(model(nodes, constants, opset: 17), limits: limits)
      _ = try evaluator.run(["x": zeros([3])], precision: .float32)
      return nil
    } catch { return error }
  }
}
