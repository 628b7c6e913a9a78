internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let `if` = ONNXOperator(
    "If",
    trace: { _, demand, node in
      node.branches.compactMap { branch in
        guard let position = node.outputs.firstIndex(of: demand.value), position < branch.outputs.count else {
          return nil
        }
        return InputRoles.Demand(branch.outputs[position].name, demand.roles)
      }
    },
    fold: { (importer, node, tensors) throws(ONNXError) in
      try importer.importBranch(node, condition: tensors[0])
      return .set
    },
    interpret: { (_, node) throws(ONNXError) in
      throw .notImportable(
        node: node.label,
        reason:
          "control flow that the run decides; where its condition is a size or an input, a number bound to that (NAME=NUMBER) decides it"
      )
    })
}

extension ONNXNode {
  /// The graphs that an If chooses from; none of other operators.
  var branches: [ONNXGraph] {
    guard operation == "If", domain.isEmpty else { return [] }
    return ["then_branch", "else_branch"].compactMap { name in
      if case .graph(let graph)? = attributes[name] { graph } else { nil }
    }
  }
}

extension ONNXNode {
  /// Whether its weight is multiplied by elsewhere, too, as at each step of a recurrence.
  func isRepeated(in nodes: [ONNXNode]) -> Bool {
    inputs.count > 1
      && nodes.contains {
        $0.operation == operation && $0.outputs != outputs && $0.inputs.dropFirst().first == inputs[1]
      }
  }
}

extension [ONNXNode] {
  /// The nodes, those inside branches among them, which see the values around them.
  var withBranches: [ONNXNode] {
    var all: [ONNXNode] = []
    // A stack of our own: branches may nest as deep as the decoder allows.
    var waiting = Array(reversed())
    while let node = waiting.popLast() {
      all.append(node)
      for branch in node.branches { waiting += branch.nodes.reversed() }
    }
    return all
  }
}

extension ONNXImporter {
  /// Imports the branch that a size chooses, as a condition: whether it is not 0.
  mutating func importBranch(_ node: ONNXNode) throws(ONNXError) {
    let (size, _) = try sizes(node, 0, "cond")
    guard size.count == 1, let number = resolved(size[0]) else {
      throw .notImportable(
        node: node.label,
        reason:
          "its condition is a size that the run decides; a number bound to one that the inputs' shapes name (NAME=NUMBER) fixes it"
      )
    }
    try importBranch(node, condition: Tensor([Int64(number)], shape: []))
  }

  /// Imports the branch that a known condition chooses, in the If's place.
  fileprivate mutating func importBranch(_ node: ONNXNode, condition: Tensor) throws(ONNXError) {
    guard condition.count == 1 else {
      throw .shapeMismatch(node: node.label, input: "cond", expected: "[]", found: condition.shape)
    }
    let isTrue = condition.doubles[0] != 0
    let branches = node.branches
    guard branches.count == 2 else {
      throw .missingAttribute(node: node.label, attribute: "then_branch or else_branch")
    }
    let branch = branches[isTrue ? 0 : 1]
    guard branch.outputs.count == node.outputs.count else {
      throw .invalid(
        node: node.label, reason: "its branch gives \(branch.outputs.count) values, not \(node.outputs.count)"
      )
    }
    let outside = renamed
    defer { renamed = outside }
    for initializer in branch.initializers {
      set(own(initializer.name), .constant(initializer.tensor))
    }
    for inner in FusedActivations(try branch.sortedNodes(isGiven: { values[$0] != nil }), branch).nodes {
      var inner = inner
      inner.inputs = inner.inputs.map { renamed[$0] ?? $0 }
      for (position, name) in inner.outputs.enumerated() where !name.isEmpty {
        inner.outputs[position] = own(name)
        uses[inner.outputs[position]] = uses[name]
      }
      try importNode(inner)
    }
    for (output, info) in zip(node.outputs, branch.outputs) where !output.isEmpty {
      let name = renamed[info.name] ?? info.name
      guard let value = values[name] else {
        throw .unknownValue(node: node.label, value: info.name)
      }
      set(output, value, elementTypes[name])
    }
    note(
      node.label, .exact,
      "If: its condition is \(isTrue) by sizes, constants and what is bound; that branch stands in its place")
  }

  /// A name of a branch, or another one where that stands for something else by now: names are each branch's own.
  private mutating func own(_ name: String) -> String {
    guard values[name] != nil else { return name }
    let new = uniqueValue(name)
    renamed[name] = new
    return new
  }
}
