package import Recurrent
package import Tensors

/// A model run one time step at a time, carrying h and c of every recurrent layer.
///
/// Step by step or all at once, the results are the same bit for bit. Models that need the whole sequence cannot
/// stream: a reverse or bidirectional layer, lengths, a reduction over the steps, a state that starts from what
/// another layer makes of the sequence.
package struct StepSession: Sendable {
  private enum Engine {
    case float32(Session<Float>)
    case float64(Session<Double>)
  }

  private var engine: Engine

  /// Checks that the model can stream and converts its weights; `batch` is B of every step.
  package init(_ model: Model, batch: Int, precision: Precision) throws(ForwardError) {
    switch precision {
    case .float32: engine = .float32(try Session(model, batch: batch, rules: .current))
    case .float64: engine = .float64(try Session(model, batch: batch, rules: .current))
    }
  }

  /// Runs one time step.
  ///
  /// - Parameter x: ports with a time axis, of size 1; at the first step also those without one, such as initial
  ///   states.
  /// - Returns: the outputs: sequences of one step, and vectors as if the sequence ended here.
  package mutating func step(_ x: [String: Tensor]) throws(ForwardError) -> [String: Tensor] {
    switch engine {
    case .float32(var session):
      let values = try session.step(x)
      engine = .float32(session)
      return try session.model.arrangedOutputs(values) { Tensor($0, shape: $1) }
    case .float64(var session):
      let values = try session.step(x)
      engine = .float64(session)
      return try session.model.arrangedOutputs(values) { Tensor($0, shape: $1) }
    }
  }

  /// What the next step goes on from; empty before the first.
  ///
  /// - `layer.hidden` `[B, O]` and `layer.cell` `[B, H]` of each recurrent layer, by the layer's name (`layer#2.hidden` of the
  ///   second of that name), in the session's precision;
  /// - the inputs without a time axis as the first step was given them, by the port's name.
  package var state: [String: Tensor] {
    switch engine {
    case .float32(let session): session.state { Tensor($0, shape: $1) }
    case .float64(let session): session.state { Tensor($0, shape: $1) }
    }
  }

  /// Goes on from a state that `state` gave, of a session of the same model; the empty one is that before the first step.
  ///
  /// - Throws: what does not fit; the session stays as it was.
  package mutating func restore(_ state: [String: Tensor]) throws(ForwardError) {
    switch engine {
    case .float32(var session):
      try session.restore(state)
      engine = .float32(session)
    case .float64(var session):
      try session.restore(state)
      engine = .float64(session)
    }
  }
}

/// A stream in one arithmetic.
private struct Session<Number: Scalar>: Sendable {
  let model: Model
  let batch: Int
  let layers: [PreparedLayer<Number>]
  /// What a state calls each recurrent layer's; empty for others.
  let stateNames: [[String]]
  /// Inputs without time as the first step was given them, and their values; nil before that.
  var fixed: (tensors: [String: Tensor], values: [String: Value<Number>])?
  var carried: CarriedStates<Number>

  init(_ model: Model, batch: Int, rules: Number.Rules) throws(ForwardError) {
    do { try model.validated() } catch { throw .invalidModel(error) }
    guard batch >= 0 else { throw .batchMismatch(source: "stream", expected: 0, found: batch) }
    try model.requireStreamable()
    self.model = model
    self.batch = batch
    layers = model.layers.map { PreparedLayer($0, rules) }
    carried = CarriedStates(layers: layers.count)
    stateNames = model.stateNames
  }

  private var fixedPorts: [Model.Port] { model.inputs.filter { !$0.kind.hasTime } }

  /// A step that throws leaves the session as it was.
  mutating func step(_ tensors: [String: Tensor]) throws(ForwardError) -> [String: Value<Number>] {
    if fixed != nil, let late = fixedPorts.first(where: { tensors[$0.name] != nil }) {
      throw .inputAfterStart(port: late.name)
    }
    let ports = model.inputs.filter { fixed == nil || $0.kind.hasTime }
    let inputs = try PassInputs<Number>(model, ports, tensors, batch: batch)
    var values = inputs.values
    for port in ports where port.kind.hasTime {
      guard values[port.value]!.steps == 1 else { throw port.wrongShape(tensors[port.name]!.shape) }
    }
    let first = fixed == nil ? inputs.fixedValues : [:]
    values.merge(fixed?.values ?? [:]) { new, _ in new }
    try carried.advance(model, layers: { layers[$0] }, &values, batch: batch)
    if fixed == nil {
      let names = Set(fixedPorts.map(\.name))
      fixed = (tensors.filter { names.contains($0.key) }, first)
    }
    return values
  }

