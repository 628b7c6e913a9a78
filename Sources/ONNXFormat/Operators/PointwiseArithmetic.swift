internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let arithmetic: [ONNXOperator] = Arithmetic.Operator.allCases.filter { !$0.isComparison }.map {
    arithmetic in
    ONNXOperator(
      arithmetic.onnxName, trace: { $0.all($1, $2) },
      fold: { (importer, node, tensors) throws(ONNXError) in
        guard tensors.count == 2 || arithmetic.isOfAny && !tensors.isEmpty else {
          throw .missingInput(node: node.label, input: "1")
        }
        var result = tensors[0]
        for tensor in tensors.dropFirst() {
          guard let next = try importer.fold(arithmetic, result, tensor, node) else { return .open }
          result = next
        }
        return .tensor(result)
      },
      onSizes: { (importer, node) throws(ONNXError) in try importer.sizesArithmetic(arithmetic, node) },
      interpret: { (importer, node) throws(ONNXError) in
        if arithmetic.isOfAny, node.inputs.count != 2 {
          try importer.importChain(arithmetic, node)
        } else {
          try importer.importArithmetic(arithmetic, node)
        }
      })
  }
}

extension ONNXImporter {
  /// Max and Min of one input, which is what they give, or of many, pair by pair: those that depend on the model's inputs first.
  fileprivate mutating func importChain(_ arithmetic: Arithmetic.Operator, _ node: ONNXNode) throws(ONNXError)
  {
    try AttributeReader(node).finish()
    let last = try output(node)
    func isView(_ input: String) -> Bool { if case .view? = values[input] { true } else { false } }
    let inputs = node.inputs.filter(isView) + node.inputs.filter { !isView($0) }
    guard let first = inputs.first, inputs.count > 1 else { return try set(node, featureView(node, 0)) }
    var result = first
    for (position, input) in inputs.enumerated().dropFirst() {
      let made = position == inputs.count - 1 ? last : uniqueValue("\(last)_\(position)")
      try importArithmetic(
        arithmetic,
        ONNXNode(
          node.operation, name: node.name, inputs: [result, input], outputs: [made], index: node.index))
      result = made
    }
  }

  fileprivate mutating func importArithmetic(_ arithmetic: Arithmetic.Operator, _ node: ONNXNode)
    throws(ONNXError)
  {
    let attributes = AttributeReader(node)
    try attributes.finish()
    switch (try value(node, 0), try value(node, 1)) {
    case (.view(let left), .view(let right)): try addBinary(node, arithmetic, left, right)
    case (.view(let view), .constant(let constant)), (.view(let view), .filled(let constant, _)):
      try addConstant(node, arithmetic, view, constant, constantFirst: false)
    case (.constant(let constant), .view(let view)), (.filled(let constant, _), .view(let view)):
      try addConstant(node, arithmetic, view, constant, constantFirst: true)
    case (.scores(let scores), .constant(let constant)) where arithmetic != .add || constant.count == 1:
      try scale(node, scores, arithmetic, constant, constantFirst: false)
    case (.constant(let constant), .scores(let scores)) where arithmetic != .add || constant.count == 1:
      try scale(node, scores, arithmetic, constant, constantFirst: true)
    case (.scores(let scores), let other) where arithmetic == .add,
      (let other, .scores(let scores)) where arithmetic == .add:
      try addMask(node, scores, other)
    case (.view(let view), .unbound):
      try addConstant(node, arithmetic, view, try weight(node, 1, "B"), constantFirst: false)
    case (.unbound, .view(let view)):
      try addConstant(node, arithmetic, view, try weight(node, 0, "A"), constantFirst: true)
    default:
      throw .notImportable(node: node.label, reason: "it computes with values that cannot be understood")
    }
  }

  mutating func addBinary(
    _ node: ONNXNode, _ arithmetic: Arithmetic.Operator, _ left: View, _ right: View
  ) throws(ONNXError) {
    guard !left.kind.isInteger, !right.kind.isInteger, let (a, b) = broadcast(left, right, node) else {
      throw .notImportable(
        node: node.label,
        reason:
          "it combines \(describe(left.axes)) and \(describe(right.axes)), which have no arrangement in common"
      )
    }
    var result = a.kind.hasTime || !b.kind.hasTime ? a : b
    result.axes = zip(a.axes, b.axes).map { $0.isEmpty ? $1 : $0 }
    result.value = add(
      .arithmetic(arithmetic, constant: nil, constantFirst: false), node, inputs: [a.value, b.value],
      output: try output(node))
    try set(node, result)
  }

