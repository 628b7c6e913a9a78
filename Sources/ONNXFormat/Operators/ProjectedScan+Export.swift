internal import Recurrent
internal import Tensors

extension ONNXExporter {
  /// An LSTM with a projection, as a Scan.
  mutating func exportProjected(_ layer: Layer, _ recurrent: RecurrentLayer) throws(ONNXError) {
    func refuse(_ reason: String) -> ONNXError {
      .notExpressible(layer: layer.name, reason: "an LSTM with projection is written as a Scan: \(reason)")
    }
    guard opset >= ProjectedLSTM.firstOpset else {
      throw refuse("that needs opset \(ProjectedLSTM.firstOpset)")
    }
    guard input(layer, 1) == nil else { throw refuse("it takes no lengths") }
    guard recurrent.direction != .reverse else { throw refuse("it does not run backward alone") }
    guard recurrent.clip == nil, !recurrent.inputForget else {
      throw refuse("it neither clips nor couples gates")
    }
    for direction in recurrent.directions {
      guard direction.peepholes == nil else { throw refuse("it has no peepholes") }
      guard direction.gateActivation == .sigmoid, direction.candidateActivation == .tanh,
        direction.outputActivation == .tanh
      else { throw refuse("its activations are sigmoid and tanh") }
      guard direction.tensors.allSatisfy({ $0.tensor.quantization == nil }) else {
        throw refuse("quantised weights have to be converted to F32 first")
      }
    }
    let order = gates.lstm
    let count = recurrent.direction.count
    let (P, H) = (recurrent.outputSize, recurrent.hiddenSize)
    func reordered(_ tensor: Tensor) -> Tensor { GateOrder.lstm.reorder(tensor, to: order) }
    let scan = ProjectedLSTM(
      directions: recurrent.directions.map { direction in
        ProjectedLSTM.Direction(
          inputWeight: reordered(direction.inputWeight),
          recurrentWeight: reordered(direction.recurrentWeight),
          inputBias: direction.inputBias.map(reordered),
          recurrentBias: direction.recurrentBias.map(reordered),
          projection: direction.projection!)
      }, type: computeType, prefix: unique(layer.name) + "/", gates: order)

    let x = try materialise(
      layer.inputs[0]!, [[.time], [.batch], View.features(recurrent.inputSize)], layer.name)
    var states: [String] = []
    for (position, width) in [(2, P), (3, H)] {
      states += try initialStates(layer, position, width: width, count: count)
    }
    let roles = ["h", "c", "y"].flatMap { role in (0..<count).map { "\(layer.name)_\(role)\($0)" } }
    let outputs = roles.map { unique($0) }
    nodes.append(scan.node(name: layer.name, x: x, states: states, outputs: outputs, opset: opset))

    /// Both directions' features side by side.
    func joined(_ parts: ArraySlice<String>, _ position: Int, axis: Int, _ axes: [[AxisFactor]], width: Int) {
      guard let value = output(layer, position) else { return }
      let name =
        count == 1 ? parts.first! : add("Concat", Array(parts), as: value, ["axis": .int(Int64(axis))])
      hold(value, name, axes + [View.features(count * width)])
    }
    joined(outputs[(2 * count)...], 0, axis: 2, [[.time], [.batch]], width: P)
    joined(outputs[..<count], 1, axis: 1, [[.batch]], width: P)
    joined(outputs[count..<(2 * count)], 2, axis: 1, [[.batch]], width: H)
    note(layer, .exact, "an LSTM with projection, written as a Scan")
  }

  /// `[B, width]` for each direction: parts of the layer's input, or zeros.
  private mutating func initialStates(
    _ layer: Layer, _ position: Int, width: Int, count: Int
  ) throws(ONNXError) -> [String] {
    let role = position == 2 ? "h" : "c"
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
