internal import ReferenceMath
internal import Tensors

/// Operators of one input whose output has the same shape.
extension Evaluation {
  static var elementwiseOperators: [String: Operation] {
    typealias F = Functions<S>
    return [
      "Abs": signed({ abs($0) }, { $0 == .min ? nil : abs($0) }),
      "Neg": signed({ -$0 }, { $0 == .min ? nil : -$0 }),
      "Sign": signed(
        { x in
          S.piecewise(x, 0) { _ in
            -1
          } otherwise: {
            S.piecewise(0, $0) { _ in
              1
            } otherwise: { _ in
              x
            }
          }
        }, { $0.signum() }),
      "Relu": signed(F.relu, { max($0, 0) }),
      "Sqrt": float { _ in { $0.squareRoot() } },
      "Exp": float { _ in S.exp },
      "Log": float { _ in S.log },
      "Sin": float { _ in S.sin },
      "Cos": float { _ in S.cos },
      "Tan": float { _ in S.tan },
      "Asin": float { _ in S.asin },
      "Acos": float { _ in S.acos },
      "Atan": float { _ in S.atan },
      "Sinh": float { _ in S.sinh },
      "Cosh": float { _ in S.cosh },
      "Asinh": float { _ in S.asinh },
      "Acosh": float { _ in S.acosh },
      "Atanh": float { _ in S.atanh },
      "Erf": float { _ in S.erf },
      "Reciprocal": float { _ in { 1 / $0 } },
      "Floor": float { _ in { $0.rounded(.down) } },
      "Ceil": float { _ in { $0.rounded(.up) } },
      "Round": float { _ in { $0.rounded(.toNearestOrEven) } },
      "Sigmoid": float { _ in F.sigmoid },
      "Tanh": float { _ in F.tanh },
      "Softsign": float { _ in F.softsign },
      "Softplus": float { _ in F.softplus },
      "Mish": float { _ in F.mish },
      "HardSwish": float { _ in F.hardSwish },
      "LeakyRelu": float { call in
        let alpha = call.real("alpha") ?? 0
        return { F.leakyRelu($0, alpha) }
      },
      "Elu": float { call in
        let alpha = call.real("alpha") ?? 0
        return { F.elu($0, alpha) }
      },
      "Celu": float { call in
        let alpha = call.real("alpha") ?? 0
        return { F.celu($0, alpha) }
      },
      "Swish": float { call in
        let alpha = call.real("alpha") ?? 0
        return { F.swish($0, alpha) }
      },
      // y = x where x > alpha, else 0. A NaN passes.
      "ThresholdedRelu": float { call in
        let alpha = call.real("alpha") ?? 0
        return thresholdedRelu(alpha)
      },
      "HardSigmoid": float { call in
        let (alpha, beta) = (call.real("alpha") ?? 0, call.real("beta") ?? 0)
        return { F.hardSigmoid($0, alpha, beta) }
      },
      "Selu": float { call in
        let (alpha, gamma) = (call.real("alpha") ?? 0, call.real("gamma") ?? 0)
        return { F.selu($0, alpha, gamma) }
      },
      "Gelu": float { call throws(ONNXError) in
        switch call.string("approximate") {
        case "none": return F.gelu
        case "tanh": return F.geluTanh
        case let other: throw call.unsupported("approximate", "'\(other ?? "")' is neither none nor tanh")
        }
      },
      "Not": { call throws(ONNXError) in [.bools(try call.bool(0).map { !$0 })] },
      "IsNaN": { call throws(ONNXError) in [.bools(try call.float(0).array.map(\.isNaN))] },
      "IsInf": { call throws(ONNXError) in
        let (positive, negative) = (try call.flag("detect_positive"), try call.flag("detect_negative"))
        return [.bools(try call.float(0).array.map { $0.isInfinite && ($0 > 0 ? positive : negative) })]
      },
      "Shrink": shrink,
      "Identity": { call throws(ONNXError) in [try call.value(0)] },
      "Clip": clip,
    ]
  }

  static func thresholdedRelu(_ alpha: S) -> (S) -> S {
    { x in
      S.piecewise(alpha, x) { _ in
        x
      } otherwise: { _ in
        x.isNaN ? x : 0
      }
    }
  }

  /// An operator on floats alone, made once from the node's attributes.
  private static func float(
    _ make: @escaping (Call<S>) throws(ONNXError) -> (S) -> S
  ) -> Operation {
    { call throws(ONNXError) in
      let (array, type) = try call.float(0)
      return [.float(array.map(try make(call)), type)]
    }
  }

  /// An operator on floats and integers; nil stands for an overflow.
  private static func signed(_ float: @escaping (S) -> S, _ integer: @escaping (Int64) -> Int64?) -> Operation
  {
    { call throws(ONNXError) in
      switch try call.value(0) {
      case .float(let array, let type): return [.float(array.map(float), type)]
      case .integer(_, .bool): throw call.wrongType(0, .bool)
      case .integer(let array, let type):
        let result = try array.map { (element) throws(ONNXError) in
          guard let result = integer(element) else { throw call.invalid("\(element) overflows") }
          return result
        }
        return [try call.fitted(result, type)]
      }
    }
  }

  /// min(max(x, min), max); bounds are attributes before opset 11, inputs since.
  private static func clip(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    switch try call.value(0) {
    case .float(let array, let type):
      var (low, high) = (call.real("min") ?? -.infinity, call.real("max") ?? .infinity)
      if call.has(1) { low = try bound(call, 1, call.float(1).array) }
      if call.has(2) { high = try bound(call, 2, call.float(2).array) }
      return [.float(array.map { Functions.clamp($0, low, high) }, type)]
    case .integer(let array, let type):
      guard call.opset >= 12, type != .bool else { throw call.wrongType(0, type) }
      let low = call.has(1) ? try bound(call, 1, call.integer(1).array) : .min
      let high = call.has(2) ? try bound(call, 2, call.integer(2).array) : .max
      return [.integer(array.map { min(max($0, low), high) }, type)]
    }
  }

  /// x + bias where x < −lambd, x − bias where x > lambd, else 0. Integers drop the fraction of the result.
  private static func shrink(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    func shrunk<F: ReferenceScalar>(_ x: F, _ lambd: F, _ bias: F) -> F {
      F.piecewise(x, -lambd) {
        $0 + bias
      } otherwise: {
        F.piecewise(lambd, $0) { _ in
          x - bias
        } otherwise: { _ in
          x.isNaN ? x : 0
        }
      }
    }
    let (lambd, bias) = (call.real("lambd") ?? 0, call.real("bias") ?? 0)
    switch try call.value(0) {
    case .float(let array, let type): return [.float(array.map { shrunk($0, lambd, bias) }, type)]
    case .integer(let array, let type):
      guard type != .bool else { throw call.wrongType(0, type) }
      let result = try array.map { (x) throws(ONNXError) in
        let y = shrunk(Double(x), lambd.decided, bias.decided).rounded(.towardZero)
        guard let whole = Int64(exactly: y) else {
          throw call.invalid("\(x) becomes \(y), which is no integer")
        }
        return whole
      }
      return [try call.fitted(result, type)]
    }
  }

  private static func bound<E>(_ call: Call<S>, _ position: Int, _ array: NDArray<E>) throws(ONNXError) -> E {
    guard array.count == 1 else { throw call.mismatch(position, expected: "[]", found: array.shape) }
    return array.elements[0]
  }
}
