internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let reduceMean = reduction("ReduceMean", .mean, .mean)
  static let reduceMax = reduction("ReduceMax", .max, .max)
  static let reduceSum = reduction("ReduceSum", .sum, .sum, axesAreInputSince: 13)

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
    var attributes = AttributeReader(node)
    let keeps = try attributes.int("keepdims", default: 1) != 0
    var given = opset < first ? try attributes.ints("axes") : nil
    let isNone = opset >= first ? try attributes.int("noop_with_empty_axes", default: 0) != 0 : false
    try attributes.finish()
    if opset >= first, has(node, 1) { given = try integers(node, 1, "axes") }
    let view = try featureView(node, 0)
    if given ?? [] == [], isNone { return try set(node, view) }
    // Without axes it is all of them.
    let all = Array(view.axes.indices)
    let axes = given ?? [] == [] ? all : given!
    try reduce(
      node, view,
      axes: try axes.map { (axis) throws(ONNXError) in
        try self.axis(axis, rank: view.axes.count, node)
      }, keepsAxes: keeps, function, selection)
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
