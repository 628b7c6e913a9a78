internal import Recurrent
internal import Tensors

extension ONNXImporter {
  /// Interprets one node; its inputs were interpreted before.
  mutating func importNode(_ node: ONNXNode) throws(ONNXError) {
    guard node.domain.isEmpty else {
      throw .unknownOperator(
        node: node.label, domain: node.domain,
        hint: "; export the model again without custom or quantised operators")
    }
    if try foldConstants(node) { return }
    if try importSizes(node) { return }
    if try importFilled(node) { return }
    if try importWrapping(node) { return }
    switch node.operation {
    case "RNN", "LSTM", "GRU": try importRecurrent(node)
    case "Scan":
      guard let scan = ProjectedLSTM(node, opset: opset, gates: gates.lstm) else {
        throw .notImportable(node: node.label, reason: "it is no LSTM with projection as rnnconv writes it")
      }
      try importProjected(node, scan)
    case "Loop":
      guard let loop = GeneratedLoop(node) else {
        throw .notImportable(node: node.label, reason: "it is no generating loop as rnnconv writes it")
      }
      try importGenerate(node, loop)
    case "Transpose": try importTranspose(node)
    case "Reshape": try importReshape(node)
    case "Flatten": try importFlatten(node)
    case "Squeeze": try importSqueeze(node)
    case "Unsqueeze": try importUnsqueeze(node)
    case "Expand": try importExpand(node)
    case "Tile":
      let view = try view(node, 0)
      throw .notImportable(
        node: node.label, reason: "it repeats \(describe(view.axes)): \(Self.repeating)")
    case "Identity": try alias(node)
    case "Cast": try importCast(node)
    case "Gather": try importGather(node)
    case "GatherElements": try importGatherElements(node)
    case "Slice": try importSlice(node)
    case "Split": try importSplit(node)
    case "Concat": try importConcat(node)
    case "ReverseSequence": try importReverse(node)
    case "ReduceMean", "ReduceMax": try importReduction(node)
    case "ArgMax": try importArgMax(node)
    case "MatMul": try importMatMul(node)
    case "Gemm": try importGemm(node)
    case "Add", "Sub", "Mul", "Div": try importArithmetic(node)
    case "Dropout": try importDropout(node)
    case "Softmax", "LogSoftmax": try importSoftmax(node)
    default:
      guard let activation = try pointwise(node) else {
        throw .unknownOperator(
          node: node.label, domain: "",
          hint:
            "; supported are RNN, LSTM, GRU and the operators that exporters put around them (docs/onnx.md)")
      }
      try importPointwise(node, activation)
    }
  }

  /// The view that input `position` must be.
  func view(_ node: ONNXNode, _ position: Int) throws(ONNXError) -> View {
    switch try value(node, position) {
    case .view(let view): return view
    case .unbound:
      throw .graphInput(
        node.inputs[position],
        reason:
          "what its axes mean cannot be told: node \(node.label) reads it, and no recurrent operator follows in "
          + "a way that can be traced")
    case .constant, .sizes, .filled, .mask:
      throw .notImportable(
        node: node.label, reason: "its input '\(node.inputs[position])' does not depend on the model's inputs"
      )
    }
  }

  func value(_ node: ONNXNode, _ position: Int) throws(ONNXError) -> ImportedValue {
    guard position < node.inputs.count, !node.inputs[position].isEmpty else {
      throw .missingInput(node: node.label, input: "\(position)")
    }
    guard let value = values[node.inputs[position]] else {
      throw .unknownValue(node: node.label, value: node.inputs[position])
    }
    return value
  }

  /// Whether an optional input is there.
  func has(_ node: ONNXNode, _ position: Int) -> Bool {
    position < node.inputs.count && !node.inputs[position].isEmpty
  }

  /// A constant input, or a graph input whose numbers the caller gave.
  mutating func weight(_ node: ONNXNode, _ position: Int, _ name: String) throws(ONNXError) -> Tensor {
    switch try value(node, position) {
    case .constant(let tensor): return tensor
    case .unbound:
      let input = node.inputs[position]
      guard let tensor = bindings[input] else {
        throw .unboundWeight(node: node.label, input: name, value: input)
      }
      return tensor
    case .view, .sizes, .filled, .mask:
      throw .notImportable(
        node: node.label,
        reason: "its weight '\(name)' ('\(node.inputs[position])') is computed from the inputs")
    }
  }

