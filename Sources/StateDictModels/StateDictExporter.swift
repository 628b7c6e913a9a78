package import Recurrent
package import StateDicts
internal import Tensors

/// Turns the canonical model into a state dict with its architecture: a chain of Embedding, recurrent modules, a
/// selection, Linears and activations. Layers named `x.l0`, `x.l1`, … become one module `x` again.
public struct StateDictExporter {
  let model: Model
  let gates: TorchGates
  var state = StateDict(entries: [])
  var architecture = Architecture(steps: [], inputs: [], outputs: [])
  var notes: [ConversionNote] = []
  var names: Set<String> = []
  /// The value that the steps so far make, and what of the last recurrent module may still be used.
  var current = ""
  var hidden: [String] = []
  var cell: [String] = []
  /// Values that hold part of an initial state: which, and from where on.
  var initial: [String: (role: Architecture.Port.Role, start: Int)] = [:]
  var joined: [String: [String]] = [:]
  /// Parts of joined states that are the state of one layer.
  var renamed: [String: String] = [:]

  /// - Throws: `StateDictError.notExpressible` naming the layer and what PyTorch's modules lack.
  package static func export(
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

  mutating func run() throws(StateDictError) {
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
      case .slice(let slice) where initial[layer.inputs[0] ?? ""] != nil:
        initial[layer.outputs[0]!] = (initial[layer.inputs[0]!]!.role, slice.start)
      case .concat where layer.inputs.allSatisfy({ $0.map { (hidden + cell).contains($0) } ?? false }):
        joined[layer.outputs[0]!] = layer.inputs.compactMap { $0 }
      case .slice(let slice) where part(of: layer.inputs[0] ?? "", slice) != nil:
        renamed[layer.outputs[0]!] = part(of: layer.inputs[0]!, slice)
      case .recurrent, .embedding, .dense, .activation, .softmax, .logSoftmax, .layerNormalization, .select,
        .concat, .slice,
        .arithmetic,
        .reverse, .constant, .dropout, .argMax, .generate, .convolution, .pool, .padding, .gather, .unfold,
        .fold, .reduce, .timeSoftmax, .repeated, .stepPacking, .batchNormalization, .normalization,
        .transposedConvolution, .resize,
        .cumulativeSum, .attention, .choice:
        try export(layer)
      }
    }
    try outputs()
    state.metadata = model.metadata
    state.metadata[Architecture.metadataKey] = architecture.json
  }

  /// The one state among several joined ones that is cut out.
  private func part(of value: String, _ slice: FeatureSlice) -> String? {
    guard let states = joined[value], case .recurrent(let module)? = architecture.steps.last else {
      return nil
    }
    let width = module.directions * (states == cell ? module.hiddenSize : module.outputSize)
    guard slice.count == width, slice.start % width == 0, slice.start / width < states.count else {
      return nil
    }
    return states[slice.start / width]
  }

  func refuse(_ layer: String, _ reason: String) -> StateDictError {
    .notExpressible(layer: layer, reason: reason)
  }

  // MARK: Ports

  /// A port with what it fixes beyond what the modules say.
  private func stated(_ role: Architecture.Port.Role, _ port: Model.Port) -> Architecture.Port {
    let sizes = port.axes.map { axis -> Int? in
      axis.factors.contains(.time) || axis.factors.contains(.batch) ? axis.size : nil
    }
    return Architecture.Port(
      role, port.name,
      elementType: port.kind.isInteger && port.elementType != .int64 ? port.elementType : nil,
      sizes: sizes.allSatisfy { $0 == nil } ? [] : sizes)
  }

  mutating func inputs() throws(StateDictError) {
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
        architecture.inputs.append(stated(.input, port))
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
        architecture.inputs.append(stated(role, port))
      case .indices:
        throw refuse(port.name, "lengths: PyTorch has them in a packed sequence, not in the module")
      }
    }
  }

  mutating func outputs() throws(StateDictError) {
    for port in model.outputs {
      if port.axes.contains(where: \.isDroppedAtOne) {
        throw refuse(port.name, "it comes without an axis whose size is 1, which PyTorch's modules keep")
      }
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
      if port.value == current || renamed[port.value] == current {
        architecture.outputs.append(stated(.output, port))
      } else if isAll(port.value, of: hidden) {
        architecture.outputs.append(stated(.finalHidden, port))
      } else if isAll(port.value, of: cell) {
        architecture.outputs.append(stated(.finalCell, port))
      } else {
        throw refuse(
          port.name, "PyTorch's modules give the last step's output and the final states, this is neither")
      }
    }
  }

  /// What each axis holds; an axis of size 1 holds nothing.
  private static func order(_ port: Model.Port) -> [[AxisFactor]] {
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

  mutating func export(_ layer: Layer) throws(StateDictError) {
    let output = layer.outputs.first ?? nil
    guard let output else { throw refuse(layer.name, "nothing reads it") }
    if case .arithmetic = layer.operation {
      throw refuse(layer.name, "a chain of PyTorch's modules has no arithmetic between values")
    }
    let input = layer.inputs.first.flatMap { $0 }.map { renamed[$0] ?? $0 }
    guard layer.inputs.count == 1, let input, input == current || hidden.last == input else {
      throw refuse(layer.name, "it does not read what the layer before it makes; only chains can be written")
    }
    // The top layer's final hidden state in place of the sequence.
    if input != current { architecture.steps.append(.select(.hidden)) }
    switch layer.operation {
    case .embedding(let embedding):
      architecture.steps.append(.embedding(parameters(layer, "embedding", embedding.table, bias: nil)))
    case .dense(let dense):
      architecture.steps.append(.linear(parameters(layer, "linear", dense.weight, bias: dense.bias)))
    case .layerNormalization(let normalization):
      architecture.steps.append(
        .layerNorm(
          parameters(layer, "norm", normalization.scale, bias: normalization.bias),
          epsilon: normalization.epsilon))
    case .convolution(let convolution):
      let axes = try windows(layer, convolution.axes)
      architecture.steps.append(
        .convolution(
          Architecture.Convolution(
            parameters(layer, "conv", convolution.weight, bias: convolution.bias), axes: axes,
            groups: convolution.groups)))
    case .pool(let pool):
      architecture.steps.append(
        .pool(
          Architecture.Pool(
            Architecture.Pool.Function(pool.reduction), axes: try windows(layer, pool.axes),
            roundsUp: pool.roundsUp)))
    case .batchNormalization(let normalization):
      architecture.steps.append(.batchNorm(parameters(layer, normalization)))
    case .select(.step(-1)): architecture.steps.append(.select(.last))
    case .select(.mean): architecture.steps.append(.select(.mean))
    case .select(.max): architecture.steps.append(.select(.max))
    case .dropout:
      notes.append(
        ConversionNote(layer: layer.name, .exact, "Dropout is the identity at inference; left out"))
    case .activation, .softmax, .logSoftmax, .recurrent, .select, .concat, .slice,
      .arithmetic, .reverse,
      .constant,
      .argMax, .generate, .padding, .gather, .unfold, .fold, .reduce, .timeSoftmax,
      .repeated, .stepPacking, .normalization, .transposedConvolution, .resize, .cumulativeSum, .attention,
      .choice:
      guard let known = Architecture.Activation.allCases.first(where: { $0.operation == layer.operation })
      else {
        throw refuse(layer.name, "\(layer.operation.name) is no step that can be written beside a state dict")
      }
      architecture.steps.append(.activation(known))
    }
    notes.append(ConversionNote(layer: layer.name, .exact, layer.operation.name))
    current = output
  }

  /// Adds a module of a weight and perhaps a bias, named as the layer is.
  private mutating func parameters(
    _ layer: Layer, _ standard: String, _ weight: Tensor, bias: Tensor?
  ) -> Architecture.Parameters {
    let name = unique(layer.name, or: standard)
    state.entries.append(.init(name + ".weight", weight))
    if let bias { state.entries.append(.init(name + ".bias", bias)) }
    return .init(name: name, weight: name + ".weight", bias: bias.map { _ in name + ".bias" })
  }

  /// The windows as a module of PyTorch has them.
  private func windows(_ layer: Layer, _ axes: [WindowAxis]) throws(StateDictError) -> [Architecture.Window] {
    try axes.map { (axis) throws(StateDictError) in
      guard let window = Architecture.Window(axis) else {
        throw refuse(
          layer.name,
          "it pads \(axis.before) places in front and \(axis.after) behind, PyTorch's modules as many on both sides"
        )
      }
      return window
    }
  }

  /// Adds a BatchNorm, named as the layer is, with the count that PyTorch keeps beside its statistics.
  private mutating func parameters(
    _ layer: Layer, _ normalization: BatchNormalization
  ) -> Architecture.BatchNorm {
    let name = unique(layer.name, or: "norm")
    let norm = Architecture.BatchNorm(
      name: name, weight: "\(name).weight", bias: "\(name).bias", mean: "\(name).running_mean",
      variance: "\(name).running_var", epsilon: normalization.epsilon)
    let tensors = [normalization.scale, normalization.bias, normalization.mean, normalization.variance]
    state.entries += zip(norm.tensorNames, tensors).map { .init($0, $1) }
    state.entries.append(.init("\(name).num_batches_tracked", Tensor([Int64(0)], shape: [])))
    return norm
  }

  /// A name for a module: the layer's own where it is one for PyTorch.
  mutating func unique(_ wanted: String, or standard: String) -> String {
    // `/encoder/rnn/LSTM` is operator LSTM of the module `encoder.rnn`.
    var parts = wanted.split(separator: "/")
    if parts.count > 1, parts.last!.first!.isUppercase { parts.removeLast() }
    let wanted = parts.joined(separator: ".")
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
}
