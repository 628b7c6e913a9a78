public import ByteIO
public import Recurrent
public import Tensors

/// What importing an ONNX model gave: the canonical model, and how exact each layer is.
public struct ONNXImport: Sendable, Equatable {
  public let model: Model
  public let notes: [ConversionNote]
}

/// Turns an ONNX graph into the canonical model.
///
/// Works by abstract interpretation: every value of the graph is a known constant, a vector of (possibly open) sizes,
/// or a canonical value under some arrangement of its axes. Shape computations and rearrangements thereby vanish,
/// however an exporter spelled them, and what remains is layers.
public struct ONNXImporter {
  let source: ONNXModel
  let bindings: [String: Tensor]
  /// What the caller says of inputs' axes.
  let givenAxes: [String: [InputAxis]]
  let limits: Limits
  let gates: ONNXGates
  /// Functions of the model that are layers.
  let packings: [ONNXFunction.Name: StepPacking.Direction]
  var values: [String: ImportedValue] = [:]
  /// How often a value is read, graph outputs included.
  var uses: [String: Int] = [:]
  /// What the graph gives.
  var outputNames: Set<String> = []
  /// Outputs of the graph that come without axes of size 1.
  var squeezedOutputs: Set<String> = []
  var elementTypes: [String: ElementType] = [:]
  var layers: [Layer] = []
  var notes: [ConversionNote] = []
  var layerNames = UniqueNames(countingFrom: 2)
  private var valueNames: UniqueNames?
  /// The batch size where the source fixes it.
  var batchSize: Int?
  /// T by each clock where the source fixes it; nil where sequences of one clock are of different lengths.
  private var steps: [Clock: Int?] = [:]
  /// Whether some input has no axis for the batch: then there is one row, and no value has such an axis.
  var isUnbatched = false
  /// What is taken for granted where the graph does not say it, to see whether everything fits.
  var assumed = Assumptions()
  /// A size that would have made a Reshape fit which does not.
  var baked: Assumptions?
  /// Elements of the graph's own constants, and of those that were made by repeating others.
  var given = 0
  var folded = 0
  /// Names inside the branch that is being imported, where they had to be changed.
  var renamed: [String: String] = [:]
  /// What inputs whose axes are known call their batch.
  private var batchNames: Set<String> = []
  /// Float inputs that are read as integers alone.
  private var tokens: Set<String> = []
  /// Values that are 1 or 0: inputs of booleans, and what comparisons make.
  var truths: Set<String> = []
  /// How many nodes were understood.
  private var understood = 0
  /// Whether everything that keeps the graph from being imported is asked for, not the first of it alone; and what was found.
  var isListing = false
  var refused: [RefusedNode] = []
  /// What those would have made, what would have been made of that, and the nodes that would have.
  var failed: Set<String> = []
  var passedOver: [ONNXNode] = []
  /// Whether the graph is a Loop's body, where a sequence has one step.
  var isBody = false

  /// That of the node which is being imported.
  var opset: Int64 { ownOpset ?? source.opset }
  /// That of a function whose node it is.
  var ownOpset: Int64?

  /// Imports `source`.
  ///
  /// - Parameters:
  ///   - bindings: values for graph inputs that hold weights.
  ///   - axes: what the axes of graph inputs are, by name; of others their use tells.
  ///   - limits: bounds on what constant folding may allocate.
  /// - Throws: `ONNXError` naming the node and what to do.
  public static func importModel(
    _ source: ONNXModel, bindings: [String: Tensor] = [:], axes: [String: [InputAxis]] = [:],
    limits: Limits = .standard
  ) throws(ONNXError) -> ONNXImport {
    try importModel(source, bindings: bindings, axes: axes, limits: limits, gates: .specification)
  }

