extension ONNXGraph {
  /// All nodes, those of graphs inside nodes among them.
  var allNodes: [ONNXNode] {
    var all: [ONNXNode] = []
    // A stack of our own: graphs may nest as deep as the decoder allows.
    var waiting = [self]
    while let graph = waiting.popLast() {
      all += graph.nodes
      for attribute in graph.nodes.flatMap(\.attributes.values) {
        if case .graph(let inner) = attribute { waiting.append(inner) }
      }
    }
    return all
  }

  /// How often each operator occurs of those that are not known.
  func unknownOperators(_ isUnknown: (ONNXNode) -> Bool) -> [String: Int] {
    Dictionary(
      allNodes.filter(isUnknown).map {
        ($0.domain.isEmpty ? $0.operation : "\($0.domain).\($0.operation)", 1)
      },
      uniquingKeysWith: +)
  }
}

extension ONNXError {
  /// The same with all operators of the graph that are not known either, and how often they occur: whoever mends one wants to know
  /// what comes next.
  func naming(_ unknown: [String: Int]) -> ONNXError {
    guard case .unknownOperator(let node, let domain, let hint) = self, unknown.count > 1 else { return self }
    let list = unknown.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) ×\($0.value)" }
    return .unknownOperator(
      node: node, domain: domain, hint: hint + "; in all not supported here: \(list.joined(separator: ", "))")
  }
}
