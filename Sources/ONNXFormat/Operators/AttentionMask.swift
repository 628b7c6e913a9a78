internal import Recurrent
internal import Tensors

// Masks of attention: what leaves keys out of the softmax of scores.
extension ONNXImporter {
  /// The sizes of a tensor of scores.
  func sizes(of scores: Scores) -> [Size] {
    let queries = scores.queries
    return queries.axes.dropLast(2).map { size($0, queries) } + [
      .time(queries.clock), .time(scores.keys.clock),
    ]
  }

  /// Scores and what is added to them: 0 for keys that are seen, −∞ or as good as that for others.
  mutating func addMask(_ node: ONNXNode, _ scores: Scores, _ mask: ImportedValue) throws(ONNXError) {
    switch mask {
    case .pattern(let pattern):
      guard case .triangle(_, let near, let far, _) = pattern.content, near.doubles[0] == 0,
        Scores.isLeftOut(far.doubles[0])
      else {
        throw refusal(
          node,
          "what it adds to scores is not 0 up to a query's own step and −∞ (or −10000 and less) behind it")
      }
      noteOutside(node, far.doubles[0])
      try leaveOut(node, scores, pattern)
    case .constant(let tensor):
      // Added everywhere, a number is no news to a softmax.
      if let first = tensor.doubles.first, first.isFinite, tensor.doubles.allSatisfy({ $0 == first }),
        first == 0
      {
        return set(try output(node), .scores(scores), type(node))
      }
      guard let pattern = StepPattern(tensor) else {
        throw refusal(
          node,
          "it adds a constant of shape \(tensor.shape) to scores: only one that is 0 up to a query's own step and −∞ "
            + "behind it can be imported")
      }
      try addMask(node, scores, .pattern(pattern))
    case .filled(let base, let shape):
      guard base.doubles.allSatisfy({ $0 == 0 }) else {
        throw refusal(node, "it adds a constant of \(shape.count) axes to scores")
      }
      set(try output(node), .scores(scores), type(node))
    case .view(let view):
      guard let shown = try keyMask(view, node) else {
        throw refusal(
          node,
          "what it adds to scores is computed, and not known to be 0 or −∞ (or −10000 and less) by whether something holds "
            + "of each key")
      }
      try leaveOut(node, scores, shown)
    case .sizes, .mask, .list, .unbound, .scores:
      throw refusal(node, "what it adds to scores cannot be understood")
    }
  }

  /// Where of scores and a number that leaves keys out; false where no input is one of scores.
  mutating func importMasking(_ node: ONNXNode) throws(ONNXError) -> Bool {
    guard case .scores(let scores)? = node.inputs.count == 3 ? values[node.inputs[1]] : nil else {
      guard case .scores(let scores)? = node.inputs.count == 3 ? values[node.inputs[2]] : nil else {
        return false
      }
      try importMasking(node, scores, outside: 1)
      return true
    }
    try importMasking(node, scores, outside: 2)
    return true
  }

  private mutating func importMasking(_ node: ONNXNode, _ scores: Scores, outside: Int) throws(ONNXError) {
    let number: Double
    switch try value(node, outside) {
    case .constant(let tensor) where tensor.count == 1: number = tensor.doubles[0]
    case .filled(let tensor, _) where tensor.count == 1: number = tensor.doubles[0]
    default: throw refusal(node, "it chooses between scores and what is not one number")
    }
    guard Scores.isLeftOut(number), !scores.isNormalised else {
      throw refusal(
        node,
        "it sets scores to \(number): only −∞ (or −10000 and less), which leaves keys out, can be imported")
    }
    noteOutside(node, number)
    // Where the condition holds, scores stay (2), or are replaced (1).
    try show(node, scores, where: try value(node, 0), holds: outside == 2)
  }

