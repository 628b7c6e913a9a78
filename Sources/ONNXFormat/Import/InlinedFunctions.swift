internal import ByteIO
internal import Recurrent

/// A model whose own functions stand as nodes where they are called: what an import looks at.
///
/// The evaluator calls functions instead.
struct InlinedFunctions {
  private let functions: [ONNXFunction.Name: ONNXFunction]
  private let opset: Int64
  private let limits: Limits
  private var names: UniqueNames
  /// Nodes that there are by now.
  private var nodes = 0
  /// The functions that call one another.
  private var calls: [ONNXFunction.Name] = []

  static func inlined(_ model: ONNXModel, limits: Limits) throws(ONNXError) -> ONNXModel {
    // What the exporter writes is a layer.
    let own = model.functions.filter { StepPacking.Direction($0) != nil }
    if model.functions.count == own.count { return model }
    var inlining = InlinedFunctions(
      functions: model.functionsByName.filter { StepPacking.Direction($0.value) == nil }, opset: model.opset,
      limits: limits,
      names: UniqueNames(model.graph.allNames, countingFrom: 2))
    var result = model
    result.functions = own
    result.graph.nodes = try inlining.expand(model.graph.nodes)
    for index in result.graph.nodes.indices { result.graph.nodes[index].index = index }
    return result
  }

  private mutating func expand(_ nodes: [ONNXNode]) throws(ONNXError) -> [ONNXNode] {
    var result: [ONNXNode] = []
    for node in nodes {
      guard let function = functions[node.function] else {
        self.nodes += 1
        guard self.nodes <= limits.nodes else {
          throw .overLimit(
            node: node.label,
            reason: "with its functions in place the graph has more than \(limits.nodes) nodes")
        }
        var node = node
        for (name, attribute) in node.attributes {
          guard case .graph(var graph) = attribute else { continue }
          graph.nodes = try expand(graph.nodes)
          node.attributes[name] = .graph(graph)
        }
        result.append(node)
        continue
      }
      guard !calls.contains(function.name) else {
        throw .invalid(
          node: node.label,
          reason:
            "the function calls itself: \((calls + [function.name]).map(\.description).joined(separator: " → "))"
        )
      }
      guard calls.count < limits.nesting else {
        throw .overLimit(
          node: node.label, reason: "functions call one another more than \(limits.nesting) deep")
      }
      calls.append(function.name)
      result += try expand(body(of: function, calledBy: node))
      calls.removeLast()
    }
    return result
  }

  /// The function's nodes with the names and attributes of one call.
  private mutating func body(
    of function: ONNXFunction, calledBy node: ONNXNode
  ) throws(ONNXError) -> [ONNXNode] {
    guard node.inputs.count <= function.inputs.count, node.outputs.count <= function.outputs.count else {
      throw .invalid(
        node: node.label,
        reason:
          "the function \(function.name) takes \(function.inputs.count) inputs and gives \(function.outputs.count)"
      )
    }
    if let stranger = node.attributes.keys.sorted().first(where: { function.attributes[$0] == nil }) {
      throw .unsupportedAttribute(
        node: node.label, attribute: stranger, reason: "the function \(function.name) has no such attribute")
    }
    var attributes: [String: ONNXAttribute] = function.attributes.compactMapValues { $0 }
    attributes.merge(node.attributes) { _, own in own }

    // An input that is left out is left out of what reads it.
    var own: [String: String] = ["": ""]
    for (position, input) in function.inputs.enumerated() {
      own[input] = position < node.inputs.count ? node.inputs[position] : ""
    }
    var handedOn: [ONNXNode] = []
    for (output, outer) in zip(function.outputs, node.outputs) where !outer.isEmpty {
      if own[output] == nil {
        own[output] = outer
      } else {
        // What comes out as it came in, or twice.
        handedOn.append(ONNXNode("Identity", inputs: [output], outputs: [outer]))
      }
    }
    let prefix = node.name.isEmpty ? (node.outputs.first ?? function.name.name) : node.name
    var renaming = Renaming(own: own, attributes: attributes, prefix: prefix, opset: opset(of: function))
    let nodes = renaming.nodes(function.nodes, &names)
    for index in handedOn.indices {
      handedOn[index].inputs = handedOn[index].inputs.map { renaming.own[$0] ?? $0 }
    }
    return nodes + handedOn
  }

  /// Nil where it is the model's.
  private func opset(of function: ONNXFunction) -> Int64? {
    function.opsets[""].flatMap { $0 == opset ? nil : $0 }
  }

  private struct Renaming {
    var own: [String: String]
    let attributes: [String: ONNXAttribute]
    let prefix: String
    let opset: Int64?

    mutating func nodes(_ nodes: [ONNXNode], _ names: inout UniqueNames) -> [ONNXNode] {
      for output in nodes.flatMap(\.outputs) where own[output] == nil {
        own[output] = names.claim("\(prefix)/\(output)")
      }
      var result: [ONNXNode] = []
      for node in nodes {
        var node = node
        node.name = node.name.isEmpty ? "" : "\(prefix)/\(node.name)"
        node.inputs = node.inputs.map { own[$0] ?? $0 }
        node.outputs = node.outputs.map { own[$0] ?? $0 }
        node.opset = opset ?? node.opset
        for (name, attribute) in node.attributes {
          switch attribute {
          // One that the call leaves out is left out.
          case .reference(let reference, _): node.attributes[name] = attributes[reference]
          case .graph(let graph): node.attributes[name] = .graph(self.graph(graph, &names))
          case .float, .int, .string, .tensor, .floats, .ints, .strings: break
          }
        }
        result.append(node)
      }
      return result
    }

    private func graph(_ graph: ONNXGraph, _ names: inout UniqueNames) -> ONNXGraph {
      var inner = self
      var graph = graph
      for name in graph.inputs.map(\.name) + graph.initializers.map(\.name) {
        inner.own[name] = names.claim("\(prefix)/\(name)")
      }
      for output in graph.nodes.flatMap(\.outputs) where !output.isEmpty {
        inner.own[output] = names.claim("\(prefix)/\(output)")
      }
      graph.nodes = inner.nodes(graph.nodes, &names)
      for index in graph.inputs.indices { graph.inputs[index].name = inner.own[graph.inputs[index].name]! }
      for index in graph.outputs.indices {
        graph.outputs[index].name = inner.own[graph.outputs[index].name] ?? graph.outputs[index].name
      }
      for index in graph.initializers.indices {
        graph.initializers[index].name = inner.own[graph.initializers[index].name]!
      }
      return graph
    }
  }
}

extension ONNXGraph {
  /// The names of its values, and of those in the graphs inside.
  fileprivate var allNames: Set<String> {
    var all: Set<String> = []
    var waiting = [self]
    while let graph = waiting.popLast() {
      all.formUnion(graph.inputs.map(\.name))
      all.formUnion(graph.initializers.map(\.name))
      for node in graph.nodes {
        all.formUnion(node.inputs + node.outputs)
        for case .graph(let inner) in node.attributes.values { waiting.append(inner) }
      }
    }
    return all
  }
}
