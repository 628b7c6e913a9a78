extension JSONValue {
  /// Parses one JSON text, and nothing but white space around it.
  ///
  /// Refuses what RFC 8259 leaves open: duplicate keys, lone surrogates, numbers beyond Float64, a byte order mark.
  /// Time and memory grow with the text alone: `limits.nesting` bounds the recursion, `limits.jsonValues` the tree.
  public init(parsing text: ByteBuffer, limits: Limits = .standard) throws(ParseError) {
    var parser = JSONParser(text, limits)
    parser.skipSpace()
    let value = try parser.value(depth: 0)
    parser.skipSpace()
    guard parser.offset == text.count else { throw parser.error("bytes follow the end of the JSON text") }
    self = value
  }
}

private struct JSONParser {
  let text: ByteBuffer
  let limits: Limits
  var offset = 0
  var values = 0

  init(_ text: ByteBuffer, _ limits: Limits) {
    self.text = text
    self.limits = limits
  }

  /// The next byte; nil at the end.
  var next: UInt8? { offset < text.count ? text[offset] : nil }

  func error(_ reason: String, at place: Int? = nil) -> ParseError {
    ParseError(offset: place ?? offset, reason: reason)
  }

  mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
  }

  mutating func skip(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    offset += 1
    return true
  }

  mutating func value(depth: Int) throws(ParseError) -> JSONValue {
    values += 1
    guard values <= limits.jsonValues else {
      throw error("more than \(limits.jsonValues) values in one JSON text")
    }
    guard let byte = next else { throw error("the JSON text ends where a value is expected") }
    switch byte {
    case UInt8(ascii: "{"): return try object(depth: depth + 1)
    case UInt8(ascii: "["): return try array(depth: depth + 1)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: throw error("expected a JSON value")
    }
  }

  mutating func word(_ word: StaticString, _ value: JSONValue) throws(ParseError) -> JSONValue {
    let start = offset
    for byte in "\(word)".utf8 where !skip(byte) { throw error("expected '\(word)'", at: start) }
    return value
  }

  mutating func array(depth: Int) throws(ParseError) -> JSONValue {
    guard depth <= limits.nesting else { throw error("nested deeper than \(limits.nesting) levels") }
    offset += 1
    skipSpace()
    if skip(UInt8(ascii: "]")) { return .array([]) }
    var elements: [JSONValue] = []
    while true {
      skipSpace()
      elements.append(try value(depth: depth))
      skipSpace()
      if skip(UInt8(ascii: "]")) { return .array(elements) }
      guard skip(UInt8(ascii: ",")) else { throw error("expected ',' or ']' in an array") }
    }
  }

  mutating func object(depth: Int) throws(ParseError) -> JSONValue {
    guard depth <= limits.nesting else { throw error("nested deeper than \(limits.nesting) levels") }
    offset += 1
    skipSpace()
    if skip(UInt8(ascii: "}")) { return .object([]) }
    var members: [JSONMember] = []
    var keys = DistinctKeys()
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw error("expected a key, which is a string") }
      let start = offset
      let key = try string()
      guard keys.insert(key, among: members) else {
        throw error("the key '\(key)' occurs twice in one object", at: start)
      }
      skipSpace()
      guard skip(UInt8(ascii: ":")) else { throw error("expected ':' after a key") }
      skipSpace()
      members.append(JSONMember(key, try value(depth: depth)))
      skipSpace()
      if skip(UInt8(ascii: "}")) { return .object(members) }
      guard skip(UInt8(ascii: ",")) else { throw error("expected ',' or '}' in an object") }
    }
  }
}

/// Finds a key that occurs twice: by comparison in small objects, by hash in large ones.
private struct DistinctKeys {
  private var hashed: Set<ExactString> = []

  /// False where `key` is one of the `members` that came before it.
  mutating func insert(_ key: String, among members: [JSONMember]) -> Bool {
    let threshold = 16
    if members.count < threshold { return !members.contains { $0.key.utf8.elementsEqual(key.utf8) } }
    if members.count == threshold { hashed = Set(members.map { ExactString($0.key) }) }
    return hashed.insert(ExactString(key)).inserted
  }
}

