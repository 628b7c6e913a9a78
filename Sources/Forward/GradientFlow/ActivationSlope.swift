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
    }
  }
}

/// σ'(x) = e^{−|x|} / (1 + e^{−|x|})²; tanh'(x) is 4σ'(2x).
private func bell(_ x: Double) -> Double {
  let t = exp(-abs(x))
  return t / ((1 + t) * (1 + t))
}
