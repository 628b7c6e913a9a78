internal import Recurrent
internal import Tensors

/// Matrix products with constant weights, and pointwise arithmetic.
extension ONNXImporter {
  mutating func importMatMul(_ node: ONNXNode) throws(ONNXError) {
    let attributes = AttributeReader(node)
    try attributes.finish()
    let x = try featureView(node, 0)
    var weight = try weight(node, 1, "B")
    while weight.shape.count > 2, weight.shape[0] == 1 { weight = part0(weight) }
    guard weight.shape.count == 2, weight.shape[0] == x.kind.features, x.endsInFeatures else {
      throw .notImportable(
        node: node.label,
        reason:
          "\(describe(x.axes)) times \(weight.shape) is not a product over the \(x.kind.features) features")
    }
    try addDense(node, x, weight: weight.transposed([1, 0]), bias: nil)
  }

  mutating func importGemm(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let alpha = try attributes.float("alpha") ?? 1
    let beta = try attributes.float("beta") ?? 1
    let transA = try attributes.int("transA", default: 0) != 0
    let transB = try attributes.int("transB", default: 0) != 0
    try attributes.finish()
    let x = try featureView(node, 0)
    let weight = try weight(node, 1, "B")
    guard !transA, x.axes.count == 2, weight.shape.count == 2, x.endsInFeatures,
      weight.shape[transB ? 1 : 0] == x.kind.features
    else {
      throw .notImportable(
        node: node.label,
        reason:
          "\(describe(x.axes)) times \(weight.shape) is not a product over the \(x.kind.features) features")
    }
    let rows = transB ? weight : weight.transposed([1, 0])
    var bias: Tensor?
    if has(node, 2) {
      let c = try self.weight(node, 2, "C")
      guard let vector = c.asVector(of: rows.shape[0]) else {
        throw .shapeMismatch(node: node.label, input: "C", expected: "[\(rows.shape[0])]", found: c.shape)
      }
      bias = vector
    }
    try addDense(
      node, x, weight: try scaled(rows, alpha, "alpha", node),
      bias: try bias.map { (bias) throws(ONNXError) in try scaled(bias, beta, "beta", node) })
  }

  /// A factor of Gemm multiplied into its constant: one rounding an element, none for powers of two.
  private mutating func scaled(
    _ tensor: Tensor, _ factor: Float, _ name: String, _ node: ONNXNode
  ) throws(ONNXError) -> Tensor {
    if factor == 1 { return tensor }
    let products = Tensor(tensor.doubles.map { $0 * Double(factor) }, shape: tensor.shape)
    do {
      let (result, rounded) = try products.converted(to: tensor.elementType)
      note(
        node.label, rounded == 0 ? .exact : .rounded,
        "\(name) \(factor) multiplied into the constants: \(rounded) of \(tensor.count) rounded",
        roundedTo: rounded == 0 ? nil : tensor.elementType)
      return result
    } catch { throw .invalid(node: node.label, reason: error.description) }
  }

  private mutating func addDense(
    _ node: ONNXNode, _ x: View, weight: Tensor, bias: Tensor?
  ) throws(ONNXError) {
    guard weight.count > 0 else {
      throw .invalid(node: node.label, reason: "its constant of shape \(weight.shape) is empty")
    }
    let name = add(.dense(weight: weight, bias: bias), node, inputs: [x.value], output: try output(node))
    note(layers[layers.count - 1].name, .exact, "weight as [\(weight.shape[0]), \(weight.shape[1])]")
    var view = View(
      value: name, kind: x.kind.with(features: weight.shape[0]), axes: x.axes, timeSize: x.timeSize)
    view.axes[view.axes.count - 1] = View.features(weight.shape[0])
    try set(node, view)
  }

  private func part0(_ tensor: Tensor) -> Tensor {
    (try? tensor.reshaped(Array(tensor.shape.dropFirst()))) ?? tensor
  }

  mutating func importArithmetic(_ node: ONNXNode) throws(ONNXError) {
    let attributes = AttributeReader(node)
    try attributes.finish()
    let table: [String: Arithmetic.Operator] = [
      "Add": .add, "Sub": .subtract, "Mul": .multiply, "Div": .divide,
    ]
    let arithmetic = table[node.operation]!
    switch (try value(node, 0), try value(node, 1)) {
    case (.view(let left), .view(let right)): try addBinary(node, arithmetic, left, right)
    case (.view(let view), .constant(let constant)), (.view(let view), .filled(let constant, _)):
      try addConstant(node, arithmetic, view, constant, constantFirst: false)
    case (.constant(let constant), .view(let view)), (.filled(let constant, _), .view(let view)):
      try addConstant(node, arithmetic, view, constant, constantFirst: true)
    case (.view(let view), .unbound):
      try addConstant(node, arithmetic, view, try weight(node, 1, "B"), constantFirst: false)
    case (.unbound, .view(let view)):
      try addConstant(node, arithmetic, view, try weight(node, 0, "A"), constantFirst: true)
    default:
      throw .notImportable(node: node.label, reason: "it computes with values that cannot be understood")
    }
  }

