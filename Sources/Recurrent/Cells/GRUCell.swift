/// `r,z = σ(W x_t + b_W + R h_{t−1} + b_R)`, `h_t = (1 − z)⊙n + z⊙h_{t−1}` with
/// `n = a(W x_t + b_W + R(r⊙h_{t−1}) + b_R)` (Cho et al. 2014) or `n = a(W x_t + b_W + r⊙(R h_{t−1} + b_R))`
struct GRUCell: CellKind {
  let isResettingAfter: Bool

  let name = LayerName.gru
  var gateOrder: GateOrder { .gru }
  let hasRecurrentWeight = true
  var candidateActivation: Activation { .tanh }
  var openings: [Gate] { [.reset, .update] }
  var innerGates: [Gate] { isResettingAfter ? [] : [.new] }
  /// The reset gate scales one of the candidate's biases, where it comes after the product.
  var gatesWithTwoBiases: [Gate] { isResettingAfter ? [.new] : [] }
  let hasCellState = false
  var peepholes: GateOrder? { nil }
  let isProjectable = false
  let isCouplable = false
  var resetAfter: Bool? { isResettingAfter }
}
