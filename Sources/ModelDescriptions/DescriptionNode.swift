public import ByteIO
public import Recurrent

/// What is wrong with a description, and where in it.
public enum DescriptionError: Error, Equatable, CustomStringConvertible {
  case json(ParseError)
  /// `path` such as `layers[2].body[0].weight`.
  case wrong(path: String, reason: String)
  case model(path: String, ModelError)

  public var description: String {
    switch self {
    case .json(let error): "it is not JSON: \(error)"
    case .wrong(let path, let reason): "\(path): \(reason)"
    case .model(let path, let error): "\(path): \(error)\(Self.hint(error))"
    }
  }

  /// A kernel that is the wrong way round is the likeliest mistake of all.
  private static func hint(_ error: ModelError) -> String {
    guard case .wrongShape(_, _, let expected, let found) = error, found.count == 2,
      found != expected, expected.count == 2, expected == found.reversed() || expected[0] == -1
    else { return "" }
    return " (are the matrices stored the other way round? \"matrices\" says \"out,in\" or \"in,out\")"
  }
}

/// A value of the description together with its path, for messages.
struct DescriptionNode {
  let value: JSONValue
  let path: String

  func wrong(_ reason: String) -> DescriptionError { .wrong(path: path, reason: reason) }

  func text() throws(DescriptionError) -> String {
    guard case .string(let text) = value else { throw wrong("expected a string, found \(value.kindName)") }
    return text
  }

  func integer() throws(DescriptionError) -> Int {
    guard case .integer(let number) = value else {
      throw wrong("expected an integer, found \(value.kindName)")
    }
    return Int(number)
  }

  func flag() throws(DescriptionError) -> Bool {
    guard case .bool(let flag) = value else { throw wrong("expected true or false, found \(value.kindName)") }
    return flag
  }

  func number() throws(DescriptionError) -> Double {
    switch value {
    case .number(let number): return number
    case .integer(let number): return Double(number)
    default: throw wrong("expected a number, found \(value.kindName)")
    }
  }

  func list() throws(DescriptionError) -> [DescriptionNode] {
    guard case .array(let elements) = value else { throw wrong("expected an array, found \(value.kindName)") }
    return elements.enumerated().map { DescriptionNode(value: $1, path: "\(path)[\($0)]") }
  }

  /// One of a few words.
  func word(_ known: [String]) throws(DescriptionError) -> String {
    let text = try text()
    guard known.contains(text) else {
      throw wrong("'\(text)' is not one of \(known.joined(separator: ", "))")
    }
    return text
  }

  /// The parts of an object that reads gate by gate; nil for anything else.
  var members: [JSONMember]? { if case .object(let members) = value { members } else { nil } }

  /// Reads an object with `body`, which must consume every member: what is left over is an error.
  func object<Result>(
    _ body: (inout DescriptionObject) throws(DescriptionError) -> Result
  ) throws(DescriptionError) -> Result {
    guard case .object(let members) = value else {
      throw wrong("expected an object, found \(value.kindName)")
    }
    var object = DescriptionObject(path: path, rest: members)
    let result = try body(&object)
    if let unknown = object.rest.first(where: { $0.key != "comment" }) {
      throw wrong("the key '\(unknown.key)' has no meaning here")
    }
    return result
  }
}

/// The members of an object that nobody has consumed yet.
struct DescriptionObject {
  let path: String
  fileprivate(set) var rest: [JSONMember]

  mutating func optional(_ key: String) -> DescriptionNode? {
    guard let index = rest.firstIndex(where: { $0.key == key }) else { return nil }
    return DescriptionNode(value: rest.remove(at: index).value, path: path.isEmpty ? key : "\(path).\(key)")
  }

  mutating func required(_ key: String) throws(DescriptionError) -> DescriptionNode {
    guard let node = optional(key) else {
      throw .wrong(path: path.isEmpty ? "the description" : path, reason: "the key '\(key)' is missing")
    }
    return node
  }

  /// All that are left.
  @discardableResult
  mutating func consumeAll() -> [(key: String, value: DescriptionNode)] {
    defer { rest = [] }
    return rest.map {
      ($0.key, DescriptionNode(value: $0.value, path: path.isEmpty ? $0.key : "\(path).\($0.key)"))
    }
  }

  func has(_ key: String) -> Bool { rest.contains { $0.key == key } }

  mutating func text(_ key: String) throws(DescriptionError) -> String? { try optional(key)?.text() }
}
