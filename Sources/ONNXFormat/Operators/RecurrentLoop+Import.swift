internal import Recurrent
internal import Tensors

extension ONNXImporter {
  /// A Loop whose body is made of cells and of what works on each step alone: recurrent layers, and the rest on whole sequences.
  mutating func importRecurrence(_ node: ONNXNode, _ loop: RecurrentLoop) throws(ONNXError) {
    func refuse(_ reason: String) -> ONNXError { .notImportable(node: node.label, reason: reason) }
    for position in loop.counters {
      guard case .constant(let start) = try value(node, position), start.doubles == [0] else {
        throw refuse("it counts its turns from something else than 0 ('\(node.inputs[position])')")
      }
    }
    for name in loop.conditions {
      guard case .constant(let condition)? = values[name], condition.doubles.allSatisfy({ $0 != 0 }) else {
        throw refuse("whether it makes a turn depends on '\(name)', which the run decides")
      }
    }
    // What is the same in each turn is so before the first.
    // Names inside the Loop may stand for other things outside.
    var loop = loop
    loop.renameBefore { uniqueValue($0) }
    for constant in loop.before.constants { set(constant.name, .constant(constant.tensor)) }
    for each in loop.before.nodes { try importNode(each) }
    // The steps.
    var inner = try stepImporter(node, loop)
    var sequences: [String: View] = [:]
    for read in loop.reads {
      let view = try sequence(node, read)
      sequences[read.step] = view
      // Of token ids only whether they are one: 1 or 0.
      let features = view.kind.isInteger ? 1 : view.kind.features
      var step = View(value: read.step, kind: .vector(features: features), axes: view.axes)
      if let axis = view.axes.firstIndex(of: [.time]), read.axis != nil {
        if read.keepsAxis { step.axes[axis] = [] } else { step.axes.remove(at: axis) }
      }
      inner.set(read.step, .view(step), elementTypes[read.sequence])
    }
    guard let first = sequences.values.first,
      sequences.values.allSatisfy({ $0.clock == first.clock && $0.timeSize == first.timeSize })
    else { throw refuse("the sequences that it reads have different numbers of steps") }
    for (position, bound) in loop.bounds.enumerated()
    where !isEnough(values[bound], of: first, among: loop.bounds.count > 1) {
      throw refuse(
        "it makes as many turns as '\(bound)' says, which is not known to be the number of steps that it reads"
          + (position == 0 ? "" : ", beside another bound"))
    }
    for end in loop.ends where !isEnough(values[end], of: first, among: true) {
      throw refuse("it may end at '\(end)', which is not known to be the number of steps that it reads")
    }
    guard loop.bounds.contains(where: { isNumber(values[$0], of: first) }) else {
      throw refuse("how many turns it makes is not known to be the number of steps that it reads")
    }
    // The states.
    for state in loop.states {
      try inner.set(state.input, self.state(node, state), elementTypes[node.inputs[state.position]])
    }
    let nodes = try inner.source.graph.sortedNodes(isGiven: { inner.values[$0] != nil })
    for each in FusedActivations(nodes, inner.source.graph).nodes { try inner.importNode(each) }

    let masks = sequences.filter { $0.value.kind.isInteger }
    var body = RecurrentBody(
      loop, inner, sequences: sequences.mapValues(\.value), masks: Set(masks.keys))
    let kinds: [String: ValueKind] = try knownKinds(inner, node)
    do { try body.find(kinds) } catch { throw refuse(error.text) }
    notes += inner.notes.filter { $0.exactness != .exact }
    try add(body, node, loop, first, masks)
  }

