infix operator • : MultiplicationPrecedence
infix operator ⊙ : MultiplicationPrecedence

/// A matrix of rows × columns, row-major. A single row stands for as many equal rows as the other operand has.
@frozen
public struct Matrix<S: ReferenceScalar>: Sendable {
  public let rows: Int
  public let columns: Int
  public var elements: [S]

  @inlinable
  public init(rows: Int, columns: Int, elements: [S]) {
    precondition(rows * columns == elements.count, "\(rows) × \(columns) does not hold the elements")
    self.rows = rows
    self.columns = columns
    self.elements = elements
  }

  @inlinable
  public init(zeros rows: Int, _ columns: Int) {
    self.init(rows: rows, columns: columns, elements: [S](repeating: 0, count: rows * columns))
  }

  /// The transpose of rows × columns elements.
  @inlinable
  public init(transposing elements: ArraySlice<S>, rows: Int, columns: Int) {
    precondition(rows * columns == elements.count, "\(rows) × \(columns) does not hold the elements")
    let transposed = [S](unsafeUninitializedCapacity: elements.count) { result, count in
      elements.withUnsafeBufferPointer { elements in
        // Safe: both have rows × columns elements.
        if let a = elements.baseAddress, let b = result.baseAddress {
          S.transpose(a, into: b, rows: rows, columns: columns)
        }
      }
      count = elements.count
    }
    self.init(rows: columns, columns: rows, elements: transposed)
  }

  @inlinable
  public var transposed: Matrix { Matrix(transposing: elements[...], rows: rows, columns: columns) }

  public func rows(_ range: Range<Int>) -> Matrix {
    let some = (range.lowerBound * columns)..<(range.upperBound * columns)
    return Matrix(rows: range.count, columns: columns, elements: Array(elements[some]))
  }

  @inlinable
  public func map(_ body: (S) -> S) -> Matrix {
    Matrix(rows: rows, columns: columns, elements: elements.map(body))
  }

  /// The matrix product, each sum in the order of the inner index and fused.
  @inlinable
  public static func • (a: Matrix, b: Matrix) -> Matrix {
    precondition(a.columns == b.rows, "inner sizes differ")
    var result = Matrix(zeros: a.rows, b.columns)
    result.elements.withUnsafeMutableBufferPointer { target in
      a.elements.withUnsafeBufferPointer { left in
        b.elements.withUnsafeBufferPointer { right in
          accumulateProduct(left, right, into: target, rows: a.rows, inner: a.columns, columns: b.columns)
        }
      }
    }
    return result
  }

  @inlinable public static func + (a: Matrix, b: Matrix) -> Matrix { combine(a, b) { $0 + $1 } }
  @inlinable public static func - (a: Matrix, b: Matrix) -> Matrix { combine(a, b) { $0 - $1 } }
  /// The product element by element.
  @inlinable public static func ⊙ (a: Matrix, b: Matrix) -> Matrix { combine(a, b) { $0 * $1 } }
  @inlinable public static func - (a: S, b: Matrix) -> Matrix { b.map { a - $0 } }

  /// (1 − z) ⊙ n + z ⊙ h, of matrices of equal sizes.
  @inlinable
  public static func blend(_ z: Matrix, _ n: Matrix, _ h: Matrix) -> Matrix {
    precondition(z.elements.count == n.elements.count && n.elements.count == h.elements.count, "sizes differ")
    let elements = z.elements.indices.map { S.blend(z.elements[$0], n.elements[$0], h.elements[$0]) }
    return Matrix(rows: z.rows, columns: z.columns, elements: elements)
  }

  @inlinable
  static func combine(_ a: Matrix, _ b: Matrix, _ body: (S, S) -> S) -> Matrix {
    precondition(a.columns == b.columns && (a.rows == b.rows || a.rows == 1 || b.rows == 1), "sizes differ")
    let rows = a.rows == 1 ? b.rows : a.rows
    let columns = a.columns
    let (stepA, stepB) = (a.rows == 1 ? 0 : columns, b.rows == 1 ? 0 : columns)
    let elements = [S](unsafeUninitializedCapacity: rows * columns) { result, count in
      a.elements.withUnsafeBufferPointer { a in
        b.elements.withUnsafeBufferPointer { b in
          for row in 0..<rows {
            for column in 0..<columns {
              // Inside all three: each operand has one row or `rows` of them.
              result.initializeElement(
                at: row * columns + column, to: body(a[row * stepA + column], b[row * stepB + column]))
            }
          }
        }
      }
      count = rows * columns
    }
    return Matrix(rows: rows, columns: columns, elements: elements)
  }
}

/// c[m × n] += a[m × k] · b[k × n], each sum in the order of k, each step of it one fused multiply-add.
@inlinable
public func accumulateProduct<S: ReferenceScalar>(
  _ a: UnsafeBufferPointer<S>, _ b: UnsafeBufferPointer<S>, into c: UnsafeMutableBufferPointer<S>,
  rows: Int, inner: Int, columns: Int
) {
  // Safe: these are the sizes that the C function stays under.
  precondition(
    a.count == rows * inner && b.count == inner * columns && c.count == rows * columns, "sizes differ")
  guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
  S.accumulateProduct(a, b, into: c, rows: rows, inner: inner, columns: columns)
}
