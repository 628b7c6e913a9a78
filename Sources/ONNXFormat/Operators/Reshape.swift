internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let reshape = ONNXOperator(
    "Reshape", trace: { $0.beforeReshape($1, $2) },
    fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldReshape(node, tensors) },
    onSizes: { (importer, node) throws(ONNXError) in try importer.sizesReshape(node) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importReshape(node) })

  static let flatten = ONNXOperator(
    "Flatten",
    fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldFlatten(node, tensors) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importFlatten(node) })
}

extension ONNXImporter {
  fileprivate mutating func importReshape(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let allowZero = try attributes.int("allowzero", default: 0) != 0
    let attributeShape = opset < 5 ? try attributes.ints("shape") : nil
    try attributes.finish()
    if case .scores(let scores) = try value(node, 0) {
      return try reshapeScores(node, scores, try sizes(node, 1, "shape").sizes)
    }
    var view = try view(node, 0)
    var target: [Size]
    if let attributeShape {
      target = attributeShape.map { .known($0) }
    } else {
      target = try sizes(node, 1, "shape").sizes
    }
    if !allowZero {
      for (position, size) in target.enumerated() where size == .known(0) {
        guard position < view.axes.count else {
          throw .invalid(node: node.label, reason: "0 at position \(position) of the shape copies no axis")
        }
        target[position] = self.size(view.axes[position], view)
      }
    }
    guard let axes = regroup(view, target) else {
      baked = bakedSize(view, target)
      throw .notImportable(
        node: node.label, reason: "it reshapes \(describe(view.axes)) across the borders of its dimensions")
    }
    view.axes = withOwnBatch(axes).map(View.normalised)
    try set(node, view)
  }

  /// Rows and heads of scores, which keep their steps.
  private mutating func reshapeScores(
    _ node: ONNXNode, _ scores: Scores, _ target: [Size]
  ) throws(ONNXError) {
    let steps = sizes(of: scores).suffix(2)
    func reshaped(_ view: View) -> View? {
      var front = view
      front.axes = Array(view.axes.dropLast(2))
      guard target.count >= 3,
        zip(target.suffix(2), steps).allSatisfy({
          $0 == $1 || $0 == .known(-1) || resolved($0) != nil && resolved($0) == resolved($1)
        }),
        let axes = regroup(front, Array(target.dropLast(2)))
      else { return nil }
      var result = view
      result.axes = axes.map(View.normalised) + view.axes.suffix(2)
      return result
    }
    guard let queries = reshaped(scores.queries), let keys = reshaped(scores.keys) else {
      throw .notImportable(node: node.label, reason: "it reshapes scores across the borders of their steps")
    }
    var result = scores
    (result.queries, result.keys) = (queries, keys)
    set(try output(node), .scores(result), type(node))
  }

  /// One row beside features has no part in their axis, where another axis of size 1 can hold it.
  private func withOwnBatch(_ axes: [[AxisFactor]]) -> [[AxisFactor]] {
    guard batchSize == 1, let shared = axes.firstIndex(where: { $0.contains(.batch) && $0.count > 1 }),
      let free = axes[..<shared].lastIndex(of: []) ?? axes.firstIndex(of: [])
    else { return axes }
    var result = axes
    result[shared].removeAll { $0 == .batch }
    result[free] = [.batch]
    return result
  }

