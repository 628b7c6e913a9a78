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
      guard try attributes.string("approximate") ?? "none" == "none" else {
        throw .unsupportedAttribute(
          node: node.label, attribute: "approximate", reason: "only the exact Gelu can be imported")
      }
      return Activation(.gelu)
    },
    function("Swish") { (attributes, node) throws(ONNXError) in
      guard try attributes.float("alpha") ?? 1 == 1 else {
        throw .unsupportedAttribute(node: node.label, attribute: "alpha", reason: "only 1 can be imported")
      }
      return Activation(.silu)
    },
    function("Mish") { _, _ in Activation(.mish) },
  ]

  /// Functions that the canonical model lacks: axes keep their roles, so that what is told is the operator and not an axis.
  static let unknownFunctions: [ONNXOperator] = ["Selu", "Celu", "Erf", "Clip", "Neg", "Sqrt", "Exp"]
    .map {
      ONNXOperator($0, trace: { $0.same($1, $2) })
    }

  private static func function(
    _ name: String,
    _ activation: @escaping @Sendable (inout AttributeReader, ONNXNode) throws(ONNXError) -> Activation
  ) -> ONNXOperator {
    ONNXOperator(
      name, trace: { $0.same($1, $2) },
      interpret: { (importer, node) throws(ONNXError) in
        var attributes = AttributeReader(node)
        let function = try activation(&attributes, node)
        try attributes.finish()
        try importer.importPointwise(node, importer.finite(function, "alpha", node))
      })
  }
}

extension ONNXImporter {
  /// A model's numbers are numbers: what α = ∞ or NaN computes is no function.
  func finite(_ activation: Activation, _ attribute: String, _ node: ONNXNode) throws(ONNXError) -> Activation
  {
    guard activation.alpha.isFinite, activation.beta.isFinite else {
      throw .unsupportedAttribute(
        node: node.label, attribute: attribute, reason: "\(activation): α and β must be finite")
    }
    return activation
  }

  fileprivate mutating func importPointwise(_ node: ONNXNode, _ activation: Activation) throws(ONNXError) {
    if activation.kind == .gelu, opset < 20 {
      // Written out (`FusedActivations`), with a √2 that its type has rounded.
      note(
        node.label, .rounded, "Gelu, written out with √2 rounded to \(type(node)?.rawValue ?? "F32")",
        roundedTo: type(node) ?? .float32)
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
    func number(_ value: Double) throws(ONNXError) -> String {
      do {
        return try weight(
          try Tensor([value], shape: [1]).converted(to: computeType).tensor, as: "\(layer.name)_number")
      } catch let error as ONNXError { throw error } catch {
        throw .notExpressible(layer: layer.name, reason: "\(value) in \(computeType.rawValue)")
      }
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
    }
  }
}
