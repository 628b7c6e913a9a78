internal import Recurrent
internal import Tensors

extension ONNXExporter {
  /// A Generate as a `Loop`; `GeneratedLoop` finds it again.
  ///
  /// Beside the carried values the loop carries which rows have ended, and how many steps each row has made. It goes
  /// on while a row has not ended. What is collected is masked in the rows that have.
  mutating func exportGenerate(_ layer: Layer, _ generate: Generate) throws(ONNXError) {
    guard opset >= 11 else {
      throw .notExpressible(layer: layer.name, reason: "generating is written as a Loop, from opset 11 on")
    }
    var initial: [String] = []
    for (input, carried) in zip(layer.inputs, generate.carried) {
      let axes: [[AxisFactor]]
      switch carried.kind {
      case .sequence(let features): axes = [[], [.batch], View.features(features)]
      case .tokens, .indices: axes = [[], [.batch]]
      case .vector(let features): axes = [[.batch], View.features(features)]
      }
      let name = try materialise(input!, axes, "\(layer.name)_start")
      initial.append(carried.kind.isInteger ? cast(name, .int64) : name)
    }
    var before: [String] = []
    if generate.stop != nil {
      let rows = try rowCount(initial[0], generate.carried[0].kind, layer)
      for (start, what) in [
        (Tensor([false], shape: [1]), "ended"), (Tensor([Int64(0)], shape: [1]), "steps"),
      ] {
        let constant = unique("\(layer.name)_\(what)_start")
        initializers.append(.init(constant, start))
        before.append(add("Expand", [constant, rows], as: "\(layer.name)_\(what)_rows"))
      }
    }
    let body = try body(layer, generate)
    let limit = integers([generate.maxSteps], as: "\(layer.name)_limit", scalar: true)
    let outputs = body.outputs.dropFirst().map { unique("\($0.name)_all") }
    nodes.append(
      ONNXNode(
        "Loop", name: layer.name, inputs: [limit, ""] + before + initial, outputs: outputs,
        attributes: ["body": .graph(body)]))
    let scans = outputs.suffix(generate.collected.count)
    for (position, name) in scans.enumerated() {
      guard let value = output(layer, position) else { continue }
      hold(value, name, View.canonicalAxes(kinds[value]!))
    }
    if generate.stop != nil { hold(output(layer, scans.count), outputs[1], [[.batch]]) }
    note(layer, .exact, "a Loop of \(generate.maxSteps) steps at most")
  }

  /// The batch size `[1]`, from a carried value.
  private mutating func rowCount(_ name: String, _ kind: ValueKind, _ layer: Layer) throws(ONNXError)
    -> String
  {
    let axis = kind.hasTime ? 1 : 0
    return slice(
      add("Shape", [name], as: "\(layer.name)_shape"), axis: 0, axis..<(axis + 1), as: "\(layer.name)_rows")
  }

