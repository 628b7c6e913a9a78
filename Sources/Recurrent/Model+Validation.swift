public import Tensors

/// What makes a model meaningless. Each case names the layer or port.
public enum ModelError: Error, Equatable, CustomStringConvertible {
  /// A layer, or the output named as `layer`, reads a value that nothing before it makes.
  case unknownValue(layer: String, value: String)
  /// A layer, or the input named as `layer`, makes a value that there is already.
  case duplicateValue(layer: String, value: String)
  /// Two inputs, or two outputs, have this name.
  case duplicatePort(String)
  /// An input is of another kind of value; `expected` and `found` are in words.
  case wrongInput(layer: String, input: String, expected: String, found: String)
  /// A layer is not given an input that it needs.
  case missingInput(layer: String, input: String)
  /// Too many or too few of `what` (such as inputs or outputs); `expected` is in words.
  case wrongArity(layer: String, what: String, expected: String, found: Int)
  /// A tensor, by its role, has another shape; −1 in `expected` stands for any size.
  case wrongShape(layer: String, tensor: String, expected: [Int], found: [Int])
  /// A tensor, or the value of the port named as `layer`, is of a type that may not stand there.
  case wrongElementType(layer: String, tensor: String, found: ElementType)
  /// Anything else about a layer, in words.
  case invalid(layer: String, reason: String)
  /// A port's axes do not hold its value.
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
      if port.axes.contains(where: \.isDroppedAtOne) {
        throw .invalidPort(port: port.name, reason: "an input keeps its axes, whatever their size")
      }
      kinds[port.value] = port.kind
    }
    var stretch = 1
    for layer in layers {
      try layer.wire(&kinds)
      let (product, overflow) = stretch.multipliedReportingOverflow(by: layer.operation.kind.stretch)
      guard !overflow, product <= Self.mostStretch else {
        throw .invalid(
          layer: layer.name, reason: "all layers together make more than \(Self.mostStretch) steps of one")
      }
      stretch = product
    }
    names = []
    for port in outputs {
      guard names.insert(port.name).inserted else { throw .duplicatePort(port.name) }
      guard let kind = kinds[port.value] else { throw .unknownValue(layer: port.name, value: port.value) }
      guard kind == port.kind else {
        throw .wrongInput(layer: port.name, input: port.value, expected: "\(port.kind)", found: "\(kind)")
      }
      guard port.elementType != .bool else {
        throw .wrongElementType(layer: port.name, tensor: port.value, found: .bool)
      }
      try port.validateAxes()
    }
    return kinds
  }
}

extension Model {
  /// How many steps the layers of a model may make of one: a few bytes a layer would multiply them without end.
  private static let mostStretch = 1 << 16
}

extension Model.Port {
  /// The factors of all axes must hold each dimension of the value exactly once; without batch there is one row.
  fileprivate func validateAxes() throws(ModelError) {
    // Whole numbers come as floats, too: Keras' inputs of token ids.
    // Inputs that hold or do not are features, too: 1 and 0.
    guard elementType == .bool ? !kind.isInteger : elementType.isFloat || kind.isInteger else {
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
      if axis.isDroppedAtOne, axis.size != nil {
        throw .invalidPort(port: name, reason: "an axis of fixed size is there, or not, for good")
      }
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
  package func wire(_ kinds: inout [String: ValueKind]) throws(ModelError) {
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
    try operation.kind.outputKinds(LayerInputs(layer: name, names: self.inputs, kinds: inputs))
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
