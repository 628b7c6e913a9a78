import ByteIO
import Tensors
import TestSupport
import Testing

@Suite struct LayoutTests {
  /// Elements 0, 1, 2, … of any type.
  private func counting(_ type: ElementType, _ shape: [Int]) throws -> Tensor {
    let count = shape.reduce(1, *)
    let bytes = (0..<count).flatMap { index in
      (0..<type.size).map { UInt8(truncatingIfNeeded: index >> ($0 * 8)) }
    }
    return try Tensor(type, shape: shape, bytes: ByteBuffer(bytes))
  }

  /// Row-major indices of a shape, in order.
  private func indices(_ shape: [Int]) -> [[Int]] {
    shape.reduce([[]]) { heads, size in heads.flatMap { head in (0..<size).map { head + [$0] } } }
  }

  @Test(
    arguments: [ElementType.float64, .float32, .int16, .int8],
    [
      ([2, 3], [1, 0]), ([3, 4, 5], [2, 1, 0]), ([3, 4, 5], [1, 2, 0]), ([3, 4, 5], [0, 2, 1]),
      ([2, 3, 4, 5], [3, 0, 2, 1]), ([7], [0]), ([], []), ([1, 6, 1], [2, 1, 0]), ([2, 0, 3], [2, 1, 0]),
    ] as [([Int], [Int])])
  func `a transposed tensor holds each element at the permuted index`(
    type: ElementType, layout: ([Int], [Int])
  ) throws {
    let (shape, permutation) = layout
    let source = try counting(type, shape)
    let result = source.transposed(permutation)
    #expect(result.shape == permutation.map { shape[$0] })
    // Counted independently: the row-major position of each permuted index.
    let positions = Dictionary(uniqueKeysWithValues: indices(shape).enumerated().map { ($1, $0) })
    let expected = indices(result.shape).map { index in
      var original = [Int](repeating: 0, count: shape.count)
      for (axis, position) in zip(permutation, index) { original[axis] = position }
      return positions[original]!
    }
    let size = type.size
    let elements = expected.map { Array(source.bytes.array[($0 * size)..<($0 + 1) * size]) }
    #expect(result.bytes.array == elements.flatMap { $0 })
    let inverse = permutation.indices.map { permutation.firstIndex(of: $0)! }
    #expect(result.transposed(inverse) == source)
  }

  @Test func `an empty tensor with huge other axes cannot be made`() {
    #expect(throws: TensorError.shapeTooLarge([0, 1 << 40, 1 << 40])) {
      try Tensor(.float32, shape: [0, 1 << 40, 1 << 40], bytes: ByteBuffer([]))
    }
  }

  @Test func `rows are cut and joined along the first axis`() throws {
    let source = try counting(.int16, [4, 3])
    #expect(try source.rows(1..<3).integers() == [3, 4, 5, 6, 7, 8])
    #expect(source.rows(1..<3).shape == [2, 3])
    #expect(try source.rows([3..<4, 0..<1]).integers() == [9, 10, 11, 0, 1, 2])
    #expect(source.rows([]).shape == [0, 3])
    #expect(source.rows(2..<2).shape == [0, 3])
    #expect(Tensor.concatenated([source.rows(0..<1), source.rows(1..<4)]) == source)
    #expect(Tensor.concatenated([source.rows([]), source]) == source)
  }

  @Test func `one block of rows is a window, not a copy`() throws {
    let source = try counting(.float32, [4, 3])
    let window = source.rows(1..<3)
    #expect(
      window.bytes.withUnsafeBytes { $0.baseAddress }
        == source.bytes.withUnsafeBytes { $0.baseAddress! + 12 })
  }

  @Test func `rows keep the quantisation`() throws {
    let tensor = try Tensor(
      .uint8, shape: [2, 2], bytes: ByteBuffer([1, 2, 3, 4]),
      quantization: Tensor.Quantization(scale: 2, zeroPoint: 1))
    #expect(tensor.rows(1..<2).doubles == [4, 6])
    #expect(tensor.transposed([1, 0]).doubles == [0, 4, 2, 6])
    #expect(Tensor.concatenated([tensor, tensor]).doubles == [0, 2, 4, 6, 0, 2, 4, 6])
  }

  @Test func `reshaping keeps the elements and checks their number`() throws {
    let source = try counting(.int32, [2, 6])
    #expect(try source.reshaped([3, 4]).bytes == source.bytes)
    #expect(
      throws: TensorError.wrongByteCount(.int32, shape: [5], expected: 20, found: 48)
    ) { try source.reshaped([5]) }
    #expect(throws: TensorError.shapeTooLarge([-1, -12])) { try source.reshaped([-1, -12]) }
  }

  @Test(arguments: ElementType.allCases)
  func `a tensor's bytes must be those of its shape`(type: ElementType) throws {
    for (shape, count) in [([], 1), ([0], 0), ([3], 3), ([2, 0, 5], 0), ([2, 2], 4)] as [([Int], Int)] {
      let right = count * type.size
      let tensor = try Tensor(type, shape: shape, bytes: ByteBuffer([UInt8](repeating: 0, count: right)))
      #expect(tensor.count == count)
      #expect(
        throws: TensorError.wrongByteCount(type, shape: shape, expected: right, found: right + 1)
      ) { try Tensor(type, shape: shape, bytes: ByteBuffer([UInt8](repeating: 0, count: right + 1))) }
    }
  }

  /// Also where the tensor is made of parts that end anywhere.
  @Test(arguments: ElementType.allCases)
  func `some elements are those of all`(_ type: ElementType) throws {
    let count = 40
    let raw = ByteBuffer((0..<(count * type.size)).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) })
    let quantization = type == .int8 ? Tensor.Quantization(scale: 0.25, zeroPoint: 3) : nil
    for cut in [0, 8 * type.size, 8 * type.size + 1, raw.count] {
      let bytes = ByteBuffer(
        joining: [raw.slice(offset: 0, count: cut)!, raw.slice(offset: cut, count: raw.count - cut)!])
      let tensor = try Tensor(type, shape: [count], bytes: bytes, quantization: quantization)
      let whole = try Tensor(type, shape: [count], bytes: raw, quantization: quantization)
      for range in [0..<count, 5..<12, 8..<8, 39..<40] {
        let doubles = [Double](unsafeUninitializedCapacity: range.count + 1) {
          tensor.copy(range, to: $0.baseAddress!)
          $1 = range.count
        }
        #expect(doubles.map(\.bitPattern) == whole.doubles[range].map(\.bitPattern))
        let floats = [Float](unsafeUninitializedCapacity: range.count + 1) {
          tensor.copy(range, to: $0.baseAddress!)
          $1 = range.count
        }
        #expect(floats.map(\.bitPattern) == whole.floats[range].map(\.bitPattern))
      }
    }
  }
}
