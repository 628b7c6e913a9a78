internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let reduceMean = ONNXOperator(
    "ReduceMean",
    interpret: { (importer, node) throws(ONNXError) in try importer.importReduction(node, .mean) })
  static let reduceMax = ONNXOperator(
    "ReduceMax", interpret: { (importer, node) throws(ONNXError) in try importer.importReduction(node, .max) }
  )
  static let reduceProd = ONNXOperator(
    "ReduceProd", onSizes: { (importer, node) throws(ONNXError) in try importer.sizesReduceProd(node) })
}

extension ONNXImporter {
  fileprivate mutating func importReduction(_ node: ONNXNode, _ selection: Selection) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let keeps = try attributes.int("keepdims", default: 1) != 0
    var given = opset < 18 ? try attributes.ints("axes") : nil
    if opset >= 18 { _ = try attributes.int("noop_with_empty_axes") }
    try attributes.finish()
    if opset >= 18, has(node, 1) { given = try integers(node, 1, "axes") }
    let view = try featureView(node, 0)
    let axes = try (given ?? []).map { (axis) throws(ONNXError) in
      try self.axis(axis, rank: view.axes.count, node)
    }
    guard axes.count == 1, view.axes[axes[0]] == [.time] else {
      throw .notImportable(
        node: node.label,
        reason: "it reduces axes \(axes) of \(describe(view.axes)); only time can be reduced")
    }
    var rest = view.axes
    if keeps { rest[axes[0]] = [] } else { rest.remove(at: axes[0]) }
    let name = add(.select(selection), node, inputs: [view.value], output: try output(node))
    try set(node, View(value: name, kind: .vector(features: view.kind.features), axes: rest))
  }

  fileprivate mutating func sizesReduceProd(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    let (first, _) = try sizes(node, 0, "0")
    var attributes = AttributeReader(node)
    let keeps = try attributes.int("keepdims", default: 1) != 0
    let product = first.reduce(.known(1), *)
    guard product.times + product.batches <= 8 else {
      throw .notImportable(node: node.label, reason: "it multiplies more sizes than a tensor has")
    }
    return .sizes([product], isScalar: !keeps)
  }
}
