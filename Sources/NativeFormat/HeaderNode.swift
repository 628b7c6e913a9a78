package import ByteIO

typealias HeaderNode = JSONNode<RNNWError>
typealias HeaderObject = JSONObject<RNNWError>

extension RNNWError: JSONFailure {
  package static func json(_ fault: JSONFault, path: String, offset: Int?) -> RNNWError {
    switch fault {
    case .wrongKind(let expected, let found): .wrongKind(path: path, expected: expected, found: found)
    case .missing(let key): .missingKey(path: path, key: key)
    case .unknown(let key): .unknownKey(path: path, key: key)
    case .unknownName(let name, let what): .unknownName(path: path, what: what, name: name)
    case .other(let reason): .header(path: path, reason: reason)
    }
  }

  package static var comment: String? { nil }
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
