internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let identity = ONNXOperator(
    "Identity", trace: { $0.same($1, $2) },
    fold: { (_, _, tensors) in .tensor(tensors[0]) },
    onSizes: { (importer, node) throws(ONNXError) in try importer.sizesIdentity(node) },
    onFilled: { (_, _, base, shape) in .filled(base: base, shape: shape) },
    interpret: { (importer, node) throws(ONNXError) in try importer.alias(node) })
}

extension ONNXImporter {
  /// What hands sizes on.
  mutating func sizesIdentity(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    let (first, isScalar) = try sizes(node, 0, "0")
    return .sizes(first, isScalar: isScalar)
  }

  /// The output is the input under the same or another arrangement.
  mutating func alias(_ node: ONNXNode) throws(ONNXError) {
    let attributes = AttributeReader(node)
    try attributes.finish()
    set(try output(node), try value(node, 0), type(node))
  }
}
