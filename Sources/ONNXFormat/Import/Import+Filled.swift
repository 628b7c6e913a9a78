internal import ByteIO
internal import Recurrent
internal import Tensors

/// Repeated constants, such as zero states for any batch.
extension ONNXImporter {
  /// ConstantOfShape and Expand of constants, and what is then done with them; false where the node is something else.
  mutating func importFilled(_ node: ONNXNode) throws(ONNXError) -> Bool {
    if node.operation == "ConstantOfShape" {
      var attributes = AttributeReader(node)
      let value = try attributes.tensor("value") ?? Tensor([Float(0)], shape: [1])
      try attributes.finish()
      guard value.count == 1 else { throw .invalid(node: node.label, reason: "its value is not one number") }
      let (shape, _) = try sizes(node, 0, "input")
      let base = try reshape(value, shape.map { _ in 1 }, node)
      set(try output(node), try filled(base, shape, node))
      return true
    }
    if node.operation == "Expand", case .sizes(let sizes, _) = try value(node, 0), sizes.count == 1 {
      // One open size repeated for every row, such as T as the length of each.
      let (shape, _) = try self.sizes(node, 1, "shape")
      guard shape == [.batch] || shape.first?.known != nil else {
        throw .notImportable(node: node.label, reason: "it repeats a size in a way that cannot be followed")
      }
      set(try output(node), .sizes(sizes, isScalar: false))
      return true
    }
    if node.operation == "Expand", case .constant(let tensor) = try value(node, 0) {
      let (wanted, _) = try sizes(node, 1, "shape")
      let rank = max(wanted.count, tensor.shape.count)
      let padded = Array(repeating: 1, count: rank - tensor.shape.count) + tensor.shape
      let target = Array(repeating: Size.known(1), count: rank - wanted.count) + wanted
      var shape: [Size] = []
      for (size, goal) in zip(padded, target) {
        guard size == 1 || goal == .known(1) || goal == .known(size) || goal == .batch && batchSize == size
        else {
          throw .invalid(node: node.label, reason: "\(tensor.shape) cannot be expanded as it says")
        }
        shape.append(size == 1 ? goal : .known(size))
      }
      set(try output(node), try filled(try reshape(tensor, padded, node), shape, node))
      return true
    }
    if node.operation == "Tile", case .constant(let tensor) = try value(node, 0) {
      // Repeated as often as the run has rows, along an axis of size 1.
      let (repeats, _) = try sizes(node, 1, "repeats")
      guard repeats.count == tensor.shape.count else {
        throw .invalid(node: node.label, reason: "\(repeats.count) repeats of \(tensor.shape)")
      }
      var shape: [Size] = []
      for (size, times) in zip(tensor.shape, repeats) {
        guard size == 1 || times == .known(1) else {
          throw .notImportable(node: node.label, reason: "it repeats an axis of \(size)")
        }
        shape.append(size == 1 ? times : .known(size))
      }
      set(try output(node), try filled(tensor, shape, node))
      return true
    }
    guard let input = node.inputs.first, case .filled(let base, let shape)? = values[input] else {
      return false
    }
    if node.operation == "Concat" { return try joinFilled(node) }
    // Apply the operator to the base; axes that are repeated are of size 1 there.
    switch node.operation {
    case "Identity": set(try output(node), .filled(base: base, shape: shape))
    case "Cast":
      guard case .int(let code)? = node.attributes["to"],
        let target = ONNXDataType.elementType(Int32(clamping: code))
      else { throw .missingAttribute(node: node.label, attribute: "to") }
      set(try output(node), .filled(base: try cast(base, target, node), shape: shape))
    case "Slice":
      var (part, sizes) = (base, shape)
      for slice in try sliceRanges(node, rank: shape.count) {
        guard let size = shape[slice.axis].known else {
          guard slice.start == 0, slice.end >= Int(Int32.max) else {
            throw .notImportable(node: node.label, reason: "it cuts an axis whose size is open")
          }
          continue
        }
        guard size <= 1 << 20 else {
          throw .overLimit(node: node.label, reason: "it cuts an axis of \(size)")
        }
        if part.shape[slice.axis] == size { part = try cut(part, slice, node) }
        let span = try cut(
          Tensor([Float](repeating: 0, count: size), shape: [size]),
          (0, slice.start, slice.end, slice.step), node)
        sizes[slice.axis] = .known(span.count)
      }
      set(try output(node), try filled(part, sizes, node))
    case "Transpose":
      var attributes = AttributeReader(node)
      let permutation = try attributes.ints("perm") ?? Array((0..<shape.count).reversed())
      try attributes.finish()
      guard permutation.sorted() == Array(0..<shape.count) else {
        throw .invalid(node: node.label, reason: "perm \(permutation) of \(shape.count) axes")
      }
      set(
        try output(node),
        .filled(base: base.transposed(permutation), shape: permutation.map { shape[$0] }))
    case "Unsqueeze":
      let given = try squeezeAxes(node) ?? []
      var (sizes, bare) = (shape, base.shape)
      let axes = try given.map { (axis) throws(ONNXError) in
        try self.axis(axis, rank: shape.count + given.count, node)
      }
      guard Set(axes).count == axes.count else { throw .invalid(node: node.label, reason: "axes \(given)") }
      for axis in axes.sorted() {
        sizes.insert(.known(1), at: axis)
        bare.insert(1, at: axis)
      }
      set(try output(node), .filled(base: try reshape(base, bare, node), shape: sizes))
    case "Squeeze":
      let given = try squeezeAxes(node) ?? shape.indices.filter { shape[$0] == .known(1) }
      let axes = try given.map { (axis) throws(ONNXError) in try self.axis(axis, rank: shape.count, node) }
      guard axes.allSatisfy({ shape[$0] == .known(1) }) else {
        throw .notImportable(node: node.label, reason: "it drops an axis whose size is open")
      }
      let rest = shape.indices.filter { !axes.contains($0) }
      set(
        try output(node),
        .filled(base: try reshape(base, rest.map { base.shape[$0] }, node), shape: rest.map { shape[$0] }))
    default: return false
    }
    return true
  }

  /// Repeated constants joined along an axis whose sizes are known.
  private mutating func joinFilled(_ node: ONNXNode) throws(ONNXError) -> Bool {
    guard case .int(let wanted)? = node.attributes["axis"] else {
      throw .missingAttribute(node: node.label, attribute: "axis")
    }
    var parts: [Tensor] = []
    var joined: [Size] = []
    var total = 0
    for position in node.inputs.indices {
      guard case .filled(let base, let shape) = try value(node, position) else { return false }
      let axis = try axis(Int(wanted), rank: shape.count, node)
      guard let size = shape[axis].known, size <= 1 << 20 else { return false }
      var full = base.shape
      full[axis] = size
      guard case .constant(let part) = try filled(base, full.map { .known($0) }, node) else { return false }
      parts.append(part)
      total += size
      joined = shape
      joined[axis] = .known(total)
    }
    let result = try concatenate(parts, try axis(Int(wanted), rank: joined.count, node), node)
    set(try output(node), try filled(result, joined, node))
    return true
  }

  /// A repeated constant; written out where every size is known.
  private mutating func filled(_ base: Tensor, _ shape: [Size], _ node: ONNXNode) throws(ONNXError)
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
