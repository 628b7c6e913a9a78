public import Tensors

/// What makes a model meaningless. Each case names the layer or port.
public enum ModelError: Error, Equatable, CustomStringConvertible {
  case unknownValue(layer: String, value: String)
  case duplicateValue(layer: String, value: String)
  case duplicatePort(String)
  case wrongInput(layer: String, input: String, expected: String, found: String)
  case missingInput(layer: String, input: String)
  case wrongArity(layer: String, what: String, expected: String, found: Int)
  case wrongShape(layer: String, tensor: String, expected: [Int], found: [Int])
  case wrongElementType(layer: String, tensor: String, found: ElementType)
  case invalid(layer: String, reason: String)
  case invalidPort(port: String, reason: String)

  public var description: String {
    switch self {
    case .unknownValue(let layer, let value): "layer '\(layer)': nothing before it makes the value '\(value)'"
    case .duplicateValue(let layer, let value): "layer '\(layer)': the value '\(value)' is made twice"
    case .duplicatePort(let name): "two inputs or two outputs are named '\(name)'"
    case .wrongInput(let layer, let input, let expected, let found):
      "layer '\(layer)', input '\(input)': expected \(expected), found \(found)"
    case .missingInput(let layer, let input): "layer '\(layer)': input '\(input)' is missing"
    case .wrongArity(let layer, let what, let expected, let found):
      "layer '\(layer)': expected \(expected) \(what), found \(found)"
    case .wrongShape(let layer, let tensor, let expected, let found):
      "layer '\(layer)', tensor '\(tensor)': shape \(found) does not match, expected \(expected)"
    case .wrongElementType(let layer, let tensor, let found):
      "layer '\(layer)', tensor '\(tensor)': element type \(found.rawValue) is not allowed here"
    case .invalid(let layer, let reason): "layer '\(layer)': \(reason)"
    case .invalidPort(let port, let reason): "port '\(port)': \(reason)"
    }
  }
}

extension Model {
  /// Checks the wiring and every shape, and returns the kind of each value.
  ///
  /// Readers call it once; everything behind them trusts the model.
  @discardableResult
  public func validated() throws(ModelError) -> [String: ValueKind] {
    var kinds: [String: ValueKind] = [:]
    var names: Set<String> = []
    for port in inputs {
      guard names.insert(port.name).inserted else { throw .duplicatePort(port.name) }
      guard kinds[port.value] == nil else { throw .duplicateValue(layer: port.name, value: port.value) }
      try port.validateAxes()
      kinds[port.value] = port.kind
    }
    for layer in layers { try layer.wire(&kinds) }
    names = []
    for port in outputs {
      guard names.insert(port.name).inserted else { throw .duplicatePort(port.name) }
      guard let kind = kinds[port.value] else { throw .unknownValue(layer: port.name, value: port.value) }
      guard kind == port.kind else {
        throw .wrongInput(layer: port.name, input: port.value, expected: "\(port.kind)", found: "\(kind)")
      }
      try port.validateAxes()
    }
    return kinds
  }
}

extension Port {
  /// The factors of all axes must hold each dimension of the value exactly once; without batch there is one row.
  fileprivate func validateAxes() throws(ModelError) {
    guard elementType.isFloat != kind.isInteger else {
      throw .wrongElementType(layer: name, tensor: value, found: elementType)
    }
    var times = 0
    var batches = 0
    var parts: [(stride: Int, count: Int)] = []
    for axis in axes {
      for factor in axis.factors {
        switch factor {
        case .time: times += 1
        case .batch: batches += 1
        case .features(let stride, let count):
          guard stride >= 1, count >= 1 else {
            throw .invalidPort(port: name, reason: "a feature factor is empty")
          }
          parts.append((stride, count))
        }
      }
    }
    guard times == (kind.hasTime ? 1 : 0), batches <= 1 else {
      throw .invalidPort(port: name, reason: "its axes do not hold time exactly once, and batch at most once")
    }
    // Sorted by stride, the parts must tile 0 ..< F: each stride is the product of the smaller counts.
    var expected = 1
    for part in parts.sorted(by: { ($0.stride, $0.count) < ($1.stride, $1.count) }) where part.count > 1 {
      guard part.stride == expected, let next = expected.checkedTimes(part.count) else {
        throw .invalidPort(port: name, reason: "its feature factors do not tile the features")
      }
      expected = next
    }
    guard expected == kind.features else {
      throw .invalidPort(
        port: name, reason: "its axes hold \(expected) features, the value has \(kind.features)")
    }
    for axis in axes {
      if let size = axis.size, size < 0 { throw .invalidPort(port: name, reason: "a negative size") }
    }
  }
}

