// swift-format-ignore-file: AlwaysUseLowerCamelCase
// Names are those of the operator specification.

internal import ReferenceMath

extension Evaluation {
  /// Operator GRU (opset 7, 14, 22). Default: f = Sigmoid, g = Tanh.
  ///
  /// W, R, Wb and Rb hold the gates in the order z, r, h.
  static func gru(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let scan = try RecurrentScan(call, gates: 3, activations: ["Sigmoid", "Tanh"])
    let clip = try scan.clip()
    let linearBeforeReset = call.int("linear_before_reset") != 0
    let initial_h = try scan.initialStates(5)
    return try scan.run(initial: [initial_h]) { direction in
      let (f, g) = (direction.activations[0], direction.activations[1])
      let (WzT, WrT, WhT) = (direction.W[0], direction.W[1], direction.W[2])
      let (RzT, RrT, RhT) = (direction.R[0], direction.R[1], direction.R[2])
      let (Wbz, Wbr, Wbh) = (direction.Wb[0], direction.Wb[1], direction.Wb[2])
      let (Rbz, Rbr, Rbh) = (direction.Rb[0], direction.Rb[1], direction.Rb[2])
      return { Xt, previous in
        let Ht_1 = previous[0]
        // zt = f(Xt*(Wz^T) + Ht-1*(Rz^T) + Wbz + Rbz)
        let zt = clip(Xt • WzT + Ht_1 • RzT + Wbz + Rbz).map(f)
        // rt = f(Xt*(Wr^T) + Ht-1*(Rr^T) + Wbr + Rbr)
        let rt = clip(Xt • WrT + Ht_1 • RrT + Wbr + Rbr).map(f)
        let ht =
          linearBeforeReset
          // ht = g(Xt*(Wh^T) + (rt (.) (Ht-1*(Rh^T) + Rbh)) + Wbh)
          ? clip(Xt • WhT + (rt ⊙ (Ht_1 • RhT + Rbh)) + Wbh).map(g)
          // ht = g(Xt*(Wh^T) + (rt (.) Ht-1)*(Rh^T) + Rbh + Wbh)
          : clip(Xt • WhT + (rt ⊙ Ht_1) • RhT + Rbh + Wbh).map(g)
        // Ht = (1 - zt) (.) ht + zt (.) Ht-1
        let Ht = Matrix.blend(zt, ht, Ht_1)
        return [Ht]
      }
    }
  }
}
