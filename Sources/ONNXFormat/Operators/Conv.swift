internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let conv = ONNXOperator(
    "Conv", proposals: { $0.proposedWindow($1) }, trace: { $0.beforeWindow($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importConvolution(node) })
}

extension InputRoles {
  /// What a window goes over, where nothing else tells what the axes mean.
  func proposedWindow(_ node: ONNXNode) -> [Demand] {
    var count = node.inputs.count > 1 ? rank(node.inputs[1]).map { $0 - 2 } : nil
    if case .ints(let kernel)? = node.attributes["kernel_shape"] { count = kernel.count }
    guard let count, (1...3).contains(count) else { return [] }
    return [
      Demand(node.inputs[0], [.batch, .features(nil)] + [AxisRole](repeating: .space, count: count))
    ]
  }

  /// Windows keep the batch, and go along axes whose sizes change.
  func beforeWindow(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    guard demand.roles.count >= 3 else { return [] }
    var roles = demand.roles
    roles[1] = .features(nil)
    for axis in roles.indices.dropFirst(2) where roles[axis] != .time { roles[axis] = .space }
    return [Demand(node.inputs[0], roles)]
  }
}

/// The attributes that Conv and the pools share.
struct WindowAttributes {
  var kernel: [Int]?
  var strides: [Int]?
  var dilations: [Int]?
  var pads: [Int]?
  var automatic: String
  var roundsUp: Bool

  init(_ attributes: inout AttributeReader) throws(ONNXError) {
    kernel = try attributes.ints("kernel_shape")
    strides = try attributes.ints("strides")
    dilations = try attributes.ints("dilations")
    pads = try attributes.ints("pads")
    automatic = try attributes.string("auto_pad") ?? "NOTSET"
    roundsUp = try attributes.int("ceil_mode", default: 0) != 0
  }

  /// The windows along the axes of a view behind batch and channels.
  func axes(_ view: View, kernel: [Int], _ node: ONNXNode) throws(ONNXError) -> [WindowAxis] {
    let count = kernel.count
    func invalid(_ reason: String) -> ONNXError { .invalid(node: node.label, reason: reason) }
    guard self.kernel == nil || self.kernel == kernel, strides?.count ?? count == count,
      dilations?.count ?? count == count, pads?.count ?? 2 * count == 2 * count
    else { throw invalid("kernel_shape, strides, dilations and pads do not fit a kernel of \(kernel)") }
    var axes: [WindowAxis] = []
    for axis in 0..<count {
      var window = WindowAxis(
        size: view.places(axis + 2), kernel: kernel[axis], stride: strides?[axis] ?? 1,
        dilation: dilations?[axis] ?? 1)
      let numbers = [window.kernel, window.stride, window.dilation, window.size ?? 1]
      guard numbers.allSatisfy({ (1...WindowAxis.most).contains($0) }) else {
        throw invalid("a kernel of \(window.kernel), stride \(window.stride), dilation \(window.dilation)")
      }
      switch automatic {
      case "NOTSET":
        window.before = pads?[axis] ?? 0
        window.after = pads?[axis + count] ?? 0
      case "VALID": break
      case "SAME_UPPER", "SAME_LOWER":
        guard let size = window.size ?? view.timeSize ?? (window.stride == 1 ? 1 : nil) else {
          throw .notImportable(
            node: node.label,
            reason:
              "auto_pad=\(automatic) with stride \(window.stride) adds as much as the number of steps, which is open, asks for; "
              + "fix it in the input's shape")
        }
        let results = (size - 1) / window.stride + 1
        let total = max((results - 1) * window.stride + window.span - size, 0)
        window.before = automatic == "SAME_UPPER" ? total / 2 : total - total / 2
        window.after = total - window.before
      default: throw invalid("auto_pad '\(automatic)'")
      }
      guard [window.before, window.after].allSatisfy({ (0...WindowAxis.mostAdded).contains($0) }) else {
        throw invalid("pads of \(window.before) and \(window.after)")
      }
      axes.append(window)
    }
    return axes
  }
}