  mutating func addConstant(
    _ node: ONNXNode, _ arithmetic: Arithmetic.Operator, _ view: View, _ constant: Tensor,
    constantFirst: Bool
  ) throws(ONNXError) {
    if view.kind.isInteger {
      // lengths − 1, on the way to a row's last valid step.
      guard constant.count == 1, let number = try? constant.integers()[0], !constantFirst,
        arithmetic == .add || arithmetic == .subtract
      else { throw .notImportable(node: node.label, reason: "it computes with integers") }
      var shifted = view
      let shift = arithmetic == .add ? Int(bounded: number) : -Int(bounded: number)
      let (offset, overflow) = shifted.offset.addingReportingOverflow(shift)
      guard !overflow else { throw .invalid(node: node.label, reason: "\(number) overflows") }
      shifted.offset = offset
      return try set(node, shifted)
    }
    guard constant.elementType.isFloat else {
      throw .wrongElementType(node: node.label, input: "constant", found: constant.elementType)
    }
    guard arithmetic != .prelu || !constantFirst else {
      throw .notImportable(
        node: node.label, reason: "it makes slopes of the model's values, of a constant input")
    }
    let features = view.kind.features
    var view = view
    // Missing axes are in front, and of size 1.
    while view.axes.count < constant.shape.count { view.axes.insert([], at: 0) }
    if constant.count == 1, features != 1 {
      // One number, of as many elements.
      let number = try! constant.reshaped([1])
      if foldIntoNormalization(node, arithmetic, view, number, channel: 1) {
        return try set(node, renamed(view, node))
      }
      return try apply(
        .arithmetic(arithmetic, constant: number, constantFirst: constantFirst), to: view, node)
    }
    if let vector = overGroups(constant, view),
      foldIntoNormalization(node, arithmetic, view, vector, channel: 1)
    {
      return try set(node, renamed(view, node))
    }
    if view.endsInFeatures, let vector = constant.asVector(of: features) {
      if arithmetic == .add, foldBias(node, view, vector) { return try set(node, renamed(view, node)) }
      if foldIntoNormalization(node, arithmetic, view, vector, channel: 1) {
        return try set(node, renamed(view, node))
      }
      return try apply(
        .arithmetic(arithmetic, constant: vector, constantFirst: constantFirst), to: view, node)
    }
    guard let (source, vector, inner) = spread(constant, over: view, node) else {
      throw .notImportable(
        node: node.label,
        reason:
          "a constant of shape \(constant.shape) cannot be applied to the features of \(describe(view.axes))")
    }
    if arithmetic == .add, foldBias(node, source, vector, inner: inner) {
      return try set(node, renamed(source, node))
    }
    if source.value == view.value, foldIntoNormalization(node, arithmetic, source, vector, channel: inner) {
      return try set(node, renamed(source, node))
    }
    try apply(
      .arithmetic(Arithmetic(arithmetic, constant: vector, inner: inner, constantFirst: constantFirst)),
      to: source, node)
  }

  /// A constant that varies along axes of features alone, as a number for each feature, or for each channel of `inner` of them.
  private mutating func spread(
    _ constant: Tensor, over view: View, _ node: ONNXNode
  ) -> (View, Tensor, inner: Int)? {
    let shape = [Int](repeating: 1, count: max(view.axes.count - constant.shape.count, 0)) + constant.shape
    guard shape.count == view.axes.count else { return nil }
    let places = view.axes.indices.map { view.places($0) }
    for (size, count) in zip(shape, places) where size != 1 {
      // Of a view's axis of size 1 the constant would make more.
      guard let count, size == count else { return nil }
    }
    // Beside rows, too: there a constant is the same at all places.
    let counts = view.axes.map { axis in
      axis.reduce(1) { if case .features(_, let count) = $1 { $0 * count } else { $0 } }
    }
    let source = ordered(view, node)
    let varying = shape.indices.filter { shape[$0] != 1 }
    guard let first = varying.first, let last = varying.last else { return nil }
    let inner = counts[(last + 1)...].reduce(1, *)
    let outer = counts[..<first].reduce(1, *)
    if outer == 1, (first...last).allSatisfy({ shape[$0] == counts[$0] }),
      let vector = try? constant.reshaped([constant.count])
    {
      return (source, vector, inner)
    }
    // Repeated where it must be, up to a number for each feature.
    guard let all = constant.repeated(shape: shape, to: counts) else { return nil }
    return (source, all, 1)
  }

  private func renamed(_ view: View, _ node: ONNXNode) throws(ONNXError) -> View {
    var view = view
    view.value = try output(node)
    return view
  }

