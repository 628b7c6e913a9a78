/// Where a JSON value stands in its text, and where those in it do: told beside the value and only to who asks, so that no
/// other reader pays for it.
public struct JSONPlace: Sendable, Equatable {
  /// Of its first byte.
  public let offset: Int
  /// Of an array's elements or an object's values, in their order.
  public let parts: [JSONPlace]

  /// - Parameter text: what `value` was parsed from.
  public init(of value: JSONValue, in text: ByteBuffer) {
    var walk = JSONWalk(text: text.array)
    self = walk.place(of: value)
  }

  fileprivate init(offset: Int, parts: [JSONPlace]) {
    self.offset = offset
    self.parts = parts
  }
}

/// Goes through a text that is known to be right: the value says what comes next.
private struct JSONWalk {
  let text: [UInt8]
  var offset = 0

  mutating func place(of value: JSONValue) -> JSONPlace {
    skip { " \t\r\n,:".utf8.contains($0) }
    let start = offset
    var parts: [JSONPlace] = []
    switch value {
    case .object(let members):
      offset += 1
      for member in members {
        _ = place(of: .string(member.key))
        parts.append(place(of: member.value))
      }
      close()
    case .array(let elements):
      offset += 1
      for element in elements { parts.append(place(of: element)) }
      close()
    case .string: skipString()
    case .null, .bool, .integer, .number: skip { !" \t\r\n,]}".utf8.contains($0) }
    }
    return JSONPlace(offset: start, parts: parts)
  }

  private mutating func skip(while isSkipped: (UInt8) -> Bool) {
    while offset < text.count, isSkipped(text[offset]) { offset += 1 }
  }

  /// Past the bracket at the end.
  private mutating func close() {
    skip { $0 != UInt8(ascii: "]") && $0 != UInt8(ascii: "}") }
    offset += 1
  }

  private mutating func skipString() {
    offset += 1
    while offset < text.count, text[offset] != UInt8(ascii: "\"") {
      offset += text[offset] == UInt8(ascii: "\\") ? 2 : 1
    }
    offset += 1
  }
}
