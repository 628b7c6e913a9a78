package import Recurrent
package import Tensors

/// The number format of a forward pass.
public enum Precision: String, Sendable, CaseIterable, Hashable {
  /// IEEE 754 binary32.
  case float32
  /// IEEE 754 binary64.
  case float64
}

/// Runs a model.
///
/// - Parameters:
///   - inputs: one tensor for each input port, by its name and in its axes' arrangement; floating-point ports take
///     every floating-point element type, integer ports every integer type.
///   - precision: the arithmetic of the pass; weights are rounded to it where they do not fit.
///   - execution: how many threads it may use; results do not depend on it.
/// - Returns: one tensor for each output port, in its axes' arrangement: float32 or float64 by `precision`, int64
///   for token ids.
package func forward(
  _ model: Model, inputs: [String: Tensor], precision: Precision, execution: Execution = .current
) throws(ForwardError) -> [String: Tensor] {
  switch precision {
  case .float32:
    let values = try run(model, inputs, rules: execution, as: Float.self, forgetsSteps: model.forgetsSteps)
    return try model.arrangedOutputs(values) { Tensor($0, shape: $1) }
  case .float64:
    let values = try run(model, inputs, rules: execution, as: Double.self, forgetsSteps: model.forgetsSteps)
    return try model.arrangedOutputs(values) { Tensor($0, shape: $1) }
  }
}

/// Runs a model in Float64 with a rigorous bound on what any evaluation in `rounding.format` may deviate.
///
/// See docs/error-bounds.md for what "any evaluation" covers.
/// - Parameter symbols: with how many recurrent layers may be run again where intervals grow.
/// - Returns: for each output port, values and errors in its axes' arrangement.
package func boundedForward(
  _ model: Model, inputs: [String: Tensor], rounding: RoundingModel, symbols: Symbols = .many
) throws(ForwardError) -> [String: BoundedTensor] {
  var rounding = rounding
  rounding.symbols = symbols
  switch rounding.format {
  case .float32: return try bounded(model, run(model, inputs, rules: rounding, as: Bounded<Float>.self))
  case .float64: return try bounded(model, run(model, inputs, rules: rounding, as: Bounded<Double>.self))
  }
}

/// Bounded passes of one model on many inputs: the layers of a small one are made ready once.
package struct BoundedPasses: Sendable {
  private let pass: @Sendable ([String: Tensor]) throws(ForwardError) -> [String: BoundedTensor]

  /// - Throws: `ForwardError.invalidModel`.
  package init(_ model: Model, rounding: RoundingModel, symbols: Symbols) throws(ForwardError) {
    guard model.parameterCount <= 1 << 20 else {
      pass = { inputs throws(ForwardError) in
        try boundedForward(model, inputs: inputs, rounding: rounding, symbols: symbols)
      }
      return
    }
    do { try model.validated() } catch { throw .invalidModel(error) }
    var rounding = rounding
    rounding.symbols = symbols
    pass =
      switch rounding.format {
      case .float32: Self.pass(model, rounding, as: Bounded<Float>.self)
      case .float64: Self.pass(model, rounding, as: Bounded<Double>.self)
      }
  }

  private static func pass<Format: BoundedFormat>(
    _ model: Model, _ rounding: RoundingModel, as: Bounded<Format>.Type
  ) -> @Sendable ([String: Tensor]) throws(ForwardError) -> [String: BoundedTensor] {
    let layers = model.layers.map { PreparedLayer<Bounded<Format>>($0, rounding) }
    return { inputs throws(ForwardError) in
      let values = try Forward.run(model, inputs, as: Bounded<Format>.self, forgetsSteps: false) {
        layers[$0]
      }
      return try bounded(model, values)
    }
  }

  /// As `boundedForward`.
  package func run(_ inputs: [String: Tensor]) throws(ForwardError) -> [String: BoundedTensor] {
    try pass(inputs)
  }
}

