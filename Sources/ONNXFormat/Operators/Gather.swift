internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let gather = ONNXOperator(
    "Gather", trace: { $0.beforeGather($1, $2) },
    fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldGather(node, tensors) },
    onSizes: { (importer, node) throws(ONNXError) in try importer.sizesGather(node) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importGather(node) })

  static let gatherElements = ONNXOperator(
    "GatherElements",
    interpret: { (importer, node) throws(ONNXError) in try importer.importGatherElements(node) })
}

extension ONNXImporter {
  fileprivate mutating func importGather(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: 0)
    try attributes.finish()
    if case .constant(let table) = try value(node, 0) { return try importEmbedding(node, table, wanted) }
    if case .unbound = try value(node, 0) {
      return try importEmbedding(node, try weight(node, 0, "data"), wanted)
    }
    let view = try view(node, 0)
    let axis = try axis(wanted, rank: view.axes.count, node)
    guard case .constant(let indices) = try value(node, 1), let numbers = try? indices.integers(),
      indices.shape.count <= 1
    else { throw .notImportable(node: node.label, reason: "its indices are not constant") }
    let picks = numbers.map { Int(bounded: $0) }
    if indices.shape.isEmpty {
      try pick(node, view, axis, start: picks[0], count: 1, keepsAxis: false)
    } else {
      try pick(node, view, picks, along: axis)
    }
  }

  /// Places of an axis by constant indices: a range, or a regular pattern of features.
  private mutating func pick(
    _ node: ONNXNode, _ view: View, _ picks: [Int], along axis: Int
  ) throws(ONNXError) {
    guard let first = picks.first else { throw .invalid(node: node.label, reason: "it picks nothing") }
    if picks == Array(first..<(first + picks.count)), picks.count == 1 || first >= 0 || view.timeSize == nil {
      return try pick(node, view, axis, start: first, count: picks.count, keepsAxis: true)
    }
    var source = view
    if !view.kind.isInteger {
      // Time beside features on the last axis becomes features.
      if view.axes[axis].contains(.time), view.axes[axis].count > 1 { source = endingInFeatures(view, node) }
      source = ordered(source, node)
    }
    let inner = source.axes.indices[(axis + 1)...].reduce(1) { $0 * (source.places($1) ?? 1) }
    guard let size = source.places(axis), !view.kind.isInteger,
      picks.allSatisfy({ (-size..<size).contains($0) }), picks.count <= ValueKind.mostFeatures
    else {
      throw .notImportable(
        node: node.label, reason: "its indices \(picks.prefix(8)) … are no range of axis \(axis)")
    }
    guard let pattern = FeatureGather(sources: picks.map { $0 < 0 ? $0 + size : $0 }) else {
      throw .notImportable(
        node: node.label, reason: "its indices \(picks.prefix(8)) … are no regular pattern")
    }
    let gather = FeatureGather(
      start: pattern.start * inner,
      [.init(count: source.kind.features / (size * inner), stride: size * inner)]
        + pattern.factors.map { .init(count: $0.count, stride: $0.stride * inner) }
        + [.init(count: inner, stride: 1)])
    let value = add(.gather(gather), node, inputs: [source.value], output: try output(node))
    try set(node, source.with(picks.count, places: axis, value: value))
  }

  private mutating func importEmbedding(_ node: ONNXNode, _ table: Tensor, _ axis: Int) throws(ONNXError) {
    let ids = try view(node, 1)
    guard axis == 0, table.shape.count == 2, table.count > 0, table.elementType.isFloat, ids.kind.isInteger,
      ids.offset == 0,
      ids.wrapping == nil || ids.wrapping == .wrapped(vocabulary: table.shape[0])
    else {
      throw .notImportable(
        node: node.label,
        reason: "it gathers from a constant \(table.shape) along axis \(axis): not an embedding")
    }
    let features = table.shape[1]
    let kind: ValueKind = ids.kind.hasTime ? .sequence(features: features) : .vector(features: features)
    let name = add(.embedding(table: table), node, inputs: [ids.value], output: try output(node))
    note(layers[layers.count - 1].name, .exact, "table [\(table.shape[0]), \(features)]")
    let view = View(
      value: name, kind: kind, axes: ids.axes + [View.features(features)], timeSize: ids.timeSize,
      clock: ids.clock)
    set(name, .view(view), type(node))
  }

  /// Each row's last valid step: GatherElements along time with `lengths − 1` repeated over the features.
  fileprivate mutating func importGatherElements(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: 0)
    try attributes.finish()
    let view = try featureView(node, 0)
    let indices = try self.view(node, 1)
    let axis = try axis(wanted, rank: view.axes.count, node)
    var expected = view.axes
    expected[axis] = []
    let expectedIndices = expected.map { $0.filter { $0 == .batch } }
    guard view.axes[axis] == [.time], indices.kind == .indices, indices.offset == -1,
      indices.axes == expectedIndices
    else {
      throw .notImportable(
        node: node.label, reason: "only the step at lengths − 1, repeated over the features, can be selected")
    }
    let name = add(.select(.lastValid), node, inputs: [view.value, indices.value], output: try output(node))
    try set(node, View(value: name, kind: .vector(features: view.kind.features), axes: expected))
  }

  fileprivate mutating func foldGather(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    let data = tensors[0]
    let rank = data.shape.count
    var attributes = AttributeReader(node)
    let axis = try axis(try attributes.int("axis", default: 0), rank: rank, node)
    try attributes.finish()
    guard tensors.count == 2 else { throw .missingInput(node: node.label, input: "indices") }
    return .tensor(try gather(data, axis, indices: tensors[1], node))
  }

  fileprivate mutating func sizesGather(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    let (first, _) = try sizes(node, 0, "0")
    guard case .constant(let tensor) = try value(node, 1), let indices = try? tensor.integers() else {
      throw .notImportable(node: node.label, reason: "its indices are not constant")
    }
    var picked: [Size] = []
    for index in indices {
      let position = Int(clamping: index < 0 ? index + Int64(first.count) : index)
      guard first.indices.contains(position) else {
        throw .invalid(node: node.label, reason: "index \(index) of a shape of \(first.count) axes")
      }
      picked.append(first[position])
    }
    return .sizes(picked, isScalar: tensor.shape.isEmpty)
  }

  fileprivate mutating func gather(_ data: Tensor, _ axis: Int, indices: Tensor, _ node: ONNXNode)
    throws(ONNXError)
    -> Tensor
  {
    guard let numbers = try? indices.integers() else {
      throw .wrongElementType(node: node.label, input: "indices", found: indices.elementType)
    }
    let size = data.shape[axis]
    var picks: [Int] = []
    for number in numbers {
      guard let index = Int(exactly: number), (-size..<size).contains(index) else {
        throw .invalid(node: node.label, reason: "index \(number) of an axis of \(size)")
      }
      picks.append(index < 0 ? index + size : index)
    }
    let shape = Array(data.shape[..<axis]) + indices.shape + Array(data.shape[(axis + 1)...])
    try spendFolded(shape, node)
    return try reshape(select(data, axis, picks, node), shape, node)
  }
}

