/// What a cell says of itself, in a file of its own beside its equation; whoever has to know asks for the fact, not for the cell.
///
/// Its equation is in `Forward/Cells/`, once for every kind of number; kernels and evaluators repeat it on purpose.
package protocol CellKind: Sendable {
  var name: LayerName { get }
  /// Its gates, in canonical order.
  var gateOrder: GateOrder { get }
  /// Whether R is there: whether its gates see the state.
  var hasRecurrentWeight: Bool { get }
  /// The activation of its candidate, as its paper has it.
  var candidateActivation: Activation { get }
  /// The gates that open and close, in canonical order: those that `gateActivation` is for.
  var openings: [Gate] { get }
  /// The gates whose R sees not h_{t−1} but what the cell makes of it first, the last ones in canonical order.
  var innerGates: [Gate] { get }
  /// Gates whose two biases are not just added, the last ones in canonical order.
  var gatesWithTwoBiases: [Gate] { get }
  /// Whether it has a state c beside h, of which it makes h through `outputActivation`.
  var hasCellState: Bool { get }
  /// The gates that may see c through peepholes, in the order of `DirectionParameters.peepholes`; nil for none.
  var peepholes: GateOrder? { get }
  /// Whether what it makes may be projected to another size.
  var isProjectable: Bool { get }
  /// Whether input and forget gate may be coupled (`RecurrentLayer.inputForget`).
  var isCouplable: Bool { get }
  /// Whether the reset gate scales R·h + b_R (true) or h (false); nil without one.
  var resetAfter: Bool? { get }
}

/// Which recurrence a layer computes.
public enum Cell: Sendable, Hashable {
  /// `h_t = a(W x_t + b_W + R h_{t−1} + b_R)`
  case rnn
  /// `f,i,o = σ(W x_t + R h_{t−1} + P⊙c + b)`, `g = a(…)`, `c_t = f⊙c_{t−1} + i⊙g`, `h_t = o⊙a(c_t)`
  case lstm
  /// `r,z = σ(…)`, `h_t = (1 − z)⊙n + z⊙h_{t−1}`; the reset gate scales either R·h + b_R (after) or h (before).
  case gru(resetAfter: Bool)
  /// `z = σ(W_z x_t + b_z)`, `h_t = (1 − z)⊙h_{t−1} + z⊙n` with `n = W_n x_t + b_n`; no gate sees the state.
  case minGRU

  /// Every recurrence that there is, in all its forms.
  package static let all: [Cell] = [.rnn, .lstm, .gru(resetAfter: false), .gru(resetAfter: true), .minGRU]

  /// What it says of itself.
  package var kind: any CellKind {
    switch self {
    case .rnn: VanillaCell()
    case .lstm: LSTMCell()
    case .gru(let resetAfter): GRUCell(isResettingAfter: resetAfter)
    case .minGRU: MinGRUCell()
    }
  }

  /// Its gates, in canonical order.
  public var gateOrder: GateOrder { kind.gateOrder }
  /// G: the blocks of rows in W and R.
  public var gateCount: Int { gateOrder.gates.count }
  /// `RNN`, `LSTM`, `GRU` or `minGRU`.
  public var name: String { kind.name.rawValue }
  /// Whether it has a state c beside h.
  public var hasCellState: Bool { kind.hasCellState }
  /// Whether `DirectionParameters.gateActivation` is used.
  public var hasGateActivation: Bool { !kind.openings.isEmpty }
  /// Whether `DirectionParameters.outputActivation` is used.
  public var hasOutputActivation: Bool { kind.hasCellState }
}
