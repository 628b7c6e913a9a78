internal import ByteIO
internal import Recurrent

extension Activation {
  /// The derivative at x. At a kink it is that of the flat (for LeakyReLU and ELU the left) side, as in PyTorch.
  ///
  /// Saturated sigmoids and tanhs keep their relative accuracy, which 1 − tanh² loses.
  func slope(at x: Double) -> Double {
    if x.isNaN { return .nan }
    switch kind {
    case .identity: return 1
    case .tanh: return 4 * bell(2 * x)
    case .sigmoid: return bell(x)
    case .relu: return x > 0 ? 1 : 0
    case .affine: return alpha
    case .leakyRelu: return x > 0 ? 1 : alpha
    case .thresholdedRelu: return x > alpha ? 1 : 0
    case .inclusiveThresholdedRelu: return x >= alpha ? 1 : 0
    case .scaledTanh: return alpha * beta * 4 * bell(2 * beta * x)
    case .hardSigmoid:
      let y = alpha * x + beta
      return y > 0 && y < 1 ? alpha : 0
    case .elu: return x > 0 ? 1 : alpha * exp(x)
    case .softsign: return 1 / ((1 + abs(x)) * (1 + abs(x)))
    case .softplus: return Double.sigmoid(x)
    // Φ + xφ
    case .gelu: return erfc(-x * 0.5.squareRoot()) / 2 + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
    case .silu:
      let s = Double.sigmoid(x)
      return s * (1 + x * (1 - s))
    // tanh(s) + x·tanh'(s)·σ(x), s = ln(1 + e^x)
    case .mish:
      let s = Double.softplus(x)
      return Double.hyperbolicTangent(s) + x * 4 * bell(2 * s) * Double.sigmoid(x)
    // Its own ends count as inside.
    case .clip: return x >= alpha && x <= beta ? 1 : 0
    case .exp: return exp(x)
    case .log: return 1 / x
    case .power: return alpha * Double.power(x, alpha - 1)
    case .abs: return x > 0 ? 1 : x < 0 ? -1 : 0
    case .erf: return 2 / Double.pi.squareRoot() * exp(-x * x)
    case .sin: return cos(x)
    case .cos: return -sin(x)
    case .selu: return beta * (x > 0 ? 1 : alpha * exp(x))
    case .celu: return x > 0 ? 1 : exp(x / alpha)
    case .hardSwish: return x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6
    // σ(2u) + x·2u'·σ'(2u), u = √(2/π)·(x + 0.044715x³)
    case .geluTanh:
      let u = GeluTanh.scale * (x + GeluTanh.cubic * x * x * x)
      return Double.sigmoid(2 * u) + x * 2 * GeluTanh.scale * (1 + 3 * GeluTanh.cubic * x * x) * bell(2 * u)
    }
  }
}

/// σ'(x) = e^{−|x|} / (1 + e^{−|x|})²; tanh'(x) is 4σ'(2x).
private func bell(_ x: Double) -> Double {
  let t = exp(-abs(x))
  return t / ((1 + t) * (1 + t))
}
