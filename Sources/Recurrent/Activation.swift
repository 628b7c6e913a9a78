/// A pointwise function, with the parameters that its formula has.
///
/// Formulas are those of the ONNX operator specification, section RNN ("Activation functions").
public struct Activation: Sendable, Hashable {
  /// The formulas, by the parameters α and β that they have.
  public enum Kind: String, Sendable, CaseIterable, Hashable {
    /// x
    case identity
    /// (1 − e^{−2x}) / (1 + e^{−2x})
    case tanh
    /// 1 / (1 + e^{−x})
    case sigmoid
    /// max(0, x)
    case relu
    /// αx + β
    case affine
    /// x where x ≥ 0, else αx
    case leakyRelu
    /// x where x > α, else 0
    case thresholdedRelu
    /// x where x ≥ α, else 0: the ThresholdedRelu of ONNX's RNN, LSTM and GRU, where its operator of that name has x > α
    case inclusiveThresholdedRelu
    /// α·tanh(βx)
    case scaledTanh
    /// min(max(αx + β, 0), 1)
    case hardSigmoid
    /// x where x ≥ 0, else α(e^x − 1)
    case elu
    /// x / (1 + |x|)
    case softsign
    /// ln(1 + e^x)
    case softplus
    /// x·Φ(x), with the error function
    case gelu
    /// x·σ(x)
    case silu
    /// x·tanh(ln(1 + e^x))
    case mish

    /// How many of α, β the formula has.
    public var parameterCount: Int {
      switch self {
      case .affine, .scaledTanh, .hardSigmoid: 2
      case .leakyRelu, .thresholdedRelu, .inclusiveThresholdedRelu, .elu: 1
      case .identity, .tanh, .sigmoid, .relu, .softsign, .softplus, .gelu, .silu, .mish: 0
      }
    }
  }

  /// Which formula.
  public let kind: Kind
  /// α where the formula has one, else 0.
  public let alpha: Double
  /// β where the formula has one, else 0.
  public let beta: Double

  /// Parameters that the formula does not have are dropped.
  public init(_ kind: Kind, alpha: Double = 0, beta: Double = 0) {
    self.kind = kind
    self.alpha = kind.parameterCount >= 1 ? alpha : 0
    self.beta = kind.parameterCount >= 2 ? beta : 0
  }

  /// `tanh(x)`
  public static let tanh = Activation(.tanh)
  /// `1 / (1 + e^{−x})`
  public static let sigmoid = Activation(.sigmoid)
  /// `max(0, x)`
  public static let relu = Activation(.relu)
  /// `x`
  public static let identity = Activation(.identity)
}

extension Activation: CustomStringConvertible {
  public var description: String {
    switch kind.parameterCount {
    case 0: kind.rawValue
    case 1: "\(kind.rawValue)(α=\(alpha))"
    default: "\(kind.rawValue)(α=\(alpha), β=\(beta))"
    }
  }
}