  /// What runs once a step.
  ///
  /// Takes (iteration, condition, ended?, steps?, carried…), gives (condition, ended?, steps?, carried…, collected…).
  private mutating func body(_ layer: Layer, _ generate: Generate) throws(ONNXError) -> ONNXGraph {
    var inner = ONNXExporter(model: model, opset: opset, gates: gates)
    do { inner.kinds = try generate.valueKinds(of: layer.name) } catch { throw .model(error) }
    inner.computeType = computeType
    inner.names = names
    func wanted(_ name: String) -> String {
      // An import of such an export has the layer before the name already.
      name.hasPrefix("\(layer.name)/") ? name : "\(layer.name)/\(name)"
    }
    var graph = ONNXGraph(name: wanted("step"))
    func take(_ name: String, _ type: ElementType, _ shape: [ONNXValueInfo.Dimension]) -> String {
      let name = inner.unique(wanted(name))
      graph.inputs.append(ONNXValueInfo(name, type, shape))
      return name
    }
    func give(_ name: String, _ type: ElementType) { graph.outputs.append(ONNXValueInfo(name, type, nil)) }

    _ = take("iteration", .int64, [])
    let condition = take("condition", .bool, [])
    let ended = generate.stop.map { _ in take("ended", .bool, [.unknown]) }
    let steps = generate.stop.map { _ in take("steps", .int64, [.unknown]) }
    for carried in generate.carried {
      let axes = View.canonicalAxes(carried.kind)
      let shape = axes.map { axis -> ONNXValueInfo.Dimension in
        axis == [.time] ? .fixed(1) : axis == [.batch] ? .unknown : .fixed(carried.kind.features)
      }
      let name = take(carried.input, carried.kind.isInteger ? .int64 : computeType, shape)
      inner.holders[carried.input] = nil
      inner.hold(carried.input, name, axes)
    }
    let first = graph.inputs.last!.name
    inner.batchTensor = nil
    if generate.body.contains(where: { $0.needsBatchSize }) {
      inner.batchTensor = try inner.rowCount(first, generate.carried.last!.kind, layer)
    }
    for each in generate.body { try inner.export(each) }

    if let stop = generate.stop, let ended, let steps {
      let token = try inner.oneStep(stop.value)
      let wantedToken = inner.integers([Int(stop.token)], as: wanted("stop"))
      let isStop = inner.add("Equal", [inner.cast(token, .int64), wantedToken], as: wanted("is_stop"))
      let endedNext = inner.add("Or", [ended, isStop], as: wanted("ended_next"))
      let left = inner.cast(inner.add("Not", [endedNext], as: wanted("left")), .int32)
      let most = inner.add("ReduceMax", [left], as: wanted("most"), ["keepdims": .int(0)])
      let goesOn = inner.cast(most, .bool)
      let own = inner.cast(inner.add("Not", [ended], as: wanted("own")), .int64)
      let stepsNext = inner.add("Add", [steps, own], as: wanted("steps_next"))
      give(goesOn, .bool)
      give(endedNext, .bool)
      give(stepsNext, .int64)
    } else {
      give(inner.add("Identity", [condition], as: wanted("goes_on")), .bool)
    }
    for carried in generate.carried {
      let name = try inner.materialise(carried.output, View.canonicalAxes(carried.kind), carried.output)
      give(
        inner.add("Identity", [name], as: wanted("\(carried.input)_next")),
        carried.kind.isInteger ? .int64 : computeType)
    }
    for value in generate.collected {
      let isInteger = inner.kinds[value]!.isInteger
      let name = try inner.oneStep(value)
      let result = wanted("\(value)_step")
      if let stop = generate.stop, let ended {
        let mask = isInteger ? ended : inner.squeeze("Unsqueeze", ended, [1], as: wanted("mask"))
        let filling = inner.unique(wanted("padding"))
        let padding =
          isInteger ? Tensor([stop.padding], shape: [1]) : try inner.zero(layer)
        inner.initializers.append(.init(filling, padding))
        give(inner.add("Where", [mask, filling, name], as: result), isInteger ? .int64 : computeType)
      } else {
        give(inner.add("Identity", [name], as: result), isInteger ? .int64 : computeType)
      }
    }
    names = inner.names
    notes += inner.notes
    graph.nodes = inner.nodes.enumerated().map { index, node in
      var node = node
      node.index = index
      return node
    }
    graph.initializers = inner.initializers
    return graph
  }

  private func zero(_ layer: Layer) throws(ONNXError) -> Tensor {
    do { return try Tensor([Float(0)], shape: [1]).converted(to: computeType).tensor } catch {
      throw .tensor(layer.name, reason: error.description)
    }
  }

  /// A value of the body without its axis of one step: `[B, F]` or `[B]`.
  private mutating func oneStep(_ value: String) throws(ONNXError) -> String {
    let kind = kinds[value]!
    let name = try materialise(value, View.canonicalAxes(kind), value)
    return kind.hasTime ? squeeze("Squeeze", name, [0], as: "\(value)_row") : name
  }
}

extension Layer {
  /// Whether ONNX needs the batch size to write it.
  fileprivate var needsBatchSize: Bool {
    switch operation {
    case .constant: true
    case .recurrent(let layer): layer.scanForm != nil
    case .embedding, .dense, .activation, .softmax, .logSoftmax, .layerNormalization, .select, .concat,
      .slice, .arithmetic,
      .reverse,
      .dropout, .argMax, .generate, .convolution, .pool, .padding, .gather, .unfold, .fold, .reduce,
      .timeSoftmax, .repeated, .stepPacking, .batchNormalization, .normalization, .transposedConvolution,
      .resize, .cumulativeSum, .attention,
      .choice:
      false
    }
  }
}
