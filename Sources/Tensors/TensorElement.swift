internal import ByteIO

/// A number that a tensor is made of as it stands in memory.
public protocol TensorElement: BitwiseCopyable, Sendable {
  /// The type that a tensor of such numbers has: `I64` for `Int`.
  static var elementType: ElementType { get }
}

extension Double: TensorElement { public static var elementType: ElementType { .float64 } }
extension Float: TensorElement { public static var elementType: ElementType { .float32 } }
extension Float16: TensorElement { public static var elementType: ElementType { .float16 } }
extension Int: TensorElement { public static var elementType: ElementType { .int64 } }
extension Int64: TensorElement { public static var elementType: ElementType { .int64 } }
extension Int32: TensorElement { public static var elementType: ElementType { .int32 } }
extension Int16: TensorElement { public static var elementType: ElementType { .int16 } }
extension Int8: TensorElement { public static var elementType: ElementType { .int8 } }
extension UInt64: TensorElement { public static var elementType: ElementType { .uint64 } }
extension UInt32: TensorElement { public static var elementType: ElementType { .uint32 } }
extension UInt16: TensorElement { public static var elementType: ElementType { .uint16 } }
extension UInt8: TensorElement { public static var elementType: ElementType { .uint8 } }

extension Tensor {
  /// A tensor of numbers, row-major: `try Tensor([0.5, -1, 2] as [Float], shape: [1, 3])`.
  ///
  /// - Throws: `TensorError.wrongCount` where the shape holds another number of them.
  public init<Element: TensorElement>(_ values: [Element], shape: [Int]) throws(TensorError) {
    guard shape.allSatisfy({ $0 >= 0 }), checkedProduct(shape) == values.count else {
      throw .wrongCount(shape: shape, found: values.count)
    }
    try self.init(Element.elementType, shape: shape, bytes: values.withUnsafeBytes { ByteBuffer($0) })
  }

  /// A tensor of one number everywhere, such as an initial state of zeros.
  ///
  /// - Throws: `TensorError.shapeTooLarge`.
  public init<Element: TensorElement>(repeating value: Element, shape: [Int]) throws(TensorError) {
    guard shape.allSatisfy({ $0 >= 0 }), let count = checkedProduct(shape + [MemoryLayout<Element>.size])
    else {
      throw .shapeTooLarge(shape)
    }
    try self.init([Element](repeating: value, count: count / MemoryLayout<Element>.size), shape: shape)
  }

  /// One element, by an index for each axis: `try y[0, 2, 5]`. Exact for every float type and up to 53 bits of an integer;
  /// quantised elements are scaled.
  ///
  /// - Throws: `TensorError.indexOutOfRange`.
  public subscript(_ index: Int...) -> Double {
    get throws(TensorError) {
      var offset = 0
      guard index.count == shape.count else { throw .indexOutOfRange(index, shape: shape) }
      for (i, size) in zip(index, shape) {
        guard (0..<size).contains(i) else { throw .indexOutOfRange(index, shape: shape) }
        // Within a tensor that is in memory.
        offset = offset * size + i
      }
      var value = 0.0
      copy(offset..<(offset + 1), to: &value)
      return value
    }
  }
}

extension Tensor: CustomStringConvertible {
  /// Type, shape and the first numbers on one line: `F32 [2, 3]: 0.5 -1.0 2.0 …`.
  public var description: String {
    var first = [Double](repeating: 0, count: min(count, 6))
    let shown = first.count
    first.withUnsafeMutableBufferPointer { buffer in
      // Safe: there is room for `shown` elements.
      if let start = buffer.baseAddress { copy(0..<shown, to: start) }
    }
    let isWhole = !elementType.isFloat && quantization == nil
    let numbers = first.map {
      isWhole
        ? Int64(exactly: $0).map { "\($0)" } ?? "\($0)" : elementType == .float64 ? "\($0)" : "\(Float($0))"
    }
    return "\(elementType.rawValue) \(shape)"
      + (count == 0 ? "" : ": " + (numbers + (count > shown ? ["…"] : [])).joined(separator: " "))
  }
}
