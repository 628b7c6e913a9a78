internal import ByteIO
internal import Recurrent
internal import Tensors

extension DescriptionBuilder {
  /// An RNN, LSTM, GRU or minGRU; sizes are those of its arrays.
  func recurrent(
    _ cell: Cell, _ name: String, _ object: inout DescriptionObject
  ) throws(DescriptionError) -> Layer {
    let word = try object.optional("direction")?.word(Direction.allCases.map(\.rawValue))
    let direction = word.flatMap { Direction(rawValue: $0) } ?? .forward
    let order = try gates(object.optional("gates"), cell.gateOrder)
    let activations = try activations(cell, &object)
    let weights = try object.required("weights")
    let sets = direction.count == 2 ? try weights.list() : [weights]
    guard sets.count == direction.count else {
      throw weights.wrong("\(sets.count) sets of weights, a bidirectional layer has 2: forward, reverse")
    }
    let directions = try sets.map { node throws(DescriptionError) in
      try parameters(node, cell, order, activations)
    }
    let first = directions[0]
    guard first.inputWeight.shape.count == 2, first.recurrentWeight?.shape.count ?? 2 == 2 else {
      throw weights.wrong("W and R are matrices")
    }
    var path = RecurrentPath.time
    if let count = try object.optional("time_at_places")?.integer() { path = .timeAtPlaces(count) }
    if let count = try object.optional("places")?.integer() { path = .places(count) }
    let layer = RecurrentLayer(
      cell: cell, direction: direction, inputSize: first.inputWeight.shape[1],
      hiddenSize: first.inputWeight.shape[0] / cell.gateCount,
      clip: try object.optional("clip")?.number(),
      inputForget: cell.kind.isCouplable
        ? try object.optional("couple_forget_and_input")?.flag() ?? false : false,
      path: path,
      directions: directions)
    var inputs: [String?] = [
      try object.required("input").text(), try object.text("lengths"), try object.text("h0"),
    ]
    var outputs: [String?] = [try object.text("output") ?? name, try object.text("last_h")]
    if cell.hasCellState {
      inputs.append(try object.text("c0"))
      outputs.append(try object.text("last_c"))
    }
    while let last = inputs.last, last == nil { inputs.removeLast() }
    while let last = outputs.last, last == nil { outputs.removeLast() }
    return Layer(name, .recurrent(layer), inputs: inputs, outputs: outputs)
  }

  private typealias Activations = (gate: Activation, candidate: Activation, output: Activation)

  private func activations(_ cell: Cell, _ object: inout DescriptionObject) throws(DescriptionError)
    -> Activations
  {
    var result: Activations = (.sigmoid, cell.kind.candidateActivation, .tanh)
    guard let node = object.optional("activations") else { return result }
    try node.object { object throws(DescriptionError) in
      if cell.hasGateActivation, let gate = object.optional("gates") { result.gate = try activation(gate) }
      if let candidate = object.optional("candidate") { result.candidate = try activation(candidate) }
      if cell.hasOutputActivation, let output = object.optional("output") {
        result.output = try activation(output)
      }
    }
    return result
  }

  /// `W`, `R` (which a minGRU has not), and where there are such `b_W`, `b_R`, `P`, `projection`.
  private func parameters(
    _ node: DescriptionNode, _ cell: Cell, _ order: [Gate]?, _ activations: Activations
  ) throws(DescriptionError) -> DirectionParameters {
    func gates(
      _ node: DescriptionNode, _ canonical: GateOrder,
      _ read: (DescriptionNode) throws(DescriptionError) -> Tensor
    ) throws(DescriptionError) -> Tensor {
      try stacked(node, canonical, given: order, read)
    }
    func vector(_ node: DescriptionNode?, _ canonical: GateOrder) throws(DescriptionError) -> Tensor? {
      guard let node else { return nil }
      return try gates(node, canonical) { node throws(DescriptionError) in try array(node) }
    }
    return try node.object { object throws(DescriptionError) in
      DirectionParameters(
        inputWeight: try gates(object.required("W"), cell.gateOrder) { node throws(DescriptionError) in
          try matrix(node)
        },
        recurrentWeight: cell.kind.hasRecurrentWeight
          ? try gates(object.required("R"), cell.gateOrder) { node throws(DescriptionError) in
            try matrix(node)
          } : nil,
        inputBias: try vector(object.optional("b_W"), cell.gateOrder),
        recurrentBias: try vector(object.optional("b_R"), cell.gateOrder),
        peepholes: try vector(object.optional("P"), .peepholes),
        projection: try object.optional("projection").map { node throws(DescriptionError) in try matrix(node)
        },
        gateActivation: activations.gate, candidateActivation: activations.candidate,
        outputActivation: activations.output)
    }
  }
}
