/// `f,i,o = σ(W x_t + b_W + R h_{t−1} + b_R + P⊙c)`, `g = a(W x_t + b_W + R h_{t−1} + b_R)`, `c_t = f⊙c_{t−1} + i⊙g`,
/// `h_t = o⊙a(c_t)` (Hochreiter and Schmidhuber 1997; Gers, Schraudolph and Schmidhuber 2002; projection: Sak et al. 2014)
struct LSTMCell: CellKind {
  let name = LayerName.lstm
  var gateOrder: GateOrder { .lstm }
  let hasRecurrentWeight = true
  var candidateActivation: Activation { .tanh }
  var openings: [Gate] { [.forget, .input, .output] }
  var innerGates: [Gate] { [] }
  var gatesWithTwoBiases: [Gate] { [] }
  let hasCellState = true
  var peepholes: GateOrder? { .peepholes }
  let isProjectable = true
  let isCouplable = true
  var resetAfter: Bool? { nil }
}
