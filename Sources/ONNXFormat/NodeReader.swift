internal import Tensors

/// Reads the attributes of one node and notices those that nobody asked for: refuse, never ignore.
struct AttributeReader {
  let node: ONNXNode
  private var unread: Set<String>

  init(_ node: ONNXNode) {
    self.node = node
    unread = Set(node.attributes.keys)
  }

  mutating func int(_ name: String) throws(ONNXError) -> Int? {
    switch take(name) {
    case nil: return nil
    case .int(let value)?: return Int(bounded: value)
    default: throw wrongType(name, "an integer")
    }
  }

  mutating func int(_ name: String, default value: Int) throws(ONNXError) -> Int { try int(name) ?? value }

  mutating func float(_ name: String) throws(ONNXError) -> Float? {
    switch take(name) {
    case nil: return nil
    case .float(let value)?: return value
    default: throw wrongType(name, "a float")
    }
  }

  mutating func string(_ name: String) throws(ONNXError) -> String? {
    switch take(name) {
    case nil: return nil
    case .string(let value)?: return value
    default: throw wrongType(name, "a string")
    }
  }

  mutating func ints(_ name: String) throws(ONNXError) -> [Int]? {
    switch take(name) {
    case nil: return nil
    case .ints(let values)?: return values.map { Int(bounded: $0) }
    default: throw wrongType(name, "a list of integers")
    }
  }

  mutating func floats(_ name: String) throws(ONNXError) -> [Float]? {
    switch take(name) {
    case nil: return nil
    case .floats(let values)?: return values
    default: throw wrongType(name, "a list of floats")
    }
  }

  mutating func strings(_ name: String) throws(ONNXError) -> [String]? {
    switch take(name) {
    case nil: return nil
    case .strings(let values)?: return values
    default: throw wrongType(name, "a list of strings")
    }
  }

  mutating func tensor(_ name: String) throws(ONNXError) -> Tensor? {
    switch take(name) {
    case nil: return nil
    case .tensor(let value)?: return value
    default: throw wrongType(name, "a tensor")
    }
  }

  /// `stash_type`: what normalisations compute in, of which only float is imported.
  mutating func floatStash() throws(ONNXError) {
    guard try int("stash_type", default: 1) == 1 else {
      throw .unsupportedAttribute(
        node: node.label, attribute: "stash_type", reason: "only 1 (float) is supported")
    }
  }

  /// Throws where an attribute was left unread.
  func finish() throws(ONNXError) {
    if let name = unread.sorted().first {
      throw .unsupportedAttribute(
        node: node.label, attribute: name, reason: "the operator has no such attribute")
    }
  }

  private mutating func take(_ name: String) -> ONNXAttribute? {
    unread.remove(name)
    return node.attributes[name]
  }

  private func wrongType(_ name: String, _ expected: String) -> ONNXError {
    .unsupportedAttribute(node: node.label, attribute: name, reason: "it is not \(expected)")
  }
}

extension Int {
  /// A whole number of a file, kept beyond the size of any tensor but where sums with sizes cannot overflow.
  init(bounded value: Int64) { self = Int(Swift.min(Swift.max(value, -(1 << 60)), 1 << 60)) }
}
