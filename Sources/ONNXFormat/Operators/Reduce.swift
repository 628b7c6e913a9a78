internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let reduceMean = reduction("ReduceMean", .mean, .mean)
  static let reduceMax = reduction("ReduceMax", .max, .max)
  static let reduceSum = reduction("ReduceSum", .sum, .sum, axesAreInputSince: 13)

  /// Reductions that are sums or the largest of functions of the numbers.
  static let composedReductions: [ONNXOperator] = [
    composed("ReduceL1", before: Activation(.abs)),
    composed("ReduceSumSquare", before: Activation(.power, alpha: 2)),
    composed("ReduceL2", before: Activation(.power, alpha: 2), after: Activation(.power, alpha: 0.5)),
    composed("ReduceLogSum", after: Activation(.log)),
    ONNXOperator(
      "ReduceMin",
      interpret: { (importer, node) throws(ONNXError) in try importer.importSmallest(node) }),
    ONNXOperator(
      "ReduceLogSumExp",
      interpret: { (importer, node) throws(ONNXError) in try importer.importLogSumExp(node) }),
  ]

  private static func composed(
    _ name: String, before: Activation? = nil, after: Activation? = nil
  ) -> ONNXOperator {
    ONNXOperator(
      name,
      interpret: { (importer, node) throws(ONNXError) in
        try importer.importComposed(node, before: before, after: after)
      })
  }

  private static func reduction(
    _ name: String, _ function: Reduction.Function, _ selection: Selection,
    axesAreInputSince first: Int64 = 18
  ) -> ONNXOperator {
    ONNXOperator(
      name,
      interpret: { (importer, node) throws(ONNXError) in
        try importer.importReduction(node, function, selection, axesAreInputSince: first)
      })
  }

  static let reduceProd = ONNXOperator(
    "ReduceProd", onSizes: { (importer, node) throws(ONNXError) in try importer.sizesReduceProd(node) })
}

extension ONNXImporter {
  fileprivate mutating func importReduction(
    _ node: ONNXNode, _ function: Reduction.Function, _ selection: Selection,
    axesAreInputSince first: Int64
  ) throws(ONNXError) {
    let view = try featureView(node, 0)
    guard let (axes, keeps) = try reducedAxes(node, view, axesAreInputSince: first) else {
      return try set(node, view)
    }
    try reduce(node, view, axes: axes, keepsAxes: keeps, function, selection)
  }

  /// The axes that a reduction goes over, and whether it keeps them; nil where it does nothing.
  private func reducedAxes(
    _ node: ONNXNode, _ view: View, axesAreInputSince first: Int64 = 18
  ) throws(ONNXError) -> (axes: [Int], keeps: Bool)? {
    var attributes = AttributeReader(node)
    let keeps = try attributes.int("keepdims", default: 1) != 0
    var given = opset < first ? try attributes.ints("axes") : nil
    let isNone = opset >= first ? try attributes.int("noop_with_empty_axes", default: 0) != 0 : false
    try attributes.finish()
    if opset >= first, has(node, 1) { given = try integers(node, 1, "axes") }
    if given ?? [] == [], isNone { return nil }
    // Without axes it is all of them.
    let axes = given ?? [] == [] ? Array(view.axes.indices) : given!
    return (
      try axes.map { (axis) throws(ONNXError) in try self.axis(axis, rank: view.axes.count, node) }, keeps
    )
  }

  /// The view of what a reduction makes, before something else is made of it.
  private mutating func reduced(
    _ node: ONNXNode, _ view: View, axes: [Int], keepsAxes: Bool, _ function: Reduction.Function,
    _ selection: Selection
  ) throws(ONNXError) -> View {
    let name = uniqueValue("\(try output(node))_\(function)")
    let inner = ONNXNode(
      node.operation, name: node.name, inputs: node.inputs, outputs: [name], index: node.index)
    try reduce(inner, view, axes: axes, keepsAxes: keepsAxes, function, selection)
    guard case .view(let result)? = values[name] else {
      throw .invalid(node: node.label, reason: "it reduces nothing")
    }
    values[name] = nil
    return result
  }

  /// A view of a function of each number, under a name of its own.
  private mutating func applied(_ activation: Activation, _ view: View, _ node: ONNXNode) -> View {
    var result = view
    result.value = addBetween(.activation(activation), node, view.value, activation.kind.rawValue)
    return result
  }

