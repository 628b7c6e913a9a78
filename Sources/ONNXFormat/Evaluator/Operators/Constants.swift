internal import ReferenceMath
internal import Tensors

/// Operators that make tensors, and casts.
extension Evaluation {
  static var constantOperators: [String: Operation] {
    [
      "Constant": constant, "ConstantOfShape": constantOfShape, "Range": range, "EyeLike": eyeLike,
    ]
  }

  static var castOperators: [String: Operation] {
    [
      "Cast": { call throws(ONNXError) in
        // `saturate` and `round_mode` concern 8-bit floats alone, which are refused here.
        let type = try call.elementType("to")
        let value = try call.value(0)
        guard call.opset >= 13 || type != .bfloat16 && value.elementType != .bfloat16 else {
          throw call.invalid("Cast takes bfloat16 since opset 13, and this is opset \(call.opset)")
        }
        return [try cast(call, value, to: type)]
      },
      "CastLike": { call throws(ONNXError) in [try cast(call, call.value(0), to: call.value(1).elementType)]
      },
    ]
  }

  private static func constant(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    guard call.step.attributes.count == 1, let (name, attribute) = call.step.attributes.first else {
      throw call.invalid("exactly one attribute must give the value, not \(call.step.attributes.count)")
    }
    switch attribute {
    case .tensor(let tensor): return [try call.value(of: tensor, name)]
    case .float(let value): return [.float(NDArray(scalar: S(value)), .float32)]
    case .floats(let values):
      return [.float(NDArray(shape: [values.count], elements: values.map { S($0) }), .float32)]
    case .int(let value): return [.integer(NDArray(scalar: value), .int64)]
    case .ints(let values): return [.integer(NDArray(shape: [values.count], elements: values), .int64)]
    default: throw call.unsupported(name, "only tensors of numbers are supported")
    }
  }

  private static func constantOfShape(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let shape = try call.checked(call.list(0))
    guard case .tensor(let tensor)? = call.step.attributes["value"] else {
      return [.float(NDArray(repeating: 0, shape: shape), .float32)]
    }
    guard tensor.count == 1 else {
      throw call.unsupported("value", "it has \(tensor.count) elements, not one")
    }
    return [try call.value(of: tensor, "value").reshaped([]).expanded(to: shape)]
  }

  /// start, start + delta, … up to but without the limit.
  private static func range(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (start, limit, delta) = (try call.value(0), try call.value(1), try call.value(2))
    for (position, value) in [start, limit, delta].enumerated() {
      guard value.count == 1 else { throw call.mismatch(position, expected: "[]", found: value.shape) }
      guard value.elementType == start.elementType else { throw call.wrongType(position, value.elementType) }
    }
    switch (start, limit, delta) {
    case (.float(let start, let type), .float(let limit, _), .float(let delta, _)):
      let (start, limit, delta) = (start.elements[0], limit.elements[0], delta.elements[0])
      let steps = ((limit - start) / delta).rounded(.up)
      guard delta != 0, let count = steps < 0 ? 0 : steps.whole.map({ Int($0) }) else {
        throw call.invalid("no range goes from \(start) to \(limit) by \(delta)")
      }
      try call.checked([count])
      let elements = (0..<count).map { index in
        // Some add delta again and again.
        (start + S(index) * delta).alsoRounded(index, abs(start), S(index) * abs(delta))
      }
      return [.float(NDArray(shape: [count], elements: elements), type)]
    case (.integer(let start, let type), .integer(let limit, _), .integer(let delta, _)) where type != .bool:
      let (start, limit, delta) = (start.elements[0], limit.elements[0], delta.elements[0])
      guard delta != 0, let span = exact(limit.subtractingReportingOverflow(start)), span != .min else {
        throw call.invalid("no range goes from \(start) to \(limit) by \(delta)")
      }
      // Rounded up, for a span and a delta of the same sign.
      let count = span.signum() == delta.signum() ? Int((span.magnitude - 1) / delta.magnitude + 1) : 0
      try call.checked([count])
      return [
        .integer(NDArray(shape: [count], elements: (0..<count).map { start + Int64($0) * delta }), type)
      ]
    default: throw call.wrongType(0, start.elementType)
    }
  }

