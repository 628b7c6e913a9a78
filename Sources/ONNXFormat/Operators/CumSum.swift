internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let cumSum = ONNXOperator(
    "CumSum", trace: { $0.same($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importCumulativeSum(node) })
}

extension ONNXImporter {
  fileprivate mutating func importCumulativeSum(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let isExclusive = try attributes.int("exclusive", default: 0) != 0
    let isReverse = try attributes.int("reverse", default: 0) != 0
    try attributes.finish()
    let view = try featureView(node, 0)
    let given = try integers(node, 1, "axis")
    guard given.count == 1 else { throw .invalid(node: node.label, reason: "\(given.count) axes") }
    let axis = try axis(given[0], rank: view.axes.count, node)
    guard view.axes[axis] == [.time] else {
      throw .notImportable(
        node: node.label, reason: "it sums along axis \(axis) of \(describe(view.axes)), which is not time")
    }
    try apply(.cumulativeSum(CumulativeSum(isExclusive: isExclusive, isReverse: isReverse)), to: view, node)
  }
}

extension ONNXExporter {
  mutating func exportCumulativeSum(_ layer: Layer, _ sum: CumulativeSum) throws(ONNXError) {
    guard opset >= 11 else {
      throw .notExpressible(layer: layer.name, reason: "CumSum needs opset 11 or newer, not \(opset)")
    }
    var holder = anyHolder(layer.inputs[0]!)
    if !holder.axes.contains([.time]) {
      let axes = View.canonicalAxes(kinds[layer.inputs[0]!]!)
      holder = Holder(name: try materialise(layer.inputs[0]!, axes, layer.name), axes: axes)
    }
    let axis = holder.axes.firstIndex(of: [.time])!
    let name = add(
      "CumSum", [holder.name, integers([axis], as: "axis", scalar: true)], as: result(layer),
      ["exclusive": .int(sum.isExclusive ? 1 : 0), "reverse": .int(sum.isReverse ? 1 : 0)], name: layer.name)
    hold(output(layer, 0), name, holder.axes)
  }
}
