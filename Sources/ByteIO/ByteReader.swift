/// Integers that a little- or big-endian file can hold.
public typealias FileInteger = FixedWidthInteger

/// A cursor that reads forward and can never leave its buffer: every read is checked and names its field.
public struct ByteReader {
  public let buffer: ByteBuffer
  public private(set) var offset: Int

  public init(_ buffer: ByteBuffer, offset: Int = 0) {
    self.buffer = buffer
    self.offset = offset
  }

  public var remaining: Int { (0...buffer.count).contains(offset) ? buffer.count - offset : 0 }

  /// The next `count` bytes as a window onto the same memory.
  public mutating func take(_ count: Int, _ field: String) throws(ParseError) -> ByteBuffer {
    guard let slice = buffer.slice(offset: offset, count: count) else {
      throw ParseError(
        offset: offset, reason: "\(field) needs \(count) bytes, only \(remaining) are left")
    }
    offset += count
    return slice
  }

  public mutating func skip(_ count: Int, _ field: String) throws(ParseError) { _ = try take(count, field) }

  public mutating func seek(to target: Int, _ field: String) throws(ParseError) {
    guard target >= 0, target <= buffer.count else {
      throw ParseError(offset: offset, reason: "\(field) is at \(target), outside the \(buffer.count) bytes")
    }
    offset = target
  }

  public mutating func littleEndian<Value: FileInteger>(
    _ type: Value.Type = Value.self, _ field: String
  ) throws(ParseError) -> Value {
    let bytes = try take(Value.bitWidth / 8, field)
    return bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(as: Value.self)) }
  }

  public mutating func bigEndian<Value: FileInteger>(
    _ type: Value.Type = Value.self, _ field: String
  ) throws(ParseError) -> Value {
    let bytes = try take(Value.bitWidth / 8, field)
    return bytes.withUnsafeBytes { Value(bigEndian: $0.loadUnaligned(as: Value.self)) }
  }
}

/// Appends integers and bytes in file order.
public struct ByteWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }
  public mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  public mutating func append(_ buffer: ByteBuffer) {
    buffer.withUnsafeBytes { bytes.append(contentsOf: $0) }
  }

  public mutating func appendLittleEndian(_ value: some FileInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Zero bytes up to the next multiple of `alignment`.
  public mutating func pad(to alignment: Int) {
    let excess = bytes.count % alignment
    if excess != 0 { bytes.append(contentsOf: repeatElement(0, count: alignment - excess)) }
  }
}
