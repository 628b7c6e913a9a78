internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  /// Of ONNX (23 and later), and of `com.microsoft` under the same name.
  static let attention = ONNXOperator(
    "Attention",
    trace: { $0.beforeAttention($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importAttention(node) })
  /// Of `com.microsoft` alone: its axes.
  static let multiHeadAttention = ONNXOperator(
    "MultiHeadAttention", trace: { $0.beforeAttention($1, $2) })

  /// What is imported of onnxruntime's own domain.
  static let fused: Set<String> = [
    "Attention", "MultiHeadAttention", "Gelu", "BiasGelu", "FastGelu", "QuickGelu", "SkipLayerNormalization",
    "FusedMatMul",
  ]
}

extension InputRoles {
  /// Of three axes, queries, keys and values have those of what is made of them.
  fileprivate func beforeAttention(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    var roles = demand.roles
    guard roles.count == 3 else { return [] }
    if case .features = roles[2] { roles[2] = .features(nil) }
    return node.inputs.prefix(node.operation == "Attention" && !node.domain.isEmpty ? 1 : 3).reversed()
      .map { Demand($0, roles) }
  }
}

extension ONNXImporter {
  /// An operator of onnxruntime's own domain, by those of ONNX that it stands for; false for one that is not known.
  mutating func importFused(_ node: ONNXNode) throws(ONNXError) -> Bool {
    guard node.domain == "com.microsoft", ONNXOperator.fused.contains(node.operation) else { return false }
    let before = ownOpset
    // Those below are of this one.
    ownOpset = 20
    defer { ownOpset = before }
    switch node.operation {
    case "Attention": try importPackedAttention(node)
    case "MultiHeadAttention": try importMultiHeadAttention(node)
    case "Gelu", "BiasGelu", "FastGelu":
      try AttributeReader(node).finish()
      let isTanh = node.operation == "FastGelu"
      var input = node.inputs[0]
      if has(node, 1) { input = try made(node, "Add", [node.inputs[0], node.inputs[1]], "sum") }
      try importNode(
        ONNXNode(
          "Gelu", name: node.name, inputs: [input], outputs: node.outputs,
          attributes: isTanh ? ["approximate": .string("tanh")] : [:], index: node.index))
    case "QuickGelu":
      var attributes = AttributeReader(node)
      let alpha = try attributes.float("alpha") ?? 1.702
      try attributes.finish()
      try importNode(
        ONNXNode(
          "Swish", name: node.name, inputs: node.inputs, outputs: node.outputs,
          attributes: ["alpha": .float(alpha)], index: node.index))
    case "SkipLayerNormalization": try importSkipNormalization(node)
    case "FusedMatMul": try importFusedProduct(node)
    default: return false
    }
    return true
  }

  /// A node between: the name of what it makes, which is read once.
  private mutating func made(
    _ node: ONNXNode, _ operation: String, _ inputs: [String], _ what: String,
    _ attributes: [String: ONNXAttribute] = [:], reads: Int = 1
  ) throws(ONNXError) -> String {
    let name = uniqueValue("\(try output(node))_\(what)")
    uses[name] = reads
    try importNode(
      ONNXNode(
        operation, name: "\(node.name)_\(what)", inputs: inputs, outputs: [name], attributes: attributes,
        index: node.index))
    return name
  }

  /// A constant between.
  private mutating func held(_ node: ONNXNode, _ tensor: Tensor, _ what: String) throws(ONNXError) -> String {
    let name = uniqueValue("\(try output(node))_\(what)")
    uses[name] = 1
    set(name, .constant(tensor), tensor.elementType)
    return name
  }

  /// LayerNormalization of input + skip + bias, which may be the fourth output.
  private mutating func importSkipNormalization(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let epsilon = try attributes.float("epsilon") ?? 1e-12
    try attributes.finish()
    for position in [1, 2] where position < node.outputs.count && uses[node.outputs[position]] != nil {
      throw .notImportable(node: node.label, reason: "its output \(position) is used")
    }
    let sumName = node.outputs.count > 3 && !node.outputs[3].isEmpty ? node.outputs[3] : nil
    let reads = 1 + (sumName.flatMap { uses[$0] } ?? 0)
    var sum = try made(node, "Add", [node.inputs[0], node.inputs[1]], "sum", reads: has(node, 4) ? 1 : reads)
    if has(node, 4) { sum = try made(node, "Add", [sum, node.inputs[4]], "shifted", reads: reads) }
    if let sumName {
      set(sumName, try value(ONNXNode("", name: "", inputs: [sum], outputs: []), 0), type(node))
    }
    try importNode(
      ONNXNode(
        "LayerNormalization", name: node.name,
        inputs: [sum, node.inputs[2]] + (has(node, 3) ? [node.inputs[3]] : []), outputs: [node.outputs[0]],
        attributes: ["axis": .int(-1), "epsilon": .float(epsilon)], index: node.index))
  }

