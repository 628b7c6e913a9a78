package import ONNXFormat
internal import StateDicts
internal import Tensors

/// A node whose weights stand in the graph under names that say nothing.
struct Site {
  let node: ONNXNode
  /// The weight by which it is told, for messages.
  let place: String
  let shape: [Int]
  /// Whether the bias beside it has kept its name, which tells the weight's.
  var isNamedByBias = false
  var candidates: [Candidate]

  /// A module whose tensors may be what stands there.
  struct Candidate: Equatable {
    /// As messages name it.
    let name: String
    let module: String
    /// Which of a module's layers, where it has several.
    var layer: Int?
    /// By the initializer that takes it.
    let recipes: [String: Recipe]
  }
}

/// What of a graph may be replaced.
struct Places {
  /// The graph's own, by name.
  let initializers: [String: Tensor]
  /// Who reads a value.
  let readers: [String: [ONNXNode]]

  init(_ graph: ONNXGraph) {
    initializers = Dictionary(graph.initializers.map { ($0.name, $0.tensor) }) { first, _ in first }
    var readers: [String: [ONNXNode]] = [:]
    for node in graph.nodes {
      for input in Set(node.inputs) where !input.isEmpty { readers[input, default: []].append(node) }
    }
    self.readers = readers
  }

  /// The name and tensor of an input that is an initializer of floats.
  func weight(_ node: ONNXNode, _ position: Int) -> (name: String, tensor: Tensor)? {
    guard position < node.inputs.count, let tensor = initializers[node.inputs[position]],
      tensor.elementType.isFloat
    else { return nil }
    return (node.inputs[position], tensor)
  }

  /// What is added to a product, by the only node that reads it.
  func added(to node: ONNXNode) -> (node: ONNXNode, name: String, tensor: Tensor)? {
    guard let output = node.outputs.first, let found = readers[output], found.count == 1,
      found[0].operation == "Add", found[0].domain.isEmpty, found[0].inputs.count == 2
    else { return nil }
    return weight(found[0], found[0].inputs[0] == output ? 1 : 0).map { (found[0], $0.name, $0.tensor) }
  }
}

extension ONNXNode {
  /// Whether Gemm's attribute is there and not 0.
  func isSet(_ attribute: String) -> Bool {
    if case .int(let number)? = attributes[attribute] { number != 0 } else { false }
  }

  package var isRecurrent: Bool { domain.isEmpty && ["RNN", "LSTM", "GRU"].contains(operation) }
}

/// The leaves of a module's names that stand at an operator's inputs.
private let leaves: [String: [(position: Int, leaf: String)]] = [
  "Conv": [(1, "weight"), (2, "bias")], "ConvTranspose": [(1, "weight"), (2, "bias")],
  "BatchNormalization": [(1, "weight"), (2, "bias"), (3, "running_mean"), (4, "running_var")],
  "InstanceNormalization": [(1, "weight"), (2, "bias")], "LayerNormalization": [(1, "weight"), (2, "bias")],
  "GroupNormalization": [(1, "weight"), (2, "bias")], "PRelu": [(1, "weight")], "Gather": [(0, "weight")],
]

extension Places {
  /// The node as a site; nil where it has no weight that is still to be placed.
  ///
  /// - Parameter placed: initializers that have their tensor by name.
  func site(
    _ node: ONNXNode, _ weights: Weights, placed: [String: Recipe]
  ) throws(TransferError) -> Site? {
    if node.isRecurrent { return try recurrentSite(node, weights, placed) }
    switch node.operation {
    case "MatMul", "Gemm": return productSite(node, weights, placed)
    default:
      guard node.domain.isEmpty, let roles = leaves[node.operation] else { return nil }
      let open = roles.compactMap { role in
        weight(node, role.position).flatMap { found in
          placed[found.name] == nil ? (leaf: role.leaf, name: found.name, tensor: found.tensor) : nil
        }
      }
      guard let first = open.first else { return nil }
      let modules = weights.modules(withLeaf: first.leaf, of: first.tensor.shape)
      let candidates = modules.compactMap { module -> Site.Candidate? in
        var recipes: [String: Recipe] = [:]
        for part in open {
          let name = module.isEmpty ? part.leaf : "\(module).\(part.leaf)"
          guard weights.fits(.same(name), part.tensor) else { return nil }
          recipes[part.name] = .same(name)
        }
        return Site.Candidate(
          name: recipes[first.name]!.tensors[0], module: module, recipes: recipes)
      }
      return Site(node: node, place: first.name, shape: first.tensor.shape, candidates: candidates)
    }
  }

