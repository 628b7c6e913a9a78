/// A zip archive whose directory has been checked against every local header: members lie inside the file,
/// overlap nowhere, have distinct names, and mean the same to programs that read from either end.
///
/// Names are reported as they are and must never be used as paths.
public struct ZipArchive: Sendable {
  public enum Method: UInt16, Sendable {
    case stored = 0
    case deflated = 8
  }

  public struct Member: Sendable, Equatable {
    public let name: String
    public let method: Method
    public let checksum: UInt32
    /// Bytes of the content.
    public let count: Int
    /// Where the bytes that hold it are in the archive.
    public let stored: Range<Int>
  }

  /// In the order of the directory.
  public let members: [Member]
  private let buffer: ByteBuffer
  private let limits: Limits
  /// By the bytes of the name: Swift's `String` calls some different names equal.
  private let indices: [[UInt8]: Int]

  public init(parsing buffer: ByteBuffer, limits: Limits = .standard) throws(ZipError) {
    let end = try ZipEnd(parsing: buffer)
    var reader = ByteReader(
      buffer.slice(offset: 0, count: end.directory.upperBound)!, offset: end.directory.lowerBound)
    var members: [Member] = []
    var spans: [(range: Range<Int>, member: Int)] = []
    var indices: [[UInt8]: Int] = [:]
    while reader.remaining > 0 {
      let header = try ZipHeader(parsingCentral: &reader)
      let (member, span) = try Self.member(header, in: buffer, before: end.directory.lowerBound)
      guard indices.updateValue(members.count, forKey: header.name.array) == nil else {
        throw .duplicateMember(member.name)
      }
      guard members.count < limits.tensors else { throw .tooManyMembers(limit: limits.tensors) }
      spans.append((span, members.count))
      members.append(member)
    }
    guard UInt64(members.count) == end.memberCount else {
      throw .wrongMemberCount(declared: Int(clamping: end.memberCount), found: members.count)
    }
    spans.sort { $0.range.lowerBound < $1.range.lowerBound }
    for (left, right) in zip(spans, spans.dropFirst()) where left.range.upperBound > right.range.lowerBound {
      throw .overlap(members[left.member].name, members[right.member].name)
    }
    self.members = members
    self.buffer = buffer
    self.limits = limits
    self.indices = indices
  }

  public subscript(name: String) -> Member? { indices[Array(name.utf8)].map { members[$0] } }

  /// The content of a member of this archive, checked against its CRC-32; stored content is not copied.
  ///
  /// `unchecked` leaves stored content unread until somebody uses it: `content(of:)` then has to be called as well,
  /// before anything is made of it.
  public func content(of member: Member, unchecked: Bool = false) throws(ZipError) -> ByteBuffer {
    guard let stored = buffer.slice(offset: member.stored.lowerBound, count: member.stored.count) else {
      throw .outsideFile(member: member.name, offset: member.stored.lowerBound)
    }
    let content: ByteBuffer
    switch member.method {
    case .stored:
      if unchecked { return stored }
      content = stored
    case .deflated:
      guard member.count <= limits.inflatedBytes else {
        throw .overLimit(member: member.name, count: member.count, limit: limits.inflatedBytes)
      }
      do {
        content = try inflate(stored, length: member.count, framing: .raw, limits: limits)
      } catch {
        throw .deflate(member: member.name, error)
      }
    }
    // What is large is used much later, if at all.
    let found = crc32(of: [content], releasing: content.isLarge)[0]
    guard found == member.checksum else {
      throw .wrongChecksum(member: member.name, expected: member.checksum, found: found)
    }
    return content
  }

  /// The member that a directory entry describes, and the span from its local header to the end of its data.
  private static func member(
    _ header: ZipHeader, in buffer: ByteBuffer, before directory: Int
  ) throws(ZipError) -> (Member, Range<Int>) {
    let name = try Self.name(header)
    if header.flags & ZipFlag.encrypted != 0 { throw .encrypted(member: name) }
    guard header.flags & ~ZipFlag.supported == 0 else {
      throw .unsupportedFlags(member: name, flags: header.flags)
    }
    guard let method = Method(rawValue: header.method) else {
      throw .unsupportedMethod(member: name, method: header.method)
    }
    guard let start = header.localOffset.flatMap({ Int(exactly: $0) }), start < directory,
      let data = buffer.slice(offset: 0, count: directory)
    else { throw .outsideFile(member: name, offset: Int(clamping: header.localOffset ?? 0)) }

    var reader = ByteReader(data, offset: start)
    let local = try ZipHeader(parsingLocal: &reader)
    func check(_ same: Bool, _ field: String) throws(ZipError) {
      if !same { throw .headerMismatch(member: name, field: field, offset: start) }
    }
    try check(local.name == header.name, "name")
    try check(local.method == header.method, "method")
    try check((local.flags ^ header.flags) & ~ZipFlag.deflateLevel == 0, "flags")
    // With a descriptor behind the data, the local header may leave these at zero.
    let deferred = header.flags & ZipFlag.descriptor != 0
    try check(local.checksum == header.checksum || deferred && local.checksum == 0, "checksum")
    try check(local.size == header.size || deferred && local.size == 0, "size")
    try check(
      local.compressedSize == header.compressedSize || deferred && local.compressedSize == 0,
      "compressed size")

    let first = reader.offset
    guard let storedCount = Int(exactly: header.compressedSize), let count = Int(exactly: header.size),
      storedCount <= reader.remaining
    else { throw .outsideFile(member: name, offset: start) }
    guard method == .deflated || storedCount == count else {
      throw .malformed(
        ParseError(offset: header.offset, reason: "stored member '\(name)' declares two different sizes"))
    }
    _ = try reader.zipBytes(storedCount, "data")
    if deferred { try check(skipDescriptor(of: header, &reader), "data descriptor") }
    let member = Member(
      name: name, method: method, checksum: header.checksum, count: count, stored: first..<first + storedCount
    )
    return (member, start..<reader.offset)
  }

  private static func name(_ header: ZipHeader) throws(ZipError) -> String {
    let bytes = header.name.array
    if bytes.contains(0) { throw .badName(reason: "holds a NUL", offset: header.offset) }
    if bytes.isEmpty { throw .badName(reason: "is empty", offset: header.offset) }
    guard let name = String(validating: bytes, as: UTF8.self) else {
      throw .badName(reason: "is not UTF-8", offset: header.offset)
    }
    return name
  }

  /// The descriptor has a signature or none, and sizes of 32 or 64 bits; only the values tell which.
  private static func skipDescriptor(of header: ZipHeader, _ reader: inout ByteReader) -> Bool {
    for hasSignature in [true, false] {
      for long in [false, true] {
        var expected = ByteWriter()
        if hasSignature { expected.appendLittleEndian(ZipSignature.descriptor) }
        expected.appendLittleEndian(header.checksum)
        for size in [header.compressedSize, header.size] {
          if long {
            expected.appendLittleEndian(size)
          } else {
            expected.appendLittleEndian(UInt32(truncatingIfNeeded: size))
          }
        }
        var attempt = reader
        if let found = try? attempt.take(expected.bytes.count, "data descriptor"),
          found == ByteBuffer(expected.bytes)
        {
          reader = attempt
          return true
        }
      }
    }
    return false
  }
}
