internal import ByteIO

/// A value of the JSON header together with its path, for messages.
struct HeaderNode {
  let value: JSONValue
  let path: String

  func string() throws(RNNWError) -> String {
    guard case .string(let text) = value else { throw wrongKind("a string") }
    return text
  }

  func bool() throws(RNNWError) -> Bool {
    guard case .bool(let flag) = value else { throw wrongKind("a boolean") }
    return flag
  }

  func integer() throws(RNNWError) -> Int {
    guard case .integer(let number) = value else { throw wrongKind("an integer of 64 bits") }
    return Int(number)
  }

  /// An integer that counts something.
  func size() throws(RNNWError) -> Int {
    let number = try integer()
    guard number >= 0 else { throw .header(path: path, reason: "\(number) is negative") }
    return number
  }

  func real() throws(RNNWError) -> Double {
    guard case .number(let number) = value else { throw wrongKind("a real number (with '.' or 'e')") }
    return number
  }

  func array() throws(RNNWError) -> [HeaderNode] {
    guard case .array(let elements) = value else { throw wrongKind("an array") }
    return elements.enumerated().map { HeaderNode(value: $1, path: "\(path)[\($0)]") }
  }

  /// A case of an enumeration by its raw value.
  func name<Name: RawRepresentable<String>>(_ what: String, _: Name.Type = Name.self) throws(RNNWError)
    -> Name
  {
    let text = try string()
    guard let name = Name(rawValue: text) else { throw .unknownName(path: path, what: what, name: text) }
    return name
  }

  /// Reads an object with `body`, which must consume every member: what is left over is an error.
  func object<Result>(
    _ body: (inout HeaderObject) throws(RNNWError) -> Result
  ) throws(RNNWError) -> Result {
    var object = try HeaderObject(self)
    let result = try body(&object)
    try object.finish()
    return result
  }

  fileprivate func wrongKind(_ expected: String) -> RNNWError {
    .wrongKind(path: path, expected: expected, found: value.kindName)
  }
}

/// The members of an object that nobody has consumed yet.
struct HeaderObject {
  let path: String
  private var rest: [JSONMember]

  init(_ node: HeaderNode) throws(RNNWError) {
    guard case .object(let members) = node.value else { throw node.wrongKind("an object") }
    (path, rest) = (node.path, members)
  }

  /// What is left over is an error.
  func finish() throws(RNNWError) {
    if let unknown = rest.first { throw .unknownKey(path: path, key: unknown.key) }
  }

  mutating func optional(_ key: String) -> HeaderNode? {
    guard let index = rest.firstIndex(where: { $0.key.utf8.elementsEqual(key.utf8) }) else { return nil }
    return HeaderNode(value: rest.remove(at: index).value, path: "\(path).\(key)")
  }

  mutating func required(_ key: String) throws(RNNWError) -> HeaderNode {
    guard let node = optional(key) else { throw .missingKey(path: path, key: key) }
    return node
  }

  /// Drops the members whose keys begin with `prefix`.
  mutating func skip(prefix: String) { rest.removeAll { $0.key.utf8.starts(with: prefix.utf8) } }
}

/// A finite number for the header; JSON has no others.
func finite(_ number: Double, _ path: @autoclosure () -> String) throws(RNNWError) -> JSONValue {
  guard number.isFinite else { throw .notFinite(path: path(), number) }
  return .number(number)
}

extension JSONValue {
  /// An object of the members that are there; nil leaves a member out.
  static func present(_ members: [(String, JSONValue?)]) -> JSONValue {
    .object(members.compactMap { key, value in value.map { JSONMember(key, $0) } })
  }

  static func size(_ number: Int) -> JSONValue { .integer(Int64(number)) }
}