  static func importModel(
    _ model: ONNXModel, bindings: [String: Tensor] = [:], axes: [String: [InputAxis]] = [:],
    limits: Limits = .standard, gates: ONNXGates
  ) throws(ONNXError) -> ONNXImport {
    let source = try InlinedFunctions.inlined(model, limits: limits)
    var attempt = ONNXImporter(source: source, bindings: bindings, axes: axes, limits: limits, gates: gates)
    var failure: ONNXError
    do { return try attempt.run() } catch { failure = error }
    // A graph is its own proof: under the wrong axes its operators do not fit one another.
    var furthest = attempt.understood
    var waiting = attempt.alternatives
    var tried = 0
    var best = Assumptions()
    while let assumed = waiting.popLast(), tried < Assumptions.limit {
      tried += 1
      var other = ONNXImporter(source: source, bindings: bindings, axes: axes, limits: limits, gates: gates)
      other.assumed = assumed
      do { return try other.run() } catch {
        if let baked = other.baked { waiting.append(baked) }
        if other.understood > furthest { (furthest, failure, best) = (other.understood, error, assumed) }
      }
    }
    var last = ONNXImporter(source: source, bindings: bindings, limits: limits, gates: gates)
    last.assumed = best
    throw last.refusal(failure)
  }

  /// What may be tried after a failure, the likeliest last.
  private var alternatives: [Assumptions] {
    // A size that a Reshape fixes is one that the exporter saw; without a recurrence nothing tells that it was time or the batch.
    if let baked { return hasRecurrence ? [baked] : [] }
    let open = source.graph.inputs.filter { values[$0.name] == .unbound }
    guard !open.isEmpty, open.count <= 3 else { return [] }
    var all = [assumed]
    for info in open {
      // What the caller gives numbers for may be a weight, or an input of the run.
      let choices: [[AxisRole]?] =
        Assumptions.roles(info, batches: batchNames) + (bindings[info.name] == nil ? [] : [nil])
      guard !choices.isEmpty else { return [] }
      all = choices.reversed().flatMap { roles in
        all.map { assumed in
          var assumed = assumed
          assumed.roles[info.name] = roles
          return assumed
        }
      }
    }
    return all
  }

  init(
    source: ONNXModel, bindings: [String: Tensor], axes: [String: [InputAxis]] = [:], limits: Limits,
    gates: ONNXGates
  ) {
    givenAxes = axes
    self.gates = gates
    self.source = source
    packings = source.functionsByName.compactMapValues { StepPacking.Direction($0) }
    self.bindings = bindings
    self.limits = limits
  }

  mutating func run() throws(ONNXError) -> ONNXImport {
    let graph = source.graph
    let nodes = FusedActivations(try graph.sortedNodes(), graph).nodes
    given = graph.initializers.reduce(0) { $0 + $1.tensor.count }
    for initializer in graph.initializers {
      guard values.updateValue(.constant(initializer.tensor), forKey: initializer.name) == nil else {
        throw .duplicateValue(node: "initializer", value: initializer.name)
      }
    }
    let all = nodes.withBranches
    for node in all {
      // What stands inside a branch is in the list by itself.
      let read = node.branches.isEmpty ? node.reads : node.inputs
      for input in read where !input.isEmpty { uses[input, default: 0] += 1 }
      for output in node.branches.flatMap(\.outputs) { uses[output.name, default: 0] += 1 }
    }
    for output in graph.outputs { uses[output.name, default: 0] += 1 }
    outputNames = Set(graph.outputs.map(\.name))

    try refuseLoops(all)
    let inputs = try importInputs(all)
    let writtenOut = writtenOutProduct(all)
    do {
      for node in nodes {
        if isListing {
          list(node)
          continue
        }
        try importNode(node)
        understood += 1
      }
    } catch {
      guard let writtenOut, case .notImportable(let node, let reason) = error else { throw error }
      throw .notImportable(
        node: writtenOut.label,
        reason:
          "the graph holds no RNN, LSTM or GRU: its recurrence is written out step by step\(writtenOutAdvice); as it stands, "
          + "node \(node) stops it: \(reason)")
    }
    let rolledUp = try rollUpSteps(inputs)
    if let writtenOut, !rolledUp, writtenOut.isRepeated(in: all) {
      note(
        writtenOut.label, .exact,
        "the graph holds no RNN, LSTM or GRU: steps that are written out stay written out\(writtenOutAdvice)")
    }
    if let writtenOut, inputs.contains(where: { $0.kind.hasTime && (!rolledUp || isPickedApart($0.value)) }) {
      // Steps are axes of features, or each its own value: which axis else is time cannot be told.
      throw .notImportable(
        node: writtenOut.label,
        reason:
          "the graph holds no RNN, LSTM or GRU: its recurrence is written out step by step\(writtenOutAdvice)"
      )
    }
    let outputs = try graph.outputs.map { (info) throws(ONNXError) in try outputPort(info) }
    guard !outputs.isEmpty else { throw .graphOutput("", reason: "the graph has no outputs") }

    var model = Model(
      name: graph.name, inputs: inputs, outputs: outputs, layers: layers, metadata: metadata())
    model.rejoinSlices()
    model.dropUnused()
    do { try model.validated() } catch { throw .model(error) }
    return ONNXImport(model: model, notes: notes)
  }

