import ByteIO
import Testing

/// A small valid archive, and where its records are.
private struct ZipImage {
  var bytes: [UInt8]
  let locals: [Int]
  let centrals: [Int]
  let end: Int

  static let content = Array("0123456789".utf8)

  /// Members `a.bin` (stored) and `b.bin` (deflated).
  init(zip64: Bool = false) throws {
    var writer = ZipWriter(alignment: 1, forcesZip64: zip64)
    try writer.append(name: "a.bin", [ByteBuffer(Self.content)])
    try writer.append(name: "b.bin", [ByteBuffer(Self.content)], method: .deflated)
    let bytes = ByteBuffer(joining: writer.finish()).array
    func places(_ signature: [UInt8]) -> [Int] {
      (0..<bytes.count - 4).filter { Array(bytes[$0..<$0 + 4]) == signature }
    }
    self.bytes = bytes
    locals = places([0x50, 0x4B, 3, 4])
    centrals = places([0x50, 0x4B, 1, 2])
    end = bytes.count - 22
  }

  mutating func set(_ offset: Int, _ new: UInt8...) {
    bytes.replaceSubrange(offset..<offset + new.count, with: new)
  }
}

/// One fault each, made from a valid archive.
private enum Corruption: CaseIterable {
  case noEnd, byteAfterEnd, twoEnds, secondDisk, memberOnSecondDisk
  case tooFewMembers, tooManyMembers, directoryMoved, directoryShortened, entrySignature
  case encrypted, stronglyEncrypted, patchData, unknownMethod
  case otherLocalName, otherLocalMethod, otherLocalFlags, otherLocalSize, otherLocalChecksum
  case localSignature, localOffsetOutside, dataOutside, overlap, sameMemberTwice
  case nulInName, nameNotUTF8, emptyName
  case storedSizesDiffer, wrongChecksum, deflatedTooShort, deflatedCorrupt, descriptorMissing
  case zip64Missing, zip64RecordMoved, zip64RecordTooLong, zip64Contradiction, zip64SecondDisk
  case zip64ExtraTooShort, zip64ExtraOverrun

