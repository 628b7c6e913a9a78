internal import ByteIO
internal import Recurrent
internal import Tensors

// Axes inside the features. Layers that go along one find them in the canonical order: as the view's axes follow one another, the last
// fastest.
extension View {
  /// The feature factors of all axes, in order.
  private var digits: [(stride: Int, count: Int)] {
    axes.joined().compactMap {
      if case .features(let stride, let count) = $0 { (stride, count) } else { nil }
    }
  }

  /// Whether both have as many steps, whatever the run: by their clocks, or since the source fixes both.
  func hasSteps(of other: View) -> Bool {
    clock == other.clock || timeSize != nil && timeSize == other.timeSize
  }

  /// Whether its features lie in the order of its axes.
  var isOrdered: Bool {
    axes.joined().filter { $0.isFeatures }.normalised == View.features(kind.features)
  }

  /// How many features an axis holds; nil where it holds time or batch.
  func places(_ axis: Int) -> Int? {
    axes[axis].reduce(1) { product, factor in
      if case .features(_, let count) = factor { product.map { $0 * count } } else { nil }
    }
  }

  /// What has to be picked for the order of its axes.
  fileprivate var orderingGather: FeatureGather {
    FeatureGather(digits.map { .init(count: $0.count, stride: $0.stride) })
  }

  /// The same axes over features that lie in their order.
  fileprivate func reordered(value: String) -> View {
    var result = self
    result.value = value
    // Of an axis that holds time, too, the features alone.
    var stride = 1
    for axis in axes.indices.reversed() {
      for factor in axes[axis].indices.reversed() {
        guard case .features(_, let count) = axes[axis][factor] else { continue }
        result.axes[axis][factor] = .features(stride: stride, count: count)
        stride *= count
      }
      result.axes[axis] = View.normalised(result.axes[axis])
    }
    return result
  }

  /// A value made of this one, whose features lie in the order of its axes, with `count` places along one of them.
  func with(_ count: Int, places axis: Int, value: String) -> View {
    var result = self
    var all = axes.indices.map { places($0) }
    result.value = value
    result.kind = kind.with(features: kind.features / all[axis]! * count)
    all[axis] = count
    result.axes = View.inOrder(all, like: axes)
    return result
  }

  /// Axes that hold so many features each, the last fastest; those with nil stay as they are in `axes`.
  static func inOrder(_ places: [Int?], like axes: [[AxisFactor]]) -> [[AxisFactor]] {
    var stride = 1
    var result = axes
    for (axis, count) in places.enumerated().reversed() {
      guard let count else { continue }
      result[axis] = View.normalised([.features(stride: stride, count: count)])
      stride *= count
    }
    return result
  }
}

extension ONNXImporter {
  /// A value whose features lie in the order of the view's axes: the value itself, or one made by picking them.
  mutating func ordered(_ view: View, _ node: ONNXNode) -> View {
    if view.isOrdered { return view }
    let name = addBetween(.gather(view.orderingGather), node, view.value, "ordered")
    return view.reordered(value: name)
  }

  /// Adds a layer whose output no ONNX value holds.
  mutating func addBetween(
    _ operation: Layer.Operation, _ node: ONNXNode, _ input: String, _ what: String
  ) -> String {
    add(operation, node, inputs: [input], output: uniqueValue("\(input)_\(what)"))
  }

  /// Two views of one arrangement, for an operator that works element by element; nil where they have none in common.
  ///
  /// An axis of size 1 is repeated; one of features beside one of time becomes time.
  mutating func broadcast(_ first: View, _ second: View, _ node: ONNXNode) -> (View, View)? {
    var (left, right) = (first, second)
    // Missing axes are in front, and of size 1.
    while left.axes.count < right.axes.count { left.axes.insert([], at: 0) }
    while right.axes.count < left.axes.count { right.axes.insert([], at: 0) }
    left = timed(left, like: right, node)
    right = timed(right, like: left, node)
    // One row may stand on either of two axes of size 1.
    if batchSize == 1, let own = left.axes.firstIndex(of: [.batch]),
      let other = right.axes.firstIndex(of: [.batch]),
      own != other, right.axes[own].isEmpty
    {
      right.axes.swapAt(own, other)
    }
    if left.axes == right.axes, left.kind.features == right.kind.features,
      left.hasSteps(of: right)
    {
      return (left, right)
    }
    if left.kind.hasTime, right.kind.hasTime, !left.hasSteps(of: right) { return nil }
    var target: [Int?] = []
    for axis in left.axes.indices {
      guard let m = left.places(axis), let n = right.places(axis) else {
        // Time or batch, on both sides or beside an axis of size 1.
        guard left.axes[axis] == right.axes[axis] || left.axes[axis].isEmpty || right.axes[axis].isEmpty
        else { return nil }
        target.append(nil)
        continue
      }
      guard m == n || m == 1 || n == 1 else { return nil }
      target.append(max(m, n))
    }
    let rows = zip(left.axes, right.axes).count { ($0 + $1).contains(.batch) }
    let steps = zip(left.axes, right.axes).count { ($0 + $1).contains(.time) }
    guard rows <= 1, steps <= 1 else { return nil }
    return (expanded(left, target, node), expanded(right, target, node))
  }

