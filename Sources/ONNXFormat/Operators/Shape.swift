internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let shape = ONNXOperator(
    "Shape", fold: { (_, _, _) in .open },
    onSizes: { (importer, node) throws(ONNXError) in try importer.shape(node) },
    interpret: { (importer, node) throws(ONNXError) in
      importer.set(try importer.output(node), try importer.shape(node))
    })

  static let size = ONNXOperator(
    "Size", fold: { (_, _, tensors) in .tensor(Tensor([Int64(tensors[0].count)], shape: []), .int64) },
    onSizes: { (importer, node) throws(ONNXError) in try importer.count(node) },
    interpret: { (importer, node) throws(ONNXError) in
      importer.set(try importer.output(node), try importer.count(node))
    })
}

extension ONNXImporter {
  /// How many elements there are: the product of the shape.
  fileprivate func count(_ node: ONNXNode) throws(ONNXError) -> ImportedValue {
    guard case .sizes(let sizes, _) = try shape(node) else {
      throw .notImportable(node: node.label, reason: "it counts what has no shape")
    }
    return .sizes([sizes.reduce(.known(1), *)], isScalar: true)
  }

  fileprivate func shape(_ node: ONNXNode) throws(ONNXError) -> ImportedValue {
    var attributes = AttributeReader(node)
    let start = try attributes.int("start", default: 0)
    let end = try attributes.int("end")
    try attributes.finish()
    let all: [Size]
    switch try value(node, 0) {
    case .view(let view): all = view.axes.map { size($0, view) }
    case .constant(let tensor): all = tensor.shape.map { .known($0) }
    case .filled(_, let shape): all = shape
    case .sizes(let sizes, let isScalar): all = isScalar ? [] : [.known(sizes.count)]
    case .mask, .list:
      throw .notImportable(node: node.label, reason: "it looks at the shape of a mask or of a list")
    case .scores(let scores): all = sizes(of: scores)
    case .pattern(let pattern): all = pattern.shape
    case .unbound:
      throw .graphInput(
        node.inputs[0],
        reason:
          "what its axes mean cannot be told: node \(node.label) asks for its shape, and no recurrent operator follows in a way that "
          + "can be traced; say what they are with \(Setting.axes) \(node.inputs[0])=AXIS,AXIS…")
    }
    func clamp(_ position: Int) -> Int {
      min(max(position < 0 ? position + all.count : position, 0), all.count)
    }
    let range = clamp(start)..<max(clamp(start), clamp(end ?? all.count))
    return .sizes(Array(all[range]), isScalar: false)
  }
}