  fileprivate mutating func importComposed(
    _ node: ONNXNode, before: Activation?, after: Activation?
  ) throws(ONNXError) {
    var view = try featureView(node, 0)
    guard let (axes, keeps) = try reducedAxes(node, view) else {
      throw .notImportable(node: node.label, reason: "it reduces no axes, and applies its function alone")
    }
    if let before { view = applied(before, view, node) }
    guard let after else { return try reduce(node, view, axes: axes, keepsAxes: keeps, .sum, .sum) }
    let sum = try reduced(node, view, axes: axes, keepsAxes: keeps, .sum, .sum)
    try apply(.activation(after), to: sum, node)
  }

  private static let negation = Layer.Operation.arithmetic(
    Arithmetic(.multiply, constant: Tensor([-1] as [Float], shape: [1])))

  /// −max(−x)
  fileprivate mutating func importSmallest(_ node: ONNXNode) throws(ONNXError) {
    var view = try featureView(node, 0)
    guard let (axes, keeps) = try reducedAxes(node, view) else { return try set(node, view) }
    view.value = addBetween(Self.negation, node, view.value, "negative")
    try apply(
      Self.negation, to: try reduced(node, view, axes: axes, keepsAxes: keeps, .max, .max), node)
  }

  /// m + ln Σ e^{x − m}, where m is the largest.
  fileprivate mutating func importLogSumExp(_ node: ONNXNode) throws(ONNXError) {
    let view = try featureView(node, 0)
    guard let (axes, keeps) = try reducedAxes(node, view) else {
      throw .notImportable(node: node.label, reason: "it reduces no axes, and applies its function alone")
    }
    let most = try reduced(node, view, axes: axes, keepsAxes: true, .max, .max)
    guard let (left, right) = broadcast(view, most, node) else {
      throw .notImportable(
        node: node.label, reason: "it reduces \(describe(view.axes)) in a way that cannot be followed")
    }
    var shifted = left
    shifted.value = add(
      .arithmetic(Arithmetic(.subtract)), node, inputs: [left.value, right.value],
      output: uniqueValue("\(left.value)_shifted"))
    let powers = applied(Activation(.exp), shifted, node)
    let sum = applied(
      Activation(.log), try reduced(node, powers, axes: axes, keepsAxes: true, .sum, .sum), node)
    var result = sum
    result.value = add(
      .arithmetic(Arithmetic(.add)), node, inputs: [sum.value, most.value], output: try output(node))
    if !keeps { result.axes = result.axes.indices.filter { !axes.contains($0) }.map { result.axes[$0] } }
    try set(node, result)
  }

  /// Reduces axes of features, each by itself, and time.
  mutating func reduce(
    _ node: ONNXNode, _ view: View, axes: [Int], keepsAxes: Bool, _ function: Reduction.Function,
    _ selection: Selection
  ) throws(ONNXError) {
    var result = view
    let name = try output(node)
    for axis in Set(axes).sorted() {
      if result.axes[axis] == [.time] {
        result.value = addBetween(.select(selection), node, result.value, "\(selection)")
        result.kind = .vector(features: result.kind.features)
        result.timeSize = nil
        result.clock = Clock()
        result.axes[axis] = []
        continue
      }
      guard let count = result.places(axis) else {
        throw .notImportable(
          node: node.label,
          reason: "it reduces axis \(axis) of \(describe(view.axes)), along which rows do not meet")
      }
      if count == 1 { continue }
      let source = ordered(result, node)
      guard case .features(let inner, _)? = source.axes[axis].first else { continue }
      let layer = Reduction(function, count: count, inner: inner)
      let value = addBetween(.reduce(layer), node, source.value, "\(function)")
      result = source.with(1, places: axis, value: value)
    }
    // Unless all are of size 1.
    if result.value != view.value {
      layers[layers.count - 1].outputs = [name]
      result.value = name
    }
    if !keepsAxes { result.axes = result.axes.indices.filter { !axes.contains($0) }.map { result.axes[$0] } }
    try set(node, result)
  }

  fileprivate mutating func sizesReduceProd(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    let (first, _) = try sizes(node, 0, "0")
    var attributes = AttributeReader(node)
    let keeps = try attributes.int("keepdims", default: 1) != 0
    let product = first.reduce(.known(1), *)
    guard product.times + product.batches <= 8 else {
      throw .notImportable(node: node.label, reason: "it multiplies more sizes than a tensor has")
    }
    return .sizes([product], isScalar: !keeps)
  }
}
