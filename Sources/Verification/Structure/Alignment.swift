internal import Recurrent
internal import Tensors

/// Which layers of two models correspond: those that make corresponding outputs from corresponding values.
///
/// Values are followed from the outputs backwards, so names and the order of layers do not matter. Two values correspond where
/// operations of one kind and shape make them from values that correspond (a bisimulation): nothing is guessed, and a layer that
/// one side has twice may correspond to one that the other side shares.
struct Alignment {
  /// Corresponding layers, in the left model's order, those of loops' bodies first.
  private(set) var pairs: [(left: Layer, right: Layer)] = []
  private(set) var attributes: [AttributeMismatch] = []
  /// Why there is none; nil where there is.
  private(set) var failure: String?

  /// - Parameter inputs: which right input is which left one, by name.
  init(_ left: Model, _ right: Model, inputs: [String: String], outputs: [String: String]) {
    let mine = Graph(left.layers, inputs: left.inputs.map(\.value))
    let theirs = Graph(right.layers, inputs: right.inputs.map(\.value))
    func values(_ names: [String: String], _ a: [Model.Port], _ b: [Model.Port]) -> [(Model.Port, Model.Port)]
    {
      let byName = Dictionary(b.map { ($0.name, $0) }) { first, _ in first }
      return a.compactMap { port in names[port.name].flatMap { byName[$0] }.map { (port, $0) } }
    }
    let ins = values(inputs, left.inputs, right.inputs)
    let outs = values(outputs, left.outputs, right.outputs)
    guard outs.count == left.outputs.count, outs.count == right.outputs.count else {
      failure = "they have other outputs"
      return
    }
    for (a, b) in ins + outs where !Self.sameAxes(a, b) {
      failure = "'\(a.name)' holds its axes otherwise"
      return
    }
    // At other sizes than 1 no output shows it.
    for (a, b) in outs where a.axes.map(\.isDroppedAtOne) != b.axes.map(\.isDroppedAtOne) {
      func text(_ port: Model.Port) -> String {
        port.axes.map { $0.isDroppedAtOne ? "dropped" : "kept" }.joined(separator: ", ")
      }
      attributes.append(
        AttributeMismatch(layer: a.name, name: "axes of size 1", left: text(a), right: text(b)))
    }
    align(
      mine, theirs, sources: Dictionary(ins.map { ($0.value, $1.value) }) { first, _ in first },
      targets: outs.map { ($0.value, $1.value) })
  }

  private static func sameAxes(_ a: Model.Port, _ b: Model.Port) -> Bool {
    func normal(_ port: Model.Port) -> [[AxisFactor]] {
      port.axes.map { axis in
        axis.factors.filter { if case .features(_, 1) = $0 { false } else { true } }
      }
    }
    return a.kind == b.kind && normal(a) == normal(b)
  }

  /// A value by what makes it.
  private struct Source: Hashable {
    /// −1: an input.
    var layer: Int
    var output: Int
    var name: String
  }

  /// Layers, and who makes which value.
  private struct Graph {
    let layers: [Layer]
    private var makers: [String: (layer: Int, output: Int)] = [:]

    init(_ layers: [Layer], inputs: [String]) {
      self.layers = layers
      for (index, layer) in layers.enumerated() {
        for (number, value) in layer.outputs.enumerated() {
          if let value { makers[value] = (index, number) }
        }
      }
    }

    /// For people.
    func name(_ source: Source) -> String { source.layer < 0 ? source.name : layers[source.layer].name }

    /// What makes a value, past layers that hand on what they get; nil for none, and for initial states of zeros.
    func source(_ value: String?, isState: Bool = false) -> Source? {
      guard var value else { return nil }
      while let maker = makers[value] {
        let layer = layers[maker.layer]
        switch layer.operation {
        case .dropout:
          guard let input = layer.inputs.first ?? nil else { return nil }
          value = input
          continue
        case .constant(let constant) where isState && constant.value.isZero: return nil
        case .select(let selection):
          guard let state = lastState(layer, selection) else { break }
          return state
        case .recurrent, .embedding, .dense, .activation, .softmax, .logSoftmax, .layerNormalization, .concat,
          .slice, .arithmetic,
          .reverse,
          .constant, .argMax, .generate, .convolution, .pool, .padding, .gather, .unfold, .fold, .reduce,
          .timeSoftmax, .repeated, .stepPacking, .batchNormalization, .normalization, .transposedConvolution,
          .resize, .cumulativeSum, .attention,
          .choice:
          break
        }
        return Source(layer: maker.layer, output: maker.output, name: value)
      }
      return Source(layer: -1, output: 0, name: value)
    }

