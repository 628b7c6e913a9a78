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
  /// By which a product with this very weight is found again.
  let identity = Identity()

  final class Identity: Sendable, Hashable {
    static func == (left: Identity, right: Identity) -> Bool { left === right }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
  }

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
  @specialized(where S == Float)
  @specialized(where S == Double)
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

  @specialized(where S == Float)
  @specialized(where S == Double)
  public static func • (a: Matrix<S>, b: Weight) -> Matrix<S> {
    precondition(a.columns == b.rows, "inner sizes differ")
    switch b.content {
    case .converted(let matrix): return a • matrix
    case .stored(let tensor, isTransposed: true): return b.product(a, transposing: tensor)
    case .stored(let tensor, isTransposed: false): return b.product(a, tensor)
    }
  }

  /// Numbers of a tile, which stays in the first or second cache.
  private static var tile: Int { (64 << 10) / MemoryLayout<S>.stride }

  /// Some rows of Wᵀ at a time, which are columns of the result, and of those some columns, which are steps of the inner
  /// index.
  private func product(_ a: Matrix<S>, transposing tensor: Tensor) -> Matrix<S> {
    var result = Matrix<S>(zeros: a.rows, columns)
    // As wide as the widest tile of the product.
    let (wide, deep) = (32, Self.tile / 32)
    var stored = [S](repeating: 0, count: wide * deep)
    for start in stride(from: 0, to: columns, by: wide) {
      let panel = tensor.rows(start..<min(start + wide, columns))
      let count = panel.shape[0]
      var sums = [S](repeating: 0, count: a.rows * count)
      for first in stride(from: 0, to: rows, by: deep) {
        let depth = min(deep, rows - first)
        // Inside: the tile has room for `wide` times `deep` numbers.
        stored.withUnsafeMutableBufferPointer { stored in
          for row in 0..<count {
            let elements = (row * rows + first)..<(row * rows + first + depth)
            S.copy(elements, of: panel, to: stored.baseAddress! + row * depth)
          }
        }
        let right = Matrix(transposing: stored[..<(count * depth)], rows: count, columns: depth)
        add(a, first..<(first + depth), right.elements[...], to: &sums, columns: count)
      }
      tensor.releasePages((start * rows)..<((start + count) * rows))
      for row in 0..<a.rows {
        result.elements.replaceSubrange(
          (row * columns + start)..<(row * columns + start + count),
          with: sums[(row * count)..<((row + 1) * count)])
      }
    }
    return result
  }

  /// Some rows of W at a time, which are steps of the inner index.
  private func product(_ a: Matrix<S>, _ tensor: Tensor) -> Matrix<S> {
    var result = Matrix<S>(zeros: a.rows, columns)
    let deep = max(1, Self.tile / max(columns, 1))
    var stored = [S](repeating: 0, count: deep * columns)
    for first in stride(from: 0, to: rows, by: deep) {
      let steps = first..<min(first + deep, rows)
      let elements = (steps.lowerBound * columns)..<(steps.upperBound * columns)
      // Inside: there is room for `deep` rows.
      stored.withUnsafeMutableBufferPointer { S.copy(elements, of: tensor, to: $0.baseAddress!) }
      tensor.releasePages(elements)
      add(a, steps, stored[..<elements.count], to: &result.elements, columns: columns)
    }
    return result
  }

  /// sums `[a.rows, columns]` += some columns of a · as many rows of the right side.
  private func add(
    _ a: Matrix<S>, _ steps: Range<Int>, _ right: ArraySlice<S>, to sums: inout [S], columns: Int
  ) {
    let left = (0..<a.rows).flatMap { row in
      a.elements[(row * a.columns + steps.lowerBound)..<(row * a.columns + steps.upperBound)]
    }
    sums.withUnsafeMutableBufferPointer { sums in
      left.withUnsafeBufferPointer { left in
        right.withUnsafeBufferPointer { right in
          accumulateProduct(left, right, into: sums, rows: a.rows, inner: steps.count, columns: columns)
        }
      }
    }
  }
}