  /// Puts steps that are written out one by one together again; whether there were any.
  private mutating func rollUpSteps(_ inputs: [Model.Port]) throws(ONNXError) -> Bool {
    var steps: WrittenOutSteps
    // What is wrong with the model is found when all of it is checked.
    do { steps = try WrittenOutSteps(self, inputs) } catch { return false }
    steps.rollUp()
    if steps.found.isEmpty { return false }
    self = steps.importer
    return true
  }

  /// Whether single steps are all that is read of a value: its first axis is that of something else, such as layers' states.
  private func isPickedApart(_ value: String) -> Bool {
    let readers = layers.filter { $0.inputs.contains(value) }
    return !readers.isEmpty
      && readers.allSatisfy { if case .select(.step) = $0.operation { true } else { false } }
  }

  /// Refuses control flow that is no recurrence known here.
  private func refuseLoops(_ nodes: [ONNXNode]) throws(ONNXError) {
    if !isListing, let error = nodes.lazy.compactMap(flowRefusal).first { throw error }
  }

  /// Why a node's control flow cannot be imported; nil for everything else.
  func flowRefusal(_ node: ONNXNode) -> ONNXError? {
    guard node.domain.isEmpty else { return nil }
    if node.operation == "Scan", ScannedLayer(node, opset: opset, gates) == nil {
      return .notImportable(
        node: node.label,
        reason: "control flow has no place in the canonical model; `run` and `verify` evaluate it as it is")
    }
    guard node.operation == "Loop", GeneratedLoop(node) == nil else { return nil }
    do throws(RecurrentLoop.Reason) { _ = try RecurrentLoop(node) } catch {
      return .notImportable(
        node: node.label,
        reason:
          "control flow that is no recurrence along a sequence: \(error.text); `run` and `verify` evaluate it as it is"
      )
    }
    return nil
  }

  /// The first product of a graph without RNN, LSTM or GRU that still looks like one: its steps are written out one by one.
  private func writtenOutProduct(_ nodes: [ONNXNode]) -> ONNXNode? {
    let recurrent = ["RNN", "LSTM", "GRU", "Scan", "Loop"]
    let squashing = nodes.filter { ["Tanh", "Sigmoid", "Relu"].contains($0.operation) }
    guard !nodes.contains(where: { recurrent.contains($0.operation) }), squashing.count >= 2 else {
      return nil
    }
    return nodes.first { ["MatMul", "Gemm"].contains($0.operation) }
  }