  /// Leaves out the keys where a condition does not hold, or where it does.
  mutating func show(
    _ node: ONNXNode, _ scores: Scores, where condition: ImportedValue, holds: Bool
  ) throws(ONNXError) {
    switch condition {
    case .pattern(let pattern):
      guard case .triangle(_, let near, let far, _) = pattern.content,
        (near.doubles[0] != 0) == holds, (far.doubles[0] != 0) != holds
      else { throw refusal(node, "its mask does not leave out what lies behind a query's own step") }
      try leaveOut(node, scores, pattern)
    case .constant(let tensor):
      if tensor.count <= 1 << 22, tensor.doubles.allSatisfy({ ($0 != 0) == holds }) {
        return set(try output(node), .scores(scores), type(node, node.operation == "Where" ? 1 : 0))
      }
      guard let pattern = StepPattern(tensor) else {
        throw refusal(node, "its mask of shape \(tensor.shape) is no triangle of steps")
      }
      try show(node, scores, where: .pattern(pattern), holds: holds)
    case .view(let view) where isTruth(view):
      let shown = holds ? unrepeated(view) : try negated(unrepeated(view), node)
      try leaveOut(node, scores, shown)
    case .view, .sizes, .filled, .mask, .list, .unbound, .scores:
      throw refusal(node, "its mask is not known to hold or not of each key")
    }
  }

  private func refusal(_ node: ONNXNode, _ reason: String) -> ONNXError {
    .notImportable(node: node.label, reason: reason)
  }

  private mutating func noteOutside(_ node: ONNXNode, _ number: Double) {
    guard number.isFinite else { return }
    note(
      node.label, .exact,
      "\(number) for scores that are left out is taken for −∞: e to it is 0, as long as other scores are not as small"
    )
  }

  /// Leaves out what a triangle of steps does, and what it says of keys.
  private mutating func leaveOut(
    _ node: ONNXNode, _ scores: Scores, _ pattern: StepPattern
  ) throws(ONNXError) {
    guard case .triangle(let diagonal, _, _, let keys) = pattern.content else { return }
    let sizes = sizes(of: scores)
    func fits(_ size: Size, _ other: Size) -> Bool {
      size == other || resolved(size) != nil && resolved(size) == resolved(other)
    }
    guard pattern.shape.count <= sizes.count,
      zip(pattern.shape.suffix(2), sizes.suffix(2)).allSatisfy({ fits($0, $1) }),
      zip(pattern.shape.dropLast(2).reversed(), sizes.dropLast(2).reversed()).allSatisfy({
        $0 == .known(1) || fits($0, $1)
      })
    else {
      throw refusal(node, "its mask has not the sizes of its scores")
    }
    guard diagonal == 0 else {
      throw refusal(
        node,
        "its mask shows a query the steps up to its own \(diagonal < 0 ? "−" : "+") \(abs(diagonal)): only those up to its own "
          + "can be imported")
    }
    var masked = scores
    masked.isCausal = true
    if let keys { return try leaveOut(node, masked, keys) }
    guard !scores.isNormalised else { throw refusal(node, "it masks weights that a softmax has made") }
    set(try output(node), .scores(masked), type(node, node.operation == "Where" ? 1 : 0))
  }

  /// Leaves out the keys of which a value does not hold.
  mutating func leaveOut(_ node: ONNXNode, _ scores: Scores, _ shown: View) throws(ONNXError) {
    let rank = scores.rank
    var axes = shown.axes
    while axes.count < rank { axes.insert([], at: 0) }
    let front = zip(axes.dropLast(2), scores.queries.axes.dropLast(2))
    // Rows beside rows; heads are those of which it is repeated.
    let fits = front.allSatisfy { own, other in
      let (left, right) = (own.filter { !$0.isFeatures }, other.filter { !$0.isFeatures })
      return left == right || left.isEmpty && !right.contains(.batch)
    }
    guard !scores.isNormalised, axes.count == rank, axes[rank - 1] == [.time], axes[rank - 2].isEmpty, fits,
      shown.hasSteps(of: scores.keys), featureCount(shown.value) == 1
    else {
      throw refusal(
        node,
        "its mask \(describe(shown.axes)) is not one for each key of each row: [B, S] with axes of size 1 for heads and queries"
      )
    }
    var masked = scores
    masked.shown = shown
    if let before = scores.shown {
      masked.shown!.value = add(
        .arithmetic(Arithmetic(.minimum)), node, inputs: [before.value, shown.value],
        output: uniqueValue("\(try output(node))_shown"))
    }
    set(try output(node), .scores(masked), type(node, node.operation == "Where" ? 1 : 0))
  }

