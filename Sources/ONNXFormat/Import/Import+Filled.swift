internal import ByteIO
internal import Recurrent
internal import Tensors

/// Repeated constants, such as zero states for any batch.
extension ONNXImporter {
  /// What operators make of a repeated constant; false where the node works on something else.
  mutating func importFilled(_ node: ONNXNode, _ rules: ONNXOperator?) throws(ONNXError) -> Bool {
    guard let input = node.inputs.first, case .filled(let base, let shape)? = values[input],
      let result = try rules?.onFilled?(&self, node, base, shape)
    else { return false }
    set(try output(node), result)
    return true
  }

  /// A repeated constant; written out where every size is known.
  mutating func filled(_ base: Tensor, _ shape: [Size], _ node: ONNXNode) throws(ONNXError)
    -> ImportedValue
  {
    let known = shape.compactMap(\.known)
    guard known.allSatisfy({ $0 >= 0 }) else {
      throw .invalid(node: node.label, reason: "a shape with the sizes \(known)")
    }
    guard known.count == shape.count else { return .filled(base: base, shape: shape) }
    try spendFolded(known, node)
    do { return .constant(try base.broadcast(to: known)) } catch {
      throw .invalid(node: node.label, reason: error.description)
    }
  }
}
