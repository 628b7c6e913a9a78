internal import ByteIO
internal import Recurrent
internal import Tensors

/// Constants: what a graph computes from initializers alone, folded bit by bit.
extension ONNXImporter {
  /// Computes a node whose inputs are all known; false where they are not.
  mutating func foldConstants(_ node: ONNXNode, _ rules: ONNXOperator?) throws(ONNXError) -> Bool {
    if node.operation == ONNXOperator.constant.name {
      set(try output(node), .constant(try Self.constantValue(node)))
      return true
    }
    var tensors: [Tensor] = []
    for input in node.inputs where !input.isEmpty {
      guard case .constant(let tensor)? = values[input] else { return false }
      tensors.append(tensor)
    }
    guard !tensors.isEmpty else { return false }
    guard let fold = rules?.fold else {
      if let result = try computed(node, tensors) {
        set(try output(node), .constant(result), type(node))
        return true
      }
      throw .notImportable(
        node: node.label,
        reason: "it computes with constants only: fold it away (onnxsim) or evaluate the file instead")
    }
    let type = type(node, node.inputs.firstIndex { !$0.isEmpty } ?? 0)
    switch try fold(&self, node, tensors) {
    case .open: return false
    case .set: break
    case .tensor(let result, let own): set(try output(node), .constant(result), own ?? type)
    }
    return true
  }

  func reshape(_ tensor: Tensor, _ shape: [Int], _ node: ONNXNode) throws(ONNXError) -> Tensor {
    do { return try tensor.reshaped(shape) } catch {
      throw .invalid(node: node.label, reason: "\(tensor.shape) cannot be reshaped to \(shape)")
    }
  }

  func cut(
    _ tensor: Tensor, _ slice: (axis: Int, start: Int, end: Int, step: Int), _ node: ONNXNode
  ) throws(ONNXError) -> Tensor {
    let size = tensor.shape[slice.axis]
    func clamp(_ position: Int, _ range: ClosedRange<Int>) -> Int {
      let shifted = position < 0 ? position.addingReportingOverflow(size).partialValue : position
      return min(max(shifted, range.lowerBound), range.upperBound)
    }
    guard slice.step != 0 else { throw .invalid(node: node.label, reason: "step 0") }
    let (start, end): (Int, Int)
    if slice.step > 0 {
      (start, end) = (clamp(slice.start, 0...size), clamp(slice.end, 0...size))
    } else {
      guard size > 0 else { return tensor }
      (start, end) = (clamp(slice.start, 0...(size - 1)), clamp(slice.end, -1...(size - 1)))
    }
    if tensor.count == 0 {
      // Its other sizes may be anything: nothing is listed, only counted.
      let span = slice.step > 0 ? end - start : start - end
      var shape = tensor.shape
      shape[slice.axis] = span <= 0 ? 0 : (span - 1) / abs(slice.step) + 1
      return try reshape(tensor, shape, node)
    }
    return try select(tensor, slice.axis, Array(stride(from: start, to: end, by: slice.step)), node)
  }

  /// The given positions along an axis.
  func select(
    _ tensor: Tensor, _ axis: Int, _ picks: [Int], _ node: ONNXNode
  ) throws(ONNXError) -> Tensor {
    var shape = tensor.shape
    shape[axis] = picks.count
    // Other sizes of an empty tensor may be anything.
    if tensor.count == 0 { return try reshape(tensor, shape, node) }
    do {
      return try tensor.picked(shape: shape) { index in
        var flat = 0
        for (position, coordinate) in index.enumerated() {
          flat = flat * tensor.shape[position] + (position == axis ? picks[coordinate] : coordinate)
        }
        return flat
      }
    } catch { throw .invalid(node: node.label, reason: error.description) }
  }

  /// Counts what constants are repeated to: together no more than some, and what the file's own constants explain.
  mutating func spendFolded(_ shape: [Int], _ node: ONNXNode) throws(ONNXError) {
    guard let count = checkedProduct(shape.map { max($0, 1) }),
      count <= min(limits.elements, (1 << 24) + 4 * given),
      folded + count <= (1 << 26) + 16 * given
    else {
      throw .overLimit(node: node.label, reason: "a constant of shape \(shape) is too large")
    }
    folded += count
  }
}
