internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let concat = ONNXOperator(
    "Concat",
    trace: { roles, demand, node in
      var open = demand
      open.roles = demand.roles.map { if case .features = $0 { .features(nil) } else { $0 } }
      return roles.all(open, node)
    }, fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldConcat(node, tensors) },
    onSizes: { (importer, node) throws(ONNXError) in try importer.sizesConcat(node) },
    onFilled: { (importer, node, _, _) throws(ONNXError) in try importer.joinFilled(node) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importConcat(node) })
}

extension ONNXImporter {
  fileprivate mutating func importConcat(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis")
    try attributes.finish()
    guard let wanted else { throw .missingAttribute(node: node.label, attribute: "axis") }
    var views: [View] = []
    for position in node.inputs.indices { views.append(try featureView(node, position)) }
    guard let given = views.first else { throw .missingInput(node: node.label, input: "0") }
    let axis = try axis(wanted, rank: given.axes.count, node)
    // Vectors beside sequences of a known number of steps may have those steps on an axis of features.
    if let sequence = views.first(where: { $0.kind.hasTime }) {
      for position in views.indices { views[position] = timed(views[position], like: sequence, node) }
    }
    if views.allSatisfy({ $0.axes.count == given.axes.count && $0.places(axis) != nil }) {
      for position in views.indices { views[position] = major(views[position], axis, node) }
    }
    let first = views[0]
    guard first.axes[axis].allSatisfy(\.isFeatures) else {
      throw .notImportable(
        node: node.label,
        reason: first.axes[axis] != [.time]
          ? "it joins axis \(axis) of \(describe(first.axes))"
          : hasRecurrence
            ? "it joins sequences one after another along time, which has no place in the canonical model"
            : "it joins time steps one by one: the recurrence is written out\(writtenOutAdvice)")
    }
    // Each part must hold, on this axis, the major part of its features; the minor part is the same in all.
    var total = 0
    var minor: Int?
    for view in views {
      let count = knownSize(view.axes[axis], view) ?? 0
      guard view.axes.count == first.axes.count, count > 0, view.kind.features % count == 0,
        view.kind.hasTime == first.kind.hasTime, minor == nil || minor == view.kind.features / count,
        view.axes[axis] == View.normalised([.features(stride: view.kind.features / count, count: count)]),
        view.axes.indices.allSatisfy({ $0 == axis || view.axes[$0] == first.axes[$0] })
      else {
        if view.axes[axis].isEmpty, !first.kind.hasTime, views.count > 3 {
          throw .notImportable(
            node: node.label,
            reason:
              "it joins values that are made one by one: a recurrence written out step by step\(writtenOutAdvice)"
          )
        }
        throw .notImportable(
          node: node.label, reason: "it joins \(views.map { describe($0.axes) }.joined(separator: " and "))")
      }
      minor = view.kind.features / count
      total += count
    }
    guard let minor, let features = checkedProduct([total, minor]) else {
      throw .invalid(node: node.label, reason: "it joins nothing")
    }
    let name = add(.concat, node, inputs: views.map(\.value), output: try output(node))
    var axes = first.axes
    axes[axis] = [.features(stride: minor, count: total)]
    let time = views.compactMap(\.timeSize).first
    try set(
      node,
      View(
        value: name, kind: first.kind.with(features: features), axes: axes, timeSize: time,
        clock: first.clock))
  }

  /// The view with an axis of features as their major part: features that are joined along it lie one after another.
  private mutating func major(_ view: View, _ axis: Int, _ node: ONNXNode) -> View {
    guard let count = view.places(axis), count > 0, view.kind.features % count == 0,
      view.axes[axis] != View.normalised([.features(stride: view.kind.features / count, count: count)])
    else { return view }
    let source = ordered(view, node)
    guard case .features(let inner, _)? = source.axes[axis].first else { return view }
    let outer = source.kind.features / (count * inner)
    var result = source
    result.value = addBetween(
      .gather(
        FeatureGather([
          .init(count: count, stride: inner), .init(count: outer, stride: count * inner),
          .init(count: inner, stride: 1),
        ])), node, source.value, "major")
    result.axes = source.axes.enumerated().map { position, factors in
      View.normalised(
        factors.map { factor in
          guard case .features(let stride, let size) = factor else { return factor }
          if position == axis { return .features(stride: outer * inner, count: size) }
          return .features(stride: stride > inner ? stride / count : stride, count: size)
        })
    }
    return result
  }

