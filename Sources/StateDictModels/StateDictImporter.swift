internal import ByteIO
package import Recurrent
package import StateDicts
internal import Tensors

/// Turns a state dict and its architecture into the canonical model.
public struct StateDictImporter {
  private let state: StateDict
  private let tensors: [String: Tensor]
  private let architecture: Architecture
  private let gates: TorchGates
  private var model = Model(inputs: [], outputs: [], layers: [])
  private var names: Set<String> = []
  /// The value that the steps so far made.
  private var current = "input"
  private var kind: ValueKind
  /// The last recurrent module's final states, one value for each layer.
  private var hidden: [String] = []
  private var cell: [String] = []
  private var isDouble = false

  /// - Throws: `StateDictError` naming the tensor or module.
  package static func importModel(
    _ state: StateDict, _ architecture: Architecture, gates: TorchGates = .documented
  ) throws(StateDictError) -> Model {
    var importer = StateDictImporter(state, architecture, gates)
    return try importer.run()
  }

  private init(_ state: StateDict, _ architecture: Architecture, _ gates: TorchGates) {
    self.state = state
    tensors = Dictionary(state.entries.map { ($0.name, $0.tensor) }) { first, _ in first }
    self.architecture = architecture
    self.gates = gates
    kind = .tokens
  }

  private mutating func run() throws(StateDictError) -> Model {
    model.name = state.key
    model.metadata = state.metadata
    model.metadata[Architecture.metadataKey] = nil
    let types = try architecture.tensorNames.map { (name) throws(StateDictError) in
      try tensor(name).elementType
    }
    isDouble = types.contains(.float64)
    kind = try inputKind()
    for port in architecture.inputs { model.inputs.append(try input(port)) }
    for step in architecture.steps { try append(step) }
    for port in architecture.outputs { model.outputs.append(try output(port)) }
    leaveOutUnread()
    do { try model.validated() } catch { throw .invalidModel(reason: error.description) }
    return model
  }

  /// States that nothing reads are no outputs of their layers: other formats do not have them either.
  private mutating func leaveOutUnread() {
    let read = Set(model.layers.flatMap { $0.inputs.compactMap { $0 } } + model.outputs.map(\.value))
    for index in model.layers.indices {
      model.layers[index].outputs = model.layers[index].outputs.map { value in
        value.flatMap { read.contains($0) ? $0 : nil }
      }
    }
  }

  private func tensor(_ name: String) throws(StateDictError) -> Tensor {
    guard let tensor = tensors[name] else { throw .missingTensor(name) }
    return tensor
  }

  private mutating func unique(_ wanted: String) -> String {
    var name = wanted
    var suffix = 1
    while !names.insert(name).inserted {
      name = "\(wanted)_\(suffix)"
      suffix += 1
    }
    return name
  }

  // MARK: Ports

  private func inputKind() throws(StateDictError) -> ValueKind {
    switch architecture.steps.first {
    case .embedding: return .tokens
    case .recurrent(let module): return .sequence(features: module.inputSize)
    case .linear(let names):
      let weight = try tensor(names.weight)
      guard weight.shape.count == 2 else {
        throw .wrongShape(names.weight, expected: [-1, -1], found: weight.shape)
      }
      return .sequence(features: weight.shape[1])
    case .layerNorm(let names, _): return .sequence(features: try tensor(names.weight).count)
    case .convolution(let module):
      let weight = try tensor(module.names.weight)
      guard weight.shape.count == module.axes.count + 2,
        let features = checkedProduct([weight.shape[1], module.groups] + module.axes.map { $0.size ?? 1 }),
        features <= ValueKind.mostFeatures
      else {
        throw .wrongShape(
          module.names.weight, expected: [-1, -1] + module.axes.map(\.kernel), found: weight.shape)
      }
      return .sequence(features: features)
    case .batchNorm(let module): return .sequence(features: try tensor(module.mean).count)
    case nil, .pool, .activation, .select: throw .badArchitecture(reason: "it does not begin with a module")
    }
  }

  private var floatType: ElementType { isDouble ? .float64 : .float32 }

  private func port(_ name: String, _ value: String, _ kind: ValueKind) -> Model.Port {
    Model.Port(
      name, kind, batchFirst: architecture.batchFirst, value: value,
      elementType: kind.isInteger ? nil : floatType)
  }

  /// The port with what the file's architecture fixes.
  private func stated(_ port: Model.Port, _ fixed: Architecture.Port) throws(StateDictError) -> Model.Port {
    var port = port
    if let type = fixed.elementType {
      guard !type.isFloat == port.kind.isInteger else {
        throw .badArchitecture(reason: "'\(port.name)' cannot hold \(type.rawValue)")
      }
      port.elementType = type
    }
    guard !fixed.sizes.isEmpty else { return port }
    guard fixed.sizes.count == port.axes.count else {
      throw .badArchitecture(reason: "'\(port.name)' has \(port.axes.count) axes, not \(fixed.sizes.count)")
    }
    for (axis, size) in fixed.sizes.enumerated() where size != nil { port.axes[axis].size = size }
    return port
  }