extension Int {
  fileprivate func checkedTimes(_ other: Int) -> Int? {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? nil : product
  }
}

extension Layer {
  /// Checks the layer on values of known kinds, and adds the kinds of what it makes.
  public func wire(_ kinds: inout [String: ValueKind]) throws(ModelError) {
    var inputKinds: [ValueKind?] = []
    for input in inputs {
      guard let input else {
        inputKinds.append(nil)
        continue
      }
      guard let kind = kinds[input] else { throw .unknownValue(layer: name, value: input) }
      inputKinds.append(kind)
    }
    let outputKinds = try outputKinds(of: inputKinds)
    guard outputs.count <= outputKinds.count else {
      throw .wrongArity(
        layer: name, what: "outputs", expected: "at most \(outputKinds.count)", found: outputs.count)
    }
    for (output, kind) in zip(outputs, outputKinds) {
      guard let output else { continue }
      guard kinds[output] == nil else { throw .duplicateValue(layer: name, value: output) }
      kinds[output] = kind
    }
  }

  /// The kinds of the outputs, given those of the inputs; throws where they or the tensors do not fit.
  public func outputKinds(of inputs: [ValueKind?]) throws(ModelError) -> [ValueKind] {
    switch operation {
    case .recurrent(let recurrent): return try outputKinds(recurrent, inputs)
    case .embedding(let table):
      let ids = try only(inputs)
      guard ids.isInteger else { throw wrongInput(0, expected: "token ids", found: ids) }
      guard table.shape.count == 2 else { throw wrongShape("table", expected: [-1, -1], found: table) }
      try requireFloat(table, "table")
      return [ids.hasTime ? .sequence(features: table.shape[1]) : .vector(features: table.shape[1])]
    case .dense(let weight, let bias):
      let input = try features(inputs)
      guard weight.shape.count == 2, weight.shape[1] == input.features else {
        throw wrongShape("weight", expected: [-1, input.features], found: weight)
      }
      try requireFloat(weight, "weight")
      if let bias { try require(bias, "bias", shape: [weight.shape[0]]) }
      return [input.with(features: weight.shape[0])]
    case .activation, .softmax, .logSoftmax, .dropout: return [try features(inputs)]
    case .select(let selection):
      let wanted = selection == .lastValid ? 2 : 1
      guard inputs.count == wanted, let sequence = inputs[0] else {
        throw .wrongArity(layer: name, what: "inputs", expected: "\(wanted)", found: inputs.count)
      }
      if wanted == 2 {
        guard inputs[1] == .indices else { throw wrongInput(1, expected: "lengths [B]", found: inputs[1]) }
      }
      switch sequence {
      case .sequence(let features): return [.vector(features: features)]
      case .tokens:
        guard case .step = selection else { throw wrongInput(0, expected: "a sequence", found: sequence) }
        return [.indices]
      case .vector, .indices: throw wrongInput(0, expected: "a sequence", found: sequence)
      }
    case .concat:
      guard let first = inputs.first, let first, !first.isInteger else {
        throw .wrongArity(layer: name, what: "float inputs", expected: "at least 1", found: inputs.count)
      }
      var sum = 0
      for (index, input) in inputs.enumerated() {
        guard let input, !input.isInteger, input.hasTime == first.hasTime else {
          throw wrongInput(index, expected: first.hasTime ? "a sequence" : "a vector", found: input)
        }
        let (total, overflow) = sum.addingReportingOverflow(input.features)
        guard !overflow else { throw .invalid(layer: name, reason: "too many features to join") }
        sum = total
      }
      return [first.with(features: sum)]
    case .slice(let start, let count):
      let input = try features(inputs)
      guard start >= 0, count >= 1, start <= input.features, count <= input.features - start else {
        throw .invalid(layer: name, reason: "features \(start) ..< \(start)+\(count) of \(input.features)")
      }
      return [input.with(features: count)]
    case .arithmetic(_, let constant, _):
      if let constant {
        let input = try features(inputs)
        guard constant.shape == [input.features] || constant.shape == [1] else {
          throw wrongShape("constant", expected: [input.features], found: constant)
        }
        try requireFloat(constant, "constant")
        return [input]
      }
      guard inputs.count == 2, let left = inputs[0], let right = inputs[1], !left.isInteger else {
        throw .wrongArity(layer: name, what: "float inputs", expected: "2", found: inputs.count)
      }
      guard left == right else { throw wrongInput(1, expected: "\(left)", found: right) }
      return [left]
    case .constant(let tensor):
      guard inputs.isEmpty else {
        throw .wrongArity(layer: name, what: "inputs", expected: "0", found: inputs.count)
      }
      if !tensor.elementType.isFloat, tensor.quantization == nil, tensor.elementType != .bool {
        guard tensor.shape.count == 1, tensor.shape[0] >= 1 else {
          throw wrongShape("value", expected: [-1], found: tensor)
        }
        return [.indices]
      }
      guard tensor.shape.count == 2, tensor.shape[0] >= 1 else {
        throw wrongShape("value", expected: [1, -1], found: tensor)
      }
      try requireFloat(tensor, "value")
      return [.vector(features: tensor.shape[1])]
    case .reverse:
      guard (1...2).contains(inputs.count), let sequence = inputs[0], sequence.hasTime else {
        throw wrongInput(0, expected: "a sequence", found: inputs.first ?? nil)
      }
      if inputs.count == 2, inputs[1] != .indices {
        throw wrongInput(1, expected: "lengths [B]", found: inputs[1])
      }
      return [sequence]
    case .argMax:
      return [try features(inputs).hasTime ? .tokens : .indices]
    case .generate(let generate): return try outputKinds(generate, inputs)
    }
  }

