internal import ByteIO

/// Reads the one Python literal that a `.npy` header is, and evaluates nothing: a dictionary with the keys
/// `descr`, `fortran_order` and `shape` in any order, each once.
struct LiteralParser {
  private let text: [UInt8]
  private let base: Int
  private let allowsLongSuffix: Bool
  private var position = 0

  /// `base` is the offset of the header in the file, for messages.
  init(_ text: ByteBuffer, base: Int, allowsLongSuffix: Bool) {
    self.text = text.array
    self.base = base
    self.allowsLongSuffix = allowsLongSuffix
  }

  mutating func header() throws(NumPyError) -> NumPyHeader {
    var descr: String?
    var fortranOrder: Bool?
    var shape: [Int]?
    try expect("{")
    while !accept("}") {
      skipSpace()
      let start = position
      let key = try string()
      try expect(":")
      let isRepeated: Bool
      switch key {
      case "descr":
        isRepeated = descr != nil
        descr = try typeDescription()
      case "fortran_order":
        isRepeated = fortranOrder != nil
        fortranOrder = try boolean()
      case "shape":
        isRepeated = shape != nil
        shape = try tuple()
      default: throw failure("unknown key '\(key)'", at: start)
      }
      if isRepeated { throw failure("key '\(key)' is there twice", at: start) }
      if !accept(",") {
        try expect("}")
        break
      }
    }
    skipSpace()
    guard position == text.count else { throw failure("something follows the dictionary") }
    guard let descr else { throw failure("no key 'descr'") }
    guard let fortranOrder else { throw failure("no key 'fortran_order'") }
    guard let shape else { throw failure("no key 'shape'") }
    return NumPyHeader(descr: descr, fortranOrder: fortranOrder, shape: shape)
  }

  private mutating func typeDescription() throws(NumPyError) -> String {
    skipSpace()
    if peek == UInt8(ascii: "[") || peek == UInt8(ascii: "(") {
      throw .unsupportedType(
        descr: String(decoding: text[position...].prefix(40), as: UTF8.self),
        reason: "records of several fields are not tensors")
    }
    return try string()
  }

  private mutating func tuple() throws(NumPyError) -> [Int] {
    try expect("(")
    var values: [Int] = []
    while !accept(")") {
      values.append(try integer())
      guard values.count <= NumPyHeader.maximumDimensions else {
        throw .tooManyDimensions(values.count, limit: NumPyHeader.maximumDimensions)
      }
      if accept(",") { continue }
      // In Python `(3)` is a number.
      if values.count == 1 { throw failure("a tuple of one needs a comma") }
      try expect(")")
      break
    }
    return values
  }

  private mutating func integer() throws(NumPyError) -> Int {
    skipSpace()
    let start = position
    while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    let digits = text[start..<position]
    guard !digits.isEmpty else { throw failure("expected a number") }
    guard digits.count == 1 || digits.first != UInt8(ascii: "0") else {
      throw failure("a number starts with 0", at: start)
    }
    guard let value = Int(String(decoding: digits, as: UTF8.self)) else {
      throw failure("the number is too large", at: start)
    }
    if allowsLongSuffix && peek == UInt8(ascii: "L") { position += 1 }
    return value
  }

  private mutating func boolean() throws(NumPyError) -> Bool {
    skipSpace()
    for (word, value) in [("True", true), ("False", false)] where text[position...].starts(with: word.utf8) {
      position += word.utf8.count
      return value
    }
    throw failure("expected True or False")
  }

  /// A string of printable ASCII without escapes: no key and no number's type needs more.
  private mutating func string() throws(NumPyError) -> String {
    skipSpace()
    guard let quote = peek, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      throw failure("expected a string")
    }
    position += 1
    let start = position
    while let byte = peek, byte != quote {
      guard (0x20...0x7E).contains(byte), byte != UInt8(ascii: "\\") else {
        throw failure("a string holds more than plain ASCII")
      }
      position += 1
    }
    guard peek == quote else { throw failure("a string has no end", at: start) }
    defer { position += 1 }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  private var peek: UInt8? { position < text.count ? text[position] : nil }

  private mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || (0x09...0x0D).contains(byte) { position += 1 }
  }

  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard peek == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(NumPyError) {
    guard accept(character) else { throw failure("expected '\(character)'") }
  }

  private func failure(_ reason: String, at place: Int? = nil) -> NumPyError {
    .badHeader(offset: base + (place ?? position), reason: reason)
  }
}
