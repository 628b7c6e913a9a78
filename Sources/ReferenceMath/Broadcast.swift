/// The shape that two arrays share after broadcasting, or nil where they do not agree.
///
/// Sizes are matched from the last axis; a size of 1, or a missing axis, stretches to the other's.
public func broadcast(_ a: [Int], _ b: [Int]) -> [Int]? {
  var shape = [Int](repeating: 1, count: max(a.count, b.count))
  for back in 1...max(shape.count, 1) where back <= shape.count {
    let left = back <= a.count ? a[a.count - back] : 1
    let right = back <= b.count ? b[b.count - back] : 1
    guard left == right || left == 1 || right == 1 else { return nil }
    shape[shape.count - back] = left == 1 ? right : left
  }
  return shape
}

/// Elements between neighbours along each axis of a dense row-major array.
///
/// The caller has checked that the product of the sizes, zeros counted as ones, does not overflow.
public func rowMajorStrides(_ shape: [Int]) -> [Int] {
  var strides = [Int](repeating: 1, count: shape.count)
  for axis in shape.indices.dropLast().reversed() {
    strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
  }
  return strides
}

/// The strides that read an array of `shape` as if it had the shape `target` that it broadcasts to.
public func broadcastStrides(_ shape: [Int], to target: [Int]) -> [Int] {
  let own = rowMajorStrides(shape)
  let missing = target.count - shape.count
  return target.indices.map { $0 < missing || shape[$0 - missing] == 1 ? 0 : own[$0 - missing] }
}

/// Walks the rows of a shape (every axis but the last) in order, with one offset for each list of strides.
public struct RowWalk {
  @usableFromInline let outer: [Int]
  @usableFromInline let strides: [[Int]]
  @usableFromInline var index: [Int]
  /// Where the present row starts, for each list of strides.
  public private(set) var offsets: [Int]
  /// Elements of a row; 1 for a scalar.
  public let width: Int
  /// Step along the row, for each list of strides.
  public let steps: [Int]
  public let rows: Int

  public init(shape: [Int], strides: [[Int]], offsets: [Int]? = nil) {
    outer = Array(shape.dropLast())
    self.strides = strides
    index = [Int](repeating: 0, count: outer.count)
    self.offsets = offsets ?? [Int](repeating: 0, count: strides.count)
    width = shape.last ?? 1
    steps = strides.map { $0.last ?? 0 }
    rows = outer.reduce(1, *)
  }

  public mutating func advance() {
    var axis = outer.count - 1
    while axis >= 0 {
      index[axis] += 1
      for list in strides.indices { offsets[list] += strides[list][axis] }
      if index[axis] < outer[axis] { return }
      for list in strides.indices { offsets[list] -= strides[list][axis] * outer[axis] }
      index[axis] = 0
      axis -= 1
    }
  }
}
