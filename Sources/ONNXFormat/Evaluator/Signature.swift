internal import Synchronization

/// What an operator of one opset may be given: its inputs, outputs and attributes.
struct Signature: Sendable {
  let name: String
  /// The first opset that this is true of.
  let since: Int64
  let inputs: [Parameter]
  let outputs: [Parameter]
  let attributes: [String: Attribute]
  /// Whether there is no such operator any more.
  let isDeprecated: Bool

  struct Parameter: Sendable {
    enum Presence: Sendable { case required, optional, variadic }
    let name: String
    let presence: Presence
  }

  struct Attribute: Sendable {
    let kind: String
    let required: Bool
    let standard: ONNXAttribute?
  }

  /// The lines of the table, by operator: parsed when they are asked for, since a graph uses few of them.
  private static let lines: [String: [Substring]] = Dictionary(
    grouping: text.utf8.split(separator: UInt8(ascii: "\n")).map { Substring($0) },
    by: { line in String(Substring(line.utf8.prefix { $0 != UInt8(ascii: " ") })) })

  /// The names of all operators, sorted.
  static var names: [String] { lines.keys.sorted() }

  /// Those that were asked for: a graph has many nodes of few operators.
  private static let parsed = Mutex<[String: [Signature]]>([:])

  /// An operator's signatures, newest first; empty where none is known.
  static func all(_ name: String) -> [Signature] {
    guard let lines = lines[name] else { return [] }
    return parsed.withLock { parsed in
      if let known = parsed[name] { return known }
      let signatures = lines.compactMap(Signature.init(line:)).sorted { $0.since > $1.since }
      parsed[name] = signatures
      return signatures
    }
  }

  static func find(_ name: String, opset: Int64) -> Signature? {
    all(name).first { $0.since <= opset }.flatMap { $0.isDeprecated ? nil : $0 }
  }

  init(
    name: String, since: Int64, inputs: [Parameter], outputs: [Parameter], attributes: [String: Attribute],
    isDeprecated: Bool
  ) {
    self.name = name
    self.since = since
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.isDeprecated = isDeprecated
  }

  /// Parses a line of the table: `Gemm 11 A,B,C? Y alpha:float=1.0 transA:int=0`.
  init?(line: Substring) {
    let words = line.split(separator: " ")
    guard words.count >= 4, let since = Int64(words[1]) else { return nil }
    name = String(words[0])
    self.since = since
    inputs = Self.parameters(words[2])
    outputs = Self.parameters(words[3])
    var attributes: [String: Attribute] = [:]
    isDeprecated = words.dropFirst(4).first == "deprecated"
    for word in words.dropFirst(isDeprecated ? 5 : 4) {
      let sides = word.split(separator: "=", maxSplits: 1)
      let parts = sides[0].split(separator: ":")
      guard parts.count == 2 else { return nil }
      let required = parts[1].hasSuffix("!")
      let kind = String(required ? parts[1].dropLast() : parts[1])
      attributes[String(parts[0])] = Attribute(
        kind: kind, required: required, standard: sides.count == 2 ? Self.value(kind, sides[1]) : nil)
    }
    self.attributes = attributes
  }

  private static func parameters(_ word: Substring) -> [Parameter] {
    if word == "-" { return [] }
    return word.split(separator: ",").map { name in
      switch name.last {
      case "?": Parameter(name: String(name.dropLast()), presence: .optional)
      case "*": Parameter(name: String(name.dropLast()), presence: .variadic)
      default: Parameter(name: String(name), presence: .required)
      }
    }
  }

  private static func value(_ kind: String, _ text: Substring) -> ONNXAttribute? {
    switch kind {
    case "int": Int64(text).map { .int($0) }
    case "float": Float(text).map { .float($0) }
    case "string": .string(String(text))
    case "ints": .ints(text.split(separator: "|").compactMap { Int64($0) })
    case "strings": .strings(text.split(separator: "|").map(String.init))
    default: nil
    }
  }

  /// How messages name the input at a position.
  func inputName(_ position: Int) -> String {
    guard position < inputs.count else {
      return inputs.last.map { "\($0.name) \(position)" } ?? "\(position)"
    }
    return inputs[position].name
  }

  /// Checks a node against the signature; returns its attributes with the defaults filled in.
  func checked(_ node: ONNXNode) throws(ONNXError) -> [String: ONNXAttribute] {
    try check(node.inputs.count, inputs, "inputs", node)
    try check(node.outputs.count, outputs, "outputs", node)
    for (position, parameter) in inputs.enumerated() where parameter.presence == .required {
      guard position < node.inputs.count, !node.inputs[position].isEmpty else {
        throw .missingInput(node: node.label, input: parameter.name)
      }
    }
    var result = node.attributes
    for (name, value) in node.attributes {
      guard let attribute = attributes[name] else {
        throw .unsupportedAttribute(
          node: node.label, attribute: name, reason: "\(self.name) of opset \(since) has no such attribute")
      }
      guard value.kind == attribute.kind else {
        throw .unsupportedAttribute(
          node: node.label, attribute: name, reason: "it must be of type \(attribute.kind), not \(value.kind)"
        )
      }
    }
    for (name, attribute) in attributes where result[name] == nil {
      if attribute.required { throw .missingAttribute(node: node.label, attribute: name) }
      result[name] = attribute.standard
    }
    return result
  }

  private func check(
    _ count: Int, _ parameters: [Parameter], _ what: String, _ node: ONNXNode
  ) throws(ONNXError) {
    if parameters.last?.presence != .variadic, count > parameters.count {
      throw .invalid(node: node.label, reason: "\(count) \(what), at most \(parameters.count) are defined")
    }
  }
}

extension ONNXAttribute {
  /// The type's name in the operator specification.
  var kind: String {
    switch self {
    case .float: "float"
    case .int: "int"
    case .string: "string"
    case .tensor: "tensor"
    case .graph: "graph"
    case .floats: "floats"
    case .ints: "ints"
    case .strings: "strings"
    case .reference: "reference to a function's attribute"
    }
  }
}
