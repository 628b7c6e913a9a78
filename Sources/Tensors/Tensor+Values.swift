internal import ByteIO

extension Tensor {
  // Of shapes that the code itself computed: values that do not fill them are its own fault.
  package init(_ values: [Float], shape: [Int]) { self.init(trivial: values, .float32, shape) }
  package init(_ values: [Double], shape: [Int]) { self.init(trivial: values, .float64, shape) }
  package init(_ values: [Int64], shape: [Int]) { self.init(trivial: values, .int64, shape) }
  package init(_ values: [Int32], shape: [Int]) { self.init(trivial: values, .int32, shape) }
  package init(_ values: [Bool], shape: [Int]) {
    self.init(trivial: values.map { $0 ? 1 : 0 } as [UInt8], .bool, shape)
  }

  private init<Value: BitwiseCopyable>(trivial values: [Value], _ type: ElementType, _ shape: [Int]) {
    precondition(checkedProduct(shape) == values.count, "shape \(shape) does not hold \(values.count) values")
    let bytes = values.withUnsafeBytes { ByteBuffer($0) }
    try! self.init(type, shape: shape, bytes: bytes)
  }

  /// The elements as numbers of type `Result`: floats through `Double`, which holds each exactly.
  private func map<Result>(
    _ float: (Double) -> Result, _ signed: (Int64) -> Result, _ unsigned: (UInt64) -> Result
  ) -> [Result] {
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
    case .int64: return load(Int64.self, signed)
    case .int32: return load(Int32.self) { signed(Int64($0)) }
    case .int16: return load(Int16.self) { signed(Int64($0)) }
    case .int8: return load(Int8.self) { signed(Int64($0)) }
    case .uint64: return load(UInt64.self, unsigned)
    case .uint32: return load(UInt32.self) { signed(Int64($0)) }
    case .uint16: return load(UInt16.self) { signed(Int64($0)) }
    case .uint8: return load(UInt8.self) { signed(Int64($0)) }
    case .bool: return load(UInt8.self) { signed($0 == 0 ? 0 : 1) }
    }
  }

  /// Whether every number is 0.
  public var isZero: Bool { doubles.allSatisfy { $0 == 0 } }

  /// The elements as Float64: exact for every float type and up to 53 bits of an integer; quantised elements
  /// are scaled.
  public var doubles: [Double] {
    [Double](unsafeUninitializedCapacity: count) { target, filled in
      // Safe: there is room for all elements.
      if let start = target.baseAddress { copy(0..<count, to: start) }
      filled = count
    }
  }

  /// The elements as Float32, each rounded once, to nearest, where it does not fit.
  public var floats: [Float] {
    [Float](unsafeUninitializedCapacity: count) { target, filled in
      // Safe: there is room for all elements.
      if let start = target.baseAddress { copy(0..<count, to: start) }
      filled = count
    }
  }

  /// Integers, and what is quantised.
  var mappedDoubles: [Double] {
    guard let quantization else { return map({ $0 }, { Double($0) }, { Double($0) }) }
    let zero = Double(quantization.zeroPoint)
    return map(
      { $0 }, { quantization.scale * (Double($0) - zero) }, { quantization.scale * (Double($0) - zero) })
  }

  var mappedFloats: [Float] {
    if quantization != nil { return mappedDoubles.map { Float($0) } }
    return map({ Float($0) }, { Float($0) }, { Float($0) })
  }

  /// The elements of an integer or bool tensor, as they are stored: quantised elements are not scaled.
  public func integers() throws(TensorError) -> [Int64] {
    guard !elementType.isFloat else { throw .notIntegers(elementType) }
    let exact: [Int64?] = map({ _ in nil }, { $0 }, { Int64(exactly: $0) })
    var result: [Int64] = []
    result.reserveCapacity(exact.count)
    for value in exact {
      guard let value else { throw .notConvertible(from: elementType, to: .int64) }
      result.append(value)
    }
    return result
  }

  /// The same numbers in another element type, and how many of them had to be rounded.
  ///
  /// Quantised elements become the numbers that they stand for in a float type, and stay quantised in an
  /// integer type. Integers that do not fit, and floats as integers, are errors.
  public func converted(to target: ElementType) throws(TensorError) -> (tensor: Tensor, roundedElements: Int)
  {
    if target == elementType { return (self, 0) }
    return target.isFloat ? try convertedToFloat(target) : (try convertedToInteger(target), 0)
  }

  /// The numbers as 8-bit integers times one scale, max|x| ÷ 127, each to nearest; nil where one is not finite.
  ///
  /// The scale is a Float32 number, as other runtimes hold it.
  public func quantized() -> Tensor? {
    let values = doubles
    let most = values.reduce(0) { max($0, abs($1)) }
    guard values.allSatisfy(\.isFinite) else { return nil }
    // Rounded up, so that nothing exceeds 127; the least normal number for a tensor of zeros.
    let nearest = Float(most / 127)
    let scale = Double(max(Double(nearest) * 127 < most ? nearest.nextUp : nearest, .leastNormalMagnitude))
    guard scale.isFinite else { return nil }
    let elements = values.map { Int8(($0 / scale).rounded(.toNearestOrEven)) }
    return try? Tensor(
      .int8, shape: shape, bytes: elements.withUnsafeBytes { ByteBuffer($0) },
      quantization: Quantization(scale: scale, zeroPoint: 0))
  }

  private func convertedToFloat(_ target: ElementType) throws(TensorError) -> (Tensor, Int) {
    if target == .float64 {
      let inexact =
        quantization != nil
        ? []
        : map({ _ in false }, { Int64(exactly: Double($0)) != $0 }, { UInt64(exactly: Double($0)) != $0 })
      return (Tensor(doubles, shape: shape), inexact.count { $0 })
    }
    let source =
      quantization != nil
      ? doubles : map({ $0 }, { Double(roundedToOdd: $0) }, { Double(roundedToOdd: $0) })
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
      case .float32: narrowed({ Float($0) }, { Double($0) })
      case .float16: narrowed({ Float16($0) }, { Double($0) })
      default: narrowed({ BFloat16.bits(Float(roundedToOdd: $0)) }, { Double(BFloat16.float($0)) })
      }
    return (try Tensor(target, shape: shape, bytes: bytes), rounded)
  }

  private func convertedToInteger(_ target: ElementType) throws(TensorError) -> Tensor {
    let failure = TensorError.notConvertible(from: elementType, to: target)
    guard !elementType.isFloat else { throw failure }
    let signed: [Int64?] = map({ _ in nil }, { $0 }, { Int64(exactly: $0) })
    func exact<Raw: FixedWidthInteger & BitwiseCopyable>(
      _ type: Raw.Type, in range: ClosedRange<Int64> = .min ... .max
    ) throws(TensorError) -> ByteBuffer {
      var raw: [Raw] = []
      raw.reserveCapacity(signed.count)
      for value in signed {
        guard let value, range.contains(value), let fitted = Raw(exactly: value) else { throw failure }
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
      case .uint8: try exact(UInt8.self)
      default: try exact(UInt8.self, in: 0...1)
      }
    return try Tensor(target, shape: shape, bytes: bytes, quantization: quantization)
  }
}

extension Double {
  /// Where the integer has more than 53 bits, the odd one of its two neighbours, so that rounding the result
  /// to Float32 or less is rounding once.
  fileprivate init(roundedToOdd value: some FixedWidthInteger) {
    let nearest = Double(value)
    let back = type(of: value).init(exactly: nearest)
    if back == value || nearest.bitPattern & 1 == 1 {
      self = nearest
    } else if let back {
      self = back < value ? nearest.nextUp : nearest.nextDown
    } else {
      // The nearest Float64 is one past the largest integer of the type.
      self = nearest.nextDown
    }
  }
}

extension Float {
  /// Where the number does not fit, the odd one of its two neighbours, so that rounding the result to
  /// bfloat16 is rounding once.
  fileprivate init(roundedToOdd value: Double) {
    let nearest = Float(value)
    if Double(nearest) == value || !nearest.isFinite || nearest.bitPattern & 1 == 1 {
      self = nearest
    } else {
      self = Double(nearest) < value ? nearest.nextUp : nearest.nextDown
    }
  }
}