  private func recurrentSite(
    _ node: ONNXNode, _ weights: Weights, _ placed: [String: Recipe]
  ) throws(TransferError) -> Site? {
    guard let w = weight(node, 1), let r = weight(node, 2), placed[w.name] == nil, placed[r.name] == nil
    else {
      return nil
    }
    let b = weight(node, 3)
    var candidates: [Site.Candidate] = []
    for module in weights.recurrent where module.mode.isComputed(by: node.operation) {
      if module.mode == .gru, !node.isSet("linear_before_reset") { continue }
      guard module.projectionSize == nil else { continue }
      for (depth, directions) in module.layers.enumerated() {
        var recipes: [String: Recipe] = [
          w.name: .gates(directions.map(\.inputWeight), module.mode),
          r.name: .gates(directions.map(\.hiddenWeight), module.mode),
        ]
        let biases = directions.map { Recipe.Biases(input: $0.inputBias, hidden: $0.hiddenBias) }
        if let b {
          recipes[b.name] = .biases(biases, module.mode)
        } else if biases.contains(where: { $0.input != nil || $0.hidden != nil }) {
          continue
        }
        guard recipes.allSatisfy({ weights.fits($0.value, initializers[$0.key]!) }) else { continue }
        let prefix = module.name.isEmpty ? "" : "\(module.name), "
        candidates.append(
          Site.Candidate(
            name: "\(prefix)layer \(depth)", module: module.name, layer: depth, recipes: recipes))
      }
    }
    guard !candidates.isEmpty else {
      throw .nothingFits(
        node: node.label, operation: node.operation, shapes: [w.tensor.shape, r.tensor.shape],
        known: weights.recurrent.map { "\($0.mode.rawValue) \($0.inputSize) → \($0.hiddenSize) '\($0.name)'" }
      )
    }
    return Site(node: node, place: w.name, shape: w.tensor.shape, candidates: candidates)
  }

  private func productSite(_ node: ONNXNode, _ weights: Weights, _ placed: [String: Recipe]) -> Site? {
    let positions = node.operation == "MatMul" ? [1, 0] : [1]
    guard
      let position = positions.first(where: { position in
        weight(node, position).map { placed[$0.name] == nil && $0.tensor.shape.count == 2 } ?? false
      }), let found = weight(node, position)
    else { return nil }
    // x·Wᵀ: the right side is [in, out] unless the operator transposes it.
    let isAsItIs = node.operation == "Gemm" ? node.isSet("transB") : position == 0
    let bias = node.operation == "Gemm" ? weight(node, 2) : added(to: node).map { ($0.name, $0.tensor) }
    var named: String?
    if let bias, case .same(let name)? = placed[bias.name] { named = name }
    let candidates = weights.matrices(of: found.tensor.shape).compactMap { matrix -> Site.Candidate? in
      if let named, matrix.bias != named { return nil }
      let recipe: Recipe = isAsItIs ? .same(matrix.weight) : .transposed(matrix.weight)
      guard weights.fits(recipe, found.tensor) else { return nil }
      var recipes = [found.name: recipe]
      if let bias, placed[bias.name] == nil, let own = matrix.bias {
        guard weights.fits(.same(own), bias.tensor) else { return nil }
        recipes[bias.name] = .same(own)
      }
      return Site.Candidate(name: matrix.weight, module: matrix.name, recipes: recipes)
    }
    return Site(
      node: node, place: found.name, shape: found.tensor.shape, isNamedByBias: named != nil,
      candidates: candidates)
  }
}

/// The state dict by what it offers.
struct Weights {
  /// Floats, by name.
  let tensors: [String: Tensor]
  /// In the state dict's order.
  let names: [String]
  let recurrent: [Architecture.Recurrent]
  /// Every tensor of two axes; those of recurrent modules are not among them.
  let matrices: [Architecture.Parameters]
  /// Whatever stands before the last dot of a name, each once.
  let modules: [String]
  /// Names of tensors by their sizes other than 1, in ascending order.
  private let bySizes: [[Int]: [String]]
  private let matricesBySizes: [[Int]: [Architecture.Parameters]]
  /// Names by what stands behind one of their dots.
  private let byEnd: [Substring: [String]]
  let norms: [Architecture.BatchNorm]
  let isOrdered: Bool

