internal import ByteIO
internal import Recurrent
internal import Tensors

/// Operators that pick, split, join or reduce along an axis.
extension ONNXImporter {
  mutating func importGather(_ node: ONNXNode) throws(ONNXError) {
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
      guard let first = picks.first, picks == Array(first..<(first + picks.count)) else {
        throw .notImportable(node: node.label, reason: "its indices \(picks) are not a range")
      }
      try pick(node, view, axis, start: first, count: picks.count, keepsAxis: true)
    }
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
      value: name, kind: kind, axes: ids.axes + [View.features(features)], timeSize: ids.timeSize)
    set(name, .view(view), type(node))
  }

  mutating func importSlice(_ node: ONNXNode) throws(ONNXError) {
    let view = try view(node, 0)
    let slices = try sliceRanges(node, rank: view.axes.count)
    // Only one axis may really be cut.
    var cut: (axis: Int, start: Int, count: Int)?
    for slice in slices {
      // [::-1] along time: all of it, backwards.
      if slice.step == -1, slices.count == 1, view.axes[slice.axis] == [.time],
        slice.start == -1 || slice.start >= Int(Int32.max) || slice.start + 1 == view.timeSize,
        slice.end <= -Int(Int32.max) || view.timeSize.map({ slice.end < -$0 }) ?? false
      {
        return try reverse(node, view, lengths: nil)
      }
      guard slice.step == 1 else {
        throw .notImportable(node: node.label, reason: "it slices with step \(slice.step)")
      }
      guard let size = knownSize(view.axes[slice.axis], view) else {
        // An open axis: all of it, or its last step.
        if slice.start == 0, slice.end >= Int(Int32.max) { continue }
        if view.axes[slice.axis] == [.time], slice.end >= Int(Int32.max) || slice.end == 0, slice.start == -1
        {
          cut = (slice.axis, -1, 1)
          continue
        }
        if view.axes[slice.axis] == [.time], slice.start >= 0, slice.end == slice.start + 1 {
          cut = (slice.axis, slice.start, 1)
          continue
        }
        throw .notImportable(
          node: node.label, reason: "it cuts axis \(slice.axis) of \(describe(view.axes)), whose size is open"
        )
      }
      let start = min(max(slice.start < 0 ? slice.start + size : slice.start, 0), size)
      let end = min(max(slice.end < 0 ? slice.end + size : slice.end, 0), size)
      guard start < end else { throw .invalid(node: node.label, reason: "it cuts nothing out") }
      if start == 0, end == size { continue }
      guard cut == nil else { throw .notImportable(node: node.label, reason: "it cuts two axes at once") }
      cut = (slice.axis, start, end - start)
    }
    guard let cut else { return try set(node, view) }
    try pick(node, view, cut.axis, start: cut.start, count: cut.count, keepsAxis: true)
  }

  /// starts, ends, axes and steps: attributes before opset 10, inputs since.
  func sliceRanges(
    _ node: ONNXNode, rank: Int
  ) throws(ONNXError) -> [(axis: Int, start: Int, end: Int, step: Int)] {
    var attributes = AttributeReader(node)
    let starts: [Int]
    let ends: [Int]
    var axes: [Int]?
    var steps: [Int]?
    if opset < 10 {
      guard let s = try attributes.ints("starts"), let e = try attributes.ints("ends") else {
        throw .missingAttribute(node: node.label, attribute: "starts")
      }
      (starts, ends) = (s, e)
      axes = try attributes.ints("axes")
    } else {
      starts = try integers(node, 1, "starts")
      ends = try integers(node, 2, "ends")
      if has(node, 3) { axes = try integers(node, 3, "axes") }
      if has(node, 4) { steps = try integers(node, 4, "steps") }
    }
    try attributes.finish()
    let list = axes ?? Array(0..<starts.count)
    guard ends.count == starts.count, list.count == starts.count, steps?.count ?? starts.count == starts.count
    else {
      throw .invalid(node: node.label, reason: "starts, ends, axes and steps differ in length")
    }
    var result: [(axis: Int, start: Int, end: Int, step: Int)] = []
    for position in starts.indices {
      let axis = try axis(list[position], rank: rank, node)
      result.append((axis, starts[position], ends[position], steps?[position] ?? 1))
    }
    return result
  }

  mutating func importSplit(_ node: ONNXNode) throws(ONNXError) {
    let view = try view(node, 0)
    let (axis, parts) = try splitParts(node, rank: view.axes.count) { knownSize(view.axes[$0], view) }
    var start = 0
    for (output, count) in zip(node.outputs, parts) {
      if !output.isEmpty, uses[output] != nil {
        var single = node
        single.outputs = [output]
        single.name = node.name.isEmpty ? "" : "\(node.name)_\(start)"
        try pick(single, view, axis, start: start, count: count, keepsAxis: true)
      }
      start += count
    }
  }

  /// The axis and the sizes of the parts: attribute before opset 13, input since, equal parts otherwise.
  func splitParts(
    _ node: ONNXNode, rank: Int, size: (Int) -> Int?
  ) throws(ONNXError) -> (axis: Int, parts: [Int]) {
    var attributes = AttributeReader(node)
    let axis = try axis(try attributes.int("axis", default: 0), rank: rank, node)
    var parts = opset < 13 ? try attributes.ints("split") : nil
    _ = opset >= 18 ? try attributes.int("num_outputs") : nil
    try attributes.finish()
    if opset >= 13, has(node, 1) { parts = try integers(node, 1, "split") }
    guard let total = size(axis) else {
      throw .notImportable(node: node.label, reason: "it splits axis \(axis), whose size is open")
    }
    let count = node.outputs.count
    guard count > 0 else { throw .invalid(node: node.label, reason: "it has no output") }
    let even = (total + count - 1) / count
    let list = parts ?? (0..<count).map { min(even, max(0, total - $0 * even)) }
    guard list.count == count, list.allSatisfy({ $0 >= 0 && $0 <= total }), list.reduce(0, +) == total else {
      throw .invalid(node: node.label, reason: "parts \(list) of an axis of \(total)")
    }
    return (axis, list)
  }

  /// `start ..< start + count` along an axis: a step of the sequence, or neighbouring features.
  private mutating func pick(
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

  mutating func importConcat(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis")
    try attributes.finish()
    guard let wanted else { throw .missingAttribute(node: node.label, attribute: "axis") }
    let views = try node.inputs.indices.map { (position) throws(ONNXError) in try featureView(node, position)
    }
    guard let first = views.first else { throw .missingInput(node: node.label, input: "0") }
    let axis = try axis(wanted, rank: first.axes.count, node)
    guard first.axes[axis].allSatisfy({ if case .features = $0 { true } else { false } }) else {
      throw .notImportable(
        node: node.label,
        reason: first.axes[axis] != [.time]
          ? "it joins axis \(axis) of \(describe(first.axes))"
          : hasRecurrence
            ? "it joins sequences one after another along time, which has no place in the canonical model"
            : "it joins time steps one by one: the recurrence is written out\(writtenOutAdvice)")
    }
    if first.axes[axis].isEmpty, !first.kind.hasTime, views.count > 1, views.allSatisfy({ $0 == first }) {
      throw .notImportable(node: node.label, reason: "it repeats \(describe(first.axes)): \(Self.repeating)")
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
            reason: Set(views.map(\.value)).count == 1
              ? "it repeats \(describe(first.axes)): \(Self.repeating)"
              : "it joins values that are made one by one: a recurrence written out step by step\(writtenOutAdvice)"
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
    try set(node, View(value: name, kind: first.kind.with(features: features), axes: axes, timeSize: time))
  }

  /// ReverseSequence: all steps backwards, or the valid ones of each row.
  mutating func importReverse(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let batchAxis = try attributes.int("batch_axis", default: 1)
    let timeAxis = try attributes.int("time_axis", default: 0)
    try attributes.finish()
    let view = try view(node, 0)
    guard view.axes.indices.contains(batchAxis), view.axes.indices.contains(timeAxis),
      view.axes[batchAxis] == [.batch], view.axes[timeAxis] == [.time]
    else {
      throw .notImportable(
        node: node.label,
        reason: "it reverses axis \(timeAxis) of \(describe(view.axes)) by rows of axis \(batchAxis)")
    }
    switch try value(node, 1) {
    case .view(let lengths)
    where lengths.kind == .indices && lengths.offset == 0 && lengths.axes == [[.batch]]:
      try reverse(node, view, lengths: lengths.value)
    case .sizes(let sizes, _)
    where sizes.allSatisfy({ $0 == .time || known($0, view) == view.timeSize && view.timeSize != nil }):
      try reverse(node, view, lengths: nil)
    case .constant(let tensor):
      guard let time = view.timeSize, let numbers = try? tensor.integers(),
        numbers.allSatisfy({ $0 == Int64(time) })
      else { fallthrough }
      try reverse(node, view, lengths: nil)
    default:
      throw .notImportable(
        node: node.label, reason: "its sequence_lens are neither an input [B] nor all steps")
    }
  }

  private mutating func reverse(_ node: ONNXNode, _ view: View, lengths: String?) throws(ONNXError) {
    var result = view
    result.value = add(
      .reverse, node, inputs: [view.value] + (lengths.map { [$0] } ?? []), output: try output(node))
    try set(node, result)
  }

  mutating func importReduction(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let keeps = try attributes.int("keepdims", default: 1) != 0
    var given = opset < 18 ? try attributes.ints("axes") : nil
    if opset >= 18 { _ = try attributes.int("noop_with_empty_axes") }
    try attributes.finish()
    if opset >= 18, has(node, 1) { given = try integers(node, 1, "axes") }
    let view = try featureView(node, 0)
    let axes = try (given ?? []).map { (axis) throws(ONNXError) in
      try self.axis(axis, rank: view.axes.count, node)
    }
    guard axes.count == 1, view.axes[axes[0]] == [.time] else {
      throw .notImportable(
        node: node.label,
        reason: "it reduces axes \(axes) of \(describe(view.axes)); only time can be reduced")
    }
    var rest = view.axes
    if keeps { rest[axes[0]] = [] } else { rest.remove(at: axes[0]) }
    let selection: Selection = node.operation == "ReduceMean" ? .mean : .max
    let name = add(.select(selection), node, inputs: [view.value], output: try output(node))
    try set(node, View(value: name, kind: .vector(features: view.kind.features), axes: rest))
  }

  mutating func importArgMax(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: 0)
    let keeps = try attributes.int("keepdims", default: 1) != 0
    let last = try attributes.int("select_last_index", default: 0) != 0
    try attributes.finish()
    let view = try featureView(node, 0)
    let axis = try axis(wanted, rank: view.axes.count, node)
    guard !last, view.axes[axis] == View.features(view.kind.features) else {
      throw .notImportable(
        node: node.label, reason: "only the first largest of the features can be selected")
    }
    var axes = view.axes
    if keeps { axes[axis] = [] } else { axes.remove(at: axis) }
    let name = add(.argMax, node, inputs: [view.value], output: try output(node))
    let kind: ValueKind = view.kind.hasTime ? .tokens : .indices
    set(name, .view(View(value: name, kind: kind, axes: axes, timeSize: view.timeSize)), .int64)
  }

  /// Each row's last valid step: GatherElements along time with `lengths − 1` repeated over the features.
  mutating func importGatherElements(_ node: ONNXNode) throws(ONNXError) {
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
}