extension InputRoles {
  fileprivate func beforeGather(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    var roles = demand.roles
    guard node.inputs.count > 1 else { return [] }
    if isKnown(node.inputs[0]) {
      // An embedding: the indices have every axis but the features.
      return roles.isEmpty ? [] : [Demand(node.inputs[1], roles.dropLast())]
    }
    let axis = attribute(node, "axis") ?? 0
    if rank(node.inputs[1]) == 1 { return beforeCut(demand, node, [axis < 0 ? axis + roles.count : axis]) }
    guard let index = rank(node.inputs[1]), index == 0 else { return [] }
    let position = axis < 0 ? axis + roles.count + 1 : axis
    guard (0...roles.count).contains(position) else { return [] }
    roles.insert(.parts, at: position)
    return [Demand(node.inputs[0], roles)]
  }
}

extension ONNXExporter {
  mutating func exportEmbedding(_ layer: Layer, _ embedding: Embedding) throws(ONNXError) {
    let ids = layer.inputs[0]!
    let indices = anyHolder(ids)
    let name = add(
      "Gather", [try weight(embedding.table, as: "\(layer.name)_table"), indices.name], as: result(layer),
      name: layer.name)
    hold(output(layer, 0), name, indices.axes + [View.features(embedding.table.shape[1])])
  }
}
