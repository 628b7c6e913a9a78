extension FusedActivations {
  /// x / √(mean x² + ε) over the last axes, as RMSNorm is written where an opset has no operator for it: the quotient as such, or a
  /// product with 1/√ or ^−½.
  mutating func fuseRootMeanSquare(_ mean: Int) {
    guard let squared = nodes[mean].inputs.first, let axis = lastAxes(mean), let x = root(ofSquare: squared),
      !isCentred(x), let sum = reader(mean, "Add"),
      let epsilon = partner(sum, of: nodes[mean].outputs[0]).flatMap({ numbers[$0] }), epsilon >= 0,
      Double(Float(epsilon)) == epsilon
    else { return }
    let square = makers[squared]!
    var others = [square, mean, sum]
    let attributes: [String: ONNXAttribute] = ["axis": .int(axis), "epsilon": .float(Float(epsilon))]
    if let power = reader(sum, "Pow"), nodes[power].inputs[0] == nodes[sum].outputs[0],
      numbers[nodes[power].inputs[1]] == -0.5
    {
      guard let last = reader(power, "Mul"), partner(last, of: nodes[power].outputs[0]) == x else { return }
      return replace(last, by: "RMSNormalization", of: x, others + [power], attributes)
    }
    guard let root = reader(sum, "Sqrt", inputs: 1) else { return }
    others.append(root)
    if let last = reader(root, "Div"), nodes[last].inputs == [x, nodes[root].outputs[0]] {
      return replace(last, by: "RMSNormalization", of: x, others, attributes)
    }
    let inverse =
      reader(root, "Reciprocal", inputs: 1)
      ?? reader(root, "Div").flatMap {
        numbers[nodes[$0].inputs[0]] == 1 && nodes[$0].inputs[1] == nodes[root].outputs[0] ? $0 : nil
      }
    guard let inverse, let last = reader(inverse, "Mul"), partner(last, of: nodes[inverse].outputs[0]) == x
    else { return }
    replace(last, by: "RMSNormalization", of: x, others + [inverse], attributes)
  }

  /// What a value that nothing else reads is the square of.
  private func root(ofSquare value: String) -> String? {
    if let power = maker(value, "Pow"), numbers[nodes[power].inputs[1]] == 2 { return nodes[power].inputs[0] }
    if let product = maker(value, "Mul"), nodes[product].inputs[0] == nodes[product].inputs[1] {
      return nodes[product].inputs[0]
    }
    return nil
  }

  /// Whether its mean was taken away from it: then it is a layer normalisation, which stays as it is written.
  private func isCentred(_ value: String) -> Bool {
    guard let difference = makers[value], nodes[difference].operation == "Sub",
      nodes[difference].inputs.count == 2, let mean = makers[nodes[difference].inputs[1]]
    else { return false }
    return nodes[mean].operation == "ReduceMean"
  }

  /// The first of the last axes that a reduction goes over and keeps, counted from the end.
  private func lastAxes(_ node: Int) -> Int64? {
    if case .int(0)? = nodes[node].attributes["keepdims"] { return nil }
    var axes: [Int64] = []
    if case .ints(let given)? = nodes[node].attributes["axes"] {
      axes = given
    } else if nodes[node].inputs.count == 2 {
      axes = lists[nodes[node].inputs[1]] ?? []
    }
    axes.sort()
    // No tensor that can be imported has as many axes.
    guard let first = axes.first, (-64..<0).contains(first), axes == Array(first...(-1)) else { return nil }
    return first
  }
}
