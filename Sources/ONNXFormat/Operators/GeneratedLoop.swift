internal import Recurrent
internal import Tensors

/// A `Loop` that is a Generate: found by its structure, whatever its values are called.
///
/// The exporter (`ONNXExporter.exportGenerate`) says what the structure is. A loop that does anything else is none.
struct GeneratedLoop {
  struct Stop: Equatable {
    /// A token a row, `[B]`.
    var value: String
    var token: Int64
    var padding: Int64
  }

  /// The body without its bookkeeping; its inputs are the carried values.
  var body: ONNXGraph
  /// The body's outputs that are carried on, in the order of its inputs.
  var carried: [String]
  /// What is collected, before it is masked.
  var collected: [String]
  var stop: Stop?

  /// What comes before the carried values among the node's inputs, and before theirs among its outputs.
  var leading: (inputs: Int, outputs: Int) { stop == nil ? (2, 0) : (4, 2) }

  init?(_ node: ONNXNode) {
    guard node.operation == "Loop", node.domain.isEmpty, node.attributes.count == 1,
      case .graph(let graph)? = node.attributes["body"], node.inputs.count > 2, !node.inputs[0].isEmpty,
      node.inputs[1].isEmpty, graph.inputs.count == node.inputs.count,
      graph.outputs.count > node.inputs.count - 1
    else { return nil }
    let pattern = GraphPattern(graph)
    let outputs = graph.outputs.map(\.name)
    let inputs = graph.inputs.map(\.name)
    var bookkeeping: Set<Int> = []

    var ended: String?
    if let same = pattern.maker(of: outputs[0], "Identity"), same.inputs == [inputs[1]] {
      bookkeeping.insert(same.index)
    } else {
      // goes on = max over the rows of ¬ended'; ended' = ended ∨ (token = stop); steps' = steps + ¬ended
      guard inputs.count > 4,
        let goesOn = pattern.maker(of: outputs[0], "Cast"),
        let most = pattern.maker(of: goesOn.inputs[0], "ReduceMax"),
        most.attributes == ["keepdims": .int(0)], most.inputs.count == 1,
        let number = pattern.maker(of: most.inputs[0], "Cast"),
        let left = pattern.maker(of: number.inputs[0], "Not"), left.inputs == [outputs[1]],
        let endedNext = pattern.maker(of: outputs[1], "Or"), endedNext.inputs.count == 2,
        endedNext.inputs[0] == inputs[2],
        let isStop = pattern.maker(of: endedNext.inputs[1], "Equal"), isStop.inputs.count == 2,
        let token = pattern.integer(isStop.inputs[1]),
        let stepsNext = pattern.maker(of: outputs[2], "Add"), stepsNext.inputs.count == 2,
        stepsNext.inputs[0] == inputs[3],
        let own = pattern.maker(of: stepsNext.inputs[1], "Cast"),
        let going = pattern.maker(of: own.inputs[0], "Not"), going.inputs == [inputs[2]]
      else { return nil }
      ended = inputs[2]
      // Without a token among what is collected, the padding is nowhere: take that of the stop token.
      stop = Stop(value: isStop.inputs[0], token: token, padding: token)
      bookkeeping.formUnion(
        [goesOn, most, number, left, endedNext, isStop, stepsNext, own, going].map(\.index))
    }
    let before = stop == nil ? 2 : 4
    let count = inputs.count - before
    carried = Array(outputs[(before - 1)..<(before - 1 + count)])
    collected = []
    var paddings: Set<Int64> = []
    for output in outputs[(before - 1 + count)...] {
      guard let ended else {
        guard let same = pattern.maker(of: output, "Identity") else { return nil }
        bookkeeping.insert(same.index)
        collected.append(same.inputs[0])
        continue
      }
      guard let masked = pattern.maker(of: output, "Where"), masked.inputs.count == 3 else { return nil }
      bookkeeping.insert(masked.index)
      if masked.inputs[0] == ended {
        guard let padding = pattern.integer(masked.inputs[1]) else { return nil }
        paddings.insert(padding)
      } else {
        guard let mask = pattern.maker(of: masked.inputs[0], "Unsqueeze"), mask.inputs[0] == ended,
          pattern.axes(mask) == [1], pattern.isZero(masked.inputs[1])
        else { return nil }
        bookkeeping.insert(mask.index)
      }
      collected.append(masked.inputs[2])
    }
    guard paddings.count <= 1, !collected.isEmpty else { return nil }
    if let padding = paddings.first { stop?.padding = padding }

    body = graph
    body.nodes = pattern.nodes.filter { !bookkeeping.contains($0.index) }
    body.inputs = Array(graph.inputs.dropFirst(before))
    body.outputs = []
    // What only the bookkeeping may read must be read by nothing else.
    let hidden = Set(inputs.prefix(before))
    guard !body.nodes.contains(where: { $0.inputs.contains(where: hidden.contains) }) else { return nil }
  }

  /// What a carried value is in the body, told by the rank and type that its input states.
  static func kind(_ info: ONNXValueInfo) -> ValueKind? {
    guard let shape = info.shape, let type = info.elementType else { return nil }
    switch (shape.count, type.isFloat, shape.last) {
    case (3, true, .fixed(let features)?) where features > 0 && shape[0] == .fixed(1):
      return .sequence(features: features)
    case (2, true, .fixed(let features)?) where features > 0: return .vector(features: features)
    case (2, false, _) where type == .int64 && shape[0] == .fixed(1): return .tokens
    default: return nil
    }
  }

  /// What the axes of a value are for, outside the body.
  static func roles(_ info: ONNXValueInfo) -> [AxisRole]? {
    switch kind(info) {
    case .sequence(let features)?: [.single, .batch, .features(features)]
    case .vector(let features)?: [.batch, .features(features)]
    case .tokens?: [.single, .batch]
    case .indices?, nil: nil
    }
  }
}

/// The nodes of a graph, asked for by what they make.
struct GraphPattern {
  let nodes: [ONNXNode]
  private var makers: [String: Int] = [:]
  private var constants: [String: Tensor]

  init(_ graph: ONNXGraph) {
    // Indices of our own: those of the file count for messages only.
    nodes = graph.nodes.enumerated().map { index, node in
      var node = node
      node.index = index
      return node
    }
    constants = Dictionary(graph.initializers.map { ($0.name, $0.tensor) }) { first, _ in first }
    for node in nodes {
      for output in node.outputs where !output.isEmpty { makers[output] = node.index }
      if node.operation == "Constant", let output = node.outputs.first {
        constants[output] = try? ONNXImporter.constantValue(node)
      }
    }
  }

  func maker(of value: String, _ operation: String) -> ONNXNode? {
    guard let index = makers[value], nodes[index].operation == operation, nodes[index].domain.isEmpty,
      nodes[index].inputs.first?.isEmpty == false
    else { return nil }
    return nodes[index]
  }

  func maker(of value: String) -> ONNXNode? { makers[value].map { nodes[$0] } }

  func integer(_ value: String) -> Int64? {
    guard let tensor = constants[value], tensor.count == 1 else { return nil }
    return try? tensor.integers().first
  }

  func isZero(_ value: String) -> Bool {
    guard let tensor = constants[value], tensor.count == 1, tensor.elementType.isFloat else { return false }
    return tensor.doubles == [0]
  }

  func axes(_ node: ONNXNode) -> [Int64]? {
    if case .ints(let axes)? = node.attributes["axes"] { return axes }
    guard node.inputs.count > 1, let tensor = constants[node.inputs[1]] else { return nil }
    return try? tensor.integers()
  }
}
