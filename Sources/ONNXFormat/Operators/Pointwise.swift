internal import Recurrent
internal import Tensors

extension ONNXOperator {
  /// Functions of each element. Defaults of α and β are the specification's.
  static let pointwise: [ONNXOperator] = [
    function("Tanh") { _, _ in .tanh },
    function("Sigmoid") { _, _ in .sigmoid },
    function("Relu") { _, _ in .relu },
    function("LeakyRelu") { (attributes, _) throws(ONNXError) in
      Activation(.leakyRelu, alpha: try attributes.number("alpha", 0.01))
    },
    function("Elu") { (attributes, _) throws(ONNXError) in
      Activation(.elu, alpha: try attributes.number("alpha", 1))
    },
    function("ThresholdedRelu") { (attributes, _) throws(ONNXError) in
      Activation(.thresholdedRelu, alpha: try attributes.number("alpha", 1))
    },
    function("HardSigmoid") { (attributes, _) throws(ONNXError) in
      Activation(
        .hardSigmoid, alpha: try attributes.number("alpha", 0.2), beta: try attributes.number("beta", 0.5))
    },
    function("Softsign") { _, _ in Activation(.softsign) },
    function("Softplus") { _, _ in Activation(.softplus) },
    function("Gelu") { (attributes, node) throws(ONNXError) in
      switch try attributes.string("approximate") ?? "none" {
      case "none": return Activation(.gelu)
      case "tanh": return Activation(.geluTanh)
      case let other:
        throw .unsupportedAttribute(
          node: node.label, attribute: "approximate", reason: "'\(other)' is neither none nor tanh")
      }
    },
    ONNXOperator(
      "Swish", trace: { $0.same($1, $2) },
      interpret: { (importer, node) throws(ONNXError) in try importer.importSwish(node) }),
    function("Mish") { _, _ in Activation(.mish) },
    function("HardSwish") { _, _ in Activation(.hardSwish) },
    function("Selu") { (attributes, _) throws(ONNXError) in
      Activation(
        .selu, alpha: try attributes.number("alpha", 1.67326319217681884765625),
        beta: try attributes.number("gamma", 1.05070102214813232421875))
    },
    function("Celu") { (attributes, _) throws(ONNXError) in
      Activation(.celu, alpha: try attributes.number("alpha", 1))
    },
    function("Exp") { _, _ in Activation(.exp) },
    function("Log") { _, _ in Activation(.log) },
    function("Abs") { _, _ in Activation(.abs) },
    function("Erf") { _, _ in Activation(.erf) },
    function("Sin") { _, _ in Activation(.sin) },
    function("Cos") { _, _ in Activation(.cos) },
    function("Sqrt", fold: squareRoot) { _, _ in Activation(.power, alpha: 0.5) },
    function("Reciprocal", fold: reciprocal) { _, _ in Activation(.power, alpha: -1) },
    ONNXOperator(
      "Pow", trace: { $0.same($1, $2) },
      interpret: { (importer, node) throws(ONNXError) in try importer.importPower(node) }),
    ONNXOperator(
      "Clip", trace: { $0.same($1, $2) },
      interpret: { (importer, node) throws(ONNXError) in try importer.importClip(node) }),
    ONNXOperator(
      "Neg", trace: { $0.same($1, $2) },
      interpret: { (importer, node) throws(ONNXError) in try importer.importNegation(node) }),
  ]

  /// Functions that the canonical model lacks: axes keep their roles, so that what is told is the operator and not an axis.
  static let unknownFunctions: [ONNXOperator] = ["Shrink", "Floor", "Ceil", "Round", "Sign", "Tan"]
    .map {
      ONNXOperator($0, trace: { $0.same($1, $2) })
    }

  private static let squareRoot: @Sendable (Double) -> Double = { $0.squareRoot() }
  private static let reciprocal: @Sendable (Double) -> Double = { 1 / $0 }

  /// - Parameter fold: what it makes of a constant; nil where that is left to the file.
  private static func function(
    _ name: String, fold: (@Sendable (Double) -> Double)? = nil,
    _ activation: @escaping @Sendable (inout AttributeReader, ONNXNode) throws(ONNXError) -> Activation
  ) -> ONNXOperator {
    var folding: ONNXOperator.Folding?
    if let fold {
      folding = { (importer, node, tensors) throws(ONNXError) in
        .tensor(try importer.fold(node, tensors[0], fold))
      }
    }
    return ONNXOperator(
      name, trace: { $0.same($1, $2) }, fold: folding,
      interpret: { (importer, node) throws(ONNXError) in
        var attributes = AttributeReader(node)
        let function = try activation(&attributes, node)
        try attributes.finish()
        try importer.importPointwise(node, importer.finite(function, "alpha", node))
      })
  }
}

