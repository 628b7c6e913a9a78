/// A JSON value (RFC 8259) that keeps what Foundation's readers lose: the order of keys, integers apart from
/// reals, and the difference of 0.0 and -0.0.
///
/// Why our own: see docs/decisions/0001-own-json.md.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  /// Written without fraction and exponent, and within 64 bits.
  case integer(Int64)
  /// Every other number; always finite when parsed.
  case number(Double)
  case string(String)
  case array([JSONValue])
  /// In the order of the text. Keys are distinct as bytes.
  case object([JSONMember])
}

/// One `"key": value` of an object.
public struct JSONMember: Sendable, Equatable {
  public let key: String
  public let value: JSONValue

  public init(_ key: String, _ value: JSONValue) {
    self.key = key
    self.value = value
  }
}

/// A string compared byte by byte, as files mean it; `String` itself takes "é" and "e\u{301}" for one.
public struct ExactString: Sendable, Hashable, Comparable {
  public let bytes: [UInt8]

  public init(_ text: String) { bytes = Array(text.utf8) }

  public static func < (left: ExactString, right: ExactString) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }
}

extension JSONValue {
  /// The member `key` of an object; nil where there is none or this is no object.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
  }

  /// What messages call this kind of value.
  public var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "a boolean"
    case .integer: "an integer"
    case .number: "a real number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

// Not by `nil`: where an optional value is meant, `nil` must stay "absent" and not become `null`.
extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(integerLiteral value: Int64) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { JSONMember($0, $1) })
  }
}