  fileprivate mutating func foldConcat(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    let data = tensors[0]
    let rank = data.shape.count
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis")
    try attributes.finish()
    guard let wanted else { throw .missingAttribute(node: node.label, attribute: "axis") }
    return .tensor(try concatenate(tensors, try axis(wanted, rank: rank, node), node))
  }

  fileprivate mutating func sizesConcat(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    var all: [Size] = []
    for position in node.inputs.indices { all += try sizes(node, position, "\(position)").sizes }
    return .sizes(all, isScalar: false)
  }

  /// Repeated constants joined along an axis whose sizes are known.
  fileprivate mutating func joinFilled(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    guard case .int(let wanted)? = node.attributes["axis"] else {
      throw .missingAttribute(node: node.label, attribute: "axis")
    }
    var parts: [Tensor] = []
    var joined: [Size] = []
    var total = 0
    for position in node.inputs.indices {
      guard case .filled(let base, let shape) = try value(node, position) else { return nil }
      let axis = try axis(Int(wanted), rank: shape.count, node)
      guard let size = shape[axis].known, size <= 1 << 20 else { return nil }
      var full = base.shape
      full[axis] = size
      guard case .constant(let part) = try filled(base, full.map { .known($0) }, node) else { return nil }
      parts.append(part)
      total += size
      joined = shape
      joined[axis] = .known(total)
    }
    let result = try concatenate(parts, try axis(Int(wanted), rank: joined.count, node), node)
    return try filled(result, joined, node)
  }

  fileprivate func concatenate(_ parts: [Tensor], _ axis: Int, _ node: ONNXNode) throws(ONNXError) -> Tensor {
    let first = parts[0]
    for part in parts {
      var shape = part.shape
      guard shape.count == first.shape.count, part.elementType == first.elementType else {
        throw .invalid(node: node.label, reason: "it joins tensors of different rank or element type")
      }
      shape[axis] = first.shape[axis]
      guard shape == first.shape else {
        throw .invalid(node: node.label, reason: "it joins \(parts.map(\.shape)) along axis \(axis)")
      }
    }
    var whole = first.shape
    whole[axis] = parts.reduce(0) { sum, part in
      let (next, overflow) = sum.addingReportingOverflow(part.shape[axis])
      return overflow ? .max : next
    }
    guard checkedProduct(whole + [first.elementType.size]) != nil else {
      throw .overLimit(node: node.label, reason: "a constant of shape \(whole) is too large")
    }
    // Joining along axis 0 is joining bytes: bring the axis to the front and back.
    let forth = [axis] + first.shape.indices.filter { $0 != axis }
    let joined = Tensor.concatenated(parts.map { $0.transposed(forth) })
    let back = first.shape.indices.map { forth.firstIndex(of: $0)! }
    return joined.transposed(back)
  }
}

extension ONNXExporter {
  mutating func exportConcat(_ layer: Layer) throws(ONNXError) {
    let values = layer.inputs.compactMap { $0 }
    if exportStackedConcat(layer, values) { return }
    let axes = View.canonicalAxes(kinds[values[0]]!).dropLast()
    let names = try values.map { (value) throws(ONNXError) in
      try materialise(value, axes + [View.features(kinds[value]!.features)], value)
    }
    let name = add("Concat", names, as: result(layer), ["axis": .int(Int64(axes.count))], name: layer.name)
    hold(output(layer, 0), name, axes + [View.features(kinds[output(layer, 0)!]!.features)])
  }

  /// Joins states `[D, B, H]` along their first axis as they are; false where they are arranged differently.
  private mutating func exportStackedConcat(_ layer: Layer, _ values: [String]) -> Bool {
    var names: [String] = []
    var joined: (axes: [[AxisFactor]], axis: Int, stride: Int)?
    var total = 0
    for value in values {
      // With one direction the axis of directions is of size 1 and holds no factor.
      let unit = View.features(kinds[value]!.features)
      let single = holders[value]?.all.first { $0.axes == [[], [.batch], unit] }
      guard let found = stackedHolder(value) ?? single.map({ ($0, 0, kinds[value]!.features) }) else {
        return false
      }
      var axes = found.holder.axes
      axes[found.axis] = []
      guard joined == nil || joined! == (axes, found.axis, found.stride) else { return false }
      joined = (axes, found.axis, found.stride)
      names.append(found.holder.name)
      total += kinds[value]!.features / found.stride
    }
    guard var joined else { return false }
    joined.axes[joined.axis] = [.features(stride: joined.stride, count: total)]
    let name = add("Concat", names, as: result(layer), ["axis": .int(Int64(joined.axis))], name: layer.name)
    hold(output(layer, 0), name, joined.axes)
    return true
  }
}
