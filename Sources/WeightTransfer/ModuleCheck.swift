package import ONNXFormat
package import StateDicts
internal import Tensors

/// A module of PyTorch with the nodes of the graph that compute it, by which a transfer is proven: one by torch.nn's formulas on the state
/// dict, the other by ONNX' on the written file.
package struct ModuleCheck: Sendable {
  /// The module's name, for messages.
  package let name: String
  package let node: ONNXNode
  /// A bias that is added behind a product.
  package var addition: ONNXNode?
  package let steps: [Architecture.Step]
  package let form: Form
  /// Whether the weights are the same numbers, so that only arithmetic lies between the two.
  package let isExact: Bool

  /// What goes in, and how the operator takes it.
  package enum Form: Sendable {
    /// `[T, B, I]`; Y `[T, D, B, H]`.
    case recurrent(Architecture.Recurrent)
    /// Features `[T, B, F]`; a Gemm takes them as rows.
    case features(Int, asRows: Bool)
    /// `[T, B, C·…]`, which is `[B, C, T, …]` to the operator.
    case channels(Int, Convolution)
    /// Rows of a table of so many, by number.
    case rows(Int)

    package typealias Convolution = [Architecture.Window]
  }
}

extension WeightTransfer {
  /// A check for each node whose module torch.nn's documentation describes and whose weights all have their place.
  package func checks(_ graph: ONNXGraph) -> [ModuleCheck] {
    let recipes = Dictionary(uniqueKeysWithValues: placements.map { ($0.initializer, $0.recipe) })
    return graph.nodes.compactMap { node in
      node.domain.isEmpty ? check(node, recipes) : nil
    }
  }

  private func check(_ node: ONNXNode, _ recipes: [String: Recipe]) -> ModuleCheck? {
    func recipe(_ position: Int) -> Recipe? {
      position < node.inputs.count ? recipes[node.inputs[position]] : nil
    }
    func same(_ position: Int) -> String? {
      if case .same(let name)? = recipe(position) { name } else { nil }
    }
    func tensor(_ name: String) -> Tensor? { weight(name) }
    func isThere(_ position: Int) -> Bool { position < node.inputs.count && !node.inputs[position].isEmpty }
    func module(_ name: String) -> String { name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name }

    switch node.operation {
    case "RNN", "LSTM", "GRU":
      guard case .gates(let inputs, let mode)? = recipe(1), case .gates(let hidden, _)? = recipe(2),
        !node.isSet("layout"), let w = tensor(inputs[0]), let r = tensor(hidden[0])
      else { return nil }
      var biases = inputs.map { _ in Recipe.Biases() }
      if isThere(3) {
        guard case .biases(let pairs, _)? = recipe(3) else { return nil }
        biases = pairs
      }
      let names = inputs.indices.map {
        Architecture.Names(
          inputWeight: inputs[$0], hiddenWeight: hidden[$0], inputBias: biases[$0].input,
          hiddenBias: biases[$0].hidden)
      }
      var known = mode
      if node.operation == "RNN" {
        // The state dict does not say which function; the graph does.
        guard let function = node.activation else { return nil }
        known = function
      }
      let layer = Architecture.Recurrent(
        name: module(inputs[0]), mode: known, inputSize: w.shape[1], hiddenSize: r.shape[1],
        isBidirectional: inputs.count == 2, layers: [names])
      return ModuleCheck(
        name: layer.name, node: node, steps: [.recurrent(layer)], form: .recurrent(layer), isExact: true)
    case "MatMul":
      guard case .transposed(let name)? = recipe(1), let weight = tensor(name) else { return nil }
      let added = addition(to: node)
      var bias: String?
      if let added, case .same(let name)? = recipes[added.name] { bias = name }
      return ModuleCheck(
        name: module(name), node: node, addition: bias == nil ? nil : added?.node,
        steps: [.linear(.init(name: module(name), weight: name, bias: bias))],
        form: .features(weight.shape[1], asRows: false), isExact: true)
    case "Gemm":
      guard !node.isSet("transA"), node.isOne("alpha"), node.isOne("beta") else { return nil }
      let name: String
      switch recipe(1) {
      case .same(let own)? where node.isSet("transB"): name = own
      case .transposed(let own)? where !node.isSet("transB"): name = own
      default: return nil
      }
      guard let weight = tensor(name), !isThere(2) || same(2) != nil else { return nil }
      return ModuleCheck(
        name: module(name), node: node,
        steps: [.linear(.init(name: module(name), weight: name, bias: same(2)))],
        form: .features(weight.shape[1], asRows: true), isExact: true)
    case "LayerNormalization":
      guard let name = same(1), let weight = tensor(name), weight.shape.count == 1, node.isLastAxis,
        !isThere(2) || same(2) != nil
      else { return nil }
      return ModuleCheck(
        name: module(name), node: node,
        steps: [
          .layerNorm(.init(name: module(name), weight: name, bias: same(2)), epsilon: node.epsilon)
        ], form: .features(weight.count, asRows: false), isExact: true)
    case "BatchNormalization":
      guard let mean = same(3), let variance = same(4), let scale = same(1), let bias = same(2),
        let size = tensor(mean)?.count, node.outputs.count == 1
      else { return nil }
      let norm = Architecture.BatchNorm(
        name: module(mean), weight: scale, bias: bias, mean: mean, variance: variance, epsilon: node.epsilon)
      return ModuleCheck(
        name: norm.name, node: node, steps: [.batchNorm(norm)], form: .features(size, asRows: true),
        isExact: true)
    case "Gather":
      guard let name = same(0), let table = tensor(name), table.shape.count == 2, !node.isSet("axis") else {
        return nil
      }
      return ModuleCheck(
        name: module(name), node: node, steps: [.embedding(.init(name: module(name), weight: name))],
        form: .rows(table.shape[0]), isExact: true)
    case "Conv":
      let (name, norm): (String, Architecture.BatchNorm?)
      switch recipe(1) {
      case .same(let own)?: (name, norm) = (own, nil)
      case .foldedWeight(let own, let folded)?: (name, norm) = (own, folded)
      default: return nil
      }
      var bias: String?
      switch recipe(2) {
      case .same(let own)?: bias = own
      case .foldedBias(let own, _)?: bias = own
      default: if isThere(2) { return nil }
      }
      guard let weight = tensor(name), let axes = node.windows(Array(weight.shape.dropFirst(2))),
        let groups = node.number("group", standard: 1), groups >= 1
      else { return nil }
      let convolution = Architecture.Convolution(
        .init(name: module(name), weight: name, bias: bias), axes: axes, groups: groups)
      return ModuleCheck(
        name: module(name), node: node,
        steps: [.convolution(convolution)] + (norm.map { [.batchNorm($0)] } ?? []),
        form: .channels(weight.shape[1] * groups, axes), isExact: norm == nil)
    default: return nil
    }
  }
}

