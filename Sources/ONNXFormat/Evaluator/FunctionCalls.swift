internal import ByteIO
internal import ReferenceMath

/// A model's own functions, made ready where they are called: each call is a program of its own, with the call's attributes and without
/// the inputs that it leaves out.
struct FunctionCalls {
  private let known: [ONNXFunction.Name: ONNXFunction]
  private let limits: Limits
  private let budget: Budget
  /// The functions that the call is inside of.
  private var callers: [ONNXFunction.Name] = []

  /// Steps of all programs that there are: calls of calls may be many more than a file has nodes.
  private final class Budget {
    var left: Int
    init(_ left: Int) { self.left = left }
  }

  init(_ model: ONNXModel, limits: Limits) {
    known = model.functionsByName
    self.limits = limits
    budget = Budget(limits.nodes)
  }

  func isKnown(_ node: ONNXNode) -> Bool { known[node.function] != nil }

  /// The program that a node calls; nil where it is an operator.
  func program(of node: ONNXNode, modelOpset: Int64) throws(ONNXError) -> Program? {
    guard let function = known[node.function] else {
      if !known.isEmpty { try spend(node) }
      return nil
    }
    try spend(node)
    guard !callers.contains(function.name) else {
      throw .invalid(node: node.label, reason: "the function \(function.name) calls itself")
    }
    guard callers.count < limits.nesting else {
      throw .overLimit(
        node: node.label, reason: "functions call one another more than \(limits.nesting) deep")
    }
    guard node.inputs.count <= function.inputs.count else {
      throw .invalid(
        node: node.label, reason: "\(node.inputs.count) inputs, the function takes \(function.inputs.count)")
    }
    guard node.outputs.count <= function.outputs.count else {
      throw .invalid(
        node: node.label,
        reason: "\(node.outputs.count) outputs, the function gives \(function.outputs.count)")
    }
    for name in node.attributes.keys.sorted() where !function.attributes.keys.contains(name) {
      throw .unsupportedAttribute(
        node: node.label, attribute: name, reason: "the function \(function.name) has no such attribute")
    }
    let given = zip(function.inputs, node.inputs).filter { !$1.isEmpty }.map(\.0)
    let missing = Set(function.inputs).subtracting(given)
    var graph = ONNXGraph(name: function.name.description)
    graph.inputs = given.map { ONNXValueInfo($0, nil, nil) }
    // What the call takes none of need not be there.
    graph.outputs = zip(function.outputs, node.outputs).filter { !$1.isEmpty }.map {
      ONNXValueInfo($0.0, nil, nil)
    }
    graph.nodes = bound(function.nodes, without: missing) { name in
      node.attributes[name] ?? function.attributes[name].flatMap { $0 }
    }
    var inner = self
    inner.callers.append(function.name)
    return try Program(
      graph, opset: function.opsets[""] ?? modelOpset, functions: inner, isVisible: { _ in false })
  }

  private func spend(_ node: ONNXNode) throws(ONNXError) {
    budget.left -= 1
    guard budget.left >= 0 else {
      throw .overLimit(
        node: node.label,
        reason: "with the functions that it calls the graph has more than \(limits.nodes) nodes")
    }
  }

  /// Nodes with the values of attributes in place of references to them.
  private func bound(
    _ nodes: [ONNXNode], without missing: Set<String>, _ value: (String) -> ONNXAttribute?
  ) -> [ONNXNode] {
    nodes.map { node in
      var node = node
      node.inputs = node.inputs.map { missing.contains($0) ? "" : $0 }
      for (name, attribute) in node.attributes {
        if case .reference(let reference, _) = attribute { node.attributes[name] = value(reference) }
        if case .graph(var graph) = attribute {
          graph.nodes = bound(graph.nodes, without: missing, value)
          node.attributes[name] = .graph(graph)
        }
      }
      return node
    }
  }
}

extension Signature {
  /// A call of a function takes and gives what the function says.
  static let functionCall = Signature(
    name: "function", since: 1, inputs: [Parameter(name: "input", presence: .variadic)],
    outputs: [Parameter(name: "output", presence: .variadic)], attributes: [:], isDeprecated: false)
}
