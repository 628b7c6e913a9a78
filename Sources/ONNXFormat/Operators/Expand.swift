internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let expand = ONNXOperator(
    "Expand", trace: { $0.same($1, $2) }, fold: { (_, _, _) in .open },
    onSizes: { (importer, node) throws(ONNXError) in try importer.sizesExpand(node) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importExpand(node) })

  static let tile = ONNXOperator(
    "Tile",
    fold: { (importer, node, tensors) throws(ONNXError) in
      let attributes = AttributeReader(node)
      try attributes.finish()
      guard tensors.count == 2 else { throw .missingInput(node: node.label, input: "repeats") }
      return .tensor(try importer.tiled(tensors[0], try importer.integers(node, 1, "repeats"), node))
    }, onSizes: { (_, _) in nil },
    interpret: { (importer, node) throws(ONNXError) in try importer.importTile(node) })

  static let constantOfShape = ONNXOperator(
    "ConstantOfShape", fold: { (_, _, _) in .open }, onSizes: { (_, _) in nil },
    interpret: { (importer, node) throws(ONNXError) in try importer.importConstantOfShape(node) })
}

extension ONNXImporter {
  fileprivate mutating func importConstantOfShape(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let value = try attributes.tensor("value") ?? Tensor([Float(0)], shape: [1])
    try attributes.finish()
    guard value.count == 1 else { throw .invalid(node: node.label, reason: "its value is not one number") }
    let (shape, _) = try sizes(node, 0, "input")
    let base = try reshape(value, shape.map { _ in 1 }, node)
    set(try output(node), try filled(base, shape, node))
  }

  /// One open size repeated for every row, such as T as the length of each.
  fileprivate mutating func sizesExpand(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    guard case .sizes(let sizes, _) = try value(node, 0), sizes.count == 1 else { return nil }
    let (shape, _) = try self.sizes(node, 1, "shape")
    guard shape == [.batch] || shape.first?.known != nil else {
      throw .notImportable(node: node.label, reason: "it repeats a size in a way that cannot be followed")
    }
    return .sizes(sizes, isScalar: false)
  }

  fileprivate mutating func importExpand(_ node: ONNXNode) throws(ONNXError) {
    if case .constant(let tensor) = try value(node, 0) { return try expandConstant(tensor, node) }
    let attributes = AttributeReader(node)
    try attributes.finish()
    let view = try view(node, 0)
    let (target, _) = try sizes(node, 1, "shape")
    // Only axes of size 1 may grow; integers that grow are indices of GatherElements.
    let padded = Array(repeating: [AxisFactor](), count: max(0, target.count - view.axes.count)) + view.axes
    let offset = padded.count - target.count
    var grows = false
    var places: [Int: Int] = [:]
    for (position, axis) in padded.enumerated() {
      guard position >= offset else { continue }
      let wanted = target[position - offset]
      if wanted == .known(1) || matches(size(axis, view), wanted, view) { continue }
      if axis.isEmpty, !view.kind.isInteger, let count = wanted.known, count > 1 {
        places[position] = count
        continue
      }
      guard axis.isEmpty, view.kind.isInteger else {
        throw .notImportable(
          node: node.label, reason: "it repeats \(describe(view.axes)): \(Self.repeating)")
      }
      grows = true
    }
    var result = view
    result.axes = padded
    if !places.isEmpty {
      guard let grown = grown(result, places, node) else {
        throw .notImportable(
          node: node.label, reason: "it repeats \(describe(view.axes)) more often than features can be")
      }
      return try set(node, grown)
    }
    if grows { result.axes[result.axes.count - 1] = [] }
    try set(node, result)
  }

