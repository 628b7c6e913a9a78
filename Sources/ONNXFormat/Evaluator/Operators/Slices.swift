internal import ReferenceMath
internal import Tensors

/// Operators that cut and join along axes.
extension Evaluation {
  static var sliceOperators: [String: Operation] {
    [
      "Slice": slice, "Split": split, "Concat": concat, "Pad": pad, "ReverseSequence": reverseSequence,
      "Trilu": trilu, "CenterCropPad": centerCropPad,
    ]
  }

  /// Slice: attributes before opset 10, inputs (and steps) since.
  private static func slice(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    let starts = try call.list("starts", orInput: 1)
    let ends = try call.list("ends", orInput: 2)
    let given = call.opset < 10 ? call.ints("axes") : call.has(3) ? try call.list(3) : nil
    let axes = try call.axes(given ?? Array(starts.indices), rank: value.rank)
    let steps = call.has(4) ? try call.list(4) : [Int](repeating: 1, count: starts.count)
    guard starts.count == ends.count, axes.count == starts.count, steps.count == starts.count else {
      throw call.invalid("starts, ends, axes and steps differ in number")
    }
    var shape = value.shape
    var strides = rowMajorStrides(value.shape)
    var offset = 0
    for (position, axis) in axes.enumerated() {
      let size = value.shape[axis]
      let step = steps[position]
      guard step != 0, step != .min else { throw call.invalid("a step of \(step)") }
      // Python's slices: from the end where negative, then held inside; a backward one may end at −1.
      func clamped(_ index: Int, _ low: Int, _ high: Int) -> Int {
        min(max(index < 0 ? index + size : index, low), high)
      }
      let start = clamped(starts[position], 0, step > 0 ? size : size - 1)
      let end = step > 0 ? clamped(ends[position], 0, size) : clamped(ends[position], -1, size - 1)
      let span = step > 0 ? end - start : start - end
      let count = size == 0 || span <= 0 ? 0 : (span - 1) / abs(step) + 1
      shape[axis] = count
      if count > 0 { offset += start * strides[axis] }
      // A single element is never stepped from.
      strides[axis] = count > 1 ? strides[axis] * step : 0
    }
    return [value.strided(shape: shape, strides: strides, offset: offset)]
  }

  /// Split: by the sizes given (attribute before opset 13), or into equal parts (the last one smaller since 18).
  private static func split(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    let axis = try call.axisAttribute(rank: value.rank)
    let size = value.shape[axis]
    let sizes: [Int]
    if call.has(1) || call.ints("split") != nil {
      let given = try call.list("split", orInput: 1)
      guard call.int("num_outputs") == nil else {
        throw call.unsupported("num_outputs", "input 'split' is given too")
      }
      sizes = given
      var left = size
      for part in given {
        guard part >= 0, part <= left else { throw call.invalid("split \(given) of an axis of size \(size)") }
        left -= part
      }
      guard left == 0 else { throw call.invalid("split \(given) of an axis of size \(size)") }
    } else {
      let parts = call.int("num_outputs") ?? call.step.outputs.count
      guard parts > 0, parts == call.step.outputs.count else {
        throw call.invalid("\(parts) parts for \(call.step.outputs.count) outputs")
      }
      let chunk = size / parts + (size % parts == 0 ? 0 : 1)
      guard size % parts == 0 || call.opset >= 18, chunk * (parts - 1) <= size else {
        throw call.invalid("an axis of size \(size) cannot be split into \(parts) parts")
      }
      sizes = (0..<parts).map { min(chunk, size - $0 * chunk) }
    }
    guard sizes.count == call.step.outputs.count else {
      throw call.invalid("\(sizes.count) parts for \(call.step.outputs.count) outputs")
    }
    var start = 0
    var parts: [Value<S>?] = []
    for count in sizes {
      parts.append(value.sliced(axis: axis, start: start, count: count))
      start += count
    }
    return parts
  }

  private static func concat(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let values = try call.variadic()
    return [try call.joined(values, axis: try call.axisAttribute(rank: values[0].rank))]
  }

