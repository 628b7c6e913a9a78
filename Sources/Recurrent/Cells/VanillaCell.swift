/// `h_t = a(W x_t + b_W + R h_{t−1} + b_R)` (Elman 1990)
struct VanillaCell: CellKind {
  let name = LayerName.rnn
  var gateOrder: GateOrder { .rnn }
  let hasRecurrentWeight = true
  var candidateActivation: Activation { .tanh }
  var openings: [Gate] { [] }
  var innerGates: [Gate] { [] }
  var gatesWithTwoBiases: [Gate] { [] }
  let hasCellState = false
  var peepholes: GateOrder? { nil }
  let isProjectable = false
  let isCouplable = false
  var resetAfter: Bool? { nil }
}
