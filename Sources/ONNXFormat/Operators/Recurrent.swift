internal import ByteIO
internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let rnn = recurrent("RNN") { _ in .rnn }
  static let lstm = recurrent("LSTM") { _ in .lstm }
  static let gru = recurrent("GRU") { (attributes) throws(ONNXError) in
    .gru(resetAfter: try attributes.int("linear_before_reset", default: 0) != 0)
  }

  private static func recurrent(
    _ name: String, _ cell: @escaping @Sendable (inout AttributeReader) throws(ONNXError) -> Cell
  ) -> ONNXOperator {
    ONNXOperator(
      name,
      demands: { node in
        guard node.domain.isEmpty else { return [] }
        var batchFirst = false
        if case .int(1)? = node.attributes["layout"] { batchFirst = true }
        let features = AxisRole.features(nil)
        let sequence: [AxisRole] = batchFirst ? [.batch, .time, features] : [.time, .batch, features]
        let state: [AxisRole] = batchFirst ? [.batch, features, features] : [features, .batch, features]
        let roles = [0: sequence, 4: [.batch], 5: state, 6: state]
        return node.inputs.indices.compactMap { position in
          guard let roles = roles[position], !node.inputs[position].isEmpty else { return nil }
          return InputRoles.Demand(node.inputs[position], roles)
        }
      }, fold: { (_, _, _) in .open },
      interpret: { (importer, node) throws(ONNXError) in
        var attributes = AttributeReader(node)
        let cell = try cell(&attributes)
        try importer.importRecurrent(node, cell, &attributes)
      })
  }
}

