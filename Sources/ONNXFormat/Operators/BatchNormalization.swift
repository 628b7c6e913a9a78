internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let batchNormalization = ONNXOperator(
    "BatchNormalization", trace: { $0.same($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importBatchNormalization(node) })
}

extension ONNXImporter {
  fileprivate mutating func importBatchNormalization(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let epsilon = try attributes.float("epsilon") ?? 1e-5
    // Of use in training alone.
    _ = try attributes.float("momentum")
    let isTraining = try attributes.int("training_mode", default: 0) != 0
    let isSpatial = try attributes.int("spatial", default: 1) != 0
    try attributes.finish()
    guard !isTraining else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "training_mode",
        reason: "it normalises by the batch itself: export the model for inference")
    }
    guard isSpatial else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "spatial", reason: "a mean for each place is not supported")
    }
    let view = try featureView(node, 0)
    let source = ordered(view, node)
    guard source.axes.count >= 2, source.places(0) ?? 1 == 1, let channels = source.places(1) else {
      throw .notImportable(
        node: node.label, reason: "its axis 1 of \(describe(view.axes)) holds no channels")
    }
    let inner = source.kind.features / channels
    func parameter(_ position: Int, _ name: String) throws(ONNXError) -> Tensor {
      let tensor = try weight(node, position, name)
      guard tensor.shape == [channels] else {
        throw .shapeMismatch(node: node.label, input: name, expected: "[\(channels)]", found: tensor.shape)
      }
      return tensor
    }
    let layer = BatchNormalization(
      scale: try parameter(1, "scale"), bias: try parameter(2, "B"), mean: try parameter(3, "input_mean"),
      variance: try parameter(4, "input_var"), epsilon: Double(epsilon), inner: inner)
    try apply(.batchNormalization(layer), to: source, node)
  }
}

extension ONNXExporter {
  mutating func exportBatchNormalization(
    _ layer: Layer, _ normalization: BatchNormalization
  ) throws(ONNXError) {
    let kind = kinds[layer.inputs[0]!]!
    let (channels, inner) = (normalization.scale.count, normalization.inner)
    // [B, C, T, inner]: channels second.
    let steps: [[AxisFactor]] = kind.hasTime ? [[.time]] : []
    let axes = View.inOrder(
      [nil, channels] + steps.map { _ in nil } + (inner == 1 ? [] : [inner]),
      like: [[.batch], []] + steps + (inner == 1 ? [] : [[]]))
    let name = add(
      "BatchNormalization",
      [
        try materialise(layer.inputs[0]!, axes, layer.name),
        try weight(normalization.scale, as: "\(layer.name)_scale"),
        try weight(normalization.bias, as: "\(layer.name)_bias"),
        try weight(normalization.mean, as: "\(layer.name)_mean"),
        try weight(normalization.variance, as: "\(layer.name)_variance"),
      ], as: result(layer), ["epsilon": .float(Float(normalization.epsilon))], name: layer.name)
    hold(output(layer, 0), name, axes)
  }
}
