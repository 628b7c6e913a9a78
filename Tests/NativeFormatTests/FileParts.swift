import ByteIO
import NativeFormat
import TestSupport

/// A file taken apart at the fixed places of the specification, to be put together again with one fault.
struct FileParts {
  var magic: [UInt8]
  var version: UInt32
  var flags: UInt32
  /// Canonical JSON.
  var header: String
  /// From the data offset on.
  var data: [UInt8]

  init(_ file: ByteBuffer) {
    let bytes = file.array
    func number(_ range: Range<Int>) -> Int { bytes[range].reversed().reduce(0) { $0 << 8 | Int($1) } }
    magic = Array(bytes[..<8])
    version = UInt32(number(8..<12))
    flags = UInt32(number(12..<16))
    header = String(decoding: bytes[32..<(32 + number(24..<28))], as: UTF8.self)
    data = Array(bytes[number(16..<24)...])
  }

  /// A vector of schemas/vectors.
  static func vector(_ name: String) throws -> FileParts {
    FileParts(try ByteBuffer.open(path: schemaPath("vectors/\(name).rnnw")))
  }

  var dataOffset: Int { (32 + header.utf8.count + 63) / 64 * 64 }

  /// The file, with the right lengths and the right CRC-32 of the header.
  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.append(magic)
    writer.appendLittleEndian(version)
    writer.appendLittleEndian(flags)
    writer.appendLittleEndian(UInt64(dataOffset))
    writer.appendLittleEndian(UInt32(header.utf8.count))
    writer.appendLittleEndian(crc32(ByteBuffer(writer.bytes + Array(header.utf8))))
    writer.append(header)
    writer.pad(to: 64)
    writer.append(data)
    return writer.bytes
  }

  /// Replaces the first `old` of the header, which must be there.
  mutating func replace(_ old: String, by new: String) {
    precondition(header.contains(old), "the header has no \(old)")
    header = header.replacing(old, with: new, maxReplacements: 1)
  }

  /// Gives the tensor stored at `range` of the data its right CRC-32, after `edit`.
  mutating func editData(_ range: Range<Int>, _ edit: (inout [UInt8]) -> Void) {
    let before = crc32(ByteBuffer(data[range]))
    var stored = Array(data[range])
    edit(&stored)
    data.replaceSubrange(range, with: stored)
    replace("\"crc32\":\(before)", by: "\"crc32\":\(crc32(ByteBuffer(stored)))")
  }
}
