public import Recurrent
public import StateDicts
internal import Tensors

/// Turns the canonical model into a state dict with its architecture: a chain of Embedding, recurrent modules, a
/// selection, Linears and activations. Layers named `x.l0`, `x.l1`, … become one module `x` again.
public struct StateDictExporter {
  private let model: Model
  private let gates: TorchGates
  private var state = StateDict(entries: [])
  private var architecture = Architecture(steps: [], inputs: [], outputs: [])
  private var notes: [ConversionNote] = []
  private var names: Set<String> = []
  /// The value that the steps so far make, and what of the last recurrent module may still be used.
  private var current = ""
  private var hidden: [String] = []
  private var cell: [String] = []
  /// Values that hold part of an initial state: which, and from where on.
  private var initial: [String: (role: Architecture.Port.Role, start: Int)] = [:]
  private var joined: [String: [String]] = [:]

  /// - Throws: `StateDictError.notExpressible` naming the layer and what PyTorch's modules lack.
  public static func export(
    _ model: Model, gates: TorchGates = .documented
  ) throws(StateDictError) -> (state: StateDict, architecture: Architecture, notes: [ConversionNote]) {
    var exporter = StateDictExporter(model: model, gates: gates)
    try exporter.run()
    return (exporter.state, exporter.architecture, exporter.notes)
  }

  private init(model: Model, gates: TorchGates) {
    self.model = model
    self.gates = gates
  }

  private mutating func run() throws(StateDictError) {
    try inputs()
    var position = 0
    while position < model.layers.count {
      let layer = model.layers[position]
      if case .recurrent = layer.operation {
        position += try exportModule(at: position)
        continue
      }
      position += 1
      switch layer.operation {
      case .slice(let start, _) where initial[layer.inputs[0] ?? ""] != nil:
        initial[layer.outputs[0]!] = (initial[layer.inputs[0]!]!.role, start)
      case .concat where layer.inputs.allSatisfy({ $0.map { (hidden + cell).contains($0) } ?? false }):
        joined[layer.outputs[0]!] = layer.inputs.compactMap { $0 }
      default: try export(layer)
      }
    }
    try outputs()
    state.metadata = model.metadata
    state.metadata[Architecture.metadataKey] = architecture.json
  }

  private func refuse(_ layer: String, _ reason: String) -> StateDictError {
    .notExpressible(layer: layer, reason: reason)
  }

  // MARK: Ports

  private mutating func inputs() throws(StateDictError) {
    for port in model.inputs {
      let order = Self.order(port)
      switch port.kind {
      case .sequence, .tokens:
        guard current.isEmpty else {
          throw refuse(port.name, "a second sequence goes in; PyTorch's modules take one")
        }
        guard
          order == Self.sequence(port.kind, batchFirst: false)
            || order == Self.sequence(port.kind, batchFirst: true)
        else { throw refuse(port.name, "its axes are neither [T, B, F] nor [B, T, F]") }
        architecture.batchFirst = order[0] == [.batch]
        architecture.inputs.append(.init(.input, port.name))
        current = port.value
      case .vector:
        guard Self.isState(order) else {
          throw refuse(port.name, "initial states are [L·D, B, H] in PyTorch")
        }
        // The first state is the hidden one, the second the cell's.
        let role: Architecture.Port.Role = initial.isEmpty ? .initialHidden : .initialCell
        guard initial.count < 2 else {
          throw refuse(port.name, "a third vector goes in, where modules take h and c")
        }
        initial[port.value] = (role, 0)
        architecture.inputs.append(.init(role, port.name))
      case .indices:
        throw refuse(port.name, "lengths: PyTorch has them in a packed sequence, not in the module")
      }
    }
  }