  /// Pad: constant, reflect, edge, or wrap; negative pads cut.
  private static func pad(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    let given = try call.list("pads", orInput: 1)
    let axes = call.has(3) ? try call.axes(call.list(3), rank: value.rank) : Array(value.shape.indices)
    guard given.count == 2 * axes.count else {
      throw call.invalid("\(given.count) pads for \(axes.count) axes: two an axis are needed")
    }
    var (before, cut) = ([Int](repeating: 0, count: value.rank), [Int](repeating: 0, count: value.rank))
    var kept = value.shape
    var shape = value.shape
    for (position, axis) in axes.enumerated() {
      let (start, end) = (given[position], given[position + axes.count])
      guard max(start.magnitude, end.magnitude) <= Int32.max else {
        throw call.invalid("a pad of \(start) or \(end)")
      }
      // Places are taken away first; what is added is made of those that are left.
      cut[axis] = -min(start, 0)
      kept[axis] += min(start, 0) + min(end, 0)
      guard kept[axis] >= 0 else {
        throw call.invalid(
          "pads of \(start) and \(end) take away more than the \(value.shape[axis]) there are")
      }
      before[axis] = max(start, 0)
      shape[axis] += start + end
    }
    try call.checked(shape)
    let mode = call.string("mode") ?? "constant"
    guard ["constant", "reflect", "edge", "wrap"].contains(mode), mode != "wrap" || call.opset >= 19 else {
      throw call.unsupported("mode", "'\(mode)' is not a mode of opset \(call.opset)")
    }
    /// Where the element of an axis comes from; nil for the constant.
    func source(_ index: Int, _ axis: Int) throws(ONNXError) -> Int? {
      let size = kept[axis]
      let position = index - before[axis]
      if position >= 0 && position < size { return position + cut[axis] }
      if mode == "constant" { return nil }
      guard size > 0 else { throw call.invalid("mode \(mode) of an empty axis") }
      switch mode {
      case "edge": return min(max(position, 0), size - 1) + cut[axis]
      case "wrap": return ((position % size) + size) % size + cut[axis]
      default:
        if size == 1 { return cut[axis] }
        let period = 2 * (size - 1)
        let folded = ((position % period) + period) % period
        return min(folded, period - folded) + cut[axis]
      }
    }
    var sources: [[Int?]] = []
    for axis in shape.indices {
      var list: [Int?] = []
      for index in 0..<shape[axis] { list.append(try source(index, axis)) }
      sources.append(list)
    }
    // The constant is put behind the elements, at position `count`.
    let own = rowMajorStrides(value.shape)
    let filled = try value.appending(fill(call, value))
    let positions = everyIndex(shape) { index in
      var position = 0
      for axis in index.indices {
        guard let source = sources[axis][index[axis]] else { return value.count }
        position += source * own[axis]
      }
      return position
    }
    return [filled.picked(positions, shape: shape)]
  }

  private static func fill(_ call: Call<S>, _ value: Value<S>) throws(ONNXError) -> Value<S> {
    if call.has(2) {
      let fill = try call.value(2)
      guard fill.elementType == value.elementType else { throw call.wrongType(2, fill.elementType) }
      guard fill.count == 1 else { throw call.mismatch(2, expected: "[]", found: fill.shape) }
      return fill.reshaped([1])
    }
    switch value {
    case .float(_, let type): return .float(NDArray(repeating: call.real("value") ?? 0, shape: [1]), type)
    case .integer(_, let type): return .integer(NDArray(repeating: 0, shape: [1]), type)
    }
  }

  /// The first `sequence_lens[b]` elements of the time axis backward, the rest as they are.
  private static func reverseSequence(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    let (time, batch) = (call.int("time_axis") ?? 0, call.int("batch_axis") ?? 1)
    guard value.rank >= 2, (time, batch) == (0, 1) || (time, batch) == (1, 0) else {
      throw call.invalid("time_axis \(time) and batch_axis \(batch) of a tensor of rank \(value.rank)")
    }
    let lengths = try call.list(1)
    let (T, B) = (value.shape[time], value.shape[batch])
    guard lengths.count == B else { throw call.mismatch(1, expected: "[\(B)]", found: [lengths.count]) }
    guard lengths.allSatisfy({ $0 >= 0 && $0 <= T }) else {
      throw call.invalid("sequence_lens \(lengths.prefix(8)) must lie between 0 and \(T)")
    }
    let own = rowMajorStrides(value.shape)
    let positions = everyIndex(value.shape) { index in
      var source = index
      let length = lengths[index[batch]]
      if index[time] < length { source[time] = length - 1 - index[time] }
      return zip(source, own).reduce(0) { $0 + $1.0 * $1.1 }
    }
    return [value.picked(positions, shape: value.shape)]
  }

