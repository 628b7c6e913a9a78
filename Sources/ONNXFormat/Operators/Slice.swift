internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let slice = ONNXOperator(
    "Slice", trace: { $0.beforeSlice($1, $2) },
    fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldSlice(node, tensors) },
    onSizes: { (importer, node) throws(ONNXError) in try importer.sizesSlice(node) },
    onFilled: { (importer, node, base, shape) throws(ONNXError) in try importer.filledSlice(node, base, shape)
    }, interpret: { (importer, node) throws(ONNXError) in try importer.importSlice(node) })
}

extension ONNXImporter {
  fileprivate mutating func importSlice(_ node: ONNXNode) throws(ONNXError) {
    let view = try view(node, 0)
    let slices = try sliceRanges(node, rank: view.axes.count)
    var cuts: [Cut] = []
    for slice in slices {
      let isTime = view.axes[slice.axis] == [.time]
      // [::-1] along time: all of it, backwards.
      if slice.step == -1, slices.count == 1, isTime,
        slice.start == -1 || slice.start >= Int(Int32.max) || slice.start + 1 == view.timeSize,
        slice.end <= -Int(Int32.max) || view.timeSize.map({ slice.end < -$0 }) ?? false
      {
        return try reverse(node, view, lengths: nil)
      }
      guard let size = knownSize(view.axes[slice.axis], view) else {
        // An open axis: all of it, one step, or all but some at its ends.
        if slice.start == 0, slice.end >= Int(Int32.max), slice.step == 1 { continue }
        // An end of 0 is before the first place, and no other name of the axis' end.
        guard slice.step <= 0 || slice.end != 0 else {
          throw .invalid(node: node.label, reason: "it cuts nothing out")
        }
        let reachesEnd = slice.end >= Int(Int32.max)
        if isTime, slice.step > 1, slice.start >= 0, reachesEnd, slices.count == 1, !view.kind.isInteger {
          return try set(
            node, everyStep(node, view, slice.axis, from: slice.start, apart: slice.step, output(node)))
        }
        if isTime, slice.step == 1, reachesEnd, slice.start == -1 {
          cuts.append(Cut(axis: slice.axis, start: -1, count: 1))
          continue
        }
        if isTime, slice.step == 1, slice.start >= 0, slice.end == slice.start + 1 {
          cuts.append(Cut(axis: slice.axis, start: slice.start, count: 1))
          continue
        }
        if isTime, slice.step == 1, slices.count == 1, !view.kind.isInteger, slice.start >= 0,
          reachesEnd || slice.end < 0
        {
          let cropped = try cropped(
            node, view, slice.axis, before: slice.start, after: reachesEnd ? 0 : -slice.end, output(node))
          return try set(node, cropped)
        }
        if isTime, slice.step == 1, slices.count == 1, !view.kind.isInteger,
          let some = Self.someSteps(slice.start, reachesEnd ? nil : slice.end)
        {
          return try set(node, endSteps(node, view, slice.axis, some))
        }
        throw .notImportable(
          node: node.label, reason: "it cuts axis \(slice.axis) of \(describe(view.axes)), whose size is open"
        )
      }
      guard slice.step != 0, slice.step > 0 || !isTime else {
        throw .notImportable(node: node.label, reason: "it slices with step \(slice.step)")
      }
      // Backwards the first index is the last place at most, and the end may lie before the first.
      let (low, high) = slice.step > 0 ? (0, size) : (-1, size - 1)
      let start = min(max(slice.start < 0 ? slice.start + size : slice.start, max(low, 0)), high)
      let end = min(max(slice.end < 0 ? slice.end + size : slice.end, low), high)
      let distance = slice.step > 0 ? end - start : start - end
      guard distance > 0 else { throw .invalid(node: node.label, reason: "it cuts nothing out") }
      let count = (distance - 1) / abs(slice.step) + 1
      if start == 0, count == size, slice.step == 1 { continue }
      cuts.append(Cut(axis: slice.axis, start: start, count: count, step: count == 1 ? 1 : slice.step))
    }
    if cuts.isEmpty { return try set(node, view) }
    // Steps apart, to the end.
    if cuts.count == 1, let cut = cuts.first, cut.step > 1, view.axes[cut.axis] == [.time],
      !view.kind.isInteger,
      let size = view.timeSize, cut.start + cut.count * cut.step >= size
    {
      return try set(
        node, everyStep(node, view, cut.axis, from: cut.start, apart: cut.step, output(node)))
    }
    try pick(node, view, cuts, keepsAxes: true)
  }

  /// So many steps at one end are taken one by one, and no more: a few bytes of a file say how many.
  private static let mostEndSteps = 64

  /// Steps counted from one end alone, from the start or (negative) from the end, to which a nil `end` reaches; nil for more than are
  /// taken.
  private static func someSteps(_ start: Int, _ end: Int?) -> Range<Int>? {
    guard let last = end ?? (start < 0 ? 0 : nil), start < last, last - start <= mostEndSteps,
      start >= 0 ? last > 0 : end.map({ $0 < 0 }) ?? true
    else { return nil }
    return start..<last
  }

