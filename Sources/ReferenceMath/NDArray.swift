/// A dense row-major array of any rank: the last axis varies fastest; shape `[]` is a scalar.
///
/// Shapes come checked: the caller bounds the product of the sizes (zeros counted as ones) before it makes an array.
@frozen
public struct NDArray<Element> {
  public let shape: [Int]
  public var elements: [Element]

  @inlinable
  public init(shape: [Int], elements: [Element]) {
    precondition(shape.reduce(1, *) == elements.count, "the shape does not hold the elements")
    self.shape = shape
    self.elements = elements
  }

  @inlinable
  public init(repeating element: Element, shape: [Int]) {
    self.init(shape: shape, elements: [Element](repeating: element, count: shape.reduce(1, *)))
  }

  @inlinable
  public init(scalar: Element) { self.init(shape: [], elements: [scalar]) }

  @inlinable public var count: Int { elements.count }
  @inlinable public var rank: Int { shape.count }

  /// The same elements under another shape of the same count.
  @inlinable
  public func reshaped(_ shape: [Int]) -> NDArray { NDArray(shape: shape, elements: elements) }

  @inlinable
  public func map<Result, Failure: Error>(
    _ body: (Element) throws(Failure) -> Result
  ) throws(Failure) -> NDArray<Result> {
    NDArray<Result>(shape: shape, elements: try elements.map(body))
  }

  /// The array whose element at index x is this array's element at `offset + Σ x[axis] · strides[axis]`.
  ///
  /// Transposing, slicing, expanding and reversing are all this; every position must lie inside.
  @inlinable
  public func strided(shape: [Int], strides: [Int], offset: Int = 0) -> NDArray {
    var result: [Element] = []
    let total = shape.reduce(1, *)
    result.reserveCapacity(total)
    if total > 0 {
      var walk = RowWalk(shape: shape, strides: [strides], offsets: [offset])
      for _ in 0..<walk.rows {
        var position = walk.offsets[0]
        for _ in 0..<walk.width {
          result.append(elements[position])
          position += walk.steps[0]
        }
        walk.advance()
      }
    }
    return NDArray(shape: shape, elements: result)
  }

  /// Axis k of the result is axis `order[k]` of this array.
  @inlinable
  public func transposed(_ order: [Int]) -> NDArray {
    let own = rowMajorStrides(shape)
    return strided(shape: order.map { shape[$0] }, strides: order.map { own[$0] })
  }

  /// The element at each of `positions`, under a new shape.
  @inlinable
  public func picked(_ positions: [Int], shape: [Int]) -> NDArray {
    NDArray(shape: shape, elements: positions.map { elements[$0] })
  }

  /// Element by element over two arrays that broadcast to `shape`.
  @inlinable
  public init<A, B, Failure: Error>(
    _ a: NDArray<A>, _ b: NDArray<B>, shape: [Int], _ body: (A, B) throws(Failure) -> Element
  ) throws(Failure) {
    var result: [Element] = []
    let total = shape.reduce(1, *)
    result.reserveCapacity(total)
    if a.shape == shape && b.shape == shape {
      for position in 0..<total { result.append(try body(a.elements[position], b.elements[position])) }
    } else if total > 0 {
      var walk = RowWalk(
        shape: shape, strides: [broadcastStrides(a.shape, to: shape), broadcastStrides(b.shape, to: shape)])
      for _ in 0..<walk.rows {
        var (left, right) = (walk.offsets[0], walk.offsets[1])
        for _ in 0..<walk.width {
          result.append(try body(a.elements[left], b.elements[right]))
          left += walk.steps[0]
          right += walk.steps[1]
        }
        walk.advance()
      }
    }
    self.init(shape: shape, elements: result)
  }

  /// Folds `axes` (ascending) into one result each, reading the elements in row-major order; those axes keep size 1.
  @inlinable
  public func reduced<Result, Failure: Error>(
    axes: [Int], _ body: (ArraySlice<Element>) throws(Failure) -> Result
  ) throws(Failure) -> NDArray<Result> {
    let kept = shape.indices.filter { !axes.contains($0) }
    let lanes = axes.isEmpty ? self : transposed(kept + axes)
    let width = axes.reduce(1) { $0 * shape[$1] }
    let rows = kept.reduce(1) { $0 * shape[$1] }
    var results: [Result] = []
    results.reserveCapacity(rows)
    for row in 0..<rows { results.append(try body(lanes.elements[(row * width)..<((row + 1) * width)])) }
    return NDArray<Result>(shape: shape.indices.map { axes.contains($0) ? 1 : shape[$0] }, elements: results)
  }
}

extension NDArray: Sendable where Element: Sendable {}
