public import Tensors

/// The right side of matrix products: a weight of the file, in the numbers that are computed with.
///
/// One that is large stays as its tensor stores it, and is converted panel by panel when something is multiplied by it.
/// Every sum has the bits that it has with the whole weight at hand: it runs in the order of the inner index, fused.
public struct Weight<S: ReferenceScalar>: Sendable {
  /// As the right side of a product: the inner size, and the columns of the result.
  public let rows: Int
  public let columns: Int
  private let content: Content

  private enum Content {
    case converted(Matrix<S>)
    /// `[rows, columns]`, or `[columns, rows]`.
    case stored(Tensor, isTransposed: Bool)
  }

  /// A matrix that is there already.
  public init(_ matrix: Matrix<S>) {
    (rows, columns) = (matrix.rows, matrix.columns)
    content = .converted(matrix)
  }

  /// A weight of two axes.
  ///
  /// - Parameters:
  ///   - transposed: whether it is taken as Wᵀ.
  ///   - products: how many will be made of it.
  public init(_ tensor: Tensor, transposed: Bool, products: Int) {
    let (height, width) = (tensor.shape[0], tensor.shape[1])
    (rows, columns) = transposed ? (width, height) : (height, width)
    guard !Self.staysStored(tensor, products: products) else {
      content = .stored(tensor, isTransposed: transposed)
      return
    }
    let matrix = Matrix<S>(rows: height, columns: width, elements: S.values(of: tensor))
    tensor.releasePages(0..<tensor.count)
    content = .converted(transposed ? matrix.transposed : matrix)
  }

  /// Converting a panel costs a few times what multiplying it by some rows does. Many products are worth memory, but not
  /// any amount of it: what no cache holds is read from the file as quickly.
  public static func staysStored(_ tensor: Tensor, products: Int) -> Bool {
    tensor.count * MemoryLayout<S>.stride > (products > 4 ? 32 << 20 : 1 << 20)
  }

  public static func • (a: Matrix<S>, b: Weight) -> Matrix<S> {
    precondition(a.columns == b.rows, "inner sizes differ")
    switch b.content {
    case .converted(let matrix): return a • matrix
    case .stored(let tensor, isTransposed: true): return b.product(a, transposing: tensor)
    case .stored(let tensor, isTransposed: false): return b.product(a, tensor)
    }
  }

  /// Numbers of a panel, which stays in the second cache.
  private static var panel: Int { (256 << 10) / MemoryLayout<S>.stride }

  /// Rows of Wᵀ at a time: they are columns of the result.
  private func product(_ a: Matrix<S>, transposing tensor: Tensor) -> Matrix<S> {
    var result = Matrix<S>(zeros: a.rows, columns)
    // As many columns as the widest tile of the product.
    let wide = max(32, Self.panel / max(rows, 1) / 32 * 32)
    var stored = [S](repeating: 0, count: wide * rows)
    for start in stride(from: 0, to: columns, by: wide) {
      let count = min(wide, columns - start)
      let elements = (start * rows)..<((start + count) * rows)
      // Inside: the panel has room for `wide` rows.
      stored.withUnsafeMutableBufferPointer { S.copy(elements, of: tensor, to: $0.baseAddress!) }
      tensor.releasePages(elements)
      let part = a • Matrix(transposing: stored[..<(count * rows)], rows: count, columns: rows)
      for row in 0..<a.rows {
        result.elements.replaceSubrange(
          (row * columns + start)..<(row * columns + start + count),
          with: part.elements[(row * count)..<((row + 1) * count)])
      }
    }
    return result
  }

  /// Rows of W at a time: they are steps of the inner index.
  private func product(_ a: Matrix<S>, _ tensor: Tensor) -> Matrix<S> {
    var result = Matrix<S>(zeros: a.rows, columns)
    let high = max(1, Self.panel / max(columns, 1))
    var stored = [S](repeating: 0, count: high * columns)
    for start in stride(from: 0, to: rows, by: high) {
      let count = min(high, rows - start)
      let elements = (start * columns)..<((start + count) * columns)
      // Inside: the panel has room for `high` rows.
      stored.withUnsafeMutableBufferPointer { S.copy(elements, of: tensor, to: $0.baseAddress!) }
      tensor.releasePages(elements)
      let left = (0..<a.rows).flatMap { row in
        a.elements[(row * rows + start)..<(row * rows + start + count)]
      }
      result.elements.withUnsafeMutableBufferPointer { sums in
        left.withUnsafeBufferPointer { left in
          stored.withUnsafeBufferPointer { stored in
            accumulateProduct(
              left, UnsafeBufferPointer(rebasing: stored[..<(count * columns)]), into: sums, rows: a.rows,
              inner: count, columns: columns)
          }
        }
      }
    }
    return result
  }
}
