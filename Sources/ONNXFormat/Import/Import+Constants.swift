internal import ByteIO
internal import Recurrent
internal import Tensors

/// Constants, sizes and repeated constants: what a graph computes without looking at its inputs' numbers.
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
    case "RNN", "LSTM", "GRU": return false
    default:
      throw .notImportable(
        node: node.label,
        reason: "it computes with constants only: fold it away (onnxsim) or evaluate the file instead")
    }
    set(try output(node), .constant(result), resultType)
    return true
  }

  private func reshape(_ tensor: Tensor, _ shape: [Int], _ node: ONNXNode) throws(ONNXError) -> Tensor {
    do { return try tensor.reshaped(shape) } catch {
      throw .invalid(node: node.label, reason: "\(tensor.shape) cannot be reshaped to \(shape)")
    }
  }

  private func cut(
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
    return select(tensor, slice.axis, Array(stride(from: start, to: end, by: slice.step)))
  }

  /// The given positions along an axis.
  private func select(_ tensor: Tensor, _ axis: Int, _ picks: [Int]) -> Tensor {
    var shape = tensor.shape
    shape[axis] = picks.count
    return tensor.picked(shape: shape) { index in
      var flat = 0
      for (position, coordinate) in index.enumerated() {
        flat = flat * tensor.shape[position] + (position == axis ? picks[coordinate] : coordinate)
      }
      return flat
    }
  }

  private func gather(_ data: Tensor, _ axis: Int, indices: Tensor, _ node: ONNXNode) throws(ONNXError)
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
    let limit = min(limits.elements, 1 << 28)
    guard let count = checkedProduct(shape.map { max($0, 1) }), count <= limit else {
      throw .overLimit(node: node.label, reason: "a constant of shape \(shape) is too large")
    }
    return try reshape(select(data, axis, picks), shape, node)
  }

  private func concatenate(_ parts: [Tensor], _ axis: Int, _ node: ONNXNode) throws(ONNXError) -> Tensor {
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

  private mutating func cast(_ tensor: Tensor, _ target: ElementType, _ node: ONNXNode) throws(ONNXError)
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
      "arithmetic on constants, as the file says: computed once, in \(left.elementType.rawValue)")
    return try? Tensor(values, shape: shape).converted(to: left.elementType).tensor
  }

  // MARK: Sizes

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
    case .view, .filled, .mask, .unbound:
      throw .notImportable(node: node.label, reason: "its input '\(name)' depends on the inputs' numbers")
    }
  }

  /// Shape, and operators on what it gives; false where the node is something else.
  mutating func importSizes(_ node: ONNXNode) throws(ONNXError) -> Bool {
    if node.operation == "Shape" {
      var attributes = AttributeReader(node)
      let start = try attributes.int("start", default: 0)
      let end = try attributes.int("end")
      try attributes.finish()
      let all: [Size]
      switch try value(node, 0) {
      case .view(let view): all = view.axes.map { size($0) }
      case .constant(let tensor): all = tensor.shape.map { .known($0) }
      case .filled(_, let shape): all = shape
      case .sizes(let sizes, let isScalar): all = isScalar ? [] : [.known(sizes.count)]
      case .mask: throw .notImportable(node: node.label, reason: "it looks at the shape of a mask")
      case .unbound: throw .unboundWeight(node: node.label, input: "0", value: node.inputs[0])
      }
      func clamp(_ position: Int) -> Int {
        min(max(position < 0 ? position + all.count : position, 0), all.count)
      }
      let range = clamp(start)..<max(clamp(start), clamp(end ?? all.count))
      set(try output(node), .sizes(Array(all[range]), isScalar: false))
      return true
    }
    guard node.inputs.contains(where: { if case .sizes? = values[$0] { true } else { false } }) else {
      return false
    }
    // Data beside the sizes: the operator works on the data.
    let readsData = node.inputs.contains { if case .view? = values[$0] { true } else { false } }
    if readsData { return false }
    // A shape that an operator on data reads is that operator's business.
    if ["Expand", "ConstantOfShape", "Tile"].contains(node.operation) { return false }
    if node.operation == "Reshape" { guard case .sizes = try value(node, 0) else { return false } }
    let (first, isScalar) = try sizes(node, 0, "0")
    let result: ImportedValue
    switch node.operation {
    case "Identity", "Cast": result = .sizes(first, isScalar: isScalar)
    case "Unsqueeze": result = .sizes(first, isScalar: false)
    case "Reshape":
      let target = try integers(node, 1, "shape")
      guard target.isEmpty || target == [-1] || target == [first.count] else {
        throw .notImportable(node: node.label, reason: "it reshapes sizes to \(target)")
      }
      result = .sizes(first, isScalar: target.isEmpty)
    case "ReduceProd":
      var attributes = AttributeReader(node)
      let keeps = try attributes.int("keepdims", default: 1) != 0
      let product = first.reduce(.known(1), *)
      guard product.times + product.batches <= 8 else {
        throw .notImportable(node: node.label, reason: "it multiplies more sizes than a tensor has")
      }
      result = .sizes([product], isScalar: !keeps)
    case "Squeeze": result = .sizes(first, isScalar: true)
    case "Gather":
      guard case .constant(let tensor) = try value(node, 1), let indices = try? tensor.integers() else {
        throw .notImportable(node: node.label, reason: "its indices are not constant")
      }
      var picked: [Size] = []
      for index in indices {
        let position = Int(clamping: index < 0 ? index + Int64(first.count) : index)
        guard first.indices.contains(position) else {
          throw .invalid(node: node.label, reason: "index \(index) of a shape of \(first.count) axes")
        }
        picked.append(first[position])
      }
      result = .sizes(picked, isScalar: tensor.shape.isEmpty)
    case "Slice":
      var part = first
      for slice in try sliceRanges(node, rank: 1) {
        func clamp(_ position: Int) -> Int {
          min(
            max(position < 0 ? position.addingReportingOverflow(first.count).partialValue : position, 0),
            first.count)
        }
        guard slice.step == 1 else { throw .notImportable(node: node.label, reason: "it slices with a step") }
        part = Array(first[clamp(slice.start)..<max(clamp(slice.start), clamp(slice.end))])
      }
      result = .sizes(part, isScalar: false)
    case "Concat":
      var all: [Size] = []
      for position in node.inputs.indices { all += try sizes(node, position, "\(position)").sizes }
      result = .sizes(all, isScalar: false)
    case "Mul", "Div", "Add", "Sub":
      let (second, secondIsScalar) = try sizes(node, 1, "1")
      let count = max(first.count, second.count)
      guard [1, count].contains(first.count), [1, count].contains(second.count) else {
        throw .invalid(
          node: node.label, reason: "it combines lists of \(first.count) and \(second.count) sizes")
      }
      var computed: [Size] = []
      for index in 0..<count {
        let (a, b) = (
          first[first.count == 1 ? 0 : index], second[second.count == 1 ? 0 : index]
        )
        guard let value = Self.compute(node.operation, a, b) else {
          throw .notImportable(
            node: node.label, reason: "it computes a size that is neither fixed nor a product")
        }
        computed.append(value)
      }
      result = .sizes(computed, isScalar: isScalar && secondIsScalar)
    default:
      throw .notImportable(
        node: node.label, reason: "it computes with sizes in a way that cannot be followed")
    }
    set(try output(node), result)
    return true
  }

  private static func compute(_ operation: String, _ a: Size, _ b: Size) -> Size? {
    switch operation {
    case "Mul":
      // No tensor has so many axes; without a bound, squaring a size again and again would not end.
      let product = a * b
      return product.times + product.batches <= 8 ? product : nil
    case "Div": return a / b
    default:
      guard let x = a.known, let y = b.known else { return nil }
      let (sum, overflow) =
        operation == "Add" ? x.addingReportingOverflow(y) : x.subtractingReportingOverflow(y)
      return overflow ? nil : .known(sum)
    }
  }

  // MARK: Repeated constants

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
  private func filled(_ base: Tensor, _ shape: [Size], _ node: ONNXNode) throws(ONNXError) -> ImportedValue {
    let known = shape.compactMap(\.known)
    guard known.allSatisfy({ $0 >= 0 }) else {
      throw .invalid(node: node.label, reason: "a shape with the sizes \(known)")
    }
    guard known.count == shape.count else { return .filled(base: base, shape: shape) }
    guard let count = checkedProduct(known), count <= min(limits.elements, 1 << 24) else {
      throw .overLimit(node: node.label, reason: "a constant of shape \(known) is too large")
    }
    return .constant(base.broadcast(to: known))
  }
}