  init(_ state: StateDict) throws(TransferError) {
    let index: ModuleIndex
    do { index = try ModuleIndex(state) } catch { throw .state(error) }
    tensors = Dictionary(
      state.entries.filter { $0.tensor.elementType.isFloat }.map { ($0.name, $0.tensor) }
    ) { first, _ in first }
    names = state.entries.map(\.name).filter { [tensors] in tensors[$0] != nil }
    isOrdered = state.isOrdered
    recurrent = index.modules.compactMap(\.recurrent)
    let ofRecurrent = Set(recurrent.flatMap { $0.layers.joined().flatMap(\.all) })
    var (matrices, norms, seen) = ([Architecture.Parameters](), [Architecture.BatchNorm](), ofRecurrent)
    for module in index.modules {
      switch module.kind {
      case .matrix(let names, _, _):
        matrices.append(names)
        seen.insert(names.weight)
      case .batchNorm(var norm, _):
        norm.epsilon = state.modules[norm.name]?.epsilon ?? norm.epsilon
        norms.append(norm)
      case .recurrent, .vector, .convolution, .other: break
      }
    }
    // Matrices of modules that are not known as such, such as in_proj_weight.
    for name in names where tensors[name]!.shape.count == 2 && !seen.contains(name) {
      let module = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? ""
      let bias = name.hasSuffix("weight") ? String(name.dropLast("weight".count)) + "bias" : nil
      matrices.append(
        .init(name: module, weight: name, bias: bias.flatMap { [tensors] in tensors[$0] == nil ? nil : $0 }))
    }
    (self.matrices, self.norms) = (matrices, norms)
    bySizes = Dictionary(grouping: names) { [tensors] in tensors[$0]!.shape.sizes }
    matricesBySizes = Dictionary(grouping: matrices) { [tensors] in tensors[$0.weight]!.shape.sizes }
    var byEnd: [Substring: [String]] = [:]
    for name in names { for end in name.ends { byEnd[end, default: []].append(name) } }
    self.byEnd = byEnd
    var known: Set<String> = []
    modules = names.map { name in name.lastIndex(of: ".").map { String(name[..<$0]) } ?? "" }
      .filter { known.insert($0).inserted }
  }

  /// Modules that have a tensor of this leaf and shape.
  func modules(withLeaf leaf: String, of shape: [Int]) -> [String] {
    (bySizes[shape.sizes] ?? []).compactMap { name in
      name == leaf ? "" : name.hasSuffix("." + leaf) ? String(name.dropLast(leaf.count + 1)) : nil
    }
  }

  /// Tensors of exactly this shape.
  func names(of shape: [Int]) -> [String] {
    (bySizes[shape.sizes] ?? []).filter { tensors[$0]!.shape == shape }
  }

  /// Those of this shape, or of the transposed one.
  func matrices(of shape: [Int]) -> [Architecture.Parameters] { matricesBySizes[shape.sizes] ?? [] }

  /// Names that are this one but for a prefix that one of the two has.
  func names(near name: String) -> [String] {
    (byEnd[name[...]] ?? []) + name.ends.dropFirst().map(String.init).filter { tensors[$0] != nil }
  }

  /// By shapes alone: nothing is made.
  func fits(_ recipe: Recipe, _ old: Tensor) -> Bool {
    func shape(_ name: String) -> [Int]? { tensors[name]?.shape }
    func squeezed(_ shape: [Int]) -> [Int] { shape.filter { $0 != 1 } }
    switch recipe {
    case .same(let name): return shape(name).map { squeezed($0) == squeezed(old.shape) } ?? false
    case .transposed(let name):
      return shape(name).map { $0.count == 2 && squeezed($0.reversed()) == squeezed(old.shape) } ?? false
    case .gates(let names, _):
      guard let first = names.first.flatMap(shape) else { return false }
      return old.shape == [names.count] + first && names.allSatisfy { shape($0) == first }
    case .biases(let pairs, _):
      return old.shape.count == 2 && old.shape[0] == pairs.count
        && pairs.flatMap { [$0.input, $0.hidden].compactMap { $0 } }.allSatisfy {
          shape($0) == [old.shape[1] / 2]
        }
    case .foldedWeight(let name, _): return shape(name) == old.shape
    case .foldedBias(let name, _): return name.map { shape($0) == old.shape } ?? true
    }
  }
}

extension [Int] {
  /// Of a shape: what it holds besides axes of 1, in whatever order.
  fileprivate var sizes: [Int] { filter { $0 != 1 }.sorted() }
}

extension String {
  /// The name, and what stands behind each of its first dots.
  fileprivate var ends: [Substring] {
    var (result, rest) = ([self[...]], self[...])
    while result.count < 32, let dot = rest.firstIndex(of: ".") {
      rest = rest[index(after: dot)...]
      result.append(rest)
    }
    return result
  }
}
