internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let matMul = ONNXOperator(
    "MatMul", trace: { $0.beforeProduct($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importMatMul(node) })
  static let gemm = ONNXOperator(
    "Gemm", trace: { $0.beforeProduct($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importGemm(node) })
}

extension ONNXImporter {
  fileprivate mutating func importMatMul(_ node: ONNXNode) throws(ONNXError) {
    let attributes = AttributeReader(node)
    try attributes.finish()
    switch (try value(node, 0), try value(node, 1)) {
    case (.view(let left), .view(let right)):
      if let scores = scores(node, left, right) {
        return set(try output(node), .scores(scores), type(node))
      }
      return try importProduct(node, left, right)
    case (.scores(let scores), .view(let values)): return try attend(node, scores, values)
    case (.constant, .view), (.unbound, .view): return try importLeftProduct(node)
    default: break
    }
    var x = try featureView(node, 0)
    let weight = withoutFront(try weight(node, 1, "B"))
    if let result = try shared(node, x, axis: x.axes.count - 1, weight) { return try set(node, result) }
    x = endingInFeatures(x, node)
    guard weight.shape.count == 2, weight.shape[0] == x.kind.features, x.endsInFeatures else {
      throw .notImportable(
        node: node.label,
        reason:
          "\(describe(x.axes)) times \(weight.shape) is not a product over the \(x.kind.features) features")
    }
    try addDense(node, x, weight: weight.transposed([1, 0]), bias: nil)
  }

  /// A matrix times a value: a product over its last axis but one.
  private mutating func importLeftProduct(_ node: ONNXNode) throws(ONNXError) {
    var x = try featureView(node, 1)
    let weight = withoutFront(try weight(node, 0, "A"))
    let last = x.axes.count - 1
    let given = describe(x.axes)
    if last >= 1, weight.shape.count >= 2 {
      let turned = Array(0..<(weight.shape.count - 2)) + [weight.shape.count - 1, weight.shape.count - 2]
      if let result = try shared(node, x, axis: last - 1, weight.transposed(turned)) {
        return try set(node, result)
      }
      x.axes.swapAt(last - 1, last)
      x = endingInFeatures(x, node)
    }
    guard last >= 1, weight.shape.count == 2, weight.shape[1] == x.kind.features, x.endsInFeatures else {
      throw .notImportable(
        node: node.label,
        reason: "\(weight.shape) times \(given) is not a product over the features of a step")
    }
    try addDense(node, x, weight: weight, bias: nil)
    guard case .view(var result)? = values[try output(node)] else { return }
    result.axes.swapAt(last - 1, last)
    try set(node, result)
  }

  /// A product over an axis beside which a step has other axes of features, or by a matrix `[K, F]` of its own at each place of axes in
  /// front; nil where the axis holds all that a step has.
  private mutating func shared(
    _ node: ONNXNode, _ view: View, axis: Int, _ weight: Tensor
  ) throws(ONNXError) -> View? {
    let front = weight.shape.dropLast(2)
    let rank = view.axes.count
    guard weight.shape.count >= 2, axis >= 0, view.places(axis) == weight.shape[front.count],
      front.count <= rank - 2
    else { return nil }
    let others = view.axes.indices.filter { $0 != axis && view.axes[$0].contains(where: \.isFeatures) }
    // Of a vector with one such axis the importer makes a sequence.
    guard !front.isEmpty || !others.isEmpty && (view.kind.hasTime || others.count > 1) else { return nil }
    var x = view
    let first = rank - 2 - front.count
    var groups: [Int] = []
    var missing: [Int: Int] = [:]
    for (position, count) in front.enumerated() where count > 1 {
      groups.append(first + position)
      guard let places = view.places(first + position), places == 1 || places == count else { return nil }
      if places == 1 { missing[first + position] = count }
    }
    if !missing.isEmpty {
      guard let grown = grown(x, missing, node) else { return nil }
      x = grown
    }
    let (k, f) = (weight.shape[front.count], weight.shape[front.count + 1])
    let order = Array(front.indices) + [front.count + 1, front.count]
    // As many elements.
    let kernel = try! weight.transposed(order).reshaped([front.reduce(1, *), f, k])
    var result = try product(
      node, x, groups: groups, over: [axis], weight: kernel, as: try output(node))
    // Where they stood.
    var axes = result.axes.dropFirst(groups.count + 1)
    result.axes = (0..<rank).map { position in
      if let group = groups.firstIndex(of: position) { return result.axes[group] }
      return position == axis ? result.axes[groups.count] : axes.removeFirst()
    }
    return result
  }

  /// A product of two values, `[…, I, K]` times `[…, K, J]`.
  private mutating func importProduct(_ node: ONNXNode, _ left: View, _ right: View) throws(ONNXError) {
    guard !left.kind.isInteger, !right.kind.isInteger, left.axes.count >= 2, right.axes.count >= 2 else {
      throw .notImportable(
        node: node.label,
        reason:
          "it multiplies \(describe(left.axes)) by \(describe(right.axes)), which are no matrices of features"
      )
    }
    var (a, b) = (left, right)
    a.axes.append([])
    b.axes.insert([], at: b.axes.count - 2)
    while a.axes.count < b.axes.count { a.axes.insert([], at: 0) }
    while b.axes.count < a.axes.count { b.axes.insert([], at: 0) }
    // [I, K, 1] and [1, K, J]
    try sumOfProducts(node, a, b, over: [a.axes.count - 2])
  }

  fileprivate mutating func importGemm(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let alpha = try attributes.float("alpha") ?? 1
    let beta = try attributes.float("beta") ?? 1
    let transA = try attributes.int("transA", default: 0) != 0
    let transB = try attributes.int("transB", default: 0) != 0
    try attributes.finish()
    var x = try featureView(node, 0)
    x = endingInFeatures(x, node)
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
      value: name, kind: x.kind.with(features: weight.shape[0]), axes: x.axes, timeSize: x.timeSize,
      clock: x.clock)
    view.axes[view.axes.count - 1] = View.features(weight.shape[0])
    try set(node, view)
  }

  /// A matrix without axes of size 1 in front.
  private func withoutFront(_ tensor: Tensor) -> Tensor {
    let shape = tensor.shape.dropLast(2).drop { $0 == 1 } + tensor.shape.suffix(2)
    return (try? tensor.reshaped(Array(shape))) ?? tensor
  }
}

