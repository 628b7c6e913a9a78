/// Writes a zip archive whose bytes depend on nothing but names and contents: members in the order given, all
/// dated 1980-01-01, zip64 records only where a number does not fit.
public struct ZipWriter {
  private var chunks: [ByteBuffer] = []
  private var offset = 0
  private var directory = ByteWriter()
  private var memberCount = 0
  private var names: Set<[UInt8]> = []
  private let alignment: Int
  private let forcesZip64: Bool

  /// Data of stored members starts at multiples of `alignment`, padded by an extra field as PyTorch's files do.
  public init(alignment: Int = 1) {
    self.init(alignment: alignment, forcesZip64: false)
  }

  /// `forcesZip64` lets tests cover what otherwise only archives over 4 GiB need.
  package init(alignment: Int, forcesZip64: Bool) {
    precondition((1...32_768).contains(alignment), "alignment \(alignment)")
    self.alignment = alignment
    self.forcesZip64 = forcesZip64
  }

  /// Adds a member whose content is `content`, one chunk after another; stored chunks are not copied.
  public mutating func append(
    name: String, _ content: [ByteBuffer], method: ZipArchive.Method = .stored
  ) throws(ZipError) {
    let nameBytes = Array(name.utf8)
    if nameBytes.isEmpty { throw .badName(reason: "is empty", offset: offset) }
    if nameBytes.contains(0) { throw .badName(reason: "holds a NUL", offset: offset) }
    guard nameBytes.count <= Int(UInt16.max) else {
      throw .badName(reason: "is over 65,535 bytes", offset: offset)
    }
    guard names.insert(nameBytes).inserted else { throw .duplicateMember(name) }

    let size = content.reduce(0) { $0 + $1.count }
    let checksum = content.reduce(0) { crc32($1, continuing: $0) }
    let stored: [ByteBuffer]
    switch method {
    case .stored: stored = content
    case .deflated:
      do {
        stored = [try deflate(content.count == 1 ? content[0] : ByteBuffer(joining: content), framing: .raw)]
      } catch {
        throw .deflate(member: name, error)
      }
    }
    let member = Entry(
      name: nameBytes, method: method, checksum: checksum, size: UInt64(size),
      compressedSize: UInt64(stored.reduce(0) { $0 + $1.count }), offset: UInt64(offset),
      forcesZip64: forcesZip64)
    let header = member.local(alignment: method == .stored ? alignment : 1)
    emit(ByteBuffer(header))
    for chunk in stored { emit(chunk) }
    directory.append(member.central)
    memberCount += 1
  }

  /// The whole archive, as chunks to be written one after another.
  public consuming func finish() -> [ByteBuffer] {
    let directoryOffset = UInt64(offset)
    let directorySize = UInt64(directory.bytes.count)
    var end = ByteWriter()
    let count = UInt64(memberCount)
    if forcesZip64 || count >= Zip64.count || directoryOffset >= Zip64.size || directorySize >= Zip64.size {
      end.appendLittleEndian(ZipSignature.zip64End)
      end.appendLittleEndian(44 as UInt64)
      end.appendLittleEndian(45 as UInt16)
      end.appendLittleEndian(45 as UInt16)
      end.appendLittleEndian(0 as UInt64)  // this disk, the directory's disk
      for value in [count, count, directorySize, directoryOffset] { end.appendLittleEndian(value) }
      end.appendLittleEndian(ZipSignature.zip64Locator)
      end.appendLittleEndian(0 as UInt32)
      end.appendLittleEndian(directoryOffset + directorySize)
      end.appendLittleEndian(1 as UInt32)
    }
    end.appendLittleEndian(ZipSignature.end)
    end.appendLittleEndian(0 as UInt32)  // this disk, the directory's disk
    for _ in 0..<2 { end.appendLittleEndian(UInt16(min(count, Zip64.count))) }
    end.appendLittleEndian(UInt32(min(directorySize, Zip64.size)))
    end.appendLittleEndian(UInt32(min(directoryOffset, Zip64.size)))
    end.appendLittleEndian(0 as UInt16)  // comment
    emit(ByteBuffer(directory.bytes))
    emit(ByteBuffer(end.bytes))
    return chunks
  }

  private mutating func emit(_ chunk: ByteBuffer) {
    if chunk.count > 0 { chunks.append(chunk) }
    offset += chunk.count
  }
}

/// The two headers of one member.
private struct Entry {
  let name: [UInt8]
  let method: ZipArchive.Method
  let checksum: UInt32
  let size: UInt64
  let compressedSize: UInt64
  let offset: UInt64
  let forcesZip64: Bool

  private var longSizes: Bool { forcesZip64 || size >= Zip64.size || compressedSize >= Zip64.size }
  private var longOffset: Bool { forcesZip64 || offset >= Zip64.size }

  func local(alignment: Int) -> [UInt8] {
    // The zip64 extra field of a local header holds both sizes or is not there.
    var extra = zip64Extra(longSizes ? [size, compressedSize] : [])
    if alignment > 1 {
      let start = Int(offset) + 30 + name.count + extra.bytes.count + 4
      let padding = (alignment - start % alignment) % alignment
      extra.append("FB")
      extra.appendLittleEndian(UInt16(padding))
      extra.append(repeatElement(UInt8(ascii: "Z"), count: padding))
    }
    var header = ByteWriter()
    header.appendLittleEndian(ZipSignature.local)
    appendCommon(to: &header, needsZip64: longSizes, extraLength: extra.bytes.count)
    header.append(name)
    header.append(extra.bytes)
    return header.bytes
  }

  var central: [UInt8] {
    let extra = zip64Extra((longSizes ? [size, compressedSize] : []) + (longOffset ? [offset] : []))
    var header = ByteWriter()
    header.appendLittleEndian(ZipSignature.central)
    header.appendLittleEndian(45 as UInt16)  // made by version 4.5
    appendCommon(to: &header, needsZip64: longSizes || longOffset, extraLength: extra.bytes.count)
    header.append(repeatElement(0, count: 10))  // comment length, disk, attributes
    header.appendLittleEndian(UInt32(longOffset ? Zip64.size : offset))
    header.append(name)
    header.append(extra.bytes)
    return header.bytes
  }

  private func appendCommon(to header: inout ByteWriter, needsZip64: Bool, extraLength: Int) {
    header.appendLittleEndian((needsZip64 ? 45 : 20) as UInt16)
    header.appendLittleEndian(name.allSatisfy { $0 < 0x80 } ? 0 : ZipFlag.utf8)
    header.appendLittleEndian(method.rawValue)
    header.appendLittleEndian(0 as UInt16)  // 00:00
    header.appendLittleEndian(1 << 5 | 1 as UInt16)  // 1980-01-01
    header.appendLittleEndian(checksum)
    header.appendLittleEndian(UInt32(longSizes ? Zip64.size : compressedSize))
    header.appendLittleEndian(UInt32(longSizes ? Zip64.size : size))
    header.appendLittleEndian(UInt16(name.count))
    header.appendLittleEndian(UInt16(extraLength))
  }

  private func zip64Extra(_ values: [UInt64]) -> ByteWriter {
    var extra = ByteWriter()
    if values.isEmpty { return extra }
    extra.appendLittleEndian(Zip64.extraField)
    extra.appendLittleEndian(UInt16(values.count * 8))
    for value in values { extra.appendLittleEndian(value) }
    return extra
  }
}
