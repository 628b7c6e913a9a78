internal import Tensors

/// Activations that are written out in other operators, because an opset has no operator for them: Gelu as
/// x/2 · (1 + erf(x/√2)), or by tanh, below opset 20, Mish as x · tanh(softplus(x)) below opset 18, HardSwish as
/// x · hardSigmoid(x) below opset 14, SiLU as x · σ(x) below opset 24; and RMSNormalization below opset 23.
struct FusedActivations {
  /// The nodes, in their order, with one in place of those of an activation.
  private(set) var nodes: [ONNXNode]
  private(set) var makers: [String: Int] = [:]
  private var readers: [String: [Int]] = [:]
  private(set) var numbers: [String: Double] = [:]
  /// Integers of constants, such as axes.
  private(set) var lists: [String: [Int64]] = [:]
  private let given: Set<String>
  private var gone: Set<Int> = []

  init(_ nodes: [ONNXNode], _ graph: ONNXGraph) {
    self.nodes = nodes
    given = Set(graph.outputs.map(\.name))
    let starts = ["Erf", "Sigmoid", "Softplus", "HardSigmoid", "Tanh", "ReduceMean"]
    guard nodes.contains(where: { starts.contains($0.operation) && $0.domain.isEmpty }) else { return }
    for initializer in graph.initializers where initializer.tensor.count <= 8 {
      note(initializer.tensor, initializer.name)
    }
    for (index, node) in nodes.enumerated() {
      for output in node.outputs where !output.isEmpty { makers[output] = index }
      for input in node.inputs where !input.isEmpty { readers[input, default: []].append(index) }
      guard let output = node.outputs.first else { continue }
      switch node.operation {
      case "Constant":
        if let tensor = try? ONNXImporter.constantValue(node), tensor.count <= 8 { note(tensor, output) }
      case "Cast": numbers[output] = node.inputs.first.flatMap { numbers[$0] }
      default: break
      }
    }
    for index in nodes.indices where nodes[index].domain.isEmpty {
      switch nodes[index].operation {
      case "Erf": fuseGelu(index)
      case "Sigmoid": fuseSilu(index)
      case "Softplus": fuseMish(index)
      case "HardSigmoid": fuseHardSwish(index)
      case "Tanh": fuseGeluTanh(index)
      case "ReduceMean": fuseRootMeanSquare(index)
      default: break
      }
    }
    self.nodes = self.nodes.indices.filter { !gone.contains($0) }.map { self.nodes[$0] }
  }

  /// What is known of a small constant.
  private mutating func note(_ tensor: Tensor, _ name: String) {
    if tensor.elementType.isFloat {
      if tensor.count == 1 { numbers[name] = tensor.doubles[0] }
    } else {
      lists[name] = try? tensor.integers()
    }
  }

  /// The only node that reads what a node gives, where nobody outside does.
  func reader(_ index: Int, _ operation: String, inputs: Int = 2) -> Int? {
    guard let output = nodes[index].outputs.first, !given.contains(output), let found = readers[output],
      found.count == 1, nodes[found[0]].operation == operation, nodes[found[0]].inputs.count == inputs
    else { return nil }
    return found[0]
  }

  /// The other input of a node that reads `value`.
  func partner(_ index: Int, of value: String) -> String? {
    let inputs = nodes[index].inputs
    guard inputs.count == 2, inputs.contains(value) else { return nil }
    return inputs[0] == value ? inputs[1] : inputs[0]
  }

  private func isNear(_ value: String?, _ number: Double) -> Bool {
    value.flatMap { numbers[$0] }.map { abs($0 - number) <= 1e-3 * number } ?? false
  }

  mutating func replace(
    _ last: Int, by operation: String, of x: String, _ others: [Int],
    _ attributes: [String: ONNXAttribute] = [:]
  ) {
    let node = nodes[last]
    nodes[last] = ONNXNode(
      operation, name: node.name, inputs: [x], outputs: node.outputs, attributes: attributes,
      index: node.index)
    gone.formUnion(others)
  }

  private mutating func fuseSilu(_ gate: Int) {
    guard let x = nodes[gate].inputs.first, let product = reader(gate, "Mul"),
      partner(product, of: nodes[gate].outputs[0]) == x
    else { return }
    replace(product, by: "Swish", of: x, [gate])
  }

