public import ByteIO

/// A dense, row-major, little-endian array of numbers: an element type, a shape, and bytes that may be mapped.
public struct Tensor: Sendable, Equatable {
  /// What each element is.
  public let elementType: ElementType
  /// The size of each axis, outermost first; empty for a scalar.
  public let shape: [Int]
  /// `count × elementType.size` bytes.
  public let bytes: ByteBuffer
  /// For I8/U8 weights: the real numbers are `scale × (element − zeroPoint)`.
  public let quantization: Quantization?

  /// What the integers of a quantised tensor stand for: one scale and one zero point for all of it.
  public struct Quantization: Sendable, Equatable, Hashable {
    /// The distance between the real numbers of two neighbouring integers.
    public let scale: Double
    /// The integer that stands for 0.
    public let zeroPoint: Int

    /// Elements stand for `scale × (element − zeroPoint)`.
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
  /// A shape with a negative size, or of more bytes than an `Int` counts.
  case shapeTooLarge([Int])
  /// Bytes of another number than a shape of this type takes.
  case wrongByteCount(ElementType, shape: [Int], expected: Int, found: Int)
  /// Integers were asked for, and the tensor holds this type.
  case notIntegers(ElementType)
  /// A number does not fit the type asked for, or floats were asked for as integers.
  case notConvertible(from: ElementType, to: ElementType)
  /// Numbers of another count than the shape holds.
  case wrongCount(shape: [Int], found: Int)
  /// An index outside the shape, or of another number of axes.
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
