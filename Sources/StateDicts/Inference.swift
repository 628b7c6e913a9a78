internal import ByteIO
internal import Tensors

/// Finds the architecture of a state dict from its names and shapes, and says what it took for granted.
package struct Inference: Sendable, Equatable {
  package private(set) var architecture: Architecture
  package private(set) var findings: [Finding]

  /// - Throws: `StateDictError` where the names and shapes contradict each other or leave open which modules run.
  package init(_ state: StateDict, _ options: ArchitectureOptions = ArchitectureOptions())
    throws(StateDictError)
  {
    let index = try ModuleIndex(state)
    findings = []
    architecture = Architecture(steps: [])
    let chain: [Link]
    if let text = options.architecture {
      guard options.isArchitectureAlone else {
        throw .badArchitecture(
          reason:
            "it says itself which modules run and how: \(Setting.modules), \(Setting.batchFirst), \(Setting.select), "
            + "\(Setting.head) and \(Setting.nonlinearity) do not go with it")
      }
      architecture = try Architecture(json: text, index)
      findings.append(Finding(.inferred, "architecture", "as it was given"))
      chain = []
    } else if options == ArchitectureOptions(), let note = state.metadata[Architecture.metadataKey] {
      architecture = try Architecture(json: note, index)
      findings.append(Finding(.inferred, "architecture", "as rnnconv wrote it into the file"))
      chain = []
    } else {
      if let names = options.modules {
        chain = try Self.chain(named: names, index)
      } else {
        chain = try Self.chain(index, isOrdered: state.isOrdered)
      }
      guard chain.contains(where: { if case .recurrent = $0 { true } else { false } }) else {
        throw .noRecurrentWeights(found: state.entries.map(\.name))
      }
      try settle(chain, state, options)
    }
    for remark in state.derived + state.restored {
      findings.append(Finding(.inferred, remark.name, remark.reason))
    }
    let used = Set(architecture.tensorNames)
    for entry in state.entries where !used.contains(entry.name) {
      // How often training has updated the statistics, of which nothing is computed.
      if entry.name.hasSuffix("num_batches_tracked"), used.contains(entry.name.replacingLeaf("running_mean"))
      {
        continue
      }
      findings.append(
        Finding(
          .unread, entry.name,
          "\(entry.tensor.elementType.rawValue) \(entry.tensor.shape), no part of the model"))
    }
    for unread in state.unread { findings.append(Finding(.unread, unread.name, unread.reason)) }
  }

  /// A module with the part that it plays.
  fileprivate enum Link {
    case embedding(Architecture.Parameters, rows: Int, columns: Int)
    case recurrent(Architecture.Recurrent)
    case linear(Architecture.Parameters, rows: Int, columns: Int)
    case layerNorm(Architecture.Parameters, size: Int)

    var name: String {
      switch self {
      case .embedding(let names, _, _), .linear(let names, _, _), .layerNorm(let names, _): names.name
      case .recurrent(let module): module.name
      }
    }

    /// Whether it is `nn.RNN`.
    var isPlainRecurrent: Bool {
      if case .recurrent(let module) = self { module.mode.blocks == 1 } else { false }
    }

    /// Features in; nil for token ids.
    var input: Int? {
      switch self {
      case .embedding: nil
      case .recurrent(let module): module.inputSize
      case .linear(_, _, let columns): columns
      case .layerNorm(_, let size): size
      }
    }

    var output: Int {
      switch self {
      case .embedding(_, _, let columns): columns
      case .recurrent(let module): module.directions * module.outputSize
      case .linear(_, let rows, _): rows
      case .layerNorm(_, let size): size
      }
    }

    var isLinear: Bool { if case .linear = self { true } else { false } }
  }

  // MARK: The chain

  private static func chain(named names: [String], _ index: ModuleIndex) throws(StateDictError) -> [Link] {
    var chain: [Link] = []
    var features: Int?
    for text in names {
      let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let role = parts.count == 2 ? parts[0] : nil
      let name = parts.count == 2 ? parts[1] : text
      guard role == nil || role == "embedding" || role == "linear",
        let module = index.modules.first(where: { $0.name == name })
      else { throw .unknownModule(text, known: index.modules.map(\.name)) }
      switch module.kind {
      case .recurrent(let recurrent): chain.append(.recurrent(recurrent))
      case .matrix(let names, let rows, let columns):
        let isEmbedding = role.map { $0 == "embedding" } ?? (chain.isEmpty && names.bias == nil)
        chain.append(
          isEmbedding
            ? .embedding(names, rows: rows, columns: columns) : .linear(names, rows: rows, columns: columns))
      case .vector(let names, let size): chain.append(.layerNorm(names, size: size))
      case .convolution, .batchNorm:
        throw .doesNotFit(
          module: name,
          reason:
            "how a convolution or BatchNorm stands among the others is not in the file: say it with "
            + "\(Setting.architecture)")
      case .other:
        throw .doesNotFit(module: name, reason: "it is no recurrent module, Linear, LayerNorm or Embedding")
      }
      let link = chain.last!
      if chain.count > 1, link.input == nil {
        throw .doesNotFit(module: name, reason: "an Embedding can only come first")
      }
      if let features, let wanted = link.input, wanted != features {
        throw .doesNotFit(
          module: name, reason: "it takes \(wanted) features, what comes before gives \(features)")
      }
      features = link.output
    }
    return chain
  }

  private static func chain(_ index: ModuleIndex, isOrdered: Bool) throws(StateDictError) -> [Link] {
    let modules = index.modules
    guard let start = modules.firstIndex(where: { $0.recurrent != nil }) else { return [] }
    var chain: [Link] = [.recurrent(modules[start].recurrent!)]
    var end = start
    while end + 1 < modules.count {
      if let next = modules[end + 1].recurrent, next.inputSize == chain.last!.output {
        chain.append(.recurrent(next))
        end += 1
      } else if isOrdered, end + 2 < modules.count, let norm = modules[end + 1].layerNorm(chain.last!.output),
        let next = modules[end + 2].recurrent, next.inputSize == chain.last!.output
      {
        chain += [norm, .recurrent(next)]
        end += 2
      } else {
        break
      }
    }
    let others = modules.indices.filter { modules[$0].recurrent != nil && !(start...end).contains($0) }
    guard others.isEmpty else {
      let recurrent = modules.compactMap(\.recurrent)
      throw .severalModels(
        modules: recurrent.map { "'\($0.name)' (\($0.mode.rawValue), \($0.inputSize) → \($0.outputSize))" },
        example: recurrent[0].name)
    }
    // What stands around it: next to it where the order is that of the modules, anywhere where names were sorted.
    let before =
      isOrdered ? (0..<start).reversed().map { $0 } : modules.indices.filter { !(start...end).contains($0) }
    var used = Set(start...end)
    for place in before {
      if isOrdered, let width = chain[0].input, let norm = modules[place].layerNorm(width) {
        chain.insert(norm, at: 0)
        used.insert(place)
        continue
      }
      guard case .matrix(let names, let rows, let columns) = modules[place].kind else {
        if isOrdered { break }
        continue
      }
      let width = chain[0].input
      let isNamed = names.weight.lowercased().contains("emb")
      if names.bias == nil, columns == width, rows != width || isNamed, isOrdered || isNamed {
        chain.insert(.embedding(names, rows: rows, columns: columns), at: 0)
        used.insert(place)
        break
      }
      guard isOrdered, rows == width else { break }
      chain.insert(.linear(names, rows: rows, columns: columns), at: 0)
      used.insert(place)
    }
    let after = modules.indices.filter { isOrdered ? $0 > end : !used.contains($0) }
    for place in after {
      if isOrdered, let norm = modules[place].layerNorm(chain.last!.output) {
        chain.append(norm)
        continue
      }
      guard case .matrix(let names, let rows, let columns) = modules[place].kind,
        columns == chain.last!.output
      else {
        if isOrdered { break }
        continue
      }
      chain.append(.linear(names, rows: rows, columns: columns))
    }
    return chain
  }

  // MARK: Choices

  private mutating func settle(
    _ chain: [Link], _ state: StateDict, _ options: ArchitectureOptions
  ) throws(StateDictError) {
    let lastRecurrent = chain.lastIndex { if case .recurrent = $0 { true } else { false } }!
    let linears = chain[(lastRecurrent + 1)...].filter(\.isLinear).map(\.name)
    let head = linears.count
    if let word = options.nonlinearity, !chain.contains(where: \.isPlainRecurrent) {
      throw .undecided("\(Setting.nonlinearity) \(word): no module is an nn.RNN, which alone has a choice")
    }
    var activations = try headActivations(options.head, linears)[...]
    for (index, link) in chain.enumerated() {
      switch link {
      case .embedding(let names, let rows, let columns):
        architecture.steps.append(.embedding(names))
        findings.append(Finding(.inferred, names.name, "Embedding of \(rows) × \(columns)"))
      case .linear(let names, let rows, let columns):
        architecture.steps.append(.linear(names))
        findings.append(Finding(.inferred, names.name, "Linear \(columns) → \(rows)"))
        if index < lastRecurrent {
          findings.append(
            Finding(
              .assumed, names.name, "runs right before the recurrent module, with nothing between",
              setting: .modules))
        }
      case .layerNorm(let names, let size):
        let stated = state.modules[names.name]
        let epsilon = stated?.epsilon
        architecture.steps.append(.layerNorm(names, epsilon: epsilon ?? 1e-5))
        if stated == nil {
          findings.append(
            Finding(
              .assumed, names.name,
              "LayerNorm over \(size) features with eps 1e-5: its names and shapes are those of other norms, too",
              setting: .modules))
        } else {
          findings.append(Finding(.inferred, names.name, "LayerNorm over \(size) features"))
        }
      case .recurrent(var module):
        if module.mode == .rnnTanh { nonlinearity(&module, state, options) }
        architecture.steps.append(.recurrent(module))
        let size = module.projectionSize.map { ", projected to \($0)" } ?? ""
        findings.append(
          Finding(
            .inferred, module.name,
            "\(module.mode.rawValue) \(module.inputSize) → \(module.hiddenSize)\(size), \(module.layers.count) \(module.layers.count == 1 ? "layer" : "layers"), "
              + (module.isBidirectional ? "bidirectional" : "forward")))
      }
      if index == lastRecurrent, let select = options.select { architecture.steps.append(.select(select)) }
      if index == lastRecurrent || index > lastRecurrent && link.isLinear,
        let activation = activations.removeFirst()
      {
        architecture.steps.append(.activation(activation))
      }
    }
    if options.select == nil, head > 0 {
      findings.append(
        Finding(
          .assumed, linears[0], "applied to every time step, not to the last one alone",
          setting: .select))
    }
    if head > 0, options.head == nil {
      findings.append(
        Finding(
          .assumed, linears.last!, "nothing follows it, neither softmax nor another activation",
          setting: .head))
    }
    if !state.isOrdered, chain.count > 1 {
      findings.append(
        Finding(
          .assumed, "order", "the file sorts its tensors: modules were put in order by their sizes",
          setting: .modules))
    }
    batchFirst(chain, state, options)
    if case .recurrent(let module)? = architecture.steps.last {
      architecture.outputs = [.init(.output), .init(.finalHidden)]
      if module.mode == .lstm { architecture.outputs.append(.init(.finalCell)) }
    }
  }

  /// One place for what follows the recurrent module itself (nothing where there is a head), then one for each Linear.
  private func headActivations(
    _ given: [Architecture.Activation?]?, _ linears: [String]
  ) throws(StateDictError) -> [Architecture.Activation?] {
    guard let given else {
      if linears.count > 1 {
        throw .undecided(
          "what runs between the Linears \(linears.map { "'\($0)'" }.joined(separator: ", ")) is not in the file: say it with "
            + "\(Setting.head), one for each, such as \(Setting.head) relu\(String(repeating: ",none", count: linears.count - 1))"
        )
      }
      return [nil] + linears.map { _ in nil }
    }
    if linears.isEmpty {
      guard given.count == 1 else {
        throw .undecided("\(Setting.head) names \(given.count) activations, there is no Linear")
      }
      return given
    }
    guard given.count == linears.count else {
      throw .undecided(
        "\(Setting.head) names \(given.count) activations, there are \(linears.count) Linears: "
          + "\(linears.joined(separator: ", ")); say one for each, none where nothing follows")
    }
    return [nil] + given
  }

  private mutating func nonlinearity(
    _ module: inout Architecture.Recurrent, _ state: StateDict, _ options: ArchitectureOptions
  ) {
    if let stated = options.nonlinearity ?? state.modules[module.name]?.nonlinearity {
      module.mode = stated == "relu" ? .rnnReLU : .rnnTanh
    } else {
      findings.append(
        Finding(.assumed, module.name, "nonlinearity tanh, nn.RNN's own default", setting: .nonlinearity))
    }
  }

  private mutating func batchFirst(_ chain: [Link], _ state: StateDict, _ options: ArchitectureOptions) {
    let stated = chain.lazy.compactMap { link -> Bool? in
      if case .recurrent(let module) = link { state.modules[module.name]?.batchFirst } else { nil }
    }.first
    if let choice = options.batchFirst ?? stated {
      architecture.batchFirst = choice
    } else {
      findings.append(
        Finding(
          .assumed, "input", "sequences are [T, B, F], nn.RNN's own default batch_first=False",
          setting: .batchFirst))
    }
  }
}

extension ModuleIndex.Module {
  /// Itself as a LayerNorm over so many features, with a bias or by its own word; nil for anything else.
  fileprivate func layerNorm(_ features: Int) -> Inference.Link? {
    guard case .vector(let names, let size) = kind, size == features, names.bias != nil else { return nil }
    return .layerNorm(names, size: size)
  }
}

extension String {
  /// `bn.running_mean` of `bn.num_batches_tracked`.
  fileprivate func replacingLeaf(_ leaf: String) -> String {
    lastIndex(of: ".").map { self[...$0] + leaf } ?? leaf
  }
}
