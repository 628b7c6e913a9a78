internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let normalizations: [ONNXOperator] = [
    normalization("InstanceNormalization", proposals: ofChannels) {
      (importer, node) throws(ONNXError) in try importer.importInstanceNormalization(node)
    },
    normalization("GroupNormalization", proposals: ofChannels) {
      (importer, node) throws(ONNXError) in try importer.importGroupNormalization(node)
    },
    normalization("RMSNormalization") { (importer, node) throws(ONNXError) in
      try importer.importRMSNormalization(node)
    },
    // What onnxruntime's optimiser calls it.
    normalization("SimplifiedLayerNormalization") { (importer, node) throws(ONNXError) in
      try importer.importRMSNormalization(node)
    },
    normalization("LpNormalization") { (importer, node) throws(ONNXError) in
      try importer.importLpNormalization(node)
    },
    normalization("MeanVarianceNormalization") { (importer, node) throws(ONNXError) in
      try importer.importMeanVarianceNormalization(node)
    },
  ]

  private static let ofChannels: Proposing = { $0.proposedChannels($1) }

  private static func normalization(
    _ name: String, proposals: Proposing? = nil, interpret: @escaping Interpretation
  ) -> ONNXOperator {
    ONNXOperator(name, proposals: proposals, trace: { $0.same($1, $2) }, interpret: interpret)
  }
}

extension InputRoles {
  /// `[rows, channels, places…]`, where the graph says how many axes there are.
  func proposedChannels(_ node: ONNXNode) -> [Demand] {
    guard let rank = rank(node.inputs[0]), (3...5).contains(rank) else { return [] }
    return [
      Demand(
        node.inputs[0], [.batch, .features(nil)] + [AxisRole](repeating: .space, count: rank - 2))
    ]
  }
}

extension ONNXImporter {
  /// The groups that some axes of a view make together: a view whose features lie in order, and where in it a group is.
  private mutating func group(
    _ node: ONNXNode, _ view: View, _ axes: [Int]
  ) throws(ONNXError) -> (source: View, count: Int, inner: Int, overTime: Bool) {
    let source = ordered(view, node)
    func refuse(_ reason: String) -> ONNXError {
      .notImportable(
        node: node.label, reason: "it normalises axes \(axes) of \(describe(source.axes)), \(reason)")
    }
    let all = axes.map { source.axes[$0] }.joined()
    guard !all.contains(.batch) else { throw refuse("along which rows do not meet") }
    func places(_ axis: Int) -> Int {
      source.axes[axis].reduce(1) { if case .features(_, let count) = $1 { $0 * count } else { $0 } }
    }
    let own = axes.filter { places($0) > 1 }.sorted()
    guard let first = own.first, let last = own.last else {
      return (source, 1, 1, all.contains(.time))
    }
    guard (first...last).allSatisfy({ own.contains($0) || places($0) == 1 }) else {
      throw refuse("between which lie others")
    }
    let inner = ((last + 1)..<max(source.axes.count, last + 1)).reduce(1) { $0 * places($1) }
    return (source, own.reduce(1) { $0 * places($1) }, inner, all.contains(.time))
  }

  /// Adds the layer; scales of ones and biases of zeros are none.
  private mutating func apply(
    _ normalization: Normalization, to source: View, _ node: ONNXNode
  ) throws(ONNXError) {
    var layer = normalization
    if let scale = layer.scale, scale.isAll(1) { layer.scale = nil }
    if let bias = layer.bias, bias.isAll(0) { layer.bias = nil }
    if layer.scale == nil, layer.bias == nil { layer.channel = 1 }
    try apply(.normalization(layer), to: source, node)
  }

  /// `[rows, channels, places…]` in order, with how many channels.
  private mutating func channelled(_ node: ONNXNode) throws(ONNXError) -> (View, channels: Int) {
    let source = ordered(try featureView(node, 0), node)
    guard source.axes.count >= 2, source.axes[0].allSatisfy({ !$0.isFeatures }),
      let channels = source.places(1)
    else {
      throw .notImportable(
        node: node.label, reason: "its axis 1 of \(describe(source.axes)) holds no channels")
    }
    return (source, channels)
  }

