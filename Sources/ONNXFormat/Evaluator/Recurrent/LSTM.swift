// swift-format-ignore-file: AlwaysUseLowerCamelCase
// Names are those of the operator specification.

internal import ReferenceMath

extension Evaluation {
  /// Operator LSTM (opset 7, 14, 22). Default: f = Sigmoid, g = Tanh, h = Tanh.
  ///
  /// W, R, Wb and Rb hold the gates in the order i, o, f, c; P holds i, o, f. The clip acts on the input of
  /// every activation: the gates' pre-activations, and Ct on its way to h (docs/peer-notes-evaluator.md).
  static func lstm(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let scan = try RecurrentScan(call, gates: 4, activations: ["Sigmoid", "Tanh", "Tanh"], peepholes: 7)
    let clip = try scan.clip()
    let coupled = try call.flag("input_forget")
    let initial_h = try scan.initialStates(5)
    let initial_c = try scan.initialStates(6)
    return try scan.run(initial: [initial_h, initial_c]) { direction in
      let (f, g, h) = (direction.activations[0], direction.activations[1], direction.activations[2])
      let (WiT, WoT, WfT, WcT) = (direction.W[0], direction.W[1], direction.W[2], direction.W[3])
      let (RiT, RoT, RfT, RcT) = (direction.R[0], direction.R[1], direction.R[2], direction.R[3])
      let (Wbi, Wbo, Wbf, Wbc) = (direction.Wb[0], direction.Wb[1], direction.Wb[2], direction.Wb[3])
      let (Rbi, Rbo, Rbf, Rbc) = (direction.Rb[0], direction.Rb[1], direction.Rb[2], direction.Rb[3])
      let (Pi, Po, Pf) = (direction.P?[0], direction.P?[1], direction.P?[2])
      return { Xt, previous in
        let (Ht_1, Ct_1) = (previous[0], previous[1])
        // it = f(Xt*(Wi^T) + Ht-1*(Ri^T) + Pi (.) Ct-1 + Wbi + Rbi)
        let it = clip(Xt • WiT + Ht_1 • RiT + peephole(Pi, Ct_1) + Wbi + Rbi).map(f)
        // ft = f(Xt*(Wf^T) + Ht-1*(Rf^T) + Pf (.) Ct-1 + Wbf + Rbf), or 1 - it where input_forget couples the gates
        let ft = coupled ? 1 - it : clip(Xt • WfT + Ht_1 • RfT + peephole(Pf, Ct_1) + Wbf + Rbf).map(f)
        // ct = g(Xt*(Wc^T) + Ht-1*(Rc^T) + Wbc + Rbc)
        let ct = clip(Xt • WcT + Ht_1 • RcT + Wbc + Rbc).map(g)
        // Ct = ft (.) Ct-1 + it (.) ct
        let Ct = ft ⊙ Ct_1 + it ⊙ ct
        // ot = f(Xt*(Wo^T) + Ht-1*(Ro^T) + Po (.) Ct + Wbo + Rbo)
        let ot = clip(Xt • WoT + Ht_1 • RoT + peephole(Po, Ct) + Wbo + Rbo).map(f)
        // Ht = ot (.) h(Ct)
        let Ht = ot ⊙ clip(Ct).map(h)
        return [Ht, Ct]
      }
    }
  }

  /// P (.) C; zeros without peepholes, whatever C is.
  private static func peephole(_ P: Matrix<S>?, _ C: Matrix<S>) -> Matrix<S> {
    if let P { P ⊙ C } else { Matrix(zeros: 1, C.columns) }
  }
}
