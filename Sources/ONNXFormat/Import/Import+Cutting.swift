internal import ByteIO
internal import Recurrent
internal import Tensors

/// Which places of an axis are kept: `count` of them from `start` on, `step` apart; backwards where that is negative.
struct Cut: Equatable {
  var axis: Int
  var start: Int
  var count: Int
  var step = 1
}

extension ONNXImporter {
  /// Some places along an axis: steps of the sequence, or features. Sets the node's output.
  mutating func pick(
    _ node: ONNXNode, _ view: View, _ axis: Int, start: Int, count: Int, keepsAxis: Bool
  ) throws(ONNXError) {
    try pick(node, view, [Cut(axis: axis, start: start, count: count)], keepsAxes: keepsAxis)
  }

  /// The same along several axes, one after another.
  mutating func pick(
    _ node: ONNXNode, _ view: View, _ cuts: [Cut], keepsAxes: Bool
  ) throws(ONNXError) {
    var view = view
    let name = try output(node)
    for (position, cut) in cuts.enumerated() {
      guard cut.count > 0 else { throw .invalid(node: node.label, reason: "it cuts nothing out") }
      let isLast = position == cuts.count - 1
      let target = isLast ? name : uniqueValue("\(name)_cut")
      view =
        try view.axes[cut.axis] == [.time]
        ? steps(node, view, cut, target) : features(node, view, cut, target)
    }
    if !keepsAxes {
      let dropped = Set(cuts.map(\.axis))
      view.axes = view.axes.indices.filter { !dropped.contains($0) }.map { view.axes[$0] }
    }
    try set(node, view)
  }

  /// One step, which leaves no time, or a range of them.
  private mutating func steps(
    _ node: ONNXNode, _ view: View, _ cut: Cut, _ name: String
  ) throws(ONNXError) -> View {
    var result = view
    if cut.count == view.timeSize, cut.start == 0, cut.step == 1 { return view }
    if let time = view.timeSize, !(-time..<time).contains(cut.start) {
      throw .invalid(node: node.label, reason: "step \(cut.start) of \(time)")
    }
    if cut.count == 1 {
      // The last of a known number of steps and "the last" are the same model: say it the general way.
      let step = view.timeSize.map { cut.start == $0 - 1 ? -1 : cut.start } ?? cut.start
      result = View(
        value: name, kind: view.kind.isInteger ? .indices : .vector(features: view.kind.features),
        axes: view.axes)
      result.axes[cut.axis] = []
      result.value = add(.select(.step(step)), node, inputs: [view.value], output: name)
      return result
    }
    guard let time = view.timeSize, cut.step == 1, !view.kind.isInteger else {
      throw .notImportable(
        node: node.label,
        reason: "it keeps \(cut.count) of the steps, \(cut.step) apart; only neighbours can be kept")
    }
    let first = cut.start < 0 ? cut.start + time : cut.start
    return try cropped(node, view, cut.axis, before: first, after: time - first - cut.count, name)
  }

  /// Each `apart`-th step from `first` on: a window that sees one of them.
  mutating func everyStep(
    _ node: ONNXNode, _ view: View, _ axis: Int, from first: Int, apart: Int, _ name: String
  ) throws(ONNXError) -> View {
    guard apart <= WindowAxis.most, view.timeSize ?? .max > first else {
      throw .invalid(node: node.label, reason: "it keeps steps \(apart) apart, from \(first) on")
    }
    var source = view
    if first > 0 {
      source = try cropped(node, view, axis, before: first, after: 0, uniqueValue("\(name)_rest"))
    }
    let window = WindowAxis(size: nil, kernel: 1, stride: apart)
    var result = source
    result.value = add(.pool(Pool(.max, axes: [window])), node, inputs: [source.value], output: name)
    result.timeSize = source.timeSize.map { window.places(of: $0) }
    result.clock = source.clock.through(window)
    return result
  }

  /// Without some steps at the ends.
  mutating func cropped(
    _ node: ONNXNode, _ view: View, _ axis: Int, before: Int, after: Int, _ name: String
  ) throws(ONNXError) -> View {
    guard max(before, after) <= WindowAxis.mostAdded else {
      throw .invalid(node: node.label, reason: "it takes away \(before) and \(after) steps")
    }
    var result = view
    let padding = Padding(.constant(0), axes: [.init(size: nil, before: -before, after: -after)])
    result.value = add(.padding(padding), node, inputs: [view.value], output: name)
    result.timeSize = view.timeSize.map { $0 - before - after }
    result.clock = view.clock.padded(-before - after)
    return result
  }

  private mutating func features(
    _ node: ONNXNode, _ view: View, _ cut: Cut, _ name: String
  ) throws(ONNXError) -> View {
    let factors = view.axes[cut.axis]
    guard let size = knownSize(factors, view), (-size..<size).contains(cut.start) else {
      throw .invalid(
        node: node.label, reason: "index \(cut.start) of axis \(cut.axis) in \(describe(view.axes))")
    }
    let first = cut.start < 0 ? cut.start + size : cut.start
    guard (0..<size).contains(first + (cut.count - 1) * cut.step) else {
      throw .invalid(node: node.label, reason: "indices \(first) to \(first + cut.count) of \(size)")
    }
    if factors.isEmpty { return view }
    var result = view
    // Where the axis is the major part of the features, what is kept lies together.
    if case .features(let stride, let total)? = factors.first, factors.count == 1,
      stride * total == view.kind.features, cut.step == 1
    {
      if cut.count == size { return view }
      result.value = add(
        .slice(start: first * stride, count: cut.count * stride), node, inputs: [view.value], output: name)
      result.kind = view.kind.with(features: cut.count * stride)
      result.axes[cut.axis] = View.normalised([.features(stride: stride, count: cut.count)])
      return result
    }
    let source = ordered(view, node)
    guard view.places(cut.axis) == size, !view.kind.isInteger,
      case .features(let inner, _)? = source.axes[cut.axis].first
    else {
      throw .notImportable(node: node.label, reason: "it cuts axis \(cut.axis) of \(describe(view.axes))")
    }
    let gather = FeatureGather(
      start: first * inner,
      [
        .init(count: source.kind.features / (size * inner), stride: size * inner),
        .init(count: cut.count, stride: cut.step * inner), .init(count: inner, stride: 1),
      ])
    let value = add(
      gather.isRun
        ? .slice(start: gather.start, count: gather.factors[0].count) : .gather(gather), node,
      inputs: [source.value], output: name)
    return source.with(cut.count, places: cut.axis, value: value)
  }
}
