internal import Dispatch

/// A dense matrix in Float64, row-major.
struct Matrix: Sendable, Equatable {
  let rows: Int
  let columns: Int
  var elements: [Double]

  init(rows: Int, columns: Int, elements: [Double]) {
    precondition(elements.count == rows * columns)
    self.rows = rows
    self.columns = columns
    self.elements = elements
  }

  /// Zeros.
  init(rows: Int, columns: Int) {
    self.init(rows: rows, columns: columns, elements: Array(repeating: 0, count: rows * columns))
  }

  init(diagonal: [Double]) {
    self.init(rows: diagonal.count, columns: diagonal.count)
    self = addingDiagonal(diagonal)
  }

  /// [[a, b], [c, d]]
  init(blocks a: Matrix, _ b: Matrix, _ c: Matrix, _ d: Matrix) {
    var elements: [Double] = []
    elements.reserveCapacity((a.rows + c.rows) * (a.columns + b.columns))
    for (left, right) in [(a, b), (c, d)] {
      for row in 0..<left.rows {
        elements += left.elements[(row * left.columns)..<((row + 1) * left.columns)]
        elements += right.elements[(row * right.columns)..<((row + 1) * right.columns)]
      }
    }
    self.init(rows: a.rows + c.rows, columns: a.columns + b.columns, elements: elements)
  }

  func addingDiagonal(_ diagonal: [Double]) -> Matrix {
    var result = self
    for (k, value) in diagonal.enumerated() { result.elements[k * columns + k] += value }
    return result
  }

  /// Rows and columns of a range alike.
  func block(_ range: Range<Int>) -> Matrix {
    Matrix(
      rows: range.count, columns: range.count,
      elements: range.flatMap { row in elements[(row * columns + range.lowerBound)...].prefix(range.count) })
  }

  var largest: Double { elements.reduce(0) { $1.magnitude > $0 || $1.isNaN ? $1.magnitude : $0 } }

  /// self · other, or self · otherᵀ.
  ///
  /// Each element is one sum in one order, whatever the number of threads.
  func times(_ other: Matrix, transposed: Bool = false) -> Matrix {
    let (inner, width) = (columns, transposed ? other.rows : other.columns)
    precondition(inner == (transposed ? other.columns : other.rows))
    // A few rows do not repay the packing.
    if transposed, rows <= 4 {
      return Matrix(
        rows: rows, columns: width,
        elements: (0..<(rows * width)).map {
          Double.dot(other.elements, row: $0 % width, elements, at: $0 / width * inner, count: inner)
        })
    }
    let panels = Panels(other, transposed: transposed)
    var result = Matrix(rows: rows, columns: width)
    let chunks = (rows + Self.chunk - 1) / Self.chunk
    result.elements.withUnsafeMutableBufferPointer { result in
      elements.withUnsafeBufferPointer { left in
        // Each chunk reads shared memory and writes rows of its own; the pointers outlive the loop.
        nonisolated(unsafe) let (result, left) = (result, left)
        let work: @Sendable (Int) -> Void = { chunk in
          panels.multiply((chunk * Self.chunk)..<min((chunk + 1) * Self.chunk, rows), of: left, into: result)
        }
        if rows * inner * width < 1 << 20 {
          for chunk in 0..<chunks { work(chunk) }
        } else {
          DispatchQueue.concurrentPerform(iterations: chunks, execute: work)
        }
      }
    }
    return result
  }

  /// Rows that one thread takes at a time: they stay in its cache.
  private static let chunk = 32
}
