internal import Tensors

/// Activations that are written out in other operators, because an opset has no operator for them: Gelu as
/// x/2 · (1 + erf(x/√2)) below opset 20, Mish as x · tanh(softplus(x)) below opset 18, SiLU as x · σ(x) below opset 24.
struct FusedActivations {
  /// The nodes, in their order, with one in place of those of an activation.
  private(set) var nodes: [ONNXNode]
  private var makers: [String: Int] = [:]
  private var readers: [String: [Int]] = [:]
  private var numbers: [String: Double] = [:]
  private let given: Set<String>
  private var gone: Set<Int> = []

  init(_ nodes: [ONNXNode], _ graph: ONNXGraph) {
    self.nodes = nodes
    given = Set(graph.outputs.map(\.name))
    guard
      nodes.contains(where: { ["Erf", "Sigmoid", "Softplus"].contains($0.operation) && $0.domain.isEmpty })
    else { return }
    for initializer in graph.initializers where initializer.tensor.count == 1 {
      numbers[initializer.name] = initializer.tensor.doubles[0]
    }
    for (index, node) in nodes.enumerated() {
      for output in node.outputs where !output.isEmpty { makers[output] = index }
      for input in node.inputs where !input.isEmpty { readers[input, default: []].append(index) }
      guard let output = node.outputs.first else { continue }
      switch node.operation {
      case "Constant":
        if let tensor = try? ONNXImporter.constantValue(node), tensor.count == 1, tensor.elementType.isFloat {
          numbers[output] = tensor.doubles[0]
        }
      case "Cast": numbers[output] = node.inputs.first.flatMap { numbers[$0] }
      default: break
      }
    }
    for index in nodes.indices where nodes[index].domain.isEmpty {
      switch nodes[index].operation {
      case "Erf": fuseGelu(index)
      case "Sigmoid": fuseSilu(index)
      case "Softplus": fuseMish(index)
      default: break
      }
    }
    self.nodes = self.nodes.indices.filter { !gone.contains($0) }.map { self.nodes[$0] }
  }

  /// The only node that reads what a node gives, where nobody outside does.
  private func reader(_ index: Int, _ operation: String, inputs: Int = 2) -> Int? {
    guard let output = nodes[index].outputs.first, !given.contains(output), let found = readers[output],
      found.count == 1, nodes[found[0]].operation == operation, nodes[found[0]].inputs.count == inputs
    else { return nil }
    return found[0]
  }

  /// The other input of a node that reads `value`.
  private func partner(_ index: Int, of value: String) -> String? {
    let inputs = nodes[index].inputs
    guard inputs.count == 2, inputs.contains(value) else { return nil }
    return inputs[0] == value ? inputs[1] : inputs[0]
  }

  private func isNear(_ value: String?, _ number: Double) -> Bool {
    value.flatMap { numbers[$0] }.map { abs($0 - number) <= 1e-3 * number } ?? false
  }

  private mutating func replace(_ last: Int, by operation: String, of x: String, _ others: [Int]) {
    let node = nodes[last]
    nodes[last] = ONNXNode(
      operation, name: node.name, inputs: [x], outputs: node.outputs, index: node.index)
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
    guard let sum = reader(erf, "Add"), isNear(partner(sum, of: nodes[erf].outputs[0]), 1),
      let product = reader(sum, "Mul"), let other = partner(product, of: nodes[sum].outputs[0])
    else { return }
    if other == x || isNear(other, 0.5) {
      // (1 + erf) · x · ½, or (1 + erf) · ½ · x.
      guard let last = reader(product, "Mul"), let rest = partner(last, of: nodes[product].outputs[0]),
        other == x ? isNear(rest, 0.5) : rest == x
      else { return }
      replace(last, by: "Gelu", of: x, [scale, erf, sum, product])
    } else if let half = makers[other], nodes[half].operation == "Mul", readers[other]?.count == 1,
      isNear(partner(half, of: x), 0.5)
    {
      replace(product, by: "Gelu", of: x, [scale, erf, sum, half])
    }
  }
}
