/// A value of JSON together with where it stands, read strictly: what is not as it should be is an error of the reader's own.
package struct JSONNode<Failure: JSONFailure> {
  package let value: JSONValue
  /// Such as `layers[2].attributes.clip`.
  package let path: String
  /// Nil where nobody keeps the text.
  package let place: JSONPlace?

  package init(_ value: JSONValue, path: String, place: JSONPlace? = nil) {
    (self.value, self.path, self.place) = (value, path, place)
  }

  package func failure(_ fault: JSONFault) -> Failure { .json(fault, path: path, offset: place?.offset) }
  package func wrong(_ reason: String) -> Failure { failure(.other(reason)) }
  package func expected(_ kind: String) -> Failure {
    failure(.wrongKind(expected: kind, found: value.kindName))
  }

  package var isObject: Bool { if case .object = value { true } else { false } }

  package func text() throws(Failure) -> String {
    guard case .string(let text) = value else { throw expected("a string") }
    return text
  }

  package func flag() throws(Failure) -> Bool {
    guard case .bool(let flag) = value else { throw expected("true or false") }
    return flag
  }

  package func integer() throws(Failure) -> Int {
    guard case .integer(let number) = value else { throw expected("an integer of 64 bits") }
    return Int(number)
  }

  /// An integer that counts something.
  package func size() throws(Failure) -> Int {
    let number = try integer()
    guard number >= 0 else { throw wrong("\(number) is negative") }
    return number
  }

  /// A number that is written as a real one.
  package func real() throws(Failure) -> Double {
    guard case .number(let number) = value else { throw expected("a real number (with '.' or 'e')") }
    return number
  }

  /// A number however it is written.
  package func number() throws(Failure) -> Double {
    switch value {
    case .number(let number): return number
    case .integer(let number): return Double(number)
    case .null, .bool, .string, .array, .object: throw expected("a number")
    }
  }

  /// A finite number that is at least zero.
  package func amount() throws(Failure) -> Double {
    let number = try number()
    guard number >= 0 else { throw wrong("\(number) is negative") }
    return number
  }

  package func list() throws(Failure) -> [JSONNode] {
    guard case .array(let elements) = value else { throw expected("an array") }
    return elements.enumerated().map { JSONNode($1, path: "\(path)[\($0)]", place: place?.parts[$0]) }
  }

  /// Each member of an object, in its order.
  package func members() throws(Failure) -> [(key: String, node: JSONNode)] {
    guard case .object(let members) = value else { throw expected("an object") }
    return members.enumerated().map { ($1.key, node(of: $1, at: $0)) }
  }

  fileprivate func node(of member: JSONMember, at index: Int) -> JSONNode {
    JSONNode(
      member.value, path: path.isEmpty ? member.key : "\(path).\(member.key)", place: place?.parts[index])
  }

  /// A case of an enumeration by its raw value; `what` is what a message calls it.
  package func name<Name: RawRepresentable<String>>(_ what: String, _: Name.Type = Name.self) throws(Failure)
    -> Name
  {
    let text = try text()
    guard let name = Name(rawValue: text) else { throw failure(.unknownName(text, what: what)) }
    return name
  }

  /// One of a few words.
  package func word(_ known: [String]) throws(Failure) -> String {
    let text = try text()
    guard known.contains(text) else {
      throw wrong("'\(text)' is not one of \(known.joined(separator: ", "))")
    }
    return text
  }

  package func word<Word: RawRepresentable<String> & CaseIterable>(_: Word.Type) throws(Failure) -> Word {
    Word(rawValue: try word(Word.allCases.map(\.rawValue)))!
  }

  /// Reads an object with `body`, which must consume every member: what is left over is an error.
  package func object<Result>(
    _ body: (inout JSONObject<Failure>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var object = try JSONObject(self)
    let result = try body(&object)
    try object.finish()
    return result
  }
}

/// The members of an object that nobody has consumed yet.
package struct JSONObject<Failure: JSONFailure> {
  private let node: JSONNode<Failure>
  /// With their places among all members. Paths are made for those that are asked for.
  private var rest: [(index: Int, member: JSONMember)]

  package var path: String { node.path }

  package init(_ node: JSONNode<Failure>) throws(Failure) {
    guard case .object(let members) = node.value else { throw node.expected("an object") }
    self.node = node
    rest = members.enumerated().map { ($0, $1) }
  }

  package func has(_ key: String) -> Bool { index(of: key) != nil }

  package mutating func optional(_ key: String) -> JSONNode<Failure>? {
    guard let position = index(of: key) else { return nil }
    let (index, member) = rest.remove(at: position)
    return node.node(of: member, at: index)
  }

  package mutating func required(_ key: String) throws(Failure) -> JSONNode<Failure> {
    guard let member = optional(key) else { throw node.failure(.missing(key: key)) }
    return member
  }

  package mutating func text(_ key: String) throws(Failure) -> String? { try optional(key)?.text() }

  /// All that are left.
  @discardableResult
  package mutating func consumeAll() -> [(key: String, node: JSONNode<Failure>)] {
    defer { rest = [] }
    return rest.map { ($1.key, node.node(of: $1, at: $0)) }
  }

  /// Drops the members whose keys begin with `prefix`.
  package mutating func skip(prefix: String) {
    rest.removeAll { $0.member.key.utf8.starts(with: prefix.utf8) }
  }

  /// What is left over is an error.
  package func finish() throws(Failure) {
    if let unknown = rest.first(where: { $0.member.key != Failure.comment }) {
      throw node.failure(.unknown(key: unknown.member.key))
    }
  }

  /// By bytes: two ways of writing one character are two keys.
  private func index(of key: String) -> Int? {
    rest.firstIndex { $0.member.key.utf8.elementsEqual(key.utf8) }
  }
}

/// What is wrong with a value of JSON.
package enum JSONFault {
  case wrongKind(expected: String, found: String)
  case missing(key: String)
  case unknown(key: String)
  case unknownName(String, what: String)
  case other(String)

  package var reason: String {
    switch self {
    case .wrongKind(let expected, let found): "expected \(expected), found \(found)"
    case .missing(let key): "the key '\(key)' is missing"
    case .unknown(let key): "the key '\(key)' has no meaning here"
    case .unknownName(let name, let what): "'\(name)' is no \(what)"
    case .other(let reason): reason
    }
  }
}

/// The error of somebody who reads JSON.
package protocol JSONFailure: Error {
  /// - Parameter offset: of the value in the text, where somebody keeps that.
  static func json(_ fault: JSONFault, path: String, offset: Int?) -> Self
  /// The key of members that are for people alone; nil where there is none.
  static var comment: String? { get }
}
