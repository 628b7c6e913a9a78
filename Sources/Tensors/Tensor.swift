public import ByteIO

/// A dense, row-major, little-endian array of numbers: an element type, a shape, and bytes that may be mapped.
public struct Tensor: Sendable, Equatable {
  public let elementType: ElementType
  public let shape: [Int]
  /// `count × elementType.size` bytes.
  public let bytes: ByteBuffer
  /// For I8/U8 weights: the real numbers are `scale × (element − zeroPoint)`.
  public let quantization: Quantization?

  public struct Quantization: Sendable, Equatable, Hashable {
    public let scale: Double
    public let zeroPoint: Int

    public init(scale: Double, zeroPoint: Int) {
      self.scale = scale
      self.zeroPoint = zeroPoint
    }
  }

  /// Takes `bytes` as they are; throws where their number is not that of the shape.
  public init(
    _ elementType: ElementType, shape: [Int], bytes: ByteBuffer, quantization: Quantization? = nil
  ) throws(TensorError) {
    guard let count = checkedProduct(shape + [elementType.size]) else {
      throw .shapeTooLarge(shape)
    }
    guard count == bytes.count else {
      throw .wrongByteCount(elementType, shape: shape, expected: count, found: bytes.count)
    }
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
    self.quantization = quantization
  }

  /// Number of elements: 1 for a scalar (shape `[]`).
  public var count: Int { bytes.count / elementType.size }

  /// The same elements under another shape of the same count.
  public func reshaped(_ shape: [Int]) throws(TensorError) -> Tensor {
    try Tensor(elementType, shape: shape, bytes: bytes, quantization: quantization)
  }
}

/// What makes bytes, numbers or an index unfit for a tensor.
public enum TensorError: Error, Equatable, CustomStringConvertible {
  case shapeTooLarge([Int])
  case wrongByteCount(ElementType, shape: [Int], expected: Int, found: Int)
  case notIntegers(ElementType)
  case notConvertible(from: ElementType, to: ElementType)
  case wrongCount(shape: [Int], found: Int)
  case indexOutOfRange([Int], shape: [Int])

  public var description: String {
    switch self {
    case .shapeTooLarge(let shape): "shape \(shape) has a negative or too large dimension"
    case .wrongByteCount(let type, let shape, let expected, let found):
      "\(type.rawValue) of shape \(shape) takes \(expected) bytes, found \(found)"
    case .notIntegers(let type): "expected integers, found \(type.rawValue)"
    case .notConvertible(let from, let to): "\(from.rawValue) values do not fit \(to.rawValue)"
    case .wrongCount(let shape, let found): "shape \(shape) does not hold \(found) values"
    case .indexOutOfRange(let index, let shape): "a tensor of shape \(shape) has no element \(index)"
    }
  }
}
