internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let argMax = ONNXOperator(
    "ArgMax", interpret: { (importer, node) throws(ONNXError) in try importer.importArgMax(node) })
}

extension ONNXImporter {
  fileprivate mutating func importArgMax(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: 0)
    let keeps = try attributes.int("keepdims", default: 1) != 0
    let last = try attributes.int("select_last_index", default: 0) != 0
    try attributes.finish()
    let view = try featureView(node, 0)
    let axis = try axis(wanted, rank: view.axes.count, node)
    guard !last, view.axes[axis] == View.features(view.kind.features) else {
      throw .notImportable(
        node: node.label, reason: "only the first largest of the features can be selected")
    }
    var axes = view.axes
    if keeps { axes[axis] = [] } else { axes.remove(at: axis) }
    let name = add(.argMax, node, inputs: [view.value], output: try output(node))
    let kind: ValueKind = view.kind.hasTime ? .tokens : .indices
    set(
      name, .view(View(value: name, kind: kind, axes: axes, timeSize: view.timeSize, clock: view.clock)),
      .int64)
  }
}

extension ONNXExporter {
  mutating func exportArgMax(_ layer: Layer) throws(ONNXError) {
    let holder = try endingInFeatures(layer.inputs[0]!)
    let name = add(
      "ArgMax", [holder.name], as: result(layer),
      ["axis": .int(Int64(holder.axes.count - 1)), "keepdims": .int(0)], name: layer.name)
    hold(output(layer, 0), name, Array(holder.axes.dropLast()))
  }
}
