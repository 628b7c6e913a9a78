extension Matrix {
  /// ‖A‖₂, the greatest singular value, to about 1e-14 of itself.
  ///
  /// Lanczos on AᵀA with every vector orthogonalised against all before it (Golub and Van Loan, Matrix Computations,
  /// 4th ed., §10.1 and §10.3.1), until the value has stopped growing or the space is used up.
  var spectralNorm: Double {
    let largest = largest
    guard largest > 0, largest.isFinite else { return largest }
    // By a power of two: nothing is rounded, and no square under- or overflows.
    let scale = Double(sign: .plus, exponent: largest.exponent, significand: 1)
    let scaled = Matrix(rows: rows, columns: columns, elements: elements.map { $0 / scale })

    var generator = UniformNumbers()
    var basis: [[Double]] = []
    var (diagonal, squares): ([Double], [Double]) = ([], [])
    var (greatest, settled) = (0.0, 0)
    var next = (0..<columns).map { _ in generator.next() }
    var norm = dot(next, next).squareRoot()
    while basis.count < columns, settled < 3 {
      let vector = next.map { $0 / norm }
      basis.append(vector)
      next = scaled.transposedTimes(scaled.times(vector))
      diagonal.append(dot(vector, next))
      // Twice is enough (Parlett, The Symmetric Eigenvalue Problem, §6.9).
      for _ in 0..<2 { for other in basis { add(-dot(other, next), other[...], to: &next) } }
      let value = greatestEigenvalue(diagonal, squares, atLeast: greatest)
      settled = value - greatest <= 1e-14 * value ? settled + 1 : 0
      greatest = value
      let square = dot(next, next)
      norm = square.squareRoot()
      // The space is used up: what is left is rounding.
      if norm <= 1e-15 * greatest { break }
      squares.append(square)
    }
    return greatest.squareRoot() * scale
  }

  private func times(_ x: [Double]) -> [Double] {
    (0..<rows).map { Double.dot(elements, row: $0, x, at: 0, count: columns) }
  }

  private func transposedTimes(_ y: [Double]) -> [Double] {
    var result = [Double](repeating: 0, count: columns)
    for row in 0..<rows { add(y[row], elements[(row * columns)..<((row + 1) * columns)], to: &result) }
    return result
  }
}

/// The greatest eigenvalue of a symmetric tridiagonal matrix, by its diagonal and the squares beside it: the least x
/// for which T − xI is negative definite, by bisection between a lower bound and Gershgorin's upper one.
private func greatestEigenvalue(_ diagonal: [Double], _ squares: [Double], atLeast bound: Double) -> Double {
  func isBelow(_ x: Double) -> Bool {
    var pivot = diagonal[0] - x
    for k in 1..<max(diagonal.count, 1) where pivot < 0 { pivot = diagonal[k] - x - squares[k - 1] / pivot }
    return pivot < 0
  }
  func radius(_ k: Int) -> Double { k < 0 || k >= squares.count ? 0 : squares[k].squareRoot() }
  var low = max(bound, diagonal.max()!)
  var high = diagonal.indices.map { diagonal[$0] + radius($0 - 1) + radius($0) }.max()! * (1 + 0x1p-50)
  while high - low > 0x1p-52 * high {
    let middle = low + (high - low) / 2
    if middle <= low || middle >= high { break }
    if isBelow(middle) { high = middle } else { low = middle }
  }
  return high
}

func dot(_ x: [Double], _ y: [Double]) -> Double { Double.dot(x, row: 0, y, at: 0, count: x.count) }

/// y += factor · x
func add(_ factor: Double, _ x: ArraySlice<Double>, to y: inout [Double]) {
  precondition(x.count == y.count)
  x.withUnsafeBufferPointer { x in
    y.withUnsafeMutableBufferPointer { y in
      // Both have the same count: checked above.
      for k in 0..<x.count { y[k] += factor * x[k] }
    }
  }
}

/// Numbers in ±1 that are the same in every run (a linear congruence, Knuth's MMIX): where iterations start.
struct UniformNumbers {
  private var state: UInt64 = 1

  mutating func next() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(Int64(bitPattern: state) >> 11) * 0x1p-52
  }
}