  /// Who writes recurrences out, and how to have them whole.
  var writtenOutAdvice: String {
    let isTorch = source.producer == "pytorch"
    let advice: String? =
      if isTorch, source.graph.nodes.contains(where: { $0.name.hasPrefix("node_") }) {
        "as torch's dynamo exporter does to nn.RNN: export it with dynamo=False"
      } else if isTorch {
        "as a loop over nn.LSTMCell or nn.GRUCell is: use nn.LSTM or nn.GRU"
      } else if source.producer.hasPrefix("tf2onnx") || source.producer.lowercased().contains("keras") {
        "as Keras does with unroll=True: export it with unroll=False"
      } else {
        nil
      }
    return (advice.map { ", \($0)" } ?? "") + " (`run` and `verify` evaluate it as it is)"
  }

  /// Whether the graph has a recurrent operator.
  var hasRecurrence: Bool {
    source.graph.nodes.withBranches.contains {
      ["RNN", "LSTM", "GRU", "Scan", "Loop"].contains($0.operation)
    }
  }

  // MARK: Ports

  private mutating func importInputs(_ nodes: [ONNXNode]) throws(ONNXError) -> [Model.Port] {
    let open = source.graph.inputs.filter { values[$0.name] == nil }
    let roles = try given(try inputRoles(nodes, open), open)
    isUnbatched =
      assumed.isUnbatched
      || open.contains { info in
        (roles[info.name] ?? assumed.roles[info.name]).map { !$0.contains(.batch) } ?? false
      }
    if isUnbatched { batchSize = 1 }
    var ports: [Model.Port] = []
    // Keras takes token ids as floats.
    let toIntegers = nodes.filter { node in
      guard node.operation == "Cast", case .int(let code)? = node.attributes["to"] else { return false }
      return ONNXDataType.elementType(Int32(clamping: code)).map { !$0.isFloat && $0 != .bool } ?? false
    }
    tokens = Set(toIntegers.compactMap(\.inputs.first)).filter { name in
      uses[name] == toIntegers.count { $0.inputs.first == name }
    }
    var readers: [String: ONNXNode] = [:]
    for node in nodes.reversed() { for input in node.inputs { readers[input] = node } }
    for info in open {
      if let number = bindings[info.name], number.count == 1,
        info.shape?.allSatisfy({ $0 == .fixed(1) }) ?? false
      {
        // A number that decides something, such as a sample rate.
        values[info.name] = .constant(number)
        elementTypes[info.name] = info.elementType
        notes.append(
          ConversionNote(
            layer: info.name, .exact, "graph input '\(info.name)' is bound to \(number.doubles[0])"))
      } else if let axes = roles[info.name] ?? assumed.roles[info.name]
        ?? defaultRoles(info, readers[info.name])
      {
        ports.append(try inputPort(info, axes))
      } else if uses[info.name] != nil {
        values[info.name] = .unbound
      } else {
        notes.append(
          ConversionNote(
            layer: info.name, .lossy, "graph input '\(info.name)' is used by nothing: left out",
            isOfUnusedInput: true))
      }
    }
    return ports
  }

  /// What their use tells of inputs' axes, but for those of which the caller tells.
  private func given(
    _ traced: [String: [AxisRole]], _ open: [ONNXValueInfo]
  ) throws(ONNXError) -> [String: [AxisRole]] {
    var roles = traced
    for (name, axes) in givenAxes.sorted(by: { $0.key < $1.key }) {
      guard let info = open.first(where: { $0.name == name }) else {
        let known = open.map { "'\($0.name)'" }.joined(separator: ", ")
        throw .graphInput(
          name, reason: "its axes were given, but the graph has no such input: it has \(known)")
      }
      if let rank = info.shape?.count, rank != axes.count {
        throw .graphInput(name, reason: "\(axes.count) axes were given (\(Setting.axes)), it has \(rank)")
      }
      roles[name] = axes.enumerated().map { position, axis in
        switch axis {
        case .batch: .batch
        case .time: .time
        case .features:
          // How many there are, an operator may say.
          if let known = traced[name], known.count == axes.count, case .features = known[position] {
            known[position]
          } else {
            .features(nil)
          }
        }
      }
    }
    return roles
  }

