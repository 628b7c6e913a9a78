internal import Recurrent
internal import Tensors

extension ScanForm {
  /// z = σ(W_z x + b_z); h' = (1 − z)⊙h + z⊙(W_n x + b_n), as h + z⊙(n − h), which needs no constant.
  static let minGRU = ScanForm(
    name: "a minGRU", cell: .minGRU, order: { _ in .minGRU }, states: [State(name: "h") { $0.hiddenSize }],
    tensors: [
      ScanTensor(name: "W", path: \.anyInputWeight),
      ScanTensor(name: "Wb", path: \.inputBias, isRequired: false),
    ],
    hiddenSize: { tensor in
      tensor("W").flatMap { $0.shape[0] % 2 == 0 ? $0.shape[0] / 2 : nil }
    },
    reasonNotTo: { layer in
      if layer.clip != nil { return "it does not clip" }
      let isStandard = layer.directions.allSatisfy {
        $0.gateActivation == .sigmoid && $0.candidateActivation == .identity
      }
      return isStandard ? nil : "its activations are sigmoid and none"
    },
    step: { body in
      body.product("x", "W", "Wb", as: "gates")
      body.split("gates")
      body.add("Sigmoid", ["before_z"], ["z"])
      body.add("Sub", ["before_n", "h"], ["apart"])
      body.add("Mul", ["z", "apart"], ["moved"])
      body.add("Add", ["h", "moved"], [body.next("h")])
    })
}