  private mutating func expandConstant(_ tensor: Tensor, _ node: ONNXNode) throws(ONNXError) {
    let (wanted, _) = try sizes(node, 1, "shape")
    let rank = max(wanted.count, tensor.shape.count)
    let padded = Array(repeating: 1, count: rank - tensor.shape.count) + tensor.shape
    let target = Array(repeating: Size.known(1), count: rank - wanted.count) + wanted
    var shape: [Size] = []
    for (size, goal) in zip(padded, target) {
      guard size == 1 || goal == .known(1) || goal == .known(size) || goal == .batch && batchSize == size
      else {
        throw .invalid(node: node.label, reason: "\(tensor.shape) cannot be expanded as it says")
      }
      shape.append(size == 1 ? goal : .known(size))
    }
    set(try output(node), try filled(try reshape(tensor, padded, node), shape, node))
  }

  fileprivate mutating func importTile(_ node: ONNXNode) throws(ONNXError) {
    guard case .constant(let tensor) = try value(node, 0) else {
      let view = try view(node, 0)
      throw .notImportable(node: node.label, reason: "it repeats \(describe(view.axes)): \(Self.repeating)")
    }
    // Repeated as often as the run has rows, along an axis of size 1.
    let (repeats, _) = try sizes(node, 1, "repeats")
    guard repeats.count == tensor.shape.count else {
      throw .invalid(node: node.label, reason: "\(repeats.count) repeats of \(tensor.shape)")
    }
    var shape: [Size] = []
    for (size, times) in zip(tensor.shape, repeats) {
      guard size == 1 || times == .known(1) else {
        throw .notImportable(node: node.label, reason: "it repeats an axis of \(size)")
      }
      shape.append(size == 1 ? times : .known(size))
    }
    set(try output(node), try filled(tensor, shape, node))
  }

  /// Why a vector that is repeated along time, as Keras' RepeatVector does, cannot be imported.
  static let repeating =
    "repeating a value over time has no place in the canonical model; `run` and `verify` evaluate the file as it is"

  /// The tensor `repeats` times along each axis.
  fileprivate mutating func tiled(_ tensor: Tensor, _ repeats: [Int], _ node: ONNXNode) throws(ONNXError)
    -> Tensor
  {
    guard repeats.count == tensor.shape.count, repeats.allSatisfy({ $0 >= 0 }) else {
      throw .invalid(node: node.label, reason: "repeats \(repeats) of \(tensor.shape)")
    }
    var shape: [Int] = []
    for (size, times) in zip(tensor.shape, repeats) {
      let (product, overflow) = size.multipliedReportingOverflow(by: times)
      shape.append(overflow ? .max : product)
    }
    try spendFolded(shape, node)
    do {
      return try tensor.picked(shape: shape) { index in
        var flat = 0
        for axis in index.indices {
          flat = flat * tensor.shape[axis] + index[axis] % max(tensor.shape[axis], 1)
        }
        return flat
      }
    } catch { throw .invalid(node: node.label, reason: error.description) }
  }
}

extension ONNXExporter {
  /// A constant of one row is repeated for as many as there are.
  mutating func exportConstant(_ layer: Layer, _ constant: Constant) throws(ONNXError) {
    let tensor = constant.value
    guard tensor.shape[0] != 1 || opset >= 8 else {
      throw .notExpressible(
        layer: layer.name, reason: "a constant for every row needs Expand, opset 8 or newer")
    }
    if tensor.shape.count == 1 {
      let name = unique("\(layer.name)_value")
      initializers.append(.init(name, tensor))
      let isBroadcast = tensor.shape[0] == 1
      hold(
        output(layer, 0),
        isBroadcast ? add("Expand", [name, try batchSize()], as: result(layer), name: layer.name) : name,
        [[.batch]])
      return
    }
    let features = tensor.shape[1]
    let name = try weight(tensor, as: "\(layer.name)_value")
    if tensor.shape[0] == 1 {
      let width = integers([features], as: "features")
      let shape = add("Concat", [try batchSize(), width], as: "\(layer.name)_shape", ["axis": .int(0)])
      hold(
        output(layer, 0), add("Expand", [name, shape], as: result(layer), name: layer.name),
        [[.batch], View.features(features)])
    } else {
      hold(output(layer, 0), name, [[.batch], View.features(features)])
    }
  }
}
