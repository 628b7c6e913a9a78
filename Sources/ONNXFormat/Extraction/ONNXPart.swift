internal import Tensors

/// Some nodes of a graph as a graph of their own: what they read from elsewhere goes in, what others read of them comes out.
public struct ONNXPart: Sendable {
  /// The model's, with these nodes alone; of values that are no inputs and outputs of the whole, types and shapes are still to be said.
  public private(set) var model: ONNXModel
  /// How many nodes were asked for, without those that make constants for them.
  public let nodeCount: Int

  /// Cuts out the nodes that go by these names (`ONNXGraph.positions`).
  ///
  /// Initializers come along, and so do nodes that make constants; sizes that are computed from inputs go in.
  /// - Throws: `ONNXError.graphOutput` where nobody reads what the nodes make, and the errors of `positions`.
  public init(of whole: ONNXModel, named names: [String]) throws(ONNXError) {
    let graph = whole.graph
    var asked: Set<Int> = []
    for name in names { asked.formUnion(try graph.positions(of: name)) }
    let flow = GraphFlow(graph)
    // Constants are made where they are used.
    var taken = asked
    var waiting = Array(asked)
    while let position = waiting.popLast() {
      for value in flow.reads[position] {
        guard let maker = flow.makers[value], flow.isConstant[maker], taken.insert(maker).inserted else {
          continue
        }
        waiting.append(maker)
      }
    }
    let nodes = taken.sorted()
    let own = Set(nodes.flatMap { graph.nodes[$0].outputs })
    let initializers = Set(graph.initializers.map(\.name))
    var seen: Set<String> = []
    let reads = nodes.flatMap { flow.reads[$0] }.filter { seen.insert($0).inserted }
    let outside = Set(graph.nodes.indices.filter { !taken.contains($0) }.flatMap { flow.reads[$0] })
      .union(graph.outputs.map(\.name))
    let given = asked.sorted().flatMap { graph.nodes[$0].outputs }.filter {
      !$0.isEmpty && outside.contains($0)
    }
    guard !given.isEmpty else {
      throw .graphOutput(
        names.joined(separator: ", "),
        reason: "nothing reads what these nodes make, and it is no output of the graph")
    }
    let stated = Dictionary((graph.inputs + graph.outputs).map { ($0.name, $0) }) { first, _ in first }
    func info(_ name: String) -> ONNXValueInfo { stated[name] ?? ONNXValueInfo(name, nil, nil) }
    let inputs = reads.filter { value in
      // An input with a default stays one.
      !own.contains(value) && (!initializers.contains(value) || graph.inputs.contains { $0.name == value })
    }
    model = whole
    model.graph = ONNXGraph(
      name: graph.name, nodes: nodes.map { graph.nodes[$0] },
      initializers: graph.initializers.filter { seen.contains($0.name) }, inputs: inputs.map(info),
      outputs: given.map(info))
    nodeCount = asked.count
  }

  /// What goes in and has no default.
  public var inputs: [String] {
    let given = Set(model.graph.initializers.map(\.name))
    return model.graph.inputs.map(\.name).filter { !given.contains($0) }
  }

  public var outputs: [String] { model.graph.outputs.map(\.name) }

  /// Says the types and shapes of what goes in and comes out, where the whole does not say them.
  public mutating func describe(_ infos: [String: ONNXValueInfo]) {
    func described(_ info: ONNXValueInfo) -> ONNXValueInfo {
      info.elementType != nil && info.shape != nil ? info : infos[info.name] ?? info
    }
    model.graph.inputs = model.graph.inputs.map(described)
    model.graph.outputs = model.graph.outputs.map(described)
  }
}

extension ONNXModel {
  /// The same where outputs `[T, D, B, H]` of recurrent operators are sequences `[T, B, D·H]`, which modules of other formats give; they get
  /// names of their own.
  public var joiningDirections: ONNXModel {
    var result = self
    let makers = GraphFlow(graph).makers
    var names = UniqueNames(
      Set(graph.nodes.flatMap(\.outputs) + graph.inputs.map(\.name) + graph.initializers.map(\.name)),
      countingFrom: 2)
    result.graph.outputs = graph.outputs.map { info in
      guard let node = makers[info.name].map({ graph.nodes[$0] }), node.domain.isEmpty,
        ["RNN", "LSTM", "GRU"].contains(node.operation), node.outputs.first == info.name,
        node.attributes["layout"] ?? .int(0) == .int(0)
      else { return info }
      let (turned, shape) = (names.claim("\(info.name)_turned"), names.claim("\(info.name)_shape"))
      let joined = names.claim("\(info.name)_sequence")
      result.graph.initializers.append(.init(shape, Tensor([0, 0, -1] as [Int64], shape: [3])))
      result.graph.nodes += [
        ONNXNode(
          "Transpose", inputs: [info.name], outputs: [turned], attributes: ["perm": .ints([0, 2, 1, 3])],
          index: result.graph.nodes.count),
        ONNXNode(
          "Reshape", inputs: [turned, shape], outputs: [joined], index: result.graph.nodes.count + 1),
      ]
      return ONNXValueInfo(joined, info.elementType, nil)
    }
    return result
  }
}

/// Who makes and who reads each value of a graph.
struct GraphFlow {
  /// The position of the node that makes a value.
  let makers: [String: Int]
  /// What each node reads, its graphs inside included.
  let reads: [[String]]
  /// Whether a node computes the same whatever goes into the graph.
  let isConstant: [Bool]

