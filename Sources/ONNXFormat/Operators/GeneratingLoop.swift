internal import Recurrent
internal import Tensors

extension ONNXOperator {
  /// A loop that generates, or one along sequences; others are refused before.
  static let loop = ONNXOperator(
    "Loop",
    demands: { node in
      guard node.domain.isEmpty, case .graph(let body)? = node.attributes["body"], GeneratedLoop(node) != nil
      else { return [] }
      return zip(node.inputs, body.inputs).dropFirst(2).compactMap { input, info in
        GeneratedLoop.roles(info).map { InputRoles.Demand(input, $0) }
      }
    },
    proposals: { _, node in (try? RecurrentLoop(node))?.proposals(node) ?? [] },
    onSizes: { (_, _) in nil },
    interpret: { (importer, node) throws(ONNXError) in
      if let loop = GeneratedLoop(node) { return try importer.importGenerate(node, loop) }
      let loop: RecurrentLoop
      do throws(RecurrentLoop.Reason) { loop = try RecurrentLoop(node) } catch {
        throw .notImportable(
          node: node.label, reason: "\(error.text); `run` and `verify` evaluate it as it is")
      }
      try importer.importRecurrence(node, loop)
    })
}

extension ONNXImporter {
  /// A Loop that is a Generate: its body is imported like a graph of its own.
  mutating func importGenerate(_ node: ONNXNode, _ loop: GeneratedLoop) throws(ONNXError) {
    func refuse(_ reason: String) -> ONNXError { .notImportable(node: node.label, reason: reason) }
    let limit = try integers(node, 0, "M")
    guard limit.count == 1, (1...Generate.mostSteps).contains(limit[0]) else {
      throw refuse("its limit of \(limit) turns is not one of 1 to \(Generate.mostSteps)")
    }
    // Every row starts as not ended, after no steps.
    for position in 2..<loop.leading.inputs {
      guard case .filled(let base, [.batch]) = try value(node, position), base.doubles == [0] else {
        throw refuse("its input \(position) is not 0 for every row")
      }
    }
    var inner = try body(loop)
    var carried: [Generate.Carried] = []
    var inputs: [String?] = []
    for (position, info) in loop.body.inputs.enumerated() {
      guard let kind = GeneratedLoop.kind(info) else {
        throw refuse("its body does not state the shape of '\(info.name)'")
      }
      let view = View(value: info.name, kind: kind, axes: View.canonicalAxes(kind), timeSize: 1)
      inner.set(info.name, .view(view), info.elementType)
      let start = Generate.Carried(input: info.name, output: "", kind: kind)
      inputs.append(
        try initialValue(node, loop.leading.inputs + position, start.outerKind, hasTime: kind.hasTime))
      carried.append(start)
    }
    for each in try inner.source.graph.sortedNodes() { try inner.importNode(each) }

    for position in carried.indices {
      let view = try inner.result(loop.carried[position], node)
      guard view.kind == carried[position].kind,
        view.axes == View.canonicalAxes(view.kind).map(View.normalised)
      else { throw refuse("what it carries as '\(carried[position].input)' changes its shape") }
      carried[position].output = view.value
    }
    func row(_ name: String) throws(ONNXError) -> View {
      let view = try inner.result(name, node)
      let axes = View.canonicalAxes(view.kind).map(View.normalised).filter { $0 != [.time] }
      guard view.axes == axes else { throw refuse("'\(name)' is arranged as \(describe(view.axes))") }
      return view
    }
    let rows = try loop.collected.map { (name) throws(ONNXError) in try row(name) }
    let stop = try loop.stop.map { (stop) throws(ONNXError) in
      Generate.Stop(value: try row(stop.value).value, token: stop.token, padding: stop.padding)
    }
    let generate = Generate(
      body: inner.layers(needed: carried.map(\.output) + rows.map(\.value) + (stop.map { [$0.value] } ?? [])),
      carried: carried, collected: rows.map(\.value), stop: stop, maxSteps: limit[0])

    let scans = node.outputs.dropFirst(loop.leading.outputs + carried.count)
    var outputs: [String?] = scans.map { $0.isEmpty ? nil : $0 }
    for (name, (collected, row)) in zip(scans, zip(loop.collected, rows)) where !name.isEmpty {
      let kind: ValueKind = row.kind.isInteger ? .tokens : .sequence(features: row.kind.features)
      set(
        name, .view(View(value: name, kind: kind, axes: View.canonicalAxes(kind))),
        row.kind.isInteger ? .int64 : inner.elementTypes[collected] ?? .float32)
    }
    if stop != nil, node.outputs.count > 1, !node.outputs[1].isEmpty {
      while outputs.count < rows.count { outputs.append(nil) }
      outputs.append(node.outputs[1])
      set(
        node.outputs[1], .view(View(value: node.outputs[1], kind: .indices, axes: [[.batch]])), .int64)
    }
    let name = uniqueLayer(node)
    layers.append(Layer(name, .generate(generate), inputs: inputs, outputs: outputs))
    notes += inner.notes
    note(name, .exact, "a Loop that generates, of \(limit[0]) steps at most")
  }

