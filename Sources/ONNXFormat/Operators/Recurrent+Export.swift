internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXExporter {
  /// An output `[front…, rows, H]` of a layer; rows that are steps and rows of the batch get an axis each.
  private mutating func hold(
    _ layer: Layer, _ position: Int, _ name: String, _ front: [[AxisFactor]], _ rows: [AxisFactor],
    _ unit: [AxisFactor]
  ) throws(ONNXError) {
    guard rows.contains(.time), !name.isEmpty else {
      return hold(output(layer, position), name, front + [rows, unit])
    }
    func size(_ axis: [AxisFactor]) -> Int {
      axis.reduce(1) { if case .features(_, let count) = $1 { $0 * count } else { $0 } }
    }
    let shape = add(
      "Concat",
      [
        integers(front.map(size) + [-1], as: "\(layer.name)_front"), try batchSize(),
        integers(rows.dropFirst(2).map { size([$0]) } + [size(unit)], as: "\(layer.name)_units"),
      ], as: "\(layer.name)_rows", ["axis": .int(0)])
    let apart = add("Reshape", [name, shape], as: "\(name)_steps")
    hold(output(layer, position), apart, front + rows.map { [$0] } + [unit])
  }

  mutating func exportRecurrent(_ layer: Layer, _ recurrent: RecurrentLayer) throws(ONNXError) {
    if let form = recurrent.scanForm {
      guard recurrent.path == .time else {
        throw .notExpressible(
          layer: layer.name,
          reason: "a \(recurrent.cell.name) that ONNX has no operator for runs along or at places")
      }
      return try exportScanned(layer, recurrent, form)
    }
    guard let order = gates.order(recurrent.cell) else {
      throw .notExpressible(layer: layer.name, reason: "no operator of ONNX computes it")
    }
    let canonical = recurrent.cell.gateOrder
    let count = recurrent.direction.count
    let hidden = recurrent.hiddenSize

    /// One part for each direction, stacked along a new first axis.
    func stack(_ parts: [Tensor]) throws(ONNXError) -> Tensor {
      let type = parts[0].elementType
      guard parts.allSatisfy({ $0.elementType == type && $0.quantization == nil }) else {
        throw .notExpressible(
          layer: layer.name, reason: "its tensors are of different element types or quantised")
      }
      let joined = Tensor.concatenated(parts)
      do { return try joined.reshaped([count, joined.shape[0] / count] + joined.shape.dropFirst()) } catch {
        throw .tensor(layer.name, reason: error.description)
      }
    }
    let kind = kinds[layer.inputs[0]!]!
    let places = recurrent.path.placeCount
    /// What it runs along, and its rows, where each place has so many features; of states each row has as many.
    func ways(_ features: Int, isState: Bool = false) -> (along: [AxisFactor], rows: [AxisFactor]) {
      let axis = View.normalised([.features(stride: features, count: places)])
      switch recurrent.path {
      case .time: return ([.time], [.batch])
      case .timeAtPlaces: return ([.time], [.batch] + axis)
      case .places:
        let outer = View.normalised([
          .features(
            stride: isState ? features : places * features,
            count: kind.features / (places * recurrent.inputSize))
        ])
        return (axis, (kind.hasTime ? [.time, .batch] : [.batch]) + outer)
      }
    }
    let (way, inputRows) = ways(recurrent.inputSize)
    let (made, rows) = ways(count * hidden)
    let stateRows = ways(count * hidden, isState: true).rows
    if recurrent.path != .time, input(layer, 1) != nil {
      throw .notExpressible(layer: layer.name, reason: "it runs at places of the features, with lengths")
    }
    var inputs = [
      try materialise(layer.inputs[0]!, [way, inputRows, View.features(recurrent.inputSize)], layer.name)
    ]
    inputs.append(
      try weight(
        try stack(recurrent.directions.map { canonical.reorder($0.inputWeight, to: order) }),
        as: "\(layer.name)_W"))
    inputs.append(
      try weight(
        try stack(
          recurrent.directions.compactMap { $0.recurrentWeight.map { canonical.reorder($0, to: order) } }),
        as: "\(layer.name)_R"))
    if recurrent.directions.contains(where: { $0.inputBias != nil || $0.recurrentBias != nil }) {
      let type = recurrent.directions[0].inputWeight.elementType
      let zeros = zeroTensor(type, recurrent.cell.gateCount * hidden)
      let parts = recurrent.directions.flatMap { direction in
        [direction.inputBias ?? zeros, direction.recurrentBias ?? zeros].map {
          canonical.reorder($0, to: order)
        }
      }
      inputs.append(try weight(try stack(parts), as: "\(layer.name)_B"))
    } else {
      inputs.append("")
    }
    if let lengths = input(layer, 1) {
      let name = try materialise(lengths, [[.batch]], lengths)
      // sequence_lens is int32 in every version of the operators.
      let isInt32 = model.inputs.contains { $0.value == lengths && $0.elementType == .int32 }
      inputs.append(isInt32 ? name : cast(name, .int32))
    } else {
      inputs.append("")
    }
    let side: [AxisFactor] = View.normalised([.features(stride: hidden, count: count)])
    let unit: [AxisFactor] = View.features(hidden)
    for position in [2, 3] where position == 2 || recurrent.cell.hasCellState {
      inputs.append(
        try input(layer, position).map { (state) throws(ONNXError) in
          try materialise(state, [side, stateRows, unit], "\(layer.name)_initial")
        } ?? "")
    }
    if recurrent.directions.contains(where: { $0.peepholes != nil }) {
      let zeros = zeroTensor(recurrent.directions[0].inputWeight.elementType, 3 * hidden)
      let parts = recurrent.directions.map {
        GateOrder.peepholes.reorder($0.peepholes ?? zeros, to: gates.peepholes)
      }
      inputs.append(try weight(try stack(parts), as: "\(layer.name)_P"))
    }
    while inputs.last == "" { inputs.removeLast() }

    let outputs = (0..<(recurrent.cell.hasCellState ? 3 : 2)).map { position in
      output(layer, position).map { unique($0) } ?? ""
    }
    nodes.append(
      ONNXNode(
        recurrent.cell.name, name: layer.name, inputs: inputs,
        outputs: Array(outputs[...(outputs.lastIndex { !$0.isEmpty } ?? 0)]),
        attributes: try attributes(layer, recurrent)))
    try hold(layer, 0, outputs[0], [made, side], rows, unit)
    for position in 1..<outputs.count {
      try hold(layer, position, outputs[position], [side], stateRows, unit)
    }
    note(layer, .exact, "gates \(canonical) reordered to \(order)")
  }

  private func zeroTensor(_ type: ElementType, _ count: Int) -> Tensor {
    // Zero is all bits zero in every element type.
    try! Tensor(type, shape: [count], bytes: .init(byteCount: count * type.size) { _ in })
  }

  private mutating func attributes(
    _ layer: Layer, _ recurrent: RecurrentLayer
  ) throws(ONNXError) -> [String: ONNXAttribute] {
    var attributes: [String: ONNXAttribute] = [
      "hidden_size": .int(Int64(recurrent.hiddenSize)), "direction": .string(recurrent.direction.rawValue),
    ]
    if let clip = recurrent.clip { attributes["clip"] = .float(narrow(clip, "clip", layer)) }
    if recurrent.inputForget { attributes["input_forget"] = .int(1) }
    if recurrent.cell.kind.resetAfter == true { attributes["linear_before_reset"] = .int(1) }

    let named = recurrent.directions.flatMap { direction in
      recurrent.cell.onnxActivations.map { (direction[keyPath: $0.path], standard: $0.standard) }
    }
    if named.allSatisfy({ $0 == $1 }) { return attributes }
    var names: [String] = []
    var alphas: [Float] = []
    var betas: [Float] = []
    for (activation, _) in named {
      // Affine with α 1 and β 0 is the identity.
      let activation = activation.kind == .identity ? Activation(.affine, alpha: 1, beta: 0) : activation
      guard let known = ONNXActivations.table.first(where: { $0.kind == activation.kind }) else {
        let hint =
          activation.kind == .thresholdedRelu
          ? "; their ThresholdedRelu lets x = α pass, as inclusiveThresholdedRelu does" : ""
        throw .notExpressible(
          layer: layer.name,
          reason: "the recurrent operators know no activation \(activation.kind.rawValue)\(hint)")
      }
      names.append(known.name)
      if known.kind.parameterCount >= 1 { alphas.append(narrow(activation.alpha, "α", layer)) }
      if known.kind.parameterCount >= 2 { betas.append(narrow(activation.beta, "β", layer)) }
    }
    attributes["activations"] = .strings(names)
    if !alphas.isEmpty { attributes["activation_alpha"] = .floats(alphas) }
    if !betas.isEmpty { attributes["activation_beta"] = .floats(betas) }
    return attributes
  }

  /// ONNX attributes are Float32.
  mutating func narrow(_ value: Double, _ what: String, _ layer: Layer) -> Float {
    let narrow = Float(value)
    if Double(narrow) != value { note(layer, .rounded, "\(what) \(value) rounded to Float32") }
    return narrow
  }
}