  private mutating func outputs() throws(StateDictError) {
    for port in model.outputs {
      let order = Self.order(port)
      let isArranged =
        port.value != current
        ? Self.isState(order)
        : order
          == (port.kind.hasTime
            ? Self.sequence(port.kind, batchFirst: architecture.batchFirst) : Self.vector(port.kind))
      guard isArranged else {
        throw refuse(
          port.name, "its axes, \(order.count) of them, are arranged otherwise than PyTorch's modules do")
      }
      if port.value == current {
        architecture.outputs.append(.init(.output, port.name))
      } else if isAll(port.value, of: hidden) {
        architecture.outputs.append(.init(.finalHidden, port.name))
      } else if isAll(port.value, of: cell) {
        architecture.outputs.append(.init(.finalCell, port.name))
      } else {
        throw refuse(
          port.name, "PyTorch's modules give the last step's output and the final states, this is neither")
      }
    }
  }

  /// What each axis holds; an axis of size 1 holds nothing.
  private static func order(_ port: Port) -> [[AxisFactor]] {
    port.axes.map { axis in
      axis.factors.filter { if case .features(_, 1) = $0 { false } else { true } }
    }
  }

  private static func features(_ kind: ValueKind) -> [[AxisFactor]] {
    if kind.isInteger { return [] }
    return kind.features == 1 ? [[]] : [[.features(stride: 1, count: kind.features)]]
  }

  private static func sequence(_ kind: ValueKind, batchFirst: Bool) -> [[AxisFactor]] {
    (batchFirst ? [[.batch], [.time]] : [[.time], [.batch]]) + features(kind)
  }

  private static func vector(_ kind: ValueKind) -> [[AxisFactor]] { [[.batch]] + features(kind) }

  /// `[L·D, B, H]`
  private static func isState(_ order: [[AxisFactor]]) -> Bool { order.count == 3 && order[1] == [.batch] }

  private func isAll(_ value: String, of states: [String]) -> Bool {
    !states.isEmpty && (states == [value] || joined[value] == states)
  }

  // MARK: Layers

  private mutating func export(_ layer: Layer) throws(StateDictError) {
    let output = layer.outputs.first ?? nil
    guard let output else { throw refuse(layer.name, "nothing reads it") }
    if case .arithmetic = layer.operation {
      throw refuse(layer.name, "a chain of PyTorch's modules has no arithmetic between values")
    }
    guard layer.inputs.count == 1, let input = layer.inputs[0], input == current || hidden.last == input
    else {
      throw refuse(layer.name, "it does not read what the layer before it makes; only chains can be written")
    }
    // The top layer's final hidden state in place of the sequence.
    if input != current { architecture.steps.append(.select(.hidden)) }
    switch layer.operation {
    case .embedding(let table):
      let name = unique(layer.name, or: "embedding")
      state.entries.append(.init(name + ".weight", table))
      architecture.steps.append(.embedding(.init(name: name, weight: name + ".weight")))
    case .dense(let weight, let bias):
      let name = unique(layer.name, or: "linear")
      state.entries.append(.init(name + ".weight", weight))
      if let bias { state.entries.append(.init(name + ".bias", bias)) }
      architecture.steps.append(
        .linear(.init(name: name, weight: name + ".weight", bias: bias.map { _ in name + ".bias" })))
    case .select(.step(-1)): architecture.steps.append(.select(.last))
    case .select(.mean): architecture.steps.append(.select(.mean))
    case .select(.max): architecture.steps.append(.select(.max))
    case .dropout:
      notes.append(
        ConversionNote(layer: layer.name, .exact, "Dropout is the identity at inference; left out"))
    default:
      guard let known = TorchActivations.table.first(where: { $0.operation == layer.operation }) else {
        throw refuse(layer.name, "\(layer.operation.name) is no step that can be written beside a state dict")
      }
      architecture.steps.append(.activation(known.torch))
    }
    notes.append(ConversionNote(layer: layer.name, .exact, layer.operation.name))
    current = output
  }

