internal import Recurrent
internal import Tensors

extension ScanForm {
  /// An LSTM whose hidden state is projected, which ONNX's own has not: gates = W x + b_W + R h + b_R; c' = f⊙c + i⊙g;
  /// h' = P (o⊙tanh(c')).
  static let projectedLSTM = ScanForm(
    name: "an LSTM with projection", cell: .lstm, order: \.lstm,
    states: [
      State(name: "h") { $0.outputSize }, State(name: "c") { $0.hiddenSize },
    ],
    tensors: [
      ScanTensor(name: "W", path: \.anyInputWeight),
      ScanTensor(name: "Wb", path: \.inputBias, isRequired: false),
      ScanTensor(name: "R", path: \.recurrentWeight),
      ScanTensor(name: "Rb", path: \.recurrentBias, isRequired: false),
      ScanTensor(name: "P", path: \.projection, stacksGates: false),
    ],
    hiddenSize: { tensor in tensor("P").flatMap { $0.shape.count == 2 ? $0.shape[1] : nil } },
    reasonNotTo: { layer in
      if layer.clip != nil || layer.inputForget { return "it neither clips nor couples gates" }
      for direction in layer.directions {
        if direction.peepholes != nil { return "it has no peepholes" }
        guard direction.gateActivation == .sigmoid, direction.candidateActivation == .tanh,
          direction.outputActivation == .tanh
        else { return "its activations are sigmoid and tanh" }
      }
      return nil
    },
    step: { body in
      body.product("x", "W", "Wb", as: "from_x")
      body.product("h", "R", "Rb", as: "from_h")
      body.add("Add", ["from_x", "from_h"], ["gates"])
      body.split("gates")
      for gate in ["i", "f", "o"] { body.add("Sigmoid", ["before_\(gate)"], [gate]) }
      body.add("Tanh", ["before_g"], ["g"])
      body.add("Mul", ["f", "c"], ["kept"])
      body.add("Mul", ["i", "g"], ["added"])
      body.add("Add", ["kept", "added"], [body.next("c")])
      body.add("Tanh", [body.next("c")], ["squashed"])
      body.add("Mul", ["o", "squashed"], ["projected"])
      body.product("projected", "P", as: body.next("h"))
    })
}
