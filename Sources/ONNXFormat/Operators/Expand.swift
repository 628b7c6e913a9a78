internal import ByteIO
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
    // Only axes of size 1 may grow.
    let padded = Array(repeating: [AxisFactor](), count: max(0, target.count - view.axes.count)) + view.axes
    let offset = padded.count - target.count
    var result = view
    result.axes = padded
    for (position, axis) in padded.enumerated() {
      guard position >= offset else { continue }
      let wanted = target[position - offset]
      if wanted == .known(1) || matches(size(axis, view), wanted, view) { continue }
      guard axis.isEmpty else {
        throw .invalid(node: node.label, reason: "\(describe(padded)) cannot be expanded as it says")
      }
      // Integers that grow are indices of GatherElements.
      if view.kind.isInteger {
        result.axes[result.axes.count - 1] = []
      } else {
        result = try repeated(result, wanted, along: position, node)
      }
    }
    try set(node, result)
  }

  /// The view as often along an axis of size 1 as a size says: places of the features, or the steps of some sequence.
  private mutating func repeated(
    _ view: View, _ count: Size, along axis: Int, _ node: ONNXNode
  ) throws(ONNXError) -> View {
    if let count = known(count, view) {
      guard count >= 1, let grown = grown(view, [axis: count], node) else {
        throw .notImportable(
          node: node.label,
          reason: "it repeats \(view.kind.features) features \(count) times: too many, or none")
      }
      return grown
    }
    guard count.factor == 1, count.times == 1, count.batches == 0, !view.kind.hasTime else {
      throw .notImportable(
        node: node.label, reason: "it repeats \(describe(view.axes)) in a way that cannot be followed")
    }
    guard let sequence = sequence(by: count.clock) else {
      throw .notImportable(
        node: node.label, reason: "it repeats \(describe(view.axes)) for as many steps as no sequence has")
    }
    var result = view
    let name = uniqueValue("\(view.value)_repeated")
    result.value = add(.repeated, node, inputs: [sequence.value, view.value], output: name)
    result.kind = .sequence(features: view.kind.features)
    (result.timeSize, result.clock) = (sequence.timeSize, sequence.clock)
    result.axes[axis] = [.time]
    return result
  }

  /// The first sequence that has as many steps: an input of the graph, or what a layer makes.
  private func sequence(by clock: Clock) -> View? {
    let views = values.values.compactMap { value -> View? in
      guard case .view(let view) = value, view.kind.hasTime, view.clock == clock else { return nil }
      return view
    }
    let order = source.graph.inputs.map(\.name) + layers.flatMap { $0.outputs.compactMap(\.self) }
    let known = Dictionary(views.map { ($0.value, $0) }) { first, _ in first }
    return order.lazy.compactMap { known[$0] }.first
  }

  private mutating func expandConstant(_ tensor: Tensor, _ node: ONNXNode) throws(ONNXError) {
    let (wanted, _) = try sizes(node, 1, "shape")
    let rank = max(wanted.count, tensor.shape.count)
    let padded = Array(repeating: 1, count: rank - tensor.shape.count) + tensor.shape
    let target = Array(repeating: Size.known(1), count: rank - wanted.count) + wanted
    var shape: [Size] = []
    for (size, goal) in zip(padded, target) {
      guard
        size == 1 || goal == .known(1) || goal == .known(size) || goal == .batch && batchSize == size
          || resolved(goal) == size
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
      let (repeats, _) = try sizes(node, 1, "repeats")
      guard repeats.count == view.axes.count, !view.kind.isInteger else {
        throw .invalid(node: node.label, reason: "\(repeats.count) repeats of \(describe(view.axes))")
      }
      var result = view
      for (axis, count) in repeats.enumerated() where count != .known(1) {
        guard view.axes[axis].isEmpty else {
          throw .notImportable(
            node: node.label,
            reason: "it repeats axis \(axis) of \(describe(view.axes)), which is not of size 1")
        }
        result = try repeated(result, count, along: axis, node)
      }
      return try set(node, result)
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
  /// Expand adds the steps in front.
  mutating func exportRepeat(_ layer: Layer) throws(ONNXError) {
    guard opset >= 8 else {
      throw .notExpressible(layer: layer.name, reason: "a vector at each step needs Expand, opset 8 or newer")
    }
    let (sequence, vector) = (layer.inputs[0]!, layer.inputs[1]!)
    let kind = kinds[vector]!
    let axes = View.canonicalAxes(kind)
    // An axis of its own first: what reads the vector's axes from their use would count one too many.
    let name = squeeze("Unsqueeze", try materialise(vector, axes, vector), [0], as: "\(vector)_once")
    let holder = try timedHolder(sequence)
    let sizes = add("Shape", [holder.name], as: "\(layer.name)_sizes")
    let steps = slice(sizes, axis: 0, holder.axis..<(holder.axis + 1), as: "\(layer.name)_steps")
    let shape = add(
      "Concat", [steps, integers([1, 1], as: "row")], as: "\(layer.name)_shape", ["axis": .int(0)])
    hold(
      output(layer, 0), add("Expand", [name, shape], as: result(layer), name: layer.name), [[.time]] + axes)
  }

  /// A tensor that holds a sequence with time on an axis of its own.
  private mutating func timedHolder(_ value: String) throws(ONNXError) -> (name: String, axis: Int) {
    for holder in holders[value]?.all ?? [] {
      if let axis = holder.axes.firstIndex(of: [.time]) { return (holder.name, axis) }
    }
    return (try materialise(value, View.canonicalAxes(kinds[value]!), value), 0)
  }

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