  private func outputKinds(
    _ layer: RecurrentLayer, _ inputs: [ValueKind?]
  ) throws(ModelError) -> [ValueKind] {
    guard (1...4).contains(inputs.count) else {
      throw .wrongArity(layer: name, what: "inputs", expected: "1 to 4", found: inputs.count)
    }
    guard layer.inputSize >= 1, layer.hiddenSize >= 1, layer.hiddenSize <= Int.max / 8 else {
      throw .invalid(layer: name, reason: "input size \(layer.inputSize), hidden size \(layer.hiddenSize)")
    }
    guard inputs[0] == .sequence(features: layer.inputSize) else {
      throw wrongInput(0, expected: "a sequence of \(layer.inputSize) features", found: inputs[0])
    }
    guard layer.directions.count == layer.direction.count else {
      throw .invalid(
        layer: name, reason: "\(layer.direction.rawValue) with \(layer.directions.count) weight sets")
    }
    let rows = layer.cell.gateCount * layer.hiddenSize
    for direction in layer.directions {
      try require(direction.inputWeight, "input weight", shape: [rows, layer.inputSize])
      try require(direction.recurrentWeight, "recurrent weight", shape: [rows, layer.outputSize])
      if let bias = direction.inputBias { try require(bias, "input bias", shape: [rows]) }
      if let bias = direction.recurrentBias { try require(bias, "recurrent bias", shape: [rows]) }
      if let peepholes = direction.peepholes {
        guard layer.cell == .lstm else { throw .invalid(layer: name, reason: "peepholes need an LSTM") }
        try require(peepholes, "peepholes", shape: [3 * layer.hiddenSize])
      }
      guard (direction.projection != nil) == (layer.projectionSize != nil) else {
        throw .invalid(layer: name, reason: "only one direction has a projection")
      }
      if let projection = direction.projection {
        guard layer.cell == .lstm else { throw .invalid(layer: name, reason: "a projection needs an LSTM") }
        try require(projection, "projection", shape: [layer.outputSize, layer.hiddenSize])
      }
    }
    if let clip = layer.clip, !(clip > 0) {
      throw .invalid(layer: name, reason: "clip \(clip) is not positive")
    }
    if layer.inputForget, layer.cell != .lstm {
      throw .invalid(layer: name, reason: "input_forget needs an LSTM")
    }
    let hidden = ValueKind.vector(features: layer.direction.count * layer.outputSize)
    let cell = ValueKind.vector(features: layer.direction.count * layer.hiddenSize)
    if inputs.count > 1, let lengths = inputs[1], lengths != .indices {
      throw wrongInput(1, expected: "lengths [B]", found: lengths)
    }
    if inputs.count > 2, let state = inputs[2], state != hidden {
      throw wrongInput(2, expected: "\(hidden)", found: state)
    }
    if inputs.count > 3, let state = inputs[3] {
      guard layer.cell == .lstm else { throw .invalid(layer: name, reason: "only an LSTM has a cell state") }
      guard state == cell else { throw wrongInput(3, expected: "\(cell)", found: state) }
    }
    let sequence = ValueKind.sequence(features: layer.direction.count * layer.outputSize)
    return layer.cell == .lstm ? [sequence, hidden, cell] : [sequence, hidden]
  }

