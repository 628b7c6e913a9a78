internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let squeeze = ONNXOperator(
    "Squeeze", trace: { $0.beforeSqueeze($1, $2) },
    fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldSqueeze(node, tensors) },
    onSizes: { (importer, node) throws(ONNXError) in
      .sizes(try importer.sizes(node, 0, "0").sizes, isScalar: true)
    },
    onFilled: { (importer, node, base, shape) throws(ONNXError) in
      try importer.filledSqueeze(node, base, shape)
    }, interpret: { (importer, node) throws(ONNXError) in try importer.importSqueeze(node) })

  static let unsqueeze = ONNXOperator(
    "Unsqueeze", trace: { $0.beforeUnsqueeze($1, $2) },
    fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldUnsqueeze(node, tensors) },
    onSizes: { (importer, node) throws(ONNXError) in
      .sizes(try importer.sizes(node, 0, "0").sizes, isScalar: false)
    },
    onFilled: { (importer, node, base, shape) throws(ONNXError) in
      try importer.filledUnsqueeze(node, base, shape)
    }, interpret: { (importer, node) throws(ONNXError) in try importer.importUnsqueeze(node) })
}

extension ONNXImporter {
  fileprivate mutating func importSqueeze(_ node: ONNXNode) throws(ONNXError) {
    var view = try view(node, 0)
    let axes: [Int]
    if let given = try squeezeAxes(node) {
      axes = try given.map { (axis) throws(ONNXError) in try self.axis(axis, rank: view.axes.count, node) }
    } else {
      // Every axis of size 1: that of a batch which just happens to be 1 cannot be told from one that is there to stay.
      axes = view.axes.indices.filter { view.axes[$0].isEmpty || knownSize(view.axes[$0], view) == 1 }
      let open = view.axes.filter { knownSize($0, view) == nil }
      // What goes straight out loses them with the output's port, as the file has it.
      if !open.isEmpty, uses[node.outputs[0]] == 1, outputNames.contains(node.outputs[0]) {
        squeezedOutputs.insert(node.outputs[0])
        note(
          node.label, .exact,
          "without axes it drops every axis of size 1, also a batch or a length of 1 (\(describe(open))); so does the output"
        )
      } else if !open.isEmpty {
        note(
          node.label, .lossy,
          "without axes it drops every axis of size 1, also a batch or a length of 1 (\(describe(open))), which the model keeps"
        )
      }
    }
    if axes.contains(where: { view.axes[$0] == [.batch] }), batchSize ?? 1 == 1, !isBody {
      // Only one row has no need of its axis.
      baked = assumed
      baked!.isUnbatched = true
    }
    for axis in axes where !(isBody && view.axes[axis] == [.time]) {
      guard view.axes[axis].isEmpty else {
        throw .notImportable(
          node: node.label,
          reason:
            "it drops axis \(axis) of \(describe(view.axes)); a batch or length of 1 is baked into the file: "
            + "export it with dynamic axes")
      }
    }
    view.axes = view.axes.indices.filter { !axes.contains($0) }.map { view.axes[$0] }
    try set(node, view)
  }

  fileprivate mutating func importUnsqueeze(_ node: ONNXNode) throws(ONNXError) {
    var view = try view(node, 0)
    guard let given = try squeezeAxes(node) else {
      throw .missingAttribute(node: node.label, attribute: "axes")
    }
    let rank = view.axes.count + given.count
    let axes = try given.map { (axis) throws(ONNXError) in try self.axis(axis, rank: rank, node) }
    guard Set(axes).count == axes.count else { throw .invalid(node: node.label, reason: "axes \(given)") }
    for axis in axes.sorted() { view.axes.insert([], at: axis) }
    try set(node, view)
  }

  /// The axes: an attribute before opset 13, an input since.
  fileprivate func squeezeAxes(_ node: ONNXNode) throws(ONNXError) -> [Int]? {
    var attributes = AttributeReader(node)
    let attribute = opset < 13 ? try attributes.ints("axes") : nil
    try attributes.finish()
    if let attribute { return attribute }
    return opset >= 13 && has(node, 1) ? try integers(node, 1, "axes") : nil
  }

  fileprivate mutating func foldSqueeze(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    let data = tensors[0]
    let rank = data.shape.count
    let axes = try (try squeezeAxes(node) ?? data.shape.indices.filter { data.shape[$0] == 1 })
      .map { (axis) throws(ONNXError) in try self.axis(axis, rank: rank, node) }
    return .tensor(
      try reshape(
        data, data.shape.indices.filter { !axes.contains($0) }.map { data.shape[$0] }, node))
  }

  fileprivate mutating func foldUnsqueeze(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    let data = tensors[0]
    let rank = data.shape.count
    let given = try squeezeAxes(node) ?? []
    let axes = try given.map { (axis) throws(ONNXError) in
      try self.axis(axis, rank: rank + given.count, node)
    }
    var shape = data.shape
    for axis in axes.sorted() { shape.insert(1, at: min(axis, shape.count)) }
    return .tensor(try reshape(data, shape, node))
  }

  fileprivate mutating func filledSqueeze(
    _ node: ONNXNode, _ base: Tensor, _ shape: [Size]
  ) throws(ONNXError) -> ImportedValue? {
    let given = try squeezeAxes(node) ?? shape.indices.filter { shape[$0] == .known(1) }
    let axes = try given.map { (axis) throws(ONNXError) in try self.axis(axis, rank: shape.count, node) }
    guard axes.allSatisfy({ shape[$0] == .known(1) }) else {
      throw .notImportable(node: node.label, reason: "it drops an axis whose size is open")
    }
    let rest = shape.indices.filter { !axes.contains($0) }
    return .filled(base: try reshape(base, rest.map { base.shape[$0] }, node), shape: rest.map { shape[$0] })
  }

  fileprivate mutating func filledUnsqueeze(
    _ node: ONNXNode, _ base: Tensor, _ shape: [Size]
  ) throws(ONNXError) -> ImportedValue? {
    let given = try squeezeAxes(node) ?? []
    var (sizes, bare) = (shape, base.shape)
    let axes = try given.map { (axis) throws(ONNXError) in
      try self.axis(axis, rank: shape.count + given.count, node)
    }
    guard Set(axes).count == axes.count else { throw .invalid(node: node.label, reason: "axes \(given)") }
    for axis in axes.sorted() {
      sizes.insert(.known(1), at: axis)
      bare.insert(1, at: axis)
    }
    return .filled(base: try reshape(base, bare, node), shape: sizes)
  }
}

extension InputRoles {
  fileprivate func beforeUnsqueeze(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    let rank = demand.roles.count
    guard let axes = axes(node)?.map({ $0 < 0 ? $0 + rank : $0 }) else { return [] }
    return [
      Demand(node.inputs[0], demand.roles.indices.filter { !axes.contains($0) }.map { demand.roles[$0] })
    ]
  }

  fileprivate func beforeSqueeze(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    guard let axes = axes(node) else { return [] }
    var roles = demand.roles
    let rank = roles.count + axes.count
    for axis in axes.map({ $0 < 0 ? $0 + rank : $0 }).sorted() {
      guard (0...roles.count).contains(axis) else { return [] }
      roles.insert(.single, at: axis)
    }
    return [Demand(node.inputs[0], roles)]
  }

  /// An attribute before opset 13, an input since.
  private func axes(_ node: ONNXNode) -> [Int]? {
    if node.inputs.count > 1, !node.inputs[1].isEmpty { return constant(node.inputs[1]) }
    if case .ints(let values)? = node.attributes["axes"] { return values.map { Int(bounded: $0) } }
    return nil
  }
}
