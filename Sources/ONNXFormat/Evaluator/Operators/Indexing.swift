internal import ReferenceMath
internal import Tensors

/// Operators that pick or place elements by indices given as tensors. An index outside its axis is an error.
extension Evaluation {
  static var indexOperators: [String: Operation] {
    [
      "Gather": gather, "GatherElements": gatherElements, "GatherND": gatherND,
      "ScatterElements": scatterElements, "Scatter": scatterElements, "ScatterND": scatterND,
      "NonZero": nonZero, "OneHot": oneHot, "Compress": compress,
    ]
  }

  /// An index that may count from the end, as one from the start.
  private static func index(_ index: Int64, size: Int, _ call: Call<S>) throws(ONNXError) -> Int {
    guard index >= -Int64(size), index < Int64(size) else {
      throw call.invalid("index \(index) of an axis of size \(size)")
    }
    return Int(index) + (index < 0 ? size : 0)
  }

  private static func indices(_ position: Int, _ call: Call<S>) throws(ONNXError) -> NDArray<Int64> {
    let (array, type) = try call.integer(position)
    guard type == .int64 || type == .int32 else { throw call.wrongType(position, type) }
    return array
  }

  /// out[..., indices..., ...] = data[..., index, ...]
  private static func gather(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let data = try call.operand(0)
    let axis = try call.axisAttribute(rank: data.shape.count)
    let indices = try indices(1, call)
    let shape = try call.checked(Array(data.shape[..<axis]) + indices.shape + data.shape[(axis + 1)...])
    let outer = data.shape[..<axis].reduce(1, *)
    let inner = data.shape[(axis + 1)...].reduce(1, *)
    let size = data.shape[axis]
    var rows: [Int] = []
    for element in indices.elements { rows.append(try index(element, size: size, call)) }
    // Of an embedding's table these rows alone.
    if case .weight(let weight) = data, axis == 0 {
      let elements = rows.flatMap { S.values(of: weight.tensor.rows($0..<($0 + 1))) }
      return [.float(NDArray(shape: shape, elements: elements), data.elementType)]
    }
    var positions: [Int] = []
    positions.reserveCapacity(shape.reduce(1, *))
    for block in 0..<outer {
      for row in rows {
        let start = (block * size + row) * inner
        positions.append(contentsOf: start..<(start + inner))
      }
    }
    return [data.value.picked(positions, shape: shape)]
  }

  /// Positions in `shape` of the elements that `indices`, of the same rank, name along `axis`.
  private static func elementPositions(
    _ indices: NDArray<Int64>, axis: Int, in shape: [Int], _ call: Call<S>
  ) throws(ONNXError) -> [Int] {
    guard indices.rank == shape.count,
      indices.shape.indices.allSatisfy({ $0 == axis || indices.shape[$0] <= shape[$0] })
    else {
      throw call.mismatch(1, expected: "one inside \(shape), but for axis \(axis)", found: indices.shape)
    }
    let own = rowMajorStrides(shape)
    var along: [Int] = []
    for element in indices.elements { along.append(try index(element, size: shape[axis], call)) }
    var next = 0
    return everyIndex(indices.shape) { place in
      var position = along[next] * own[axis]
      next += 1
      for other in place.indices where other != axis { position += place[other] * own[other] }
      return position
    }
  }

  /// out[i][j] = data[index[i][j]][j] for axis 0
  private static func gatherElements(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let data = try call.value(0)
    let indices = try indices(1, call)
    let axis = try call.axisAttribute(rank: data.rank)
    return [
      data.picked(try elementPositions(indices, axis: axis, in: data.shape, call), shape: indices.shape)
    ]
  }

  /// Where in `shape` each index tuple (the last axis of `indices`) points, `batch` leading axes being shared.
  private static func tuplePositions(
    _ indices: NDArray<Int64>, in shape: [Int], batch: Int, _ call: Call<S>
  ) throws(ONNXError) -> (starts: [Int], inner: Int, depth: Int) {
    guard let depth = indices.shape.last, batch >= 0, batch < min(indices.rank, max(shape.count, 1)),
      batch + depth <= shape.count, indices.shape[..<batch] == shape[..<batch]
    else {
      throw call.mismatch(1, expected: "tuples of at most \(shape.count) indices", found: indices.shape)
    }
    let own = rowMajorStrides(shape)
    let inner = shape[(batch + depth)...].reduce(1, *)
    let tuples = indices.shape.dropLast().reduce(1, *)
    let batches = indices.shape[..<batch].reduce(1, *)
    var starts: [Int] = []
    for tuple in 0..<tuples {
      let block = tuple / max(tuples / max(batches, 1), 1)
      var start = block * shape[batch...].reduce(1, *)
      for place in 0..<depth {
        let axis = batch + place
        start += try index(indices.elements[tuple * depth + place], size: shape[axis], call) * own[axis]
      }
      starts.append(start)
    }
    return (starts, inner, depth)
  }

  private static func gatherND(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (data, indices) = (try call.value(0), try indices(1, call))
    let batch = call.int("batch_dims") ?? 0
    let (starts, inner, depth) = try tuplePositions(indices, in: data.shape, batch: batch, call)
    let shape = try call.checked(indices.shape.dropLast() + data.shape[(batch + depth)...])
    return [data.picked(starts.flatMap { $0..<($0 + inner) }, shape: shape)]
  }

  private static func scatterElements(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (data, indices, updates) = (try call.value(0), try indices(1, call), try call.value(2))
    let axis = try call.axisAttribute(rank: data.rank)
    guard updates.shape == indices.shape else {
      throw call.mismatch(2, expected: "\(indices.shape)", found: updates.shape)
    }
    return [try scattered(data, updates, elementPositions(indices, axis: axis, in: data.shape, call), call)]
  }

