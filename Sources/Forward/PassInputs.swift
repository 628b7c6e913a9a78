internal import Recurrent
internal import Tensors

/// The tensors given to a pass, checked against the ports.
struct PassInputs<Number: Scalar> {
  let batch: Int
  private let given: [(port: Model.Port, tensor: Tensor)]

  /// Finds B and each input's T; `batch` fixes B where the caller has.
  ///
  /// Reads `ports`, which are all inputs of the model, or those that a stream still needs.
  init(
    _ model: Model, _ ports: [Model.Port], _ tensors: [String: Tensor], batch fixedBatch: Int? = nil
  ) throws(ForwardError) {
    let names = Set(ports.map(\.name))
    if let stranger = tensors.keys.sorted().first(where: { !names.contains($0) }) {
      throw .unknownInput(stranger)
    }
    var given: [(port: Model.Port, tensor: Tensor)] = []
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
      guard case .constant(let constant) = layer.operation, constant.value.shape[0] != 1 else { continue }
      let tensor = constant.value
      if let batch, batch != tensor.shape[0] {
        throw .batchMismatch(source: "layer '\(layer.name)'", expected: batch, found: tensor.shape[0])
      }
      batch = tensor.shape[0]
    }
    if batch == nil, let (port, tensor) = given.first {
      throw .ambiguousShape(port: port.name, found: tensor.shape)
    }
    self.batch = batch ?? 1
    self.given = given
    for (port, tensor) in given { try check(port, tensor) }
  }

  private func check(_ port: Model.Port, _ tensor: Tensor) throws(ForwardError) {
    guard (port.elementType == .bool) == (tensor.elementType == .bool) else {
      throw .wrongElementType(
        port: port.name,
        expected: port.elementType == .bool
          ? "booleans" : port.kind.isInteger ? "integers" : "floating-point numbers",
        found: tensor.elementType)
    }
    let isInteger = !tensor.elementType.isFloat && tensor.elementType != .bool && tensor.quantization == nil
    guard isInteger || !port.kind.isInteger || port.elementType.isFloat, !isInteger || port.kind.isInteger
    else {
      throw .wrongElementType(
        port: port.name, expected: port.kind.isInteger ? "integers" : "floating-point numbers",
        found: tensor.elementType)
    }
    let steps = try port.steps(of: tensor.shape, batch: batch)
    let arrangement = PortArrangement(port, steps: steps, batch: batch)
    guard arrangement.shape == tensor.shape else { throw port.wrongShape(tensor.shape) }
  }

  /// All inputs in canonical order.
  var values: [String: Value<Number>] {
    Dictionary(given.map { ($0.port.value, value($0.port, $0.tensor)) }, uniquingKeysWith: { $1 })
  }

  /// The longest T; 1 where no input has time.
  var mostSteps: Int {
    given.reduce(1) { most, given in
      max(most, given.port.kind.hasTime ? steps(given.port, given.tensor) : 1)
    }
  }

  /// T, where every input with time has the same and keeps it in an axis of its own.
  var commonSteps: Int? {
    var common: Int?
    for (port, tensor) in given where port.kind.hasTime {
      guard let axis = port.timeAxis, common == nil || common == tensor.shape[axis] else { return nil }
      common = tensor.shape[axis]
    }
    return common
  }

  /// The inputs with time, cut to some of the `commonSteps`.
  func values(steps: Range<Int>) -> [String: Value<Number>] {
    var values: [String: Value<Number>] = [:]
    for (port, tensor) in given where port.kind.hasTime {
      values[port.value] = value(port, tensor.cut(port.timeAxis!, to: steps))
    }
    return values
  }

  /// The inputs without time.
  var fixedValues: [String: Value<Number>] {
    var values: [String: Value<Number>] = [:]
    for (port, tensor) in given where !port.kind.hasTime { values[port.value] = value(port, tensor) }
    return values
  }

  private func steps(_ port: Model.Port, _ tensor: Tensor) -> Int {
    port.timeAxis.map { tensor.shape[$0] } ?? (try? port.steps(of: tensor.shape, batch: batch)) ?? 1
  }

  /// A tensor that has been checked, or some steps of one.
  private func value(_ port: Model.Port, _ tensor: Tensor) -> Value<Number> {
    let steps = steps(port, tensor)
    let arrangement = PortArrangement(port, steps: steps, batch: batch)
    let time = port.kind.hasTime ? steps : nil
    guard port.kind.isInteger else {
      let elements = arrangement.canonical(Number.elements(Number.weights(tensor)))
      return .numbers(
        Numbers(steps: time, batch: batch, features: port.kind.features, elements: elements))
    }
    // Integers, or floats that hold some: checked above.
    let integers = (try? tensor.integers()) ?? tensor.doubles.map { Int64(truncating: $0) }
    let elements = arrangement.canonical(integers)
    return .integers(Integers(steps: time, batch: batch, elements: elements))
  }
}

extension Model.Port {
  /// The axis that is time and nothing else.
  fileprivate var timeAxis: Int? { axes.firstIndex { $0.factors == [.time] } }
}

extension Tensor {
  /// The indices `range` of an axis; shared memory where that axis is the first.
  fileprivate func cut(_ axis: Int, to range: Range<Int>) -> Tensor {
    if axis == 0 { return rows(range) }
    let outer = shape[..<axis].reduce(1, *)
    let inner = Array(shape[(axis + 1)...])
    // The same elements, whose number does not change.
    let flat = try! reshaped([outer * shape[axis]] + inner)
    let ranges = (0..<outer).map { row in
      (row * shape[axis] + range.lowerBound)..<(row * shape[axis] + range.upperBound)
    }
    return try! flat.rows(ranges).reshaped(Array(shape[..<axis]) + [range.count] + inner)
  }
}

extension Int64 {
  /// Without the fraction; what no Int64 can hold becomes the least one, which is no token.
  fileprivate init(truncating number: Double) {
    self = Int64(exactly: number.rounded(.towardZero)) ?? .min
  }
}