  /// alpha · A′ · B′, of which the last two axes may be exchanged.
  private mutating func importFusedProduct(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let alpha = try attributes.float("alpha") ?? 1
    let transposes = [
      try attributes.int("transA", default: 0) != 0, try attributes.int("transB", default: 0) != 0,
    ]
    for name in ["transBatchA", "transBatchB"] where try attributes.int(name, default: 0) != 0 {
      throw .unsupportedAttribute(node: node.label, attribute: name, reason: "batches in other places")
    }
    try attributes.finish()
    var inputs = Array(node.inputs.prefix(2))
    for (position, name) in ["left", "right"].enumerated() where transposes[position] {
      let rank: Int
      switch try value(node, position) {
      case .view(let view): rank = view.axes.count
      case .constant(let tensor): rank = tensor.shape.count
      default:
        throw .notImportable(node: node.label, reason: "it multiplies values that cannot be understood")
      }
      guard rank >= 2 else { continue }
      var order = (0..<Int64(rank)).map(\.self)
      order.swapAt(rank - 2, rank - 1)
      inputs[position] = try made(node, "Transpose", [inputs[position]], name, ["perm": .ints(order)])
    }
    guard alpha != 1 else {
      return try importNode(
        ONNXNode("MatMul", name: node.name, inputs: inputs, outputs: node.outputs, index: node.index))
    }
    let product = try made(node, "MatMul", inputs, "product")
    let factor = try held(node, try number(Double(alpha), type(node) ?? .float32, node), "alpha")
    try importNode(
      ONNXNode("Mul", name: node.name, inputs: [product, factor], outputs: node.outputs, index: node.index))
  }

  private func number(_ value: Double, _ type: ElementType, _ node: ONNXNode) throws(ONNXError) -> Tensor {
    do { return try Tensor([value], shape: [1]).converted(to: type).tensor } catch {
      throw .invalid(node: node.label, reason: error.description)
    }
  }

  // MARK: Attention

