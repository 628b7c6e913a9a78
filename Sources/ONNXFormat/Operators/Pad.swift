internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let pad = ONNXOperator(
    "Pad", trace: { $0.beforePad($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importPad(node) })
}

extension InputRoles {
  /// What an axis is for stays; how large it was before is open.
  fileprivate func beforePad(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    let roles = demand.roles.map { role -> AxisRole in
      if case .features = role { .features(nil) } else { role == .single ? .space : role }
    }
    return [Demand(node.inputs[0], roles)]
  }
}

extension ONNXImporter {
  fileprivate mutating func importPad(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let word = try attributes.string("mode") ?? "constant"
    let given = opset < 11 ? try attributes.ints("pads") : nil
    let constant = opset < 11 ? try attributes.float("value") : nil
    try attributes.finish()
    let view = try featureView(node, 0)
    let rank = view.axes.count
    var value = Double(constant ?? 0)
    if opset >= 11, has(node, 2) {
      let tensor = try weight(node, 2, "constant_value")
      guard tensor.count == 1 else {
        throw .shapeMismatch(
          node: node.label, input: "constant_value", expected: "[]", found: tensor.shape)
      }
      value = tensor.doubles[0]
    }
    guard let mode = Padding.Mode(onnx: word, value: value) else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "mode", reason: "'\(word)' is none that the specification knows")
    }
    var pads = given ?? []
    if given == nil { pads = try integers(node, 1, "pads") }
    var axes = Array(0..<rank)
    if opset >= 18, has(node, 3) {
      axes = try integers(node, 3, "axes").map { (axis) throws(ONNXError) in
        try self.axis(axis, rank: rank, node)
      }
    }
    guard pads.count == 2 * axes.count, Set(axes).count == axes.count,
      pads.allSatisfy({ abs($0) <= WindowAxis.most })
    else { throw .invalid(node: node.label, reason: "pads \(pads) for axes \(axes)") }
    var added = [(before: Int, after: Int)](repeating: (0, 0), count: rank)
    for (position, axis) in axes.enumerated() {
      added[axis] = (pads[position], pads[position + axes.count])
    }
    if added.allSatisfy({ $0 == (0, 0) }) { return try set(node, view) }
    let source = ordered(view, node)
    var ends: [Padding.Axis] = []
    var result = source
    var places: [Int?] = []
    for (axis, added) in added.enumerated() {
      if let size = source.places(axis) {
        ends.append(.init(size: size, before: added.before, after: added.after))
        places.append(size + added.before + added.after)
      } else {
        places.append(nil)
        if added == (0, 0) { continue }
        guard source.axes[axis] == [.time] else {
          throw .notImportable(node: node.label, reason: "it pads axis \(axis) of \(describe(source.axes))")
        }
        ends.append(.init(size: nil, before: added.before, after: added.after))
        result.clock = source.clock.padded(added.before + added.after)
        result.timeSize = source.timeSize.map { $0 + added.before + added.after }
      }
    }
    // Places are taken away before others are added.
    guard ends.allSatisfy({ $0.kept(of: $0.size ?? source.timeSize ?? .max / 2) >= 1 }),
      let features = checkedProduct(places.map { $0 ?? 1 })
    else { throw .invalid(node: node.label, reason: "pads \(pads) leave nothing of \(describe(view.axes))") }
    result.value = add(
      .padding(Padding(mode, axes: ends)), node, inputs: [source.value], output: try output(node))
    result.kind = source.kind.with(features: features)
    result.axes = View.inOrder(places, like: source.axes)
    try set(node, result)
  }
}

extension Padding.Mode {
  fileprivate init?(onnx word: String, value: Double) {
    switch word {
    case "constant": self = .constant(value)
    case "reflect": self = .reflect
    case "edge": self = .edge
    case "wrap": self = .wrap
    default: return nil
    }
  }

  fileprivate var onnxName: String {
    switch self {
    case .constant: "constant"
    case .reflect: "reflect"
    case .edge: "edge"
    case .wrap: "wrap"
    }
  }
}

extension ONNXExporter {
  mutating func exportPadding(_ layer: Layer, _ padding: Padding) throws(ONNXError) {
    let kind = kinds[layer.inputs[0]!]!
    if padding.mode == .wrap, opset < 19 {
      throw .notExpressible(layer: layer.name, reason: "Pad with mode wrap needs opset 19 or newer")
    }
    let inner = padding.axes.filter { $0.size != nil }
    let channels = kind.features / inner.reduce(1) { $0 * $1.size! }
    let time = padding.axes.first { $0.size == nil }
    /// `[T, B, channels, places…]`
    func axes(_ places: [Int]) -> [[AxisFactor]] {
      let front: [[AxisFactor]] = kind.hasTime ? [[.time], [.batch]] : [[.batch]]
      return View.inOrder(
        front.map { _ in nil } + [channels] + places, like: front + [[]] + places.map { _ in [] })
    }
    let source = axes(inner.map { $0.size! })
    let ends: [(Int, Int)] =
      (kind.hasTime ? [(time?.before ?? 0, time?.after ?? 0)] : []) + [(0, 0), (0, 0)]
      + inner.map { ($0.before, $0.after) }
    let pads = ends.map(\.0) + ends.map(\.1)
    var inputs = [try materialise(layer.inputs[0]!, source, layer.name)]
    var attributes: [String: ONNXAttribute] = ["mode": .string(padding.mode.onnxName)]
    if opset >= 11 {
      inputs.append(integers(pads, as: "\(layer.name)_pads"))
      if case .constant(let value) = padding.mode, value != 0 {
        inputs.append(try number(value, as: "\(layer.name)_value"))
      }
    } else {
      attributes["pads"] = .ints(pads.map { Int64($0) })
      if case .constant(let value) = padding.mode { attributes["value"] = .float(Float(value)) }
    }
    let name = add("Pad", inputs, as: result(layer), attributes, name: layer.name)
    hold(output(layer, 0), name, axes(inner.map { $0.size! + $0.before + $0.after }))
  }

  /// A scalar of the graph's type.
  private mutating func number(_ value: Double, as wanted: String) throws(ONNXError) -> String {
    do { return try weight(Tensor([value], shape: []).converted(to: computeType).tensor, as: wanted) } catch {
      throw .tensor(wanted, reason: "\(error)")
    }
  }
}
