// swift-format-ignore-file: AlwaysUseLowerCamelCase
// Names are those of the operator specification.

internal import Recurrent
internal import Tensors

/// An LSTM whose hidden state is projected, as a standard `Scan`: ONNX's own LSTM has no projection.
///
/// One Scan runs all directions: its states are h and c of each, it scans x once for each direction, from the end in
/// reverse. The exporter writes it, the importer recognises exactly what the exporter writes; the evaluator runs
/// it like any other Scan.
struct ProjectedLSTM: Equatable {
  /// The tensors of one direction, gates stacked in ONNX's order.
  struct Direction: Equatable {
    /// `[4·H, I]`, `[4·H, P]`
    var inputWeight: Tensor
    var recurrentWeight: Tensor
    /// `[4·H]`
    var inputBias: Tensor?
    var recurrentBias: Tensor?
    /// `[P, H]`
    var projection: Tensor
  }

  var directions: [Direction]
  /// What the graph computes in; weights of other types are cast.
  var type: ElementType
  /// Before everything in the body: names of inner and outer graphs must differ.
  var prefix: String
  var gates: GateOrder

  /// Gemm without a bias, and Scan as it still is.
  static let firstOpset: Int64 = 11

  var hiddenSize: Int { directions[0].projection.shape[1] }

  private static func sides(_ count: Int) -> [String] { ["", "_reverse"].prefix(count).map { $0 } }

  /// - Parameters:
  ///   - states: h of each direction, `[B, P]`, then c of each, `[B, H]`.
  ///   - outputs: last h of each, last c of each, then y of each, `[T, B, P]`.
  func node(name: String, x: String, states: [String], outputs: [String], opset: Int64) -> ONNXNode {
    let count = directions.count
    let ways = (0..<count).map { Int64($0) }
    return ONNXNode(
      "Scan", name: name, inputs: states + directions.map { _ in x }, outputs: outputs,
      attributes: [
        "body": .graph(body(opset: opset)), "num_scan_inputs": .int(Int64(count)),
        "scan_input_directions": .ints(ways), "scan_output_directions": .ints(ways),
      ])
  }

  /// gates = W x + b_W + R h + b_R; c' = f⊙c + i⊙g; h' = P (o⊙tanh(c'))
  func body(opset: Int64) -> ONNXGraph {
    let sides = Self.sides(directions.count)
    var graph = ONNXGraph(name: "\(prefix)step")
    func info(_ name: String) -> ONNXValueInfo { ONNXValueInfo(name, type, nil) }
    for name in ["h", "c", "x"] { graph.inputs += sides.map { info("\(prefix)\(name)\($0)") } }
    for name in ["h_next", "c_next", "y"] { graph.outputs += sides.map { info("\(prefix)\(name)\($0)") } }

    let sizes = [Int64](repeating: Int64(hiddenSize), count: 4)
    if opset >= 13 { graph.initializers.append(.init("\(prefix)split", Tensor(sizes, shape: [4]))) }
    for (side, direction) in zip(sides, directions) {
      func full(_ name: String) -> String { "\(prefix)\(name)\(side)" }
      func add(
        _ operation: String, _ inputs: [String], _ outputs: [String],
        _ attributes: [String: ONNXAttribute] = [:]
      ) {
        graph.nodes.append(
          ONNXNode(
            operation, inputs: inputs.map { $0.isEmpty ? "" : full($0) }, outputs: outputs.map(full),
            attributes: attributes))
      }
      func weight(_ name: String, _ tensor: Tensor?) -> [String] {
        guard let tensor else { return [] }
        graph.initializers.append(.init(full(name), tensor))
        if tensor.elementType == type { return [name] }
        add("Cast", [name], ["\(name)_cast"], ["to": .int(Int64(ONNXDataType.code(type)))])
        return ["\(name)_cast"]
      }
      let transposed: [String: ONNXAttribute] = ["transB": .int(1)]
      let input = ["x"] + weight("W", direction.inputWeight) + weight("Wb", direction.inputBias)
      let recurrent = ["h"] + weight("R", direction.recurrentWeight) + weight("Rb", direction.recurrentBias)
      let projection = ["projected"] + weight("P", direction.projection)
      add("Gemm", input, ["from_x"], transposed)
      add("Gemm", recurrent, ["from_h"], transposed)
      add("Add", ["from_x", "from_h"], ["gates"])
      // The parts carry the gates' own letters.
      let parts = gates.gates.map { "before_\($0.rawValue)" }
      graph.nodes.append(
        ONNXNode(
          "Split", inputs: [full("gates")] + (opset >= 13 ? ["\(prefix)split"] : []),
          outputs: parts.map(full),
          attributes: ["axis": .int(1)].merging(opset >= 13 ? [:] : ["split": .ints(sizes)]) { $1 }))
      for gate in ["i", "f", "o"] { add("Sigmoid", ["before_\(gate)"], [gate]) }
      add("Tanh", ["before_g"], ["g"])
      add("Mul", ["f", "c"], ["kept"])
      add("Mul", ["i", "g"], ["added"])
      add("Add", ["kept", "added"], ["c_next"])
      add("Tanh", ["c_next"], ["squashed"])
      add("Mul", ["o", "squashed"], ["projected"])
      add("Gemm", projection, ["h_next"], transposed)
      add("Identity", ["h_next"], ["y"])
    }
    return graph
  }

