internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let layerNormalization = ONNXOperator(
    "LayerNormalization", trace: { $0.same($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importLayerNormalization(node) })
}

extension ONNXImporter {
  fileprivate mutating func importLayerNormalization(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: -1)
    let epsilon = try attributes.float("epsilon") ?? 1e-5
    try attributes.floatStash()
    try attributes.finish()
    // Mean and InvStdDev, of no use but in training, stay unknown.
    var view = try featureView(node, 0)
    view = endingInFeatures(view, node)
    let axis = try axis(wanted, rank: view.axes.count, node)
    guard View.normalised(Array(view.axes[axis...].joined())) == View.features(view.kind.features) else {
      return try importInnerNormalization(node, view, axis: axis, epsilon: Double(epsilon))
    }
    func parameter(_ position: Int, _ name: String) throws(ONNXError) -> Tensor {
      var tensor = try weight(node, position, name)
      // A number for each place of several axes, which are in order.
      if tensor.shape == view.axes[axis...].indices.map({ view.places($0) }) {
        tensor = try reshape(tensor, [tensor.count], node)
      }
      guard let vector = tensor.asVector(of: view.kind.features) else {
        throw .shapeMismatch(
          node: node.label, input: name, expected: "[\(view.kind.features)]", found: tensor.shape)
      }
      return vector
    }
    let layer = LayerNormalization(
      scale: try parameter(1, "Scale"), bias: has(node, 2) ? try parameter(2, "B") : nil,
      epsilon: Double(epsilon))
    try apply(.layerNormalization(layer), to: view, node)
  }
}

extension ONNXExporter {
  mutating func exportLayerNormalization(
    _ layer: Layer, _ normalization: LayerNormalization
  ) throws(ONNXError) {
    guard opset >= 17 else {
      throw .notExpressible(
        layer: layer.name, reason: "LayerNormalization needs opset 17 or newer, not \(opset)")
    }
    let holder = try endingInFeatures(layer.inputs[0]!)
    var inputs = [holder.name, try weight(normalization.scale, as: "\(layer.name)_scale")]
    if let bias = normalization.bias { inputs.append(try weight(bias, as: "\(layer.name)_bias")) }
    let name = add(
      "LayerNormalization", inputs, as: result(layer), ["epsilon": .float(Float(normalization.epsilon))],
      name: layer.name)
    hold(output(layer, 0), name, holder.axes)
  }
}
