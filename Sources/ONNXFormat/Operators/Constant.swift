internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let constant = ONNXOperator("Constant")
}

extension ONNXImporter {
  /// The tensor of a Constant node.
  static func constantValue(_ node: ONNXNode) throws(ONNXError) -> Tensor {
    guard node.attributes.count == 1, let (name, value) = node.attributes.first else {
      throw .invalid(node: node.label, reason: "a Constant has exactly one value")
    }
    switch (name, value) {
    case ("value", .tensor(let tensor)): return tensor
    case ("value_int", .int(let number)): return Tensor([number], shape: [])
    case ("value_ints", .ints(let numbers)): return Tensor(numbers, shape: [numbers.count])
    case ("value_float", .float(let number)): return Tensor([number], shape: [])
    case ("value_floats", .floats(let numbers)): return Tensor(numbers, shape: [numbers.count])
    default:
      throw .unsupportedAttribute(node: node.label, attribute: name, reason: "not a tensor or numbers")
    }
  }
}