  private func inputRoles(
    _ nodes: [ONNXNode], _ open: [ONNXValueInfo]
  ) throws(ONNXError) -> [String: [AxisRole]] {
    var constants: [String: Tensor] = [:]
    for graph in [source.graph] + nodes.flatMap(\.branches) {
      for initializer in graph.initializers { constants[initializer.name] = initializer.tensor }
    }
    for node in nodes where node.operation == "Constant" {
      if let output = node.outputs.first, let tensor = try? Self.constantValue(node) {
        constants[output] = tensor
      }
    }
    // Whatever is computed from constants alone is one, too.
    var known = Set(constants.keys)
    for node in nodes
    where !node.inputs.isEmpty && node.inputs.allSatisfy({ $0.isEmpty || known.contains($0) }) {
      known.formUnion(node.outputs)
    }
    var ranks = constants.mapValues(\.shape.count)
    for info in open { ranks[info.name] = info.shape?.count }
    var roles = InputRoles(
      nodes: nodes, graphInputs: Set(open.map(\.name)),
      constant: { name in constants[name].flatMap { try? $0.integers().map { Int(bounded: $0) } } },
      rank: { ranks[$0] }, isKnown: { known.contains($0) })
    // Of branches some are never taken: what stands there proposes, and does not demand.
    var proposed: [InputRoles.Demand] = []
    let inBranches = Set(nodes.flatMap(\.branches).flatMap(\.nodes).flatMap(\.outputs))
    for node in nodes {
      for demand in ONNXOperator.named[node.operation]?.demands?(node) ?? [] {
        var wanted = demand.roles
        // How many features an operator reads, its weight W [D, gates·H, I] says.
        if demand.value == node.inputs[0], ["RNN", "LSTM", "GRU"].contains(node.operation),
          node.inputs.count > 1,
          let shape = constants[node.inputs[1]]?.shape, shape.count == 3, wanted.last == .features(nil)
        {
          wanted[wanted.count - 1] = .features(shape[2])
        }
        if node.outputs.contains(where: { inBranches.contains($0) }) {
          proposed.append(InputRoles.Demand(demand.value, wanted))
        } else {
          try roles.demand(demand.value, wanted, by: node)
        }
      }
    }
    for proposal in proposed { roles.propose(proposal) }
    for node in nodes {
      for proposal in ONNXOperator.named[node.operation]?.proposals?(roles, node) ?? [] {
        roles.propose(proposal)
      }
    }
    return roles.roles
  }

  /// Inputs that no recurrent operator reaches: `[B, F]` where a dense layer or a pointwise operator reads them.
  private func defaultRoles(_ info: ONNXValueInfo, _ reader: ONNXNode?) -> [AxisRole]? {
    guard info.shape?.count == 2, let reader, reader.inputs.first == info.name else { return nil }
    let isPointwise = (ONNXOperator.arithmetic + ONNXOperator.pointwise).contains {
      $0.name == reader.operation
    }
    return isPointwise || ["Gemm", "MatMul", "Concat"].contains(reader.operation)
      ? [.batch, .features(nil)] : nil
  }