  func state(_ tensor: ([Number], [Int]) -> Tensor) -> [String: Tensor] {
    guard let fixed else { return [:] }
    var state = fixed.tensors
    for (names, values) in zip(stateNames, carried.states) {
      for (name, value) in zip(names, values) {
        state[name] = tensor(value.numbers.elements, [batch, value.numbers.features])
      }
    }
    return state
  }

  mutating func restore(_ state: [String: Tensor]) throws(ForwardError) {
    guard !state.isEmpty else {
      (fixed, carried) = (nil, CarriedStates(layers: layers.count))
      return
    }
    var rest = state
    for name in stateNames.joined() { rest[name] = nil }
    let inputs = try PassInputs<Number>(model, fixedPorts, rest, batch: batch)
    var states: [[Value<Number>]] = []
    for (layer, names) in zip(model.layers, stateNames) {
      guard case .recurrent(let recurrent) = layer.operation, recurrent.path.isAlongTime else {
        states.append([])
        continue
      }
      let widths = [recurrent.outputSize, recurrent.hiddenSize].map { $0 * recurrent.path.placeCount }
      states.append(
        try zip(names, widths).map { (name, width) throws(ForwardError) in
          guard let tensor = state[name] else { throw .missingState(name) }
          guard tensor.shape == [batch, width], tensor.elementType.isFloat else {
            throw .wrongState(
              name, expected: "floating-point numbers [\(batch), \(width)]",
              found: "\(tensor.elementType.rawValue) \(tensor.shape)")
          }
          return .numbers(
            Numbers(
              steps: nil, batch: batch, features: width, elements: Number.elements(Number.weights(tensor))))
        })
    }
    (fixed, carried) = ((rest, inputs.fixedValues), CarriedStates(states))
  }
}

extension Model {
  /// Throws where a step's result needs later steps, or where a state would start again at every step.
  func requireStreamable() throws(ForwardError) {
    // Values that change from step to step.
    var varying = Set(inputs.filter(\.kind.hasTime).map(\.value))
    let kinds: [String: ValueKind]
    do { kinds = try validated() } catch { throw .invalidModel(error) }
    func hasTime(_ value: String) -> Bool { kinds[value]?.hasTime ?? false }
    for layer in layers {
      let inputs = layer.inputs.compactMap(\.self)
      let isVarying = layer.inputs.contains { $0.map(varying.contains) ?? false }
      if let reason = layer.operation.kind.reasonNotToStream(layer.inputs, varying: varying) {
        throw .cannotStream(layer: layer.name, reason: reason)
      }
      // What a vector is in the end, only the last step tells.
      if inputs.contains(where: hasTime), inputs.contains(where: { varying.contains($0) && !hasTime($0) }) {
        throw .cannotStream(
          layer: layer.name, reason: "beside steps it reads what is made of the whole sequence")
      }
      if isVarying { varying.formUnion(layer.outputs.compactMap { $0 }) }
    }
  }

  /// What a stream's state calls h and c of each layer: none for those that are not recurrent.
  fileprivate var stateNames: [[String]] {
    var taken = Set(inputs.map(\.name))
    // How often each name was there before.
    var counts: [String: Int] = [:]
    return layers.map { layer in
      guard case .recurrent(let recurrent) = layer.operation, recurrent.path.isAlongTime else { return [] }
      while true {
        let count = counts[layer.name, default: 0] + 1
        counts[layer.name] = count
        let base = count == 1 ? layer.name : "\(layer.name)#\(count)"
        let names = ["\(base).hidden"] + (recurrent.cell.hasCellState ? ["\(base).cell"] : [])
        guard taken.isDisjoint(with: names) else { continue }
        taken.formUnion(names)
        return names
      }
    }
  }
}