  /// Cuts or pads axes to the sizes given, in the middle; half of an odd number is rounded down in front.
  private static func centerCropPad(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (value, sizes) = (try call.value(0), try call.list(1))
    let axes = try call.axes(call.ints("axes") ?? Array(value.shape.indices), rank: value.rank)
    guard sizes.count == axes.count else {
      throw call.mismatch(1, expected: "[\(axes.count)]", found: [sizes.count])
    }
    var shape = value.shape
    for (axis, size) in zip(axes, sizes) { shape[axis] = size }
    try call.checked(shape)
    let before = zip(shape, value.shape).map { ($0 - $1) / 2 }
    let own = rowMajorStrides(value.shape)
    let filled = try value.appending(fill(call.keeping(1), value))
    let positions = everyIndex(shape) { index in
      var position = 0
      for axis in index.indices {
        let source = index[axis] - before[axis]
        guard source >= 0, source < value.shape[axis] else { return value.count }
        position += source * own[axis]
      }
      return position
    }
    return [filled.picked(positions, shape: shape)]
  }

  /// Keeps the upper or lower triangle of the last two axes, k diagonals away.
  private static func trilu(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    guard value.rank >= 2 else {
      throw call.mismatch(0, expected: "[..., rows, columns]", found: value.shape)
    }
    let k = call.has(1) ? try call.scalar(1) : 0
    let upper = try call.flag("upper")
    let columns = value.shape[value.rank - 1]
    let rows = value.shape[value.rank - 2]
    let filled = try value.appending(fill(call.keeping(1), value))
    let positions = (0..<value.count).map { position in
      let (row, column) = (position / columns % rows, position % columns)
      return (upper ? column - row >= k : column - row <= k) ? position : value.count
    }
    return [filled.picked(positions, shape: value.shape)]
  }

  /// `body` of every index of a shape, in row-major order.
  static func everyIndex(_ shape: [Int], _ body: ([Int]) -> Int) -> [Int] {
    let total = shape.reduce(1, *)
    var results: [Int] = []
    results.reserveCapacity(total)
    var index = [Int](repeating: 0, count: shape.count)
    for _ in 0..<total {
      results.append(body(index))
      var axis = shape.count - 1
      while axis >= 0 {
        index[axis] += 1
        if index[axis] < shape[axis] { break }
        index[axis] = 0
        axis -= 1
      }
    }
    return results
  }
}

extension Call {
  /// Values of one type and of equal sizes on every other axis, one after another along `axis`.
  func joined(_ values: [Value<S>], axis: Int) throws(ONNXError) -> Value<S> {
    let first = values[0].shape
    var total = first
    total[axis] = 0
    for (position, value) in values.enumerated() {
      guard value.rank == first.count,
        first.indices.allSatisfy({ $0 == axis || value.shape[$0] == first[$0] })
      else {
        throw mismatch(
          position, expected: "that of the first input, \(first), but for axis \(axis)", found: value.shape)
      }
      total[axis] += value.shape[axis]
    }
    try checked(total)
    // Where another axis is empty there is nothing to join.
    if total.contains(0) { return values[0].picked([], shape: total) }
    return Value.concatenated(values, axis: axis)
  }

  /// The call with its first inputs alone.
  func keeping(_ count: Int) -> Call {
    Call(step: step, inputs: Array(inputs.prefix(count)), evaluation: evaluation, scope: scope)
  }
}

extension Value {
  /// The elements in one row, with those of `other` (of the same kind) behind.
  func appending(_ other: Value) -> Value {
    Value.concatenated([reshaped([count]), other.reshaped([other.count])], axis: 0)
  }
}