  /// An importer for the body, which sees what around it does not change from step to step.
  private func stepImporter(_ node: ONNXNode, _ loop: RecurrentLoop) throws(ONNXError) -> ONNXImporter {
    var source = source
    source.graph = loop.body
    source.graph.inputs = []
    var inner = ONNXImporter(source: source, bindings: bindings, limits: limits, gates: gates)
    (inner.isBody, inner.batchSize, inner.isUnbatched) = (true, batchSize, isUnbatched)
    inner.given = given
    for initializer in loop.body.initializers {
      inner.values[initializer.name] = .constant(initializer.tensor)
    }
    let steps = Set(loop.reads.map(\.step))
    for name in source.graph.captured where inner.values[name] == nil && !steps.contains(name) {
      let outer = loop.constants[name] ?? name
      guard let value = values[outer] else { continue }
      if case .view(let view) = value, view.kind.hasTime {
        throw .notImportable(node: node.label, reason: "each turn reads all of '\(outer)', not one step")
      }
      inner.set(name, value, elementTypes[outer])
    }
    for read in loop.body.nodes.flatMap(\.reads) { inner.uses[read, default: 0] += 1 }
    for output in loop.states.map(\.output) + loop.lists.map(\.output) + loop.collected {
      inner.uses[output, default: 0] += 1
    }
    return inner
  }

  /// The sequence that a turn reads a step of.
  private mutating func sequence(_ node: ONNXNode, _ read: RecurrentLoop.Read) throws(ONNXError) -> View {
    func refuse(_ reason: String) -> ONNXError { .notImportable(node: node.label, reason: reason) }
    guard let wanted = read.axis else {
      guard case .list(let list)? = values[read.sequence], let view = list else {
        throw refuse("'\(read.sequence)', which it reads, is no list of a sequence's steps")
      }
      return view
    }
    guard case .view(var view)? = values[read.sequence], view.wrapping == nil || view.kind.isInteger else {
      throw refuse("'\(read.sequence)', which it reads step by step, does not depend on the model's inputs")
    }
    let axis = try axis(wanted, rank: view.axes.count, node)
    if !view.kind.hasTime, view.places(axis) != nil { view = unfolded(view, axis, node) }
    var isMask = false
    if case .equals? = view.wrapping { isMask = true }
    guard view.axes[axis] == [.time], !view.kind.isInteger || isMask else {
      throw refuse("it reads \(describe(view.axes)) step by step along axis \(axis)")
    }
    return view
  }

  /// Whether a number is that of the steps of a sequence.
  private func isNumber(_ value: ImportedValue?, of view: View) -> Bool {
    switch value {
    case .sizes(let sizes, _)?: sizes.count == 1 && matches(sizes[0], .time(view.clock), view)
    case .constant(let tensor)?:
      tensor.count == 1 && view.timeSize.map { Double($0) == tensor.doubles[0] } ?? false
    case .view, .filled, .mask, .unbound, .list, .scores, .pattern, nil: false
    }
  }

  /// The same, or, beside another bound, a number that none reaches.
  private func isEnough(_ value: ImportedValue?, of view: View, among isOne: Bool) -> Bool {
    if isNumber(value, of: view) { return true }
    guard isOne, case .constant(let tensor)? = value, tensor.count == 1 else { return false }
    return tensor.doubles[0] >= Double(Int32.max)
  }

  /// A state as the body sees it.
  private mutating func state(
    _ node: ONNXNode, _ state: RecurrentLoop.Carried
  ) throws(ONNXError) -> ImportedValue {
    let outer = try value(node, state.position)
    var axes: [[AxisFactor]]
    let features: Int
    switch outer {
    case .view(let view):
      guard !view.kind.hasTime, !view.kind.isInteger else {
        throw .notImportable(node: node.label, reason: "it hands on '\(state.input)', which is \(view.kind)")
      }
      (axes, features) = (view.axes, view.kind.features)
    case .filled(let base, let shape):
      axes = shape.map { $0 == .batch ? [.batch] : [] }
      features = shape.last?.known ?? 0
      guard base.elementType.isFloat, features > 0,
        shape.dropLast().allSatisfy({ $0 == .batch || $0 == .known(1) })
      else {
        throw .notImportable(node: node.label, reason: "its state '\(state.input)' starts as no [B, H]")
      }
      axes[axes.count - 1] = View.features(features)
    case .constant(let tensor):
      guard let count = tensor.shape.last, count > 0, tensor.elementType.isFloat,
        tensor.shape.dropLast().allSatisfy({ $0 == 1 || $0 == batchSize })
      else {
        throw .notImportable(node: node.label, reason: "its state '\(state.input)' starts as no [B, H]")
      }
      features = count
      axes = tensor.shape.map { _ in [] }
      axes[axes.count - 1] = View.features(count)
      if axes.count > 1 { axes[axes.count - 2] = [.batch] }
    case .sizes, .mask, .unbound, .list, .scores, .pattern:
      throw .notImportable(
        node: node.label, reason: "its state '\(state.input)' starts as nothing that is known")
    }
    return .view(View(value: state.input, kind: .vector(features: features), axes: axes))
  }

