internal import Recurrent
internal import Tensors

/// How Keras (through tf2onnx) writes an embedding: negative ids count from the end of the table, spelled out as
/// `(id < 0)·(id + V) + (id ≥ 0)·id` or as a Where. Gather, and the canonical Embedding, do so by themselves.
extension ONNXImporter {
  /// Follows a step of that expression; false where the node is something else.
  mutating func importWrapping(_ node: ONNXNode) throws(ONNXError) -> Bool {
    func known(_ position: Int) -> ImportedValue? {
      position < node.inputs.count ? values[node.inputs[position]] : nil
    }
    switch (node.operation, known(0), known(1), known(2)) {
    case ("Cast", .view(let ids)?, nil, nil)
    where ids.kind.isInteger && ids.offset == 0 && castsToFloat(node):
      // Only the comparison with 0 understands ids as floats.
      set(try output(node), .view(ids), .float32)
    case ("Less", .view(let ids)?, .constant(let zero)?, nil)
    where ids.kind.isInteger && ids.offset == 0 && ids.wrapping == nil && zero.doubles == [0]:
      set(try output(node), .mask(ids, isNegative: true))
    case ("Equal", .view(let ids)?, .constant(let token)?, nil),
      ("Equal", .constant(let token)?, .view(let ids)?, nil):
      guard ids.kind == .tokens, ids.offset == 0, ids.wrapping == nil, token.count == 1,
        let number = Int(exactly: token.doubles[0])
      else { return false }
      var answer = ids
      answer.wrapping = .equals(number, isTrue: true)
      set(try output(node), .view(answer), .bool)
    case ("Not", .view(let answer)?, nil, nil):
      if case .equals(let token, let isTrue)? = answer.wrapping {
        var other = answer
        other.wrapping = .equals(token, isTrue: !isTrue)
        set(try output(node), .view(other), .bool)
      } else {
        // In the body of a loop an answer is a number, 1 or 0.
        guard isBody, !answer.kind.isInteger, type(node) == .bool else { return false }
        try addConstant(node, .subtract, answer, Tensor([1] as [Float], shape: [1]), constantFirst: true)
        elementTypes[try output(node)] = .bool
      }
    case ("Where", .view(let answer)?, _, _) where isBody && type(node) == .bool && !answer.kind.isInteger:
      try choose(node)
    case ("Not", .mask(let ids, let isNegative)?, nil, nil):
      set(try output(node), .mask(ids, isNegative: !isNegative))
    case ("Cast", .mask(let ids, let isNegative)?, nil, nil):
      set(try output(node), .mask(ids, isNegative: isNegative))
    case ("Mul", .mask(let ids, let isNegative)?, .view(let view)?, nil),
      ("Mul", .view(let view)?, .mask(let ids, let isNegative)?, nil):
      guard let part = wrapping(view, where: isNegative, ids) else { return false }
      set(try output(node), .view(part))
    case ("Add", .view(let left)?, .view(let right)?, nil):
      guard let whole = sum(left, right) ?? sum(right, left) else { return false }
      set(try output(node), .view(whole))
    case ("Where", .mask(let ids, true)?, .view(let negative)?, .view(let other)?):
      guard let a = wrapping(negative, where: true, ids), let b = wrapping(other, where: false, ids),
        let whole = sum(a, b)
      else { return false }
      set(try output(node), .view(whole))
    default: return false
    }
    return true
  }

  /// Where(m, a, b) of an answer that is 1 or 0: m·a + (1 − m)·b.
  private mutating func choose(_ node: ONNXNode) throws(ONNXError) {
    guard node.inputs.count == 3 else { throw .missingInput(node: node.label, input: "Y") }
    func make(_ operation: String, _ inputs: [String], _ output: String) throws(ONNXError) {
      try importNode(
        ONNXNode(operation, name: node.name, inputs: inputs, outputs: [output], index: node.index))
    }
    let name = try output(node)
    let (other, first, second) = (
      uniqueValue("\(name)·other"), uniqueValue("\(name)·a"), uniqueValue("\(name)·b")
    )
    try make("Not", [node.inputs[0]], other)
    try make("Mul", [node.inputs[0], node.inputs[1]], first)
    try make("Mul", [other, node.inputs[2]], second)
    try make("Add", [first, second], name)
    elementTypes[name] = type(node, 1)
  }

  private func castsToFloat(_ node: ONNXNode) -> Bool {
    guard case .int(let code)? = node.attributes["to"] else { return false }
    return ONNXDataType.elementType(Int32(clamping: code))?.isFloat ?? false
  }

  /// The id where the mask holds, else 0.
  private func wrapping(_ view: View, where isNegative: Bool, _ ids: View) -> View? {
    guard view.value == ids.value, view.axes == ids.axes, view.wrapping == nil else { return nil }
    var part = ids
    if isNegative, view.offset > 0 {
      part.wrapping = .shiftedWhereNegative(vocabulary: view.offset)
    } else if !isNegative, view.offset == 0 {
      part.wrapping = .keptWhereNonNegative
    } else {
      return nil
    }
    return part
  }

  private func sum(_ left: View, _ right: View) -> View? {
    guard left.value == right.value, left.axes == right.axes,
      case .shiftedWhereNegative(let vocabulary)? = left.wrapping, right.wrapping == .keptWhereNonNegative
    else { return nil }
    var whole = right
    whole.wrapping = .wrapped(vocabulary: vocabulary)
    return whole
  }
}
