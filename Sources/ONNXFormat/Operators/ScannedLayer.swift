internal import ByteIO
internal import Recurrent
internal import Tensors

/// How a cell that ONNX has no operator for is written as the body of a standard `Scan`, and found again.
struct ScanForm: Sendable {
  /// What messages call it.
  let name: String
  let cell: Cell
  /// The order in which it stacks gates.
  let order: @Sendable (ONNXGates) -> GateOrder
  /// The states of one direction, by their names in the body.
  let states: [State]
  let tensors: [ScanTensor]
  /// H by the tensors of one direction; nil where they are none of such a layer.
  let hiddenSize: @Sendable (_ tensor: (String) -> Tensor?) -> Int?
  /// Why a layer is not written like this.
  let reasonNotTo: @Sendable (RecurrentLayer) -> String?
  /// Nodes from `x` and the states to what `ScanBody.next` names, behind the tensors.
  let step: @Sendable (inout ScanBody) -> Void

  struct State: Sendable {
    let name: String
    let width: @Sendable (RecurrentLayer) -> Int
  }

  static let all = [projectedLSTM, minGRU]
}

extension RecurrentLayer {
  /// How it is written where ONNX has no operator for its cell, or for the cell's projection.
  var scanForm: ScanForm? {
    switch cell {
    case .lstm: projectionSize == nil ? nil : .projectedLSTM
    case .minGRU: .minGRU
    case .rnn, .gru: nil
    }
  }
}

/// A tensor of one direction as an initializer of the body.
struct ScanTensor: Sendable {
  let name: String
  let path: any WritableKeyPath<DirectionParameters, Tensor?> & Sendable
  var isRequired = true
  var stacksGates = true
}

extension DirectionParameters {
  /// W as a tensor that may be missing, as the others.
  var anyInputWeight: Tensor? {
    get { inputWeight }
    set { if let newValue { inputWeight = newValue } }
  }
}

/// The body of a Scan under construction: names get the layer's prefix and the direction's side.
struct ScanBody {
  let prefix: String
  var side = ""
  let opset: Int64
  /// What the graph computes in.
  let type: ElementType
  let hiddenSize: Int
  let gates: GateOrder
  /// Whether rows end at lengths of their own.
  let hasLengths: Bool
  /// The names of those tensors of this direction that there are, cast to `type`.
  var weights: [String: String] = [:]
  var graph: ONNXGraph

  mutating func add(
    _ operation: String, _ inputs: [String], _ outputs: [String], _ attributes: [String: ONNXAttribute] = [:]
  ) {
    graph.nodes.append(
      ONNXNode(operation, inputs: inputs.map(full), outputs: outputs.map(full), attributes: attributes))
  }

  func full(_ name: String) -> String { "\(prefix)\(name)\(side)" }

  /// What a state is called behind the step.
  func next(_ state: String) -> String { hasLengths ? "\(state)_new" : "\(state)_next" }

  /// Keeps the states of rows that have ended, and makes their y 0. `t` counts steps: up from 0, or down from T.
  mutating func end(_ states: [String], isReverse: Bool) {
    guard hasLengths else { return add("Identity", ["h_next"], ["y"]) }
    func node(_ operation: String, _ inputs: [String], _ output: String) {
      graph.nodes.append(ONNXNode(operation, inputs: inputs, outputs: [output]))
    }
    node(isReverse ? "Sub" : "Add", [full("t"), "\(prefix)one"], full("t_next"))
    node("Less", [full(isReverse ? "t_next" : "t"), "\(prefix)lengths"], full("runs"))
    for state in states {
      node("Where", [full("runs"), full(next(state)), full(state)], full("\(state)_next"))
    }
    node("Where", [full("runs"), full("h_next"), "\(prefix)zero"], full("y"))
  }

  /// weight · x + bias, where there is a bias.
  mutating func product(_ x: String, _ weight: String, _ bias: String? = nil, as output: String) {
    add(
      "Gemm", [x, weights[weight]!] + (bias.flatMap { weights[$0] }.map { [$0] } ?? []), [output],
      ["transB": .int(1)])
  }

  /// The gates' parts of `x`, which carry the gates' own letters: `before_f`.
  mutating func split(_ x: String) {
    let parts = gates.gates.map { full("before_\($0.rawValue)") }
    let sizes = [Int64](repeating: Int64(hiddenSize), count: parts.count)
    graph.nodes.append(
      ONNXNode(
        "Split", inputs: [full(x)] + (opset >= 13 ? ["\(prefix)split"] : []), outputs: parts,
        attributes: ["axis": .int(1)].merging(opset >= 13 ? [:] : ["split": .ints(sizes)]) { $1 }))
  }
}