  /// Softmax(scale · Q · Kᵀ + mask) · V, by ONNX' operator of 23 and later: `[B, L, H·D]` or `[B, H, L, D]`.
  fileprivate mutating func importAttention(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let isCausal = try attributes.int("is_causal", default: 0) != 0
    let given = (try attributes.int("q_num_heads"), try attributes.int("kv_num_heads"))
    let scale = try attributes.float("scale").map(Double.init)
    let softcap = try attributes.float("softcap") ?? 0
    _ = try attributes.int("qk_matmul_output_mode")
    _ = try attributes.int("softmax_precision")
    for name in ["left_window_size", "right_window_size"] where try attributes.int(name, default: -1) != -1 {
      throw .unsupportedAttribute(
        node: node.label, attribute: name,
        reason: "a window of keys; all of them, or those up to a query's own, are known")
    }
    try attributes.finish()
    guard softcap == 0 else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "softcap",
        reason: "scores that a tanh bounds have no place in the canonical model")
    }
    for (position, name) in [(4, "past_key"), (5, "past_value"), (6, "nonpad_kv_seqlen")]
    where has(node, position) {
      throw .notImportable(
        node: node.label,
        reason:
          "its input '\(name)': keys from before, or lengths of them, have no place in the canonical model")
    }
    try refuseOutputs(node)
    let views = try (0..<3).map { (position) throws(ONNXError) in try featureView(node, position) }
    let isFlat = views[0].axes.count == 3
    if isFlat, given.0 == nil || given.1 == nil {
      throw .missingAttribute(node: node.label, attribute: given.0 == nil ? "q_num_heads" : "kv_num_heads")
    }
    let heads =
      isFlat
      ? [given.0!, given.1!, given.1!] : views.map { $0.axes.count > 1 ? $0.places(1) ?? 0 : 0 }
    try attend(
      node, views, heads: heads, scale: scale, isCausal: isCausal, mask: has(node, 3) ? node.inputs[3] : nil)
  }

  private func refuseOutputs(_ node: ONNXNode) throws(ONNXError) {
    for output in node.outputs.dropFirst() where !output.isEmpty && uses[output] != nil {
      throw .notImportable(
        node: node.label, reason: "its output '\(output)', of keys, values or scores, is used")
    }
  }

  /// onnxruntime's: Q, K and V are inputs, a bias is one for all three.
  private mutating func importMultiHeadAttention(_ node: ONNXNode) throws(ONNXError) {
    let (heads, scale, isCausal) = try attentionAttributes(node)
    try refuseInputs(
      node, [4: "key_padding_mask", 6: "past_key", 7: "past_value", 8: "past_sequence_length"])
    guard has(node, 1), has(node, 2) else {
      throw .notImportable(node: node.label, reason: "keys and values packed into its queries")
    }
    var views = try (0..<3).map { (position) throws(ONNXError) in try featureView(node, position) }
    if has(node, 3) {
      let bias = try weight(node, 3, "bias")
      let widths = views.map(\.kind.features)
      guard bias.shape == [widths.reduce(0, +)] else {
        throw .shapeMismatch(
          node: node.label, input: "bias", expected: "[\(widths.reduce(0, +))]", found: bias.shape)
      }
      var first = 0
      for (position, name) in ["q", "k", "v"].enumerated() {
        let part = try held(node, bias.rows(first..<(first + widths[position])), "\(name)_bias")
        let sum = try made(node, "Add", [node.inputs[position], part], name)
        views[position] = try featureView(ONNXNode("", name: node.name, inputs: [sum], outputs: []), 0)
        first += widths[position]
      }
    }
    try attend(
      node, views, heads: [heads, heads, heads], scale: scale, isCausal: isCausal,
      mask: has(node, 5) ? node.inputs[5] : nil)
  }

  /// onnxruntime's: Q, K and V are one product.
  private mutating func importPackedAttention(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    guard try attributes.int("do_rotary", default: 0) == 0 else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "do_rotary", reason: "positions that are rotated")
    }
    let (heads, scale, isCausal) = try attentionAttributes(node)
    try refuseInputs(node, [3: "mask_index", 4: "past", 6: "past_sequence_length"])
    let weights = try weight(node, 1, "weights")
    guard weights.shape.count == 2 else {
      throw .shapeMismatch(node: node.label, input: "weights", expected: "[I, O]", found: weights.shape)
    }
    let all = weights.shape[1]
    let sizes = try attributes.ints("qkv_hidden_sizes") ?? [all / 3, all / 3, all / 3]
    guard sizes.count == 3, sizes.allSatisfy({ $0 > 0 && $0 <= all }), sizes.reduce(0, +) == all else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "qkv_hidden_sizes",
        reason: "\(sizes) are not those of Q, K and V in \(all)")
    }
    let bias = has(node, 2) ? try weight(node, 2, "bias") : nil
    guard bias == nil || bias!.shape == [all] else {
      throw .shapeMismatch(node: node.label, input: "bias", expected: "[\(all)]", found: bias!.shape)
    }
    var views: [View] = []
    var first = 0
    for (position, name) in ["q", "k", "v"].enumerated() {
      let columns = Array(first..<(first + sizes[position]))
      let part = try held(node, try select(weights, 1, columns, node), "\(name)_weight")
      var result = try made(node, "MatMul", [node.inputs[0], part], "\(name)_product")
      if let bias {
        let own = try held(node, bias.rows(first..<(first + sizes[position])), "\(name)_bias")
        result = try made(node, "Add", [result, own], name)
      }
      views.append(try featureView(ONNXNode("", name: node.name, inputs: [result], outputs: []), 0))
      first += sizes[position]
    }
    try attend(
      node, views, heads: [heads, heads, heads], scale: scale, isCausal: isCausal,
      mask: has(node, 5) ? node.inputs[5] : nil)
  }

  /// What both operators of onnxruntime say.
  private func attentionAttributes(
    _ node: ONNXNode
  ) throws(ONNXError) -> (heads: Int, scale: Double?, isCausal: Bool) {
    var attributes = AttributeReader(node)
    guard let heads = try attributes.int("num_heads") else {
      throw .missingAttribute(node: node.label, attribute: "num_heads")
    }
    // 0 asks for the standard.
    let scale = try attributes.float("scale").flatMap { $0 == 0 ? nil : Double($0) }
    let isCausal = try attributes.int("unidirectional", default: 0) != 0
    // Of masks of integers alone, which are refused; and how a cache is kept, of which there is none.
    _ = try attributes.float("mask_filter_value")
    for name in ["past_present_share_buffer", "do_rotary", "rotary_embedding_dim"] {
      _ = try attributes.int(name)
    }
    _ = try attributes.ints("qkv_hidden_sizes")
    try attributes.finish()
    return (heads, scale, isCausal)
  }

  private func refuseInputs(_ node: ONNXNode, _ names: [Int: String]) throws(ONNXError) {
    for (position, name) in names.sorted(by: { $0.key < $1.key }) where has(node, position) {
      throw .notImportable(
        node: node.label,
        reason: name.contains("past")
          ? "its input '\(name)': keys from before have no place in the canonical model"
          : "its input '\(name)' is a mask of integers: booleans, and numbers that are added, can be imported"
      )
    }
    try refuseOutputs(node)
  }

  /// The layer of queries, keys and values, as `[B, L, H·D]` or `[B, H, L, D]`, with as many heads each.
  private mutating func attend(
    _ node: ONNXNode, _ views: [View], heads: [Int], scale: Double?, isCausal: Bool, mask: String?
  ) throws(ONNXError) {
    let isFlat = views[0].axes.count == 3
    var parts: [View] = []
    for (position, view) in views.enumerated() {
      let name = ["Q", "K", "V"][position]
      guard heads[position] > 0, heads[0] % heads[position] == 0, view.kind.features % heads[position] == 0,
        view.axes.count == (isFlat ? 3 : 4)
      else {
        throw .notImportable(
          node: node.label,
          reason: "\(heads[position]) heads of \(name), \(describe(view.axes)), beside \(heads[0])")
      }
      let width = view.kind.features / heads[position]
      var part = isFlat ? sequence(view, timeAxis: 1, node) : view
      part = ordered(part, node)
      if isFlat, part.places(2) == part.kind.features {
        part.axes = [
          part.axes[0], View.normalised([.features(stride: width, count: heads[position])]), part.axes[1],
          View.features(width),
        ]
      }
      guard part.axes.count == 4, part.axes[0] == [.batch] || part.axes[0].isEmpty && isUnbatched,
        part.axes[1] == View.normalised([.features(stride: width, count: heads[position])]),
        part.axes[2] == [.time], part.axes[3] == View.features(width)
      else {
        throw .notImportable(
          node: node.label,
          reason: "its \(name) is \(describe(view.axes)), expected rows, steps and features of the heads")
      }
      if heads[position] < heads[0] {
        // Several heads of queries look at one of keys.
        let gather = FeatureGather([
          .init(count: heads[position], stride: width),
          .init(count: heads[0] / heads[position], stride: 0), .init(count: width, stride: 1),
        ])
        guard let total = checkedProduct([heads[0], width]), total <= ValueKind.mostFeatures else {
          throw .invalid(node: node.label, reason: "\(heads[0]) heads of \(width) features are too many")
        }
        part.value = addBetween(.gather(gather), node, part.value, "shared")
        part.kind = part.kind.with(features: total)
        part.axes[1] = View.normalised([.features(stride: width, count: heads[0])])
      }
      parts.append(part)
    }
    guard parts[0].kind.features == parts[1].kind.features, parts[1].hasSteps(of: parts[2]) else {
      throw .notImportable(
        node: node.label,
        reason: "its queries, keys and values are \(views.map { describe($0.axes) }.joined(separator: ", "))")
    }
    let depth = parts[0].kind.features / heads[0]
    let factor = scale ?? 1 / Double(depth).squareRoot()
    if factor != 1 {
      let constant = try number(factor, type(node) ?? .float32, node)
      parts[0].value = addBetween(
        .arithmetic(Arithmetic(.multiply, constant: constant)), node, parts[0].value, "scaled")
    }
    var scores = Scores(queries: parts[0], keys: parts[1])
    if let mask {
      let reader = ONNXNode("Add", name: node.name, inputs: [mask], outputs: node.outputs, index: node.index)
      let known = try value(reader, 0)
      if case .view(let view) = known, isTruth(view) {
        try show(reader, scores, where: known, holds: true)
      } else if type(reader) == .bool {
        try show(reader, scores, where: known, holds: true)
      } else {
        try addMask(reader, scores, known)
      }
      guard case .scores(let masked)? = values[try output(node)] else { return }
      scores = masked
    }
    scores.isCausal = scores.isCausal || isCausal
    scores.isNormalised = true
    try attend(node, scores, parts[2])
    guard isFlat, case .view(var result)? = values[try output(node)] else { return }
    result.axes = [result.axes[0], result.axes[2], View.features(result.kind.features)]
    try set(node, result)
  }
}