extension InputRoles {
  fileprivate func beforeProduct(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    guard !demand.roles.isEmpty else { return [] }
    var roles = demand.roles
    if node.operation == "MatMul", isKnown(node.inputs[0]), node.inputs.count > 1, roles.count >= 2 {
      // A matrix times a value.
      if case .features = roles[roles.count - 2] { roles[roles.count - 2] = .features(nil) }
      return [Demand(node.inputs[1], roles)]
    }
    // Of two values neither has the axes of the product.
    guard node.inputs.count > 1, isKnown(node.inputs[1]) || graphInputs.contains(node.inputs[1]) else {
      return []
    }
    if case .features = roles[roles.count - 1] { roles[roles.count - 1] = .features(nil) }
    return [Demand(node.inputs[0], roles)]
  }
}

extension ONNXExporter {
  mutating func exportDense(_ layer: Layer, _ dense: Dense) throws(ONNXError) {
    let (weight, bias) = (dense.weight, dense.bias)
    let holder = try endingInFeatures(layer.inputs[0]!)
    let rows = weight.shape[0]
    let name: String
    if holder.axes.count == 2 {
      var inputs = [holder.name, try self.weight(weight, as: "\(layer.name)_weight")]
      if let bias { inputs.append(try self.weight(bias, as: "\(layer.name)_bias")) }
      // Gemm's third input is optional from opset 11 on.
      if bias == nil, opset < 11 {
        let product = try self.weight(weight.transposed([1, 0]), as: "\(layer.name)_kernel")
        initializers.removeAll { $0.name == inputs[1] }
        name = add("MatMul", [holder.name, product], as: result(layer), name: layer.name)
      } else {
        name = add("Gemm", inputs, as: result(layer), ["transB": .int(1)], name: layer.name)
      }
    } else {
      let kernel = try self.weight(weight.transposed([1, 0]), as: "\(layer.name)_kernel")
      var product = add(
        "MatMul", [holder.name, kernel], as: bias == nil ? result(layer) : "\(layer.name)_product",
        name: layer.name)
      if let bias {
        product = add("Add", [product, try self.weight(bias, as: "\(layer.name)_bias")], as: result(layer))
      }
      name = product
    }
    hold(output(layer, 0), name, holder.axes.dropLast() + [View.features(rows)])
    note(layer, .exact, "weight [\(rows), \(weight.shape[1])]")
  }
}
