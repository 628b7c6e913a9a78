// The records of a zip archive, as in PKWARE's APPNOTE 6.3.10, sections 4.3.7 to 4.3.16.

enum ZipSignature {
  static let local: UInt32 = 0x0403_4B50
  static let descriptor: UInt32 = 0x0807_4B50
  static let central: UInt32 = 0x0201_4B50
  static let zip64End: UInt32 = 0x0606_4B50
  static let zip64Locator: UInt32 = 0x0706_4B50
  static let end: UInt32 = 0x0605_4B50
}

enum ZipFlag {
  static let encrypted: UInt16 = 1 << 0 | 1 << 6 | 1 << 13
  static let deflateLevel: UInt16 = 1 << 1 | 1 << 2
  /// Checksum and sizes follow the data; the local header may hold zeros.
  static let descriptor: UInt16 = 1 << 3
  static let utf8: UInt16 = 1 << 11
  static let supported = deflateLevel | descriptor | utf8
}

/// A field of 16 or 32 bits that is all ones says that its value is in the zip64 record.
enum Zip64 {
  static let count = UInt64(UInt16.max)
  static let size = UInt64(UInt32.max)
  static let extraField: UInt16 = 1
}

extension ByteReader {
  mutating func zipField<Value: FileInteger>(_ name: String) throws(ZipError) -> Value {
    do { return try littleEndian(Value.self, name) } catch { throw .malformed(error) }
  }

  mutating func zipBytes(_ count: some FileInteger, _ name: String) throws(ZipError) -> ByteBuffer {
    do { return try take(Int(count), name) } catch { throw .malformed(error) }
  }

  mutating func zipSignature(_ signature: UInt32, _ record: String) throws(ZipError) {
    let start = offset
    guard try zipField(record) as UInt32 == signature else {
      throw .wrongSignature(record: record, offset: start)
    }
  }
}

/// Where the directory is and how many members it lists: the end record, and its zip64 form where there is one.
struct ZipEnd {
  let memberCount: UInt64
  let directory: Range<Int>

  static let byteCount = 22
  static let locatorByteCount = 20

  init(parsing buffer: ByteBuffer) throws(ZipError) {
    let start = try Self.find(in: buffer)
    var reader = ByteReader(buffer, offset: start + 4)
    let disks: (UInt16, UInt16) = (try reader.zipField("disk"), try reader.zipField("directory's disk"))
    let countHere = UInt64(try reader.zipField("members on this disk") as UInt16)
    let count = UInt64(try reader.zipField("member count") as UInt16)
    let size = UInt64(try reader.zipField("directory size") as UInt32)
    let offset = UInt64(try reader.zipField("directory offset") as UInt32)

    var long = (count: count, size: size, offset: offset)
    var directoryEnd = start
    var highestDisk: UInt16 = 0
    if let record = try Self.zip64Record(before: start, in: buffer) {
      long = (record.count, record.size, record.offset)
      directoryEnd = record.start
      // Writers of zip64 put all ones here too.
      highestDisk = .max
      for (short, long, sentinel) in [
        (count, record.count, Zip64.count), (size, record.size, Zip64.size),
        (offset, record.offset, Zip64.size),
      ] where short != long && short != sentinel {
        throw .zip64(reason: "the two end records say \(short) and \(long)", offset: record.start)
      }
    } else if count == Zip64.count || size == Zip64.size || offset == Zip64.size {
      throw .zip64(reason: "the end record refers to a zip64 record that is missing", offset: start)
    }
    guard [disks.0, disks.1].allSatisfy({ $0 == 0 || $0 == highestDisk }), countHere == count else {
      throw .multiDisk(offset: start)
    }

    guard let size = Int(exactly: long.size), let offset = Int(exactly: long.offset),
      offset <= directoryEnd, size == directoryEnd - offset
    else {
      throw .directoryMisplaced(
        reason: "\(long.size) bytes at \(long.offset) do not reach to the end record", offset: directoryEnd)
    }
    memberCount = long.count
    directory = offset..<directoryEnd
  }

