public import Recurrent
internal import StateDicts

/// How PyTorch stacks the gates, held against the documentation of `nn.LSTM` ("W_ii|W_if|W_ig|W_io") and `nn.GRU`
/// ("W_ir|W_iz|W_in").
///
/// The importer and the exporter share it; the evaluator has its own. Tests plant a mistake here and see `verify` find it.
public struct TorchGates: Sendable {
  public var rnn = GateOrder(.hidden)
  public var lstm = GateOrder(.input, .forget, .candidate, .output)
  public var gru = GateOrder(.reset, .update, .new)

  public init() {}
  public static let documented = TorchGates()

  func order(_ mode: Architecture.Recurrent.Mode) -> GateOrder {
    switch mode {
    case .rnnTanh, .rnnReLU: rnn
    case .lstm: lstm
    case .gru: gru
    }
  }
}

extension Architecture.Activation {
  /// The function of a head, in the words of canonical models.
  var operation: Layer.Operation {
    switch self {
    case .relu: .activation(.relu)
    case .tanh: .activation(.tanh)
    case .sigmoid: .activation(.sigmoid)
    case .gelu: .activation(Activation(.gelu))
    case .silu: .activation(Activation(.silu))
    case .mish: .activation(Activation(.mish))
    case .softmax: .softmax
    case .logSoftmax: .logSoftmax
    }
  }
}
