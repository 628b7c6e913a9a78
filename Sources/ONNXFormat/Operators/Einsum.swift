internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let einsum = ONNXOperator(
    "Einsum", trace: { $0.beforeEinsum($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importEinsum(node) })
}

/// The equation of an Einsum: what the axes of its operands, and of its result, are called.
private struct Equation {
  enum Axis: Hashable {
    case letter(Character)
    /// One of those that `...` stands for, counted from the last.
    case further(Int)
  }

  var operands: [[Axis]]
  var result: [Axis]

  /// Nil for no equation of so many operands. Of the ranks one may be nil that has no `...`.
  init?(_ equation: String, ranks: [Int?], resultRank: Int? = nil) {
    let text = equation.filter { $0 != " " }
    let arrow = text.firstRange(of: "->")
    let terms = (arrow.map { text[..<$0.lowerBound] } ?? text[...])
      .split(separator: ",", omittingEmptySubsequences: false)
    guard terms.count == ranks.count else { return nil }
    func axes(_ term: Substring, _ rank: Int?) -> [Axis]? {
      var result: [Axis] = []
      var rest = term
      let letters = term.count { $0 != "." }
      while let letter = rest.first {
        if rest.hasPrefix("...") {
          guard let rank, rank >= letters, rank <= 64 else { return nil }
          result += (0..<(rank - letters)).reversed().map { .further($0) }
          rest = rest.dropFirst(3)
        } else {
          guard letter.isASCII, letter.isLetter else { return nil }
          result.append(.letter(letter))
          rest = rest.dropFirst()
        }
      }
      return rank ?? result.count == result.count ? result : nil
    }
    operands = []
    for (term, rank) in zip(terms, ranks) {
      guard let axes = axes(term, rank) else { return nil }
      operands.append(axes)
    }
    let all = operands.joined()
    if let arrow {
      let further = Set(all.filter { if case .further = $0 { true } else { false } }).count
      let term = text[arrow.upperBound...]
      guard let axes = axes(term, resultRank ?? term.count { $0 != "." } + (term.contains(".") ? further : 0))
      else { return nil }
      result = axes
    } else {
      // Those of ... and then, by the alphabet, those that stand once.
      let counts = Dictionary(all.map { ($0, 1) }, uniquingKeysWith: +)
      let further = counts.keys.compactMap { if case .further(let place) = $0 { place } else { nil } }
      let letters = counts.compactMap { axis, count -> Character? in
        if case .letter(let letter) = axis, count == 1 { letter } else { nil }
      }
      result = further.sorted(by: >).map { .further($0) } + letters.sorted().map { .letter($0) }
    }
    guard Set(result).count == result.count, Set(result).isSubset(of: all) else { return nil }
  }
}

extension InputRoles {
  /// Of one value among constants: each axis has its role behind, those that are summed over hold features.
  fileprivate func beforeEinsum(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    guard case .string(let text)? = node.attributes["equation"] else { return [] }
    let values = node.inputs.indices.filter { !isKnown(node.inputs[$0]) }
    guard values.count == 1, let value = values.first else { return [] }
    // As many as behind it, where nothing else tells.
    let further = demand.roles.count - (text.split(separator: ">").last?.count { $0.isLetter } ?? 0)
    let terms = text.prefix { $0 != "-" }.split(separator: ",")
    let ranks = terms.map { term in term.count { $0.isLetter } + (term.contains(".") ? further : 0) }
    guard let equation = Equation(text, ranks: ranks, resultRank: demand.roles.count),
      value < equation.operands.count
    else { return [] }
    let roles = equation.operands[value].map { axis in
      guard let place = equation.result.firstIndex(of: axis) else { return AxisRole.features(nil) }
      if case .features = demand.roles[place] { return .features(nil) }
      return demand.roles[place]
    }
    return [Demand(node.inputs[value], roles)]
  }
}

extension ONNXImporter {
  /// Operands are taken together one after another, as the equation has them.
  fileprivate mutating func importEinsum(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let text = try attributes.string("equation") ?? ""
    try attributes.finish()
    var given: [ImportedValue] = []
    for position in node.inputs.indices {
      switch try value(node, position) {
      case .unbound: given.append(.constant(try weight(node, position, "Inputs")))
      case .view(let view) where view.kind.isInteger:
        throw .notImportable(
          node: node.label, reason: "it computes with integers ('\(node.inputs[position])')")
      case let value: given.append(value)
      }
    }
    let ranks: [Int?] = given.map {
      switch $0 {
      case .constant(let tensor): tensor.shape.count
      case .view(let view): view.axes.count
      case .scores(let scores): scores.rank
      case .sizes, .filled, .pattern, .mask, .list, .unbound: nil
      }
    }
    guard !ranks.contains(nil) else {
      throw .notImportable(
        node: node.label, reason: "'\(text)' takes something else than features and constants")
    }
    guard let equation = Equation(text, ranks: ranks) else {
      throw .invalid(
        node: node.label, reason: "'\(text)' does not fit operands of ranks \(ranks.map { $0! })")
    }
    for axes in equation.operands where Set(axes).count < axes.count {
      throw .notImportable(node: node.label, reason: "'\(text)' takes a diagonal")
    }
    var (current, axes) = (given[0], equation.operands[0])
    for position in given.indices.dropFirst() {
      let needed = Set(equation.result).union(equation.operands[(position + 1)...].joined())
      (current, axes) = try taken(
        node, (current, axes), (given[position], equation.operands[position]), needed, text)
      // What is made on the way is not the output.
      if position + 1 < given.count, case .view(var view) = current, view.value == node.outputs.first {
        view.value = uniqueValue("\(view.value)_part")
        layers[layers.count - 1].outputs = [view.value]
        current = .view(view)
      }
    }
    switch current {
    case .view(let view):
      let gone = axes.indices.filter { !equation.result.contains(axes[$0]) }
      try reduce(node, view, axes: gone, keepsAxes: false, .sum, .sum)
      guard case .view(var result)? = values[try output(node)] else { return }
      axes.removeAll { !equation.result.contains($0) }
      result.axes = equation.result.map { result.axes[axes.firstIndex(of: $0)!] }
      try set(node, result)
    case .scores where axes == equation.result: set(try output(node), current, type(node))
    default: throw .notImportable(node: node.label, reason: "'\(text)' is no product of features")
    }
  }