  /// Makes `dense(x) + b` one Dense with a bias, where nothing else reads the product; the same of a convolution's channels.
  private mutating func foldBias(_ node: ONNXNode, _ view: View, _ bias: Tensor, inner: Int = 1) -> Bool {
    guard let last = layers.lastIndex(where: { $0.outputs.contains(view.value) }),
      let output = node.outputs.first
    else { return false }
    let operation: Layer.Operation
    switch layers[last].operation {
    case .dense(let dense)
    where dense.bias == nil && inner == 1 && bias.shape == [dense.weight.shape[0]]
      && bias.elementType == dense.weight.elementType:
      operation = .dense(weight: dense.weight, bias: bias)
    case .convolution(var convolution)
    where convolution.bias == nil && inner == convolution.axes.results()
      && bias.shape == [convolution.weight.shape[0]] && bias.elementType == convolution.weight.elementType:
      convolution.bias = bias
      operation = .convolution(convolution)
    case .transposedConvolution(var convolution)
    where convolution.bias == nil && bias.shape == [convolution.outputs]
      && inner == convolution.axes.reduce(1) { $0 * ($1.size.map($1.places) ?? 1) }
      && bias.elementType == convolution.weight.elementType:
      convolution.bias = bias
      operation = .transposedConvolution(convolution)
    default: return false
    }
    guard readers(of: view.value) == 1 else { return false }
    layers[last].operation = operation
    layers[last].outputs = [output]
    return true
  }

  /// How many nodes and graph outputs read a canonical value, through whatever rearrangement.
  func readers(of value: String) -> Int {
    let aliases = values.compactMap { name, known -> String? in
      if case .view(let view) = known, view.value == value { name } else { nil }
    }
    // Each alias but the last of a chain is read by the rearrangement that makes the next.
    return aliases.reduce(0) { $0 + (uses[$1] ?? 0) } - (aliases.count - 1)
  }

  /// Arithmetic on two constants, which are broadcast.
  fileprivate mutating func fold(
    _ operation: Arithmetic.Operator, _ left: Tensor, _ right: Tensor, _ node: ONNXNode
  ) throws(ONNXError) -> Tensor? {
    guard left.elementType == right.elementType else {
      throw .invalid(
        node: node.label,
        reason: "it combines constants of \(left.elementType.rawValue) and \(right.elementType.rawValue)")
    }
    if !left.elementType.isFloat {
      let both = try aligned(node, [left, right])
      guard let a = try? both[0].integers(), let b = try? both[1].integers() else { return nil }
      var values: [Int64] = []
      for (x, y) in zip(a, b) {
        let (value, failed): (Int64, Bool)
        switch operation {
        case .add: (value, failed) = x.addingReportingOverflow(y)
        case .subtract: (value, failed) = x.subtractingReportingOverflow(y)
        case .multiply: (value, failed) = x.multipliedReportingOverflow(by: y)
        case .divide: (value, failed) = x.dividedReportingOverflow(by: y)
        case .maximum: (value, failed) = (max(x, y), false)
        case .minimum: (value, failed) = (min(x, y), false)
        case .prelu: (value, failed) = x < 0 ? x.multipliedReportingOverflow(by: y) : (x, false)
        // Of constants: with what is made of sizes (Choice.swift).
        case .greater, .notLess, .equal: return nil
        }
        guard !failed else {
          throw .invalid(node: node.label, reason: "\(x) \(operation.onnxName) \(y) overflows")
        }
        values.append(value)
      }
      return Tensor(values, shape: both[0].shape)
    }
    let (values, shape) = try paired(node, [left, right]) { x, y in
      switch operation {
      case .add: return x + y
      case .subtract: return x - y
      case .multiply: return x * y
      case .divide: return x / y
      case .maximum: return y > x || y.isNaN ? y : x
      case .minimum: return y < x || y.isNaN ? y : x
      case .prelu: return x < 0 ? y * x : x
      case .greater: return x > y ? 1 : 0
      case .notLess: return x >= y ? 1 : 0
      case .equal: return x == y ? 1 : 0
      }
    }
    note(
      node.label, .rounded,
      "arithmetic on constants, as the file says: computed once, in \(left.elementType.rawValue)",
      roundedTo: left.elementType)
    return try? Tensor(values, shape: shape).converted(to: left.elementType).tensor
  }

  fileprivate mutating func sizesArithmetic(_ arithmetic: Arithmetic.Operator, _ node: ONNXNode)
    throws(ONNXError) -> ImportedValue?
  {
    let (first, isScalar) = try sizes(node, 0, "0")
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
      guard let value = arithmetic.applied(a, b) else {
        throw .notImportable(
          node: node.label, reason: "it computes a size that is neither fixed nor a product")
      }
      computed.append(value)
    }
    return .sizes(computed, isScalar: isScalar && secondIsScalar)
  }
}

extension Arithmetic.Operator {
  /// The operator's name.
  var onnxName: String {
    switch self {
    case .add: "Add"
    case .subtract: "Sub"
    case .multiply: "Mul"
    case .divide: "Div"
    case .maximum: "Max"
    case .minimum: "Min"
    case .prelu: "PRelu"
    case .greater: "Greater"
    case .notLess: "GreaterOrEqual"
    case .equal: "Equal"
    }
  }

