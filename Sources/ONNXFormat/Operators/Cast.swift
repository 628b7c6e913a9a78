internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let cast = ONNXOperator(
    "Cast", trace: { $0.same($1, $2) },
    fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldCast(node, tensors) },
    onSizes: { (importer, node) throws(ONNXError) in try importer.sizesCast(node) },
    onFilled: { (importer, node, base, shape) throws(ONNXError) in
      .filled(base: try importer.cast(base, try importer.castTarget(node), node), shape: shape)
    },
    interpret: { (importer, node) throws(ONNXError) in try importer.importCast(node) })
}

extension ONNXImporter {
  fileprivate mutating func foldCast(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    let target = try castTarget(node)
    try checkCast(node, target)
    return .tensor(try cast(tensors[0], target, node), target)
  }

  /// Sizes that are known may become numbers to compute with, such as the root of a head's features.
  fileprivate mutating func sizesCast(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    let target = try castTarget(node)
    let (sizes, isScalar) = try sizes(node, 0, "0")
    let known = sizes.compactMap { $0.known ?? resolved($0) }
    guard target.isFloat, known.count == sizes.count else { return .sizes(sizes, isScalar: isScalar) }
    let numbers = Tensor(known.map(Double.init), shape: isScalar && known.count == 1 ? [] : [known.count])
    return .constant(try cast(numbers, target, node))
  }

  fileprivate func castTarget(_ node: ONNXNode) throws(ONNXError) -> ElementType {
    guard case .int(let code)? = node.attributes["to"],
      let target = ONNXDataType.elementType(Int32(clamping: code))
    else { throw .missingAttribute(node: node.label, attribute: "to") }
    return target
  }

  fileprivate mutating func cast(_ tensor: Tensor, _ target: ElementType, _ node: ONNXNode) throws(ONNXError)
    -> Tensor
  {
    // Widening a float loses nothing, so the narrow bits are kept: a round trip gives the same weights again.
    if tensor.elementType.isFloat, target.isFloat, target.unitRoundoff < tensor.elementType.unitRoundoff,
      !(tensor.elementType == .bfloat16 && target == .float16)
    {
      return tensor
    }
    if target == .bool, tensor.elementType.isFloat {
      // Whether it is 0.
      return Tensor(tensor.doubles.map { $0 == 0 ? 0 : 1 as Int64 }, shape: tensor.shape)
    }
    do {
      let (result, rounded) = try tensor.converted(to: target)
      if rounded > 0 {
        note(
          node.label, .rounded,
          "\(rounded) of \(tensor.count) elements rounded to \(target.rawValue), as the file says")
      }
      return result
    } catch { throw .invalid(node: node.label, reason: error.description) }
  }

  /// Cast takes bfloat16 since opset 13.
  fileprivate func checkCast(_ node: ONNXNode, _ target: ElementType) throws(ONNXError) {
    guard opset < 13, target == .bfloat16 || type(node) == .bfloat16 else { return }
    throw .invalid(node: node.label, reason: "Cast takes bfloat16 since opset 13, and this is opset \(opset)")
  }

  fileprivate mutating func importCast(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let code = try attributes.int("to")
    _ = try attributes.int("saturate")
    _ = try attributes.string("round_mode")
    try attributes.finish()
    guard let code, let target = ONNXDataType.elementType(Int32(clamping: code)) else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "to", reason: "unknown or missing element type")
    }
    try checkCast(node, target)
    if case .scores(let scores) = try value(node, 0), target.isFloat {
      if let source = type(node), target.unitRoundoff > source.unitRoundoff {
        note(
          node.label, .rounded,
          "a cast from \(source.rawValue) to \(target.rawValue) is left out: not rounded there",
          roundedTo: target)
      }
      return set(try output(node), .scores(scores), target)
    }
    let view = try view(node, 0)
    if target == .bool, isTruth(view) { return set(try output(node), .view(view), .bool) }
    guard view.kind.isInteger != target.isFloat else {
      throw .notImportable(node: node.label, reason: "it turns \(view.kind) into \(target.rawValue)")
    }
    if let source = type(node), source.isFloat, target.isFloat, target.unitRoundoff > source.unitRoundoff {
      note(
        node.label, .rounded,
        "a cast from \(source.rawValue) to \(target.rawValue) is left out: not rounded there",
        roundedTo: target)
    }
    set(try output(node), .view(view), target)
  }
}