  private mutating func parameter(
    _ node: ONNXNode, _ position: Int, _ name: String, count: Int
  ) throws(ONNXError) -> Tensor {
    let tensor = try weight(node, position, name)
    guard tensor.shape == [count] else {
      throw .shapeMismatch(node: node.label, input: name, expected: "[\(count)]", found: tensor.shape)
    }
    return tensor
  }

  fileprivate mutating func importInstanceNormalization(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let epsilon = try attributes.float("epsilon") ?? 1e-5
    try attributes.finish()
    let (view, channels) = try channelled(node)
    let (source, count, _, overTime) = try group(node, view, Array(view.axes.indices.dropFirst(2)))
    try apply(
      Normalization(
        .deviation, count: count, overTime: overTime, epsilon: Double(epsilon),
        scale: try parameter(node, 1, "scale", count: channels),
        bias: try parameter(node, 2, "B", count: channels), channel: count), to: source, node)
  }

  fileprivate mutating func importGroupNormalization(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let epsilon = try attributes.float("epsilon") ?? 1e-5
    let groups = try attributes.int("num_groups") ?? 0
    try attributes.floatStash()
    try attributes.finish()
    let (view, channels) = try channelled(node)
    guard groups > 0, channels % groups == 0 else {
      throw .invalid(node: node.label, reason: "\(groups) groups of \(channels) channels")
    }
    let (source, places, _, overTime) = try group(node, view, Array(view.axes.indices.dropFirst(2)))
    // Before opset 21 a number for each group.
    let numbers = opset >= 21 ? channels : groups
    try apply(
      Normalization(
        .deviation, count: channels / groups * places, overTime: overTime, epsilon: Double(epsilon),
        scale: try parameter(node, 1, "scale", count: numbers),
        bias: try parameter(node, 2, "bias", count: numbers), channel: channels / numbers * places),
      to: source, node)
  }