  /// Integers known now, such as axes.
  func integers(_ node: ONNXNode, _ position: Int, _ name: String) throws(ONNXError) -> [Int] {
    guard case .constant(let tensor) = try value(node, position) else {
      throw .notImportable(node: node.label, reason: "its input '\(name)' is not a constant")
    }
    guard let values = try? tensor.integers() else {
      throw .wrongElementType(node: node.label, input: name, found: tensor.elementType)
    }
    return values.map { Int(bounded: $0) }
  }

  func axis(_ axis: Int, rank: Int, _ node: ONNXNode) throws(ONNXError) -> Int {
    let position = axis < 0 ? axis + rank : axis
    guard (0..<rank).contains(position) else {
      throw .invalid(node: node.label, reason: "axis \(axis) of a tensor with \(rank) axes")
    }
    return position
  }

  func output(_ node: ONNXNode) throws(ONNXError) -> String {
    guard let name = node.outputs.first, !name.isEmpty else {
      throw .invalid(node: node.label, reason: "it has no output")
    }
    return name
  }

  /// The element type that the graph gives an input. That of a constant may be wider than the bits kept for it.
  func type(_ node: ONNXNode, _ position: Int = 0) -> ElementType? {
    let name = node.inputs[position]
    if let type = elementTypes[name] { return type }
    switch values[name] {
    case .constant(let tensor)?, .filled(let tensor, _)?: return tensor.elementType
    default: return nil
    }
  }

  mutating func set(_ node: ONNXNode, _ view: View) throws(ONNXError) {
    set(try output(node), .view(view), type(node))
  }

  /// The output is the input under the same or another arrangement.
  mutating func alias(_ node: ONNXNode) throws(ONNXError) {
    let attributes = AttributeReader(node)
    try attributes.finish()
    set(try output(node), try value(node, 0), type(node))
  }

  // MARK: Pointwise

  /// The activation that a pointwise operator computes; nil for other operators. Defaults are the specification's.
  private mutating func pointwise(_ node: ONNXNode) throws(ONNXError) -> Activation? {
    var attributes = AttributeReader(node)
    func value(_ name: String, _ standard: Float) throws(ONNXError) -> Double {
      Double(try attributes.float(name) ?? standard)
    }
    let activation: Activation
    switch node.operation {
    case "Tanh": activation = .tanh
    case "Sigmoid": activation = .sigmoid
    case "Relu": activation = .relu
    case "LeakyRelu": activation = Activation(.leakyRelu, alpha: try value("alpha", 0.01))
    case "Elu": activation = Activation(.elu, alpha: try value("alpha", 1))
    case "ThresholdedRelu": activation = Activation(.thresholdedRelu, alpha: try value("alpha", 1))
    case "HardSigmoid":
      activation = Activation(.hardSigmoid, alpha: try value("alpha", 0.2), beta: try value("beta", 0.5))
    case "Softsign": activation = Activation(.softsign)
    case "Softplus": activation = Activation(.softplus)
    case "Gelu":
      let approximation = try attributes.string("approximate") ?? "none"
      guard approximation == "none" else {
        throw .unsupportedAttribute(
          node: node.label, attribute: "approximate", reason: "only the exact Gelu can be imported")
      }
      activation = Activation(.gelu)
      if opset < 20 {
        // Written out (`FusedActivations`), with a √2 that its type has rounded.
        note(
          node.label, .rounded, "Gelu, written out with √2 rounded to \(type(node)?.rawValue ?? "F32")",
          roundedTo: type(node) ?? .float32)
      }
    case "Swish":
      guard try attributes.float("alpha") ?? 1 == 1 else {
        throw .unsupportedAttribute(node: node.label, attribute: "alpha", reason: "only 1 can be imported")
      }
      activation = Activation(.silu)
    default: return nil
    }
    try attributes.finish()
    return try finite(activation, "alpha", node)
  }