  private mutating func addBinary(
    _ node: ONNXNode, _ arithmetic: Arithmetic.Operator, _ left: View, _ right: View
  ) throws(ONNXError) {
    guard left.kind == right.kind, left.axes == right.axes, !left.kind.isInteger else {
      throw .notImportable(
        node: node.label,
        reason:
          "it combines \(describe(left.axes)) and \(describe(right.axes)); only values of one arrangement can be"
      )
    }
    var view = left
    view.value = add(
      .arithmetic(arithmetic, constant: nil, constantFirst: false), node, inputs: [left.value, right.value],
      output: try output(node))
    try set(node, view)
  }

  private mutating func addConstant(
    _ node: ONNXNode, _ arithmetic: Arithmetic.Operator, _ view: View, _ constant: Tensor,
    constantFirst: Bool
  ) throws(ONNXError) {
    if view.kind.isInteger {
      // lengths − 1, on the way to a row's last valid step.
      guard constant.count == 1, let number = try? constant.integers()[0], !constantFirst,
        arithmetic == .add || arithmetic == .subtract
      else { throw .notImportable(node: node.label, reason: "it computes with integers") }
      var shifted = view
      let shift = arithmetic == .add ? Int(bounded: number) : -Int(bounded: number)
      let (offset, overflow) = shifted.offset.addingReportingOverflow(shift)
      guard !overflow else { throw .invalid(node: node.label, reason: "\(number) overflows") }
      shifted.offset = offset
      return try set(node, shifted)
    }
    let features = view.kind.features
    let vector: Tensor?
    if constant.count == 1, features != 1 {
      vector = try? constant.reshaped([1])
    } else {
      vector = view.endsInFeatures ? constant.asVector(of: features) : nil
    }
    guard let vector, vector.elementType.isFloat else {
      throw .notImportable(
        node: node.label,
        reason:
          "a constant of shape \(constant.shape) cannot be applied to the features of \(describe(view.axes))")
    }
    if arithmetic == .add, foldBias(node, view, vector) { return try set(node, renamed(view, node)) }
    var result = view
    result.value = add(
      .arithmetic(arithmetic, constant: vector, constantFirst: constantFirst), node, inputs: [view.value],
      output: try output(node))
    try set(node, result)
  }

  private func renamed(_ view: View, _ node: ONNXNode) throws(ONNXError) -> View {
    var view = view
    view.value = try output(node)
    return view
  }

  /// Makes `dense(x) + b` one Dense with a bias, where nothing else reads the product.
  private mutating func foldBias(_ node: ONNXNode, _ view: View, _ bias: Tensor) -> Bool {
    guard let last = layers.lastIndex(where: { $0.outputs.contains(view.value) }),
      case .dense(let dense) = layers[last].operation, dense.bias == nil,
      bias.shape == [dense.weight.shape[0]], bias.elementType == dense.weight.elementType,
      readers(of: view.value) == 1, let output = node.outputs.first
    else { return false }
    layers[last].operation = .dense(weight: dense.weight, bias: bias)
    layers[last].outputs = [output]
    return true
  }

  /// How many nodes and graph outputs read a canonical value, through whatever rearrangement.
  private func readers(of value: String) -> Int {
    let aliases = values.compactMap { name, known -> String? in
      if case .view(let view) = known, view.value == value { name } else { nil }
    }
    // Each alias but the last of a chain is read by the rearrangement that makes the next.
    return aliases.reduce(0) { $0 + (uses[$1] ?? 0) } - (aliases.count - 1)
  }
}

extension Tensor {
  /// The tensor as `[count]` where its shape is `[…1, count]`, or one number repeated: not for a count that only
  /// somebody's declaration makes large.
  func asVector(of count: Int) -> Tensor? {
    guard shape.dropLast().allSatisfy({ $0 == 1 }), elementType.isFloat else { return nil }
    if self.count == count { return try? reshaped([count]) }
    if self.count == 1, count <= 1 << 24 { return try? picked(shape: [count]) { _ in 0 } }
    return nil
  }
}