/// A recurrent layer as a standard `Scan`: one Scan runs all directions, its states are those of each, it scans x once for each
/// direction, from the end in reverse. The exporter writes it, the importer recognises exactly what the exporter writes; the
/// evaluator runs it like any other Scan.
struct ScannedLayer {
  let form: ScanForm
  /// In canonical order, as everywhere.
  var layer: RecurrentLayer
  /// What the graph computes in; weights of other types are cast.
  let type: ElementType
  /// Before everything in the body: names of inner and outer graphs must differ.
  let prefix: String
  /// How gates are stacked in the file.
  let order: GateOrder
  /// Whether rows end at lengths of their own.
  let hasLengths: Bool

  /// Gemm without a bias, and Scan as it still is.
  static let firstOpset: Int64 = 11

  init(
    _ form: ScanForm, _ layer: RecurrentLayer, type: ElementType, prefix: String, hasLengths: Bool,
    _ gates: ONNXGates
  ) {
    self.hasLengths = hasLengths
    self.form = form
    self.layer = layer
    self.type = type
    self.prefix = prefix
    order = form.order(gates)
  }

  /// How many inputs and outputs stand before x and y: the states, and with lengths these, `[B, 1]`, and each direction's count of steps,
  /// `[1]`.
  var leading: Int {
    form.states.count * layer.directions.count + (hasLengths ? 1 + layer.directions.count : 0)
  }

  /// What tells the directions' names apart, and whether each runs from the end.
  private var sides: [(suffix: String, isReverse: Bool)] {
    layer.direction == .bidirectional
      ? [("", false), ("_reverse", true)] : [("", layer.direction == .reverse)]
  }

  /// - Parameters:
  ///   - leading: the first state of each direction, `[B, width]`, then the second of each; with lengths these and the counts of steps.
  ///   - outputs: what becomes of these in the same order, then y of each direction, `[T, B, O]`.
  func node(name: String, x: String, leading: [String], outputs: [String], opset: Int64) -> ONNXNode {
    let count = layer.directions.count
    let ways = sides.map { Int64($0.isReverse ? 1 : 0) }
    return ONNXNode(
      "Scan", name: name, inputs: leading + layer.directions.map { _ in x }, outputs: outputs,
      attributes: [
        "body": .graph(body(opset: opset)), "num_scan_inputs": .int(Int64(count)),
        "scan_input_directions": .ints(ways), "scan_output_directions": .ints(ways),
      ])
  }

  private func body(opset: Int64) -> ONNXGraph {
    var body = ScanBody(
      prefix: prefix, opset: opset, type: type, hiddenSize: layer.hiddenSize, gates: order,
      hasLengths: hasLengths,
      graph: ONNXGraph(name: "\(prefix)step"))
    let states = form.states.map(\.name)
    func infos(_ name: String, _ type: ElementType) -> [ONNXValueInfo] {
      sides.map { ONNXValueInfo("\(prefix)\(name)\($0.suffix)", type, nil) }
    }
    func lengths(_ ending: String) -> [ONNXValueInfo] {
      hasLengths
        ? [ONNXValueInfo("\(prefix)lengths\(ending)", .int64, nil)] + infos("t\(ending)", .int64) : []
    }
    body.graph.inputs = states.flatMap { infos($0, type) } + lengths("") + infos("x", type)
    body.graph.outputs = states.flatMap { infos("\($0)_next", type) } + lengths("_next") + infos("y", type)
    if hasLengths {
      body.graph.initializers = [
        .init("\(prefix)one", Tensor([1] as [Int64], shape: [1])),
        // All bits of a zero are zero in every type.
        .init("\(prefix)zero", try! Tensor(type, shape: [1], bytes: .init(byteCount: type.size) { _ in })),
      ]
      body.graph.nodes.append(
        ONNXNode("Identity", inputs: ["\(prefix)lengths"], outputs: ["\(prefix)lengths_next"]))
    }
    if opset >= 13 {
      let sizes = [Int64](repeating: Int64(layer.hiddenSize), count: order.gates.count)
      body.graph.initializers.append(.init("\(prefix)split", Tensor(sizes, shape: [sizes.count])))
    }
    for (side, direction) in zip(sides, layer.directions) {
      body.side = side.suffix
      body.weights = [:]
      for tensor in form.tensors {
        guard let value = direction[keyPath: tensor.path] else { continue }
        let stacked = tensor.stacksGates ? layer.cell.gateOrder.reorder(value, to: order) : value
        body.graph.initializers.append(.init(body.full(tensor.name), stacked))
        body.weights[tensor.name] = tensor.name
        if value.elementType == type { continue }
        let cast = "\(tensor.name)_cast"
        body.add("Cast", [tensor.name], [cast], ["to": .int(Int64(ONNXDataType.code(type)))])
        body.weights[tensor.name] = cast
      }
      form.step(&body)
      body.end(states, isReverse: side.isReverse)
    }
    return body.graph
  }

