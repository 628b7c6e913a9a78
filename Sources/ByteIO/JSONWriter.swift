/// Why a value cannot be written as JSON.
public enum JSONWritingError: Error, Equatable, CustomStringConvertible {
  case notFinite(Double)
  case duplicateKey(String)

  public var description: String {
    switch self {
    case .notFinite(let number): "JSON cannot hold the number \(number)"
    case .duplicateKey(let key): "the key '\(key)' occurs twice in one object"
    }
  }
}

extension JSONValue {
  /// The one canonical text: keys sorted by their UTF-8 bytes, no white space, nothing escaped that need not be.
  ///
  /// Byte for byte what Python's `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)` gives.
  public func canonicalBytes() throws(JSONWritingError) -> [UInt8] {
    var writer = JSONWriter(sorted: true, indented: false)
    try writer.write(self, level: 0)
    return writer.bytes
  }

  /// No white space, keys in their own order.
  public func compactBytes() throws(JSONWritingError) -> [UInt8] {
    var writer = JSONWriter(sorted: false, indented: false)
    try writer.write(self, level: 0)
    return writer.bytes
  }

  /// Indented by two spaces, keys in their own order, a line feed at the end: for people.
  public func prettyBytes() throws(JSONWritingError) -> [UInt8] {
    var writer = JSONWriter(sorted: false, indented: true)
    try writer.write(self, level: 0)
    writer.bytes.append(0x0A)
    return writer.bytes
  }
}

private struct JSONWriter {
  let sorted: Bool
  let indented: Bool
  var bytes: [UInt8] = []

  init(sorted: Bool, indented: Bool) {
    self.sorted = sorted
    self.indented = indented
  }

  mutating func write(_ value: JSONValue, level: Int) throws(JSONWritingError) {
    switch value {
    case .null: append("null")
    case .bool(let flag): append(flag ? "true" : "false")
    case .integer(let number): append(String(number))
    case .number(let number): append(try shortest(number))
    case .string(let text): write(text)
    case .array(let elements):
      bytes.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        newLine(level + 1)
        try write(element, level: level + 1)
      }
      if !elements.isEmpty { newLine(level) }
      bytes.append(UInt8(ascii: "]"))
    case .object(let members):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in try ordered(members).enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        newLine(level + 1)
        write(member.key)
        append(indented ? ": " : ":")
        try write(member.value, level: level + 1)
      }
      if !members.isEmpty { newLine(level) }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  private mutating func newLine(_ level: Int) {
    guard indented else { return }
    bytes.append(0x0A)
    bytes.append(contentsOf: repeatElement(0x20, count: 2 * level))
  }

  private func ordered(_ members: [JSONMember]) throws(JSONWritingError) -> [JSONMember] {
    let ascending = zip(members, members.dropFirst()).allSatisfy {
      $0.key.utf8.lexicographicallyPrecedes($1.key.utf8)
    }
    if ascending { return members }
    let keyed = members.map { (key: ExactString($0.key), member: $0) }.sorted { $0.key < $1.key }
    for (left, right) in zip(keyed, keyed.dropFirst()) where left.key == right.key {
      throw .duplicateKey(right.member.key)
    }
    return sorted ? keyed.map(\.member) : members
  }

  /// The fewest digits that read back to the same bits, always with a fraction or an exponent.
  private func shortest(_ number: Double) throws(JSONWritingError) -> String {
    guard number.isFinite else { throw .notFinite(number) }
    // Swift turns to exponents at 2^53, Python at 1e16; between them lie only integers, whose digits are exact.
    if number.magnitude >= 0x1p53 && number.magnitude < 1e16 { return "\(Int64(number)).0" }
    return number.description
  }

  private mutating func write(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    // For people's eyes and terminals, controls beyond ASCII are escaped, too.
    if indented, text.unicodeScalars.contains(where: { $0.value >= 0x7F && $0.isControl }) {
      for scalar in text.unicodeScalars {
        if scalar.value >= 0x7F, scalar.isControl {
          for unit in UTF16.encode(scalar)! {
            let digits = String(unit, radix: 16)
            append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
          }
        } else {
          writeUTF8(Array(String(scalar).utf8))
        }
      }
    } else {
      writeUTF8(text.utf8)
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private mutating func writeUTF8(_ text: some Sequence<UInt8>) {
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 0x08: append("\\b")
      case 0x09: append("\\t")
      case 0x0A: append("\\n")
      case 0x0C: append("\\f")
      case 0x0D: append("\\r")
      case 0..<0x20:
        append(byte < 0x10 ? "\\u000" : "\\u00")
        append(String(byte, radix: 16))
      default: bytes.append(byte)
      }
    }
  }
}