  fileprivate mutating func importRMSNormalization(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: -1)
    let epsilon = try attributes.float("epsilon") ?? 1e-5
    try attributes.floatStash()
    try attributes.finish()
    let view = try featureView(node, 0)
    let axis = try axis(wanted, rank: view.axes.count, node)
    let (source, count, _, overTime) = try group(node, view, Array(view.axes.indices[axis...]))
    var layer = Normalization(
      .rootMeanSquare, count: count, overTime: overTime, epsilon: Double(epsilon))
    // Without one where it was put together from other operators.
    if has(node, 1) { layer.scale = try positions(node, 1, "scale", layer) }
    try apply(layer, to: source, node)
  }

  /// A number for each place of a group, as the normalisations of the last axes have it.
  private mutating func positions(
    _ node: ONNXNode, _ position: Int, _ name: String, _ layer: Normalization
  ) throws(ONNXError) -> Tensor {
    let tensor = try weight(node, position, name)
    if tensor.count == 1, tensor.elementType.isFloat { return try! tensor.reshaped([1]) }
    // A scale that varies along time is none of features.
    guard tensor.count == layer.count, tensor.elementType.isFloat, !layer.overTime else {
      throw .shapeMismatch(node: node.label, input: name, expected: "[\(layer.count)]", found: tensor.shape)
    }
    return try! tensor.reshaped([layer.count])
  }

  /// A LayerNormalization of some of the features: of the last axes, before which stand others.
  mutating func importInnerNormalization(
    _ node: ONNXNode, _ view: View, axis: Int, epsilon: Double
  ) throws(ONNXError) {
    let (source, count, _, overTime) = try group(node, view, Array(view.axes.indices[axis...]))
    guard !overTime else {
      throw .notImportable(
        node: node.label, reason: "it normalises \(describe(view.axes)) from axis \(axis) on, time among them"
      )
    }
    var layer = Normalization(.deviation, count: count, epsilon: epsilon)
    layer.scale = try positions(node, 1, "Scale", layer)
    if has(node, 2) { layer.bias = try positions(node, 2, "B", layer) }
    try apply(layer, to: source, node)
  }

  fileprivate mutating func importLpNormalization(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: -1)
    let p = try attributes.int("p", default: 2)
    try attributes.finish()
    guard p == 1 || p == 2 else {
      throw .unsupportedAttribute(node: node.label, attribute: "p", reason: "\(p) is neither 1 nor 2")
    }
    let view = try featureView(node, 0)
    let axis = try axis(wanted, rank: view.axes.count, node)
    let (source, count, inner, overTime) = try group(node, view, [axis])
    try apply(
      Normalization(p == 1 ? .absoluteSum : .euclidean, count: count, inner: inner, overTime: overTime),
      to: source, node)
  }

  fileprivate mutating func importMeanVarianceNormalization(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.ints("axes") ?? [0, 2, 3]
    try attributes.finish()
    guard !wanted.isEmpty else { throw .invalid(node: node.label, reason: "it normalises along no axes") }
    let view = try featureView(node, 0)
    let axes = try wanted.map { (axis) throws(ONNXError) in
      try self.axis(axis, rank: view.axes.count, node)
    }
    let (source, count, inner, overTime) = try group(node, view, Array(Set(axes)).sorted())
    try apply(
      Normalization(.guardedDeviation, count: count, inner: inner, overTime: overTime), to: source, node)
  }

  /// Makes a factor or a sum behind a normalisation a part of it, where nothing else reads what it gives: torch's exporters write
  /// nn.GroupNorm so. `channel` features share a number of `vector`.
  mutating func foldIntoNormalization(
    _ node: ONNXNode, _ arithmetic: Arithmetic.Operator, _ view: View, _ vector: Tensor, channel: Int
  ) -> Bool {
    guard arithmetic == .multiply || arithmetic == .add,
      let last = layers.lastIndex(where: { $0.outputs.contains(view.value) }),
      let output = node.outputs.first, readers(of: view.value) == 1,
      case .normalization(var layer) = layers[last].operation, layer.bias == nil,
      layer.scale == nil || arithmetic == .add,
      layer.scale.map({ $0.elementType == vector.elementType && layer.channel == channel }) ?? true
    else { return false }
    layer.channel = channel
    if arithmetic == .add { layer.bias = vector } else { layer.scale = vector }
    layers[last].operation = .normalization(layer)
    layers[last].outputs = [output]
    return true
  }

  /// A constant that varies along the axes of a normalisation's groups alone, which are the last, as a number for each of their places.
  func overGroups(_ constant: Tensor, _ view: View) -> Tensor? {
    guard let last = layers.lastIndex(where: { $0.outputs.contains(view.value) }), view.isOrdered,
      case .normalization(let layer) = layers[last].operation, layer.inner == 1, !layer.overTime,
      constant.count == layer.count, constant.count < view.kind.features
    else { return nil }
    var missing = constant.shape[...]
    for axis in view.axes.indices.reversed() {
      if missing.allSatisfy({ $0 == 1 }) { return try? constant.reshaped([constant.count]) }
      guard missing.popLast() == view.places(axis) else { return nil }
    }
    return missing.allSatisfy { $0 == 1 } ? try? constant.reshaped([constant.count]) : nil
  }
}

extension Tensor {
  fileprivate func isAll(_ number: Double) -> Bool { count <= 1 << 20 && doubles.allSatisfy { $0 == number } }
}

