internal import Recurrent
internal import Tensors

// Comparisons of the model's values, logic with them, and Where by them.
extension ONNXImporter {
  /// A comparison of two values, or of one and a constant; logic of two that are 1 or 0. `isTurned` for the operands the other way round.
  mutating func importComparison(
    _ node: ONNXNode, _ arithmetic: Arithmetic.Operator, isTurned: Bool = false
  ) throws(ONNXError) {
    try AttributeReader(node).finish()
    let isLogic = !arithmetic.isComparison
    for position in 0...1 {
      guard case .view(let view) = try value(node, position) else { continue }
      if view.kind.isInteger {
        throw .notImportable(
          node: node.label, reason: "it computes with integers ('\(node.inputs[position])')")
      }
      if isLogic, !isTruth(view) {
        throw .notImportable(
          node: node.label, reason: "'\(node.inputs[position])' is not known to hold or not")
      }
    }
    switch (try value(node, 0), try value(node, 1)) {
    case (.view(let left), .view(let right)):
      try addBinary(node, arithmetic, isTurned ? right : left, isTurned ? left : right)
    case (.view(let view), .constant(let constant)), (.view(let view), .filled(let constant, _)):
      try addConstant(node, arithmetic, view, numbers(constant, node), constantFirst: isTurned)
    case (.constant(let constant), .view(let view)), (.filled(let constant, _), .view(let view)):
      try addConstant(node, arithmetic, view, numbers(constant, node), constantFirst: !isTurned)
    default:
      throw .notImportable(node: node.label, reason: "it compares values that cannot be understood")
    }
    elementTypes[try output(node)] = .bool
  }

  /// What holds is 1, in the canonical model.
  private func numbers(_ constant: Tensor, _ node: ONNXNode) throws(ONNXError) -> Tensor {
    if constant.elementType.isFloat { return constant }
    guard constant.elementType == .bool, let floats = try? constant.converted(to: .float32).tensor else {
      throw .wrongElementType(node: node.label, input: "constant", found: constant.elementType)
    }
    return floats
  }

  /// 1 where it is 0.
  mutating func importNot(_ node: ONNXNode) throws(ONNXError) {
    try AttributeReader(node).finish()
    let view = try featureView(node, 0)
    guard isTruth(view) else {
      throw .notImportable(node: node.label, reason: "'\(node.inputs[0])' is not known to hold or not")
    }
    let zero = Tensor([0] as [Float], shape: [1])
    try apply(.arithmetic(Arithmetic(.equal, constant: zero)), to: view, node)
  }

  mutating func importChoice(_ node: ONNXNode) throws(ONNXError) {
    try AttributeReader(node).finish()
    if try importMasking(node) { return }
    var condition = try featureView(node, 0)
    guard isTruth(condition) else {
      throw .notImportable(node: node.label, reason: "'\(node.inputs[0])' is not known to hold or not")
    }
    func refuse(_ reason: String) -> ONNXError { .notImportable(node: node.label, reason: reason) }
    // The operands: values, which have one arrangement with the condition, or constants.
    var views: [View?] = [nil, nil]
    for position in 1...2 {
      guard case .view(let view) = try value(node, position) else { continue }
      guard !view.kind.isInteger, let (left, right) = broadcast(condition, view, node) else {
        throw refuse("it chooses \(describe(view.axes)) by \(describe(condition.axes))")
      }
      (condition, views[position - 1]) = (left, right)
    }
    // A condition that grew by the second operand: the first one grows with it.
    if let first = views[0],
      first.kind.features != condition.kind.features || first.axes.count != condition.axes.count
    {
      guard let (left, right) = broadcast(condition, first, node) else {
        throw refuse("it chooses between values that have no arrangement in common")
      }
      (condition, views[0]) = (left, right)
    }
    var constants: [Tensor?] = [nil, nil]
    for position in 1...2 where views[position - 1] == nil {
      let constant: Tensor
      switch try value(node, position) {
      case .constant(let tensor), .filled(let tensor, _): constant = tensor
      default: throw refuse("it chooses values that cannot be understood")
      }
      guard constant.elementType.isFloat else {
        throw .wrongElementType(
          node: node.label, input: position == 1 ? "X" : "Y", found: constant.elementType)
      }
      // The same everywhere, as `full_like` makes it of fixed sizes.
      let numbers = constant.count <= 1 << 20 ? constant.doubles : []
      if let first = numbers.first, numbers.allSatisfy({ $0 == first }) {
        constants[position - 1] = try reshape(
          reshape(constant, [constant.count], node).rows(0..<1), [1], node)
      } else if condition.endsInFeatures, let vector = constant.asVector(of: condition.kind.features) {
        constants[position - 1] = vector
      } else {
        throw refuse("a constant of shape \(constant.shape) beside \(describe(condition.axes))")
      }
    }
    let all = [condition] + views.compactMap { $0 }
    guard all.allSatisfy({ $0.kind.features == condition.kind.features }) else {
      throw refuse("it chooses between values that have no arrangement in common")
    }
    var result = all.first { $0.kind.hasTime } ?? condition
    for view in all { result.axes = zip(result.axes, view.axes).map { $0.isEmpty ? $1 : $0 } }
    result.value = add(
      .choice(Choice(first: constants[0], second: constants[1])), node, inputs: all.map(\.value),
      output: try output(node))
    set(try output(node), .view(result), type(node, 1))
  }

