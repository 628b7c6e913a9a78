internal import ByteIO
internal import Recurrent
internal import Tensors

/// Constants: what a graph computes from initializers alone, folded bit by bit.
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

  /// Computes a node whose inputs are all known; false where they are not.
  mutating func foldConstants(_ node: ONNXNode) throws(ONNXError) -> Bool {
    if node.operation == "Constant" {
      set(try output(node), .constant(try Self.constantValue(node)))
      return true
    }
    var tensors: [Tensor] = []
    for input in node.inputs where !input.isEmpty {
      guard case .constant(let tensor)? = values[input] else { return false }
      tensors.append(tensor)
    }
    guard !tensors.isEmpty, let data = tensors.first else { return false }
    let rank = data.shape.count
    let result: Tensor
    var resultType = type(node, node.inputs.firstIndex { !$0.isEmpty } ?? 0)
    switch node.operation {
    case "Identity": result = data
    case "Transpose":
      var attributes = AttributeReader(node)
      let permutation = try attributes.ints("perm") ?? Array((0..<rank).reversed())
      try attributes.finish()
      guard permutation.sorted() == Array(0..<rank) else {
        throw .invalid(node: node.label, reason: "perm \(permutation) of \(rank) axes")
      }
      result = data.transposed(permutation)
    case "Unsqueeze":
      let given = try squeezeAxes(node) ?? []
      let axes = try given.map { (axis) throws(ONNXError) in
        try self.axis(axis, rank: rank + given.count, node)
      }
      var shape = data.shape
      for axis in axes.sorted() { shape.insert(1, at: min(axis, shape.count)) }
      result = try reshape(data, shape, node)
    case "Squeeze":
      let axes = try (try squeezeAxes(node) ?? data.shape.indices.filter { data.shape[$0] == 1 })
        .map { (axis) throws(ONNXError) in try self.axis(axis, rank: rank, node) }
      result = try reshape(
        data, data.shape.indices.filter { !axes.contains($0) }.map { data.shape[$0] }, node)
    case "Reshape":
      var attributes = AttributeReader(node)
      let allowZero = try attributes.int("allowzero", default: 0) != 0
      try attributes.finish()
      var shape = try integers(node, 1, "shape")
      for (position, size) in shape.enumerated() where size == 0 && !allowZero && position < rank {
        shape[position] = data.shape[position]
      }
      if let open = shape.firstIndex(of: -1) {
        let rest = checkedProduct(shape.enumerated().filter { $0.offset != open }.map(\.element)) ?? 0
        guard rest > 0 else { throw .invalid(node: node.label, reason: "shape \(shape)") }
        shape[open] = data.count / rest
      }
      result = try reshape(data, shape, node)
    case "Flatten":
      var attributes = AttributeReader(node)
      let wanted = try attributes.int("axis", default: 1)
      try attributes.finish()
      let axis = wanted == rank ? rank : try axis(wanted, rank: rank, node)
      result = try reshape(
        data, [data.shape[..<axis].reduce(1, *), data.shape[axis...].reduce(1, *)], node)
    case "Slice":
      var part = data
      for slice in try sliceRanges(node, rank: rank) { part = try cut(part, slice, node) }
      result = part
    case "Gather":
      var attributes = AttributeReader(node)
      let axis = try axis(try attributes.int("axis", default: 0), rank: rank, node)
      try attributes.finish()
      guard tensors.count == 2 else { throw .missingInput(node: node.label, input: "indices") }
      result = try gather(data, axis, indices: tensors[1], node)
    case "Split":
      let (axis, parts) = try splitParts(node, rank: rank) { data.shape[$0] }
      var start = 0
      for (output, count) in zip(node.outputs, parts) {
        if !output.isEmpty {
          set(output, .constant(try cut(data, (axis, start, start + count, 1), node)), resultType)
        }
        start += count
      }
      return true
    case "Concat":
      var attributes = AttributeReader(node)
      let wanted = try attributes.int("axis")
      try attributes.finish()
      guard let wanted else { throw .missingAttribute(node: node.label, attribute: "axis") }
      result = try concatenate(tensors, try axis(wanted, rank: rank, node), node)
    case "Cast":
      guard case .int(let code)? = node.attributes["to"],
        let target = ONNXDataType.elementType(Int32(clamping: code))
      else { throw .missingAttribute(node: node.label, attribute: "to") }
      try checkCast(node, target)
      result = try cast(data, target, node)
      resultType = target
    case "Shape":
      return false
    case "ConstantOfShape", "Expand":
      // Both may stay symbolic; importFilled knows them.
      return false
    case "Add", "Sub", "Mul", "Div":
      guard tensors.count == 2 else { throw .missingInput(node: node.label, input: "1") }
      guard let folded = try fold(node.operation, tensors[0], tensors[1], node) else { return false }
      result = folded
    case "Equal", "Greater", "Less", "Where", "Tile":
      guard let folded = try foldChoice(node, tensors) else { return false }
      result = folded
      if node.operation == "Where" { resultType = type(node, 1) }
      if ["Equal", "Greater", "Less"].contains(node.operation) { resultType = .bool }
    case "RNN", "LSTM", "GRU": return false
    default:
      throw .notImportable(
        node: node.label,
        reason: "it computes with constants only: fold it away (onnxsim) or evaluate the file instead")
    }
    set(try output(node), .constant(result), resultType)
    return true
  }

  /// Comparisons, choices and repetitions of constants, as exporters write `expand` and `repeat`.
  private mutating func foldChoice(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Tensor? {
    let attributes = AttributeReader(node)
    try attributes.finish()
    if node.operation == "Tile" {
      guard tensors.count == 2 else { throw .missingInput(node: node.label, input: "repeats") }
      return try tiled(tensors[0], try integers(node, 1, "repeats"), node)
    }
    // All of one shape, or single numbers.
    let largest = tensors.max { $0.count < $1.count }!
    guard tensors.allSatisfy({ $0.shape == largest.shape || $0.count == 1 }),
      tensors.count == (node.operation == "Where" ? 3 : 2)
    else { return nil }
    func element(_ values: [Double], _ index: Int) -> Double { values[values.count == 1 ? 0 : index] }
    let values = tensors.map(\.doubles)
    if node.operation == "Where" {
      guard tensors[1].elementType == tensors[2].elementType else { return nil }
      if let x = try? tensors[1].integers(), let y = try? tensors[2].integers() {
        let chosen = (0..<largest.count).map { index in
          let source = element(values[0], index) != 0 ? x : y
          return source[source.count == 1 ? 0 : index]
        }
        return Tensor(chosen, shape: largest.shape)
      }
      let chosen = (0..<largest.count).map {
        element(values[0], $0) != 0 ? element(values[1], $0) : element(values[2], $0)
      }
      return try? Tensor(chosen, shape: largest.shape).converted(to: tensors[1].elementType).tensor
    }
    let answers = (0..<largest.count).map { index -> Int64 in
      let (x, y) = (element(values[0], index), element(values[1], index))
      return switch node.operation {
      case "Equal": x == y ? 1 : 0
      case "Greater": x > y ? 1 : 0
      default: x < y ? 1 : 0
      }
    }
    return Tensor(answers, shape: largest.shape)
  }

  /// The tensor `repeats` times along each axis.
  mutating func tiled(_ tensor: Tensor, _ repeats: [Int], _ node: ONNXNode) throws(ONNXError) -> Tensor {
    guard repeats.count == tensor.shape.count, repeats.allSatisfy({ $0 >= 0 }) else {
      throw .invalid(node: node.label, reason: "repeats \(repeats) of \(tensor.shape)")
    }
    var shape: [Int] = []
    for (size, times) in zip(tensor.shape, repeats) {
      let (product, overflow) = size.multipliedReportingOverflow(by: times)
      shape.append(overflow ? .max : product)
    }
    try spendFolded(shape, node)
    do {
      return try tensor.picked(shape: shape) { index in
        var flat = 0
        for axis in index.indices {
          flat = flat * tensor.shape[axis] + index[axis] % max(tensor.shape[axis], 1)
        }
        return flat
      }
    } catch { throw .invalid(node: node.label, reason: error.description) }
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

  mutating func gather(_ data: Tensor, _ axis: Int, indices: Tensor, _ node: ONNXNode) throws(ONNXError)
    -> Tensor
  {
    guard let numbers = try? indices.integers() else {
      throw .wrongElementType(node: node.label, input: "indices", found: indices.elementType)
    }
    let size = data.shape[axis]
    var picks: [Int] = []
    for number in numbers {
      guard let index = Int(exactly: number), (-size..<size).contains(index) else {
        throw .invalid(node: node.label, reason: "index \(number) of an axis of \(size)")
      }
      picks.append(index < 0 ? index + size : index)
    }
    let shape = Array(data.shape[..<axis]) + indices.shape + Array(data.shape[(axis + 1)...])
    try spendFolded(shape, node)
    return try reshape(select(data, axis, picks, node), shape, node)
  }

  func concatenate(_ parts: [Tensor], _ axis: Int, _ node: ONNXNode) throws(ONNXError) -> Tensor {
    let first = parts[0]
    for part in parts {
      var shape = part.shape
      guard shape.count == first.shape.count, part.elementType == first.elementType else {
        throw .invalid(node: node.label, reason: "it joins tensors of different rank or element type")
      }
      shape[axis] = first.shape[axis]
      guard shape == first.shape else {
        throw .invalid(node: node.label, reason: "it joins \(parts.map(\.shape)) along axis \(axis)")
      }
    }
    var whole = first.shape
    whole[axis] = parts.reduce(0) { sum, part in
      let (next, overflow) = sum.addingReportingOverflow(part.shape[axis])
      return overflow ? .max : next
    }
    guard checkedProduct(whole + [first.elementType.size]) != nil else {
      throw .overLimit(node: node.label, reason: "a constant of shape \(whole) is too large")
    }
    // Joining along axis 0 is joining bytes: bring the axis to the front and back.
    let forth = [axis] + first.shape.indices.filter { $0 != axis }
    let joined = Tensor.concatenated(parts.map { $0.transposed(forth) })
    let back = first.shape.indices.map { forth.firstIndex(of: $0)! }
    return joined.transposed(back)
  }

  mutating func cast(_ tensor: Tensor, _ target: ElementType, _ node: ONNXNode) throws(ONNXError)
    -> Tensor
  {
    // Widening a float loses nothing, so the narrow bits are kept: a round trip gives the same weights again.
    if tensor.elementType.isFloat, target.isFloat, target.unitRoundoff < tensor.elementType.unitRoundoff,
      !(tensor.elementType == .bfloat16 && target == .float16)
    {
      return tensor
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

  /// Arithmetic on two constants of equal shape, or one number.
  private mutating func fold(
    _ operation: String, _ left: Tensor, _ right: Tensor, _ node: ONNXNode
  ) throws(ONNXError) -> Tensor? {
    let followsLeft = right.count == 1 && (left.count != 1 || left.shape.count >= right.shape.count)
    let shape = followsLeft ? left.shape : right.shape
    guard left.elementType == right.elementType,
      left.shape == right.shape || left.count == 1 || right.count == 1
    else {
      throw .notImportable(
        node: node.label, reason: "it combines constants \(left.shape) and \(right.shape): fold it away first"
      )
    }
    let total = shape.reduce(1, *)
    if !left.elementType.isFloat {
      guard let a = try? left.integers(), let b = try? right.integers() else { return nil }
      var values: [Int64] = []
      for index in 0..<total {
        let (x, y) = (a[a.count == 1 ? 0 : index], b[b.count == 1 ? 0 : index])
        let (value, failed): (Int64, Bool)
        switch operation {
        case "Add": (value, failed) = x.addingReportingOverflow(y)
        case "Sub": (value, failed) = x.subtractingReportingOverflow(y)
        case "Mul": (value, failed) = x.multipliedReportingOverflow(by: y)
        default: (value, failed) = x.dividedReportingOverflow(by: y)
        }
        guard !failed else { throw .invalid(node: node.label, reason: "\(x) \(operation) \(y) overflows") }
        values.append(value)
      }
      return Tensor(values, shape: shape)
    }
    let (a, b) = (left.doubles, right.doubles)
    let values = (0..<total).map { index -> Double in
      let (x, y) = (a[a.count == 1 ? 0 : index], b[b.count == 1 ? 0 : index])
      switch operation {
      case "Add": return x + y
      case "Sub": return x - y
      case "Mul": return x * y
      default: return x / y
      }
    }
    note(
      node.label, .rounded,
      "arithmetic on constants, as the file says: computed once, in \(left.elementType.rawValue)",
      roundedTo: left.elementType)
    return try? Tensor(values, shape: shape).converted(to: left.elementType).tensor
  }
}