  /// `[L·D, B, H]`, also with batch_first.
  private func statePort(_ name: String, _ value: String, width: Int, count: Int) -> Model.Port {
    Model.Port(
      name: name, value: value, elementType: floatType, kind: .vector(features: width * count),
      axes: [
        PortAxis([.features(stride: width, count: count)], size: count), PortAxis([.batch]),
        .features(width),
      ])
  }

  private var modules: [Architecture.Recurrent] {
    architecture.steps.compactMap { if case .recurrent(let module) = $0 { module } else { nil } }
  }

  private mutating func input(_ port: Architecture.Port) throws(StateDictError) -> Model.Port {
    if port.role == .input {
      names.insert(current)
      return try stated(self.port(port.name, current, kind), port)
    }
    guard modules.count == 1, [.initialHidden, .initialCell].contains(port.role) else {
      throw .badArchitecture(reason: "initial states need exactly one recurrent module")
    }
    let width = port.role == .initialHidden ? modules[0].outputSize : modules[0].hiddenSize
    return try stated(
      statePort(
        port.name, unique(port.role.rawValue), width: width,
        count: modules[0].layers.count * modules[0].directions), port)
  }

  private mutating func output(_ port: Architecture.Port) throws(StateDictError) -> Model.Port {
    switch port.role {
    case .output: return try stated(self.port(port.name, current, kind), port)
    case .finalHidden, .finalCell:
      guard let module = modules.last else {
        throw .badArchitecture(reason: "no recurrent module has states")
      }
      let parts = port.role == .finalHidden ? hidden : cell
      guard !parts.isEmpty else {
        throw .badArchitecture(reason: "'\(module.name)' has no \(port.role.rawValue)")
      }
      let width = port.role == .finalHidden ? module.outputSize : module.hiddenSize
      var value = parts[0]
      if parts.count > 1 {
        value = unique(port.role.rawValue)
        model.layers.append(Layer(value, .concat, inputs: parts, outputs: [value]))
      }
      return try stated(
        statePort(port.name, value, width: width, count: module.layers.count * module.directions), port)
    case .input, .initialHidden, .initialCell:
      throw .badArchitecture(reason: "\(port.role.rawValue) is no output")
    }
  }

  // MARK: Steps

  private mutating func append(_ step: Architecture.Step) throws(StateDictError) {
    switch step {
    case .embedding(let names): try append(names.name, .embedding(table: tensor(names.weight)))
    case .linear(let names):
      try append(names.name, .dense(weight: tensor(names.weight), bias: bias(of: names)))
    case .layerNorm(let names, let epsilon):
      try append(
        names.name,
        .layerNormalization(
          LayerNormalization(scale: tensor(names.weight), bias: bias(of: names), epsilon: epsilon)))
    case .convolution(let module):
      try append(
        module.names.name,
        .convolution(
          Convolution(
            weight: tensor(module.names.weight), bias: bias(of: module.names), axes: module.axes.map(\.axis),
            groups: module.groups)))
    case .pool(let module):
      try append(
        "pool",
        .pool(Pool(module.function.reduction, axes: module.axes.map(\.axis), roundsUp: module.roundsUp)))
    case .batchNorm(let module): try append(module.name, .batchNormalization(try normalization(module)))
    case .activation(let activation):
      try append(activation.rawValue, activation.operation)
    case .select(let selection):
      switch selection {
      case .last: try append("last", .select(.step(-1)))
      case .mean: try append("mean", .select(.mean))
      case .max: try append("max", .select(.max))
      case .hidden:
        guard let last = hidden.last, let module = modules.last else {
          throw .badArchitecture(reason: "no recurrent module comes before 'hidden'")
        }
        current = last
        kind = .vector(features: module.directions * module.outputSize)
      }
    case .recurrent(let module): try append(module)
    }
  }

  private func normalization(_ module: Architecture.BatchNorm) throws(StateDictError) -> BatchNormalization {
    let mean = try tensor(module.mean)
    // Without affine parameters γ is 1 and β is 0.
    func vector(_ name: String?, _ value: Float) throws(StateDictError) -> Tensor {
      if let name { return try tensor(name) }
      let same = Tensor([Float](repeating: value, count: mean.count), shape: [mean.count])
      do { return try same.converted(to: mean.elementType).tensor } catch {
        throw .badModule(module.name, reason: error.description)
      }
    }
    let features = kind.features
    guard !kind.isInteger, mean.count > 0, features % mean.count == 0 else {
      throw .doesNotFit(
        module: module.name, reason: "\(features) features are not \(mean.count) channels")
    }
    return BatchNormalization(
      scale: try vector(module.weight, 1), bias: try vector(module.bias, 0), mean: mean,
      variance: try tensor(module.variance), epsilon: module.epsilon, inner: features / mean.count)
  }

