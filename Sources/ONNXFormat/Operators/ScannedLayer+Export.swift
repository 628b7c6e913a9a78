internal import Recurrent
internal import Tensors

extension ONNXExporter {
  /// A layer that ONNX has no operator for, as a Scan.
  mutating func exportScanned(
    _ layer: Layer, _ recurrent: RecurrentLayer, _ form: ScanForm
  ) throws(ONNXError) {
    func refuse(_ reason: String) -> ONNXError {
      .notExpressible(layer: layer.name, reason: "\(form.name) is written as a Scan: \(reason)")
    }
    guard opset >= ScannedLayer.firstOpset else {
      throw refuse("that needs opset \(ScannedLayer.firstOpset)")
    }
    if let reason = form.reasonNotTo(recurrent) { throw refuse(reason) }
    guard recurrent.directions.flatMap(\.tensors).allSatisfy({ $0.tensor.quantization == nil }) else {
      throw refuse("quantised weights have to be converted to F32 first")
    }
    let count = recurrent.direction.count
    let scan = ScannedLayer(
      form, recurrent, type: computeType, prefix: unique(layer.name) + "/",
      hasLengths: input(layer, 1) != nil, gates)
    let x = try materialise(
      layer.inputs[0]!, [[.time], [.batch], View.features(recurrent.inputSize)], layer.name)
    let widths = form.states.map { $0.width(recurrent) }
    var states: [String] = []
    for (index, state) in form.states.enumerated() {
      states += try initialStates(layer, 2 + index, state.name, width: widths[index], count: count)
    }
    var leading = states
    if let lengths = input(layer, 1) {
      leading.append(cast(try materialise(lengths, [[.batch], []], lengths), .int64))
      for direction in recurrent.directionNames {
        leading.append(
          direction == "forward"
            ? integers([0], as: "\(layer.name)_first")
            : slice(add("Shape", [x], as: "\(layer.name)_shape"), axis: 0, 0..<1, as: "\(layer.name)_steps"))
      }
    }
    let roles =
      form.states.map(\.name) + (scan.hasLengths ? ["t"] : []) + ["y"]
    var outputs = roles.flatMap { role in (0..<count).map { unique("\(layer.name)_\(role)\($0)") } }
    if scan.hasLengths { outputs.insert(unique("\(layer.name)_ends"), at: states.count) }
    nodes.append(scan.node(name: layer.name, x: x, leading: leading, outputs: outputs, opset: opset))

    /// Both directions' features side by side.
    func joined(_ parts: ArraySlice<String>, _ position: Int, axis: Int, _ axes: [[AxisFactor]], width: Int) {
      guard let value = output(layer, position) else { return }
      let name =
        count == 1 ? parts.first! : add("Concat", Array(parts), as: value, ["axis": .int(Int64(axis))])
      hold(value, name, axes + [View.features(count * width)])
    }
    joined(outputs[scan.leading...], 0, axis: 2, [[.time], [.batch]], width: recurrent.outputSize)
    for (index, width) in widths.enumerated() {
      joined(outputs[(index * count)..<((index + 1) * count)], 1 + index, axis: 1, [[.batch]], width: width)
    }
    note(layer, .exact, "\(form.name), written as a Scan")
  }

  /// `[B, width]` for each direction: parts of the layer's input, or zeros.
  private mutating func initialStates(
    _ layer: Layer, _ position: Int, _ role: String, width: Int, count: Int
  ) throws(ONNXError) -> [String] {
    guard let state = input(layer, position) else {
      let row: Tensor
      do {
        row = try Tensor([Float](repeating: 0, count: width), shape: [1, width]).converted(to: computeType)
          .tensor
      } catch { throw .tensor(layer.name, reason: error.description) }
      let zeros = try weight(row, as: "\(layer.name)_zeros")
      let shape = add(
        "Concat", [try batchSize(), integers([width], as: "features")], as: "\(layer.name)_shape",
        ["axis": .int(0)])
      let name = add("Expand", [zeros, shape], as: "\(layer.name)_\(role)_zero")
      return (0..<count).map { _ in name }
    }
    let side: [AxisFactor] = View.normalised([.features(stride: width, count: count)])
    let stacked = try materialise(state, [side, [.batch], View.features(width)], "\(layer.name)_initial")
    return (0..<count).map { direction in
      let part =
        count == 1
        ? stacked : slice(stacked, axis: 0, direction..<(direction + 1), as: "\(layer.name)_\(role)_part")
      return squeeze("Squeeze", part, [0], as: "\(layer.name)_\(role)_initial")
    }
  }
}
