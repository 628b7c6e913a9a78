package import ONNXFormat
package import StateDicts
package import Tensors

/// Which tensor of a state dict goes where in a graph that was exported from the same modules.
///
/// Exporters keep the names of most parameters, and lose those that they transform: a recurrent module's, a transposed weight's, one
/// with a BatchNorm folded in. What was such a weight is told by what else names it, in this order: a bias beside it that kept its
/// name, the module in the node's name, being the only one of its shape, or its present values. Nothing is guessed: where none of
/// these decides, that is an error.
package struct WeightTransfer: Sendable {
  /// One initializer of the graph.
  package struct Placement: Sendable, Equatable {
    package let initializer: String
    package let recipe: Recipe
    package let reason: Reason
    package let isRounded: Bool
  }

  package enum Reason: String, Sendable {
    case name = "by name"
    case module = "by the module that its node names"
    case bias = "by the bias beside it"
    case order = "by the order of the layers"
    case shape = "the only one of its shape"
    case values = "by the values in the graph"
  }

  /// In the order of the graph's initializers.
  package private(set) var placements: [Placement] = []
  /// The new tensor of each initializer that takes one.
  package private(set) var tensors: [String: Tensor] = [:]
  /// Initializers that stay, of more than one number: what of the graph is not from the state dict.
  package private(set) var kept: [(name: String, shape: [Int])] = []
  /// Tensors that nothing in the graph takes.
  package private(set) var unused: [String] = []
  /// What is in neither file.
  package private(set) var assumptions: [String] = []

  private let places: Places
  private let weights: Weights
  private var found: [String: (recipe: Recipe, reason: Reason)] = [:]

  /// - Parameter state: with its weights as PyTorch makes them before each pass (`withWeightsMade`).
  package init(_ state: StateDict, into graph: ONNXGraph) throws(TransferError) {
    places = Places(graph)
    weights = try Weights(state)
    let layers = weights.recurrent.reduce(0) { $0 + $1.layers.count }
    let operators = graph.nodes.count(where: \.isRecurrent)
    guard layers * operators <= 1 << 20 else { throw .tooMany(places: operators, candidates: layers) }
    try placeByName(graph)
    foldNamed(graph)
    var sites: [Site] = []
    var taken: Set<String> = []
    for node in graph.nodes {
      guard let site = try places.site(node, weights, placed: found.mapValues(\.recipe)),
        taken.insert(site.place).inserted
      else { continue }
      sites.append(site)
    }
    try fold(&sites)
    try place(sites)
    try make(graph)
  }

  /// A tensor of the state dict.
  func weight(_ name: String) -> Tensor? { weights.tensors[name] }

  /// What is added to a product.
  func addition(to node: ONNXNode) -> (node: ONNXNode, name: String)? {
    places.added(to: node).map { ($0.node, $0.name) }
  }

  // MARK: Names

  private mutating func placeByName(_ graph: ONNXGraph) throws(TransferError) {
    for initializer in graph.initializers where initializer.tensor.elementType.isFloat {
      let (name, old) = (initializer.name, initializer.tensor)
      if let tensor = weights.tensors[name] {
        guard let recipe = asNamed(name, old) else {
          throw .wrongShape(place: name, expected: old.shape, tensor: name, found: tensor.shape)
        }
        found[name] = (recipe, .name)
        continue
      }
      // One of the two may hold the model as a part of something: `model.fc.weight`.
      guard name.contains(".") || name.contains("_") else { continue }
      let near = weights.names(near: name)
      if near.count == 1, let recipe = asNamed(near[0], old) { found[name] = (recipe, .name) }
    }
  }

  /// A tensor of this name, as it is or, where only that fits, transposed.
  private func asNamed(_ name: String, _ old: Tensor) -> Recipe? {
    [.same(name), .transposed(name)].first { weights.fits($0, old) }
  }

  // MARK: Nodes

  private mutating func take(_ candidate: Site.Candidate, _ reason: Reason) {
    for (place, recipe) in candidate.recipes where found[place] == nil { found[place] = (recipe, reason) }
  }

  private mutating func place(_ all: [Site]) throws(TransferError) {
    var sites = all
    // A name that is not of any module is of a constant, where other names are of modules.
    let scopes = sites.map(\.node.moduleScope)
    let areScopesKnown = zip(sites, scopes).contains { site, scope in
      scope.map { scope in !scope.isEmpty && site.candidates.contains { isSameModule($0.module, scope) } }
        ?? false
    }
    var ofModules: [String: Int] = [:]
    var waiting: [Site] = []
    for (site, scope) in zip(sites, scopes) {
      var site = site
      let exact = site.candidates.filter { $0.module == scope }
      let near = exact.isEmpty ? site.candidates.filter { isSameModule($0.module, scope ?? "") } : exact
      if let scope, !scope.isEmpty, !near.isEmpty || areScopesKnown {
        let modules = Set(near.map(\.module))
        if modules.count == 1, let module = modules.first, site.node.isRecurrent {
          // The layers of a module follow each other; one that runs twice begins again.
          let layers = weights.recurrent.first { $0.name == module }!.layers.count
          let layer = ofModules[module, default: 0] % layers
          ofModules[module, default: 0] += 1
          guard let candidate = near.first(where: { $0.layer == layer }) else {
            throw .ambiguous(
              place: site.place, shape: site.shape, node: site.node.label, candidates: near.map(\.name))
          }
          take(candidate, layers == 1 ? .module : .order)
          continue
        }
        if near.count == 1 {
          take(near[0], site.isNamedByBias ? .bias : .module)
          continue
        }
        if near.isEmpty, !site.node.isRecurrent {
          // Its bias has a name that its node has not: parameters used outside their module.
          guard site.isNamedByBias, site.candidates.count == 1 else { continue }
          take(site.candidates[0], .bias)
          continue
        }
        if !near.isEmpty { site.candidates = near }
      } else if site.candidates.count == 1, site.isNamedByBias {
        take(site.candidates[0], .bias)
        continue
      }
      waiting.append(site)
    }
    sites = waiting.filter { !$0.candidates.isEmpty }
    try placeInOrder(&sites)
    try placeByShape(sites)
  }

  /// Layers of one module that no name tells apart run in the order of the graph, where each has its place.
  private mutating func placeInOrder(_ sites: inout [Site]) throws(TransferError) {
    for module in weights.recurrent where module.layers.count > 1 {
      let own = sites.indices.filter { index in
        sites[index].node.isRecurrent && sites[index].candidates.allSatisfy { $0.module == module.name }
      }
      guard own.count == module.layers.count else { continue }
      let pairs = own.enumerated().compactMap { layer, index in
        sites[index].candidates.first { $0.layer == layer }
      }
      guard pairs.count == own.count else { continue }
      for candidate in pairs { take(candidate, .order) }
      sites = sites.indices.filter { !own.contains($0) }.map { sites[$0] }
    }
  }

  /// One after another, whatever is the only candidate of its place, and its place the only one for it; then what the values decide.
  private mutating func placeByShape(_ all: [Site]) throws(TransferError) {
    var sites = all
    // Each round looks at all that is left.
    let most = sites.reduce(0) { $0 + $1.candidates.count }
    guard sites.count <= 1 << 16, most <= 1 << 20, sites.count * most <= 1 << 26 else {
      throw .tooMany(places: sites.count, candidates: most)
    }
    var used = Set(found.values.flatMap(\.recipe.tensors))
    func open(_ site: Site) -> [Site.Candidate] {
      site.candidates.filter { candidate in
        !candidate.recipes.values.contains { $0.tensors.contains(where: used.contains) }
      }
    }
    while !sites.isEmpty {
      let candidates = sites.map(open)
      let index = sites.indices.first { index in
        candidates[index].count == 1
          && !sites.indices.contains {
            $0 != index && candidates[$0].contains { $0.name == candidates[index][0].name }
          }
      }
      if let index {
        take(candidates[index][0], .shape)
        used.formUnion(candidates[index][0].recipes.values.flatMap(\.tensors))
        sites.remove(at: index)
        continue
      }
      // A weight that is still what it was says itself which one it is.
      let known = sites.indices.first { index in sites[index].candidates.contains(where: holdsValues) }
      if let index = known, let candidate = sites[index].candidates.first(where: holdsValues) {
        take(candidate, .values)
        used.formUnion(candidate.recipes.values.flatMap(\.tensors))
        sites.remove(at: index)
        continue
      }
      // What fits has its place already, so that this is a constant of the graph.
      if let index = sites.indices.first(where: { candidates[$0].isEmpty && !sites[$0].node.isRecurrent }) {
        sites.remove(at: index)
        continue
      }
      if let index = candidates.firstIndex(where: \.isEmpty) {
        throw .contested(
          tensor: sites[index].candidates[0].name, shape: sites[index].shape, places: [sites[index].place])
      }
      if let index = candidates.firstIndex(where: { $0.count > 1 }) {
        throw .ambiguous(
          place: sites[index].place, shape: sites[index].shape, node: sites[index].node.label,
          candidates: candidates[index].map(\.name))
      }
      let tensor = candidates[0][0]
      throw .contested(
        tensor: tensor.name, shape: sites[0].shape,
        places: sites.indices.filter { candidates[$0].contains { $0.name == tensor.name } }.map {
          sites[$0].place
        })
    }
  }

  /// Whether what would be written is what stands there already, bit for bit.
  private func holdsValues(_ candidate: Site.Candidate) -> Bool {
    candidate.recipes.allSatisfy { place, recipe in
      guard let old = places.initializers[place] else { return false }
      return recipe.made(of: weights.tensors, like: old)?.tensor.bytes == old.bytes
    }
  }

  // MARK: BatchNorm

  /// BatchNorms that no tensor of the graph is of.
  private var missingNorms: [Architecture.BatchNorm] {
    let used = Set(found.values.flatMap(\.recipe.tensors))
    return weights.norms.filter { !used.contains($0.mean) }
  }

  private static let assumption =
    "BatchNorm's eps is 1e-5 where it is folded into a convolution: a state dict does not say it"

  /// PyTorch's newer exporter and optimisers fold a BatchNorm into a convolution that keeps its names: the node says which, or names do.
  private mutating func foldNamed(_ graph: ONNXGraph) {
    let norms = missingNorms
    if norms.isEmpty { return }
    var named: [(node: ONNXNode, place: String, weight: String)] = []
    for node in graph.nodes where node.operation == "Conv" && node.domain.isEmpty {
      guard let w = places.weight(node, 1), case .same(let name)? = found[w.name]?.recipe else { continue }
      named.append((node, w.name, name))
    }
    let followers = followers(of: Set(named.map(\.weight.moduleName)), among: norms)
    for (node, place, name) in named {
      let scope = node.moduleScope
      let told = norms.filter { $0.name == scope }
      guard let norm = told.first ?? followers[name.moduleName]?.first, let b = places.weight(node, 2),
        weights.tensors[norm.mean]!.shape == b.tensor.shape
      else { continue }
      let bias = name.moduleName.isEmpty ? "bias" : "\(name.moduleName).bias"
      let own = weights.tensors[bias] == nil ? nil : bias
      found[place] = (.foldedWeight(name, norm), told.isEmpty ? .name : .module)
      found[b.name] = (.foldedBias(own, norm), told.isEmpty ? .name : .module)
      assumptions = [Self.assumption]
    }
  }

  /// Convolutions that lost their names did so because a BatchNorm was folded into them, where the graph holds none of its own.
  private mutating func fold(_ sites: inout [Site]) throws(TransferError) {
    let used = Set(found.values.flatMap(\.recipe.tensors))
    let norms = missingNorms
    let convolutions = sites.indices.filter { sites[$0].node.operation == "Conv" }
    // Those with a BatchNorm in the graph, whose names were lost, are sites themselves.
    guard !norms.isEmpty, !convolutions.isEmpty,
      !sites.contains(where: { $0.node.operation == "BatchNormalization" })
    else { return }
    // The convolution itself may have no bias: all weights of its shape are candidates, by the module of the node.
    let own = convolutions.map { index -> [String] in
      guard let w = places.weight(sites[index].node, 1), places.weight(sites[index].node, 2) != nil else {
        return []
      }
      let names = weights.names(of: w.tensor.shape).filter { $0.hasSuffix("weight") && !used.contains($0) }
      let scope = sites[index].node.moduleScope ?? ""
      let near = scope.isEmpty ? [] : names.filter { isSameModule($0.moduleName, scope) }
      return near.isEmpty ? names : near
    }
    let followers = followers(of: Set(own.joined().map(\.moduleName)), among: norms)
    for (index, names) in zip(convolutions, own) where !names.isEmpty {
      let node = sites[index].node
      guard let w = places.weight(node, 1), let b = places.weight(node, 2) else { continue }
      sites[index].candidates = names.flatMap { name -> [Site.Candidate] in
        let bias = name.moduleName.isEmpty ? "bias" : "\(name.moduleName).bias"
        let conv = weights.tensors[bias] == nil ? nil : bias
        return (followers[name.moduleName] ?? norms).compactMap { norm in
          guard weights.tensors[norm.mean]!.shape == b.tensor.shape else { return nil }
          return Site.Candidate(
            name: "\(name) with \(norm.name)", module: name.moduleName,
            recipes: [w.name: .foldedWeight(name, norm), b.name: .foldedBias(conv, norm)])
        }
      }
    }
    if convolutions.contains(where: { !sites[$0].candidates.isEmpty }) {
      assumptions = [Self.assumption]
    }
  }

  /// The BatchNorm behind each convolution, where names tell it: the next module of the same nn.Sequential, or `bn2` of `conv2`; else the
  /// module registered next, if every convolution that is left has one there.
  private func followers(
    of modules: Set<String>, among norms: [Architecture.BatchNorm]
  ) -> [String: [Architecture.BatchNorm]] {
    func norm(_ name: String) -> Architecture.BatchNorm? {
      norms.first { $0.name.lowercased() == name.lowercased() }
    }
    var result: [String: [Architecture.BatchNorm]] = [:]
    for module in modules {
      let parts = module.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      func sibling(_ name: String) -> Architecture.BatchNorm? {
        norm((parts.dropLast() + [name]).joined(separator: "."))
      }
      let last = parts.last ?? ""
      if let number = Int(last), let next = sibling("\(number + 1)") {
        result[module] = [next]
      } else if let range = last.lowercased().firstRange(of: "conv") {
        let word = last.lowercased()
        let named = ["bn", "norm", "batchnorm", "batch_norm"].compactMap {
          sibling(word[..<range.lowerBound] + $0 + word[range.upperBound...])
        }
        if named.count == 1 { result[module] = named }
      }
    }
    let rest = modules.filter { result[$0] == nil }
    let next = rest.compactMap { module -> (String, Architecture.BatchNorm)? in
      guard weights.isOrdered, let index = weights.modules.firstIndex(of: module),
        index + 1 < weights.modules.count
      else { return nil }
      return norm(weights.modules[index + 1]).map { (module, $0) }
    }
    if next.count == rest.count { for (module, norm) in next { result[module] = [norm] } }
    return result
  }

  // MARK: Tensors

  private mutating func make(_ graph: ONNXGraph) throws(TransferError) {
    guard !found.isEmpty else {
      throw .nothingMatches(
        tensors: weights.names, places: graph.initializers.filter { $0.tensor.count > 1 }.map(\.name))
    }
    var used: Set<String> = []
    for initializer in graph.initializers {
      let (name, old) = (initializer.name, initializer.tensor)
      guard let (recipe, reason) = found[name] else {
        if old.elementType.isFloat, old.count > 1, !old.isUniform { kept.append((name, old.shape)) }
        continue
      }
      guard let (tensor, isRounded) = recipe.made(of: weights.tensors, like: old) else {
        let source = recipe.tensors[0]
        throw .wrongShape(
          place: name, expected: old.shape, tensor: source, found: weights.tensors[source]?.shape ?? [])
      }
      tensors[name] = tensor
      used.formUnion(recipe.tensors)
      placements.append(Placement(initializer: name, recipe: recipe, reason: reason, isRounded: isRounded))
    }
    unused = weights.names.filter { !used.contains($0) }
  }
}

extension Tensor {
  /// Whether all of its elements are the same, as zeros are.
  fileprivate var isUniform: Bool {
    let all = doubles
    return all.allSatisfy { $0 == all[0] }
  }
}

extension String {
  /// `conv` of `conv.weight`.
  fileprivate var moduleName: String { lastIndex(of: ".").map { String(self[..<$0]) } ?? "" }
}
