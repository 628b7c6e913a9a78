import Foundation
import TestSupport
import Testing

@testable import Forward

private func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
  var generator = SeededGenerator(seed: seed)
  return Matrix(
    rows: rows, columns: columns,
    elements: (0..<(rows * columns)).map { _ in Double.random(in: -1...1, using: &generator) })
}

/// A square matrix with orthonormal rows.
private func orthonormal(_ size: Int, seed: UInt64) -> Matrix {
  var matrix = random(size, size, seed: seed)
  _ = matrix.orthonormalise()
  return matrix
}

@Suite struct MatrixTests {
  @Test(arguments: [(1, 1, 1), (5, 7, 3), (33, 17, 130), (130, 70, 121)])
  func `A product is the sum of products, also by the transposed`(rows: Int, inner: Int, columns: Int) {
    let (a, b) = (random(rows, inner, seed: 1), random(inner, columns, seed: 2))
    let turned = Matrix(
      rows: columns, columns: inner,
      elements: (0..<(columns * inner)).map { b.elements[$0 % inner * columns + $0 / inner] })
    for product in [a.times(b), a.times(turned, transposed: true)] {
      for i in 0..<rows {
        for j in 0..<columns {
          let expected = (0..<inner).reduce(0) {
            $0 + a.elements[i * inner + $1] * b.elements[$1 * columns + j]
          }
          #expect(abs(product.elements[i * columns + j] - expected) < 1e-13)
        }
      }
    }
  }

  static let singularValues: [[Double]] = [
    [2, 1, 0.5], Array(repeating: 0.75, count: 40), spread(60, 1e-13), spread(64, 1e-3), [3e-200, 1e-210, 0],
    [1, 1 - 1e-9, 1 - 2e-9, 0, 0, 0], [7],
  ]

  private static func spread(_ count: Int, _ step: Double) -> [Double] {
    (0..<count).map { 1 - Double($0) * step }
  }

  /// U · diag(σ) · V: its norm is the greatest σ, however close the others come.
  @Test(arguments: singularValues)
  func `The spectral norm is the greatest singular value`(values: [Double]) {
    let size = values.count
    let matrix = orthonormal(size, seed: 3).times(Matrix(diagonal: values)).times(orthonormal(size, seed: 4))
    #expect(abs(matrix.spectralNorm / values[0] - 1) < 1e-12)
  }

  @Test func `The norm of zeros is zero, and NaN stays`() {
    #expect(Matrix(rows: 3, columns: 3).spectralNorm == 0)
    #expect(Matrix(diagonal: [1, .nan]).spectralNorm.isNaN)
  }

  @Test func `Rows become orthonormal, also where they depend on each other`() {
    var matrix = random(4, 6, seed: 5)
    matrix.elements.replaceSubrange(12..<18, with: (0..<6).map { 2 * matrix.elements[$0] })
    let stretches = matrix.orthonormalise()
    #expect(stretches[2] < 1e-14 && stretches[0] > 0.1 && stretches[1] > 0.1 && stretches[3] > 0.1)
    let gram = matrix.times(matrix, transposed: true)
    for k in 0..<16 { #expect(abs(gram.elements[k] - (k % 5 == 0 ? 1 : 0)) < 1e-14) }
  }

  @Test func `The spectral radius of a triangular matrix is its greatest diagonal element`() {
    #expect(abs(spectralRadius([3, 0, 0, -2], 2) - 3) < 1e-10)
    let (c, s) = (1.5 * cos(0.3), 1.5 * sin(0.3))
    #expect(abs(spectralRadius([c, -s, s, c], 2) - 1.5) < 1e-10)
    #expect(spectralRadius([0, 1, 0, 0], 2) == 0)
    #expect(abs(spectralRadius([-0.25], 1) - 0.25) < 1e-12)
  }
}