  /// A model's numbers are numbers: what α = ∞ or NaN computes is no function.
  func finite(_ activation: Activation, _ attribute: String, _ node: ONNXNode) throws(ONNXError) -> Activation
  {
    guard activation.alpha.isFinite, activation.beta.isFinite else {
      throw .unsupportedAttribute(
        node: node.label, attribute: attribute, reason: "\(activation): α and β must be finite")
    }
    return activation
  }

  private mutating func importPointwise(_ node: ONNXNode, _ activation: Activation) throws(ONNXError) {
    var view = try featureView(node, 0)
    view.value = add(.activation(activation), node, inputs: [view.value], output: try output(node))
    note(layers[layers.count - 1].name, .exact, activation.description)
    try set(node, view)
  }

  private mutating func importDropout(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    var ratio = Double(try attributes.float("ratio") ?? 0.5)
    _ = try attributes.int("seed")
    try attributes.finish()
    if has(node, 1) { ratio = try scalar(node, 1, "ratio") }
    if has(node, 2), try scalar(node, 2, "training_mode") != 0 {
      throw .notImportable(node: node.label, reason: "training_mode is on: export the model for inference")
    }
    if node.outputs.count > 1, uses[node.outputs[1]] != nil {
      throw .notImportable(node: node.label, reason: "its mask output is used")
    }
    var view = try featureView(node, 0)
    view.value = add(.dropout(ratio: ratio), node, inputs: [view.value], output: try output(node))
    try set(node, view)
  }

  private mutating func importSoftmax(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    // Softmax-13: one axis, the last by default. Before: all axes from axis 1 on, as one.
    let standard = opset >= 13 ? -1 : 1
    let wanted = try attributes.int("axis", default: standard)
    try attributes.finish()
    var view = try featureView(node, 0)
    let axis = try axis(wanted, rank: view.axes.count, node)
    let reaches = opset >= 13 ? view.axes[axis] : Array(view.axes[axis...].joined())
    guard View.normalised(reaches) == View.features(view.kind.features) else {
      throw .notImportable(
        node: node.label,
        reason: "it normalises axis \(axis) of \(describe(view.axes)), which is not that of the features")
    }
    view.value = add(
      node.operation == "Softmax" ? .softmax : .logSoftmax, node, inputs: [view.value],
      output: try output(node))
    try set(node, view)
  }

  /// A view of floats.
  func featureView(_ node: ONNXNode, _ position: Int) throws(ONNXError) -> View {
    let view = try view(node, position)
    guard !view.kind.isInteger else {
      throw .notImportable(node: node.label, reason: "it computes with integers ('\(node.inputs[position])')")
    }
    return view
  }

  private func scalar(_ node: ONNXNode, _ position: Int, _ name: String) throws(ONNXError) -> Double {
    guard case .constant(let tensor) = try value(node, position), tensor.count == 1 else {
      throw .notImportable(node: node.label, reason: "its input '\(name)' is not a constant number")
    }
    return tensor.doubles[0]
  }

  /// Cast takes bfloat16 since opset 13.
  func checkCast(_ node: ONNXNode, _ target: ElementType) throws(ONNXError) {
    guard opset < 13, target == .bfloat16 || type(node) == .bfloat16 else { return }
    throw .invalid(node: node.label, reason: "Cast takes bfloat16 since opset 13, and this is opset \(opset)")
  }

  private mutating func importCast(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let code = try attributes.int("to")
    _ = try attributes.int("saturate")
    _ = try attributes.string("round_mode")
    try attributes.finish()
    guard let code, let target = ONNXDataType.elementType(Int32(clamping: code)) else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "to", reason: "unknown or missing element type")
    }
    try checkCast(node, target)
    let view = try view(node, 0)
    guard view.kind.isInteger != target.isFloat else {
      throw .notImportable(node: node.label, reason: "it turns \(view.kind) into \(target.rawValue)")
    }
    if let source = type(node), target.isFloat, target.unitRoundoff > source.unitRoundoff {
      note(
        node.label, .rounded,
        "a cast from \(source.rawValue) to \(target.rawValue) is left out: not rounded there",
        roundedTo: target)
    }
    set(try output(node), .view(view), target)
  }
}