  /// Whether the operator takes any number of inputs.
  fileprivate var isOfAny: Bool { self == .maximum || self == .minimum }

  /// Of two sizes, where that is a number or a product.
  fileprivate func applied(_ a: Size, _ b: Size) -> Size? {
    switch self {
    case .multiply:
      // No tensor has so many axes; without a bound, squaring a size again and again would not end.
      let product = a * b
      return product.times + product.batches <= 8 ? product : nil
    case .divide:
      // Of integers, towards zero.
      if let x = a.known, let y = b.known, y > 0 { return .known(x / y) }
      return a / b
    case .add, .subtract:
      guard let x = a.known, let y = b.known else { return nil }
      let (sum, overflow) = self == .add ? x.addingReportingOverflow(y) : x.subtractingReportingOverflow(y)
      return overflow ? nil : .known(sum)
    case .maximum, .minimum:
      guard let x = a.known, let y = b.known else { return nil }
      return .known(self == .maximum ? max(x, y) : min(x, y))
    case .prelu, .greater, .notLess, .equal: return nil
    }
  }
}

extension Tensor {
  /// The tensor as `[count]` where its shape is `[…1, count]`, or one number repeated: not for a count that only
  /// somebody's declaration makes large.
  func asVector(of count: Int) -> Tensor? {
    guard shape.dropLast().allSatisfy({ $0 == 1 }), elementType.isFloat else { return nil }
    if self.count == count { return try? reshaped([count]) }
    if self.count == 1, count <= 1 << 24 { return try? picked(shape: [count]) { _ in 0 } }
    return nil
  }
}

extension ONNXExporter {
  mutating func exportArithmetic(
    _ layer: Layer, _ arithmetic: Arithmetic
  ) throws(ONNXError) {
    let operation = arithmetic.operator.onnxName
    // Before it the operands of Max and Min have one shape.
    guard opset >= 8 || !arithmetic.operator.isOfAny || arithmetic.constant == nil
    else {
      throw .notExpressible(layer: layer.name, reason: "\(operation) of a constant needs opset 8 or newer")
    }
    if arithmetic.operator == .multiply, let constant = arithmetic.constant, constant.count == 1,
      constant.doubles[0] == -1, constant.elementType == computeType
    {
      let holder = anyHolder(layer.inputs[0]!)
      return hold(
        output(layer, 0), add("Neg", [holder.name], as: result(layer), name: layer.name), holder.axes)
    }
    guard let constant = arithmetic.constant else {
      let (first, second) = (layer.inputs[0]!, layer.inputs[1]!)
      if kinds[first]!.hasTime != kinds[second]!.hasTime {
        // [B, F] beside [T, B, F]: ONNX repeats it.
        let names = try [first, second].map { (value) throws(ONNXError) in
          try materialise(value, View.canonicalAxes(kinds[value]!), layer.name)
        }
        let name = add(operation, names, as: result(layer), name: layer.name)
        return hold(output(layer, 0), name, View.canonicalAxes(kinds[output(layer, 0)!]!))
      }
      let left = anyHolder(first)
      let right = try materialise(second, left.axes, layer.name)
      return hold(
        output(layer, 0), add(operation, [left.name, right], as: result(layer), name: layer.name), left.axes)
    }
    let (inner, count) = (arithmetic.inner, constant.count)
    let holder: Holder
    if inner != 1 {
      // [C, 1] beside [… C, inner].
      let axes = stepwise(kinds[layer.inputs[0]!]!, [count, inner])
      holder = Holder(name: try materialise(layer.inputs[0]!, axes, layer.name), axes: axes)
    } else {
      holder = count == 1 ? anyHolder(layer.inputs[0]!) : try endingInFeatures(layer.inputs[0]!)
    }
    let other = try weight(
      inner == 1 ? constant : try! constant.reshaped([count, 1]), as: "\(layer.name)_constant")
    let name = add(
      operation, arithmetic.constantFirst ? [other, holder.name] : [holder.name, other], as: result(layer),
      name: layer.name)
    hold(output(layer, 0), name, holder.axes)
  }
}

extension Tensor {
  /// A constant of axes that are of size 1 or as `target` has them, as `[product of target]`; nil where that would be much larger.
  fileprivate func repeated(shape: [Int], to target: [Int]) -> Tensor? {
    guard let total = checkedProduct(target), total <= max(count, 1 << 16) * 16 else { return nil }
    var rows = [0]
    var stride = count
    for (size, wanted) in zip(shape, target) {
      stride /= size
      rows = rows.flatMap { base in (0..<wanted).map { base + (size == 1 ? 0 : $0 * stride) } }
    }
    return try? reshaped([count]).rows(rows.map { $0..<($0 + 1) })
  }
}
