internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let transpose = ONNXOperator(
    "Transpose", trace: { $0.beforeTranspose($1, $2) },
    fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldTranspose(node, tensors) },
    onFilled: { (importer, node, base, shape) throws(ONNXError) in
      try importer.filledTranspose(node, base, shape)
    }, interpret: { (importer, node) throws(ONNXError) in try importer.importTranspose(node) })
}

extension ONNXImporter {
  fileprivate mutating func importTranspose(_ node: ONNXNode) throws(ONNXError) {
    var view = try view(node, 0)
    view.axes = try permutation(node, rank: view.axes.count).map { view.axes[$0] }
    try set(node, view)
  }

  fileprivate mutating func foldTranspose(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    .tensor(tensors[0].transposed(try permutation(node, rank: tensors[0].shape.count)))
  }

  fileprivate mutating func filledTranspose(
    _ node: ONNXNode, _ base: Tensor, _ shape: [Size]
  ) throws(ONNXError) -> ImportedValue? {
    let permutation = try permutation(node, rank: shape.count)
    return .filled(base: base.transposed(permutation), shape: permutation.map { shape[$0] })
  }

  private func permutation(_ node: ONNXNode, rank: Int) throws(ONNXError) -> [Int] {
    var attributes = AttributeReader(node)
    let permutation = try attributes.ints("perm") ?? Array((0..<rank).reversed())
    try attributes.finish()
    guard permutation.sorted() == Array(0..<rank) else {
      throw .invalid(node: node.label, reason: "perm \(permutation) of \(rank) axes")
    }
    return permutation
  }
}

extension InputRoles {
  fileprivate func beforeTranspose(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    var permutation = Array(demand.roles.indices.reversed())
    if case .ints(let values)? = node.attributes["perm"] { permutation = values.map { Int(bounded: $0) } }
    guard permutation.sorted() == Array(demand.roles.indices) else { return [] }
    var before = demand.roles
    for (axis, source) in permutation.enumerated() { before[source] = demand.roles[axis] }
    return [Demand(node.inputs[0], before)]
  }
}
