internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXImporter {
  /// Interprets one node; its inputs were interpreted before.
  mutating func importNode(_ node: ONNXNode) throws(ONNXError) {
    guard node.domain.isEmpty else {
      if try importStepPacking(node) { return }
      if try importFused(node) { return }
      throw .unknownOperator(
        node: node.label, domain: node.domain,
        hint: "; export the model again without custom or quantised operators")
    }
    ownOpset = node.opset
    let rules = ONNXOperator.named[node.operation]
    if try foldConstants(node, rules) { return }
    if try importPattern(node, rules) { return }
    if try importSizes(node, rules) { return }
    if try importFilled(node, rules) { return }
    if try importWrapping(node) { return }
    guard let interpret = rules?.interpret else {
      throw .unknownOperator(
        node: node.label, domain: "",
        hint: "; supported are RNN, LSTM, GRU and the operators that exporters put around them (docs/onnx.md)"
      )
    }
    try interpret(&self, node)
  }

  /// The view that input `position` must be.
  mutating func view(_ node: ONNXNode, _ position: Int) throws(ONNXError) -> View {
    switch try value(node, position) {
    case .view(let view): return view
    case .filled(let base, let shape)
    where shape.filter({ $0.known == nil }) == [.batch] && base.elementType.isFloat:
      return try vector(node, position, base, shape)
    case .unbound:
      throw .graphInput(
        node.inputs[position],
        reason:
          "what its axes mean cannot be told: node \(node.label) reads it, and no recurrent operator follows in "
          + "a way that can be traced; say what they are with \(Setting.axes) \(node.inputs[position])=AXIS,AXIS…"
      )
    case .scores:
      throw .notImportable(
        node: node.label,
        reason:
          "it reads the scores of all steps and all others ('\(node.inputs[position])'): two open axes have no place in the canonical "
          + "model but between a product with keys, a softmax and a product with values"
      )
    case .constant, .sizes, .filled, .mask, .list, .pattern:
      throw .notImportable(
        node: node.label, reason: "its input '\(node.inputs[position])' does not depend on the model's inputs"
      )
    }
  }

  /// A constant that every row has, such as a state of zeros, as a value of the model.
  private mutating func vector(
    _ node: ONNXNode, _ position: Int, _ base: Tensor, _ shape: [Size]
  ) throws(ONNXError) -> View {
    let full = shape.map { $0.known ?? 1 }
    try spendFolded(full, node)
    let constant: Tensor
    do { constant = try base.broadcast(to: full).reshaped([1, full.reduce(1, *)]) } catch {
      throw .invalid(node: node.label, reason: error.description)
    }
    return View(
      value: addConstant(constant, node, position), kind: .vector(features: constant.count),
      axes: View.inOrder(shape.map(\.known), like: shape.map { _ in [.batch] }))
  }

  func value(_ node: ONNXNode, _ position: Int) throws(ONNXError) -> ImportedValue {
    guard position < node.inputs.count, !node.inputs[position].isEmpty else {
      throw .missingInput(node: node.label, input: "\(position)")
    }
    guard let value = values[node.inputs[position]] else {
      throw .unknownValue(node: node.label, value: node.inputs[position])
    }
    return value
  }

  /// Whether an optional input is there.
  func has(_ node: ONNXNode, _ position: Int) -> Bool {
    position < node.inputs.count && !node.inputs[position].isEmpty
  }

  /// A constant input, or a graph input whose numbers the caller gave.
  mutating func weight(_ node: ONNXNode, _ position: Int, _ name: String) throws(ONNXError) -> Tensor {
    switch try value(node, position) {
    case .constant(let tensor): return tensor
    case .unbound:
      let input = node.inputs[position]
      guard let tensor = bindings[input] else {
        throw .unboundWeight(node: node.label, input: name, value: input)
      }
      return tensor
    case .view, .sizes, .filled, .mask, .list, .scores, .pattern:
      throw .notImportable(
        node: node.label,
        reason: "its weight '\(name)' ('\(node.inputs[position])') is computed from the inputs")
    }
  }

  /// Integers known now, such as axes.
  func integers(_ node: ONNXNode, _ position: Int, _ name: String) throws(ONNXError) -> [Int] {
    let value = try value(node, position)
    if case .sizes(let sizes, _) = value {
      let numbers = sizes.compactMap(\.known)
      if numbers.count == sizes.count { return numbers }
    }
    guard case .constant(let tensor) = value else {
      throw .notImportable(node: node.label, reason: "its input '\(name)' is not a constant")
    }
    guard let values = try? tensor.integers() else {
      throw .wrongElementType(node: node.label, input: name, found: tensor.elementType)
    }
    return values.map { Int(bounded: $0) }
  }

  func axis(_ axis: Int, rank: Int, _ node: ONNXNode) throws(ONNXError) -> Int {
    let position = axis < 0 ? axis + rank : axis
    guard (0..<rank).contains(position) else {
      throw .invalid(node: node.label, reason: "axis \(axis) of a tensor with \(rank) axes")
    }
    return position
  }

  func output(_ node: ONNXNode) throws(ONNXError) -> String {
    guard let name = node.outputs.first, !name.isEmpty else {
      throw .invalid(node: node.label, reason: "it has no output")
    }
    return name
  }

  /// The element type that the graph gives an input. That of a constant may be wider than the bits kept for it.
  func type(_ node: ONNXNode, _ position: Int = 0) -> ElementType? {
    let name = node.inputs[position]
    if let type = elementTypes[name] { return type }
    switch values[name] {
    case .constant(let tensor)?, .filled(let tensor, _)?: return tensor.elementType
    default: return nil
    }
  }

  mutating func set(_ node: ONNXNode, _ view: View) throws(ONNXError) {
    set(try output(node), .view(view), type(node))
  }

  /// A view of floats.
  mutating func featureView(_ node: ONNXNode, _ position: Int) throws(ONNXError) -> View {
    let view = try view(node, position)
    guard !view.kind.isInteger else {
      throw .notImportable(node: node.label, reason: "it computes with integers ('\(node.inputs[position])')")
    }
    return view
  }

}
