// swift-format-ignore-file: AlwaysUseLowerCamelCase
// Names are those of the operator specification.

internal import ReferenceMath

extension Evaluation {
  /// Operator RNN (opset 7, 14, 22). Default: f = Tanh.
  static func rnn(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let scan = try RecurrentScan(call, gates: 1, activations: ["Tanh"])
    let clip = try scan.clip()
    let initial_h = try scan.initialStates(5)
    return try scan.run(initial: [initial_h]) { direction in
      let f = direction.activations[0]
      let (WiT, RiT) = (direction.W[0], direction.R[0])
      let (Wbi, Rbi) = (direction.Wb[0], direction.Rb[0])
      return { Xt, previous in
        let Ht_1 = previous[0]
        // Ht = f(Xt*(Wi^T) + Ht-1*(Ri^T) + Wbi + Rbi)
        let Ht = clip(Xt • WiT + Ht_1 • RiT + Wbi + Rbi).map(f)
        return [Ht]
      }
    }
  }
}
