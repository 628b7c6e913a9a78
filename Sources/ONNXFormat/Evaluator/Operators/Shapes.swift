internal import ReferenceMath
internal import Tensors

/// Operators that change or tell a shape and leave the elements as they are.
extension Evaluation {
  static var shapeOperators: [String: Operation] {
    [
      "Shape": shape,
      "Size": { call throws(ONNXError) in [.int64([try call.value(0).count], shape: [])] },
      "Reshape": reshape,
      "Flatten": { call throws(ONNXError) in
        let value = try call.value(0)
        // The axis may equal the rank: then everything is before it.
        let stated = call.int("axis") ?? 1
        let axis = stated == value.rank ? stated : try call.axis(stated, rank: value.rank)
        return [value.reshaped([value.shape[..<axis].reduce(1, *), value.shape[axis...].reduce(1, *)])]
      },
      "Squeeze": squeeze,
      "Unsqueeze": { call throws(ONNXError) in
        let value = try call.value(0)
        let given = try call.axesArgument() ?? []
        let rank = value.rank + given.count
        let axes = try call.axes(given, rank: rank)
        var rest = value.shape[...]
        return [value.reshaped((0..<rank).map { axes.contains($0) ? 1 : rest.removeFirst() })]
      },
      "Transpose": { call throws(ONNXError) in
        let value = try call.value(0)
        let order = call.ints("perm") ?? Array(value.shape.indices.reversed())
        guard order.sorted() == Array(value.shape.indices) else {
          throw call.unsupported("perm", "\(order) is not a permutation of \(value.rank) axes")
        }
        return [value.transposed(order)]
      },
      "Expand": { call throws(ONNXError) in
        let value = try call.value(0)
        let target = try call.checked(call.list(1))
        return [value.expanded(to: try call.broadcastShape(value.shape, target))]
      },
      "Tile": tile,
      "Dropout": dropout, "DepthToSpace": depthToSpace, "SpaceToDepth": spaceToDepth,
    ]
  }

  /// Shape, since opset 15 of the axes from `start` to `end`.
  private static func shape(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let shape = try call.value(0).shape
    func bound(_ name: String, _ standard: Int) -> Int {
      let stated = call.int(name) ?? standard
      return min(max(stated < 0 ? stated + shape.count : stated, 0), shape.count)
    }
    let (start, end) = (bound("start", 0), bound("end", shape.count))
    let part = start < end ? Array(shape[start..<end]) : []
    return [.int64(part, shape: [part.count])]
  }

  /// Reshape: 0 copies a size (unless `allowzero`), one −1 takes what is left.
  private static func reshape(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    var shape = try call.list(1)
    let allowsZero = try call.flag("allowzero")
    for (axis, size) in shape.enumerated() where size == 0 && !allowsZero {
      guard axis < value.rank else {
        throw call.invalid("shape \(shape) copies axis \(axis), the input has none")
      }
      shape[axis] = value.shape[axis]
    }
    let open = shape.indices.filter { shape[$0] == -1 }
    guard open.count <= 1 else { throw call.invalid("shape \(shape) has more than one -1") }
    if let axis = open.first {
      shape[axis] = 1
      let rest = try call.checked(shape).reduce(1, *)
      guard rest > 0, value.count % rest == 0 else {
        throw call.invalid("\(value.count) elements cannot be divided into \(try call.list(1))")
      }
      shape[axis] = value.count / rest
    }
    guard try call.checked(shape).reduce(1, *) == value.count else {
      throw call.invalid("\(value.count) elements do not fill shape \(shape)")
    }
    return [value.reshaped(shape)]
  }

  private static func squeeze(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    let axes: [Int]
    if let given = try call.axesArgument() {
      axes = try call.axes(given, rank: value.rank)
      if let axis = axes.first(where: { value.shape[$0] != 1 }) {
        throw call.mismatch(0, expected: "a size of 1 on axis \(axis)", found: value.shape)
      }
    } else {
      axes = value.shape.indices.filter { value.shape[$0] == 1 }
    }
    return [value.reshaped(value.shape.indices.filter { !axes.contains($0) }.map { value.shape[$0] })]
  }

