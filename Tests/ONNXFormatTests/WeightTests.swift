import ByteIO
import ReferenceMath
import Tensors
import TestSupport
import Testing

/// Sizes of which a weight is too large to be converted whole, and fills panels or does not.
@Suite struct WeightTests {
  @Test(arguments: [(513, 301), (70, 4_001), (4_001, 70)], [ElementType.float32, .float16, .float64])
  func `A weight that stays in its file gives the bits of one that was converted`(
    _ size: (height: Int, width: Int), _ type: ElementType
  ) throws {
    try check(size, type, as: Float.self)
    try check(size, type, as: Double.self)
  }

  private func check<S: ReferenceScalar>(
    _ size: (height: Int, width: Int), _ type: ElementType, as: S.Type
  ) throws {
    var generator = SeededGenerator(seed: 5)
    let random = generator.tensor([2 * size.height, size.width])
    // Gates in another order: two parts, joined when somebody reads them as one.
    let tensor = try random.converted(to: type).tensor.rows([
      size.height..<(2 * size.height), 0..<size.height,
    ])
    #expect(Weight<S>.staysStored(tensor, products: 1) && !Weight<S>.staysStored(tensor, products: 5))
    let matrix = Matrix<S>(rows: 2 * size.height, columns: size.width, elements: S.values(of: tensor))
    for rows in [0, 1, 3, 6] {
      for isTransposed in [false, true] {
        let right = isTransposed ? matrix.transposed : matrix
        let left = Matrix<S>(
          rows: rows, columns: right.rows, elements: S.values(of: generator.tensor([rows, right.rows])))
        let expected = (left • right).elements
        for products in [1, 5] {
          let weight = Weight<S>(tensor, transposed: isTransposed, products: products)
          #expect(
            (left • weight).elements == expected, "\(rows) rows, transposed \(isTransposed), \(products)")
        }
      }
    }
    #expect(tensor.bytes.chunks.count == 2)
  }
}