extension ONNXImporter {
  /// A view `[rows, channels, places…]` as windows need it: its features in order, at most one place axis time.
  mutating func windowed(_ node: ONNXNode) throws(ONNXError) -> View {
    let view = framed(try featureView(node, 0), node)
    let isTimed = view.axes.dropFirst(2).contains([.time])
    guard view.axes.count >= 3, view.axes[0].allSatisfy({ !$0.isFeatures }), view.places(1) != nil,
      view.axes.indices.dropFirst(2).allSatisfy({ view.axes[$0] == [.time] || view.places($0) != nil }),
      view.axes.joined().filter({ $0 == .time }).count == (view.kind.hasTime ? 1 : 0),
      isTimed || !view.kind.hasTime || view.axes[0].contains(.time)
    else {
      throw .notImportable(
        node: node.label,
        reason: "its window goes over \(describe(view.axes)), which is not [rows, channels, places …]")
    }
    return ordered(view, node)
  }

  /// A vector whose rows hold an axis of features beside the batch, such as the frames of a clip: a sequence along it, whose steps the
  /// window sees one by one.
  private mutating func framed(_ view: View, _ node: ONNXNode) -> View {
    guard !view.kind.hasTime, let rows = view.axes.first, rows.count > 1,
      let place = rows.firstIndex(where: \.isFeatures), rows.filter(\.isFeatures).count == 1
    else { return view }
    var apart = view
    apart.axes[0].remove(at: place)
    apart.axes.insert([rows[place]], at: 0)
    var result = unfolded(apart, 0, node)
    let time = result.axes.removeFirst()
    result.axes[0].insert(contentsOf: time, at: place)
    return result
  }

  /// The view behind a window: `channels` of as many places as fit.
  func view(
    behind axes: [WindowAxis], _ source: View, channels: Int, value: String, roundsUp: Bool = false,
    _ node: ONNXNode
  ) throws(ONNXError) -> View {
    var result = source
    result.value = value
    var places: [Int?] = [nil, channels]
    for axis in axes {
      guard let size = axis.size else {
        places.append(nil)
        result.clock = source.clock.through(axis, roundsUp: roundsUp)
        result.timeSize = source.timeSize.map { axis.places(of: $0, roundsUp: roundsUp) }
        if result.timeSize == 0 {
          throw .invalid(
            node: node.label, reason: "its window of \(axis.span) does not fit \(source.timeSize!) steps")
        }
        continue
      }
      places.append(axis.places(of: size, roundsUp: roundsUp))
    }
    guard let features = checkedProduct(places.map { $0 ?? 1 }), features > 0 else {
      throw .invalid(node: node.label, reason: "its window does not fit \(describe(source.axes))")
    }
    result.kind = source.kind.with(features: features)
    result.axes = View.inOrder(places, like: source.axes)
    return result
  }

  /// The bias of a Conv or a ConvTranspose, `[outputs]`; nil without one.
  mutating func windowBias(_ node: ONNXNode, of outputs: Int) throws(ONNXError) -> Tensor? {
    guard has(node, 2) else { return nil }
    let given = try weight(node, 2, "B")
    guard let vector = given.asVector(of: outputs) else {
      throw .shapeMismatch(node: node.label, input: "B", expected: "[\(outputs)]", found: given.shape)
    }
    return vector
  }

