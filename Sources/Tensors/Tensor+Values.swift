internal import ByteIO

extension Tensor {
  /// A tensor from numbers; `values.count` must be the product of `shape` (a programming error otherwise).
  public init(_ values: [Float], shape: [Int]) { self.init(trivial: values, .float32, shape) }
  public init(_ values: [Double], shape: [Int]) { self.init(trivial: values, .float64, shape) }
  public init(_ values: [Int64], shape: [Int]) { self.init(trivial: values, .int64, shape) }
  public init(_ values: [Int32], shape: [Int]) { self.init(trivial: values, .int32, shape) }
  public init(_ values: [Bool], shape: [Int]) {
    self.init(trivial: values.map { $0 ? 1 : 0 } as [UInt8], .bool, shape)
  }

  private init<Value: BitwiseCopyable>(trivial values: [Value], _ type: ElementType, _ shape: [Int]) {
    precondition(checkedProduct(shape) == values.count, "shape \(shape) does not hold \(values.count) values")
    let bytes = values.withUnsafeBytes { ByteBuffer($0) }
    try! self.init(type, shape: shape, bytes: bytes)
  }

  /// The elements as numbers of type `Result`, each converted through `Double` or `Int64` exactly where it fits.
  private func map<Result>(_ float: (Double) -> Result, _ integer: (Int64) -> Result) -> [Result] {
    func load<Raw: BitwiseCopyable>(_ type: Raw.Type, _ convert: (Raw) -> Result) -> [Result] {
      bytes.withUnsafeBytes { raw in
        (0..<count).map {
          convert(raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Raw>.size, as: Raw.self))
        }
      }
    }
    switch elementType {
    case .float64: return load(Double.self, float)
    case .float32: return load(Float.self) { float(Double($0)) }
    case .float16: return load(Float16.self) { float(Double($0)) }
    case .bfloat16: return load(UInt16.self) { float(Double(BFloat16.float($0))) }
    case .int64: return load(Int64.self, integer)
    case .int32: return load(Int32.self) { integer(Int64($0)) }
    case .int16: return load(Int16.self) { integer(Int64($0)) }
    case .int8: return load(Int8.self) { integer(Int64($0)) }
    case .uint64: return load(UInt64.self) { integer(Int64(clamping: $0)) }
    case .uint32: return load(UInt32.self) { integer(Int64($0)) }
    case .uint16: return load(UInt16.self) { integer(Int64($0)) }
    case .uint8: return load(UInt8.self) { integer(Int64($0)) }
    case .bool: return load(UInt8.self) { integer($0 == 0 ? 0 : 1) }
    }
  }

  /// The elements as Float64, exact for every float type; quantised elements are scaled.
  public var doubles: [Double] {
    if elementType == .float64 {
      return bytes.withUnsafeBytes { raw in
        [Double](unsafeUninitializedCapacity: count) { target, filled in
          UnsafeMutableRawBufferPointer(target).copyMemory(from: raw)
          filled = count
        }
      }
    }
    if let quantization {
      return map({ $0 }, { quantization.scale * Double($0 - Int64(quantization.zeroPoint)) })
    }
    return map({ $0 }, { Double($0) })
  }

  /// The elements as Float32, rounded to nearest where they do not fit.
  public var floats: [Float] {
    if elementType == .float32 {
      return bytes.withUnsafeBytes { raw in
        [Float](unsafeUninitializedCapacity: count) { target, filled in
          UnsafeMutableRawBufferPointer(target).copyMemory(from: raw)
          filled = count
        }
      }
    }
    return doubles.map { Float($0) }
  }

  /// The elements of an integer or bool tensor.
  public func integers() throws(TensorError) -> [Int64] {
    guard !elementType.isFloat else { throw .notIntegers(elementType) }
    return map({ Int64($0) }, { $0 })
  }

  /// The same numbers in another element type, and how many of them had to be rounded.
  public func converted(to target: ElementType) throws(TensorError) -> (tensor: Tensor, roundedElements: Int)
  {
    if target == elementType { return (self, 0) }
    if target.isFloat {
      let source = doubles
      var rounded = 0
      func narrowed<Raw: BitwiseCopyable>(_ narrow: (Double) -> Raw, _ widen: (Raw) -> Double) -> ByteBuffer {
        let raw = source.map { value in
          let result = narrow(value)
          let back = widen(result)
          if back != value && !(back.isNaN && value.isNaN) { rounded += 1 }
          return result
        }
        return raw.withUnsafeBytes { ByteBuffer($0) }
      }
      let bytes =
        switch target {
        case .float64: narrowed({ $0 }, { $0 })
        case .float32: narrowed({ Float($0) }, { Double($0) })
        case .float16: narrowed({ Float16($0) }, { Double($0) })
        default: narrowed({ BFloat16.bits($0.roundedToOddFloat) }, { Double(BFloat16.float($0)) })
        }
      return (try Tensor(target, shape: shape, bytes: bytes), rounded)
    }
    guard !elementType.isFloat else { throw .notConvertible(from: elementType, to: target) }
    let source = try integers()
    func exact<Raw: FixedWidthInteger & BitwiseCopyable>(_ type: Raw.Type) throws(TensorError) -> ByteBuffer {
      var raw: [Raw] = []
      raw.reserveCapacity(source.count)
      for value in source {
        guard let fitted = Raw(exactly: value) else { throw .notConvertible(from: elementType, to: target) }
        raw.append(fitted)
      }
      return raw.withUnsafeBytes { ByteBuffer($0) }
    }
    let bytes =
      switch target {
      case .int64: try exact(Int64.self)
      case .int32: try exact(Int32.self)
      case .int16: try exact(Int16.self)
      case .int8: try exact(Int8.self)
      case .uint64: try exact(UInt64.self)
      case .uint32: try exact(UInt32.self)
      case .uint16: try exact(UInt16.self)
      default: try exact(UInt8.self)
      }
    return (try Tensor(target, shape: shape, bytes: bytes), 0)
  }

  /// Axes reordered: axis k of the result is axis `permutation[k]` of this tensor.
  public func transposed(_ permutation: [Int]) -> Tensor {
    precondition(permutation.sorted() == Array(0..<shape.count), "not a permutation: \(permutation)")
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in stride(from: shape.count - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] * shape[axis + 1]
    }
    let newShape = permutation.map { shape[$0] }
    let newStrides = permutation.map { strides[$0] }
    return gather(shape: newShape) { index in
      var source = 0
      for (axis, position) in index.enumerated() { source += position * newStrides[axis] }
      return source
    }
  }

  /// The blocks `ranges` of axis 0, one after another.
  public func rows(_ ranges: [Range<Int>]) -> Tensor {
    let rowBytes = shape[0] == 0 ? 0 : bytes.count / shape[0]
    let rows = ranges.reduce(0) { $0 + $1.count }
    let result = ByteBuffer(byteCount: rows * rowBytes) { target in
      bytes.withUnsafeBytes { source in
        var offset = 0
        for range in ranges {
          let slice = source[(range.lowerBound * rowBytes)..<(range.upperBound * rowBytes)]
          UnsafeMutableRawBufferPointer(rebasing: target[offset..<(offset + slice.count)]).copyBytes(
            from: slice)
          offset += slice.count
        }
      }
    }
    return try! Tensor(
      elementType, shape: [rows] + shape.dropFirst(), bytes: result, quantization: quantization)
  }

  public func rows(_ range: Range<Int>) -> Tensor { rows([range]) }

  /// Tensors of one element type and equal trailing shape, joined along axis 0.
  public static func concatenated(_ parts: [Tensor]) -> Tensor {
    precondition(!parts.isEmpty, "nothing to concatenate")
    precondition(parts.allSatisfy { $0.elementType == parts[0].elementType }, "mixed element types")
    let rows = parts.reduce(0) { $0 + $1.shape[0] }
    var writer = ByteWriter()
    for part in parts { writer.append(part.bytes) }
    return try! Tensor(
      parts[0].elementType, shape: [rows] + parts[0].shape.dropFirst(), bytes: ByteBuffer(writer.bytes),
      quantization: parts[0].quantization)
  }

  /// A new tensor whose element at each index of `newShape` is the element of this one at the flat position that
  /// `position` names; bit-exact.
  public func gather(shape newShape: [Int], _ position: ([Int]) -> Int) -> Tensor {
    let size = elementType.size
    let total = newShape.reduce(1, *)
    let result = ByteBuffer(byteCount: total * size) { target in
      bytes.withUnsafeBytes { source in
        var index = [Int](repeating: 0, count: newShape.count)
        for element in 0..<total {
          let from = position(index) * size
          for byte in 0..<size { target[element * size + byte] = source[from + byte] }
          var axis = newShape.count - 1
          while axis >= 0 {
            index[axis] += 1
            if index[axis] < newShape[axis] { break }
            index[axis] = 0
            axis -= 1
          }
        }
      }
    }
    return try! Tensor(elementType, shape: newShape, bytes: result, quantization: quantization)
  }
}

extension Double {
  /// Rounded to Float32 towards the odd neighbour, so that rounding again to bfloat16 is rounding once.
  fileprivate var roundedToOddFloat: Float {
    let nearest = Float(self)
    if Double(nearest) == self || !nearest.isFinite { return nearest }
    if nearest.bitPattern & 1 == 1 { return nearest }
    return Double(nearest) < self ? nearest.nextUp : nearest.nextDown
  }
}