  private static func scatterND(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (data, indices, updates) = (try call.value(0), try indices(1, call), try call.value(2))
    let (starts, inner, depth) = try tuplePositions(indices, in: data.shape, batch: 0, call)
    let expected = Array(indices.shape.dropLast() + data.shape[depth...])
    guard updates.shape == expected else {
      throw call.mismatch(2, expected: "\(expected)", found: updates.shape)
    }
    return [try scattered(data, updates, starts.flatMap { $0..<($0 + inner) }, call)]
  }

  /// `data` with `updates` put at `positions`, in their order, by the attribute `reduction`.
  private static func scattered(
    _ data: Value<S>, _ updates: Value<S>, _ positions: [Int], _ call: Call<S>
  ) throws(ONNXError) -> Value<S> {
    let reduction = call.string("reduction") ?? "none"
    let allowed = call.opset >= 18 ? ["none", "add", "mul", "max", "min"] : ["none", "add", "mul"]
    guard allowed.contains(reduction) else {
      throw call.unsupported("reduction", "'\(reduction)' is none of \(allowed.joined(separator: ", "))")
    }
    guard data.elementType == updates.elementType else { throw call.wrongType(2, updates.elementType) }
    func place<E>(
      _ data: NDArray<E>, _ updates: NDArray<E>, _ add: (E, E) -> E?, _ multiply: (E, E) -> E?,
      _ larger: (E, E) -> E, _ smaller: (E, E) -> E
    ) throws(ONNXError) -> NDArray<E> {
      var result = data
      for (position, update) in zip(positions, updates.elements) {
        let old = result.elements[position]
        let new: E? =
          switch reduction {
          case "add": add(old, update)
          case "mul": multiply(old, update)
          case "max": larger(old, update)
          case "min": smaller(old, update)
          default: update
          }
        guard let new else { throw call.invalid("the reduction overflows 64 bits") }
        result.elements[position] = new
      }
      return result
    }
    switch (data, updates) {
    case (.float(let a, let type), .float(let b, _)):
      return .float(try place(a, b, { $0 + $1 }, { $0 * $1 }, S.larger, S.smaller), type)
    case (.integer(let a, let type), .integer(let b, _)):
      guard type != .bool || reduction == "none" else { throw call.wrongType(0, type) }
      return try call.fitted(
        place(a, b, sum, { exact($0.multipliedReportingOverflow(by: $1)) }, { max($0, $1) }, { min($0, $1) }),
        type)
    default: throw call.wrongType(2, updates.elementType)
    }
  }

  /// The indices of the elements that are not zero, one a column.
  private static func nonZero(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    let hits: [Int] =
      switch value {
      case .float(let array, _): array.elements.indices.filter { array.elements[$0] != 0 }
      case .integer(let array, _): array.elements.indices.filter { array.elements[$0] != 0 }
      }
    let own = rowMajorStrides(value.shape)
    let shape = try call.checked([value.rank, hits.count])
    let indices = value.shape.indices.flatMap { axis in hits.map { $0 / own[axis] % value.shape[axis] } }
    return [.int64(indices, shape: shape)]
  }

  /// The slices along an axis, or without one the elements, where the condition holds.
  private static func compress(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    var (value, axis) = (try call.value(0), 0)
    if call.int("axis") == nil {
      value = value.reshaped([value.count])
    } else {
      axis = try call.axisAttribute(rank: value.rank)
    }
    let condition = try call.bool(1)
    guard condition.rank == 1 else { throw call.mismatch(1, expected: "[n]", found: condition.shape) }
    let kept = condition.elements.indices.filter { condition.elements[$0] }
    if let last = kept.last, last >= value.shape[axis] {
      throw call.invalid("the condition holds at \(last) of an axis of size \(value.shape[axis])")
    }
    let outer = value.shape[..<axis].reduce(1, *)
    let inner = value.shape[(axis + 1)...].reduce(1, *)
    var shape = value.shape
    shape[axis] = kept.count
    let positions = (0..<outer).flatMap { block in
      kept.flatMap { row in
        let start = (block * value.shape[axis] + row) * inner
        return start..<(start + inner)
      }
    }
    return [value.picked(positions, shape: shape)]
  }

  /// values[1] at the index, values[0] elsewhere; an index outside [−depth, depth) sets nothing.
  private static func oneHot(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let indices: NDArray<Int64>
    switch try call.value(0) {
    case .integer(let array, _): indices = array
    case .float(let array, _):
      indices = try array.map { (element) throws(ONNXError) in
        guard let index = element.rounded(.towardZero).whole else {
          throw call.invalid("index \(element)")
        }
        return index
      }
    }
    let depth: Int
    switch try call.value(1) {
    case .integer: depth = try call.scalar(1)
    case .float(let array, _):
      guard array.count == 1, let whole = array.elements[0].rounded(.towardZero).whole else {
        throw call.invalid("the depth is not one number")
      }
      depth = Int(whole)
    }
    let values = try call.value(2)
    guard values.shape == [2] else { throw call.mismatch(2, expected: "[2]", found: values.shape) }
    let axis = try call.axis(call.int("axis") ?? -1, rank: indices.rank + 1)
    var shape = indices.shape
    shape.insert(depth, at: axis)
    try call.checked(shape)
    let own = rowMajorStrides(indices.shape)
    let positions = everyIndex(shape) { place in
      var rest = place
      let here = rest.remove(at: axis)
      let index = indices.elements[zip(rest, own).reduce(0) { $0 + $1.0 * $1.1 }]
      return index == Int64(here) || index == Int64(here - depth) ? 1 : 0
    }
    return [values.picked(positions, shape: shape)]
  }
}