  private mutating func fuseMish(_ softplus: Int) {
    guard let x = nodes[softplus].inputs.first, let gate = reader(softplus, "Tanh", inputs: 1),
      nodes[gate].domain.isEmpty, let product = reader(gate, "Mul"),
      partner(product, of: nodes[gate].outputs[0]) == x
    else { return }
    replace(product, by: "Mish", of: x, [softplus, gate])
  }

  private mutating func fuseGelu(_ erf: Int) {
    guard let scaled = nodes[erf].inputs.first, let scale = makers[scaled], readers[scaled]?.count == 1,
      nodes[scale].inputs.count == 2
    else { return }
    let x: String
    switch nodes[scale].operation {
    case "Div" where isNear(nodes[scale].inputs[1], 2.0.squareRoot()): x = nodes[scale].inputs[0]
    case "Mul":
      let inputs = nodes[scale].inputs
      guard let factor = inputs.first(where: { isNear($0, 0.5.squareRoot()) }) else { return }
      x = inputs[0] == factor ? inputs[1] : inputs[0]
    default: return
    }
    fuseGelu(erf, of: x, [:], [scale, erf])
  }

  /// x/2 · (1 + f) in any order, f being what is known of already.
  private mutating func fuseGelu(
    _ function: Int, of x: String, _ attributes: [String: ONNXAttribute], _ others: [Int]
  ) {
    guard let sum = reader(function, "Add"), isNear(partner(sum, of: nodes[function].outputs[0]), 1),
      let product = reader(sum, "Mul"), let other = partner(product, of: nodes[sum].outputs[0])
    else { return }
    if other == x || isNear(other, 0.5) {
      // (1 + f) · x · ½, or (1 + f) · ½ · x.
      guard let last = reader(product, "Mul"), let rest = partner(last, of: nodes[product].outputs[0]),
        other == x ? isNear(rest, 0.5) : rest == x
      else { return }
      replace(last, by: "Gelu", of: x, others + [sum, product], attributes)
    } else if let half = makers[other], nodes[half].operation == "Mul", readers[other]?.count == 1,
      isNear(partner(half, of: x), 0.5)
    {
      replace(product, by: "Gelu", of: x, others + [sum, half], attributes)
    }
  }

  /// The node of two inputs that makes a value which nothing else reads.
  func maker(_ value: String, _ operation: String) -> Int? {
    guard let index = makers[value], nodes[index].operation == operation, nodes[index].domain.isEmpty,
      nodes[index].inputs.count == 2, readers[value]?.count == 1, !given.contains(value)
    else { return nil }
    return index
  }

  /// The node that makes a value as a multiple of another, and that one.
  private func multiple(_ value: String, of number: Double) -> (node: Int, of: String)? {
    guard let node = maker(value, "Mul"),
      let factor = nodes[node].inputs.first(where: { isNear($0, number) }),
      let other = partner(node, of: factor)
    else { return nil }
    return (node, other)
  }

  /// The nodes that make a value as x³.
  private func cube(_ value: String, of x: String) -> [Int]? {
    if let power = maker(value, "Pow"), nodes[power].inputs[0] == x, isNear(nodes[power].inputs[1], 3) {
      return [power]
    }
    guard let product = maker(value, "Mul"), let other = partner(product, of: x),
      let square = maker(other, "Mul"), nodes[square].inputs == [x, x]
    else { return nil }
    return [product, square]
  }

  /// tanh(√(2/π)·(x + 0.044715x³))
  private mutating func fuseGeluTanh(_ tanh: Int) {
    guard let inner = nodes[tanh].inputs.first,
      let argument = multiple(inner, of: (2 / Double.pi).squareRoot()),
      let sum = maker(argument.of, "Add")
    else { return }
    for x in nodes[sum].inputs {
      guard let other = partner(sum, of: x), let cubic = multiple(other, of: 0.044715),
        let cube = cube(cubic.of, of: x)
      else { continue }
      return fuseGelu(
        tanh, of: x, ["approximate": .string("tanh")], [tanh, argument.node, sum, cubic.node] + cube)
    }
  }

  private mutating func fuseHardSwish(_ gate: Int) {
    func attribute(_ name: String) -> Float? {
      if case .float(let value)? = nodes[gate].attributes[name] { value } else { nil }
    }
    guard let x = nodes[gate].inputs.first, abs((attribute("alpha") ?? 0) - 1 / 6) < 1e-6,
      attribute("beta") ?? 0.5 == 0.5, let product = reader(gate, "Mul"),
      partner(product, of: nodes[gate].outputs[0]) == x
    else { return }
    replace(product, by: "HardSwish", of: x, [gate])
  }
}