  /// The layer that a Scan is, where it is exactly what `node` writes.
  init?(_ node: ONNXNode, opset: Int64, _ gates: ONNXGates) {
    guard node.operation == "Scan", node.domain.isEmpty, case .graph(let body)? = node.attributes["body"],
      case .int(let count)? = node.attributes["num_scan_inputs"], (1...2).contains(count),
      case .ints(let ways)? = node.attributes["scan_input_directions"], ways.count == Int(count),
      let first = body.inputs.first, first.name.hasSuffix("h"), let type = first.elementType
    else { return nil }
    let prefix = String(first.name.dropLast())
    let tensors = Dictionary(body.initializers.map { ($0.name, $0.tensor) }) { first, _ in first }
    let direction: Direction = count == 2 ? .bidirectional : ways == [1] ? .reverse : .forward
    let hasLengths = body.inputs.contains { $0.name == "\(prefix)lengths" }
    for form in ScanForm.all {
      guard
        let layer = Self.layer(
          form, direction, order: form.order(gates), tensor: { tensors["\(prefix)\($0)"] })
      else { continue }
      self.init(form, layer, type: type, prefix: prefix, hasLengths: hasLengths, gates)
      guard node.inputs.count == leading + Int(count), node.outputs.count <= leading + Int(count),
        Set(node.inputs.suffix(Int(count))).count == 1
      else { continue }
      let expected = self.node(
        name: node.name, x: node.inputs.last!, leading: Array(node.inputs.prefix(leading)),
        outputs: node.outputs, opset: opset)
      guard node.attributes.keys == expected.attributes.keys,
        node.attributes.filter({ $0.key != "body" }) == expected.attributes.filter({ $0.key != "body" }),
        Self.isSame(body, self.body(opset: opset))
      else { continue }
      return
    }
    return nil
  }

  /// The layer whose tensors a body has.
  private static func layer(
    _ form: ScanForm, _ direction: Direction, order: GateOrder, tensor: (String) -> Tensor?
  ) -> RecurrentLayer? {
    var directions: [DirectionParameters] = []
    var layer: RecurrentLayer?
    for side in ["", "_reverse"].prefix(direction.count) {
      func found(_ name: String) -> Tensor? { tensor(name + side) }
      guard let weight = found("W"), weight.shape.count == 2, let hidden = form.hiddenSize(found), hidden > 0,
        hidden <= Int(Int32.max) / 8, layer?.hiddenSize ?? hidden == hidden,
        layer?.inputSize ?? weight.shape[1] == weight.shape[1]
      else { return nil }
      var parameters = DirectionParameters(
        inputWeight: weight, recurrentWeight: nil, candidateActivation: form.cell.kind.candidateActivation)
      for part in form.tensors {
        guard let value = found(part.name) else {
          if part.isRequired { return nil }
          continue
        }
        let rows = part.stacksGates ? order.gates.count * hidden : nil
        guard value.elementType.isFloat, value.shape.first == rows ?? value.shape.first else { return nil }
        parameters[keyPath: part.path] =
          part.stacksGates ? order.reorder(value, to: form.cell.gateOrder) : value
      }
      directions.append(parameters)
      layer = RecurrentLayer(
        cell: form.cell, direction: direction, inputSize: weight.shape[1],
        hiddenSize: hidden, directions: directions)
    }
    // Whatever else is wrong with shapes, a layer says itself.
    guard let layer else { return nil }
    var kinds = ["x": ValueKind.sequence(features: layer.inputSize)]
    let isSound = (try? Layer("", .recurrent(layer), inputs: ["x"], outputs: ["y"]).wire(&kinds)) != nil
    return isSound ? layer : nil
  }

  /// Equal but for what does not matter to a graph: names of nodes, stated shapes.
  private static func isSame(_ left: ONNXGraph, _ right: ONNXGraph) -> Bool {
    func ports(_ infos: [ONNXValueInfo]) -> [String] { infos.map(\.name) }
    func nodes(_ graph: ONNXGraph) -> [ONNXNode] {
      graph.nodes.map { node in
        var node = node
        node.name = ""
        node.index = 0
        return node
      }
    }
    return ports(left.inputs) == ports(right.inputs) && ports(left.outputs) == ports(right.outputs)
      && nodes(left) == nodes(right) && left.initializers == right.initializers
  }
}
