internal import Recurrent

extension ONNXOperator {
  static let pools: [ONNXOperator] = [
    pool("MaxPool") { (importer, node) throws(ONNXError) in try importer.importPool(node, .max) },
    pool("AveragePool") { (importer, node) throws(ONNXError) in try importer.importPool(node, .mean) },
    pool("GlobalMaxPool") { (importer, node) throws(ONNXError) in
      try importer.importGlobalPool(node, .max, .max)
    },
    pool("GlobalAveragePool") { (importer, node) throws(ONNXError) in
      try importer.importGlobalPool(node, .mean, .mean)
    },
  ]

  private static func pool(_ name: String, interpret: @escaping Interpretation) -> ONNXOperator {
    ONNXOperator(
      name, proposals: { $0.proposedWindow($1) }, trace: { $0.beforeWindow($1, $2) }, interpret: interpret)
  }
}

extension ONNXImporter {
  fileprivate mutating func importPool(
    _ node: ONNXNode, _ reduction: Pool.Reduction
  ) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let window = try WindowAttributes(&attributes)
    var reduction = reduction
    if reduction == .max {
      // The order in which places are numbered: only Indices tell it.
      _ = try attributes.int("storage_order")
    } else if try attributes.int("count_include_pad", default: 0) != 0 {
      reduction = .paddedMean
    }
    try attributes.finish()
    if node.outputs.count > 1, !node.outputs[1].isEmpty, uses[node.outputs[1]] != nil {
      throw .notImportable(node: node.label, reason: "the places of the largest, Indices, are read")
    }
    guard let kernel = window.kernel else {
      throw .missingAttribute(node: node.label, attribute: "kernel_shape")
    }
    let source = try windowed(node)
    guard kernel.count == source.axes.count - 2, kernel.count <= 3 else {
      throw .invalid(node: node.label, reason: "a window of \(kernel) over \(describe(source.axes))")
    }
    let axes = try window.axes(source, kernel: kernel, node)
    let name = add(
      .pool(
        Pool(
          reduction, axes: axes.needed.isEmpty ? Array(axes.prefix(1)) : axes.needed,
          roundsUp: window.roundsUp)), node, inputs: [source.value],
      output: try output(node))
    try set(
      node,
      try view(
        behind: axes, source, channels: source.places(1)!, value: name, roundsUp: window.roundsUp, node))
  }

  fileprivate mutating func importGlobalPool(
    _ node: ONNXNode, _ function: Reduction.Function, _ selection: Selection
  ) throws(ONNXError) {
    let attributes = AttributeReader(node)
    try attributes.finish()
    try reduce(
      node, try windowed(node), axes: Array(2..<(try featureView(node, 0).axes.count)), keepsAxes: true,
      function, selection)
  }
}

extension ONNXExporter {
  mutating func exportPool(_ layer: Layer, _ pool: Pool) throws(ONNXError) {
    let channels = kinds[layer.inputs[0]!]!.features / pool.axes.places
    let source = try arrangement(
      layer, pool.axes, channels: channels, places: pool.axes.map { $0.size ?? 1 })
    let target = try arrangement(
      layer, pool.axes, channels: channels,
      places: pool.axes.map { axis in
        axis.size.map { axis.places(of: $0, roundsUp: pool.roundsUp) } ?? 1
      })
    let isDilated = source.windows.contains { $0.dilation != 1 }
    guard opset >= 10 || !isDilated && !pool.roundsUp, opset >= 19 || pool.reduction == .max || !isDilated
    else {
      throw .notExpressible(
        layer: layer.name, reason: "a pool with dilation or ceil_mode needs a newer opset (10; 19 for means)")
    }
    var attributes = attributes(source.windows)
    if opset < (pool.reduction == .max ? 10 : 19) { attributes["dilations"] = nil }
    if pool.roundsUp { attributes["ceil_mode"] = .int(1) }
    if pool.reduction == .paddedMean { attributes["count_include_pad"] = .int(1) }
    let name = add(
      pool.reduction == .max ? "MaxPool" : "AveragePool",
      [try materialise(layer.inputs[0]!, source.axes, layer.name)], as: result(layer), attributes,
      name: layer.name)
    hold(output(layer, 0), name, target.axes)
  }
}
