internal import Tensors

/// A graph made ready to run: every node checked against its operator's signature and put in an order that works.
struct Program: Sendable {
  /// One node with its attributes complete and its subgraphs ready.
  struct Step: Sendable {
    let label: String
    let operation: String
    /// What the operator may be given, by which the node was checked.
    let signature: Signature
    /// The opset of the signature is in force; behaviour that changed by opset looks here.
    let opset: Int64
    let inputs: [String]
    let outputs: [String]
    private(set) var attributes: [String: ONNXAttribute]
    private(set) var subgraphs: [String: Program]
    /// What it calls where that is a function of the model, in place of an operator.
    private(set) var function: [Program] = []
    /// Values of this graph that no later step reads.
    var releases: [String] = []

    /// Every value that the step reads, those its subgraphs take from outside included.
    var reads: [String] { inputs.filter { !$0.isEmpty } + subgraphs.values.flatMap(\.captured) }
  }

  /// By which this graph is told from others that hold the same names.
  final class Identity: Sendable {}

  private(set) var identity = Identity()
  let name: String
  let inputs: [ONNXValueInfo]
  private(set) var initializers: [String: Tensor]
  private(set) var steps: [Step]
  let outputs: [String]
  /// Values taken from the graphs around this one.
  let captured: [String]

  /// Checks and sorts `graph`; `isVisible` tells which values the graphs around it hold.
  init(
    _ graph: ONNXGraph, opset: Int64, functions: FunctionCalls, isVisible: @escaping (String) -> Bool
  ) throws(ONNXError) {
    name = graph.name
    inputs = graph.inputs
    let local = try Self.definitions(graph)
    initializers = Dictionary(
      graph.initializers.map { ($0.name, $0.tensor) }, uniquingKeysWith: { first, _ in first })

    let visible = { (name: String) in local[name] != nil || isVisible(name) }
    var unsorted: [Step] = []
    for node in graph.nodes { unsorted.append(try Self.step(node, opset, functions, visible)) }
    var captured: Set<String> = []
    for step in unsorted {
      for value in step.reads where local[value] == nil {
        guard isVisible(value) else { throw .unknownValue(node: step.label, value: value) }
        captured.insert(value)
      }
    }
    outputs = graph.outputs.map(\.name)
    for output in outputs where local[output] == nil {
      guard isVisible(output) else { throw .graphOutput(output, reason: "nothing makes it") }
      captured.insert(output)
    }
    self.captured = captured.sorted()
    steps = Self.released(try Self.sorted(unsorted, local), keeping: Set(outputs), local)
  }

  var operators: [String] {
    steps.flatMap { step in
      [step.operation] + step.subgraphs.sorted { $0.key < $1.key }.flatMap(\.value.operators)
    }
  }

  /// Whether any step, or the graph's own outputs, needs a value.
  func reads(_ value: String) -> Bool {
    outputs.contains(value) || steps.contains { $0.reads.contains(value) }
  }

  /// Who makes each value of the graph: the position of a node, or −1 for an input or initializer.
  private static func definitions(_ graph: ONNXGraph) throws(ONNXError) -> [String: Int] {
    var local: [String: Int] = [:]
    for input in graph.inputs where local.updateValue(-1, forKey: input.name) != nil {
      throw .duplicateValue(node: "graph inputs", value: input.name)
    }
    var seen: Set<String> = []
    for initializer in graph.initializers {
      guard seen.insert(initializer.name).inserted else {
        throw .duplicateValue(node: "initializers", value: initializer.name)
      }
      // An initializer of an input's name is that input's default.
      local[initializer.name] = -1
    }
    for (position, node) in graph.nodes.enumerated() {
      for output in node.outputs where !output.isEmpty {
        guard local.updateValue(position, forKey: output) == nil else {
          throw .duplicateValue(node: node.label, value: output)
        }
      }
    }
    return local
  }

  /// The operators of another domain carry its name.
  static func name(of node: ONNXNode) -> String {
    node.domain.isEmpty ? node.operation : "\(node.domain).\(node.operation)"
  }

