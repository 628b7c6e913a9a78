internal import Recurrent
internal import Tensors

/// Products of the queries of some steps with the keys of others, on the way to a softmax and a sum of values: open along two axes, so that
/// no value of the canonical model holds them.
struct Scores: Equatable {
  /// `[rows and heads…, time, features of a head]`, the features in the order of their axes.
  var queries: View
  /// The same of the keys.
  var keys: View
  /// Whether a softmax over the keys was taken.
  var isNormalised = false

  /// How many axes a tensor of them has.
  var rank: Int { queries.axes.count }
  /// The axes of rows and heads.
  fileprivate var front: ArraySlice<[AxisFactor]> { queries.axes.dropLast(2) }
  fileprivate var heads: Int { queries.kind.features / (queries.places(rank - 1) ?? 1) }
}

extension ONNXImporter {
  /// What a product of queries and keys makes; nil where two values are something else.
  mutating func scores(_ node: ONNXNode, _ left: View, _ right: View) -> Scores? {
    let rank = left.axes.count
    guard rank == right.axes.count, rank >= 3, left.axes[rank - 2] == [.time],
      right.axes[rank - 1] == [.time],
      let depth = left.places(rank - 1), depth == right.places(rank - 2), left.kind == right.kind
    else { return nil }
    var keys = right
    keys.axes.swapAt(rank - 2, rank - 1)
    let queries = ordered(left, node)
    keys = ordered(keys, node)
    let scores = Scores(queries: queries, keys: keys)
    guard scores.front == keys.axes.dropLast(2), scores.front.joined().contains(.batch) || isUnbatched else {
      return nil
    }
    return scores
  }

  /// A factor of scores, or what they are divided by, is one of the queries.
  mutating func scale(
    _ node: ONNXNode, _ scores: Scores, _ arithmetic: Arithmetic.Operator, _ constant: Tensor,
    constantFirst: Bool
  ) throws(ONNXError) {
    guard !scores.isNormalised, constant.count == 1, constant.elementType.isFloat,
      arithmetic == .multiply || arithmetic == .divide && !constantFirst
    else {
      throw .notImportable(
        node: node.label,
        reason:
          "it computes with the scores of all steps and all others: a number they are multiplied or divided by "
          + "is all that can be said of them")
    }
    var scaled = scores
    scaled.queries.value = addBetween(
      .arithmetic(Arithmetic(arithmetic, constant: try reshape(constant, [1], node))), node,
      scores.queries.value, "scaled")
    set(try output(node), .scores(scaled), type(node))
  }

  /// A softmax over the keys, which come last.
  mutating func normalise(_ node: ONNXNode, _ scores: Scores, axis: Int) throws(ONNXError) {
    guard !scores.isNormalised, axis == -1 || axis == scores.rank - 1 else {
      throw .notImportable(
        node: node.label,
        reason: "it takes a softmax of scores along axis \(axis), which is not that of the keys")
    }
    var normal = scores
    normal.isNormalised = true
    set(try output(node), .scores(normal), type(node))
  }

  /// The sum of values by what a softmax made of scores.
  mutating func attend(_ node: ONNXNode, _ scores: Scores, _ values: View) throws(ONNXError) {
    let rank = scores.rank
    let source = ordered(values, node)
    guard scores.isNormalised, source.axes.count == rank, source.axes[rank - 2] == [.time],
      source.places(rank - 1) != nil, scores.front == View.front(source, like: scores.queries),
      source.hasSteps(of: scores.keys)
    else {
      throw .notImportable(
        node: node.label,
        reason:
          "it multiplies scores of \(describe(scores.queries.axes)) by \(describe(values.axes)), which are no values of theirs"
      )
    }
    var result = scores.queries
    result.value = add(
      .attention(Attention(heads: scores.heads)), node,
      inputs: [scores.queries.value, scores.keys.value, source.value], output: try output(node))
    result.kind = scores.queries.kind.with(features: source.kind.features)
    result.axes = source.axes
    set(try output(node), .view(result), type(node, 1))
  }
}

extension View {
  /// The axes of rows and heads, as another view counts them: strides differ where heads have another number of features.
  fileprivate static func front(_ view: View, like other: View) -> ArraySlice<[AxisFactor]>? {
    let (own, wanted) = (view.axes.dropLast(2), other.axes.dropLast(2))
    guard own.count == wanted.count else { return nil }
    for (left, right) in zip(own, wanted) {
      guard left.count == right.count else { return nil }
      for case (.features(_, let m), .features(_, let n)) in zip(left, right) where m != n { return nil }
      guard zip(left, right).allSatisfy({ $0.isFeatures ? $1.isFeatures : $0 == $1 }) else { return nil }
    }
    return wanted
  }
}

extension ONNXExporter {
  /// Written out: a product, a softmax, a product.
  mutating func exportAttention(_ layer: Layer, _ attention: Attention) throws(ONNXError) {
    func arranged(_ position: Int, isTurned: Bool = false) throws(ONNXError) -> (String, [[AxisFactor]]) {
      let value = layer.inputs[position]!
      let width = kinds[value]!.features / attention.heads
      let heads = View.normalised([.features(stride: width, count: attention.heads)])
      let rest = [[AxisFactor.time], View.features(width)]
      let axes = [[.batch], heads] + (isTurned ? rest.reversed() : rest)
      return (try materialise(value, axes, layer.name), axes)
    }
    let (queries, _) = try arranged(0)
    let (keys, _) = try arranged(1, isTurned: true)
    let (values, axes) = try arranged(2)
    let scores = add("MatMul", [queries, keys], as: "\(layer.name)_scores")
    let weights = add("Softmax", [scores], as: "\(layer.name)_weights", ["axis": .int(3)])
    let name = add("MatMul", [weights, values], as: result(layer), name: layer.name)
    hold(output(layer, 0), name, axes)
  }
}