  private mutating func inputPort(_ info: ONNXValueInfo, _ roles: [AxisRole]) throws(ONNXError) -> Model.Port
  {
    guard let type = info.elementType else {
      throw .graphInput(info.name, reason: "its element type is missing or not supported")
    }
    let shape = info.shape ?? roles.map { _ in .unknown }
    guard shape.count == roles.count else {
      throw .graphInput(info.name, reason: "it has \(shape.count) axes, its use needs \(roles.count)")
    }
    func size(_ axis: Int) -> Int? {
      if case .fixed(let size) = shape[axis] { return size }
      // A size that the caller gives by its name.
      let given = info.sizeNames(axis).compactMap { bindings[$0] }.first
      return given.flatMap { try? $0.integers() }.flatMap { $0.count == 1 ? Int(bounded: $0[0]) : nil }
    }
    if let axis = shape.indices.first(where: { size($0) ?? 0 > Int(Int32.max) }) {
      throw .graphInput(info.name, reason: "its axis \(axis) is fixed to \(size(axis)!): too large")
    }

    var features = 1
    var axes = [PortAxis](repeating: PortAxis([]), count: roles.count)
    var hasTime = false
    var timeSize: Int?
    for axis in roles.indices.reversed() {
      var symbol: String?
      if case .symbol(let name) = shape[axis] { symbol = name }
      switch roles[axis] {
      case .time:
        hasTime = true
        timeSize = size(axis) ?? assumed.steps
        axes[axis] = PortAxis([.time], size: timeSize, symbol: symbol)
      case .batch:
        if let symbol { batchNames.insert(symbol) }
        let rows = size(axis) ?? assumed.rows
        axes[axis] = isUnbatched ? PortAxis([], size: 1) : PortAxis([.batch], size: rows, symbol: symbol)
        if let fixed = rows {
          guard batchSize == nil || batchSize == fixed else {
            throw .graphInput(
              info.name, reason: "its batch is \(fixed), that of another input is \(batchSize!)")
          }
          batchSize = fixed
        }
      case .parts: break
      case .space where size(axis) == nil && !roles.contains(.time):
        hasTime = true
        timeSize = assumed.steps
        axes[axis] = PortAxis([.time], size: timeSize, symbol: symbol)
      case .space:
        guard let count = size(axis) else {
          throw .graphInput(
            info.name, reason: "its axis \(axis) is open beside that of time; fix its size")
        }
        guard let product = checkedProduct([features, count]), product <= Int(Int32.max) else {
          throw .graphInput(info.name, reason: "its shape is too large")
        }
        axes[axis] = PortAxis([.features(stride: features, count: count)])
        features = product
      case .features(let hint):
        guard let count = size(axis) ?? hint else {
          throw .graphInput(info.name, reason: "the size of axis \(axis), its features, is not stated")
        }
        axes[axis] = PortAxis([.features(stride: features, count: count)])
        guard let product = checkedProduct([features, count]), product <= Int(Int32.max) else {
          throw .graphInput(info.name, reason: "its shape is too large")
        }
        features = product
      case .single: axes[axis] = PortAxis([], size: 1)
      }
    }
    // What is cut off an axis has to lie together.
    for axis in roles.indices where roles[axis] == .parts {
      guard let count = size(axis), let product = checkedProduct([features, count]),
        product <= Int(Int32.max)
      else {
        throw .graphInput(info.name, reason: "the size of axis \(axis), which is cut, is not stated")
      }
      axes[axis] = PortAxis([.features(stride: features, count: count)])
      features = product
    }
    guard roles.filter({ $0 == .batch }).count <= 1 else {
      throw .graphInput(info.name, reason: "which axis is the batch cannot be told from its use")
    }
    let kind: ValueKind
    if type.isFloat || type == .bool, !tokens.contains(info.name) {
      kind = hasTime ? .sequence(features: features) : .vector(features: features)
    } else {
      guard features == 1 else { throw .graphInput(info.name, reason: "integers cannot be features") }
      kind = hasTime ? .tokens : .indices
    }
    let value = info.name
    if type == .bool, !kind.isInteger { truths.insert(value) }
    let view = View(value: value, kind: kind, axes: axes.map(\.factors), timeSize: timeSize)
    set(info.name, .view(view), type)
    return Model.Port(name: info.name, value: value, elementType: type, kind: kind, axes: axes)
  }

