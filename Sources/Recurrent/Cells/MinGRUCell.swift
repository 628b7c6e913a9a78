/// `z = σ(W_z x_t + b_z)`, `h_t = (1 − z)⊙h_{t−1} + z⊙(W_n x_t + b_n)` (Feng et al. 2024, "Were RNNs all we needed?", §3.1)
struct MinGRUCell: CellKind {
  let name = LayerName.minGRU
  var gateOrder: GateOrder { .minGRU }
  let hasRecurrentWeight = false
  var candidateActivation: Activation { .identity }
  var openings: [Gate] { [.update] }
  var innerGates: [Gate] { [] }
  var gatesWithTwoBiases: [Gate] { [] }
  let hasCellState = false
  var peepholes: GateOrder? { nil }
  let isProjectable = false
  let isCouplable = false
  var resetAfter: Bool? { nil }
}
