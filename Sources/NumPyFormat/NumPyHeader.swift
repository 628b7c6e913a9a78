internal import ByteIO

/// The header of a `.npy` file: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>
struct NumPyHeader: Equatable {
  var descr: String
  var fortranOrder: Bool
  var shape: [Int]

  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// NPY_MAXDIMS of NumPy 2.
  static let maximumDimensions = 64

  init(descr: String, fortranOrder: Bool = false, shape: [Int]) {
    self.descr = descr
    self.fortranOrder = fortranOrder
    self.shape = shape
  }

  /// Leaves the reader at the first byte of the data.
  init(parsing reader: inout ByteReader, limits: Limits) throws(NumPyError) {
    guard try reader.npyBytes(min(Self.magic.count, reader.remaining), "magic").array == Self.magic else {
      throw .notNumPy
    }
    let major: UInt8 = try reader.npyField("version")
    let minor: UInt8 = try reader.npyField("version")
    let length: Int
    switch (major, minor) {
    case (1, 0): length = Int(try reader.npyField("header length") as UInt16)
    case (2, 0), (3, 0): length = Int(try reader.npyField("header length") as UInt32)
    default: throw .unsupportedVersion(major: major, minor: minor)
    }
    guard length <= limits.headerBytes else { throw .headerTooLong(length, limit: limits.headerBytes) }
    let start = reader.offset
    let text = try reader.npyBytes(length, "header")
    // Python 2 wrote some integers as `3L`; version 3.0 is younger than that.
    var parser = LiteralParser(text, base: start, allowsLongSuffix: major < 3)
    self = try parser.header()
  }

  /// The bytes that NumPy writes for this header: keys sorted, room for the growth of the first axis, padded
  /// with spaces and a newline so that the data starts at a multiple of 64.
  var bytes: [UInt8] {
    let dimensions = shape.map(String.init).joined(separator: ", ")
    let tuple = shape.count == 1 ? "(\(dimensions),)" : "(\(dimensions))"
    var text =
      "{'descr': '\(descr)', 'fortran_order': \(fortranOrder ? "True" : "False"), 'shape': \(tuple), }"
    // numpy.lib.format: GROWTH_AXIS_MAX_DIGITS = 21
    if let growing = fortranOrder ? shape.last : shape.first {
      text += String(repeating: " ", count: 21 - String(growing).count)
    }
    let prefix = Self.magic.count + 4
    // NumPy pads by 64 where nothing is missing.
    let padding = 64 - (prefix + text.utf8.count + 1) % 64
    text += String(repeating: " ", count: padding) + "\n"
    // 64 dimensions of 20 digits fit version 1.0.
    var writer = ByteWriter()
    writer.append(Self.magic)
    writer.append([1, 0])
    writer.appendLittleEndian(UInt16(text.utf8.count))
    writer.append(text)
    return writer.bytes
  }
}

extension ByteReader {
  fileprivate mutating func npyField<Value: FileInteger>(_ name: String) throws(NumPyError) -> Value {
    do { return try littleEndian(Value.self, name) } catch { throw .truncated(error) }
  }

  fileprivate mutating func npyBytes(_ count: Int, _ name: String) throws(NumPyError) -> ByteBuffer {
    do { return try take(count, name) } catch { throw .truncated(error) }
  }
}