  /// Of what is added to scores, 0 or −∞ by whether something holds, where it is 0; nil for anything else.
  mutating func keyMask(_ view: View, _ node: ONNXNode) throws(ONNXError) -> View? {
    var mask = unrepeated(view)
    guard let layer = layers.last(where: { $0.outputs.contains(mask.value) }),
      let first = layer.inputs.first.flatMap(\.self)
    else { return nil }
    let isHidden: Bool
    switch layer.operation {
    case .choice(let choice):
      guard let yes = choice.first, let no = choice.second, yes.count == 1, no.count == 1 else { return nil }
      let (a, b) = (yes.doubles[0], no.doubles[0])
      guard a == 0 && Scores.isLeftOut(b) || Scores.isLeftOut(a) && b == 0 else { return nil }
      noteOutside(node, min(a, b))
      isHidden = b == 0
      mask.value = first
    case .arithmetic(let product)
    where product.operator == .multiply && product.constant?.count == 1
      && Scores.isLeftOut(product.constant!.doubles[0]) && product.constant!.doubles[0].isFinite:
      noteOutside(node, product.constant!.doubles[0])
      mask.value = first
      // (1 − m) · −10000
      if let inner = layers.last(where: { $0.outputs.contains(first) }),
        case .arithmetic(let difference) = inner.operation, difference.operator == .subtract,
        difference.constantFirst, difference.constant?.doubles == [1],
        let own = inner.inputs.first.flatMap(\.self)
      {
        mask.value = own
        isHidden = false
      } else {
        isHidden = true
      }
    default: return nil
    }
    mask = unrepeated(mask)
    guard isTruth(mask) else { return nil }
    return isHidden ? try negated(mask, node) : mask
  }

  /// The value of one feature that another one repeats.
  private func unrepeated(_ view: View) -> View {
    var result = view
    while let layer = layers.last(where: { $0.outputs.contains(result.value) }),
      case .gather(let gather) = layer.operation, gather.start == 0,
      gather.factors.allSatisfy({ $0.stride == 0 }), let source = layer.inputs.first.flatMap(\.self),
      featureCount(source) == 1
    {
      result.value = source
    }
    return result
  }

  /// How many features a canonical value has; nil where that is not known.
  private func featureCount(_ value: String) -> Int? {
    for case .view(let view) in values.values where view.value == value { return view.kind.features }
    guard let layer = layers.last(where: { $0.outputs.contains(value) }) else { return nil }
    switch layer.operation {
    case .gather(let gather): return gather.sources.count
    // Pointwise, of the features of its input.
    case .arithmetic, .choice, .activation: return layer.inputs.first.flatMap(\.self).flatMap(featureCount)
    case .recurrent, .embedding, .dense, .convolution, .pool, .transposedConvolution, .resize, .padding,
      .unfold, .fold, .reduce, .timeSoftmax, .repeated, .attention, .cumulativeSum, .softmax, .logSoftmax,
      .layerNormalization, .batchNormalization, .normalization, .select, .concat, .slice, .reverse,
      .constant, .stepPacking, .dropout, .argMax, .generate:
      return nil
    }
  }

  /// What holds where another value does not.
  mutating func negated(_ view: View, _ node: ONNXNode) throws(ONNXError) -> View {
    var result = view
    // Not of Not.
    if let layer = layers.last(where: { $0.outputs.contains(view.value) }),
      case .arithmetic(let comparison) = layer.operation, comparison.operator == .equal,
      comparison.constant?.doubles == [0], let source = layer.inputs.first.flatMap(\.self),
      truths.contains(source)
    {
      result.value = source
      return result
    }
    let zero = Tensor([0] as [Float], shape: [1])
    result.value = addBetween(.arithmetic(Arithmetic(.equal, constant: zero)), node, view.value, "shown")
    return result
  }
}