extension ONNXNode {
  /// Of an nn.RNN: one function for all directions; nil for others.
  fileprivate var activation: Architecture.Recurrent.Mode? {
    guard let attribute = attributes["activations"] else { return .rnnTanh }
    guard case .strings(let names) = attribute, let first = names.first,
      names.allSatisfy({ $0.lowercased() == first.lowercased() })
    else { return nil }
    switch first.lowercased() {
    case "tanh": return .rnnTanh
    case "relu": return .rnnReLU
    default: return nil
    }
  }

  fileprivate func number(_ attribute: String, standard: Int) -> Int? {
    switch attributes[attribute] {
    case nil: standard
    case .int(let number)?: Int(exactly: number)
    default: nil
    }
  }

  fileprivate func isOne(_ attribute: String) -> Bool {
    switch attributes[attribute] {
    case nil: true
    case .float(let number)?: number == 1
    default: false
    }
  }

  fileprivate var isLastAxis: Bool { number("axis", standard: -1) == -1 }

  fileprivate var epsilon: Double {
    if case .float(let number)? = attributes["epsilon"] { Double(number) } else { 1e-5 }
  }

  /// The windows of a convolution as a module has them, over small axes; nil where none has such.
  fileprivate func windows(_ kernel: [Int]) -> [Architecture.Window]? {
    func numbers(_ attribute: String, _ count: Int, standard: Int) -> [Int]? {
      switch attributes[attribute] {
      case nil: return [Int](repeating: standard, count: count)
      case .ints(let given)? where given.count == count:
        let numbers = given.compactMap { Int(exactly: $0) }.filter { (0...4096).contains($0) }
        return numbers.count == count ? numbers : nil
      default: return nil
      }
    }
    let count = kernel.count
    if case .string(let text)? = attributes["auto_pad"], text != "NOTSET" { return nil }
    guard (1...3).contains(count), let strides = numbers("strides", count, standard: 1),
      let dilations = numbers("dilations", count, standard: 1),
      let pads = numbers("pads", 2 * count, standard: 0),
      Array(pads[..<count]) == Array(pads[count...]), strides.allSatisfy({ $0 > 0 }),
      dilations.allSatisfy({ $0 > 0 })
    else { return nil }
    return (0..<count).map { axis in
      // Room for two places of the result along time, and for two along each other axis.
      let span = dilations[axis] * (kernel[axis] - 1) + 1
      return Architecture.Window(
        size: axis == 0 ? nil : max(1, span + strides[axis] - 2 * pads[axis]), kernel: kernel[axis],
        stride: strides[axis], padding: pads[axis], dilation: dilations[axis])
    }
  }
}