  /// The kinds of the values that the body reads.
  private func knownKinds(_ inner: ONNXImporter, _ node: ONNXNode) throws(ONNXError) -> [String: ValueKind] {
    var kinds: [String: ValueKind] = [:]
    let made = Set(inner.layers.flatMap(\.outputs).compactMap { $0 })
    for case .view(let view) in inner.values.values where !made.contains(view.value) {
      kinds[view.value] = view.kind
    }
    if kinds.isEmpty { throw .notImportable(node: node.label, reason: "its body reads nothing") }
    return kinds
  }

  // MARK: What becomes of it

  private mutating func add(
    _ body: RecurrentBody, _ node: ONNXNode, _ loop: RecurrentLoop, _ sequence: View,
    _ masks: [String: View]
  ) throws(ONNXError) {
    func refuse(_ reason: String) -> ONNXError { .notImportable(node: node.label, reason: reason) }
    let name = uniqueLayer(node)
    /// What the body's values are called here.
    var names = body.sequences
    var last: [String: String] = [:]
    for step in body.plan {
      switch step {
      case .layer(var layer):
        layer.name = layerNames.claim("\(name)/\(layer.name)")
        layer.inputs = layer.inputs.map { input in input.map { names[$0] ?? $0 } }
        layer.outputs = layer.outputs.map { output in
          output.map { output in
            let new = uniqueValue(output)
            names[output] = new
            return new
          }
        }
        layers.append(layer)
      case .cell(let found):
        var x = joined(found.recurrence.inputs.map { names[$0] ?? $0 }, node)
        var lengths: String?
        var skipped: (token: Int, tokens: String)?
        if let mask = found.mask {
          guard let view = masks[mask], case .equals(let token, false)? = view.wrapping else {
            throw refuse("which rows run a step is no mask that leaves out one token")
          }
          skipped = (token, view.value)
          let packed = [uniqueValue("\(name)·packed"), uniqueValue("\(name)·lengths")]
          layers.append(
            Layer(
              layerNames.claim("\(name)/pack"), .stepPacking(StepPacking(skipped: token, .pack)),
              inputs: [x, view.value], outputs: packed))
          (x, lengths) = (packed[0], packed[1])
        }
        var inputs: [String?] = [x, lengths]
        for state in [found.hidden, found.cellState] {
          guard let state, let carried = loop.states.first(where: { $0.input == state }) else { continue }
          inputs.append(try start(node, carried, width: found.recurrence.layer.hiddenSize))
        }
        while inputs.last == .some(nil) { inputs.removeLast() }
        let made = (["y", "h"] + (found.cellState == nil ? [] : ["c"])).map { uniqueValue("\(name)·\($0)") }
        let layer = layerNames.claim("\(name)/\(found.recurrence.layer.cell.name)")
        layers.append(Layer(layer, .recurrent(found.recurrence.layer), inputs: inputs, outputs: made))
        if let skipped {
          for direction in Set(found.masked.values).sorted(by: { $0.rawValue < $1.rawValue }) {
            // Before the first step that is not skipped it is 0.
            if direction == .unpackHolding, inputs.count > 2, inputs[2] != nil { continue }
            let unpacked = uniqueValue("\(name)·\(direction.rawValue)")
            layers.append(
              Layer(
                layerNames.claim("\(name)/\(direction.rawValue)"),
                .stepPacking(StepPacking(skipped: skipped.token, direction)),
                inputs: [made[0], skipped.tokens],
                outputs: [unpacked]))
            for (value, own) in found.masked where own == direction { names[value] = unpacked }
          }
        } else {
          names[found.next] = made[0]
        }
        last[found.hidden] = made[1]
        if let state = found.cellState { last[state] = made[2] }
        note(
          layer, found.recurrence.isRounded ? .rounded : .exact,
          "a Loop whose body is a step of \(found.recurrence.layer.cell.name == "LSTM" ? "an" : "a") "
            + "\(found.recurrence.layer.cell.name)" + found.recurrence.roundingNote,
          roundedTo: found.recurrence.isRounded ? .float32 : nil)
      }
    }
    func view(_ value: String, like inside: String, _ front: [[AxisFactor]]) throws(ONNXError) -> View {
      guard case .view(let view)? = body.inner.values[inside] else {
        throw refuse("its body does not compute '\(inside)' from what it reads")
      }
      let kind: ValueKind =
        front.isEmpty ? .vector(features: view.kind.features) : .sequence(features: view.kind.features)
      return View(
        value: value, kind: kind, axes: front + view.axes, timeSize: sequence.timeSize, clock: sequence.clock)
    }
    func whole(_ inside: String) throws(ONNXError) -> String {
      guard case .view(let view)? = body.inner.values[inside], let name = names[view.value] else {
        throw refuse("what it collects as '\(inside)' is not made from the new states and from what it reads")
      }
      return name
    }
    let type = loop.reads.first { masks[$0.step] == nil }.flatMap { elementTypes[$0.sequence] }
    for state in loop.states {
      let output = node.outputs.indices.contains(state.position - 2) ? node.outputs[state.position - 2] : ""
      guard !output.isEmpty, uses[output] != nil else { continue }
      if let value = last[state.input] {
        set(output, .view(try view(value, like: state.output, [])), type)
      } else {
        // What is only handed on is the last step's.
        let value = add(
          .select(.step(-1)), node, inputs: [try whole(state.output)], output: uniqueValue(output))
        set(output, .view(try view(value, like: state.output, [])), type)
      }
    }
    for list in loop.lists {
      let output = node.outputs.indices.contains(list.position - 2) ? node.outputs[list.position - 2] : ""
      guard !output.isEmpty, uses[output] != nil else { continue }
      var all = try view(whole(list.output), like: list.output, [[.time]])
      all.axes.removeFirst()
      set(output, .list(all), type)
    }
    for (output, inside) in zip(node.outputs.dropFirst(node.inputs.count - 2), loop.collected)
    where !output.isEmpty && uses[output] != nil {
      set(output, .view(try view(whole(inside), like: inside, [[.time]])), type)
    }
  }

