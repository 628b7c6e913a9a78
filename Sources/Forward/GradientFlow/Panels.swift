/// The right side of a product, four columns side by side. Of each panel only the rows that are not all zero are kept:
/// half of an LSTM's Jacobian is diagonal.
struct Panels: Sendable {
  private let inner: Int
  private let width: Int
  /// Where each panel begins in `rows` and `values`, and where the last one ends.
  private var starts = [0]
  private var rows: [Int] = []
  private var values: [SIMD4<Double>] = []

  /// Of a matrix, or of its transpose.
  init(_ matrix: Matrix, transposed: Bool) {
    (inner, width) = transposed ? (matrix.columns, matrix.rows) : (matrix.rows, matrix.columns)
    rows.reserveCapacity((width + 3) / 4 * inner)
    values.reserveCapacity((width + 3) / 4 * inner)
    let (down, across) = transposed ? (1, matrix.columns) : (matrix.columns, 1)
    for panel in 0..<((width + 3) / 4) {
      let count = min(4, width - panel * 4)
      for row in 0..<inner {
        var four = SIMD4<Double>.zero
        for column in 0..<count {
          four[column] = matrix.elements[row * down + (panel * 4 + column) * across]
        }
        if four == .zero { continue }
        rows.append(row)
        values.append(four)
      }
      starts.append(rows.count)
    }
  }

  /// Some rows of left · self.
  func multiply(
    _ range: Range<Int>, of left: UnsafeBufferPointer<Double>,
    into result: UnsafeMutableBufferPointer<Double>
  ) {
    rows.withUnsafeBufferPointer { rows in
      values.withUnsafeBufferPointer { values in
        for panel in 0..<(starts.count - 1) {
          let terms = starts[panel]..<starts[panel + 1]
          var row = range.lowerBound
          while row < range.upperBound {
            let height = min(4, range.upperBound - row)
            // Where fewer than four rows are left, the last is computed again.
            let first = row * inner
            let (second, third) = (first + min(1, height - 1) * inner, first + min(2, height - 1) * inner)
            let fourth = first + (height - 1) * inner
            var (a, b) = (SIMD4<Double>.zero, SIMD4<Double>.zero)
            var (c, d) = (SIMD4<Double>.zero, SIMD4<Double>.zero)
            for term in terms {
              let (k, right) = (rows[term], values[term])
              a += left[first + k] * right
              b += left[second + k] * right
              c += left[third + k] * right
              d += left[fourth + k] * right
            }
            for (offset, sums) in [a, b, c, d].prefix(height).enumerated() {
              for column in 0..<min(4, width - panel * 4) {
                result[(row + offset) * width + panel * 4 + column] = sums[column]
              }
            }
            row += height
          }
        }
      }
    }
  }
}