  fileprivate mutating func importFlatten(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: 1)
    try attributes.finish()
    var view = try view(node, 0)
    let axis = wanted == view.axes.count ? wanted : try axis(wanted, rank: view.axes.count, node)
    view.axes = [Array(view.axes[..<axis].joined()), Array(view.axes[axis...].joined())].map(View.normalised)
    try set(node, view)
  }

  /// The size of a time or batch left open under which a Reshape would fit: exporters write down what they saw.
  fileprivate func bakedSize(_ view: View, _ target: [Size]) -> Assumptions? {
    for size in target.compactMap(\.known) where size > 0 {
      var fixed = view
      if view.timeSize == nil, assumed.steps == nil, view.kind.hasTime {
        fixed.timeSize = size
        if regroup(fixed, target) != nil {
          var baked = assumed
          baked.steps = size
          return baked
        }
      }
      if batchSize == nil, assumed.rows == nil {
        var other = self
        other.batchSize = size
        if other.regroup(view, target) != nil {
          var baked = assumed
          baked.rows = size
          return baked
        }
      }
    }
    return nil
  }

  /// Splits and joins the factors of the axes so that they have the target sizes; nil where borders do not meet.
  func regroup(_ view: View, _ target: [Size]) -> [[AxisFactor]]? {
    var factors = Array(view.axes.joined())[...]
    let open = target.firstIndex(of: .known(-1))
    guard target.filter({ $0 == .known(-1) }).count <= 1,
      target.allSatisfy({ $0.factor > 0 || $0 == .known(-1) })
    else { return nil }
    var front: [[AxisFactor]] = []
    for size in target[..<(open ?? target.endIndex)] {
      guard let axis = takeFirst(size, &factors, view, more: front.count + 1 < target.count) else {
        return nil
      }
      front.append(axis)
    }
    guard let open else { return factors.isEmpty ? front : nil }
    var back: [[AxisFactor]] = []
    for size in target[(open + 1)...].reversed() {
      guard let axis = takeLast(size, &factors, view) else { return nil }
      back.insert(axis, at: 0)
    }
    return front + [Array(factors)] + back
  }

  fileprivate func takeFirst(
    _ wanted: Size, _ factors: inout ArraySlice<AxisFactor>, _ view: View, more: Bool
  ) -> [AxisFactor]? {
    var axis: [AxisFactor] = []
    // A size that is copied from the batch is the batch's, be it of one row.
    if wanted.known == nil, let first = factors.first, size([first], view) == wanted {
      factors.removeFirst()
      return [first]
    }
    while !matches(size(axis, view), wanted, view) {
      guard let next = factors.popFirst() else { return nil }
      // Rows and a part of the features on one axis, such as the heads of all rows.
      if case .features(let stride, let count) = next, let part = (wanted / size(axis, view))?.known,
        wanted.known == nil, part > 1, part < count, count % part == 0
      {
        axis.append(.features(stride: stride * (count / part), count: part))
        factors.insert(.features(stride: stride, count: count / part), at: factors.startIndex)
        continue
      }
      if matches(size(axis + [next], view), wanted, view) || known(size(axis + [next], view), view) == nil
        || !next.isFeatures
      {
        axis.append(next)
        continue
      }
      guard case .features(let stride, let count) = next, let product = known(size(axis, view), view),
        let total = wanted.known
      else { return nil }
      if total % product == 0, count % (total / product) == 0, total / product < count {
        // The major part of the factor is enough.
        let part = total / product
        axis.append(.features(stride: stride * (count / part), count: part))
        factors.insert(.features(stride: stride, count: count / part), at: factors.startIndex)
      } else if total % (product * count) == 0 {
        axis.append(next)
      } else {
        return nil
      }
    }
    return axis
  }

  fileprivate func takeLast(_ wanted: Size, _ factors: inout ArraySlice<AxisFactor>, _ view: View)
    -> [AxisFactor]?
  {
    var axis: [AxisFactor] = []
    while !matches(size(axis, view), wanted, view) {
      guard let next = factors.popLast() else { return nil }
      if matches(size([next] + axis, view), wanted, view) || known(size([next] + axis, view), view) == nil
        || !next.isFeatures
      {
        axis.insert(next, at: 0)
        continue
      }
      guard case .features(let stride, let count) = next, let product = known(size(axis, view), view),
        let total = wanted.known
      else { return nil }
      if total % product == 0, count % (total / product) == 0, total / product < count {
        let part = total / product
        axis.insert(.features(stride: stride, count: part), at: 0)
        factors.append(.features(stride: stride * part, count: count / part))
      } else if total % (product * count) == 0 {
        axis.insert(next, at: 0)
      } else {
        return nil
      }
    }
    return axis
  }

  fileprivate mutating func foldReshape(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    let data = tensors[0]
    let rank = data.shape.count
    var attributes = AttributeReader(node)
    let allowZero = try attributes.int("allowzero", default: 0) != 0
    try attributes.finish()
    var shape = try integers(node, 1, "shape")
    for (position, size) in shape.enumerated() where size == 0 && !allowZero && position < rank {
      shape[position] = data.shape[position]
    }
    if let open = shape.firstIndex(of: -1) {
      let rest = checkedProduct(shape.enumerated().filter { $0.offset != open }.map(\.element)) ?? 0
      guard rest > 0 else { throw .invalid(node: node.label, reason: "shape \(shape)") }
      shape[open] = data.count / rest
    }
    return .tensor(try reshape(data, shape, node))
  }

  fileprivate mutating func foldFlatten(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    let data = tensors[0]
    let rank = data.shape.count
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: 1)
    try attributes.finish()
    let axis = wanted == rank ? rank : try axis(wanted, rank: rank, node)
    return .tensor(
      try reshape(
        data, [data.shape[..<axis].reduce(1, *), data.shape[axis...].reduce(1, *)], node))
  }

  fileprivate mutating func sizesReshape(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    // A shape that an operator on data reads is that operator's business.
    guard case .sizes(let first, _) = try value(node, 0) else { return nil }
    let target = try integers(node, 1, "shape")
    guard target.isEmpty || target == [-1] || target == [first.count] else {
      throw .notImportable(node: node.label, reason: "it reshapes sizes to \(target)")
    }
    return .sizes(first, isScalar: target.isEmpty)
  }
}

extension InputRoles {
  fileprivate func beforeReshape(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    // Features cut into parts come from one axis.
    var merged: [AxisRole] = []
    for role in demand.roles where role != .single {
      if case .features = role, case .features? = merged.last {
        merged[merged.count - 1] = .features(nil)
      } else {
        merged.append(role)
      }
    }
    var demands: [Demand] = []
    // To the shape of another value, whose axes then mean the same.
    if node.inputs.count > 1, let other = shaped(like: node.inputs[1]) {
      demands.append(Demand(other, demand.roles))
    }
    guard let rank = rank(node.inputs[0]) else { return demands }
    if rank == merged.count { return demands + [Demand(node.inputs[0], merged)] }
    return rank == demand.roles.count ? demands + same(demand, node) : demands
  }
}
