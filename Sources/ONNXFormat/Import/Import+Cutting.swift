internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXImporter {
  /// `start ..< start + count` along an axis: a step of the sequence, or neighbouring features.
  mutating func pick(
    _ node: ONNXNode, _ view: View, _ axis: Int, start: Int, count: Int, keepsAxis: Bool
  ) throws(ONNXError) {
    guard count > 0 else { throw .invalid(node: node.label, reason: "it cuts nothing out") }
    var axes = view.axes
    let name = try output(node)
    let factors = axes[axis]
    if keepsAxis { axes[axis] = [] } else { axes.remove(at: axis) }
    if factors == [.time] {
      if count == view.timeSize, keepsAxis { return try set(node, view) }
      guard count == 1 else {
        throw .notImportable(
          node: node.label, reason: "it keeps \(count) of the steps; only one step, or all, can be selected")
      }
      if let time = view.timeSize {
        guard (-time..<time).contains(start) else {
          throw .invalid(node: node.label, reason: "step \(start) of \(time)")
        }
      }
      // The last of a known number of steps and "the last" are the same model: say it the general way.
      let step = view.timeSize.map { start == $0 - 1 ? -1 : start } ?? start
      _ = add(.select(.step(step)), node, inputs: [view.value], output: name)
      let kind: ValueKind = view.kind.isInteger ? .indices : .vector(features: view.kind.features)
      return try set(node, View(value: name, kind: kind, axes: axes))
    }
    guard let size = knownSize(factors, view), (-size..<size).contains(start) else {
      throw .invalid(node: node.label, reason: "index \(start) of axis \(axis) in \(describe(view.axes))")
    }
    let first = start < 0 ? start + size : start
    guard first + count <= size else {
      throw .invalid(node: node.label, reason: "indices \(first) to \(first + count) of \(size)")
    }
    if factors.isEmpty {
      var same = view
      same.axes = keepsAxis ? view.axes : axes
      return try set(node, same)
    }
    // The axis must be the major part of the features, so that what is kept is contiguous.
    guard case .features(let stride, let total)? = factors.first, factors.count == 1,
      stride * total == view.kind.features
    else {
      throw .notImportable(
        node: node.label,
        reason: "it cuts axis \(axis) of \(describe(view.axes)), which is not a run of features")
    }
    if keepsAxis { axes[axis] = [.features(stride: stride, count: count)] }
    _ = add(.slice(start: first * stride, count: count * stride), node, inputs: [view.value], output: name)
    try set(
      node,
      View(value: name, kind: view.kind.with(features: count * stride), axes: axes, timeSize: view.timeSize))
  }
}