  /// Whether a value is known to be 1 or 0.
  func isTruth(_ view: View) -> Bool { truths.contains(view.value) }

  /// Whether a layer of these inputs makes nothing but 1 and 0: a comparison, and what is picked or put together of such.
  func makesTruth(_ operation: Layer.Operation, _ inputs: [String?]) -> Bool {
    func areTruths(_ some: some Sequence<String?>) -> Bool {
      some.allSatisfy { $0.map(truths.contains) ?? false }
    }
    switch operation {
    case .arithmetic(let arithmetic) where arithmetic.operator.isComparison: return true
    case .arithmetic(let arithmetic) where [.maximum, .minimum].contains(arithmetic.operator):
      return areTruths(inputs) && arithmetic.constant?.doubles.allSatisfy { $0 == 0 || $0 == 1 } ?? true
    case .concat: return areTruths(inputs)
    case .gather, .slice, .unfold, .fold, .reverse, .dropout, .select(.step), .select(.lastValid):
      return areTruths(inputs.prefix(1))
    case .recurrent, .embedding, .dense, .convolution, .pool, .transposedConvolution, .resize, .padding,
      .reduce, .timeSoftmax, .repeated, .stepPacking, .cumulativeSum, .attention, .activation, .softmax,
      .logSoftmax,
      .layerNormalization,
      .batchNormalization, .normalization, .select, .arithmetic, .choice, .constant, .argMax, .generate:
      return false
    }
  }
}

extension ONNXExporter {
  /// As numbers: behind a Cast.
  mutating func exportComparison(_ layer: Layer, _ arithmetic: Arithmetic) throws(ONNXError) {
    let since: Int64 = arithmetic.operator == .notLess ? 12 : arithmetic.operator == .equal ? 11 : 7
    guard opset >= since else {
      throw .notExpressible(
        layer: layer.name,
        reason: "\(arithmetic.operator.onnxName) needs opset \(since) or newer, not \(opset)")
    }
    try exportArithmetic(layer, arithmetic)
    guard let value = output(layer, 0), let holder = holders[value]?.all.last else { return }
    holders[value] = Holders()
    hold(value, cast(holder.name, computeType), holder.axes)
  }

  mutating func exportChoice(_ layer: Layer, _ choice: Choice) throws(ONNXError) {
    guard opset >= 9 else {
      throw .notExpressible(layer: layer.name, reason: "Where needs opset 9 or newer, not \(opset)")
    }
    let made = output(layer, 0).flatMap { kinds[$0] } ?? kinds[layer.inputs[0]!]!
    // Each as its own kind has it: a vector beside a sequence is repeated by ONNX.
    var names = try layer.inputs.map { (value) throws(ONNXError) in
      try materialise(value!, View.canonicalAxes(kinds[value!]!), layer.name)
    }
    names[0] = cast(names[0], .bool)
    var operands = names.dropFirst()
    for (position, constant) in [choice.first, choice.second].enumerated() {
      guard let constant else { continue }
      let name = try weight(constant, as: "\(layer.name)_\(position == 0 ? "first" : "second")")
      operands.insert(name, at: operands.startIndex + position)
    }
    let name = add("Where", [names[0]] + operands, as: result(layer), name: layer.name)
    hold(output(layer, 0), name, View.canonicalAxes(made))
  }
}
