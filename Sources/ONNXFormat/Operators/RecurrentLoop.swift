internal import Recurrent
internal import Tensors

/// A `Loop` that goes along sequences: each turn reads one step of them and hands states on, as tf2onnx writes a recurrence and
/// PyTorch's scripted loops are exported. What its body computes is not looked at here.
struct RecurrentLoop {
  /// A step of a sequence, read in each turn.
  struct Read {
    /// What the sequence is called around the Loop.
    var sequence: String
    /// Its axis that is time; nil where it is a list of steps.
    var axis: Int?
    /// What the step is called in the body.
    var step: String
    /// Whether time stays as an axis of size 1.
    var keepsAxis: Bool
  }

  /// A value that each turn hands on to the next.
  struct Carried {
    var input: String
    var output: String
    /// Its place among the Loop's inputs; that of its last value is two less.
    var position: Int
  }

  private(set) var reads: [Read] = []
  private(set) var states: [Carried] = []
  /// Lists that each turn adds a value to, which stands in `output`.
  private(set) var lists: [Carried] = []
  /// Values of all turns, by what each is called in the body.
  private(set) var collected: [String] = []
  /// Inputs of the body that stay what they are, with the names that they have around the Loop.
  private(set) var constants: [String: String] = [:]
  /// What the number of turns may be held against: names around the Loop.
  private(set) var bounds: [String] = []
  /// What the number of turns never reaches, being bounded otherwise: names around the Loop.
  private(set) var ends: [String] = []
  /// What must be true: names around the Loop.
  private(set) var conditions: [String] = []
  /// Counters, which have to start at 0, by their place among the Loop's inputs.
  private(set) var counters: [Int] = []
  private(set) var body: ONNXGraph
  /// Nodes of the body that make what it reads steps of, the same in each turn; and the constants that these read.
  private(set) var before: (nodes: [ONNXNode], constants: [ONNXGraph.Initializer]) = ([], [])

  /// As many sequences as a body may read whose makers are in it.
  private static let mostReads = 64

  /// Why a Loop is none.
  struct Reason: Error {
    var text: String
    init(_ text: String) { self.text = text }
  }

  init(_ node: ONNXNode) throws(Reason) {
    guard node.operation == "Loop", node.domain.isEmpty, node.attributes.count == 1,
      case .graph(let graph)? = node.attributes["body"], node.inputs.count >= 2,
      graph.inputs.count == node.inputs.count, graph.outputs.count > node.inputs.count - 2
    else { throw Reason("its body does not fit it") }
    body = graph
    let pattern = GraphPattern(graph)
    let inputs = graph.inputs.map(\.name)
    let outputs = graph.outputs.map(\.name)
    let made = Set(graph.nodes.flatMap(\.outputs) + graph.initializers.map(\.name) + inputs)
    let carried = (2..<inputs.count).map { Carried(input: inputs[$0], output: outputs[$0 - 1], position: $0) }

    for each in carried where pattern.origin(of: each.output) == each.input {
      constants[each.input] = node.inputs[each.position]
    }
    let constants = constants
    /// What a value is called around the Loop; nil for what the body makes.
    func outer(_ value: String) -> String? {
      let origin = pattern.origin(of: value)
      return constants[origin] ?? (made.contains(origin) ? nil : origin)
    }

    // Counters: the Loop's own, and those that the body counts.
    var counting: Set<String> = [inputs[0]]
    var next: Set<String> = []
    for each in carried {
      guard let sum = pattern.maker(of: pattern.origin(of: each.output), "Add"), sum.inputs.count == 2,
        sum.inputs.contains(where: { pattern.origin(of: $0) == each.input }),
        sum.inputs.contains(where: { pattern.integer($0) == 1 })
      else { continue }
      counting.insert(each.input)
      next.insert(pattern.origin(of: each.output))
      counters.append(each.position)
    }

    if !node.inputs[0].isEmpty { bounds.append(node.inputs[0]) }
    var waiting = [outputs[0]]
    var asked = 0
    while let condition = waiting.popLast() {
      asked += 1
      let origin = pattern.origin(of: condition)
      if origin == inputs[1] || pattern.integer(origin).map({ $0 != 0 }) ?? false { continue }
      if let both = pattern.maker(of: origin, "And"), asked < 8 {
        waiting += both.inputs
      } else if let less = pattern.maker(of: origin, "Less"), less.inputs.count == 2,
        let bound = outer(less.inputs[1])
      {
        let counted = pattern.origin(of: less.inputs[0])
        if next.contains(counted) {
          bounds.append(bound)
        } else if counting.contains(counted) {
          // Counted before the turn: what bounds the turns is another number.
          ends.append(bound)
        } else {
          throw Reason("whether it goes on depends on what its body computes")
        }
      } else if let given = outer(condition) {
        conditions.append(given)
      } else {
        throw Reason("whether it goes on depends on what its body computes")
      }
    }
    if !node.inputs[1].isEmpty { conditions.append(node.inputs[1]) }
    guard !bounds.isEmpty else { throw Reason("nothing bounds its turns") }

    for each in carried where constants[each.input] == nil && !counting.contains(each.input) {
      if let insert = pattern.maker(of: pattern.origin(of: each.output), "SequenceInsert"),
        insert.inputs.count == 2, pattern.origin(of: insert.inputs[0]) == each.input
      {
        lists.append(Carried(input: each.input, output: insert.inputs[1], position: each.position))
      } else {
        states.append(each)
      }
    }
    collected = Array(outputs.dropFirst(inputs.count - 1))

    /// The nodes that make a value of nothing that changes; nil where something does.
    func unchanging(_ value: String) -> Set<Int>? {
      var found: Set<Int> = []
      var waiting = [value]
      while let next = waiting.popLast() {
        guard let maker = pattern.maker(of: next) else {
          if made.contains(next), constants[next] == nil, !inner.contains(next) { return nil }
          continue
        }
        if found.insert(maker.index).inserted { waiting += maker.reads }
      }
      return found
    }
    let inner = Set(graph.initializers.map(\.name))
    var unchanged: Set<Int> = []

    var steps: Set<String> = []
    for inner in pattern.nodes
    where inner.domain.isEmpty && inner.inputs.count == 2
      && ["Gather", "SequenceAt"].contains(inner.operation)
    {
      guard let index = pattern.index(inner.inputs[1]), counting.contains(index.origin),
        let step = inner.outputs.first
      else { continue }
      var sequence = inner.inputs[0]
      if let given = outer(sequence) {
        sequence = given
      } else if let nodes = unchanging(sequence) {
        unchanged.formUnion(nodes)
        guard steps.count < Self.mostReads else {
          throw Reason("it reads more than \(Self.mostReads) sequences")
        }
      } else {
        continue
      }
      switch inner.operation {
      case "Gather":
        var axis = 0
        if case .int(let value)? = inner.attributes["axis"] { axis = Int(bounded: value) }
        reads.append(Read(sequence: sequence, axis: axis, step: step, keepsAxis: index.isVector))
      case "SequenceAt": reads.append(Read(sequence: sequence, axis: nil, step: step, keepsAxis: false))
      default: continue
      }
      steps.insert(step)
    }
    // What the states and the collected values need, and nothing else.
    var needed = states.map(\.output) + lists.map(\.output) + collected
    var seen = Set(needed)
    var kept: Set<Int> = []
    while let value = needed.popLast() {
      guard !steps.contains(value), let node = pattern.maker(of: value), kept.insert(node.index).inserted
      else {
        continue
      }
      for input in node.reads where seen.insert(input).inserted { needed.append(input) }
    }
    reads.removeAll { !seen.contains($0.step) }
    guard !reads.isEmpty else {
      throw Reason("its body reads no step of a sequence by the number of its turn")
    }
    let hidden = counting.union([inputs[1]])
    if let input = hidden.intersection(seen).sorted().first {
      throw Reason("its body computes with '\(input)', which counts its turns or stops them")
    }
    body.nodes = pattern.nodes.filter { kept.contains($0.index) }
    let read = pattern.nodes.filter { unchanged.contains($0.index) }
    before.nodes = read.map { node in
      var node = node
      node.inputs = node.inputs.map { constants[$0] ?? $0 }
      return node
    }
    let names = Set(read.flatMap(\.inputs))
    before.constants = graph.initializers.filter { names.contains($0.name) }
  }
}