  /// A name for a module: the layer's own where it is one for PyTorch.
  private mutating func unique(_ wanted: String, or standard: String) -> String {
    let isPlain =
      !wanted.isEmpty
      && wanted.utf8.allSatisfy { byte in
        Unicode.Scalar(byte).properties.isAlphabetic && byte < 0x80 || (0x30...0x39).contains(byte)
          || byte == 0x5F
          || byte == 0x2E
      } && !wanted.hasPrefix(".") && !wanted.hasSuffix(".")
    let base = isPlain ? wanted : standard
    var name = base
    var suffix = 1
    while !names.insert(name).inserted {
      name = "\(base)_\(suffix)"
      suffix += 1
    }
    return name
  }

  // MARK: Recurrent modules

  /// `rnn.l0` is layer 0 of `rnn`.
  private static func place(_ name: String) -> (module: String, depth: Int)? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let last = parts.last, last.first == "l", let depth = Int(last.dropFirst()) else { return nil }
    return (parts.dropLast().joined(separator: "."), depth)
  }

  /// Writes the layers from `start` on that make one module; returns how many layers of the model it took.
  private mutating func exportModule(at start: Int) throws(StateDictError) -> Int {
    let first = model.layers[start]
    let place = Self.place(first.name)
    var group: [(layer: Layer, recurrent: RecurrentLayer)] = []
    var taken = 0
    for layer in model.layers[start...] {
      if case .slice(let from, _) = layer.operation, let input = layer.inputs[0], let known = initial[input] {
        initial[layer.outputs[0]!] = (known.role, from)
        taken += 1
        continue
      }
      guard case .recurrent(let recurrent) = layer.operation else { break }
      if let (_, head) = group.first {
        guard let place, let here = Self.place(layer.name), here.module == place.module,
          here.depth == group.count,
          recurrent.cell == head.cell, recurrent.direction == head.direction,
          recurrent.hiddenSize == head.hiddenSize, recurrent.projectionSize == head.projectionSize,
          layer.inputs.first == group.last!.layer.outputs.first
        else { break }
      }
      group.append((layer, recurrent))
      taken += 1
      if place?.depth != 0 { break }
    }
    var name = place?.depth == 0 ? place!.module : first.name
    // A module without a name is the model itself, and alone.
    if !(place?.depth == 0 && name.isEmpty && names.isEmpty) {
      name = unique(name, or: "rnn")
    } else {
      names.insert(name)
    }
    let head = group[0].recurrent
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
      module.layers.append(try export(layer, recurrent, module: name, depth: depth, hasBiases: hasBiases))
      notes.append(
        ConversionNote(
          layer: layer.name, .exact,
          "gates \(recurrent.cell.gateOrder) reordered to \(gates.order(recurrent.cell))"))
      let outputs = layer.outputs + [nil, nil, nil]
      current = outputs[0] ?? "\(layer.name) y"
      hidden.append(outputs[1] ?? "\(layer.name) h")
      if recurrent.cell == .lstm { cell.append(outputs[2] ?? "\(layer.name) c") }
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
        && (recurrent.cell == .rnn || direction.gateActivation == .sigmoid)
        && (recurrent.cell != .lstm || direction.outputActivation == .tanh)
      switch recurrent.cell {
      case .rnn where direction.candidateActivation == .relu: modes.insert(.rnnReLU)
      case .rnn where isStandard: modes.insert(.rnnTanh)
      case .lstm where isStandard: modes.insert(.lstm)
      case .gru(true) where isStandard: modes.insert(.gru)
      case .gru(false):
        throw refuse(layer.name, "PyTorch's GRU resets after the matrix product, this one before")
      default: throw refuse(layer.name, "PyTorch's modules know no other activations than their own")
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
        && (role == .initialHidden || recurrent.cell == .lstm)
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
    _ layer: Layer, _ recurrent: RecurrentLayer, module: String, depth: Int, hasBiases: Bool
  ) throws(StateDictError) -> [Architecture.Names] {
    let order = gates.order(recurrent.cell)
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
        hiddenWeight: append("weight_hh", direction.recurrentWeight))
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
