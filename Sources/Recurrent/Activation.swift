/// A pointwise function, with the parameters that its formula has.
///
/// Formulas are those of the ONNX operator specification: of section RNN ("Activation functions") where the recurrent operators
/// know the function, else of the operator of its name.
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
    /// min(max(x, α), β), α ≤ β
    case clip
    /// e^x
    case exp
    /// ln x
    case log
    /// x^α: Sqrt is α = ½, Reciprocal α = −1
    case power
    /// |x|
    case abs
    /// 2/√π · ∫₀ˣ e^{−t²} dt
    case erf
    /// sin x
    case sin
    /// cos x
    case cos
    /// β · (x where x ≥ 0, else α(e^x − 1)), where ONNX's Selu calls β γ
    case selu
    /// x where x ≥ 0, else α(e^{x/α} − 1), α > 0
    case celu
    /// x·min(max(x/6 + ½, 0), 1)
    case hardSwish
    /// x/2 · (1 + tanh(√(2/π)·(x + 0.044715x³)))
    case geluTanh

    /// How many of α, β the formula has.
    public var parameterCount: Int {
      switch self {
      case .affine, .scaledTanh, .hardSigmoid, .clip, .selu: 2
      case .leakyRelu, .thresholdedRelu, .inclusiveThresholdedRelu, .elu, .power, .celu: 1
      case .identity, .tanh, .sigmoid, .relu, .softsign, .softplus, .gelu, .silu, .mish, .exp, .log, .abs,
        .erf, .sin,
        .cos, .hardSwish, .geluTanh:
        0
      }
    }

    /// Whether a cell may have it: no format's recurrent operator knows the others.
    package var isOfCells: Bool {
      switch self {
      case .identity, .tanh, .sigmoid, .relu, .affine, .leakyRelu, .thresholdedRelu,
        .inclusiveThresholdedRelu,
        .scaledTanh, .hardSigmoid, .elu, .softsign, .softplus, .gelu, .silu, .mish:
        true
      case .clip, .exp, .log, .power, .abs, .erf, .sin, .cos, .selu, .celu, .hardSwish, .geluTanh: false
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

extension Activation {
  /// What is wrong with its parameters; nil where nothing is.
  package var problem: String? {
    switch kind {
    case .clip where !(alpha <= beta): "its least, α = \(alpha), is no number up to its greatest, β = \(beta)"
    case .power where !alpha.isFinite: "its exponent is \(alpha)"
    case .celu where !(alpha > 0): "α = \(alpha) is not positive"
    default: nil
    }
  }
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
