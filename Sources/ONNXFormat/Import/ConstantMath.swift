internal import ByteIO
internal import Recurrent
internal import ReferenceMath
internal import Tensors

/// What operators make of constants alone, where their own files do not say: computed once, in Float64, and rounded to the type that the
/// graph computes in. Of the evaluator it shares the C library's functions and nothing else.
extension ONNXImporter {
  /// Nil for an operator that is not known here.
  mutating func computed(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Tensor? {
    var attributes = AttributeReader(node)
    let first = tensors[0]
    let type = first.elementType
    let values: [Double]
    let shape: [Int]
    switch node.operation {
    case "Mod":
      let isFloat = try attributes.int("fmod", default: 0) != 0
      (values, shape) = try paired(node, tensors) { x, y in
        let rest = x.truncatingRemainder(dividingBy: y)
        // Of integers it has the divisor's sign.
        return isFloat || rest == 0 || (rest < 0) == (y < 0) ? rest : rest + y
      }
      if !type.isFloat, tensors[1].doubles.contains(0) {
        throw .invalid(node: node.label, reason: "it divides by 0")
      }
    case "Pow": (values, shape) = try paired(node, tensors) { Double.pow($0, $1) }
    case "MatMul": (values, shape) = try multiplied(node, tensors)
    case "Range":
      guard tensors.count == 3, tensors.allSatisfy({ $0.count == 1 && $0.elementType == type }) else {
        throw .invalid(node: node.label, reason: "a start, a limit and a step are one number each")
      }
      let (start, limit, step) = (first.doubles[0], tensors[1].doubles[0], tensors[2].doubles[0])
      let count = ((limit - start) / step).rounded(.up)
      guard count.isFinite, count <= Double(Self.mostComputed) else {
        throw .overLimit(node: node.label, reason: "it counts from \(start) to \(limit) by \(step)")
      }
      let places = Int(max(0, count))
      try spendFolded([places], node)
      values = (0..<places).map { start + Double($0) * step }
      shape = [values.count]
    default:
      if let function = Self.functions[node.operation] {
        (values, shape) = (first.doubles.map(function), first.shape)
      } else if let reduction = Self.reductions[node.operation] {
        let keeps = try attributes.int("keepdims", default: 1) != 0
        let isNone = try attributes.int("noop_with_empty_axes", default: 0) != 0
        var axes = try attributes.ints("axes") ?? []
        if has(node, 1) { axes = try integers(node, 1, "axes") }
        axes = try axes.map { (axis) throws(ONNXError) in
          try self.axis(axis, rank: first.shape.count, node)
        }
        if axes.isEmpty, !isNone { axes = Array(first.shape.indices) }
        guard Set(axes).count == axes.count else {
          throw .invalid(node: node.label, reason: "it names an axis twice")
        }
        (values, shape) = try reduced(node, first, axes.sorted(), keepsAxes: keeps, reduction)
      } else {
        return nil
      }
    }
    try attributes.finish()
    if !type.isFloat {
      // Sums of all of them are exact, in whatever order; of a product those of the magnitudes' product are.
      let totals = tensors.map { $0.doubles.reduce(0) { $0 + abs($1) } }
      let most = node.operation == "MatMul" ? totals.reduce(1, *) : totals.max() ?? 0
      guard most <= 0x1p53, values.allSatisfy({ abs($0) <= 0x1p53 && $0 == $0.rounded() }) else {
        throw .notImportable(node: node.label, reason: "it computes integers of constants that do not fit")
      }
      return Tensor(values.map { Int64($0) }, shape: shape)
    }
    note(
      node.label, .rounded,
      "\(node.operation) of constants, as the file says: computed once, in \(type.rawValue)",
      roundedTo: type)
    do { return try Tensor(values, shape: shape).converted(to: type).tensor } catch {
      throw .invalid(node: node.label, reason: error.description)
    }
  }

  /// What is computed so.
  static let computedOperators = Set(
    ["Mod", "Pow", "MatMul", "Range"] + functions.keys + reductions.keys)

  /// A few bytes of a file say how far it counts.
  private static let mostComputed = 1 << 22

  private static let functions: [String: @Sendable (Double) -> Double] = [
    "Neg": { -$0 }, "Abs": { abs($0) }, "Floor": { $0.rounded(.down) }, "Ceil": { $0.rounded(.up) },
    "Round": { $0.rounded(.toNearestOrEven) }, "Sign": { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 },
    "Sqrt": { $0.squareRoot() }, "Reciprocal": { 1 / $0 }, "Relu": { $0 > 0 || $0.isNaN ? $0 : 0 },
    "Exp": { Double.exp($0) }, "Log": { Double.log($0) }, "Sin": { Double.sin($0) },
    "Cos": { Double.cos($0) }, "Tan": { Double.tan($0) }, "Atan": { Double.atan($0) },
    "Tanh": { Double.tanh($0) }, "Sigmoid": { Double.sigmoid($0) }, "Erf": { Double.erf($0) },
    "Softplus": { max($0, 0) + Double.log1p(Double.exp(-abs($0))) },
  ]

  private static let reductions: [String: @Sendable ([Double]) -> Double] = [
    "ReduceSum": { $0.reduce(0, +) }, "ReduceMean": { $0.reduce(0, +) / Double($0.count) },
    "ReduceProd": { $0.reduce(1, *) }, "ReduceMax": { $0.max() ?? -.infinity },
    "ReduceMin": { $0.min() ?? .infinity }, "ReduceL1": { $0.reduce(0) { $0 + abs($1) } },
    "ReduceL2": { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() },
    "ReduceSumSquare": { $0.reduce(0) { $0 + $1 * $1 } },
    "ReduceLogSum": { Double.log($0.reduce(0, +)) },
    "ReduceLogSumExp": { Double.logSumExp($0[...]) },
  ]

  /// What a function makes of two constants, number by number.
  mutating func paired(
    _ node: ONNXNode, _ tensors: [Tensor], _ function: (Double, Double) -> Double
  ) throws(ONNXError) -> ([Double], [Int]) {
    guard tensors.count == 2 else { throw .missingInput(node: node.label, input: "1") }
    let both = try aligned(node, tensors)
    return (zip(both[0].doubles, both[1].doubles).map(function), both[0].shape)
  }

  /// Constants of the shape to which all of them are broadcast.
  mutating func aligned(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> [Tensor] {
    let rank = tensors.reduce(0) { max($0, $1.shape.count) }
    let shapes = tensors.map { [Int](repeating: 1, count: rank - $0.shape.count) + $0.shape }
    var common: [Int] = []
    for axis in 0..<rank {
      let sizes = Set(shapes.map { $0[axis] }).subtracting([1])
      guard sizes.count <= 1 else {
        throw .invalid(
          node: node.label, reason: "constants of shapes \(tensors.map(\.shape)) do not go together")
      }
      common.append(sizes.first ?? 1)
    }
    try spendFolded(common, node)
    var result: [Tensor] = []
    for (tensor, shape) in zip(tensors, shapes) {
      let full = try reshape(tensor, shape, node)
      do { result.append(try full.broadcast(to: common)) } catch {
        throw .invalid(node: node.label, reason: error.description)
      }
    }
    return result
  }

  /// Axes taken together, each named once, whose numbers a function makes one of.
  private func reduced(
    _ node: ONNXNode, _ tensor: Tensor, _ axes: [Int], keepsAxes: Bool, _ function: ([Double]) -> Double
  ) throws(ONNXError) -> ([Double], [Int]) {
    let kept = tensor.shape.indices.filter { !axes.contains($0) }
    let turned = tensor.transposed(kept + axes)
    let size = axes.reduce(1) { $0 * tensor.shape[$1] }
    guard size > 0 else { throw .invalid(node: node.label, reason: "it reduces an axis of 0") }
    let numbers = turned.doubles
    let values = stride(from: 0, to: numbers.count, by: size).map {
      function(Array(numbers[$0..<($0 + size)]))
    }
    let shape =
      keepsAxes
      ? tensor.shape.indices.map { axes.contains($0) ? 1 : tensor.shape[$0] } : kept.map { tensor.shape[$0] }
    return (values, shape)
  }

  /// A product of two matrices of constants.
  private mutating func multiplied(
    _ node: ONNXNode, _ tensors: [Tensor]
  ) throws(ONNXError) -> ([Double], [Int]) {
    guard tensors.count == 2, tensors.allSatisfy({ $0.shape.count == 2 }),
      tensors[0].shape[1] == tensors[1].shape[0],
      let work = checkedProduct([tensors[0].count, tensors[1].shape[1]]), work <= 1 << 30
    else {
      throw .notImportable(
        node: node.label, reason: "it multiplies constants of \(tensors.map(\.shape)): fold it away first")
    }
    let (rows, inner, columns) = (tensors[0].shape[0], tensors[0].shape[1], tensors[1].shape[1])
    try spendFolded([rows, columns], node)
    let (a, b) = (tensors[0].doubles, tensors[1].doubles)
    var values = [Double](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for place in 0..<inner {
        let factor = a[row * inner + place]
        for column in 0..<columns { values[row * columns + column] += factor * b[place * columns + column] }
      }
    }
    return (values, [rows, columns])
  }
}
