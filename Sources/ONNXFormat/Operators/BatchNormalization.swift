internal import Recurrent
internal import Tensors

extension ONNXOperator {
  /// At inference the means and variances are constants: a factor and a sum for each channel.
  static let batchNormalization = ONNXOperator(
    "BatchNormalization", trace: { $0.same($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importBatchNormalization(node) })
}

extension ONNXImporter {
  /// y = scale · (x − mean) / √(var + ε) + B, as x · factor + shift.
  fileprivate mutating func importBatchNormalization(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let epsilon = Double(try attributes.float("epsilon") ?? 1e-5)
    // Of the running means, which inference does not move.
    _ = try attributes.float("momentum")
    let isTraining = try attributes.int("training_mode", default: 0) != 0
    let isSpatial = try attributes.int("spatial", default: 1) != 0
    try attributes.finish()
    guard !isTraining, isSpatial else {
      throw .unsupportedAttribute(
        node: node.label, attribute: isTraining ? "training_mode" : "spatial",
        reason: "only inference with a mean and a variance for each channel is supported")
    }
    let view = try featureView(node, 0)
    guard view.axes.count >= 2, let channels = view.places(1), view.places(0) == nil || view.axes[0].isEmpty
    else {
      throw .notImportable(
        node: node.label,
        reason: "it normalises axis 1 of \(describe(view.axes)), which is not that of channels")
    }
    var parameters: [[Double]] = []
    var type = ElementType.float32
    for (position, name) in ["scale", "B", "input_mean", "input_var"].enumerated() {
      let tensor = try weight(node, position + 1, name)
      guard tensor.shape == [channels], tensor.elementType.isFloat else {
        throw .shapeMismatch(node: node.label, input: name, expected: "[\(channels)]", found: tensor.shape)
      }
      if position == 0 { type = tensor.elementType }
      parameters.append(tensor.doubles)
    }
    let factors = (0..<channels).map { parameters[0][$0] / (parameters[3][$0] + epsilon).squareRoot() }
    let shifts = (0..<channels).map { parameters[1][$0] - parameters[2][$0] * factors[$0] }
    guard (factors + shifts).allSatisfy(\.isFinite) else {
      throw .invalid(node: node.label, reason: "its variances and epsilon give factors that are no numbers")
    }
    let shape = [channels] + [Int](repeating: 1, count: view.axes.count - 2)
    func constant(_ values: [Double]) throws(ONNXError) -> Tensor {
      do { return try Tensor(values, shape: shape).converted(to: type).tensor } catch {
        throw .invalid(node: node.label, reason: error.description)
      }
    }
    let scaled = uniqueValue("\(try output(node))_scaled")
    try addConstant(
      ONNXNode(node.operation, name: node.name, inputs: node.inputs, outputs: [scaled], index: node.index),
      .multiply,
      view, constant(factors), constantFirst: false)
    guard case .view(let product)? = values[scaled] else { return }
    try addConstant(node, .add, product, constant(shifts), constantFirst: false)
    note(
      node.label, .rounded,
      "scale, bias, mean and variance computed into a factor and a sum for each channel",
      roundedTo: type)
  }
}