  init(_ graph: ONNXGraph) {
    var makers: [String: Int] = [:]
    for (position, node) in graph.nodes.enumerated() {
      for output in node.outputs where !output.isEmpty { makers[output] = position }
    }
    let reads = graph.nodes.map(\.reads)
    // What an input, or a node that draws numbers, is part of is none.
    var readers = [[Int]](repeating: [], count: graph.nodes.count)
    let defaults = Set(graph.initializers.map(\.name))
    var isConstant = [Bool](repeating: true, count: graph.nodes.count)
    var waiting: [Int] = []
    for (position, node) in graph.nodes.enumerated() {
      for value in reads[position] {
        if let maker = makers[value] { readers[maker].append(position) }
      }
      let isDrawn = [
        "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli",
      ]
      .contains(node.operation)
      if isDrawn || reads[position].contains(where: { makers[$0] == nil && !defaults.contains($0) }) {
        isConstant[position] = false
        waiting.append(position)
      }
    }
    while let position = waiting.popLast() {
      for reader in readers[position] where isConstant[reader] {
        isConstant[reader] = false
        waiting.append(reader)
      }
    }
    (self.makers, self.reads, self.isConstant) = (makers, reads, isConstant)
  }

  /// The nodes that values are computed from.
  func sources(of values: [String]) -> Set<Int> {
    var found: Set<Int> = []
    var waiting = values.compactMap { makers[$0] }
    while let position = waiting.popLast() {
      guard found.insert(position).inserted else { continue }
      waiting += reads[position].compactMap { makers[$0] }
    }
    return found
  }
}

extension ONNXModel {
  /// The model that makes these values and nothing else: what they do not need is left out.
  public func making(_ values: [String]) -> ONNXModel {
    var result = self
    let needed = GraphFlow(graph).sources(of: values)
    result.graph.nodes = needed.sorted().map { graph.nodes[$0] }
    let read = Set(result.graph.nodes.flatMap(\.reads)).union(values)
    result.graph.initializers = graph.initializers.filter { read.contains($0.name) }
    let stated = Dictionary(graph.outputs.map { ($0.name, $0) }) { first, _ in first }
    result.graph.outputs = values.map { stated[$0] ?? ONNXValueInfo($0, nil, nil) }
    return result
  }
}

extension ONNXGraph {
  /// The nodes that a name means: one of that name, the one that makes a value of that name, or all whose names begin with it as a path
  /// does (`/encoder` means `/encoder/rnn/LSTM`; `encoder.0` means `encoder.0.conv`), or before a final `*` in whatever way.
  ///
  /// - Throws: `ONNXError.noSuchNode` with names that are near.
  public func positions(of name: String) throws(ONNXError) -> [Int] {
    let exact = nodes.indices.filter { position in
      let node = nodes[position]
      return !name.isEmpty
        && (node.name == name || node.outputs.contains(name) || node.name.isEmpty && node.label == name)
    }
    if !exact.isEmpty { return exact }
    let isOpen = name.hasSuffix("*")
    let stem = isOpen ? String(name.dropLast()) : name
    func isMeant(_ text: String) -> Bool {
      guard !text.isEmpty, text.hasPrefix(stem) else { return false }
      return isOpen || text.dropFirst(stem.count).first.map { "/.".contains($0) } ?? false
        || stem.hasSuffix("/")
    }
    let below =
      stem.isEmpty && !isOpen
      ? [] : nodes.indices.filter { isMeant(nodes[$0].name) || nodes[$0].outputs.contains(where: isMeant) }
    if !below.isEmpty { return below }
    if let outer = nodes.first(where: { $0.holds(name) }) {
      throw .noSuchNode(name, advice: "it is inside node \(outer.label), which can only be taken as a whole")
    }
    let near = near(name)
    throw .noSuchNode(
      name,
      advice: near.isEmpty
        ? "the graph has no nodes" : "there are \(near.map { "'\($0)'" }.joined(separator: ", "))")
  }

  /// Names of nodes, or of what nameless ones make, that may be meant.
  private func near(_ name: String) -> [String] {
    let known = nodes.compactMap { node in node.name.isEmpty ? node.outputs.first : node.name }
    let wanted = name.lowercased()
    let ofOperator = zip(nodes, known).filter { $0.0.operation.lowercased() == wanted }.map(\.1)
    let inside = known.filter { $0.lowercased().contains(wanted) || wanted.contains($0.lowercased()) }
    func shared(_ text: String) -> Int { zip(text.lowercased(), wanted).prefix { $0 == $1 }.count }
    let alike = known.sorted { shared($0) > shared($1) }.filter { shared($0) > 0 }
    let recurrent = zip(nodes, known).filter { ["RNN", "LSTM", "GRU"].contains($0.0.operation) }.map(\.1)
    let found = [ofOperator, inside, alike, recurrent, known].first { !$0.isEmpty } ?? []
    return Array(found.prefix(6))
  }
}

extension ONNXNode {
  /// Whether a graph inside has a node or value of this name.
  fileprivate func holds(_ name: String) -> Bool {
    attributes.values.contains { attribute in
      guard case .graph(let graph) = attribute else { return false }
      return graph.nodes.contains { $0.name == name || $0.outputs.contains(name) || $0.holds(name) }
    }
  }
}