  /// Ones on the k-th diagonal of a matrix as large as the input.
  private static func eyeLike(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let like = try call.value(0)
    guard like.rank == 2 else { throw call.mismatch(0, expected: "a matrix", found: like.shape) }
    let type = call.int("dtype") == nil ? like.elementType : try call.elementType("dtype")
    let (columns, k) = (like.shape[1], call.int("k") ?? 0)
    let elements = (0..<like.count).map { position -> Int64 in
      let (row, column) = position.quotientAndRemainder(dividingBy: columns)
      return column - row == k ? 1 : 0
    }
    let ones = NDArray(shape: like.shape, elements: elements)
    return [type.isFloat ? .float(ones.map { S($0) }, type) : .integer(ones, type)]
  }

  /// Float to a narrower float rounds, to a wider one it stays as it is. Float to integer drops the fraction.
  /// Integer to integer drops high bits, as the specification says.
  static func cast(_ call: Call<S>, _ value: Value<S>, to type: ElementType) throws(ONNXError)
    -> Value<S>
  {
    switch value {
    case .float(let array, let source) where type.isFloat:
      // Between Float16 and BFloat16, each narrows the other.
      let narrows = type == .float16 || type == .bfloat16 || type == .float32 && source == .float64
      guard source != type, narrows else { return .float(array, type) }
      guard let rounded = try? S.narrowed(array.elements, to: type) else {
        throw call.invalid("no cast to \(type.rawValue)")
      }
      return .float(NDArray(shape: array.shape, elements: rounded), type)
    case .float(let array, _) where type == .bool: return .integer(array.map { $0 == 0 ? 0 : 1 }, .bool)
    case .float(let array, _):
      let whole = try array.map { (element) throws(ONNXError) in
        guard let whole = element.rounded(.towardZero).whole, type.integerRange.contains(whole)
        else {
          throw call.invalid("\(element) is outside \(type.rawValue), where a cast is not defined")
        }
        return whole
      }
      return .integer(whole, type)
    case .integer(let array, _) where type.isFloat:
      if type == .float16 || type == .bfloat16 {
        return try cast(call, .float(array.map { S($0) }, S.elementType), to: type)
      }
      return .float(array.map { S($0) }, type)
    case .integer(let array, _):
      return .integer(try array.map { (x) throws(ONNXError) in try wrap(x, type, call) }, type)
    }
  }

  /// The low bits of an integer, as one of the type.
  static func wrap(_ x: Int64, _ type: ElementType, _ call: Call<S>) throws(ONNXError) -> Int64 {
    switch type {
    case .int32: return Int64(Int32(truncatingIfNeeded: x))
    case .int16: return Int64(Int16(truncatingIfNeeded: x))
    case .int8: return Int64(Int8(truncatingIfNeeded: x))
    case .uint32: return Int64(UInt32(truncatingIfNeeded: x))
    case .uint16: return Int64(UInt16(truncatingIfNeeded: x))
    case .uint8: return Int64(UInt8(truncatingIfNeeded: x))
    case .bool: return x == 0 ? 0 : 1
    case .uint64:
      guard x >= 0 else { throw call.invalid("\(x) becomes a U64 that does not fit a 64-bit signed integer") }
      return x
    default: return x
    }
  }
}

extension Call {
  /// An attribute that names an element type by its number in TensorProto.
  func elementType(_ attribute: String) throws(ONNXError) -> ElementType {
    guard let code = int(attribute), let small = Int32(exactly: code),
      let type = ONNXDataType.elementType(small)
    else { throw unsupported(attribute, "data type \(int(attribute) ?? 0) is not supported") }
    return type
  }

  /// A tensor from the file, as a value.
  func value(of tensor: Tensor, _ name: String) throws(ONNXError) -> Value<S> {
    try checked(tensor.shape)
    guard let value = Value<S>(tensor) else {
      throw unsupported(name, "a number of it does not fit a 64-bit signed integer")
    }
    return value
  }
}