  /// An importer for the body, which sees the constants around it.
  private func body(_ loop: GeneratedLoop) throws(ONNXError) -> ONNXImporter {
    var graph = loop.body
    var known = Set(
      graph.initializers.map(\.name) + graph.inputs.map(\.name) + graph.nodes.flatMap(\.outputs))
    for input in graph.nodes.flatMap(\.inputs) where !input.isEmpty && known.insert(input).inserted {
      guard case .constant(let tensor)? = values[input] else {
        throw .notImportable(
          node: loop.body.name,
          reason: "it reads '\(input)' from outside, which is no constant: carry it along")
      }
      graph.initializers.append(.init(input, tensor))
    }
    var source = source
    source.graph = graph
    var inner = ONNXImporter(source: source, bindings: bindings, limits: limits, gates: gates)
    inner.isBody = true
    inner.batchSize = batchSize
    for initializer in graph.initializers { inner.values[initializer.name] = .constant(initializer.tensor) }
    for input in graph.nodes.flatMap(\.inputs) where !input.isEmpty { inner.uses[input, default: 0] += 1 }
    for output in loop.carried + loop.collected { inner.uses[output, default: 0] += 1 }
    return inner
  }

  /// The view that a value of the graph is.
  private func result(_ name: String, _ node: ONNXNode) throws(ONNXError) -> View {
    guard case .view(let view)? = values[name], view.offset == 0, view.wrapping == nil else {
      throw .notImportable(
        node: node.label, reason: "its body does not compute '\(name)' from what is carried")
    }
    return view
  }

  /// The layers, without those that none of the values needs.
  private func layers(needed values: [String]) -> [Layer] {
    var model = Model(
      inputs: [],
      outputs: values.map { Model.Port(name: $0, value: $0, elementType: .float32, kind: .tokens, axes: []) },
      layers: layers)
    model.dropUnused()
    return model.layers
  }

  /// A carried value before the first step, which has an axis of one step in front where `hasTime`.
  private mutating func initialValue(
    _ node: ONNXNode, _ position: Int, _ kind: ValueKind, hasTime: Bool
  ) throws(ONNXError) -> String {
    let front: [[AxisFactor]] = hasTime ? [[]] : []
    let name = "\(position)"
    let base: Tensor
    switch try value(node, position) {
    case .view(let view):
      guard view.kind == kind, view.offset == 0, view.wrapping == nil else {
        throw .notImportable(node: node.label, reason: "its input \(name) is \(view.kind), expected \(kind)")
      }
      try require(view, front + View.canonicalAxes(kind), node, name)
      return view.value
    case .filled(let tensor, _), .constant(let tensor): base = tensor
    case .sizes, .mask, .list, .unbound, .scores, .pattern:
      throw .notImportable(node: node.label, reason: "its input \(name) cannot be understood")
    }
    let shape = Array(base.shape.dropFirst(front.count))
    let features = kind.isInteger ? [] : [kind.features]
    guard base.shape.prefix(front.count).allSatisfy({ $0 == 1 }), let rows = shape.first,
      rows == 1 || batchSize == rows, shape.dropFirst() == features[...],
      base.elementType.isFloat != kind.isInteger
    else {
      throw .notImportable(node: node.label, reason: "its input \(name) is of shape \(base.shape)")
    }
    let state: Tensor
    do { state = try base.reshaped(shape) } catch { throw .tensor(name, reason: error.description) }
    let value = uniqueValue("\(node.inputs[position].ownPart)·\(node.index)·\(position)")
    layers.append(
      Layer(
        uniqueLayer(ONNXNode("Constant", name: value, inputs: [], outputs: [])), .constant(state), inputs: [],
        outputs: [value]))
    return value
  }
}
