internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let equal = ONNXOperator(
    "Equal",
    fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldComparison(node, tensors, ==) },
    onSizes: { (importer, node) throws(ONNXError) in try importer.sizesEqual(node) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importComparison(node, .equal) })

  /// Comparisons and logic; of the model's values they are 1 or 0.
  static let comparisons: [ONNXOperator] = [
    comparison("Greater", .greater) { $0 > $1 },
    comparison("Less", .greater, isTurned: true) { $0 < $1 },
    comparison("GreaterOrEqual", .notLess) { $0 >= $1 },
    comparison("LessOrEqual", .notLess, isTurned: true) { $0 <= $1 },
    comparison("And", .minimum) { $0 != 0 && $1 != 0 }, comparison("Or", .maximum) { $0 != 0 || $1 != 0 },
    comparison("Xor") { ($0 != 0) != ($1 != 0) },
    ONNXOperator(
      "Not", trace: { $0.same($1, $2) },
      fold: { (_, _, tensors) in
        .tensor(Tensor(tensors[0].doubles.map { $0 == 0 ? 1 as Int64 : 0 }, shape: tensors[0].shape), .bool)
      },
      interpret: { (importer, node) throws(ONNXError) in try importer.importNot(node) }),
  ]

  private static func comparison(
    _ name: String, _ arithmetic: Arithmetic.Operator? = nil, isTurned: Bool = false,
    _ holds: @escaping @Sendable (Double, Double) -> Bool
  ) -> ONNXOperator {
    var rules = ONNXOperator(
      name, trace: { $0.all($1, $2) },
      fold: { (importer, node, tensors) throws(ONNXError) in
        try importer.foldComparison(node, tensors, holds)
      },
      onSizes: { (importer, node) throws(ONNXError) in try importer.sizesComparison(node, holds) })
    if let arithmetic {
      rules.interpret = { (importer, node) throws(ONNXError) in
        try importer.importComparison(node, arithmetic, isTurned: isTurned)
      }
    }
    return rules
  }

  static let choose = ONNXOperator(
    "Where", trace: { $0.all($1, $2) },
    fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldWhere(node, tensors) },
    onSizes: { (importer, node) throws(ONNXError) in try importer.sizesWhere(node) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importChoice(node) })
}

extension ONNXImporter {
  fileprivate mutating func foldComparison(
    _ node: ONNXNode, _ tensors: [Tensor], _ holds: (Double, Double) -> Bool
  ) throws(ONNXError) -> Folded {
    try AttributeReader(node).finish()
    guard tensors.count == 2 else { return .open }
    let (answers, shape) = try paired(node, tensors) { holds($0, $1) ? 1 : 0 }
    return .tensor(Tensor(answers.map { Int64($0) }, shape: shape), .bool)
  }

  fileprivate mutating func foldWhere(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    try AttributeReader(node).finish()
    guard tensors.count == 3, tensors[1].elementType == tensors[2].elementType else { return .open }
    let all = try aligned(node, tensors)
    let holds = all[0].doubles.map { $0 != 0 }
    func chosen<Element>(_ x: [Element], _ y: [Element]) -> [Element] {
      holds.indices.map { holds[$0] ? x[$0] : y[$0] }
    }
    if let x = try? all[1].integers(), let y = try? all[2].integers() {
      return .tensor(Tensor(chosen(x, y), shape: all[0].shape), type(node, 1))
    }
    let result = try? Tensor(chosen(all[1].doubles, all[2].doubles), shape: all[0].shape)
      .converted(to: all[1].elementType).tensor
    return result.map { .tensor($0, type(node, 1)) } ?? .open
  }

  fileprivate mutating func sizesEqual(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    let (first, isScalar) = try sizes(node, 0, "0")
    // Whether a size is −1, as `expand(-1, …)` asks: never, whatever the run.
    let (second, _) = try sizes(node, 1, "1")
    let count = max(first.count, second.count)
    guard [1, count].contains(first.count), [1, count].contains(second.count) else {
      throw .invalid(node: node.label, reason: "it compares \(first.count) and \(second.count) sizes")
    }
    var answers: [Int64] = []
    for index in 0..<count {
      let (a, b) = (first[first.count == 1 ? 0 : index], second[second.count == 1 ? 0 : index])
      if let x = a.known ?? resolved(a), let y = b.known ?? resolved(b) {
        answers.append(x == y ? 1 : 0)
      } else if a == b {
        answers.append(1)
      } else if a.known ?? 1 < 0 || b.known ?? 1 < 0 {
        answers.append(0)
      } else {
        throw .notImportable(
          node: node.label,
          reason:
            "it compares sizes that the run decides; a number bound to one that the inputs' shapes name (NAME=NUMBER) fixes it"
        )
      }
    }
    return .constant(Tensor(answers, shape: isScalar && count == 1 ? [] : [count]))
  }

  /// A comparison of two sizes that comes out the same whatever they are: one that the run decides is at least 1.
  fileprivate mutating func sizesComparison(
    _ node: ONNXNode, _ holds: (Double, Double) -> Bool
  ) throws(ONNXError) -> ImportedValue? {
    /// The least and the greatest that it may be.
    func ends(_ position: Int) throws(ONNXError) -> [Double] {
      if case .constant(let number) = try value(node, position), number.count == 1 { return number.doubles }
      let (sizes, _) = try sizes(node, position, "\(position)")
      guard sizes.count == 1 else {
        throw .notImportable(node: node.label, reason: "it compares lists of sizes")
      }
      return (sizes[0].known ?? resolved(sizes[0])).map { [Double($0)] } ?? [
        Double(sizes[0].factor), .infinity,
      ]
    }
    let (first, second) = (try ends(0), try ends(1))
    let answers = Set(first.flatMap { left in second.map { holds(left, $0) } })
    guard let answer = answers.first, answers.count == 1, first.count + second.count < 4 else {
      throw .notImportable(
        node: node.label,
        reason:
          "it compares sizes that the run decides; a number bound to one that the inputs' shapes name (NAME=NUMBER) fixes it"
      )
    }
    return .constant(Tensor([answer ? 1 : 0 as Int64], shape: []))
  }

  /// Where of sizes under a condition that is known.
  fileprivate mutating func sizesWhere(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
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
    return .sizes(chosen, isScalar: isScalar && isOtherScalar && condition.shape.isEmpty)
  }
}
