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
    if node.operation == "Where" { return try importChoice(node) }
    let (first, isScalar) = try sizes(node, 0, "0")
    let result: ImportedValue
    switch node.operation {
    case "Equal":
      // Whether a size is −1, as `expand(-1, …)` asks: never, whatever the run.
      let (second, _) = try sizes(node, 1, "1")
      let count = max(first.count, second.count)
      guard [1, count].contains(first.count), [1, count].contains(second.count) else {
        throw .invalid(node: node.label, reason: "it compares \(first.count) and \(second.count) sizes")
      }
      var answers: [Int64] = []
      for index in 0..<count {
        let (a, b) = (first[first.count == 1 ? 0 : index], second[second.count == 1 ? 0 : index])
        if let x = a.known, let y = b.known {
          answers.append(x == y ? 1 : 0)
        } else if a == b {
          answers.append(1)
        } else if a.known ?? 1 < 0 || b.known ?? 1 < 0 {
          answers.append(0)
        } else {
          throw .notImportable(node: node.label, reason: "it compares sizes that the run decides")
        }
      }
      result = .constant(Tensor(answers, shape: isScalar && count == 1 ? [] : [count]))
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

  /// Where of sizes under a condition that is known.
  private mutating func importChoice(_ node: ONNXNode) throws(ONNXError) -> Bool {
    guard case .constant(let condition) = try value(node, 0) else {
      throw .notImportable(node: node.label, reason: "it chooses between sizes by what the run decides")
    }
    let (yes, isScalar) = try sizes(node, 1, "X")
    let (no, isOtherScalar) = try sizes(node, 2, "Y")
    let answers = condition.doubles.map { $0 != 0 }
    let count = [answers.count, yes.count, no.count].max()!
    guard [answers.count, yes.count, no.count].allSatisfy({ $0 == 1 || $0 == count }) else {
      throw .invalid(node: node.label, reason: "it chooses from lists of \(yes.count) and \(no.count) sizes")
    }
    let chosen = (0..<count).map { index in
      answers[answers.count == 1 ? 0 : index]
        ? yes[yes.count == 1 ? 0 : index] : no[no.count == 1 ? 0 : index]
    }
    set(
      try output(node), .sizes(chosen, isScalar: isScalar && isOtherScalar && condition.shape.isEmpty))
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
}