  /// Some steps at one end of an open time, one after another as an axis of the features: `x[:, -k:]`. Where there are fewer than that,
  /// ONNX gives what there is, and the model stops with an error.
  private mutating func endSteps(
    _ node: ONNXNode, _ view: View, _ axis: Int, _ steps: Range<Int>
  ) throws(ONNXError) -> View {
    let features = view.kind.features
    guard let all = checkedProduct([features, steps.count]), all <= ValueKind.mostFeatures else {
      throw .invalid(node: node.label, reason: "\(steps.count) steps of \(features) features are too many")
    }
    let parts = steps.map { addBetween(.select(.step($0)), node, view.value, "step") }
    note(
      node.label, .exact,
      "steps \(steps.lowerBound) to \(steps.upperBound - 1) of an open number: there have to be as many")
    var result = View(
      value: add(.concat, node, inputs: parts, output: try output(node)), kind: .vector(features: all),
      axes: view.axes)
    result.axes[axis] = View.normalised([.features(stride: features, count: steps.count)])
    return result
  }

  /// starts, ends, axes and steps: attributes before opset 10, inputs since.
  fileprivate func sliceRanges(
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

  fileprivate mutating func foldSlice(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    let data = tensors[0]
    let rank = data.shape.count
    var part = data
    for slice in try sliceRanges(node, rank: rank) { part = try cut(part, slice, node) }
    return .tensor(part)
  }

  fileprivate mutating func sizesSlice(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    let (first, _) = try sizes(node, 0, "0")
    var part = first
    for slice in try sliceRanges(node, rank: 1) {
      func clamp(_ position: Int) -> Int {
        min(
          max(position < 0 ? position.addingReportingOverflow(first.count).partialValue : position, 0),
          first.count)
      }
      guard slice.step == 1 else { throw .notImportable(node: node.label, reason: "it slices with a step") }
      part = Array(first[clamp(slice.start)..<max(clamp(slice.start), clamp(slice.end))])
    }
    return .sizes(part, isScalar: false)
  }

  fileprivate mutating func filledSlice(
    _ node: ONNXNode, _ base: Tensor, _ shape: [Size]
  ) throws(ONNXError) -> ImportedValue? {
    var (part, sizes) = (base, shape)
    for slice in try sliceRanges(node, rank: shape.count) {
      guard let size = shape[slice.axis].known else {
        guard slice.start == 0, slice.end >= Int(Int32.max) else {
          throw .notImportable(node: node.label, reason: "it cuts an axis whose size is open")
        }
        continue
      }
      guard size <= 1 << 20 else {
        throw .overLimit(node: node.label, reason: "it cuts an axis of \(size)")
      }
      if part.shape[slice.axis] == size { part = try cut(part, slice, node) }
      let span = try cut(
        Tensor([Float](repeating: 0, count: size), shape: [size]),
        (0, slice.start, slice.end, slice.step), node)
      sizes[slice.axis] = .known(span.count)
    }
    return try filled(part, sizes, node)
  }
}

extension InputRoles {
  fileprivate func beforeSlice(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    var axes: [Int]
    if case .ints(let values)? = node.attributes["axes"] {
      axes = values.map { Int(bounded: $0) }
    } else {
      axes = node.inputs.count > 3 ? constant(node.inputs[3]) ?? [] : Array(demand.roles.indices)
    }
    axes = axes.map { $0 < 0 ? $0 + demand.roles.count : $0 }
    if node.inputs.count > 2, let starts = constant(node.inputs[1]), let ends = constant(node.inputs[2]),
      starts.count == axes.count, ends.count == axes.count
    {
      axes = axes.indices.filter { starts[$0] != 0 || ends[$0] < Int(Int32.max) }.map { axes[$0] }
    }
    return beforeCut(demand, node, axes)
  }
}

extension ONNXExporter {
  mutating func exportSlice(_ layer: Layer, _ slice: FeatureSlice) throws(ONNXError) {
    let (start, count) = (slice.start, slice.count)
    if let (holder, axis, stride) = stackedHolder(layer.inputs[0]!), start % stride == 0,
      count % stride == 0
    {
      let range = (start / stride)..<((start + count) / stride)
      var axes = holder.axes
      axes[axis] = [.features(stride: stride, count: range.count)]
      hold(output(layer, 0), self.slice(holder.name, axis: axis, range, as: result(layer)), axes)
      return
    }
    let holder = try endingInFeatures(layer.inputs[0]!)
    let name = self.slice(
      holder.name, axis: holder.axes.count - 1, start..<(start + count), as: result(layer))
    hold(output(layer, 0), name, holder.axes.dropLast() + [View.features(count)])
  }
}
