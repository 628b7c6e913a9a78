internal import Recurrent
internal import Tensors

/// Operators that only rearrange: they change a view's axes and leave no layer behind.
extension ONNXImporter {
  mutating func importTranspose(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let given = try attributes.ints("perm")
    try attributes.finish()
    var view = try view(node, 0)
    let permutation = given ?? view.axes.indices.reversed()
    guard permutation.sorted() == Array(view.axes.indices) else {
      throw .invalid(node: node.label, reason: "perm \(permutation) of \(view.axes.count) axes")
    }
    view.axes = permutation.map { view.axes[$0] }
    try set(node, view)
  }

  mutating func importSqueeze(_ node: ONNXNode) throws(ONNXError) {
    var view = try view(node, 0)
    let axes: [Int]
    if let given = try squeezeAxes(node) {
      axes = try given.map { (axis) throws(ONNXError) in try self.axis(axis, rank: view.axes.count, node) }
    } else {
      // Every axis of size 1: that of a batch which just happens to be 1 cannot be told from one that is there to stay.
      axes = view.axes.indices.filter { view.axes[$0].isEmpty || knownSize(view.axes[$0], view) == 1 }
      let open = view.axes.filter { knownSize($0, view) == nil }
      if !open.isEmpty {
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

  mutating func importUnsqueeze(_ node: ONNXNode) throws(ONNXError) {
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
  func squeezeAxes(_ node: ONNXNode) throws(ONNXError) -> [Int]? {
    var attributes = AttributeReader(node)
    let attribute = opset < 13 ? try attributes.ints("axes") : nil
    try attributes.finish()
    if let attribute { return attribute }
    return opset >= 13 && has(node, 1) ? try integers(node, 1, "axes") : nil
  }

  mutating func importFlatten(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: 1)
    try attributes.finish()
    var view = try view(node, 0)
    let axis = wanted == view.axes.count ? wanted : try axis(wanted, rank: view.axes.count, node)
    view.axes = [Array(view.axes[..<axis].joined()), Array(view.axes[axis...].joined())].map(View.normalised)
    try set(node, view)
  }

  /// Why a vector that is repeated along time, as Keras' RepeatVector does, cannot be imported.
  static let repeating =
    "repeating a value over time has no place in the canonical model; `run` and `verify` evaluate the file as it is"

  mutating func importExpand(_ node: ONNXNode) throws(ONNXError) {
    let attributes = AttributeReader(node)
    try attributes.finish()
    let view = try view(node, 0)
    let (target, _) = try sizes(node, 1, "shape")
    // Only axes of size 1 may grow; integers that grow are indices of GatherElements.
    let padded = Array(repeating: [AxisFactor](), count: max(0, target.count - view.axes.count)) + view.axes
    let offset = padded.count - target.count
    var grows = false
    for (position, axis) in padded.enumerated() {
      guard position >= offset else { continue }
      let wanted = target[position - offset]
      if wanted == .known(1) || matches(size(axis), wanted, view) { continue }
      guard axis.isEmpty, view.kind.isInteger else {
        throw .notImportable(
          node: node.label, reason: "it repeats \(describe(view.axes)): \(Self.repeating)")
      }
      grows = true
    }
    var result = view
    result.axes = padded
    if grows { result.axes[result.axes.count - 1] = [] }
    try set(node, result)
  }

  /// Whether two sizes are the same number.
  func matches(_ left: Size, _ right: Size, _ view: View) -> Bool {
    if left == right { return true }
    guard let a = known(left, view), let b = known(right, view) else { return false }
    return a == b
  }

  mutating func importReshape(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let allowZero = try attributes.int("allowzero", default: 0) != 0
    let attributeShape = opset < 5 ? try attributes.ints("shape") : nil
    try attributes.finish()
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
        target[position] = self.size(view.axes[position])
      }
    }
    guard let axes = regroup(view, target) else {
      baked = bakedSize(view, target)
      throw .notImportable(
        node: node.label, reason: "it reshapes \(describe(view.axes)) across the borders of its dimensions")
    }
    view.axes = axes.map(View.normalised)
    try set(node, view)
  }

  /// The size of a time or batch left open under which a Reshape would fit: exporters write down what they saw.
  private func bakedSize(_ view: View, _ target: [Size]) -> Assumptions? {
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
  private func regroup(_ view: View, _ target: [Size]) -> [[AxisFactor]]? {
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

  private func takeFirst(
    _ wanted: Size, _ factors: inout ArraySlice<AxisFactor>, _ view: View, more: Bool
  ) -> [AxisFactor]? {
    var axis: [AxisFactor] = []
    while !matches(size(axis), wanted, view) {
      guard let next = factors.popFirst() else { return nil }
      if matches(size(axis + [next]), wanted, view) || size(axis + [next]).known == nil {
        axis.append(next)
        continue
      }
      guard case .features(let stride, let count) = next, let product = size(axis).known,
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

  private func takeLast(_ wanted: Size, _ factors: inout ArraySlice<AxisFactor>, _ view: View)
    -> [AxisFactor]?
  {
    var axis: [AxisFactor] = []
    while !matches(size(axis), wanted, view) {
      guard let next = factors.popLast() else { return nil }
      if matches(size([next] + axis), wanted, view) || size([next] + axis).known == nil {
        axis.insert(next, at: 0)
        continue
      }
      guard case .features(let stride, let count) = next, let product = size(axis).known,
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
}
