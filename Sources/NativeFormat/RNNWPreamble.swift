internal import ByteIO

/// What a reader must know to read a file at all: a bit for each, refused where unknown.
struct RNNWFeatures: OptionSet {
  let rawValue: UInt32

  static let deflate = RNNWFeatures(rawValue: 1 << 0)
  static let quantization = RNNWFeatures(rawValue: 1 << 1)
  static let droppedAxes = RNNWFeatures(rawValue: 1 << 2)
  static let known: [(feature: RNNWFeatures, name: String)] = [
    (.deflate, "shuffle+deflate"), (.quantization, "quantization"), (.droppedAxes, "axes dropped at size 1"),
  ]
}

/// The first 32 bytes: magic, version, flags, data offset, header length, CRC-32.
struct RNNWPreamble {
  static let size = 32
  static let version: UInt32 = 1
  static let alignment = 64

  let features: RNNWFeatures
  let headerLength: Int
  let dataOffset: Int

  init(parsing bytes: ByteBuffer, limits: Limits) throws(RNNWError) {
    try Self.checkMagic(bytes)
    let fields: Fields
    do { fields = try Fields(parsing: bytes) } catch { throw .truncated(error) }
    guard fields.version == Self.version else { throw .unknownVersion(fields.version) }
    features = RNNWFeatures(rawValue: fields.flags)
    let unknown = features.subtracting(RNNWFeatures(RNNWFeatures.known.map(\.feature))).rawValue
    guard unknown == 0 else { throw .unknownFlag(bit: unknown.trailingZeroBitCount) }

    headerLength = Int(fields.headerLength)
    guard headerLength <= limits.headerBytes else {
      throw .headerTooLong(length: headerLength, limit: limits.headerBytes)
    }
    dataOffset = align(Self.size + headerLength)
    guard fields.dataOffset == UInt64(dataOffset) else {
      throw .wrongDataOffset(expected: dataOffset, found: fields.dataOffset)
    }
    var reader = ByteReader(bytes, offset: Self.size)
    let header: ByteBuffer
    let padding: ByteBuffer
    do {
      header = try reader.take(headerLength, "the header")
      padding = try reader.take(dataOffset - reader.offset, "the padding behind the header")
    } catch { throw .truncated(error) }
    let computed = Self.checksum(fields: bytes.slice(offset: 0, count: 28)!, header: header)
    guard fields.checksum == computed else {
      throw .headerChecksum(stored: fields.checksum, computed: computed)
    }
    if let place = firstNonZero(padding) { throw .padding(offset: Self.size + headerLength + place) }
  }

  /// The numbers as they stand in the file, behind the magic.
  private struct Fields {
    let version: UInt32
    let flags: UInt32
    let dataOffset: UInt64
    let headerLength: UInt32
    let checksum: UInt32

    init(parsing bytes: ByteBuffer) throws(ParseError) {
      var reader = ByteReader(bytes, offset: NativeFormat.magic.count)
      version = try reader.littleEndian(UInt32.self, "the format version")
      flags = try reader.littleEndian(UInt32.self, "the feature flags")
      dataOffset = try reader.littleEndian(UInt64.self, "the data offset")
      headerLength = try reader.littleEndian(UInt32.self, "the header length")
      checksum = try reader.littleEndian(UInt32.self, "the header's CRC-32")
    }
  }

  private static func checkMagic(_ bytes: ByteBuffer) throws(RNNWError) {
    if NativeFormat.recognises(bytes) { return }
    let found = bytes.slice(offset: 0, count: min(bytes.count, NativeFormat.magic.count))!.array
    if !found.isEmpty, NativeFormat.magic.starts(with: found) {
      throw .truncated(ParseError(offset: found.count, reason: "the magic needs 8 bytes"))
    }
    // Whatever happened to the first byte, "RNN" survives every text mode, perhaps moved by a re-encoded 0x89.
    for shift in 1...2 where Array(found.dropFirst(shift).prefix(3)) == Array(NativeFormat.magic[1...3]) {
      throw .damagedMagic(found: found)
    }
    throw .notRNNW
  }

  /// Preamble, header and its padding, as the first chunk of a file.
  static func chunk(header: [UInt8], features: RNNWFeatures) throws(RNNWError) -> ByteBuffer {
    let limit = Limits.standard.headerBytes
    guard header.count <= limit else { throw .headerTooLong(length: header.count, limit: limit) }
    var writer = ByteWriter()
    writer.append(NativeFormat.magic)
    writer.appendLittleEndian(version)
    writer.appendLittleEndian(features.rawValue)
    writer.appendLittleEndian(UInt64(align(size + header.count)))
    writer.appendLittleEndian(UInt32(header.count))
    writer.appendLittleEndian(checksum(fields: ByteBuffer(writer.bytes), header: ByteBuffer(header)))
    writer.append(header)
    writer.pad(to: alignment)
    return ByteBuffer(writer.bytes)
  }

  /// Over the 28 bytes before the checksum itself, then the header.
  private static func checksum(fields: ByteBuffer, header: ByteBuffer) -> UInt32 {
    crc32(header, continuing: crc32(fields))
  }
}

/// The next multiple of 64. `offset` is at most the length of a file, far from overflow.
func align(_ offset: Int) -> Int {
  (offset + RNNWPreamble.alignment - 1) / RNNWPreamble.alignment * RNNWPreamble.alignment
}

/// The place of the first byte that is not 0.
func firstNonZero(_ bytes: ByteBuffer) -> Int? {
  bytes.withUnsafeBytes { $0.firstIndex { $0 != 0 } }
}
