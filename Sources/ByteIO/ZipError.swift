/// Everything that can be wrong with a zip archive. Offsets count from the start of the archive.
public enum ZipError: Error, Equatable, CustomStringConvertible {
  case noEndRecord
  /// Two places could be the end record; programs disagree about which one counts.
  case ambiguousEndRecord(Int, Int)
  case multiDisk(offset: Int)
  case malformed(ParseError)
  case wrongSignature(record: String, offset: Int)
  case zip64(reason: String, offset: Int)
  /// The directory does not fill the space between its declared start and the end record exactly.
  case directoryMisplaced(reason: String, offset: Int)
  case wrongMemberCount(declared: Int, found: Int)
  case badName(reason: String, offset: Int)
  case encrypted(member: String)
  case unsupportedFlags(member: String, flags: UInt16)
  case unsupportedMethod(member: String, method: UInt16)
  case headerMismatch(member: String, field: String, offset: Int)
  case duplicateMember(String)
  case tooManyMembers(limit: Int)
  case overlap(String, String)
  case outsideFile(member: String, offset: Int)
  case overLimit(member: String, count: Int, limit: Int)
  case wrongChecksum(member: String, expected: UInt32, found: UInt32)
  case deflate(member: String, DeflateError)

  public var description: String {
    switch self {
    case .noEndRecord: "not a zip archive: no end-of-central-directory record"
    case .ambiguousEndRecord(let first, let second):
      "zip archive with two end records, at bytes \(first) and \(second)"
    case .multiDisk(let offset): "byte \(offset): zip archives over several disks are not supported"
    case .malformed(let error): "malformed zip archive: \(error)"
    case .wrongSignature(let record, let offset): "byte \(offset): no \(record) here"
    case .zip64(let reason, let offset): "byte \(offset): zip64: \(reason)"
    case .directoryMisplaced(let reason, let offset): "byte \(offset): zip directory: \(reason)"
    case .wrongMemberCount(let declared, let found):
      "the zip directory declares \(declared) members and lists \(found)"
    case .badName(let reason, let offset): "byte \(offset): member name \(reason)"
    case .encrypted(let member): "member '\(member)' is encrypted"
    case .unsupportedFlags(let member, let flags):
      "member '\(member)' has unsupported flags 0x\(String(flags, radix: 16))"
    case .unsupportedMethod(let member, let method):
      "member '\(member)' is compressed by method \(method); only stored (0) and deflated (8) are supported"
    case .headerMismatch(let member, let field, let offset):
      "byte \(offset): member '\(member)' has another \(field) in its local header than in the directory"
    case .duplicateMember(let name): "two members are named '\(name)'"
    case .tooManyMembers(let limit): "more than \(limit) members"
    case .overlap(let first, let second): "members '\(first)' and '\(second)' overlap"
    case .outsideFile(let member, let offset):
      "member '\(member)' at byte \(offset) reaches outside the space before the directory"
    case .overLimit(let member, let count, let limit):
      "member '\(member)' has \(count) bytes, over the limit of \(limit)"
    case .wrongChecksum(let member, let expected, let found):
      "member '\(member)' has CRC-32 \(String(found, radix: 16)), not \(String(expected, radix: 16))"
    case .deflate(let member, let error): "member '\(member)': \(error)"
    }
  }
}