extension ONNXExporter {
  mutating func exportNormalization(_ layer: Layer, _ normalization: Normalization) throws(ONNXError) {
    let kind = kinds[layer.inputs[0]!]!
    let (count, inner) = (normalization.count, normalization.inner)
    let outer = kind.features / (count * inner)
    // A number for each place of a group, on the last axis.
    let isOfPlaces =
      !normalization.overTime && inner == 1 && normalization.channel == 1
      && normalization.scale?.count == count
    // Rows, groups, and what each is made of: on the last axis, or between the parts of the groups where the operator takes any.
    let rows: [[AxisFactor]] = kind.hasTime && !normalization.overTime ? [[.time], [.batch]] : [[.batch]]
    let major = AxisFactor.features(stride: count * inner, count: outer)
    let minor = AxisFactor.features(stride: 1, count: inner)
    let own = [.features(stride: inner, count: count)] + (normalization.overTime ? [AxisFactor.time] : [])
    let takesAny = normalization.divisor.isNorm || normalization.divisor == .guardedDeviation
    let axes =
      rows + (takesAny && inner > 1 ? [[major], own, [minor]] : [[major, minor], own]).map(View.normalised)
    let axis = rows.count + 1
    var rest = normalization
    var name: String
    // Groups of all steps that lie together are made of [rows, features, time], to which they come back: so is what the axes of an input
    // mean told by who reads them.
    let whole: [[AxisFactor]] = [[.batch], View.features(kind.features), [.time]]
    let isWhole = normalization.overTime && inner == 1
    let plain = isWhole ? try materialise(layer.inputs[0]!, whole, layer.name) : ""
    let source =
      !isWhole
      ? try materialise(layer.inputs[0]!, axes, layer.name)
      : count == 1
        ? plain
        : add("Reshape", [plain, integers([0, outer, -1], as: "shape")], as: "\(layer.name)_groups")
    switch normalization.divisor {
    case .deviation where isOfPlaces && normalization.bias.map({ $0.count == count }) ?? true:
      guard opset >= 17 else {
        throw .notExpressible(
          layer: layer.name, reason: "LayerNormalization needs opset 17 or newer, not \(opset)")
      }
      var inputs = [source, try weight(normalization.scale!, as: "\(layer.name)_scale")]
      if let bias = normalization.bias { inputs.append(try weight(bias, as: "\(layer.name)_bias")) }
      name = add(
        "LayerNormalization", inputs, as: result(layer), ["epsilon": .float(Float(normalization.epsilon))],
        name: layer.name)
      (rest.scale, rest.bias) = (nil, nil)
    case .deviation:
      name = try instances(layer, &rest, source, groups: outer * inner, isStepwise: rows.count == 2)
    case .rootMeanSquare where opset >= 23 && !normalization.overTime:
      let scale = isOfPlaces ? normalization.scale! : try number(1)
      name = add(
        "RMSNormalization", [source, try weight(scale, as: "\(layer.name)_scale")], as: result(layer),
        ["epsilon": .float(Float(normalization.epsilon))], name: layer.name)
      if isOfPlaces { rest.scale = nil }
    case .rootMeanSquare:
      guard opset >= 11 else {
        throw .notExpressible(
          layer: layer.name, reason: "a root mean square needs opset 11 or newer, not \(opset)")
      }
      // Written out; read back as what it is.
      let square = add("Mul", [source, source], as: "\(layer.name)_square")
      let mean = kept("ReduceMean", square, as: "\(layer.name)_mean")
      let epsilon = try weight(number(normalization.epsilon), as: "\(layer.name)_epsilon")
      let root = add(
        "Sqrt", [add("Add", [mean, epsilon], as: "\(layer.name)_sum")], as: "\(layer.name)_root")
      name = add("Div", [source, root], as: result(layer), name: layer.name)
      if isOfPlaces, let scale = normalization.scale {
        name = add(
          "Mul", [name, try weight(scale, as: "\(layer.name)_scale")], as: "\(result(layer))_scaled")
        rest.scale = nil
      }
    case .euclidean, .absoluteSum:
      name = add(
        "LpNormalization", [source], as: result(layer),
        ["axis": .int(Int64(axis)), "p": .int(normalization.divisor == .euclidean ? 2 : 1)],
        name: layer.name)
    case .guardedDeviation:
      guard opset >= 9 else {
        throw .notExpressible(
          layer: layer.name, reason: "MeanVarianceNormalization needs opset 9 or newer, not \(opset)")
      }
      name = add(
        "MeanVarianceNormalization", [source], as: result(layer), ["axes": .ints([Int64(axis)])],
        name: layer.name)
    }
    guard isWhole else { return try scale(layer, rest, name, axes, kind) }
    if count != 1 {
      let shape = add("Shape", [plain], as: "\(layer.name)_shape")
      name = add("Reshape", [name, shape], as: "\(layer.name)_whole")
    }
    try scale(layer, rest, name, whole, kind)
  }