// MARK: Numbers

extension JSONParser {
  /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
  mutating func number() throws(ParseError) -> JSONValue {
    let start = offset
    let negative = skip(UInt8(ascii: "-"))
    if skip(UInt8(ascii: "0")) {
      if let byte = next, isDigit(byte) { throw error("a number has a leading zero", at: start) }
    } else {
      try digits()
    }
    var real = false
    if skip(UInt8(ascii: ".")) {
      real = true
      try digits()
    }
    if skip(UInt8(ascii: "e")) || skip(UInt8(ascii: "E")) {
      real = true
      if !skip(UInt8(ascii: "+")) { _ = skip(UInt8(ascii: "-")) }
      try digits()
    }
    let literal = String(decoding: text.slice(offset: start, count: offset - start)!.array, as: UTF8.self)
    if !real, let integer = Int64(literal), !(negative && integer == 0) { return .integer(integer) }
    guard let number = Double(literal), number.isFinite else {
      throw error("the number is too large for 64 bits", at: start)
    }
    return .number(number)
  }

  private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

  private mutating func digits() throws(ParseError) {
    guard let byte = next, isDigit(byte) else { throw error("expected a digit") }
    while let byte = next, isDigit(byte) { offset += 1 }
  }
}

// MARK: Strings

extension JSONParser {
  mutating func string() throws(ParseError) -> String {
    let start = offset
    offset += 1
    var run = try plainRun(from: start)
    if skip(UInt8(ascii: "\"")) { return try validated(run, from: start) }
    var bytes = run.array
    while !skip(UInt8(ascii: "\"")) {
      offset += 1
      try escape(&bytes)
      run = try plainRun(from: start)
      bytes.append(contentsOf: run.array)
    }
    return try validated(ByteBuffer(bytes), from: start)
  }

  /// The bytes up to the next quote or backslash.
  private mutating func plainRun(from start: Int) throws(ParseError) -> ByteBuffer {
    let rest = text.slice(offset: offset, count: text.count - offset)!
    let length = rest.withUnsafeBytes { bytes in
      bytes.firstIndex { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") || $0 < 0x20 }
    }
    guard let length else { throw error("the string is not closed", at: start) }
    offset += length
    guard rest[length] >= 0x20 else { throw error("a control character stands unescaped in a string") }
    return rest.slice(offset: 0, count: length)!
  }

  private func validated(_ bytes: ByteBuffer, from start: Int) throws(ParseError) -> String {
    guard bytes.count <= limits.stringBytes else {
      throw error("a string of \(bytes.count) bytes is over the limit of \(limits.stringBytes)", at: start)
    }
    let string = bytes.withUnsafeBytes { String(validating: $0, as: UTF8.self) }
    guard let string else { throw error("the string is not valid UTF-8", at: start) }
    return string
  }

  private mutating func escape(_ bytes: inout [UInt8]) throws(ParseError) {
    let start = offset - 1
    guard let byte = next else { throw error("the string is not closed") }
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(byte)
    case UInt8(ascii: "b"): bytes.append(0x08)
    case UInt8(ascii: "f"): bytes.append(0x0C)
    case UInt8(ascii: "n"): bytes.append(0x0A)
    case UInt8(ascii: "r"): bytes.append(0x0D)
    case UInt8(ascii: "t"): bytes.append(0x09)
    case UInt8(ascii: "u"):
      var scalar = UInt32(try hexadecimal())
      if (0xD800...0xDBFF).contains(scalar), skip(UInt8(ascii: "\\")), skip(UInt8(ascii: "u")) {
        let low = UInt32(try hexadecimal())
        guard (0xDC00...0xDFFF).contains(low) else { throw error("a lone surrogate", at: start) }
        scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let character = Unicode.Scalar(scalar) else { throw error("a lone surrogate", at: start) }
      bytes.append(contentsOf: Array(String(character).utf8))
    default: throw error("an unknown escape in a string", at: start)
    }
  }

  private mutating func hexadecimal() throws(ParseError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw error("expected four hexadecimal digits")
      }
      value = value << 4 | UInt16(digit)
      offset += 1
    }
    return value
  }
}