  private mutating func outputPort(_ info: ONNXValueInfo) throws(ONNXError) -> Model.Port {
    guard let value = values[info.name] else {
      throw .graphOutput(info.name, reason: "nothing makes it")
    }
    guard case .view(let view) = value else {
      throw .graphOutput(info.name, reason: "it does not depend on the model's inputs")
    }
    guard view.offset == 0, view.wrapping == nil else {
      throw .graphOutput(info.name, reason: "it is computed from lengths")
    }
    let type = elementTypes[info.name] ?? .float32
    guard type != .bool else {
      throw .graphOutput(
        info.name, reason: "it holds booleans, which an output of the canonical model cannot")
    }
    let axes = view.axes.enumerated().map { position, factors -> PortAxis in
      var axis = PortAxis(factors)
      if let sizes = info.shape, sizes.count == view.axes.count, case .symbol(let name) = sizes[position] {
        axis.symbol = name
      }
      axis.size = knownSize(factors, view)
      axis.isDroppedAtOne = squeezedOutputs.contains(info.name) && axis.size == nil
      return axis
    }
    return Model.Port(name: info.name, value: view.value, elementType: type, kind: view.kind, axes: axes)
  }

  private func metadata() -> [String: String] {
    // What the source says of itself is kept under names that no exporter uses for its own properties.
    var metadata = source.metadata
    let facts = [
      "onnx:producer": [source.producer, source.producerVersion].filter { !$0.isEmpty }.joined(
        separator: " "),
      "onnx:domain": source.domain, "onnx:doc_string": source.documentation,
      "onnx:model_version": source.modelVersion == 0 ? "" : String(source.modelVersion),
      "onnx:opset": String(source.opset),
    ]
    for (key, value) in facts where !value.isEmpty { metadata[key] = value }
    return metadata
  }

  // MARK: Values

  mutating func set(_ name: String, _ value: ImportedValue, _ type: ElementType? = nil) {
    var value = value
    if isUnbatched, case .view(var view) = value {
      view.axes = withoutBatch(view.axes)
      value = .view(view)
    }
    if case .view(let view) = value, let count = view.timeSize {
      steps[view.clock] = steps[view.clock, default: count] == count ? count : .some(nil)
    }
    values[name] = value
    elementTypes[name] = type
  }

  /// The number behind a size, whichever values it came from.
  func resolved(_ size: Size) -> Int? { known(size, steps: steps[size.clock] ?? nil) }

  /// The axes as values of this graph have them: without the batch where there is none.
  func withoutBatch(_ axes: [[AxisFactor]]) -> [[AxisFactor]] {
    isUnbatched ? axes.map { $0.filter { $0 != .batch } } : axes
  }

  /// Adds a layer whose single output is the value of the ONNX output `name`.
  mutating func add(
    _ operation: Layer.Operation, _ node: ONNXNode, inputs: [String?], output name: String
  ) -> String {
    layers.append(Layer(uniqueLayer(node), operation, inputs: inputs, outputs: [name]))
    if makesTruth(operation, inputs) { truths.insert(name) }
    return name
  }

  /// Adds a constant that an input of the node holds; its name.
  mutating func addConstant(_ tensor: Tensor, _ node: ONNXNode, _ position: Int) -> String {
    let value = uniqueValue("\(node.inputs[position].ownPart)·\(node.index)")
    let source = ONNXNode("Constant", name: value, inputs: [], outputs: [])
    layers.append(Layer(uniqueLayer(source), .constant(tensor), inputs: [], outputs: [value]))
    return value
  }

  /// Adds a layer that makes the node's output of a view, arranged as the view is.
  mutating func apply(
    _ operation: Layer.Operation, to view: View, and others: [String] = [], _ node: ONNXNode
  ) throws(ONNXError) {
    var result = view
    result.value = add(operation, node, inputs: [view.value] + others, output: try output(node))
    try set(node, result)
  }

  /// A name that no value of the graph has.
  mutating func uniqueValue(_ wanted: String) -> String {
    if valueNames == nil {
      let graph = source.graph
      valueNames = UniqueNames(
        Set(graph.nodes.flatMap(\.outputs) + graph.inputs.map(\.name) + graph.initializers.map(\.name)),
        countingFrom: 2)
    }
    return valueNames!.claim(wanted)
  }

  mutating func uniqueLayer(_ node: ONNXNode) -> String {
    let wanted = node.name.isEmpty ? "\(node.operation)_\(node.index)" : node.name
    return layerNames.claim(wanted)
  }