  fileprivate mutating func importConvolution(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let window = try WindowAttributes(&attributes)
    let groups = try attributes.int("group", default: 1)
    try attributes.finish()
    let weight = try self.weight(node, 1, "W")
    let source = try windowed(node)
    let rank = source.axes.count - 2
    guard weight.shape.count == rank + 2, rank <= 3, groups >= 1, weight.count > 0,
      groups <= WindowAxis.most, weight.shape[1] <= WindowAxis.most,
      source.places(1) == weight.shape[1] * groups
    else {
      throw .shapeMismatch(
        node: node.label, input: "W",
        expected: "[O, C/group, k…] for \(describe(source.axes)), \(groups) groups and 1 to 3 axes",
        found: weight.shape)
    }
    let bias = try windowBias(node, of: weight.shape[0])
    let axes = try window.axes(source, kernel: Array(weight.shape.dropFirst(2)), node)
    var needed = axes.needed
    if needed.isEmpty, groups > 1 { needed = [WindowAxis(size: source.kind.hasTime ? nil : 1, kernel: 1)] }
    if needed.isEmpty {
      // A window of one place, of one: each step's channels by themselves.
      let rows = try! weight.reshaped([weight.shape[0], weight.count / weight.shape[0]])
      let dense = Dense(weight: rows, bias: bias)
      let name = add(.dense(dense), node, inputs: [source.value], output: try output(node))
      return try set(node, try view(behind: axes, source, channels: weight.shape[0], value: name, node))
    }
    // Without axes of one place: as many elements.
    let kernel = try! weight.reshaped(Array(weight.shape.prefix(2)) + needed.map(\.kernel))
    let name = add(
      .convolution(Convolution(weight: kernel, bias: bias, axes: needed, groups: groups)), node,
      inputs: [source.value], output: try output(node))
    try set(node, try view(behind: axes, source, channels: weight.shape[0], value: name, node))
  }
}

extension ONNXExporter {
  /// The arrangement `[batch, channels, places…]` of a layer's input or output, and the windows along its places.
  ///
  /// Where a window leaves time alone, it gets an axis of its own in front, which the window sees one step of at a time.
  func arrangement(
    _ layer: Layer, _ axes: [WindowAxis], channels: Int, places: [Int]
  ) throws(ONNXError) -> (axes: [[AxisFactor]], windows: [WindowAxis]) {
    var (windows, places) = (axes, places)
    if kinds[layer.inputs[0]!]!.hasTime, !axes.contains(where: { $0.size == nil }) {
      windows.insert(WindowAxis(size: nil, kernel: 1), at: 0)
      places.insert(1, at: 0)
    }
    guard windows.count <= 3 else {
      throw .notExpressible(layer: layer.name, reason: "a window of three axes at each step of a sequence")
    }
    var stride = 1
    var result: [[AxisFactor]] = []
    for (window, count) in zip(windows, places).reversed() {
      result.insert(
        window.size == nil ? [.time] : View.normalised([.features(stride: stride, count: count)]), at: 0)
      if window.size != nil { stride *= count }
    }
    let channel = View.normalised([.features(stride: stride, count: channels)])
    return ([[.batch], channel] + result, windows)
  }

  /// The attributes of a window, in ONNX' order: all that is added in front, then all behind.
  func attributes(_ windows: [WindowAxis]) -> [String: ONNXAttribute] {
    func ints(_ numbers: [Int]) -> ONNXAttribute { .ints(numbers.map { Int64($0) }) }
    return [
      "kernel_shape": ints(windows.map(\.kernel)), "strides": ints(windows.map(\.stride)),
      "dilations": ints(windows.map(\.dilation)),
      "pads": ints(windows.map(\.before) + windows.map(\.after)),
    ]
  }

  mutating func exportConvolution(_ layer: Layer, _ convolution: Convolution) throws(ONNXError) {
    let shape = convolution.weight.shape
    let channels = shape[1] * convolution.groups
    let source = try arrangement(
      layer, convolution.axes, channels: channels, places: convolution.axes.map { $0.size ?? 1 })
    let target = try arrangement(
      layer, convolution.axes, channels: shape[0],
      places: convolution.axes.map { axis in axis.size.map { axis.places(of: $0) } ?? 1 })
    var kernel = convolution.weight
    if source.windows.count > convolution.axes.count {
      // One step at a time: a kernel of one step in front. As many elements.
      kernel = try! kernel.reshaped(Array(shape[..<2]) + [1] + Array(shape[2...]))
    }
    var inputs = [
      try materialise(layer.inputs[0]!, source.axes, layer.name),
      try weight(kernel, as: "\(layer.name)_weight"),
    ]
    if let bias = convolution.bias { inputs.append(try weight(bias, as: "\(layer.name)_bias")) }
    var attributes = attributes(source.windows)
    attributes["group"] = .int(Int64(convolution.groups))
    let name = add("Conv", inputs, as: result(layer), attributes, name: layer.name)
    hold(output(layer, 0), name, target.axes)
  }
}
