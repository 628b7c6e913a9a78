public import Recurrent
public import Tensors

/// A model run one time step at a time, carrying h and c of every recurrent layer.
///
/// Step by step or all at once, the results are the same bit for bit. Models that need the whole sequence cannot
/// stream: a reverse or bidirectional layer, lengths, a reduction over the steps, a state that starts from what
/// another layer makes of the sequence.
public struct Stream: Sendable {
  private enum Engine {
    case float32(Session<Float>)
    case float64(Session<Double>)
  }

  private var engine: Engine

  /// Checks that the model can stream and converts its weights; `batch` is B of every step.
  public init(_ model: Model, batch: Int, precision: Precision) throws(ForwardError) {
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
  public mutating func step(_ x: [String: Tensor]) throws(ForwardError) -> [String: Tensor] {
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
}

/// A stream in one arithmetic.
private struct Session<Number: Scalar>: Sendable {
  let model: Model
  let batch: Int
  let layers: [PreparedLayer<Number>]
  /// Values without time: read at the first step.
  var fixed: [String: Value<Number>]?
  var carried: CarriedStates<Number>

  init(_ model: Model, batch: Int, rules: Number.Rules) throws(ForwardError) {
    do { try model.validated() } catch { throw .invalidModel(error) }
    guard batch >= 0 else { throw .batchMismatch(source: "stream", expected: 0, found: batch) }
    try model.requireStreamable()
    self.model = model
    self.batch = batch
    layers = model.layers.map { PreparedLayer($0, rules) }
    carried = CarriedStates(layers: layers.count)
  }

  /// A step that throws leaves the session as it was.
  mutating func step(_ tensors: [String: Tensor]) throws(ForwardError) -> [String: Value<Number>] {
    if fixed != nil, let late = model.inputs.first(where: { !$0.kind.hasTime && tensors[$0.name] != nil }) {
      throw .inputAfterStart(port: late.name)
    }
    let ports = model.inputs.filter { fixed == nil || $0.kind.hasTime }
    let inputs = try PassInputs<Number>(model, ports, tensors, batch: batch)
    var values = inputs.values
    for port in ports where port.kind.hasTime {
      guard values[port.value]!.steps == 1 else { throw port.wrongShape(tensors[port.name]!.shape) }
    }
    values.merge(fixed ?? [:]) { new, _ in new }
    try carried.advance(model, layers: { layers[$0] }, &values, batch: batch)
    if fixed == nil {
      fixed = [:]
      for port in model.inputs where !port.kind.hasTime { fixed![port.value] = values[port.value] }
    }
    return values
  }
}

extension Model {
  /// Throws where a step's result needs later steps, or where a state would start again at every step.
  func requireStreamable() throws(ForwardError) {
    // Values that change from step to step.
    var varying = Set(inputs.filter(\.kind.hasTime).map(\.value))
    for layer in layers {
      let isVarying = layer.inputs.contains { $0.map(varying.contains) ?? false }
      if let reason = layer.operation.kind.reasonNotToStream(layer.inputs, varying: varying) {
        throw .cannotStream(layer: layer.name, reason: reason)
      }
      if isVarying { varying.formUnion(layer.outputs.compactMap { $0 }) }
    }
  }
}
