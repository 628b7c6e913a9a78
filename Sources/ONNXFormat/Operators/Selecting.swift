internal import Recurrent
internal import Tensors

// One layer, five operators: Gather, ReduceMean, ReduceMax, ReduceSum and GatherElements.
extension ONNXExporter {
  mutating func exportSelect(_ layer: Layer, _ selection: Selection) throws(ONNXError) {
    let value = layer.inputs[0]!
    let kind = kinds[value]!
    var holder = anyHolder(value)
    if holder.axes.firstIndex(of: [.time]) == nil {
      let axes = View.canonicalAxes(kind)
      holder = Holder(name: try materialise(value, axes, value), axes: axes)
    }
    var axis = holder.axes.firstIndex(of: [.time])!
    var name: String
    switch selection {
    case .step(let step):
      let index = integers([step], as: "step", scalar: true)
      name = add(
        "Gather", [holder.name, index], as: result(layer), ["axis": .int(Int64(axis))], name: layer.name)
    case .mean: name = reduced("ReduceMean", holder.name, axis: axis, layer)
    case .max: name = reduced("ReduceMax", holder.name, axis: axis, layer)
    case .sum: name = reduced("ReduceSum", holder.name, axis: axis, layer)
    case .lastValid:
      guard opset >= 11 else {
        throw .notExpressible(
          layer: layer.name, reason: "the last valid step needs GatherElements, opset 11 or newer")
      }
      // GatherElements([T, B, F], (lengths − 1) as [1, B, F], axis 0).
      let axes = View.canonicalAxes(kind)
      holder = Holder(name: try materialise(value, axes, value), axes: axes)
      axis = 0
      var lengths = try materialise(layer.inputs[1]!, [[.batch]], layer.name)
      lengths = cast(lengths, .int64)
      let one = integers([1], as: "one")
      let last = add("Sub", [lengths, one], as: "\(layer.name)_last")
      let column = squeeze("Unsqueeze", last, [0, 2], as: "\(layer.name)_column")
      let shape = integers([1, 1, kind.features], as: "shape")
      let indices = add("Expand", [column, shape], as: "\(layer.name)_indices")
      name = add(
        "GatherElements", [holder.name, indices], as: "\(layer.name)_step", ["axis": .int(0)],
        name: layer.name)
      name = squeeze("Squeeze", name, [0], as: result(layer))
    }
    var axes = holder.axes
    axes.remove(at: axis)
    hold(output(layer, 0), name, axes)
  }
}
