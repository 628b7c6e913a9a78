internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let softmax = ONNXOperator(
    "Softmax", trace: { $0.same($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importSoftmax(node, .softmax) })
  static let logSoftmax = ONNXOperator(
    "LogSoftmax", trace: { $0.same($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importSoftmax(node, .logSoftmax) })
}

extension ONNXImporter {
  fileprivate mutating func importSoftmax(_ node: ONNXNode, _ operation: Layer.Operation) throws(ONNXError) {
    var attributes = AttributeReader(node)
    // Softmax-13: one axis, the last by default. Before: all axes from axis 1 on, as one.
    let standard = opset >= 13 ? -1 : 1
    let wanted = try attributes.int("axis", default: standard)
    try attributes.finish()
    if operation == .softmax, case .scores(let scores) = try value(node, 0) {
      return try normalise(node, scores, axis: wanted)
    }
    let view = try featureView(node, 0)
    let axis = try axis(wanted, rank: view.axes.count, node)
    let reaches = opset >= 13 ? view.axes[axis] : Array(view.axes[axis...].joined())
    if View.normalised(reaches) == [.time], operation == .softmax {
      return try apply(.timeSoftmax, to: view, node)
    }
    if View.normalised(reaches) != View.features(view.kind.features), let stepped = stepped(view, node),
      stepped.endsInFeatures, axis == view.axes.count - 1
    {
      return try apply(operation, to: stepped, node)
    }
    guard View.normalised(reaches) == View.features(view.kind.features) else {
      throw .notImportable(
        node: node.label,
        reason: "it normalises axis \(axis) of \(describe(view.axes)), which is not that of the features")
    }
    try apply(operation, to: view, node)
  }
}

extension ONNXExporter {
  mutating func exportSoftmax(_ layer: Layer) throws(ONNXError) {
    let holder = try endingInFeatures(layer.inputs[0]!)
    // The last axis: before opset 13 all axes from it on, which is the same.
    let name = add(
      layer.operation.name, [holder.name], as: result(layer), ["axis": .int(Int64(holder.axes.count - 1))],
      name: layer.name)
    hold(output(layer, 0), name, holder.axes)
  }
}
