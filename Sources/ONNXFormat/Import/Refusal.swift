/// One reason why nodes of a graph cannot be imported, and how many it is about.
public struct Refusal: Sendable, Equatable {
  /// Of the nodes; one of another domain than ONNX' with that before it.
  public let operation: String
  public let reason: String
  public internal(set) var count: Int
  /// The first of the nodes, in the graph's order.
  public let first: String

  /// `3 × Sign: this operator is not supported (first: '/a/Sign')`
  public var line: String { "\(count) × \(operation): \(reason) (\(count == 1 ? "" : "first: ")\(first))" }
}

/// The reasons of one graph, each once.
struct Refusals {
  private(set) var all: [Refusal] = []
  private var positions: [String: Int] = [:]

  mutating func add(_ node: ONNXNode, _ error: ONNXError) {
    let operation = node.domain.isEmpty ? node.operation : "\(node.domain).\(node.operation)"
    let reason = error.reason(of: node)
    // Names and numbers differ from node to node.
    let key = "\(operation): \(reason.withoutParticulars)"
    if let position = positions[key] {
      all[position].count += 1
    } else {
      positions[key] = all.count
      let place = node.name.isEmpty ? "#\(node.index)" : "'\(node.name)'"
      all.append(Refusal(operation: operation, reason: reason, count: 1, first: place))
    }
  }
}

extension ONNXError {
  /// Why, without the node that a list names apart.
  fileprivate func reason(of node: ONNXNode) -> String {
    switch self {
    case .unknownOperator: return "this operator is not supported"
    case .notImportable(_, let reason), .invalid(_, let reason), .overLimit(_, let reason),
      .unsupportedAttribute(_, _, let reason):
      return reason
    default:
      let text = description
      let start = "node \(node.label)"
      return text.hasPrefix(start)
        ? String(text.dropFirst(start.count).drop { ": ,".contains($0) }) : text
    }
  }
}

extension String {
  /// Without what stands between quotation marks or brackets, and without digits.
  fileprivate var withoutParticulars: String {
    var (result, closing) = ("", Character?.none)
    for character in self {
      if let end = closing {
        if character == end { closing = nil }
      } else if character == "'" || character == "[" {
        closing = character == "'" ? "'" : "]"
      } else if !character.isNumber {
        result.append(character)
      }
    }
    return result
  }
}

extension ONNXImporter {
  /// Everything that keeps a graph from being imported: nodes that read what another one would have made are passed over, others are
  /// tried, and operators that are not known are counted wherever they stand.
  ///
  /// - Parameter failure: what is known to keep it from it.
  /// - Returns: that alone where nothing else does.
  mutating func refusal(_ failure: ONNXError) -> ONNXError {
    isListing = true
    _ = try? run()
    // Of those behind others, and in graphs inside, what is known without what they read; of all where not even the inputs were understood.
    var unreached = ONNXGraph(name: "", nodes: passedOver + refused.map(\.node)).allNodes
    let isUntried = refused.isEmpty
    if isUntried { unreached = source.graph.allNodes }
    let known = Set(refused.map(\.node.label))
    var refusals = Refusals()
    for entry in refused { refusals.add(entry.node, entry.error) }
    for node in unreached where !known.contains(node.label) {
      // What was not tried may be of constants alone.
      if !ONNXOperator.isKnown(node), !(isUntried && Self.computedOperators.contains(node.operation)) {
        refusals.add(node, .unknownOperator(node: node.label, domain: node.domain, hint: ""))
      } else if let error = flowRefusal(node) {
        refusals.add(node, error)
      }
    }
    let isMore = refusals.all.count > 1 || refusals.all.contains { $0.count > 1 }
    return isMore ? .refused(failure, refusals.all) : failure
  }

  /// Imports a node if what it reads is there, and notes why it cannot be.
  mutating func list(_ node: ONNXNode) {
    guard !node.inputs.contains(where: failed.contains) else {
      passedOver.append(node)
      failed.formUnion(node.outputs)
      return
    }
    do throws(ONNXError) {
      if let error = flowRefusal(node) { throw error }
      try importNode(node)
    } catch {
      refused.append(RefusedNode(node: node, error: error))
      failed.formUnion(node.outputs.filter { !$0.isEmpty })
    }
  }
}

/// A node that stops an import.
struct RefusedNode {
  let node: ONNXNode
  let error: ONNXError
}