extension ONNXImporter {
  /// A function that is rounded once, of a constant: Float64 has digits enough for both roundings to be one.
  fileprivate mutating func fold(
    _ node: ONNXNode, _ tensor: Tensor, _ function: (Double) -> Double
  ) throws(ONNXError) -> Tensor {
    try AttributeReader(node).finish()
    guard tensor.elementType.isFloat else {
      throw .wrongElementType(node: node.label, input: "X", found: tensor.elementType)
    }
    note(
      node.label, .rounded,
      "a function of constants, as the file says: computed once, in \(tensor.elementType.rawValue)",
      roundedTo: tensor.elementType)
    do {
      return try Tensor(tensor.doubles.map(function), shape: tensor.shape)
        .converted(to: tensor.elementType).tensor
    } catch { throw .invalid(node: node.label, reason: error.description) }
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

  /// A constant of one number.
  private mutating func number(
    _ node: ONNXNode, _ position: Int, _ name: String, isFloat: Bool
  ) throws(ONNXError) -> Tensor {
    let tensor = try weight(node, position, name)
    guard tensor.elementType.isFloat || !isFloat && tensor.elementType != .bool else {
      throw .wrongElementType(node: node.label, input: name, found: tensor.elementType)
    }
    guard tensor.count == 1 else {
      throw .notImportable(
        node: node.label,
        reason: "its \(name) has shape \(tensor.shape): only one number for all can be imported")
    }
    guard !tensor.doubles[0].isNaN else { throw .invalid(node: node.label, reason: "its \(name) is NaN") }
    return tensor
  }

  /// x^a of a constant a, which from opset 12 on may be an integer.
  fileprivate mutating func importPower(_ node: ONNXNode) throws(ONNXError) {
    try AttributeReader(node).finish()
    if case .constant = try value(node, 0) {
      throw .notImportable(
        node: node.label,
        reason: "a constant to the power of a value: only constant exponents can be imported")
    }
    let exponent = try number(node, 1, "exponent", isFloat: false).doubles[0]
    guard exponent.isFinite else { throw .invalid(node: node.label, reason: "its exponent is \(exponent)") }
    try importPointwise(node, Activation(.power, alpha: exponent))
  }

  /// −x as −1 · x, which rounds nothing.
  fileprivate mutating func importNegation(_ node: ONNXNode) throws(ONNXError) {
    try AttributeReader(node).finish()
    let view = try featureView(node, 0)
    let minusOne = try? Tensor([-1] as [Double], shape: [1]).converted(to: type(node) ?? .float32).tensor
    try apply(.arithmetic(.multiply, constant: minusOne, constantFirst: false), to: view, node)
  }

  /// x · σ(αx): SiLU, or with another α the three layers that it consists of.
  fileprivate mutating func importSwish(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let alpha = try attributes.number("alpha", 1)
    try attributes.finish()
    if alpha == 1 { return try importPointwise(node, Activation(.silu)) }
    let view = try featureView(node, 0)
    let name = try output(node)
    let type = type(node) ?? .float32
    let stored = try? Tensor([alpha], shape: [1]).converted(to: type).tensor
    guard let stored, stored.doubles[0].isFinite else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "alpha", reason: "\(alpha) in \(type.rawValue)")
    }
    if stored.doubles[0] != alpha {
      note(node.label, .rounded, "α \(alpha) rounded to \(type.rawValue)", roundedTo: type)
    }
    let scaled = add(
      .arithmetic(.multiply, constant: stored, constantFirst: false), node, inputs: [view.value],
      output: uniqueValue("\(name)_scaled"))
    let gate = add(.activation(.sigmoid), node, inputs: [scaled], output: uniqueValue("\(name)_gate"))
    try apply(.arithmetic(.multiply, constant: nil, constantFirst: false), to: view, and: [gate], node)
  }

  /// Limits are attributes before opset 11, where one that is left out is Float32's last number, and inputs since.
  fileprivate mutating func importClip(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let view = try featureView(node, 0)
    var (low, high): (Tensor?, Tensor?)
    if opset < 11 {
      low = Tensor([try attributes.float("min") ?? -.greatestFiniteMagnitude], shape: [1])
      high = Tensor([try attributes.float("max") ?? .greatestFiniteMagnitude], shape: [1])
    } else {
      if has(node, 1) { low = try number(node, 1, "min", isFloat: true) }
      if has(node, 2) { high = try number(node, 2, "max", isFloat: true) }
    }
    try attributes.finish()
    let (least, greatest) = (low?.doubles[0] ?? -.infinity, high?.doubles[0] ?? .infinity)
    guard least <= greatest, least < .infinity, greatest > -.infinity else {
      throw .invalid(
        node: node.label, reason: "it clips to \(least) … \(greatest), which leaves one number or none")
    }
    switch (least.isFinite ? low : nil, greatest.isFinite ? high : nil) {
    case (nil, nil): try set(node, view)
    case (let limit?, nil):
      let limit = try reshape(limit, [1], node)
      try apply(.arithmetic(.maximum, constant: limit, constantFirst: false), to: view, node)
    case (nil, let limit?):
      let limit = try reshape(limit, [1], node)
      try apply(.arithmetic(.minimum, constant: limit, constantFirst: false), to: view, node)
    default: try importPointwise(node, Activation(.clip, alpha: least, beta: greatest))
    }
  }

  fileprivate mutating func importPointwise(_ node: ONNXNode, _ activation: Activation) throws(ONNXError) {
    if let problem = activation.problem { throw .invalid(node: node.label, reason: problem) }
    let rounded: String? =
      switch activation.kind {
      case .gelu where opset < 20: "√2"
      case .geluTanh where opset < 20: "√(2/π) and 0.044715"
      case .hardSwish where opset < 14: "1/6"
      default: nil
      }
    if let rounded {
      // Written out (`FusedActivations`), with numbers that its type has rounded; a HardSigmoid's are attributes.
      let own = type(node) ?? .float32
      let type = activation.kind == .hardSwish && own == .float64 ? .float32 : own
      note(
        node.label, .rounded, "\(node.operation), written out with \(rounded) rounded to \(type.rawValue)",
        roundedTo: type)
    }
    try apply(.activation(activation), to: try featureView(node, 0), node)
    note(layers[layers.count - 1].name, .exact, activation.description)
  }
}