extension RecurrentLoop {
  /// Gives what is made before the Loop other names.
  mutating func renameBefore(_ new: (String) -> String) {
    var names: [String: String] = [:]
    for name in before.constants.map(\.name) + before.nodes.flatMap(\.outputs) where !name.isEmpty {
      names[name] = new(name)
    }
    func renamed(_ name: String) -> String { names[name] ?? name }
    for index in before.constants.indices {
      before.constants[index].name = renamed(before.constants[index].name)
    }
    for index in before.nodes.indices {
      before.nodes[index].inputs = before.nodes[index].inputs.map(renamed)
      before.nodes[index].outputs = before.nodes[index].outputs.map(renamed)
    }
    for index in reads.indices { reads[index].sequence = renamed(reads[index].sequence) }
  }

  /// What the axes of what it reads look like, where a product in the body tells how many there are.
  func proposals(_ node: ONNXNode) -> [InputRoles.Demand] {
    let steps = reads.compactMap { read -> InputRoles.Demand? in
      guard let axis = read.axis,
        body.nodes.contains(where: {
          ["MatMul", "Gemm"].contains($0.operation) && $0.inputs.first == read.step
        })
      else { return nil }
      return switch axis {
      case 0, -3: InputRoles.Demand(read.sequence, [.time, .batch, .features(nil)])
      case 1, -2: InputRoles.Demand(read.sequence, [.batch, .time, .features(nil)])
      default: nil
      }
    }
    return steps + states.map { InputRoles.Demand(node.inputs[$0.position], [.batch, .features(nil)]) }
  }
}

extension GraphPattern {
  /// Exporters put a few such nodes in a row; a file may hold a million.
  private static let mostAliases = 16

  /// Behind nodes that only hand a value on, be it as another type.
  func origin(of value: String) -> String {
    var value = value
    var steps = 0
    while let node = maker(of: value), ["Identity", "Cast"].contains(node.operation), node.domain.isEmpty,
      let input = node.inputs.first, steps < Self.mostAliases
    {
      value = input
      steps += 1
    }
    return value
  }

  /// A number that says which step is read, and whether it is a vector of one.
  func index(_ value: String) -> (origin: String, isVector: Bool)? {
    let origin = origin(of: value)
    for operation in ["Unsqueeze", "Reshape"] {
      if let node = maker(of: origin, operation) { return (self.origin(of: node.inputs[0]), true) }
    }
    return (origin, false)
  }
}

extension ONNXNode {
  /// What the node and the graphs inside it read of the graph that it is in; of what these make themselves, nothing.
  var reads: [String] {
    var all = inputs.filter { !$0.isEmpty }
    for (_, attribute) in attributes.sorted(by: { $0.key < $1.key }) {
      if case .graph(let graph) = attribute { all += graph.captured }
    }
    return all
  }
}

extension ONNXGraph {
  /// What its nodes read that stands around it.
  var captured: [String] {
    let own = Set(
      nodes.flatMap(\.outputs) + initializers.map(\.name) + inputs.map(\.name))
    return nodes.flatMap(\.reads).filter { !own.contains($0) }
      + outputs.map(\.name).filter { !own.contains($0) }
  }
}