    /// The last (valid) step of a layer that runs forwards is its last hidden state.
    private func lastState(_ select: Layer, _ selection: Selection) -> Source? {
      guard let value = select.inputs.first ?? nil, let maker = makers[value], maker.output == 0,
        case .recurrent(let recurrent) = layers[maker.layer].operation, recurrent.direction == .forward,
        recurrent.path.isAlongTime
      else { return nil }
      let lengths = layers[maker.layer].inputs.dropFirst().first ?? nil
      switch selection {
      case .step(-1) where lengths == nil: break
      case .lastValid where lengths != nil && lengths == (select.inputs.dropFirst().first ?? nil): break
      default: return nil
      }
      return Source(layer: maker.layer, output: 1, name: "\(value)~last")
    }
  }

  private struct Pair: Hashable {
    var left: Int
    var right: Int
  }

  /// Follows values that are to correspond back to the sources.
  private mutating func align(
    _ mine: Graph, _ theirs: Graph, sources: [String: String], targets: [(String, String)]
  ) {
    var open = targets.map { (mine.source($0), theirs.source($1)) }
    var seen: Set<Pair> = []
    var found: [Pair] = []
    // A pair of layers is looked at once; more pairs than this are no correspondence.
    let most = 2 * (mine.layers.count + theirs.layers.count) + 16
    while let (a, b) = open.popLast() {
      guard let a, let b else {
        if a == nil, b == nil { continue }
        return fail(
          "one side reads a value that the other one lacks",
          a.map { mine.name($0) } ?? b.map { theirs.name($0) })
      }
      guard a.layer >= 0, b.layer >= 0 else {
        if a.layer < 0, b.layer < 0, sources[a.name] == b.name { continue }
        return fail(
          "one side reads another value", a.layer >= 0 ? mine.name(a) : b.layer >= 0 ? theirs.name(b) : a.name
        )
      }
      guard a.output == b.output else { return fail("other outputs of it are read", mine.name(a)) }
      guard seen.insert(Pair(left: a.layer, right: b.layer)).inserted else { continue }
      guard seen.count <= most else { return fail("its values are wired otherwise", mine.name(a)) }
      let (one, other) = (mine.layers[a.layer], theirs.layers[b.layer])
      if let reason = compare(one, other) { return fail(reason, one.name) }
      found.append(Pair(left: a.layer, right: b.layer))
      let isRecurrent = if case .recurrent = one.operation { true } else { false }
      for position in 0..<max(one.inputs.count, other.inputs.count) {
        let isState = isRecurrent && position >= 2
        open.append(
          (
            mine.source(position < one.inputs.count ? one.inputs[position] : nil, isState: isState),
            theirs.source(position < other.inputs.count ? other.inputs[position] : nil, isState: isState)
          ))
      }
      if case (.generate(let loop), .generate(let otherLoop)) = (one.operation, other.operation) {
        alignBodies(loop, otherLoop)
        if failure != nil { return }
      }
    }
    for pair in found.sorted(by: { ($0.left, $0.right) < ($1.left, $1.right) }) {
      pairs.append((mine.layers[pair.left], theirs.layers[pair.right]))
    }
  }

  private mutating func alignBodies(_ a: Generate, _ b: Generate) {
    align(
      Graph(a.body, inputs: a.carried.map(\.input)), Graph(b.body, inputs: b.carried.map(\.input)),
      sources: Dictionary(zip(a.carried.map(\.input), b.carried.map(\.input))) { first, _ in first },
      targets: Array(zip(a.carried.map(\.output), b.carried.map(\.output)))
        + Array(zip(a.collected, b.collected))
        + (a.stop.map { [$0.value] } ?? []).flatMap { value in b.stop.map { [(value, $0.value)] } ?? [] })
  }

  private mutating func fail(_ reason: String, _ layer: String?) {
    failure = layer.map { "at '\($0)': \(reason)" } ?? reason
  }

