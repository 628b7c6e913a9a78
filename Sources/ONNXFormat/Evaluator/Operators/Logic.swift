internal import ReferenceMath
internal import Tensors

/// Comparisons, logic and Where: inputs are broadcast, a NaN equals nothing and is on no side of anything.
extension Evaluation {
  static var logicOperators: [String: Operation] {
    [
      "Equal": comparison({ $0 == $1 }, { $0 == $1 }, bools: true),
      "Less": comparison({ $0 < $1 }, { $0 < $1 }),
      "Greater": comparison({ $0 > $1 }, { $0 > $1 }),
      "LessOrEqual": comparison({ $0 <= $1 }, { $0 <= $1 }),
      "GreaterOrEqual": comparison({ $0 >= $1 }, { $0 >= $1 }),
      "And": logic { $0 && $1 },
      "Or": logic { $0 || $1 },
      "Xor": logic { $0 != $1 },
      "Where": whereOperator,
    ]
  }

  private static func comparison(
    _ float: @escaping (S, S) -> Bool, _ integer: @escaping (Int64, Int64) -> Bool, bools: Bool = false
  ) -> Operation {
    { call throws(ONNXError) in
      let (a, b) = (try call.value(0), try call.value(1))
      guard a.elementType == b.elementType else { throw call.wrongType(1, b.elementType) }
      let shape = try call.broadcastShape(a.shape, b.shape)
      switch (a, b) {
      case (.float(let x, _), .float(let y, _)): return [.bools(NDArray(x, y, shape: shape, float))]
      case (.integer(let x, let type), .integer(let y, _)) where type != .bool || bools:
        return [.bools(NDArray(x, y, shape: shape, integer))]
      default: throw call.wrongType(0, a.elementType)
      }
    }
  }

  private static func logic(_ body: @escaping (Bool, Bool) -> Bool) -> Operation {
    { call throws(ONNXError) in
      let (a, b) = (try call.bool(0), try call.bool(1))
      return [.bools(NDArray(a, b, shape: try call.broadcastShape(a.shape, b.shape), body))]
    }
  }

  private static func whereOperator(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let (condition, x, y) = (try call.bool(0), try call.value(1), try call.value(2))
    guard x.elementType == y.elementType else { throw call.wrongType(2, y.elementType) }
    let shape = try call.broadcastShape(call.broadcastShape(condition.shape, x.shape), y.shape)
    func choose<E>(_ x: NDArray<E>, _ y: NDArray<E>) -> NDArray<E> {
      let pairs = NDArray<(E, E)>(x, y, shape: shape) { ($0, $1) }
      return NDArray(condition, pairs, shape: shape) { $0 ? $1.0 : $1.1 }
    }
    switch (x, y) {
    case (.float(let x, let type), .float(let y, _)): return [.float(choose(x, y), type)]
    case (.integer(let x, let type), .integer(let y, _)): return [.integer(choose(x, y), type)]
    default: throw call.wrongType(2, y.elementType)
    }
  }
}