  private static func step(
    _ node: ONNXNode, _ opset: Int64, _ functions: FunctionCalls, _ visible: @escaping (String) -> Bool
  ) throws(ONNXError) -> Step {
    if let function = try functions.program(of: node, modelOpset: opset) {
      return Step(
        label: node.label, operation: node.operation, signature: .functionCall, opset: opset,
        inputs: node.inputs,
        outputs: node.outputs, attributes: [:], subgraphs: [:], function: [function])
    }
    let operation = name(of: node)
    guard node.domain.isEmpty || !Signature.all(operation).isEmpty else {
      throw .unknownOperator(
        node: node.label, domain: node.domain,
        hint:
          ": only ONNX's own operators are, and a few of com.microsoft; export the model without extensions of one runtime"
      )
    }
    guard let signature = Signature.find(operation, opset: opset) else {
      let known = Signature.all(node.operation)
      let ended = known.first { $0.isDeprecated && $0.since <= opset }
      throw .unknownOperator(
        node: node.label, domain: "",
        hint: (ended.map { " from opset \($0.since) on" } ?? known.last.map { " before opset \($0.since)" })
          .map {
            "\($0), the model has \(opset): convert it with onnx.version_converter"
          }
          ?? ": replace it by others, or cut the part around the recurrent layers out with onnx.utils.extract_model"
      )
    }
    var subgraphs: [String: Program] = [:]
    let attributes = try signature.checked(node)
    for (name, attribute) in attributes {
      if case .graph(let graph) = attribute {
        subgraphs[name] = try Program(
          graph, opset: opset, functions: functions, isVisible: visible)
      }
    }
    return Step(
      label: node.label, operation: operation, signature: signature, opset: opset, inputs: node.inputs,
      outputs: node.outputs, attributes: attributes, subgraphs: subgraphs)
  }

  /// Depth-first with a stack of its own; a graph that is in order stays as it is.
  private static func sorted(_ steps: [Step], _ local: [String: Int]) throws(ONNXError) -> [Step] {
    enum Mark { case new, open, done }
    let needs = steps.map { step in step.reads.compactMap { local[$0] }.filter { $0 >= 0 } }
    var marks = [Mark](repeating: .new, count: steps.count)
    var order: [Int] = []
    for root in steps.indices where marks[root] == .new {
      var stack = [(step: root, next: 0)]
      marks[root] = .open
      while let (step, next) = stack.last {
        guard next < needs[step].count else {
          marks[step] = .done
          order.append(step)
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].next += 1
        let needed = needs[step][next]
        switch marks[needed] {
        case .done: break
        case .new:
          marks[needed] = .open
          stack.append((needed, 0))
        case .open:
          let start = stack.firstIndex { $0.step == needed } ?? 0
          throw .cycle(nodes: stack[start...].prefix(8).map { steps[$0.step].label })
        }
      }
    }
    return order.map { steps[$0] }
  }

  /// Marks after which step each value may be dropped.
  private static func released(_ steps: [Step], keeping kept: Set<String>, _ local: [String: Int]) -> [Step] {
    var result = steps
    var seen = kept
    for position in steps.indices.reversed() {
      for value in steps[position].reads + steps[position].outputs
      where local[value] != nil && seen.insert(value).inserted {
        result[position].releases.append(value)
      }
    }
    return result
  }
}

extension Program {
  /// The same graph with its float constants changed, those of graphs inside it and of functions that it calls included.
  func mappingWeights(_ transform: (Tensor) -> Tensor) -> Program {
    var result = self
    // Nothing that is kept of the old weights may be found again.
    result.identity = Identity()
    result.initializers = initializers.mapValues { $0.elementType.isFloat ? transform($0) : $0 }
    result.steps = steps.map { $0.mappingWeights(transform) }
    return result
  }
}

extension Program.Step {
  fileprivate func mappingWeights(_ transform: (Tensor) -> Tensor) -> Program.Step {
    var result = self
    result.subgraphs = subgraphs.mapValues { $0.mappingWeights(transform) }
    result.function = function.map { $0.mappingWeights(transform) }
    guard operation == "Constant" else { return result }
    for (name, attribute) in attributes {
      if case .tensor(let tensor) = attribute, tensor.elementType.isFloat {
        result.attributes[name] = .tensor(transform(tensor))
      } else if case .float(let value) = attribute {
        result.attributes[name] = .float(transform(Tensor([value], shape: [])).floats[0])
      } else if case .floats(let values) = attribute {
        result.attributes[name] = .floats(transform(Tensor(values, shape: [values.count])).floats)
      }
    }
    return result
  }
}