  private func bias(of names: Architecture.Parameters) throws(StateDictError) -> Tensor? {
    try names.bias.map { (name) throws(StateDictError) in try tensor(name) }
  }

  private mutating func append(_ wanted: String, _ operation: Layer.Operation) throws(StateDictError) {
    let name = unique(wanted.isEmpty ? operation.name.lowercased() : wanted)
    let layer = Layer(name, operation, inputs: [current], outputs: [name])
    do { kind = try layer.outputKinds(of: [kind])[0] } catch {
      throw .invalidModel(reason: error.description)
    }
    model.layers.append(layer)
    current = name
  }

  private mutating func append(_ module: Architecture.Recurrent) throws(StateDictError) {
    hidden = []
    cell = []
    for (depth, directions) in module.layers.enumerated() {
      let prefix = module.name.isEmpty ? "" : module.name + "."
      let name = unique("\(prefix)l\(depth)")
      let width = directions.count * module.outputSize
      let recurrent = RecurrentLayer(
        cell: module.mode.cell, direction: module.isBidirectional ? .bidirectional : .forward,
        inputSize: depth == 0 ? module.inputSize : width, hiddenSize: module.hiddenSize,
        directions: try directions.map { (names) throws(StateDictError) in try parameters(names, module.mode)
        })
      var inputs: [String?] = [current]
      for (role, states) in [
        (Architecture.Port.Role.initialHidden, width), (.initialCell, directions.count * module.hiddenSize),
      ]
      where architecture.inputs.contains(where: { $0.role == role }) {
        while inputs.count < (role == .initialHidden ? 2 : 3) { inputs.append(nil) }
        inputs.append(initial(role, depth: depth, of: module.layers.count, width: states))
      }
      let outputs = [name, "\(name).h"] + (module.mode == .lstm ? ["\(name).c"] : [])
      for output in outputs { names.insert(output) }
      model.layers.append(Layer(name, .recurrent(recurrent), inputs: inputs, outputs: outputs))
      current = name
      kind = .sequence(features: width)
      hidden.append(outputs[1])
      if module.mode == .lstm { cell.append(outputs[2]) }
    }
  }

  /// The part of an initial state `[L·D, B, H]` that belongs to layer `depth`.
  private mutating func initial(
    _ role: Architecture.Port.Role, depth: Int, of count: Int, width: Int
  ) -> String {
    if count == 1 { return role.rawValue }
    let name = unique("\(role.rawValue)_l\(depth)")
    model.layers.append(
      Layer(name, .slice(start: depth * width, count: width), inputs: [role.rawValue], outputs: [name]))
    return name
  }

  private func parameters(
    _ names: Architecture.Names, _ mode: Architecture.Recurrent.Mode
  ) throws(StateDictError) -> DirectionParameters {
    func reordered(_ name: String?) throws(StateDictError) -> Tensor? {
      guard let name else { return nil }
      return gates.order(mode).reorder(try tensor(name), to: mode.cell.gateOrder)
    }
    return DirectionParameters(
      inputWeight: try reordered(names.inputWeight)!, recurrentWeight: try reordered(names.hiddenWeight)!,
      inputBias: try reordered(names.inputBias), recurrentBias: try reordered(names.hiddenBias),
      projection: try names.projection.map { (name) throws(StateDictError) in try tensor(name) },
      candidateActivation: mode == .rnnReLU ? .relu : .tanh)
  }
}

extension Architecture.Recurrent.Mode {
  /// `nn.GRU` applies the reset gate to R·h + b, after the matrix product.
  var cell: Cell {
    switch self {
    case .rnnTanh, .rnnReLU: .rnn
    case .lstm: .lstm
    case .gru: .gru(resetAfter: true)
    }
  }
}

extension Architecture.Window {
  var axis: WindowAxis {
    WindowAxis(
      size: size, kernel: kernel, stride: stride, dilation: dilation, before: padding, after: padding)
  }

  /// Nil where more is added on one side than on the other, as PyTorch's modules never do.
  init?(_ axis: WindowAxis) {
    guard axis.before == axis.after else { return nil }
    self.init(
      size: axis.size, kernel: axis.kernel, stride: axis.stride, padding: axis.before, dilation: axis.dilation
    )
  }
}

extension Architecture.Pool.Function {
  var reduction: Pool.Reduction {
    switch self {
    case .max: .max
    case .mean: .mean
    case .paddedMean: .paddedMean
    }
  }

  init(_ reduction: Pool.Reduction) {
    self =
      switch reduction {
      case .max: .max
      case .mean: .mean
      case .paddedMean: .paddedMean
      }
  }
}