  func make() throws -> (bytes: [UInt8], error: ZipError) {
    let isZip64 = "\(self)".hasPrefix("zip64") && self != .zip64Missing
    var zip = try ZipImage(zip64: isZip64)
    let (local, central, end) = (zip.locals[0], zip.centrals[0], zip.end)
    let record = end - 20 - 56
    let error: ZipError
    switch self {
    case .noEnd:
      zip.set(end, 0)
      error = .noEndRecord
    case .byteAfterEnd:
      zip.bytes.append(0)
      error = .noEndRecord
    case .twoEnds:
      // The comment is an end record itself.
      zip.set(end + 20, 22)
      zip.bytes += try ZipImage().bytes.suffix(22)
      error = .ambiguousEndRecord(end, end + 22)
    case .secondDisk:
      zip.set(end + 4, 1)
      error = .multiDisk(offset: end)
    case .memberOnSecondDisk:
      zip.set(central + 34, 1)
      error = .multiDisk(offset: central)
    case .tooFewMembers, .tooManyMembers:
      let count: UInt8 = self == .tooFewMembers ? 1 : 3
      zip.set(end + 8, count, 0, count)
      error = .wrongMemberCount(declared: Int(count), found: 2)
    case .directoryMoved:
      zip.set(end + 16, zip.bytes[end + 16] - 1)
      let size = end - central
      error = .directoryMisplaced(
        reason: "\(size) bytes at \(central - 1) do not reach to the end record", offset: end)
    case .directoryShortened:
      zip.set(end + 12, zip.bytes[end + 12] - 1)
      error = .directoryMisplaced(
        reason: "\(end - central - 1) bytes at \(central) do not reach to the end record", offset: end)
    case .entrySignature:
      zip.set(central, 0)
      error = .wrongSignature(record: "directory entry", offset: central)
    case .encrypted, .stronglyEncrypted, .patchData:
      let flags: UInt8 = self == .encrypted ? 1 : self == .stronglyEncrypted ? 1 << 6 : 1 << 5
      zip.set(central + 8, flags)
      zip.set(local + 6, flags)
      error =
        self == .patchData
        ? .unsupportedFlags(member: "a.bin", flags: UInt16(flags)) : .encrypted(member: "a.bin")
    case .unknownMethod:
      zip.set(central + 10, 12)
      zip.set(local + 8, 12)
      error = .unsupportedMethod(member: "a.bin", method: 12)
    case .otherLocalName:
      zip.set(local + 30, UInt8(ascii: "c"))
      error = .headerMismatch(member: "a.bin", field: "name", offset: local)
    case .otherLocalMethod:
      zip.set(local + 8, 8)
      error = .headerMismatch(member: "a.bin", field: "method", offset: local)
    case .otherLocalFlags:
      zip.set(local + 6, 1)
      error = .headerMismatch(member: "a.bin", field: "flags", offset: local)
    case .otherLocalSize:
      zip.set(local + 22, 9)
      error = .headerMismatch(member: "a.bin", field: "size", offset: local)
    case .otherLocalChecksum:
      zip.set(local + 14, zip.bytes[local + 14] ^ 1)
      error = .headerMismatch(member: "a.bin", field: "checksum", offset: local)
    case .localSignature:
      zip.set(local, 0)
      error = .wrongSignature(record: "local header", offset: local)
    case .localOffsetOutside:
      zip.set(central + 42, 0xFE, 0xFF, 0xFF, 0x7F)
      error = .outsideFile(member: "a.bin", offset: 0x7FFF_FFFE)
    case .dataOutside, .overlap:
      // Both sizes in both headers: up to the second local header's end, or past the directory.
      let size: UInt8 = self == .overlap ? 40 : 200
      for place in [local + 18, local + 22, central + 20, central + 24] { zip.set(place, size) }
      error =
        self == .overlap ? .overlap("a.bin", "b.bin") : .outsideFile(member: "a.bin", offset: local)
    case .sameMemberTwice:
      for place in [zip.locals[1] + 30, zip.centrals[1] + 46] { zip.set(place, UInt8(ascii: "a")) }
      error = .duplicateMember("a.bin")
    case .nulInName, .nameNotUTF8:
      for place in [local + 31, central + 47] { zip.set(place, self == .nulInName ? 0 : 0xFF) }
      error = .badName(reason: self == .nulInName ? "holds a NUL" : "is not UTF-8", offset: central)
    case .emptyName:
      // The five bytes of the name become an extra field that is skipped.
      zip.set(central + 28, 0, 0, 5)
      error = .badName(reason: "is empty", offset: central)
    case .storedSizesDiffer:
      zip.set(local + 22, 9)
      zip.set(central + 24, 9)
      error = .malformed(
        ParseError(offset: central, reason: "stored member 'a.bin' declares two different sizes"))
    case .wrongChecksum:
      let right = crc32(ByteBuffer(ZipImage.content))
      for place in [local + 14, central + 16] { zip.set(place, zip.bytes[place] ^ 1) }
      error = .wrongChecksum(member: "a.bin", expected: right ^ 1, found: right)
    case .deflatedTooShort:
      for place in [zip.locals[1] + 22, zip.centrals[1] + 24] { zip.set(place, 11) }
      error = .deflate(member: "b.bin", .wrongLength(expected: 11))
    case .deflatedCorrupt:
      zip.set(zip.locals[1] + 35, 0xFF)
      error = .deflate(member: "b.bin", .corrupt)
    case .descriptorMissing:
      zip.set(central + 8, 8)
      zip.set(local + 6, 8)
      error = .headerMismatch(member: "a.bin", field: "data descriptor", offset: local)
    case .zip64Missing:
      zip.set(end + 16, 0xFF, 0xFF, 0xFF, 0xFF)
      error = .zip64(reason: "the end record refers to a zip64 record that is missing", offset: end)
    case .zip64RecordMoved:
      zip.set(end - 20 + 8, zip.bytes[end - 20 + 8] + 1)
      error = .wrongSignature(record: "zip64 end record", offset: record + 1)
    case .zip64RecordTooLong:
      zip.set(record + 4, 45)
      error = .zip64(reason: "an end record of 45 bytes does not reach to its locator", offset: record)
    case .zip64Contradiction:
      zip.set(end + 8, 3, 0, 3)
      error = .zip64(reason: "the two end records say 3 and 2", offset: record)
    case .zip64SecondDisk:
      zip.set(record + 16, 1)
      error = .multiDisk(offset: record)
    case .zip64ExtraTooShort:
      zip.set(central + 46 + 5 + 2, 8)
      error = .zip64(reason: "the extra field is too short", offset: central)
    case .zip64ExtraOverrun:
      zip.set(central + 46 + 5 + 2, 200)
      error = .zip64(reason: "an extra field of 200 bytes does not fit its header", offset: central)
    }
    return (zip.bytes, error)
  }
}

@Suite struct ZipCorruptionTests {
  private func read(_ bytes: [UInt8]) throws -> [[UInt8]] {
    let archive = try ZipArchive(parsing: ByteBuffer(bytes))
    return try archive.members.map { try archive.content(of: $0).array }
  }

  @Test(arguments: [false, true])
  func `the archive that the corruptions start from is valid`(zip64: Bool) throws {
    #expect(try read(ZipImage(zip64: zip64).bytes) == [ZipImage.content, ZipImage.content])
  }

  @Test(arguments: Corruption.allCases)
  private func `a corrupt archive is refused with the error that names its fault`(
    corruption: Corruption
  ) throws {
    let (bytes, error) = try corruption.make()
    #expect(throws: error) { try read(bytes) }
    #expect(!error.description.isEmpty)
  }

  @Test func `a comment that holds an end record of another length is a comment`() throws {
    var zip = try ZipImage()
    zip.set(zip.end + 20, 24)
    zip.bytes += try ZipImage().bytes.suffix(22) + [0, 0]
    #expect(try read(zip.bytes).count == 2)
  }
}
