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
