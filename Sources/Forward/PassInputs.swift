internal import Recurrent
internal import Tensors

/// The tensors given to a pass, checked against the ports.
struct PassInputs<Number: Scalar> {
  let batch: Int
  var values: [String: Value<Number>] = [:]

  /// Finds B and each input's T; `batch` fixes B where the caller has.
  ///
  /// Reads `ports`, which are all inputs of the model, or those that a stream still needs.
  init(
    _ model: Model, _ ports: [Port], _ tensors: [String: Tensor], batch fixedBatch: Int? = nil
  ) throws(ForwardError) {
    let names = Set(ports.map(\.name))
    if let stranger = tensors.keys.sorted().first(where: { !names.contains($0) }) {
      throw .unknownInput(stranger)
    }
    var given: [(port: Port, tensor: Tensor)] = []
    var batch = fixedBatch
    for port in ports {
      guard let tensor = tensors[port.name] else { throw .missingInput(port: port.name) }
      given.append((port, tensor))
      guard let found = try port.batch(of: tensor.shape) else { continue }
      if let batch, batch != found {
        throw .batchMismatch(source: "port '\(port.name)'", expected: batch, found: found)
      }
      batch = found
    }
    for layer in model.layers {
      guard case .constant(let tensor) = layer.operation, tensor.shape[0] != 1 else { continue }
      if let batch, batch != tensor.shape[0] {
        throw .batchMismatch(source: "layer '\(layer.name)'", expected: batch, found: tensor.shape[0])
      }
      batch = tensor.shape[0]
    }
    if batch == nil, let (port, tensor) = given.first {
      throw .ambiguousShape(port: port.name, found: tensor.shape)
    }
    self.batch = batch ?? 1
    for (port, tensor) in given { values[port.value] = try value(port, tensor) }
  }

  private func value(_ port: Port, _ tensor: Tensor) throws(ForwardError) -> Value<Number> {
    let isInteger = !tensor.elementType.isFloat && tensor.quantization == nil
    guard isInteger == port.kind.isInteger, tensor.elementType != .bool else {
      throw .wrongElementType(
        port: port.name, expected: port.kind.isInteger ? "integers" : "floating-point numbers",
        found: tensor.elementType)
    }
    let steps = try port.steps(of: tensor.shape, batch: batch)
    let arrangement = PortArrangement(port, steps: steps, batch: batch)
    guard arrangement.shape == tensor.shape else { throw port.wrongShape(tensor.shape) }
    let time = port.kind.hasTime ? steps : nil
    guard isInteger else {
      let elements = arrangement.canonical(Number.elements(Number.weights(tensor)))
      return .numbers(
        Numbers(steps: time, batch: batch, features: port.kind.features, elements: elements))
    }
    // Integers: checked above.
    let elements = arrangement.canonical((try? tensor.integers()) ?? [])
    return .integers(Integers(steps: time, batch: batch, elements: elements))
  }
}
