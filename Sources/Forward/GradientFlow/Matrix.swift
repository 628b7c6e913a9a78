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
    let panels = other.panels(transposed: transposed)
    var result = Matrix(rows: rows, columns: width)
    let chunks = (rows + Self.chunk - 1) / Self.chunk
    result.elements.withUnsafeMutableBufferPointer { result in
      elements.withUnsafeBufferPointer { left in
        panels.withUnsafeBufferPointer { panels in
          // Each chunk reads shared memory and writes rows of its own; all pointers outlive the loop.
          nonisolated(unsafe) let (result, left, panels) = (result, left, panels)
          let work: @Sendable (Int) -> Void = { chunk in
            let range = (chunk * Self.chunk)..<min((chunk + 1) * Self.chunk, rows)
            for panel in 0..<((width + 3) / 4) {
              multiply(range, panel, inner, width, left, panels, result)
            }
          }
          if rows * inner * width < 1 << 20 {
            for chunk in 0..<chunks { work(chunk) }
          } else {
            DispatchQueue.concurrentPerform(iterations: chunks, execute: work)
          }
        }
      }
    }
    return result
  }

  /// Rows that one thread takes at a time: they stay in its cache.
  private static let chunk = 32

  /// Four columns side by side, `[⌈columns/4⌉, rows, 4]`, padded with zeros.
  private func panels(transposed: Bool) -> [SIMD4<Double>] {
    let (inner, width) = transposed ? (columns, rows) : (rows, columns)
    var panels = [SIMD4<Double>](repeating: .zero, count: (width + 3) / 4 * inner)
    for column in 0..<width {
      for k in 0..<inner {
        let element = transposed ? elements[column * inner + k] : elements[k * width + column]
        panels[column / 4 * inner + k][column % 4] = element
      }
    }
    return panels
  }
}

/// Rows `range` of one panel of four columns.
private func multiply(
  _ range: Range<Int>, _ panel: Int, _ inner: Int, _ width: Int, _ left: UnsafeBufferPointer<Double>,
  _ panels: UnsafeBufferPointer<SIMD4<Double>>, _ result: UnsafeMutableBufferPointer<Double>
) {
  var row = range.lowerBound
  while row < range.upperBound {
    let height = min(4, range.upperBound - row)
    // The last rows are computed again where fewer than four are left.
    let (r1, r2, r3) = (row + min(1, height - 1), row + min(2, height - 1), row + min(3, height - 1))
    var (a, b, c, d) = (SIMD4<Double>.zero, SIMD4<Double>.zero, SIMD4<Double>.zero, SIMD4<Double>.zero)
    for k in 0..<inner {
      let right = panels[panel * inner + k]
      a += left[row * inner + k] * right
      b += left[r1 * inner + k] * right
      c += left[r2 * inner + k] * right
      d += left[r3 * inner + k] * right
    }
    for (offset, sums) in [a, b, c, d].prefix(height).enumerated() {
      for column in 0..<min(4, width - panel * 4) {
        result[(row + offset) * width + panel * 4 + column] = sums[column]
      }
    }
    row += height
  }
}
