package import Tensors

/// A loop that feeds what it makes back into itself: one-to-many, and the decoder of sequence to sequence.
///
/// The body runs once a step. It begins with the carried values: what is fed back, as a sequence of one step, and
/// states, as vectors. What it makes of them is carried to the next step, and some of it is collected.
///
/// Inputs of the layer: the carried values before the first step, in order, without a time axis. Outputs: what is
/// collected, over all N steps; with a stop token, then the number of steps `[B]` that each row made, the one of the
/// stop token included. N is the largest of these, or `maxSteps`. Behind a row's own steps, tokens are
/// `stop.padding` and features are 0.
public struct Generate: Sendable, Equatable {
  /// Run in order once a step; its values are its own, and sequences among them have one step.
  public var body: [Layer]
  /// At least one; the layer's inputs are what they start as, in this order.
  public var carried: [Carried]
  /// Values of the body: sequences and vectors become a sequence `[N, B, F]`, tokens and indices tokens `[N, B]`.
  public var collected: [String]
  /// When a row ends; nil to run `maxSteps` steps.
  public var stop: Stop?
  /// At least 1; no row makes more steps.
  public var maxSteps: Int

  /// More steps than this are refused.
  public static let mostSteps = 1 << 20

  /// A loop over `body`; without `stop` it runs all of `maxSteps` steps.
  public init(
    body: [Layer], carried: [Carried], collected: [String], stop: Stop? = nil, maxSteps: Int
  ) {
    self.body = body
    self.carried = carried
    self.collected = collected
    self.stop = stop
    self.maxSteps = maxSteps
  }

  /// A value that each step hands to the next.
  public struct Carried: Sendable, Equatable {
    /// Its name at the start of a step.
    public var input: String
    /// The value of the body that becomes it in the next step.
    public var output: String
    /// In the body. A sequence or tokens: what is fed back. A vector: a state.
    public var kind: ValueKind

    /// The body reads it as `input`, and makes the next one as `output`.
    public init(input: String, output: String, kind: ValueKind) {
      self.input = input
      self.output = output
      self.kind = kind
    }

    /// Outside the body, where there is no time.
    public var outerKind: ValueKind {
      switch kind {
      case .sequence(let features): .vector(features: features)
      case .tokens: .indices
      case .vector, .indices: kind
      }
    }
  }

  /// A row ends with the step in which the body's value `value` (one token a row) is `token`.
  public struct Stop: Sendable, Equatable {
    /// The body's value that is compared: one token a row.
    public var value: String
    /// The token that ends a row.
    public var token: Int64
    /// Stands for tokens behind a row's last step.
    public var padding: Int64

    /// A row ends where `value` is `token`; behind it its tokens are `padding`.
    public init(value: String, token: Int64, padding: Int64) {
      self.value = value
      self.token = token
      self.padding = padding
    }
  }
}

extension Generate: LayerKind {
  package var name: LayerName { .generate }
  package var operation: Layer.Operation { .generate(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.loop(self)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self = try fields.loop()
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) {
    for index in body.indices { body[index].operation = body[index].operation.mapTensors(transform) }
  }

  package func steps(of input: Int?) -> Int? { 0 }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    "it runs over steps of its own"
  }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    guard (1...Self.mostSteps).contains(maxSteps) else {
      throw inputs.invalid("\(maxSteps) steps at most; it must be 1 to \(Self.mostSteps)")
    }
    guard !carried.isEmpty else { throw inputs.invalid("nothing is carried from step to step") }
    guard !collected.isEmpty else { throw inputs.invalid("nothing is collected") }
    guard inputs.count == carried.count else {
      throw inputs.wrongCount("inputs, one for each carried value", expected: "\(carried.count)")
    }
    for (carried, (input, given)) in zip(carried, zip(inputs.names, inputs.kinds)) {
      guard carried.kind != .indices else {
        throw inputs.invalid("'\(carried.input)': carried integers are tokens")
      }
      guard given == carried.outerKind else {
        throw .wrongInput(
          layer: inputs.layer, input: input ?? carried.input, expected: "\(carried.outerKind)",
          found: given.map { "\($0)" } ?? "nothing")
      }
    }
    let kinds = try valueKinds(of: inputs.layer)
    func kind(_ value: String) throws(ModelError) -> ValueKind {
      guard let kind = kinds[value] else { throw .unknownValue(layer: inputs.layer, value: value) }
      return kind
    }
    for carried in carried {
      let found = try kind(carried.output)
      guard found == carried.kind else {
        throw .wrongInput(
          layer: inputs.layer, input: carried.output, expected: "\(carried.kind), as '\(carried.input)' is",
          found: "\(found)")
      }
    }
    var outputs: [ValueKind] = []
    for value in collected {
      let kind = try kind(value)
      outputs.append(kind.isInteger ? .tokens : .sequence(features: kind.features))
    }
    if let stop {
      let found = try kind(stop.value)
      guard found.isInteger else {
        throw .wrongInput(layer: inputs.layer, input: stop.value, expected: "a token", found: "\(found)")
      }
      outputs.append(.indices)
    }
    return outputs
  }
}

extension Generate {
  /// Checks the wiring of the body, and returns the kind of each of its values; `layer` is the layer's name.
  package func valueKinds(of layer: String) throws(ModelError) -> [String: ValueKind] {
    var kinds: [String: ValueKind] = [:]
    for carried in carried where kinds.updateValue(carried.kind, forKey: carried.input) != nil {
      throw .duplicateValue(layer: layer, value: carried.input)
    }
    var names: Set<String> = []
    for inner in body {
      guard names.insert(inner.name).inserted else {
        throw .invalid(layer: layer, reason: "two layers of its body are named '\(inner.name)'")
      }
      if case .generate = inner.operation {
        throw .invalid(layer: layer, reason: "its body holds another Generate, '\(inner.name)'")
      }
      if case .constant(let constant) = inner.operation, constant.value.shape.first != 1 {
        throw .invalid(layer: layer, reason: "in its body, the constant '\(inner.name)' is not of one row")
      }
      try inner.wire(&kinds)
    }
    return kinds
  }
}