  /// Why two layers do not correspond, whatever their numbers; nil where they do. What they do otherwise is noted.
  private mutating func compare(_ a: Layer, _ b: Layer) -> String? {
    func note(_ name: String, _ left: some CustomStringConvertible, _ right: some CustomStringConvertible) {
      if left.description != right.description {
        attributes.append(
          AttributeMismatch(layer: a.name, name: name, left: left.description, right: right.description))
      }
    }
    /// One file keeps 1/6 in 8 bytes, another in 4.
    func note(_ name: String, _ left: [Double], _ right: [Double]) {
      guard left != right else { return }
      attributes.append(
        AttributeMismatch(
          layer: a.name, name: name, left: "\(left)", right: "\(right)",
          isRounding: left.map { Float($0) } == right.map { Float($0) }))
    }
    func note(_ name: String, _ left: Activation, _ right: Activation) {
      note(name, left.kind.rawValue, right.kind.rawValue)
      if left.kind == right.kind { note(name, [left.alpha, left.beta], [right.alpha, right.beta]) }
    }
    guard a.operation.name == b.operation.name else {
      return "\(a.operation.name) against \(b.operation.name)"
    }
    switch (a.operation, b.operation) {
    case (.recurrent(let x), .recurrent(let y)):
      guard x.direction.count == y.direction.count, x.inputSize == y.inputSize, x.hiddenSize == y.hiddenSize,
        x.projectionSize == y.projectionSize
      else { return "sizes or directions are others" }
      note("direction", x.direction.rawValue, y.direction.rawValue)
      if let after = x.cell.kind.resetAfter, let otherAfter = y.cell.kind.resetAfter {
        note("resetAfter", after, otherAfter)
      }
      note("clip", x.clip.map { [$0] } ?? [], y.clip.map { [$0] } ?? [])
      if x.cell.kind.isCouplable { note("inputForget", x.inputForget, y.inputForget) }
      for (name, (p, q)) in zip(x.directionNames, zip(x.directions, y.directions)) {
        if x.cell.hasGateActivation { note("\(name).gateActivation", p.gateActivation, q.gateActivation) }
        note("\(name).candidateActivation", p.candidateActivation, q.candidateActivation)
        if x.cell.hasOutputActivation {
          note("\(name).outputActivation", p.outputActivation, q.outputActivation)
        }
      }
    case (.generate(let x), .generate(let y)):
      guard x.carried.map(\.kind) == y.carried.map(\.kind), x.collected.count == y.collected.count,
        (x.stop == nil) == (y.stop == nil)
      else { return "the loops carry other values" }
      note("maxSteps", x.maxSteps, y.maxSteps)
      note(
        "stop", "\(x.stop?.token ?? 0), \(x.stop?.padding ?? 0)",
        "\(y.stop?.token ?? 0), \(y.stop?.padding ?? 0)")
    // What layers say of themselves; the name is the same, so that the other side says as much.
    case (let x, let y):
      let others = Dictionary(y.fields.map { ($0.key, $0.value) }) { first, _ in first }
      let own = Set(x.fields.map(\.key))
      // Which step it is that one side selects goes without saying where the other selects none.
      for key in y.fields.map(\.key) where !own.contains(key) && key != "step" { note(key, "none", "one") }
      for (key, mine) in x.fields {
        guard let theirs = others[key] else {
          if key != "step" { note(key, "one", "none") }
          continue
        }
        switch (mine, theirs) {
        case (.tensor(let p), .tensor(let q)):
          // A bias of zeros is none.
          if key == "bias", p == nil || q == nil { continue }
          guard p?.shape == q?.shape else {
            func text(_ tensor: Tensor?) -> String { tensor.map { "of \($0.shape)" } ?? "none" }
            return "its \(key) is \(text(p)) and \(text(q))"
          }
        case (.activation(let p), .activation(let q)): note(key, p, q)
        case (.real(let p), .real(let q)): note(key, p.map { [$0] } ?? [], q.map { [$0] } ?? [])
        case (.integer(let p), .integer(let q)): note(key, p, q)
        case (.text(let p), .text(let q)): note(key, p, q)
        // a + b is b + a.
        case (.flag, .flag) where key == "constantFirst" && x.commutes && y.commutes: break
        case (.flag(let p), .flag(let q)): note(key, p, q)
        case (let p, let q): note(key, "\(p)", "\(q)")
        }
      }
    }
    return nil
  }
}

extension Layer.Operation {
  /// Whether its operands may change places.
  fileprivate var commutes: Bool {
    guard case .arithmetic(let arithmetic) = self else { return false }
    return arithmetic.constant == nil || arithmetic.operator == .add || arithmetic.operator == .multiply
  }
}