private func bounded<Format: BoundedFormat>(
  _ model: Model, _ values: [String: Value<Bounded<Format>>]
) throws(ForwardError) -> [String: BoundedTensor] {
  var result: [String: BoundedTensor] = [:]
  for port in model.outputs {
    let value = values[port.value]!
    let arrangement = try port.arrangement(of: value)
    switch value {
    case .numbers(let numbers):
      let elements = arrangement.arranged(numbers.elements)
      result[port.name] = BoundedTensor(
        shape: arrangement.shape, values: elements.map(\.value), errors: elements.map(\.error),
        isInteger: false)
    case .integers(let integers):
      let errors = (0..<integers.elements.count).map { integers.isUndecided($0) ? Double.infinity : 0 }
      result[port.name] = BoundedTensor(
        shape: arrangement.shape, values: arrangement.arranged(integers.elements.map { Double($0) }),
        errors: arrangement.arranged(errors), isInteger: true)
    }
  }
  return result
}

/// The values of a pass, by name; each layer's weights are converted when it runs, and dropped after it.
func run<Number: Scalar>(
  _ model: Model, _ tensors: [String: Tensor], rules: Number.Rules, as: Number.Type,
  forgetsSteps: Bool = false
) throws(ForwardError) -> [String: Value<Number>] {
  do { try model.validated() } catch { throw .invalidModel(error) }
  let inputs = try PassInputs<Number>(model, model.inputs, tensors)
  // Packing a weight costs as much as some steps that read it where it is.
  var rules = rules
  rules.readsStoredWeights = inputs.mostSteps <= 4
  return try run(model, inputs, forgetsSteps: forgetsSteps) { PreparedLayer(model.layers[$0], rules) }
}

/// The values of a pass of a valid model over layers that are ready.
func run<Number: Scalar>(
  _ model: Model, _ tensors: [String: Tensor], as: Number.Type, forgetsSteps: Bool,
  layer: (Int) -> PreparedLayer<Number>
) throws(ForwardError) -> [String: Value<Number>] {
  let inputs = try PassInputs<Number>(model, model.inputs, tensors)
  return try run(model, inputs, forgetsSteps: forgetsSteps, layer: layer)
}

/// The values of a pass of a valid model, by name: all of them, or those after the last step.
func run<Number: Scalar>(
  _ model: Model, _ inputs: PassInputs<Number>, forgetsSteps: Bool, layer: (Int) -> PreparedLayer<Number>
) throws(ForwardError) -> [String: Value<Number>] {
  if forgetsSteps, let steps = inputs.commonSteps, steps > 1, steps * inputs.batch > 1024 {
    let layers = model.layers.indices.map(layer)
    return try runInBlocks(model, inputs, steps: steps) { layers[$0] }
  }
  var values = inputs.values
  var carried = CarriedStates<Number>(layers: model.layers.count)
  try carried.advance(model, layers: layer, &values, batch: inputs.batch)
  return values
}

extension Model {
  /// The values of the output ports as tensors.
  func arrangedOutputs<Number: Scalar>(
    _ values: [String: Value<Number>], _ tensor: ([Number], [Int]) -> Tensor
  ) throws(ForwardError) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for port in outputs {
      let value = values[port.value]!
      let arrangement = try port.arrangement(of: value)
      switch value {
      case .numbers(let numbers):
        result[port.name] = tensor(arrangement.arranged(numbers.elements), arrangement.shape)
      case .integers(let integers):
        result[port.name] = Tensor(arrangement.arranged(integers.elements), shape: arrangement.shape)
      }
    }
    return result
  }
}

extension Model.Port {
  /// How this port holds the value; throws where a size that the port fixes is another one.
  func arrangement<Number>(of value: Value<Number>) throws(ForwardError) -> PortArrangement {
    let batch =
      switch value {
      case .numbers(let numbers): numbers.batch
      case .integers(let integers): integers.batch
      }
    let arrangement = PortArrangement(self, steps: value.steps ?? 1, batch: batch)
    for (axis, size) in zip(axes, arrangement.sizes) {
      if let fixed = axis.size, fixed != size { throw wrongShape(arrangement.shape) }
    }
    return arrangement
  }
}