  private static func tile(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (value, repeats) = (try call.value(0), try call.list(1))
    guard repeats.count == value.rank else {
      throw call.mismatch(1, expected: "[\(value.rank)]", found: [repeats.count])
    }
    try call.checked(repeats)
    // Each axis becomes two: how often, of stride 0, and its own.
    let own = rowMajorStrides(value.shape)
    let pairs = zip(repeats, value.shape).flatMap { [$0, $1] }
    try call.checked(pairs)
    let tiled = value.strided(shape: pairs, strides: own.flatMap { [0, $0] })
    return [tiled.reshaped(zip(repeats, value.shape).map { $0 * $1 })]
  }

  /// Blocks of channels become blocks of rows and columns; `mode` says whether the block's axes come before the depth (DCR)
  /// or behind it (CRD).
  private static func depthToSpace(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (value, block) = (try call.value(0), try blockSize(call))
    let shape = value.shape
    guard shape.count == 4, shape[1] % block == 0, shape[1] / block % block == 0 else {
      throw call.mismatch(0, expected: "[N, C, H, W], C divisible by \(block)²", found: shape)
    }
    let (N, depth, H, W) = (shape[0], shape[1] / block / block, shape[2], shape[3])
    let moved: Value<S>
    switch call.string("mode") ?? "DCR" {
    case "DCR": moved = value.reshaped([N, block, block, depth, H, W]).transposed([0, 3, 4, 1, 5, 2])
    case "CRD": moved = value.reshaped([N, depth, block, block, H, W]).transposed([0, 1, 4, 2, 5, 3])
    case let other: throw call.unsupported("mode", "'\(other)' is neither DCR nor CRD")
    }
    return [moved.reshaped(try call.checked([N, depth, H * block, W * block]))]
  }

  /// Blocks of rows and columns become channels, the block's axes before the depth (DCR) or, since opset 28, behind it (CRD).
  private static func spaceToDepth(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (value, block) = (try call.value(0), try blockSize(call))
    let shape = value.shape
    guard shape.count == 4, shape[2] % block == 0, shape[3] % block == 0 else {
      throw call.mismatch(0, expected: "[N, C, H, W], H and W divisible by \(block)", found: shape)
    }
    let (N, C, H, W) = (shape[0], shape[1], shape[2] / block, shape[3] / block)
    let blocks = value.reshaped([N, C, H, block, W, block])
    let moved: Value<S>
    switch call.string("mode") ?? "DCR" {
    case "DCR": moved = blocks.transposed([0, 3, 5, 1, 2, 4])
    case "CRD": moved = blocks.transposed([0, 1, 3, 5, 2, 4])
    case let other: throw call.unsupported("mode", "'\(other)' is neither DCR nor CRD")
    }
    return [moved.reshaped(try call.checked([N, C * block * block, H, W]))]
  }

  private static func blockSize(_ call: Call<S>) throws(ONNXError) -> Int {
    // So small that its square is no trouble, and its product with a size neither.
    guard let size = call.int("blocksize"), size > 0, size < 1 << 15 else {
      throw call.unsupported("blocksize", "\(call.int("blocksize") ?? 0) is no size of a block")
    }
    return size
  }

  /// Dropout at inference: the input itself. The mask is all true.
  private static func dropout(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let value = try call.value(0)
    if call.has(2), try call.bool(2).elements.contains(true) {
      throw call.invalid("training_mode is true: only inference is evaluated")
    }
    // Before opset 12 the specification does not say what the mask holds at inference.
    let mask: Value<S>? = call.opset < 12 ? nil : .bools(NDArray(repeating: true, shape: value.shape))
    return [value, mask]
  }
}

extension Call {
  /// Axes: an attribute in old opsets, the second input in new ones; nil where there are none.
  func axesArgument() throws(ONNXError) -> [Int]? {
    if let axes = ints("axes") { return axes }
    return has(1) ? try list(1) : nil
  }
}