  /// The view with axes of size 1 repeated; nil for too many features.
  mutating func grown(_ view: View, _ places: [Int: Int], _ node: ONNXNode) -> View? {
    let target = view.axes.indices.map { places[$0] ?? view.places($0) }
    guard let total = checkedProduct(target.map { $0 ?? 1 }), total <= ValueKind.mostFeatures else {
      return nil
    }
    return expanded(view, target, node)
  }

  /// The view over features that fill `places` of each axis, those of size 1 repeated.
  private mutating func expanded(_ view: View, _ places: [Int?], _ node: ONNXNode) -> View {
    let source = ordered(view, node)
    let wanted = places.reduce(1) { $0 * ($1 ?? 1) }
    var result = source
    if wanted != source.kind.features {
      var stride = 1
      var factors: [FeatureGather.Factor] = []
      for axis in places.indices.reversed() {
        guard let count = places[axis] else { continue }
        let own = source.places(axis) ?? 1
        if count > 1 { factors.insert(.init(count: count, stride: own == 1 ? 0 : stride), at: 0) }
        stride *= own
      }
      result.value = addBetween(.gather(FeatureGather(factors)), node, source.value, "expanded")
      result.kind = source.kind.with(features: wanted)
    }
    result.axes = View.inOrder(places, like: source.axes)
    return result
  }

  /// A vector one of whose axes stands where another view has time of that size, as a sequence.
  mutating func timed(_ view: View, like other: View, _ node: ONNXNode) -> View {
    guard !view.kind.isInteger, !view.kind.hasTime, let time = other.timeSize,
      let axis = other.axes.firstIndex(of: [.time]), axis < view.axes.count, time > 1,
      view.places(axis) == time
    else { return view }
    return unfolded(view, axis, node, clock: other.clock)
  }

  /// What a recurrent operator reads: a vector one of whose axes stands in time's place becomes a sequence, and features in another order
  /// are put in theirs.
  mutating func sequence(_ view: View, timeAxis axis: Int, _ node: ONNXNode) -> View {
    guard view.axes.count == 3, !view.kind.isInteger else { return view }
    var result = view
    if !view.kind.hasTime, view.places(axis) != nil, view.places(2) != nil {
      result = unfolded(view, axis, node)
    }
    return result.places(2) == result.kind.features ? ordered(result, node) : result
  }

  /// A vector as a sequence along one of its axes.
  mutating func unfolded(_ view: View, _ axis: Int, _ node: ONNXNode, clock: Clock = Clock()) -> View {
    var source = view
    var inner = 1
    if case .features(let stride, _)? = view.axes[axis].first, view.axes[axis].count == 1 {
      inner = stride
    } else {
      source = ordered(view, node)
      if case .features(let stride, _)? = source.axes[axis].first { inner = stride }
    }
    let count = source.places(axis)!
    var result = source
    result.value = addBetween(.unfold(Unfold(count: count, inner: inner)), node, source.value, "steps")
    result.kind = .sequence(features: source.kind.features / count)
    result.timeSize = count
    result.clock = clock
    // Without the axis, digits above it lie closer.
    result.axes = source.axes.enumerated().map { position, factors in
      if position == axis { return [.time] }
      return View.normalised(
        factors.map { factor in
          guard case .features(let stride, let size) = factor, stride > inner else { return factor }
          return .features(stride: stride / count, count: size)
        })
    }
    return result
  }
}

extension ONNXImporter {
  /// The view with all its features on the last axis, in their order, as far as that can be had.
  mutating func endingInFeatures(_ view: View, _ node: ONNXNode) -> View {
    if view.endsInFeatures || view.axes.isEmpty { return view }
    let steps = view.places(view.axes.count - 1) == view.kind.features ? view : stepped(view, node) ?? view
    return steps.places(steps.axes.count - 1) == steps.kind.features ? ordered(steps, node) : steps
  }

  /// A vector with one more axis of features before its last, as a sequence along it: what works on the last axis works at each of its
  /// places. Time beside features on the last axis becomes features. Nil where neither is so.
  mutating func stepped(_ view: View, _ node: ONNXNode) -> View? {
    if view.kind.hasTime { return folded(view, node) }
    let others = view.axes.indices.dropLast().filter { view.axes[$0].contains(where: \.isFeatures) }
    guard others.count == 1, view.places(others[0]) != nil else { return nil }
    return unfolded(view, others[0], node)
  }

  /// A sequence of a known number of steps whose last axis holds time and features, as a vector.
  private mutating func folded(_ view: View, _ node: ONNXNode) -> View? {
    guard let steps = view.timeSize, let last = view.axes.last, last.contains(.time), last.count > 1,
      !last.contains(.batch)
    else { return nil }
    var result = view
    let features = view.kind.features
    result.value = addBetween(.fold(Fold(count: steps)), node, view.value, "folded")
    result.kind = .vector(features: steps * features)
    result.timeSize = nil
    result.clock = Clock()
    result.axes = view.axes.map { axis in
      View.normalised(axis.map { $0 == .time ? .features(stride: features, count: steps) : $0 })
    }
    return ordered(result, node)
  }
}
