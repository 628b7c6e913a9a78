internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let dropout = ONNXOperator(
    "Dropout", trace: { $0.same($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importDropout(node) })
}

extension ONNXImporter {
  fileprivate mutating func importDropout(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    var ratio = Double(try attributes.float("ratio") ?? 0.5)
    _ = try attributes.int("seed")
    try attributes.finish()
    if has(node, 1) { ratio = try scalar(node, 1, "ratio") }
    if has(node, 2), try scalar(node, 2, "training_mode") != 0 {
      throw .notImportable(node: node.label, reason: "training_mode is on: export the model for inference")
    }
    if node.outputs.count > 1, uses[node.outputs[1]] != nil {
      throw .notImportable(node: node.label, reason: "its mask output is used")
    }
    // Of weights of attention: there is no layer to stand beside.
    if case .scores(let scores) = try value(node, 0) {
      note(node.label, .exact, "Dropout of weights of attention is the identity at inference; left out")
      return set(try output(node), .scores(scores), type(node))
    }
    try apply(.dropout(ratio: ratio), to: try featureView(node, 0), node)
  }

  fileprivate func scalar(_ node: ONNXNode, _ position: Int, _ name: String) throws(ONNXError) -> Double {
    guard case .constant(let tensor) = try value(node, position), tensor.count == 1 else {
      throw .notImportable(node: node.label, reason: "its input '\(name)' is not a constant number")
    }
    return tensor.doubles[0]
  }
}

extension ONNXExporter {
  mutating func exportDropout(_ layer: Layer, _ dropout: Dropout) throws(ONNXError) {
    let holder = anyHolder(layer.inputs[0]!)
    let narrow = narrow(dropout.ratio, "ratio", layer)
    let name: String
    if opset >= 12 {
      let value = unique("\(layer.name)_ratio")
      initializers.append(.init(value, Tensor([narrow], shape: [])))
      name = add("Dropout", [holder.name, value], as: result(layer), name: layer.name)
    } else {
      name = add("Dropout", [holder.name], as: result(layer), ["ratio": .float(narrow)], name: layer.name)
    }
    hold(output(layer, 0), name, holder.axes)
  }
}
