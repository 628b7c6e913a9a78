internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let split = ONNXOperator(
    "Split",
    trace: { roles, demand, node in
      let axis = roles.attribute(node, "axis") ?? 0
      return roles.beforeCut(demand, node, [axis < 0 ? axis + demand.roles.count : axis])
    }, fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldSplit(node, tensors) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importSplit(node) })
}

extension ONNXImporter {
  fileprivate mutating func importSplit(_ node: ONNXNode) throws(ONNXError) {
    let view = try view(node, 0)
    let (axis, parts) = try splitParts(node, rank: view.axes.count) { knownSize(view.axes[$0], view) }
    var start = 0
    for (output, count) in zip(node.outputs, parts) {
      if !output.isEmpty, uses[output] != nil {
        var single = node
        single.outputs = [output]
        single.name = node.name.isEmpty ? "" : "\(node.name)_\(start)"
        try pick(single, view, axis, start: start, count: count, keepsAxis: true)
      }
      start += count
    }
  }

  /// The axis and the sizes of the parts: attribute before opset 13, input since, equal parts otherwise.
  fileprivate func splitParts(
    _ node: ONNXNode, rank: Int, size: (Int) -> Int?
  ) throws(ONNXError) -> (axis: Int, parts: [Int]) {
    var attributes = AttributeReader(node)
    let axis = try axis(try attributes.int("axis", default: 0), rank: rank, node)
    var parts = opset < 13 ? try attributes.ints("split") : nil
    _ = opset >= 18 ? try attributes.int("num_outputs") : nil
    try attributes.finish()
    if opset >= 13, has(node, 1) { parts = try integers(node, 1, "split") }
    guard let total = size(axis) else {
      throw .notImportable(node: node.label, reason: "it splits axis \(axis), whose size is open")
    }
    let count = node.outputs.count
    guard count > 0 else { throw .invalid(node: node.label, reason: "it has no output") }
    let even = (total + count - 1) / count
    let list = parts ?? (0..<count).map { min(even, max(0, total - $0 * even)) }
    guard list.count == count, list.allSatisfy({ $0 >= 0 && $0 <= total }), list.reduce(0, +) == total else {
      throw .invalid(node: node.label, reason: "parts \(list) of an axis of \(total)")
    }
    return (axis, list)
  }

  fileprivate mutating func foldSplit(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    let data = tensors[0]
    let rank = data.shape.count
    let (axis, parts) = try splitParts(node, rank: rank) { data.shape[$0] }
    var start = 0
    for (output, count) in zip(node.outputs, parts) {
      if !output.isEmpty {
        set(output, .constant(try cut(data, (axis, start, start + count, 1), node)), type(node))
      }
      start += count
    }
    return .set
  }
}
