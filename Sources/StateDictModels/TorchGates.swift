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

  func order(_ cell: Cell) -> GateOrder {
    switch cell {
    case .rnn: rnn
    case .lstm: lstm
    case .gru: gru
    }
  }
}

/// The functions that heads apply, in both vocabularies.
enum TorchActivations {
  static let table: [(torch: Architecture.Activation, operation: Layer.Operation)] = [
    (.relu, .activation(.relu)), (.tanh, .activation(.tanh)), (.sigmoid, .activation(.sigmoid)),
    (.gelu, .activation(Activation(.gelu))), (.silu, .activation(Activation(.silu))), (.softmax, .softmax),
    (.logSoftmax, .logSoftmax),
  ]
}