  /// Sequences one beside another.
  mutating func joined(_ sequences: [String], _ node: ONNXNode) -> String {
    if sequences.count == 1 { return sequences[0] }
    let name = uniqueValue("\(sequences[0])·joined")
    layers.append(
      Layer(
        uniqueLayer(ONNXNode("Concat", name: name, inputs: [], outputs: [])), .concat, inputs: sequences,
        outputs: [name]))
    return name
  }

  /// A state before the first step; nil for zeros.
  private mutating func start(
    _ node: ONNXNode, _ state: RecurrentLoop.Carried, width: Int
  ) throws(ONNXError) -> String? {
    let base: Tensor
    switch try value(node, state.position) {
    case .view(let view):
      guard view.kind == .vector(features: width), view.isOrdered else { break }
      return view.value
    case .constant(let tensor), .filled(let tensor, _):
      base = tensor
      if base.doubles.allSatisfy({ $0 == 0 && $0.sign == .plus }) { return nil }
      guard base.count % width == 0, base.shape.last == width,
        let rows = try? base.reshaped([base.count / width, width])
      else { break }
      return addConstant(rows, node, state.position)
    case .sizes, .mask, .unbound, .list, .scores, .pattern: break
    }
    throw .notImportable(
      node: node.label, reason: "its state '\(state.input)' does not start as [B, \(width)]")
  }
}
