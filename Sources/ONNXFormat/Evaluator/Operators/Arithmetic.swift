internal import ReferenceMath
internal import Tensors

/// Arithmetic of two or more inputs, which are broadcast to one shape.
extension Evaluation {
  static var arithmeticOperators: [String: Operation] {
    [
      "Add": binary({ $0 + $1 }, { sum($0, $1) }),
      "Sub": binary({ $0 - $1 }, { Self.exact($0.subtractingReportingOverflow($1)) }),
      "Mul": binary({ $0 * $1 }, { Self.exact($0.multipliedReportingOverflow(by: $1)) }),
      // Integers: rounded towards zero.
      "Div": binary({ $0 / $1 }, { $1 == 0 ? nil : Self.exact($0.dividedReportingOverflow(by: $1)) }),
      "Mod": mod,
      "Pow": pow,
      "PRelu": { call throws(ONNXError) in
        // The slope is broadcast to X, never the other way round.
        let (x, slope) = (try call.value(0), try call.value(1))
        guard try call.broadcastShape(x.shape, slope.shape) == x.shape else {
          throw call.mismatch(1, expected: "one that broadcasts to \(x.shape)", found: slope.shape)
        }
        let result = try combined(
          call, x, slope,
          { x, slope in
            S.piecewise(x, 0) {
              $0 * slope
            } otherwise: {
              $0
            }
          },
          { $0 < 0 ? Self.exact($0.multipliedReportingOverflow(by: $1)) : $0 })
        return [result]
      },
      "Sum": variadic({ $0 + $1 }),
      "Mean": { call throws(ONNXError) in
        let total = try variadic({ $0 + $1 })(call)
        guard case .float(let array, let type)?? = total.first else { return total }
        let count = S(call.inputs.count)
        return [.float(array.map { $0 / count }, type)]
      },
      // A NaN on either side is the result.
      "Max": variadic(S.larger, { max($0, $1) }),
      "Min": variadic(S.smaller, { min($0, $1) }),
    ]
  }

  static func exact(_ result: (partialValue: Int64, overflow: Bool)) -> Int64? {
    result.overflow ? nil : result.partialValue
  }

  static func sum(_ a: Int64, _ b: Int64) -> Int64? { exact(a.addingReportingOverflow(b)) }

  /// Both inputs broadcast together; nil from `integer` stands for an overflow or a division by zero.
  private static func combined(
    _ call: Call<S>, _ a: Value<S>, _ b: Value<S>, _ float: (S, S) -> S, _ integer: (Int64, Int64) -> Int64?
  ) throws(ONNXError) -> Value<S> {
    let shape = try call.broadcastShape(a.shape, b.shape)
    guard a.elementType == b.elementType else { throw call.wrongType(1, b.elementType) }
    switch (a, b) {
    case (.float(let x, let type), .float(let y, _)):
      return .float(NDArray(x, y, shape: shape, float), type)
    case (.integer(let x, let type), .integer(let y, _)) where type != .bool:
      let result = try NDArray(x, y, shape: shape) { (x, y) throws(ONNXError) in
        guard let result = integer(x, y) else {
          throw call.invalid("\(x) and \(y) have no result in 64 bits")
        }
        return result
      }
      return try call.fitted(result, type)
    default: throw call.wrongType(0, a.elementType)
    }
  }

  private static func binary(
    _ float: @escaping (S, S) -> S, _ integer: @escaping (Int64, Int64) -> Int64?
  ) -> Operation {
    { call throws(ONNXError) in [try combined(call, call.value(0), call.value(1), float, integer)] }
  }

  /// Any number of inputs, combined from the left; without `integer`, floats alone.
  private static func variadic(
    _ float: @escaping (S, S) -> S, _ integer: ((Int64, Int64) -> Int64)? = nil
  ) -> Operation {
    { call throws(ONNXError) in
      let values = try call.variadic()
      if integer == nil, case .integer(_, let type) = values[0] { throw call.wrongType(0, type) }
      var result = values[0]
      for value in values.dropFirst() {
        result = try combined(call, result, value, float) { integer?($0, $1) }
      }
      return [result]
    }
  }

  /// Mod: with fmod, C's remainder (sign of A); without, Python's (sign of B), for floats since opset 28.
  private static func mod(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let truncating = try call.flag("fmod")
    let (a, b) = (try call.value(0), try call.value(1))
    if case .float = a, !truncating, call.opset < 28 {
      throw call.unsupported("fmod", "it must be 1 for floats before opset 28")
    }
    let result = try combined(call, a, b) { x, y in
      let rest = S.fmod(x, y)
      if truncating { return rest }
      if rest == 0 { return y < 0 ? -0.0 : 0 }
      return (rest < 0) != (y < 0) ? rest + y : rest
    } _: { x, y in
      if y == 0 { return nil }
      if y == -1 { return 0 }
      let rest = x % y
      return !truncating && rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest
    }
    return [result]
  }

  /// Pow: the exponent may be of another type; the result has the base's.
  private static func pow(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (base, exponent) = (try call.value(0), try call.value(1))
    let shape = try call.broadcastShape(base.shape, exponent.shape)
    switch (base, exponent) {
    case (.float(let x, let type), .float(let y, _)):
      return [.float(NDArray(x, y, shape: shape) { S.pow($0, $1) }, type)]
    case (.float(let x, let type), .integer(let y, _)):
      return [.float(NDArray(x, y, shape: shape) { S.pow($0, S($1)) }, type)]
    case (.integer(let x, let type), .integer(let y, _)):
      let result = try NDArray(x, y, shape: shape) { (x, y) throws(ONNXError) in
        guard let power = integerPower(x, y) else {
          throw call.invalid("\(x) to the power \(y) is no 64-bit integer")
        }
        return power
      }
      return [try call.fitted(result, type)]
    case (.integer(let x, let type), .float(let y, _)):
      let result = try NDArray(x, y, shape: shape) { (x, y) throws(ONNXError) in
        guard let power = Int64(exactly: Double.pow(Double(x), y.decided).rounded(.towardZero)) else {
          throw call.invalid("\(x) to the power \(y) is no 64-bit integer")
        }
        return power
      }
      return [try call.fitted(result, type)]
    }
  }

  private static func integerPower(_ base: Int64, _ exponent: Int64) -> Int64? {
    if exponent < 0 { return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : nil }
    var (result, square, left): (Int64, Int64?, Int64) = (1, base, exponent)
    while left > 0 {
      guard let factor = square else { return nil }
      if left & 1 == 1 {
        guard let next = exact(result.multipliedReportingOverflow(by: factor)) else { return nil }
        result = next
      }
      left >>= 1
      square = exact(factor.multipliedReportingOverflow(by: factor))
    }
    return result
  }
}
