internal import Recurrent
internal import StateDicts
internal import Tensors

/// Recurrent layers that make up one module of PyTorch.
extension StateDictExporter {
  /// `rnn.l0` is layer 0 of `rnn`.
  private static func place(_ name: String) -> (module: String, depth: Int)? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let last = parts.last, last.first == "l", let depth = Int(last.dropFirst()) else { return nil }
    return (parts.dropLast().joined(separator: "."), depth)
  }

  /// Whether a layer is layer `depth` of the module whose first one is `first`: by its number, or by standing beside it
  /// under one name, as `/rnn/LSTM` and `/rnn/LSTM_1` do.
  private static func isNext(_ name: String, to first: String, depth: Int) -> Bool {
    if let first = place(first) {
      return place(name).map { $0.module == first.module && $0.depth == depth } ?? false
    }
    func folder(_ name: String) -> Substring { name.lastIndex(of: "/").map { name[..<$0] } ?? "" }
    return place(name) == nil && folder(name) == folder(first)
  }

  /// Writes the layers from `start` on that make one module; returns how many layers of the model it took.
  mutating func exportModule(at start: Int) throws(StateDictError) -> Int {
    let first = model.layers[start]
    let place = Self.place(first.name)
    var group: [(layer: Layer, recurrent: RecurrentLayer)] = []
    var taken = 0
    for layer in model.layers[start...] {
      if case .slice(let slice) = layer.operation, let input = layer.inputs[0], let known = initial[input] {
        initial[layer.outputs[0]!] = (known.role, slice.start)
        taken += 1
        continue
      }
      guard case .recurrent(let recurrent) = layer.operation else { break }
      if let (_, head) = group.first {
        guard Self.isNext(layer.name, to: first.name, depth: group.count), recurrent.cell == head.cell,
          recurrent.direction == head.direction, recurrent.hiddenSize == head.hiddenSize,
          recurrent.projectionSize == head.projectionSize,
          layer.inputs.first == group.last!.layer.outputs.first
        else { break }
      }
      group.append((layer, recurrent))
      taken += 1
      if let place, place.depth != 0 { break }
    }
    var name = place?.depth == 0 ? place!.module : first.name
    // A module without a name is the model itself, and alone.
    if !(place?.depth == 0 && name.isEmpty && names.isEmpty) {
      name = unique(name, or: "rnn")
    } else {
      names.insert(name)
    }
    let head = group[0].recurrent
    if let layer = group.first(where: { $0.recurrent.path != .time })?.layer {
      throw refuse(
        layer.name, "it runs along or at places of the features; modules in a chain run along time")
    }
    var module = Architecture.Recurrent(
      name: name, mode: try mode(group[0].layer, head), inputSize: head.inputSize,
      hiddenSize: head.hiddenSize,
      projectionSize: head.projectionSize, isBidirectional: head.direction == .bidirectional, layers: [])
    // PyTorch has two biases in every layer and direction of a module, or none.
    let hasBiases = group.contains { part in
      part.recurrent.directions.contains { $0.inputBias != nil || $0.recurrentBias != nil }
    }
    hidden = []
    cell = []
    for (depth, (layer, recurrent)) in group.enumerated() {
      guard layer.inputs.first == current else {
        throw refuse(
          layer.name, "it does not read what the layer before it makes; only chains can be written")
      }
      guard try mode(layer, recurrent) == module.mode else {
        throw refuse(layer.name, "its activation differs within the module")
      }
      try checkStates(layer, recurrent, depth: depth)
      module.layers.append(
        try export(
          layer, recurrent, module: name, depth: depth, hasBiases: hasBiases,
          order: gates.order(module.mode)))
      notes.append(
        ConversionNote(
          layer: layer.name, .exact,
          "gates \(recurrent.cell.gateOrder) reordered to \(gates.order(module.mode))"))
      let outputs = layer.outputs + [nil, nil, nil]
      current = outputs[0] ?? "\(layer.name) y"
      hidden.append(outputs[1] ?? "\(layer.name) h")
      if recurrent.cell.hasCellState { cell.append(outputs[2] ?? "\(layer.name) c") }
    }
    architecture.steps.append(.recurrent(module))
    return taken
  }

  private func mode(_ layer: Layer, _ recurrent: RecurrentLayer) throws(StateDictError)
    -> Architecture.Recurrent.Mode
  {
    guard recurrent.direction != .reverse else {
      throw refuse(layer.name, "PyTorch has no layer that only runs backward")
    }
    guard recurrent.clip == nil else { throw refuse(layer.name, "PyTorch's modules do not clip") }
    guard !recurrent.inputForget else { throw refuse(layer.name, "PyTorch's LSTM does not couple f = 1 − i") }
    var modes: Set<Architecture.Recurrent.Mode> = []
    for direction in recurrent.directions {
      guard direction.peepholes == nil else { throw refuse(layer.name, "PyTorch's LSTM has no peepholes") }
      let isStandard =
        direction.candidateActivation == .tanh
        && (!recurrent.cell.hasGateActivation || direction.gateActivation == .sigmoid)
        && (!recurrent.cell.hasOutputActivation || direction.outputActivation == .tanh)
      switch recurrent.cell {
      case .rnn where direction.candidateActivation == .relu: modes.insert(.rnnReLU)
      case .rnn where isStandard: modes.insert(.rnnTanh)
      case .lstm where isStandard: modes.insert(.lstm)
      case .gru(true) where isStandard: modes.insert(.gru)
      case .gru(false):
        throw refuse(layer.name, "PyTorch's GRU resets after the matrix product, this one before")
      case .minGRU: throw refuse(layer.name, "PyTorch has no module that computes a minGRU")
      case .rnn, .lstm, .gru:
        throw refuse(layer.name, "PyTorch's modules know no other activations than their own")
      }
    }
    guard modes.count == 1 else { throw refuse(layer.name, "its directions have different activations") }
    return modes.first!
  }

  private func checkStates(_ layer: Layer, _ recurrent: RecurrentLayer, depth: Int) throws(StateDictError) {
    let inputs = layer.inputs + [nil, nil, nil]
    guard inputs[1] == nil else { throw refuse(layer.name, "lengths: PyTorch has them in a packed sequence") }
    let widths = [recurrent.outputSize, recurrent.hiddenSize].map { $0 * recurrent.direction.count }
    for (role, position, width) in [
      (Architecture.Port.Role.initialHidden, 2, widths[0]), (.initialCell, 3, widths[1]),
    ] {
      let isPort =
        architecture.inputs.contains { $0.role == role }
        && (role == .initialHidden || recurrent.cell.hasCellState)
      guard let value = inputs[position] else {
        if isPort { throw refuse(layer.name, "it starts from zeros where the model is given initial states") }
        continue
      }
      guard let part = initial[value], part.role == role, part.start == depth * width else {
        throw refuse(
          layer.name, "its initial state is computed, or not the layer's part of the model's own input")
      }
    }
  }

  private mutating func export(
    _ layer: Layer, _ recurrent: RecurrentLayer, module: String, depth: Int, hasBiases: Bool,
    order: GateOrder
  ) throws(StateDictError) -> [Architecture.Names] {
    let prefix = module.isEmpty ? "" : module + "."
    var directions: [Architecture.Names] = []
    for (side, direction) in zip(["", "_reverse"], recurrent.directions) {
      func name(_ kind: String) -> String { "\(prefix)\(kind)_l\(depth)\(side)" }
      func append(_ kind: String, _ tensor: Tensor) -> String {
        state.entries.append(
          .init(
            name(kind), kind == "weight_hr" ? tensor : recurrent.cell.gateOrder.reorder(tensor, to: order)))
        return name(kind)
      }
      var names = Architecture.Names(
        inputWeight: append("weight_ih", direction.inputWeight),
        hiddenWeight: append("weight_hh", direction.recurrentWeight!))
      if hasBiases {
        let zeros = Tensor(
          [Float](repeating: 0, count: recurrent.cell.gateCount * recurrent.hiddenSize),
          shape: [recurrent.cell.gateCount * recurrent.hiddenSize])
        guard let zeros = try? zeros.converted(to: direction.inputWeight.elementType).tensor else {
          throw refuse(layer.name, "quantised weights; convert them to F32 first")
        }
        if direction.inputBias == nil || direction.recurrentBias == nil {
          notes.append(
            ConversionNote(layer: layer.name, .exact, "a bias of zeros where PyTorch has one more"))
        }
        names.inputBias = append("bias_ih", direction.inputBias ?? zeros)
        names.hiddenBias = append("bias_hh", direction.recurrentBias ?? zeros)
      }
      if let projection = direction.projection { names.projection = append("weight_hr", projection) }
      directions.append(names)
    }
    return directions
  }
}