  /// An InstanceNormalization of `[rows, groups, places]`, which takes a number for each group with it.
  private mutating func instances(
    _ layer: Layer, _ rest: inout Normalization, _ source: String, groups: Int, isStepwise: Bool
  ) throws(ONNXError) -> String {
    let isOfGroups =
      rest.channel == rest.count && rest.inner == 1 && (rest.scale?.count ?? groups) == groups
      && (rest.bias?.count ?? groups) == groups
    func parameter(_ tensor: Tensor?, _ number: Float) throws(ONNXError) -> Tensor {
      if isOfGroups, let tensor { return tensor }
      return try self.numbers([Float](repeating: number, count: groups))
    }
    let inputs = [
      try weight(try parameter(rest.scale, 1), as: "\(layer.name)_scale"),
      try weight(try parameter(rest.bias, 0), as: "\(layer.name)_bias"),
    ]
    let attributes = ["epsilon": ONNXAttribute.float(Float(rest.epsilon))]
    if isOfGroups { (rest.scale, rest.bias) = (nil, nil) }
    guard isStepwise else {
      return add("InstanceNormalization", [source] + inputs, as: result(layer), attributes, name: layer.name)
    }
    // Each step of each row by itself.
    let shape = add("Shape", [source], as: "\(layer.name)_shape")
    let joined = add(
      "Reshape", [source, integers([-1, groups, rest.count], as: "shape")], as: "\(layer.name)_rows")
    let normal = add(
      "InstanceNormalization", [joined] + inputs, as: "\(layer.name)_normal", attributes, name: layer.name)
    return add("Reshape", [normal, shape], as: result(layer))
  }

  /// What of scale and bias the operator did not take with it, and the value that holds it all.
  private mutating func scale(
    _ layer: Layer, _ rest: Normalization, _ name: String, _ axes: [[AxisFactor]], _ kind: ValueKind
  ) throws(ONNXError) {
    guard rest.scale != nil || rest.bias != nil else { return hold(output(layer, 0), name, axes) }
    // Under a name of its own: the layer's output comes behind.
    let normal = unique("\(layer.name)_before_scale")
    kinds[normal] = kind
    hold(normal, name, axes)
    var arranged = axes
    for (operation, tensor) in [("Mul", rest.scale), ("Add", rest.bias)] {
      guard let tensor else { continue }
      let repeats = kind.features / (tensor.count * rest.channel)
      let parts =
        arranged.contains([.time]) && arranged.last == [.time] && rest.channel == 1 && repeats == 1
        ? arranged : stepwise(kind, [repeats, tensor.count, rest.channel])
      let value = holders[normal]!.all.last!
      let held =
        value.axes == parts.map(View.normalised) ? value.name : try materialise(normal, parts, layer.name)
      // [C, 1] beside [… C, channel].
      let factor = try weight(
        try! tensor.reshaped([tensor.count, 1]),
        as: "\(layer.name)_\(operation == "Mul" ? "factor" : "shift")")
      let made = add(
        operation, [held, factor], as: "\(layer.name)_\(operation == "Mul" ? "scaled" : "shifted")")
      holders[normal] = Holders()
      hold(normal, made, parts)
      arranged = parts
    }
    hold(output(layer, 0), holders[normal]!.all.last!.name, arranged)
  }

  /// A reduction of the last axis that keeps it, of size 1. Axes are an input since opset 18.
  private mutating func kept(_ operation: String, _ name: String, as wanted: String) -> String {
    if opset >= 18 { return add(operation, [name, integers([-1], as: "axes")], as: wanted) }
    return add(operation, [name], as: wanted, ["axes": .ints([-1])])
  }

  /// One number, in the type that the graph computes in.
  private func number(_ value: Double) throws(ONNXError) -> Tensor { try numbers([Float(value)]) }

  private func numbers(_ values: [Float]) throws(ONNXError) -> Tensor {
    let tensor = Tensor(values, shape: [values.count])
    return (try? tensor.converted(to: computeType).tensor) ?? tensor
  }
}
