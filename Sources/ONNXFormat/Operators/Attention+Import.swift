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
  /// Whether keys behind a query's own step are left out.
  var isCausal = false
  /// Of which keys alone the sum is: a sequence of one feature that is 1 or 0.
  var shown: View?

  /// Scores from here on down are left out of the softmax: e⁻¹⁰⁰⁰⁰ is 0 in every type, and −10,000 is what the first transformers took for −∞.
  static func isLeftOut(_ number: Double) -> Bool { number <= -1e4 }

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
      arithmetic == .multiply || arithmetic == .divide && !constantFirst,
      // What is left out stays so.
      !scores.isCausal && scores.shown == nil || constant.doubles[0] > 0 && constant.doubles[0].isFinite
    else {
      throw .notImportable(
        node: node.label,
        reason:
          "it computes with the scores of all steps and all others: a number they are multiplied or divided by, and masks "
          + "that leave keys out, are all that can be said of them")
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
      .attention(Attention(heads: scores.heads, isCausal: scores.isCausal)), node,
      inputs: [scores.queries.value, scores.keys.value, source.value]
        + (scores.shown.map { [$0.value] } ?? []),
      output: try output(node))
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
  /// Written out: a product, a choice by the mask, a softmax, a product.
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
    var scores = add("MatMul", [queries, keys], as: "\(layer.name)_scores")
    if let shown = try mask(layer, attention, scores) {
      let type = computeType
      let outside = try! Tensor([-Double.infinity], shape: [1]).converted(to: type).tensor
      scores = add(
        "Where", [shown, scores, try weight(outside, as: "\(layer.name)_outside")], as: "\(layer.name)_masked"
      )
    }
    let weights = add("Softmax", [scores], as: "\(layer.name)_weights", ["axis": .int(3)])
    let name = add("MatMul", [weights, values], as: result(layer), name: layer.name)
    hold(output(layer, 0), name, axes)
  }

  /// Which keys a query sees, as booleans that broadcast to `[B, H, T, S]`; nil for all of them.
  private mutating func mask(
    _ layer: Layer, _ attention: Attention, _ scores: String
  ) throws(ONNXError) -> String? {
    let keyMask = try input(layer, 3).map { (value) throws(ONNXError) in
      cast(try materialise(value, [[.batch], [], [], [.time]], layer.name), .bool)
    }
    guard attention.isCausal else {
      guard keyMask == nil || opset >= 9 else {
        throw .notExpressible(layer: layer.name, reason: "Where needs opset 9 or newer, not \(opset)")
      }
      return keyMask
    }
    guard opset >= 12 else {
      throw .notExpressible(
        layer: layer.name, reason: "causal attention needs LessOrEqual, opset 12 or newer, not \(opset)")
    }
    let sizes = add("Shape", [scores], as: "\(layer.name)_sizes")
    func positions(_ axis: Int, _ what: String, at place: Int) -> String {
      let count = add(
        "Gather", [sizes, integers([axis], as: "axis", scalar: true)], as: "\(layer.name)_\(what)_count",
        ["axis": .int(0)])
      let numbers = add(
        "Range",
        [integers([0], as: "start", scalar: true), count, integers([1], as: "step", scalar: true)],
        as: "\(layer.name)_\(what)_numbers")
      return squeeze("Unsqueeze", numbers, [place], as: "\(layer.name)_\(what)")
    }
    let rows = positions(2, "queries", at: 1)
    let columns = positions(3, "keys", at: 0)
    let isBefore = add("LessOrEqual", [columns, rows], as: "\(layer.name)_causal")
    return keyMask.map { add("And", [isBefore, $0], as: "\(layer.name)_shown") } ?? isBefore
  }
}
