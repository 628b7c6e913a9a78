internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let convTranspose = ONNXOperator(
    "ConvTranspose", proposals: { $0.proposedWindow($1) }, trace: { $0.beforeWindow($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importTransposedConvolution(node) })
}

/// The attributes of a ConvTranspose.
private struct SpreadAttributes {
  let kernel: [Int]?
  let strides: [Int]?
  let dilations: [Int]?
  let pads: [Int]?
  let extra: [Int]?
  let shape: [Int]?
  let automatic: String
  let groups: Int

  init(_ attributes: inout AttributeReader) throws(ONNXError) {
    kernel = try attributes.ints("kernel_shape")
    strides = try attributes.ints("strides")
    dilations = try attributes.ints("dilations")
    pads = try attributes.ints("pads")
    extra = try attributes.ints("output_padding")
    shape = try attributes.ints("output_shape")
    automatic = try attributes.string("auto_pad") ?? "NOTSET"
    groups = try attributes.int("group", default: 1)
  }

  /// How a kernel spreads along the axes of a view behind batch and channels.
  func axes(_ view: View, kernel: [Int], _ node: ONNXNode) throws(ONNXError) -> [TransposedAxis] {
    let count = kernel.count
    func invalid(_ reason: String) -> ONNXError { .invalid(node: node.label, reason: reason) }
    guard self.kernel == nil || self.kernel == kernel,
      [strides, dilations, extra, shape].allSatisfy({ $0?.count ?? count == count }),
      pads?.count ?? 2 * count == 2 * count
    else { throw invalid("its attributes do not fit a kernel of \(kernel)") }
    var axes: [TransposedAxis] = []
    for axis in 0..<count {
      var result = TransposedAxis(
        size: view.places(axis + 2), kernel: kernel[axis], stride: strides?[axis] ?? 1,
        dilation: dilations?[axis] ?? 1)
      let extra = extra?[axis] ?? 0
      let numbers = [result.kernel, result.stride, result.dilation, result.size ?? 1]
      guard numbers.allSatisfy({ (1...WindowAxis.most).contains($0) }), result.span <= WindowAxis.most,
        extra >= 0, extra < max(result.stride, result.dilation)
      else {
        throw invalid(
          "a kernel of \(result.kernel), stride \(result.stride), dilation \(result.dilation), output_padding \(extra)"
        )
      }
      let isSame = automatic == "SAME_UPPER" || automatic == "SAME_LOWER"
      guard isSame || automatic == "NOTSET" || automatic == "VALID" else {
        throw invalid("auto_pad '\(automatic)'")
      }
      // What is left out where the size of the result is stated.
      var total: Int?
      if let wanted = shape?[axis] {
        guard let size = result.size ?? view.timeSize else {
          throw .notImportable(
            node: node.label,
            reason: "output_shape fixes the number of steps, which is open; fix it in the input's shape")
        }
        guard (1...WindowAxis.most).contains(wanted) else { throw invalid("an output_shape of \(wanted)") }
        total = (size - 1) * result.stride + result.span + extra - wanted
      } else if isSame {
        // As many places as strides, whatever their number.
        total = result.span + extra - result.stride
      }
      if let total {
        // Of an odd number the larger half stands in front, but for SAME_UPPER; what is missing is added behind.
        let less = max(total, 0) / 2
        result.before = automatic == "SAME_UPPER" ? less : max(total, 0) - less
        result.after = total - result.before
      } else {
        result.before = automatic == "VALID" ? 0 : pads?[axis] ?? 0
        result.after = automatic == "VALID" ? 0 : pads?[axis + count] ?? 0
      }
      guard (0...WindowAxis.most).contains(result.before),
        (-WindowAxis.mostAdded...WindowAxis.most).contains(result.after)
      else { throw invalid("pads of \(result.before) and \(result.after)") }
      result.after -= extra
      axes.append(result)
    }
    return axes
  }
}