  /// The end record is the last thing in the file but for a comment whose length it declares.
  private static func find(in buffer: ByteBuffer) throws(ZipError) -> Int {
    guard buffer.count >= byteCount else { throw .noEndRecord }
    let last = buffer.count - byteCount
    let candidates = buffer.withUnsafeBytes { bytes in
      (max(0, last - Int(UInt16.max))...last).filter { start in
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self)) == ZipSignature.end
          && Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: start + 20, as: UInt16.self)))
            == last - start
      }
    }
    guard let start = candidates.first else { throw .noEndRecord }
    if candidates.count > 1 { throw .ambiguousEndRecord(candidates[0], candidates[1]) }
    return start
  }

  private static func zip64Record(
    before end: Int, in buffer: ByteBuffer
  ) throws(ZipError) -> (count: UInt64, size: UInt64, offset: UInt64, start: Int)? {
    let locator = end - locatorByteCount
    guard locator >= 0 else { return nil }
    var reader = ByteReader(buffer, offset: locator)
    guard try reader.zipField("zip64 locator") as UInt32 == ZipSignature.zip64Locator else { return nil }
    let locatorDisk: UInt32 = try reader.zipField("disk of the zip64 record")
    let declared: UInt64 = try reader.zipField("offset of the zip64 record")
    let disks: UInt32 = try reader.zipField("number of disks")
    guard locatorDisk == 0, disks <= 1 else { throw .multiDisk(offset: locator) }
    guard let start = Int(exactly: declared), start < locator else {
      throw .zip64(reason: "the end record is said to be at \(declared)", offset: locator)
    }

    reader = ByteReader(buffer, offset: start)
    try reader.zipSignature(ZipSignature.zip64End, "zip64 end record")
    let length: UInt64 = try reader.zipField("length of the zip64 end record")
    guard length >= 44, Int(exactly: length) == locator - start - 12 else {
      throw .zip64(reason: "an end record of \(length) bytes does not reach to its locator", offset: start)
    }
    _ = try reader.zipBytes(4, "zip64 versions")
    let disk: UInt32 = try reader.zipField("zip64 disk")
    let directoryDisk: UInt32 = try reader.zipField("zip64 directory's disk")
    let countHere: UInt64 = try reader.zipField("zip64 members on this disk")
    let count: UInt64 = try reader.zipField("zip64 member count")
    guard disk == 0, directoryDisk == 0, countHere == count else { throw .multiDisk(offset: start) }
    return (
      count, try reader.zipField("zip64 directory size"), try reader.zipField("zip64 directory offset"), start
    )
  }
}

/// What the directory entry and the local header of a member both say.
struct ZipHeader {
  let offset: Int
  var flags: UInt16
  var method: UInt16
  var checksum: UInt32
  var compressedSize: UInt64
  var size: UInt64
  var name: ByteBuffer
  /// Where the local header is; nil in the local header itself.
  var localOffset: UInt64?

  init(parsingCentral reader: inout ByteReader) throws(ZipError) {
    try self.init(parsing: &reader, signature: ZipSignature.central, record: "directory entry")
  }

  init(parsingLocal reader: inout ByteReader) throws(ZipError) {
    try self.init(parsing: &reader, signature: ZipSignature.local, record: "local header")
  }

  private init(parsing reader: inout ByteReader, signature: UInt32, record: String) throws(ZipError) {
    let central = signature == ZipSignature.central
    offset = reader.offset
    try reader.zipSignature(signature, record)
    _ = try reader.zipBytes(central ? 4 : 2, "versions")
    flags = try reader.zipField("flags")
    method = try reader.zipField("method")
    _ = try reader.zipBytes(4, "time and date")
    checksum = try reader.zipField("CRC-32")
    compressedSize = UInt64(try reader.zipField("compressed size") as UInt32)
    size = UInt64(try reader.zipField("size") as UInt32)
    let nameLength: UInt16 = try reader.zipField("name length")
    let extraLength: UInt16 = try reader.zipField("length of the extra fields")
    var commentLength: UInt16 = 0
    if central {
      commentLength = try reader.zipField("comment length")
      let disk: UInt16 = try reader.zipField("disk")
      guard disk == 0 || disk == .max else { throw .multiDisk(offset: offset) }
      _ = try reader.zipBytes(6, "attributes")
      localOffset = UInt64(try reader.zipField("offset of the local header") as UInt32)
    }
    name = try reader.zipBytes(nameLength, "name")
    let extra = try reader.zipBytes(extraLength, "extra fields")
    _ = try reader.zipBytes(commentLength, "comment")
    try resolveZip64(extra)
  }

  /// Replaces fields that are all ones by the values in the zip64 extra field, which come in this order.
  private mutating func resolveZip64(_ extra: ByteBuffer) throws(ZipError) {
    let needed = size == Zip64.size || compressedSize == Zip64.size || localOffset == Zip64.size
    guard needed, var field = try Self.extraField(Zip64.extraField, in: extra, offset) else { return }
    if size == Zip64.size { size = try Self.long(&field, offset) }
    if compressedSize == Zip64.size { compressedSize = try Self.long(&field, offset) }
    if localOffset == Zip64.size { localOffset = try Self.long(&field, offset) }
  }

  private static func long(_ reader: inout ByteReader, _ offset: Int) throws(ZipError) -> UInt64 {
    guard reader.remaining >= 8 else { throw .zip64(reason: "the extra field is too short", offset: offset) }
    return try reader.zipField("zip64 value")
  }

  private static func extraField(
    _ wanted: UInt16, in extra: ByteBuffer, _ offset: Int
  ) throws(ZipError) -> ByteReader? {
    var reader = ByteReader(extra)
    // Fewer than four bytes left over are padding by old aligning tools.
    while reader.remaining >= 4 {
      let identifier: UInt16 = try reader.zipField("extra field")
      let length: UInt16 = try reader.zipField("length of an extra field")
      guard Int(length) <= reader.remaining else {
        throw .zip64(reason: "an extra field of \(length) bytes does not fit its header", offset: offset)
      }
      let content = try reader.zipBytes(length, "extra field")
      if identifier == wanted { return ByteReader(content) }
    }
    return nil
  }
}