  /// The LSTM that a Scan is, where it is exactly what `node` writes.
  init?(_ node: ONNXNode, opset: Int64, gates: GateOrder) {
    guard node.operation == "Scan", node.domain.isEmpty, case .graph(let body)? = node.attributes["body"],
      case .int(let count)? = node.attributes["num_scan_inputs"], (1...2).contains(count),
      let first = body.inputs.first, first.name.hasSuffix("h"), let type = first.elementType
    else { return nil }
    let prefix = String(first.name.dropLast())
    let tensors = Dictionary(body.initializers.map { ($0.name, $0.tensor) }) { first, _ in first }
    var directions: [Direction] = []
    for side in Self.sides(Int(count)) {
      func tensor(_ name: String) -> Tensor? { tensors["\(prefix)\(name)\(side)"] }
      guard let W = tensor("W"), let R = tensor("R"), let P = tensor("P"), W.shape.count == 2,
        P.shape.count == 2,
        [W, R, P].allSatisfy({ $0.elementType.isFloat }),
        let H = directions.first?.projection.shape[1] ?? P.shape.last, H > 0, H <= Int(Int32.max) / 8,
        W.shape[0] == 4 * H, P.shape[1] == H, R.shape == [4 * H, P.shape[0]],
        [tensor("Wb"), tensor("Rb")].allSatisfy({
          $0 == nil || $0!.shape == [4 * H] && $0!.elementType.isFloat
        }),
        directions.isEmpty
          || W.shape == directions[0].inputWeight.shape && P.shape == directions[0].projection.shape
      else { return nil }
      directions.append(
        Direction(
          inputWeight: W, recurrentWeight: R, inputBias: tensor("Wb"), recurrentBias: tensor("Rb"),
          projection: P))
    }
    self.init(directions: directions, type: type, prefix: prefix, gates: gates)
    guard node.inputs.count == 3 * Int(count), node.outputs.count <= 3 * Int(count),
      Set(node.inputs.suffix(Int(count))).count == 1
    else { return nil }
    let expected = self.node(
      name: node.name, x: node.inputs.last!, states: Array(node.inputs.prefix(2 * Int(count))),
      outputs: node.outputs, opset: opset)
    guard node.attributes.keys == expected.attributes.keys,
      node.attributes.filter({ $0.key != "body" }) == expected.attributes.filter({ $0.key != "body" }),
      Self.isSame(body, self.body(opset: opset))
    else { return nil }
  }

  init(directions: [Direction], type: ElementType, prefix: String, gates: GateOrder) {
    self.directions = directions
    self.type = type
    self.prefix = prefix
    self.gates = gates
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
