internal import Recurrent
internal import Tensors

/// Sizes: what a graph computes from shapes.
extension ONNXImporter {
  /// Sizes given as such or as constant integers.
  func sizes(_ node: ONNXNode, _ position: Int, _ name: String) throws(ONNXError) -> (
    sizes: [Size], isScalar: Bool
  ) {
    switch try value(node, position) {
    case .sizes(let sizes, let isScalar): return (sizes, isScalar)
    case .constant(let tensor):
      guard tensor.shape.count <= 1, let numbers = try? tensor.integers() else {
        throw .invalid(node: node.label, reason: "its input '\(name)' is not a list of sizes")
      }
      return (numbers.map { .known(Int(bounded: $0)) }, tensor.shape.isEmpty)
    case .view, .filled, .mask, .list, .unbound, .scores, .pattern:
      throw .notImportable(node: node.label, reason: "its input '\(name)' depends on the inputs' numbers")
    }
  }

  /// What operators make of the sizes that Shape gives; false where the node works on something else.
  mutating func importSizes(_ node: ONNXNode, _ rules: ONNXOperator?) throws(ONNXError) -> Bool {
    guard node.inputs.contains(where: { if case .sizes? = values[$0] { true } else { false } }) else {
      return false
    }
    if !node.branches.isEmpty {
      try importBranch(node)
      return true
    }
    // Data beside the sizes: the operator works on the data.
    let readsData = node.inputs.contains { if case .view? = values[$0] { true } else { false } }
    if readsData { return false }
    guard let onSizes = rules?.onSizes else {
      throw .notImportable(
        node: node.label, reason: "it computes with sizes in a way that cannot be followed")
    }
    guard let result = try onSizes(&self, node) else { return false }
    set(try output(node), result)
    return true
  }

  /// Whether two sizes are the same number.
  func matches(_ left: Size, _ right: Size, _ view: View) -> Bool {
    if left == right { return true }
    guard let a = known(left, view), let b = known(right, view) else { return false }
    return a == b
  }
}
