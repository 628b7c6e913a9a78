internal import ByteIO

/// One tensor as the header describes it.
struct SafetensorsEntry {
  let name: String
  let type: SafetensorsType
  let shape: [Int]
  /// In the data, which begins behind the header.
  let begin: Int
  let end: Int

  /// The entries in the order of their data, and the metadata.
  static func parse(
    _ header: ByteBuffer, limits: Limits
  ) throws(SafetensorsError) -> (entries: [SafetensorsEntry], metadata: [String: String]) {
    guard header.count > 0, header[0] == UInt8(ascii: "{") else { throw .headerStart }
    if let last = header.withUnsafeBytes({ $0.lastIndex { $0 != 0x20 } }), header[last] != UInt8(ascii: "}") {
      throw .headerEnd(offset: 8 + last)
    }
    let json: JSONValue
    do { json = try JSONValue(parsing: header, limits: limits) } catch { throw .headerJSON(error) }
    guard case .object(let members) = json else { throw .headerStart }
    var entries: [SafetensorsEntry] = []
    var metadata: [String: String] = [:]
    for member in members {
      if member.key == SafetensorsFormat.metadataKey {
        guard case .object(let pairs) = member.value else { throw .badMetadata(key: nil) }
        for pair in pairs {
          guard case .string(let text) = pair.value else { throw .badMetadata(key: pair.key) }
          metadata[pair.key] = text
        }
      } else {
        guard entries.count < limits.tensors else { throw .tooManyTensors(limit: limits.tensors) }
        entries.append(try SafetensorsEntry(member.key, member.value))
      }
    }
    // Empty tensors share their place with the next one and come before it.
    entries.sort { ($0.begin, $0.end) < ($1.begin, $1.end) }
    return (entries, metadata)
  }

  private init(_ name: String, _ value: JSONValue) throws(SafetensorsError) {
    guard case .object(let members) = value else {
      throw .badField(tensor: name, reason: "expected an object, found \(value.kindName)")
    }
    for member in members where !["dtype", "shape", "data_offsets"].contains(member.key) {
      throw .badField(tensor: name, reason: "unknown field '\(member.key)'")
    }
    guard case .string(let typeName)? = value["dtype"] else {
      throw .badField(tensor: name, reason: "no dtype")
    }
    guard let type = SafetensorsType(rawValue: typeName) else { throw .unknownType(tensor: name, typeName) }
    func sizes(_ field: String) throws(SafetensorsError) -> [Int] {
      guard case .array(let values)? = value[field] else {
        throw .badField(tensor: name, reason: "no \(field)")
      }
      return try values.map { (value) throws(SafetensorsError) in
        guard case .integer(let number) = value, number >= 0 else {
          throw .badField(tensor: name, reason: "\(field) holds something else than sizes")
        }
        return Int(number)
      }
    }
    let offsets = try sizes("data_offsets")
    guard offsets.count == 2 else {
      throw .badField(tensor: name, reason: "data_offsets holds \(offsets.count) numbers, not 2")
    }
    self.name = name
    self.type = type
    shape = try sizes("shape")
    begin = offsets[0]
    end = offsets[1]
  }

  /// What type and shape take.
  func byteCount() throws(SafetensorsError) -> Int {
    guard let bits = checkedProduct(shape + [type.bits]) else { throw .shapeTooLarge(tensor: name, shape) }
    guard bits % 8 == 0 else { throw .partialByte(tensor: name, type: type.rawValue, shape: shape) }
    return bits / 8
  }
}
