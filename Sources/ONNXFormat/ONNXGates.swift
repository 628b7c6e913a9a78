package import Recurrent

/// How ONNX stacks the gates, held against the operator specification ("W parameter weight matrix", RNN, LSTM, GRU).
///
/// The importer and the exporter share it; the evaluator has its own. Tests plant a mistake here and see `verify` find it.
package struct ONNXGates: Sendable {
  package var rnn = GateOrder(.hidden)
  /// LSTM: W[iofc]
  package var lstm = GateOrder(.input, .output, .forget, .candidate)
  /// LSTM: P[iof]
  var peepholes = GateOrder(.input, .output, .forget)
  /// GRU: W[zrh]
  package var gru = GateOrder(.update, .reset, .new)

  package static let specification = ONNXGates()

  /// Nil where no operator computes the cell.
  func order(_ cell: Cell) -> GateOrder? {
    switch cell {
    case .rnn: rnn
    case .lstm: lstm
    case .gru: gru
    case .minGRU: nil
    }
  }
}

extension Cell {
  /// What the attribute `activations` of the cell's operator names for each direction, in its order, and what it means when it is not there.
  var onnxActivations:
    [(path: any WritableKeyPath<DirectionParameters, Activation> & Sendable, standard: Activation)]
  {
    switch self {
    case .rnn: [(\.candidateActivation, .tanh)]
    case .lstm: [(\.gateActivation, .sigmoid), (\.candidateActivation, .tanh), (\.outputActivation, .tanh)]
    case .gru: [(\.gateActivation, .sigmoid), (\.candidateActivation, .tanh)]
    case .minGRU: []
    }
  }
}

/// The activations that the recurrent operators know, with the specification's default α and β.
enum ONNXActivations {
  static let table: [(name: String, kind: Activation.Kind, alpha: Float, beta: Float)] = [
    ("Relu", .relu, 0, 0), ("Tanh", .tanh, 0, 0), ("Sigmoid", .sigmoid, 0, 0), ("Affine", .affine, 1, 0),
    ("LeakyRelu", .leakyRelu, 0.01, 0), ("ThresholdedRelu", .inclusiveThresholdedRelu, 1, 0),
    ("ScaledTanh", .scaledTanh, 1, 1), ("HardSigmoid", .hardSigmoid, 0.2, 0.5), ("Elu", .elu, 1, 0),
    ("Softsign", .softsign, 0, 0), ("Softplus", .softplus, 0, 0),
  ]
}
