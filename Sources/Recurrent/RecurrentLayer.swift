public import Tensors

/// Which recurrence a layer computes.
public enum Cell: Sendable, Hashable {
  /// `h_t = a(W x_t + b_W + R h_{t−1} + b_R)`
  case rnn
  /// `f,i,o = σ(W x_t + R h_{t−1} + P⊙c + b)`, `g = a(…)`, `c_t = f⊙c_{t−1} + i⊙g`, `h_t = o⊙a(c_t)`
  case lstm
  /// `r,z = σ(…)`, `h_t = (1 − z)⊙n + z⊙h_{t−1}`; the reset gate scales either R·h + b_R (after) or h (before).
  case gru(resetAfter: Bool)

  /// The canonical order of its gates.
  public var gateOrder: GateOrder {
    switch self {
    case .rnn: .rnn
    case .lstm: .lstm
    case .gru: .gru
    }
  }

  public var gateCount: Int { gateOrder.gates.count }

  public var name: String {
    switch self {
    case .rnn: "RNN"
    case .lstm: "LSTM"
    case .gru: "GRU"
    }
  }
}

public enum Direction: String, Sendable, CaseIterable, Hashable {
  case forward, reverse, bidirectional

  /// D: 2 for bidirectional, else 1.
  public var count: Int { self == .bidirectional ? 2 : 1 }
}

/// The weights and activations of one direction of a recurrent layer.
///
/// G gates in canonical order, hidden size H, input size I, output size O (P with a projection, else H).
public struct DirectionParameters: Sendable, Equatable {
  /// W, `[G·H, I]`.
  public var inputWeight: Tensor
  /// R, `[G·H, O]`.
  public var recurrentWeight: Tensor
  /// b_W, `[G·H]`; nil where the source had none.
  public var inputBias: Tensor?
  /// b_R, `[G·H]`; kept apart from `inputBias` so that a round trip is bit-exact.
  public var recurrentBias: Tensor?
  /// P, `[3·H]` in the order f, i, o (LSTM). f and i see `c_{t−1}`, o sees `c_t`.
  public var peepholes: Tensor?
  /// `[P, H]`: `h_t = projection · (o⊙a(c_t))` (LSTM, Sak et al. 2014).
  public var projection: Tensor?
  /// For f, i, o of the LSTM, r and z of the GRU; unused by the RNN.
  public var gateActivation: Activation
  /// For g of the LSTM, n of the GRU, h of the RNN.
  public var candidateActivation: Activation
  /// Of `c_t` on its way to the output (LSTM); unused by the others.
  public var outputActivation: Activation

  public init(
    inputWeight: Tensor, recurrentWeight: Tensor, inputBias: Tensor? = nil, recurrentBias: Tensor? = nil,
    peepholes: Tensor? = nil, projection: Tensor? = nil, gateActivation: Activation = .sigmoid,
    candidateActivation: Activation = .tanh, outputActivation: Activation = .tanh
  ) {
    self.inputWeight = inputWeight
    self.recurrentWeight = recurrentWeight
    self.inputBias = inputBias
    self.recurrentBias = recurrentBias
    self.peepholes = peepholes
    self.projection = projection
    self.gateActivation = gateActivation
    self.candidateActivation = candidateActivation
    self.outputActivation = outputActivation
  }
}

/// One RNN, LSTM or GRU layer over a sequence.
///
/// Inputs: x `[T, B, I]`; optionally lengths `[B]`, initial hidden state `[B, D·O]`, initial cell state `[B, D·H]`
/// (direction-major features). Outputs: y `[T, B, D·O]`, last hidden state `[B, D·O]`, last cell state `[B, D·H]`.
///
/// With lengths, row b runs over its first `lengths[b]` steps only; y is 0 behind them, the last states are those of
/// the last valid step (the initial ones for a length of 0), and the reverse direction starts at the last valid step.
public struct RecurrentLayer: Sendable, Equatable {
  public var cell: Cell
  public var direction: Direction
  /// I
  public var inputSize: Int
  /// H
  public var hiddenSize: Int
  /// What enters an activation is clipped to ±clip: pre-activations, and c_t on its way to the LSTM's output
  /// activation (ONNX: "applied to the input of activations"). Nil for no clipping.
  public var clip: Double?
  /// LSTM: couples the gates as `f = 1 − i`.
  public var inputForget: Bool
  /// One for each direction: forward before reverse.
  public var directions: [DirectionParameters]

  public init(
    cell: Cell, direction: Direction, inputSize: Int, hiddenSize: Int, clip: Double? = nil,
    inputForget: Bool = false, directions: [DirectionParameters]
  ) {
    self.cell = cell
    self.direction = direction
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.clip = clip
    self.inputForget = inputForget
    self.directions = directions
  }

  /// P, where the layer projects its hidden state.
  public var projectionSize: Int? { directions.first?.projection?.shape.first }
  /// O: P with a projection, else H.
  public var outputSize: Int { projectionSize ?? hiddenSize }
}