  /// Two operands taken together, those axes summed over that nothing needs any more.
  private mutating func taken(
    _ node: ONNXNode, _ left: (value: ImportedValue, axes: [Equation.Axis]),
    _ right: (value: ImportedValue, axes: [Equation.Axis]), _ needed: Set<Equation.Axis>, _ text: String
  ) throws(ONNXError) -> (ImportedValue, [Equation.Axis]) {
    let shared = left.axes.filter { right.axes.contains($0) && needed.contains($0) }
    let summed = left.axes.filter { right.axes.contains($0) && !needed.contains($0) }
    let own = left.axes.filter { !right.axes.contains($0) }
    let others = right.axes.filter { !left.axes.contains($0) }
    // As a MatMul would have them: […, I, K] and […, K, J].
    let isMatrices = own.count == 1 && others.count == 1 && summed.count == 1
    func turned(_ view: View, _ axes: [Equation.Axis], _ order: [Equation.Axis]) -> View {
      var result = view
      result.axes = order.map { axis in axes.firstIndex(of: axis).map { view.axes[$0] } ?? [] }
      return result
    }
    switch (left.value, right.value) {
    case (.view(let x), .view(let y)):
      if isMatrices,
        let made = scores(
          node, turned(x, left.axes, shared + own + summed), turned(y, right.axes, shared + summed + others))
      {
        return (.scores(made), shared + own + others)
      }
      let kept = shared + (own + others).filter(needed.contains)
      let gone = (left.axes + others).filter { !needed.contains($0) }
      try sumOfProducts(
        node, turned(x, left.axes, kept + gone), turned(y, right.axes, kept + gone),
        over: gone.indices.map { kept.count + $0 })
      return (values[try output(node)]!, kept)
    case (.scores(let scores), .view(let y)) where isMatrices && left.axes == shared + own + summed:
      try attend(node, scores, turned(y, right.axes, shared + summed + others))
      return (values[try output(node)]!, shared + own + others)
    case (.view(let x), .constant(let weight)):
      return try taken(node, (x, left.axes), (weight, right.axes), shared, summed, needed, text)
    case (.constant(let weight), .view(let y)):
      return try taken(node, (y, right.axes), (weight, left.axes), shared, summed, needed, text)
    default:
      throw .notImportable(
        node: node.label, reason: "'\(text)' multiplies what the model has no layer for")
    }
  }

  /// A value and a constant.
  private mutating func taken(
    _ node: ONNXNode, _ x: (view: View, axes: [Equation.Axis]),
    _ constant: (weight: Tensor, axes: [Equation.Axis]),
    _ shared: [Equation.Axis], _ summed: [Equation.Axis], _ needed: Set<Equation.Axis>, _ text: String
  ) throws(ONNXError) -> (ImportedValue, [Equation.Axis]) {
    func places(_ axes: [Equation.Axis]) -> [Int] { axes.map { x.axes.firstIndex(of: $0)! } }
    func size(_ axis: Equation.Axis) -> Int { constant.weight.shape[constant.axes.firstIndex(of: axis)!] }
    let made = constant.axes.filter { !x.axes.contains($0) }
    for (axis, place) in zip(shared + summed, places(shared + summed)) {
      guard x.view.places(place) == size(axis) else {
        throw .notImportable(
          node: node.label,
          reason:
            "'\(text)' multiplies \(describe(x.view.axes)) by a constant of \(constant.weight.shape), which would not be the same for all "
            + "steps or rows, or has other sizes")
      }
    }
    guard made.allSatisfy(needed.contains) else {
      throw .notImportable(node: node.label, reason: "'\(text)' sums a constant over an axis of its own")
    }
    let order = (shared + made + summed).map { constant.axes.firstIndex(of: $0)! }
    let counts = [shared, made, summed].map { $0.reduce(1) { $0 * size($1) } }
    // As many elements.
    let weight = try! constant.weight.transposed(order).reshaped(counts)
    var result = try product(
      node, x.view, groups: places(shared), over: places(summed), weight: weight)
    // The features that it makes, on an axis each.
    var stride = x.view.kind.features / (counts[0] * counts[2])
    var axes: [[AxisFactor]] = []
    for axis in made.reversed() {
      axes.insert([.features(stride: stride, count: size(axis))], at: 0)
      stride *= size(axis)
    }
    result.axes.replaceSubrange(shared.count...shared.count, with: axes.map(View.normalised))
    let rest = x.axes.filter { !shared.contains($0) && !summed.contains($0) }
    return (.view(result), shared + made + rest)
  }
}