extension AttributeReader {
  fileprivate mutating func number(_ name: String, _ standard: Float) throws(ONNXError) -> Double {
    Double(try float(name) ?? standard)
  }
}

extension ONNXExporter {
  mutating func exportActivation(_ layer: Layer, _ activation: Activation) throws(ONNXError) {
    let holder = anyHolder(layer.inputs[0]!)
    hold(output(layer, 0), try apply(activation, holder.name, layer), holder.axes)
  }

  /// A pointwise function as one operator, or as the few that make it up.
  private mutating func apply(_ activation: Activation, _ x: String, _ layer: Layer) throws(ONNXError)
    -> String
  {
    let wanted = result(layer)
    func simple(_ operation: String, _ attributes: [String: ONNXAttribute] = [:]) -> String {
      add(operation, [x], as: wanted, attributes, name: layer.name)
    }
    func number(_ value: Double, _ shape: [Int] = [1]) throws(ONNXError) -> String {
      do {
        return try weight(
          try Tensor([value], shape: shape).converted(to: computeType).tensor, as: "\(layer.name)_number")
      } catch let error as ONNXError { throw error } catch {
        throw .notExpressible(layer: layer.name, reason: "\(value) in \(computeType.rawValue)")
      }
    }
    /// A parameter of the function, as a number of the graph.
    func parameter(_ value: Double, _ what: String) throws(ONNXError) -> String {
      let stored = (try? Tensor([value], shape: []).converted(to: computeType).tensor.doubles[0]) ?? .nan
      guard stored.isFinite else {
        throw .notExpressible(layer: layer.name, reason: "\(what) = \(value) in \(computeType.rawValue)")
      }
      if stored != value { note(layer, .rounded, "\(what) \(value) rounded to \(computeType.rawValue)") }
      return try number(value, [])
    }
    switch activation.kind {
    case .identity: return simple("Identity")
    case .tanh: return simple("Tanh")
    case .sigmoid: return simple("Sigmoid")
    case .relu: return simple("Relu")
    case .softsign: return simple("Softsign")
    case .softplus: return simple("Softplus")
    case .leakyRelu: return simple("LeakyRelu", ["alpha": .float(narrow(activation.alpha, "α", layer))])
    case .elu: return simple("Elu", ["alpha": .float(narrow(activation.alpha, "α", layer))])
    case .hardSigmoid:
      return simple(
        "HardSigmoid",
        [
          "alpha": .float(narrow(activation.alpha, "α", layer)),
          "beta": .float(narrow(activation.beta, "β", layer)),
        ])
    case .thresholdedRelu:
      guard opset >= 10 else {
        throw .notExpressible(layer: layer.name, reason: "ThresholdedRelu needs opset 10 or newer")
      }
      return simple("ThresholdedRelu", ["alpha": .float(narrow(activation.alpha, "α", layer))])
    case .inclusiveThresholdedRelu:
      throw .notExpressible(
        layer: layer.name,
        reason:
          "x = α passes here; the operator ThresholdedRelu, unlike that of the recurrent operators, lets only x > α pass"
      )
    case .affine:
      let scaled = add("Mul", [x, try number(activation.alpha)], as: "\(wanted)_scaled")
      return add("Add", [scaled, try number(activation.beta)], as: wanted, name: layer.name)
    case .scaledTanh:
      let scaled = add("Mul", [x, try number(activation.beta)], as: "\(wanted)_scaled")
      let tanh = add("Tanh", [scaled], as: "\(wanted)_tanh")
      return add("Mul", [tanh, try number(activation.alpha)], as: wanted, name: layer.name)
    case .silu:
      return add("Mul", [x, add("Sigmoid", [x], as: "\(wanted)_gate")], as: wanted, name: layer.name)
    case .mish:
      if opset >= 18 { return simple("Mish") }
      let softplus = add("Softplus", [x], as: "\(wanted)_softplus")
      return add("Mul", [x, add("Tanh", [softplus], as: "\(wanted)_gate")], as: wanted, name: layer.name)
    case .gelu:
      if opset >= 20 { return simple("Gelu") }
      guard opset >= 9 else { throw .notExpressible(layer: layer.name, reason: "Gelu needs opset 9 (Erf)") }
      let scaled = add("Div", [x, try number(2.0.squareRoot())], as: "\(wanted)_scaled")
      let erf = add("Erf", [scaled], as: "\(wanted)_erf")
      let shifted = add("Add", [erf, try number(1)], as: "\(wanted)_shifted")
      let half = add("Mul", [x, try number(0.5)], as: "\(wanted)_half")
      note(layer, .rounded, "Gelu written as 0.5·x·(1 + erf(x/√2)), √2 rounded to \(computeType.rawValue)")
      return add("Mul", [half, shifted], as: wanted, name: layer.name)
    case .selu:
      return simple(
        "Selu",
        [
          "alpha": .float(narrow(activation.alpha, "α", layer)),
          "gamma": .float(narrow(activation.beta, "β", layer)),
        ])
    case .celu:
      guard opset >= 12 else { throw .notExpressible(layer: layer.name, reason: "Celu needs opset 12") }
      return simple("Celu", ["alpha": .float(narrow(activation.alpha, "α", layer))])
    case .hardSwish:
      if opset >= 14 { return simple("HardSwish") }
      let gate = add(
        "HardSigmoid", [x], as: "\(wanted)_gate", ["alpha": .float(1 / 6), "beta": .float(0.5)])
      note(layer, .rounded, "HardSwish written as x · hardSigmoid(x), 1/6 rounded to Float32")
      return add("Mul", [x, gate], as: wanted, name: layer.name)
    case .geluTanh:
      if opset >= 20 { return simple("Gelu", ["approximate": .string("tanh")]) }
      let square = add("Mul", [x, x], as: "\(wanted)_square")
      let cube = add("Mul", [x, square], as: "\(wanted)_cube")
      let scaledCube = add("Mul", [cube, try number(0.044715)], as: "\(wanted)_cubic")
      let sum = add("Add", [x, scaledCube], as: "\(wanted)_sum")
      let inner = add("Mul", [sum, try number((2 / Double.pi).squareRoot())], as: "\(wanted)_inner")
      let shifted = add(
        "Add", [add("Tanh", [inner], as: "\(wanted)_tanh"), try number(1)], as: "\(wanted)_shifted")
      let half = add("Mul", [x, try number(0.5)], as: "\(wanted)_half")
      note(
        layer, .rounded,
        "Gelu written as 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), its numbers rounded to \(computeType.rawValue)"
      )
      return add("Mul", [half, shifted], as: wanted, name: layer.name)
    case .exp: return simple("Exp")
    case .log: return simple("Log")
    case .abs: return simple("Abs")
    case .sin: return simple("Sin")
    case .cos: return simple("Cos")
    case .erf:
      guard opset >= 9 else { throw .notExpressible(layer: layer.name, reason: "Erf needs opset 9") }
      return simple("Erf")
    case .power:
      switch activation.alpha {
      case 0.5: return simple("Sqrt")
      case -1: return simple("Reciprocal")
      default:
        return add("Pow", [x, try parameter(activation.alpha, "α")], as: wanted, name: layer.name)
      }
    case .clip:
      if opset < 11 {
        return simple(
          "Clip",
          [
            "min": .float(narrow(activation.alpha, "α", layer)),
            "max": .float(narrow(activation.beta, "β", layer)),
          ])
      }
      let limits = [try parameter(activation.alpha, "α"), try parameter(activation.beta, "β")]
      return add("Clip", [x] + limits, as: wanted, name: layer.name)
    }
  }
}