  mutating func note(
    _ layer: String, _ exactness: Exactness, _ detail: String, roundedTo: ElementType? = nil
  ) {
    notes.append(ConversionNote(layer: layer, exactness, detail, roundedTo: roundedTo))
  }

  /// The size of one axis of a view, open or known.
  func size(_ axis: [AxisFactor], _ view: View) -> Size {
    axis.reduce(.known(1)) { product, factor in
      switch factor {
      case .time: product * .time(view.clock)
      case .batch: product * .batch
      case .features(_, let count): product * .known(count)
      }
    }
  }

  func knownSize(_ axis: [AxisFactor], _ view: View) -> Int? { known(size(axis, view), view) }

  /// The number behind a size, where the source fixes its batch and steps.
  func known(_ size: Size, _ view: View) -> Int? {
    known(size, steps: size.clock == view.clock ? view.timeSize : nil)
  }

  private func known(_ size: Size, steps: Int?) -> Int? {
    var product = Size.known(size.factor)
    for _ in 0..<size.times {
      guard let steps else { return nil }
      product = product * .known(steps)
    }
    for _ in 0..<size.batches {
      guard let batchSize else { return nil }
      product = product * .known(batchSize)
    }
    return product.factor
  }
}

extension ONNXGraph {
  /// The nodes so that each follows those whose outputs it reads; throws on cycles and duplicates.
  ///
  /// - Parameter isGiven: what else there is, around a graph inside another.
  func sortedNodes(isGiven: (String) -> Bool = { _ in false }) throws(ONNXError) -> [ONNXNode] {
    var producer: [String: Int] = [:]
    let given = Set(inputs.map(\.name)).union(initializers.map(\.name))
    for (position, node) in nodes.enumerated() {
      for output in node.outputs where !output.isEmpty {
        guard producer[output] == nil, !given.contains(output) else {
          throw .duplicateValue(node: node.label, value: output)
        }
        producer[output] = position
      }
    }
    var waiting = [Int](repeating: 0, count: nodes.count)
    var readers = [[Int]](repeating: [], count: nodes.count)
    for (position, node) in nodes.enumerated() {
      let own = Set(node.inputs)
      for input in node.reads {
        if let maker = producer[input] {
          waiting[position] += 1
          readers[maker].append(position)
        } else if !given.contains(input), !isGiven(input), own.contains(input) {
          throw .unknownValue(node: node.label, value: input)
        }
      }
    }
    // In order of the file wherever that is possible.
    if nodes.indices.allSatisfy({ node in readers[node].allSatisfy { $0 > node } }) { return nodes }
    var ready = nodes.indices.filter { waiting[$0] == 0 }
    var sorted: [ONNXNode] = []
    var next = 0
    while next < ready.count {
      let position = ready[next]
      next += 1
      sorted.append(nodes[position])
      for reader in readers[position] {
        waiting[reader] -= 1
        if waiting[reader] == 0 { ready.append(reader) }
      }
    }
    guard sorted.count == nodes.count else {
      throw .cycle(nodes: nodes.indices.filter { waiting[$0] > 0 }.prefix(5).map { nodes[$0].label })
    }
    return sorted
  }
}

extension Model {
  /// Removes layers and outputs of layers that nothing reads.
  mutating func dropUnused() {
    var used = Set(outputs.map(\.value))
    var kept: [Layer] = []
    for var layer in layers.reversed() {
      layer.outputs = layer.outputs.map { output in output.flatMap { used.contains($0) ? $0 : nil } }
      while let last = layer.outputs.last, last == nil { layer.outputs.removeLast() }
      if layer.outputs.isEmpty { continue }
      while let last = layer.inputs.last, last == nil { layer.inputs.removeLast() }
      used.formUnion(layer.inputs.compactMap { $0 })
      kept.append(layer)
    }
    layers = kept.reversed()
  }
}