  private func only(_ inputs: [ValueKind?]) throws(ModelError) -> ValueKind {
    guard inputs.count == 1, let input = inputs[0] else {
      throw .wrongArity(layer: name, what: "inputs", expected: "1", found: inputs.count)
    }
    return input
  }

  private func features(_ inputs: [ValueKind?]) throws(ModelError) -> ValueKind {
    let input = try only(inputs)
    guard !input.isInteger else { throw wrongInput(0, expected: "features", found: input) }
    return input
  }

  private func require(_ tensor: Tensor, _ what: String, shape: [Int]) throws(ModelError) {
    guard tensor.shape == shape else { throw wrongShape(what, expected: shape, found: tensor) }
    try requireFloat(tensor, what)
  }

  private func requireFloat(_ tensor: Tensor, _ what: String) throws(ModelError) {
    guard tensor.elementType.isFloat || tensor.quantization != nil else {
      throw .wrongElementType(layer: name, tensor: what, found: tensor.elementType)
    }
  }

  private func wrongInput(_ index: Int, expected: String, found: ValueKind?) -> ModelError {
    .wrongInput(
      layer: name, input: index < inputs.count ? inputs[index] ?? "" : "", expected: expected,
      found: found.map { "\($0)" } ?? "nothing")
  }

  private func wrongShape(_ tensor: String, expected: [Int], found: Tensor) -> ModelError {
    .wrongShape(layer: name, tensor: tensor, expected: expected, found: found.shape)
  }
}

extension ValueKind {
  /// The same dimensions with another number of features.
  public func with(features: Int) -> ValueKind {
    hasTime ? .sequence(features: features) : .vector(features: features)
  }
}

extension ValueKind: CustomStringConvertible {
  public var description: String {
    switch self {
    case .sequence(let features): "a sequence [T, B, \(features)]"
    case .vector(let features): "a vector [B, \(features)]"
    case .tokens: "tokens [T, B]"
    case .indices: "integers [B]"
    }
  }
}
