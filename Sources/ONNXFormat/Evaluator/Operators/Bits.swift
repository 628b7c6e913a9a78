internal import ReferenceMath
internal import Tensors

/// Operators on the bits of integers. As Int64, integers of every type are extended by their sign, so that and, or and xor of
/// two of a type are of that type.
extension Evaluation {
  static var bitOperators: [String: Operation] {
    [
      "BitwiseAnd": bitwise { $0 & $1 },
      "BitwiseOr": bitwise { $0 | $1 },
      "BitwiseXor": bitwise { $0 ^ $1 },
      "BitwiseNot": { call throws(ONNXError) in
        let (array, type) = try integers(call, 0)
        return [.integer(try array.map { (x) throws(ONNXError) in try wrap(~x, type, call) }, type)]
      },
      "BitShift": bitShift,
    ]
  }

  private static func integers(_ call: Call<S>, _ position: Int) throws(ONNXError) -> (
    NDArray<Int64>, ElementType
  ) {
    let (array, type) = try call.integer(position)
    guard type != .bool else { throw call.wrongType(position, type) }
    return (array, type)
  }

  private static func pair(
    _ call: Call<S>
  ) throws(ONNXError) -> (NDArray<Int64>, NDArray<Int64>, shape: [Int], type: ElementType) {
    let ((a, type), (b, typeB)) = (try integers(call, 0), try integers(call, 1))
    guard typeB == type else { throw call.wrongType(1, typeB) }
    return (a, b, try call.broadcastShape(a.shape, b.shape), type)
  }

  private static func bitwise(_ body: @escaping (Int64, Int64) -> Int64) -> Operation {
    { call throws(ONNXError) in
      let (a, b, shape, type) = try pair(call)
      return [.integer(NDArray(a, b, shape: shape, body), type)]
    }
  }

  /// Bits that leave the type are dropped; a shift by more bits than it has, or by a negative number, leaves those of the
  /// sign alone (right) or none (left). Signed integers since opset 28.
  private static func bitShift(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (x, y, shape, type) = try pair(call)
    if type.integerRange.lowerBound < 0, call.opset < 28 { throw call.wrongType(0, type) }
    let bits = Int64(type.size * 8)
    let shifted: (Int64, Int64) -> Int64
    switch call.string("direction") {
    case "RIGHT": shifted = { x, y in y < 0 || y >= bits ? (x < 0 ? -1 : 0) : x >> y }
    case "LEFT": shifted = { x, y in y < 0 || y >= bits ? 0 : x << y }
    case let other: throw call.unsupported("direction", "'\(other ?? "")' is neither LEFT nor RIGHT")
    }
    let result = try NDArray<Int64>(x, y, shape: shape) { (x, y) throws(ONNXError) in
      try wrap(shifted(x, y), type, call)
    }
    return [.integer(result, type)]
  }
}
