internal import Recurrent
internal import Tensors

// Layers that go along axes inside the features, in ONNX.
extension ONNXExporter {
  /// Time and batch, as far as a value has them, and then parts of its features, major first, each on an axis of its own.
  func stepwise(_ kind: ValueKind, _ counts: [Int]) -> [[AxisFactor]] {
    let front: [[AxisFactor]] = kind.hasTime ? [[.time], [.batch]] : [[.batch]]
    return View.inOrder(front.map { _ in nil } + counts, like: front + counts.map { _ in [] })
  }

  mutating func exportReduction(_ layer: Layer, _ reduction: Reduction) throws(ONNXError) {
    let kind = kinds[layer.inputs[0]!]!
    let outer = kind.features / (reduction.count * reduction.inner)
    let axes = stepwise(kind, [outer, reduction.count, reduction.inner])
    let source = try materialise(layer.inputs[0]!, axes, layer.name)
    let operation =
      switch reduction.function {
      case .sum: "ReduceSum"
      case .mean: "ReduceMean"
      case .max: "ReduceMax"
      }
    let name = reduced(operation, source, axis: axes.count - 2, layer)
    hold(output(layer, 0), name, stepwise(kind, [outer, reduction.inner]))
  }

  /// Without the axis. Axes are an input since opset 13 (ReduceSum) or 18.
  mutating func reduced(_ operation: String, _ name: String, axis: Int, _ layer: Layer) -> String {
    if opset >= (operation == "ReduceSum" ? 13 : 18) {
      return add(
        operation, [name, integers([axis], as: "axes")], as: result(layer), ["keepdims": .int(0)],
        name: layer.name)
    }
    return add(
      operation, [name], as: result(layer), ["axes": .ints([Int64(axis)]), "keepdims": .int(0)],
      name: layer.name)
  }

  mutating func exportGather(_ layer: Layer, _ gather: FeatureGather) throws(ONNXError) {
    let holder = try endingInFeatures(layer.inputs[0]!)
    let indices = integers(gather.sources, as: "\(layer.name)_features")
    let name = add(
      "Gather", [holder.name, indices], as: result(layer), ["axis": .int(Int64(holder.axes.count - 1))],
      name: layer.name)
    hold(output(layer, 0), name, holder.axes.dropLast() + [View.features(gather.sources.count)])
  }

  mutating func exportUnfold(_ layer: Layer, _ unfold: Unfold) throws(ONNXError) {
    let features = kinds[layer.inputs[0]!]!.features
    let outer = features / (unfold.count * unfold.inner)
    let axes = stepwise(kinds[layer.inputs[0]!]!, [outer, unfold.count, unfold.inner])
    let source = try materialise(layer.inputs[0]!, axes, layer.name)
    let ordered = add(
      "Transpose", [source], as: "\(layer.name)_steps", ["perm": .ints([2, 0, 1, 3])])
    let name = add(
      "Reshape", [ordered, integers([unfold.count, -1, outer * unfold.inner], as: "shape")],
      as: result(layer),
      name: layer.name)
    hold(output(layer, 0), name, [[.time], [.batch], View.features(features / unfold.count)])
  }

  mutating func exportFold(_ layer: Layer, _ fold: Fold) throws(ONNXError) {
    let features = kinds[layer.inputs[0]!]!.features
    let source = try materialise(
      layer.inputs[0]!, [[.batch], [.time], View.features(features)], layer.name)
    let name = add(
      "Reshape", [source, integers([-1, fold.count * features], as: "shape")], as: result(layer),
      name: layer.name)
    hold(output(layer, 0), name, [[.batch], View.features(fold.count * features)])
  }

  mutating func exportTimeSoftmax(_ layer: Layer) throws(ONNXError) {
    let features = kinds[layer.inputs[0]!]!.features
    // Before opset 13 a softmax runs over all axes from its own on: time comes last.
    let axes: [[AxisFactor]] = [[.batch], View.features(features), [.time]]
    let name = add(
      "Softmax", [try materialise(layer.inputs[0]!, axes, layer.name)], as: result(layer),
      ["axis": .int(2)], name: layer.name)
    hold(output(layer, 0), name, axes)
  }
}