extension ONNXImporter {
  fileprivate mutating func importTransposedConvolution(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let given = try SpreadAttributes(&attributes)
    try attributes.finish()
    let source = try windowed(node)
    let weight = try weight(node, 1, "W")
    let shape = weight.shape
    guard shape.count == source.axes.count, (3...5).contains(shape.count),
      shape.allSatisfy({ (1...WindowAxis.most).contains($0) }), source.places(1) == shape[0],
      (1...WindowAxis.most).contains(given.groups), shape[0] % given.groups == 0
    else {
      throw .shapeMismatch(
        node: node.label, input: "W",
        expected: "[C, O/group, k…] for \(describe(source.axes)), \(given.groups) groups and 1 to 3 axes",
        found: shape)
    }
    let outputs = shape[1] * given.groups
    let bias = try windowBias(node, of: outputs)
    let axes = try given.axes(source, kernel: Array(shape.dropFirst(2)), node)
    // Without axes of one place, along which nothing is spread: as many elements.
    var needed = axes.filter { !($0.isPointwise && $0.size ?? 1 == 1) }
    if needed.isEmpty { needed = [TransposedAxis(size: source.kind.hasTime ? nil : 1, kernel: 1)] }
    let kernel = try! weight.reshaped(Array(shape.prefix(2)) + needed.map(\.kernel))
    let layer = TransposedConvolution(weight: kernel, bias: bias, axes: needed, groups: given.groups)
    let name = add(.transposedConvolution(layer), node, inputs: [source.value], output: try output(node))
    try set(node, try view(behind: axes, source, channels: outputs, value: name, node))
  }

  /// The view behind what is spread along its axes.
  private func view(
    behind axes: [TransposedAxis], _ source: View, channels: Int, value: String, _ node: ONNXNode
  ) throws(ONNXError) -> View {
    var result = source
    result.value = value
    var places: [Int?] = [nil, channels]
    for axis in axes {
      guard let size = axis.size else {
        places.append(nil)
        result.clock = source.clock.through(axis)
        result.timeSize = source.timeSize.map { axis.places(of: $0) }
        if result.timeSize == 0 {
          throw .invalid(node: node.label, reason: "nothing is left of \(source.timeSize!) steps")
        }
        continue
      }
      places.append(axis.places(of: size))
    }
    guard let features = checkedProduct(places.map { $0 ?? 1 }), features > 0 else {
      throw .invalid(node: node.label, reason: "nothing is left of \(describe(source.axes))")
    }
    result.kind = source.kind.with(features: features)
    result.axes = View.inOrder(places, like: source.axes)
    return result
  }
}

extension ONNXExporter {
  mutating func exportTransposedConvolution(
    _ layer: Layer, _ convolution: TransposedConvolution
  ) throws(ONNXError) {
    let shape = convolution.weight.shape
    // As windows, for what both have in common.
    let windows = convolution.axes.map { WindowAxis(size: $0.size, kernel: $0.kernel) }
    let source = try arrangement(
      layer, windows, channels: shape[0], places: convolution.axes.map { $0.size ?? 1 })
    let target = try arrangement(
      layer, windows, channels: convolution.outputs,
      places: convolution.axes.map { axis in axis.size.map { axis.places(of: $0) } ?? 1 })
    var (axes, kernel) = (convolution.axes, convolution.weight)
    if source.windows.count > axes.count {
      // One step at a time: a kernel of one step in front. As many elements.
      kernel = try! kernel.reshaped(Array(shape[..<2]) + [1] + Array(shape[2...]))
      axes.insert(TransposedAxis(size: nil, kernel: 1), at: 0)
    }
    guard axes.allSatisfy({ -$0.after < max($0.stride, $0.dilation) }) else {
      throw .notExpressible(
        layer: layer.name, reason: "it adds as many places behind as a stride or dilation, or more")
    }
    var inputs = [
      try materialise(layer.inputs[0]!, source.axes, layer.name),
      try weight(kernel, as: "\(layer.name)_weight"),
    ]
    if let bias = convolution.bias { inputs.append(try weight(bias, as: "\(layer.name)_bias")) }
    func ints(_ numbers: [Int]) -> ONNXAttribute { .ints(numbers.map { Int64($0) }) }
    let name = add(
      "ConvTranspose", inputs, as: result(layer),
      [
        "kernel_shape": ints(axes.map(\.kernel)), "strides": ints(axes.map(\.stride)),
        "dilations": ints(axes.map(\.dilation)),
        "pads": ints(axes.map(\.before) + axes.map { max($0.after, 0) }),
        "output_padding": ints(axes.map { max(-$0.after, 0) }), "group": .int(Int64(convolution.groups)),
      ], name: layer.name)
    hold(output(layer, 0), name, target.axes)
  }
}