extension ONNXImporter {
  fileprivate mutating func importRecurrent(
    _ node: ONNXNode, _ cell: Cell, _ attributes: inout AttributeReader
  ) throws(ONNXError) {
    let directionName = try attributes.string("direction") ?? "forward"
    guard let direction = Direction(rawValue: directionName) else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "direction",
        reason: "'\(directionName)' is not forward, reverse or bidirectional")
    }
    let batchFirst = try attributes.int("layout", default: 0) != 0
    let inputForget = cell.kind.isCouplable ? try attributes.int("input_forget", default: 0) != 0 : false
    var clip = try attributes.float("clip")
    if let threshold = clip, !(threshold > 0) {
      throw .unsupportedAttribute(node: node.label, attribute: "clip", reason: "\(threshold) is not positive")
    }
    // Nothing is cut off at infinity.
    if clip == .infinity { clip = nil }
    let hiddenAttribute = try attributes.int("hidden_size")
    let activations = try activations(node, cell, direction, &attributes)
    try attributes.finish()

    var x = try view(node, 0)
    let path = self.path(x, along: batchFirst ? 1 : 0)
    if path == .time {
      x = sequence(x, timeAxis: batchFirst ? 1 : 0, node)
    } else {
      // Places among the rows come before those that it goes along.
      if !batchFirst { x.axes.swapAt(0, 1) }
      x = ordered(x, node)
      if !batchFirst { x.axes.swapAt(0, 1) }
    }
    let directionCount = direction.count
    let gateCount = cell.gateCount
    let w = try weight(node, 1, "W")
    let r = try weight(node, 2, "R")
    guard r.shape.count == 3 else {
      throw .shapeMismatch(
        node: node.label, input: "R", expected: "[num_directions, gates·hidden_size, hidden_size]",
        found: r.shape)
    }
    let hidden = hiddenAttribute ?? r.shape[2]
    guard hidden >= 1, hidden <= Int(Int32.max) else {
      throw .unsupportedAttribute(node: node.label, attribute: "hidden_size", reason: "\(hidden)")
    }
    let inputSize = path == .time ? x.kind.features : x.places(2) ?? 0
    func expect(_ tensor: Tensor, _ input: String, _ shape: [Int]) throws(ONNXError) {
      guard tensor.shape == shape else {
        throw .shapeMismatch(node: node.label, input: input, expected: "\(shape)", found: tensor.shape)
      }
      guard tensor.elementType.isFloat else {
        throw .wrongElementType(node: node.label, input: input, found: tensor.elementType)
      }
    }
    try expect(r, "R", [directionCount, gateCount * hidden, hidden])
    try expect(w, "W", [directionCount, gateCount * hidden, inputSize])
    var b: Tensor?
    if has(node, 3) {
      b = try weight(node, 3, "B")
      try expect(b!, "B", [directionCount, 2 * gateCount * hidden])
    }
    var p: Tensor?
    if has(node, 7) {
      guard cell.kind.peepholes != nil else {
        throw .invalid(node: node.label, reason: "it has more than 6 inputs")
      }
      p = try weight(node, 7, "P")
      try expect(p!, "P", [directionCount, 3 * hidden])
    }

    for (position, input) in [(1, "W"), (2, "R"), (3, "B"), (7, "P")] where has(node, position) {
      // Bound weights come from the user, in whatever precision.
      if case .unbound = try value(node, position) { continue }
      guard let found = type(node, position), found == type(node) ?? found else {
        throw .invalid(
          node: node.label,
          reason: "input '\(input)' is of element type \(type(node, position)?.rawValue ?? "?"), 'X' of "
            + "\(type(node)?.rawValue ?? "?"): an operator's inputs have one type; put a Cast between them")
      }
    }

    // The cells that operators are read as all have one.
    let order = gates.order(cell) ?? cell.gateOrder
    var directions: [DirectionParameters] = []
    for index in 0..<directionCount {
      let bias = b.map { part($0, index) }
      let half = gateCount * hidden
      var parameters = DirectionParameters(
        inputWeight: order.reorder(part(w, index), to: cell.gateOrder),
        recurrentWeight: order.reorder(part(r, index), to: cell.gateOrder),
        inputBias: bias.map { order.reorder($0.rows(0..<half), to: cell.gateOrder) },
        recurrentBias: bias.map { order.reorder($0.rows(half..<(2 * half)), to: cell.gateOrder) },
        peepholes: p.map { gates.peepholes.reorder(part($0, index), to: .peepholes) })
      for (activation, named) in zip(activations[index], cell.onnxActivations) {
        parameters[keyPath: named.path] = activation
      }
      directions.append(parameters)
    }

    let stateFeatures = directionCount * hidden
    var inputs: [String?] = [x.value]
    if path == .time {
      let sequenceAxes: [[AxisFactor]] = batchFirst ? [[.batch], [.time]] : [[.time], [.batch]]
      try require(x, sequenceAxes + [View.features(inputSize)], node, "X")
      inputs += [
        try lengths(node, 4, x),
        try initialState(node, 5, "initial_h", directionCount, hidden, batchFirst),
        cell.hasCellState ? try initialState(node, 6, "initial_c", directionCount, hidden, batchFirst) : nil,
      ]
    } else {
      try requireBareRows(node)
    }
    if !cell.hasCellState, has(node, 6) {
      throw .invalid(node: node.label, reason: "it has more than 6 inputs")
    }

    let name = uniqueLayer(node)
    let outputs = node.outputs.map { $0.isEmpty ? nil : $0 }
    layers.append(
      Layer(
        name,
        .recurrent(
          RecurrentLayer(
            cell: cell, direction: direction, inputSize: inputSize, hiddenSize: hidden,
            clip: clip.map { Double($0) }, inputForget: inputForget, path: path, directions: directions)),
        inputs: inputs, outputs: outputs))
    note(
      name, .exact,
      "gates \(order) reordered to \(cell.gateOrder)" + (b == nil ? ", no bias" : ", both biases kept"))

    let unit: [AxisFactor] = [.features(stride: 1, count: hidden)]
    let side: [AxisFactor] = [.features(stride: hidden, count: directionCount)]
    let places = View.normalised([.features(stride: stateFeatures, count: path.placeCount)])
    var (way, rows): ([AxisFactor], [AxisFactor]) = ([.time], [.batch])
    var kind = ValueKind.vector(features: path.placeCount * stateFeatures)
    var stateRows = rows
    var made = path.placeCount * stateFeatures
    switch path {
    case .time: break
    case .timeAtPlaces:
      rows = x.axes[batchFirst ? 0 : 1].flatMap { $0.isFeatures ? places : [$0] }
      stateRows = rows
    case .places:
      way = places
      let outer = x.kind.features / (path.placeCount * inputSize)
      rows = Self.restrided(x.axes[batchFirst ? 0 : 1], path.placeCount * stateFeatures)
      stateRows = Self.restrided(rows, stateFeatures)
      made *= outer
      kind = x.kind.with(features: outer * stateFeatures)
    }
    let yAxes = batchFirst ? [rows, way, side, unit] : [way, side, rows, unit]
    let stateAxes = batchFirst ? [stateRows, side, unit] : [side, stateRows, unit]
    let kinds: [(ValueKind, [[AxisFactor]])] = [
      (x.kind.with(features: made), yAxes), (kind, stateAxes), (kind, stateAxes),
    ]
    guard outputs.count <= (cell.hasCellState ? 3 : 2) else {
      throw .invalid(node: node.label, reason: "it has \(outputs.count) outputs")
    }
    for (output, (kind, axes)) in zip(outputs, kinds) {
      guard let output else { continue }
      set(
        output, .view(View(value: output, kind: kind, axes: axes, timeSize: x.timeSize, clock: x.clock)),
        type(node))
    }
  }

  /// Direction `index` of a tensor whose first axis is num_directions.
  private func part(_ tensor: Tensor, _ index: Int) -> Tensor {
    let rows = tensor.rows(index..<(index + 1))
    return (try? rows.reshaped(Array(tensor.shape.dropFirst()))) ?? rows
  }

  func require(
    _ view: View, _ axes: [[AxisFactor]], _ node: ONNXNode, _ input: String
  ) throws(ONNXError) {
    let wanted = withoutBatch(axes.map(View.normalised))
    guard view.axes == wanted else {
      throw .notImportable(
        node: node.label,
        reason: "its input '\(input)' is arranged as \(describe(view.axes)), expected \(describe(wanted))")
    }
  }

  /// Names, α and β of the activations, for each direction: (f), (f, g, h) or (f, g) of the specification.
  private func activations(
    _ node: ONNXNode, _ cell: Cell, _ direction: Direction, _ attributes: inout AttributeReader
  ) throws(ONNXError) -> [[Activation]] {
    let standard = cell.onnxActivations.map(\.standard)
    let names = try attributes.strings("activations") ?? []
    if names.isEmpty {
      for name in ["activation_alpha", "activation_beta"] where !(try attributes.floats(name) ?? []).isEmpty {
        throw .unsupportedAttribute(
          node: node.label, attribute: "activation_alpha",
          reason: "more values of α or β than functions that take one; they would go to the wrong functions")
      }
      return (0..<direction.count).map { _ in standard }
    }
    guard names.count == standard.count * direction.count else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "activations",
        reason: "it lists \(names.count), expected \(standard.count * direction.count)")
    }
    // α and β are consumed in order by those functions that have one.
    var alphas = (try attributes.floats("activation_alpha") ?? [])[...]
    var betas = (try attributes.floats("activation_beta") ?? [])[...]
    var list: [Activation] = []
    for name in names {
      guard let known = ONNXActivations.table.first(where: { $0.name.lowercased() == name.lowercased() })
      else {
        throw .unsupportedAttribute(
          node: node.label, attribute: "activations",
          reason: "'\(name)' is not one of the operator's functions")
      }
      let parameters = known.kind.parameterCount
      // Affine and ScaledTanh are no operators since opset 7, so their α (and ScaledTanh's β) have no default.
      guard
        !(known.kind == .affine && alphas.isEmpty),
        !(known.kind == .scaledTanh && (alphas.isEmpty || betas.isEmpty))
      else {
        throw .unsupportedAttribute(
          node: node.label, attribute: "activation_alpha",
          reason: "\(known.name) has no default for α and β: state them")
      }
      let alpha = parameters >= 1 ? alphas.popFirst() ?? known.alpha : 0
      let beta = parameters >= 2 ? betas.popFirst() ?? known.beta : 0
      // Affine with α 1 and β 0 is how an export writes the identity.
      let isIdentity = known.kind == .affine && alpha == 1 && beta == 0
      let activation =
        isIdentity ? Activation(.identity) : Activation(known.kind, alpha: Double(alpha), beta: Double(beta))
      list.append(try finite(activation, "activation_alpha", node))
    }
    guard alphas.isEmpty, betas.isEmpty else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "activation_alpha",
        reason: "more values of α or β than functions that take one; they would go to the wrong functions")
    }
    return (0..<direction.count).map { index in
      Array(list[(index * standard.count)..<((index + 1) * standard.count)])
    }
  }

  /// sequence_lens: a graph input, or a constant that says nothing new.
  private mutating func lengths(_ node: ONNXNode, _ position: Int, _ x: View) throws(ONNXError) -> String? {
    guard has(node, position) else { return nil }
    switch try value(node, position) {
    case .view(let view):
      guard view.kind == .indices, view.offset == 0 else {
        throw .notImportable(node: node.label, reason: "its sequence_lens is not a vector of lengths [B]")
      }
      try require(view, [[.batch]], node, "sequence_lens")
      return view.value
    case .constant(let tensor):
      let lengths = (try? tensor.integers()) ?? []
      if let wrong = lengths.first(where: { $0 < 0 || $0 > Int64(x.timeSize ?? .max) }) {
        throw .invalid(
          node: node.label,
          reason: "its sequence_lens holds the length \(wrong)"
            + (wrong < 0 ? "" : ", the sequence has \(x.timeSize!) steps"))
      }
      if let time = x.timeSize, lengths.allSatisfy({ $0 == Int64(time) }) { return nil }
      guard !lengths.isEmpty, tensor.shape.count == 1 else {
        throw .notImportable(node: node.label, reason: "its sequence_lens is not a vector of lengths [B]")
      }
      return addConstant(tensor, node, position)
    case .sizes(let sizes, _):
      if sizes.allSatisfy({ $0 == .time(x.clock) }) { return nil }
      throw .notImportable(node: node.label, reason: "its sequence_lens is not a vector of lengths [B]")
    case .filled(let base, let shape) where shape == [.batch]:
      return addConstant(base, node, position)
    case .filled, .mask, .list, .unbound, .scores, .pattern:
      throw .notImportable(node: node.label, reason: "its sequence_lens is not a vector of lengths [B]")
    }
  }

  /// An initial state as a canonical value; nil for zeros.
  /// Along time, unless places of the features stand among the rows, or in time's place.
  private func path(_ view: View, along axis: Int) -> RecurrentPath {
    guard !view.kind.isInteger, view.axes.count == 3, view.places(2) != nil else { return .time }
    let rows = view.axes[1 - axis]
    if let count = view.places(axis),
      rows.contains(.time) || !view.kind.hasTime && rows.contains(where: \.isFeatures)
    {
      return .places(count)
    }
    guard view.axes[axis] == [.time], rows.filter(\.isFeatures).count == 1,
      case .features(_, let count)? = rows.first(where: \.isFeatures)
    else { return .time }
    return .timeAtPlaces(count)
  }

  /// Rows whose features lie in order, the last so far apart.
  private static func restrided(_ rows: [AxisFactor], _ unit: Int) -> [AxisFactor] {
    var stride = unit
    var result = rows
    for position in rows.indices.reversed() {
      guard case .features(_, let count) = rows[position] else { continue }
      result[position] = .features(stride: stride, count: count)
      stride *= count
    }
    return View.normalised(result)
  }

  /// With places it starts from states of 0 and goes to the end.
  private mutating func requireBareRows(_ node: ONNXNode) throws(ONNXError) {
    for position in [5, 6] where has(node, position) {
      switch try value(node, position) {
      case .constant(let tensor) where tensor.isZero, .filled(let tensor, _) where tensor.isZero: continue
      case .constant, .filled, .view, .sizes, .pattern, .mask, .list, .unbound, .scores:
        throw .notImportable(
          node: node.label, reason: "it runs along or at places of the features from states that are not 0")
      }
    }
    guard !has(node, 4) else {
      throw .notImportable(
        node: node.label, reason: "it runs along or at places of the features, with lengths")
    }
  }

  private mutating func initialState(
    _ node: ONNXNode, _ position: Int, _ input: String, _ directions: Int, _ hidden: Int, _ batchFirst: Bool
  ) throws(ONNXError) -> String? {
    guard has(node, position) else { return nil }
    let base: Tensor
    switch try value(node, position) {
    case .view(let view):
      let side: [AxisFactor] = [.features(stride: hidden, count: directions)]
      let unit: [AxisFactor] = [.features(stride: 1, count: hidden)]
      guard view.kind == .vector(features: directions * hidden) else {
        throw .notImportable(
          node: node.label, reason: "its \(input) is \(view.kind), expected \(directions)·\(hidden) features")
      }
      try require(view, batchFirst ? [[.batch], side, unit] : [side, [.batch], unit], node, input)
      return view.value
    case .constant(let tensor): base = tensor
    case .filled(let tensor, let shape):
      guard shape.count == 3, tensor.shape.count == 3 else {
        throw .notImportable(node: node.label, reason: "its \(input) does not have 3 axes")
      }
      // Repeated axes that are not the batch are written out.
      var full = tensor.shape
      for axis in 0..<3 where axis != (batchFirst ? 0 : 1) {
        full[axis] = shape[axis].known ?? full[axis]
        let wanted = axis == 2 ? hidden : directions
        guard full[axis] == wanted else {
          throw .shapeMismatch(
            node: node.label, input: input, expected: "[\(directions), batch, \(hidden)]", found: full)
        }
      }
      guard let count = checkedProduct(full), count <= limits.elements else {
        throw .overLimit(node: node.label, reason: "its \(input) of shape \(full) is too large")
      }
      do { base = try tensor.broadcast(to: full) } catch {
        throw .tensor(input, reason: error.description)
      }
    case .sizes, .mask, .list, .unbound, .scores, .pattern:
      throw .notImportable(node: node.label, reason: "its \(input) cannot be understood")
    }
    let expected =
      batchFirst
      ? [base.shape.first ?? 0, directions, hidden]
      : [directions, base.shape.count > 1 ? base.shape[1] : 0, hidden]
    guard base.shape == expected, base.elementType.isFloat else {
      throw .shapeMismatch(
        node: node.label, input: input, expected: "[\(directions), batch, \(hidden)]", found: base.shape)
    }
    if base.doubles.allSatisfy({ $0 == 0 && $0.sign == .plus }) { return nil }
    // [D, B, H] to the canonical [B, D·H].
    let rows = batchFirst ? base : base.transposed([1, 0, 2])
    let state: Tensor
    do { state = try rows.reshaped([rows.shape[0], directions * hidden]) } catch {
      throw .tensor(input, reason: error.description)
    }
    return addConstant(state, node, position)
  }
}

extension Tensor {
  /// Axes of size 1 repeated; the caller has checked that the shapes agree.
  func broadcast(to target: [Int]) throws(TensorError) -> Tensor {
    if target == shape { return self }
    return try picked(shape: target) { index in
      var flat = 0
      for axis in shape.indices { flat = flat * shape[axis] + (shape[axis] == 1 ? 0 : index[axis]) }
      return flat
    }
  }
}

extension String {
  /// The name without what an import added to it: names must not grow from one export to the next.
  var ownPart: Substring { prefix { $0 != "·" } }
}
