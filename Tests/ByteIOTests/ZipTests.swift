import ByteIO
import Foundation
import TestSupport
import Testing

/// How an archive is written.
struct ZipStyle: Sendable, CustomTestStringConvertible {
  let method: ZipArchive.Method
  let alignment: Int
  let zip64: Bool
  var testDescription: String { "\(method), alignment \(alignment), \(zip64 ? "zip64" : "plain")" }

  static let all = [ZipArchive.Method.stored, .deflated].flatMap { method in
    [1, 64, 4_096].flatMap { alignment in
      [false, true].map { ZipStyle(method: method, alignment: alignment, zip64: $0) }
    }
  }
}

@Suite struct ZipTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let contents: [(name: String, bytes: [UInt8])] = [
    ("first.bin", Array(0...255)),
    ("empty", []),
    ("folder/zeros", [UInt8](repeating: 0, count: 100_000)),
    ("Gewicht-ä-重み", [1, 2, 3]),
    ("../up", [4]),
    ("/absolute", [5]),
  ]

  private func archive(_ style: ZipStyle) throws -> ByteBuffer {
    var writer = ZipWriter(alignment: style.alignment, forcesZip64: style.zip64)
    for (name, bytes) in Self.contents {
      let half = bytes.count / 2
      try writer.append(
        name: name, [ByteBuffer(bytes[..<half]), ByteBuffer(bytes[half...])], method: style.method)
    }
    return ByteBuffer(joining: writer.finish())
  }

  private func expectContents(
    _ archive: ZipArchive, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    #expect(archive.members.map(\.name) == Self.contents.map(\.name), sourceLocation: sourceLocation)
    for (member, expected) in zip(archive.members, Self.contents) {
      #expect(try archive.content(of: member).array == expected.bytes, sourceLocation: sourceLocation)
      #expect(archive[expected.name] == member, sourceLocation: sourceLocation)
    }
    #expect(archive["none"] == nil, sourceLocation: sourceLocation)
  }

  @Test(arguments: ZipStyle.all)
  func `an archive is read back, by us and by Python`(style: ZipStyle) throws {
    let bytes = try archive(style)
    try expectContents(try ZipArchive(parsing: bytes))
    let path = try folder.write(bytes.array, to: "archive.zip")
    let report = try runPython([
      "-c",
      """
      import sys, zipfile, zlib
      with zipfile.ZipFile(sys.argv[1]) as z:
        assert z.testzip() is None
        for i in z.infolist():
          print(i.filename.encode().hex(), i.file_size, zlib.crc32(z.read(i)), i.date_time[:3], i.compress_type)
      """, path,
    ])
    let expected = Self.contents.map { name, bytes in
      let hexadecimal = name.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      return
        "\(hexadecimal) \(bytes.count) \(crc32(ByteBuffer(bytes))) (1980, 1, 1) \(style.method.rawValue)\n"
    }
    #expect(report == expected.joined())
  }

  @Test(arguments: ZipStyle.all)
  func `stored data is aligned and shared, and the bytes are the same each time`(style: ZipStyle) throws {
    let bytes = try archive(style)
    #expect(try archive(style) == bytes)
    guard style.method == .stored else { return }
    let archive = try ZipArchive(parsing: bytes)
    #expect(archive.members.count == Self.contents.count)
    for member in archive.members {
      #expect(member.stored.lowerBound % style.alignment == 0)
      let content = try archive.content(of: member)
      #expect(
        content.withUnsafeBytes { $0.baseAddress }
          == bytes.withUnsafeBytes { $0.baseAddress! + member.stored.lowerBound })
    }
  }

  @Test func `writing stored members copies no data`() throws {
    let content = ByteBuffer([UInt8](repeating: 7, count: 1_000))
    var writer = ZipWriter()
    try writer.append(name: "a", [content])
    let addresses = writer.finish().map { $0.withUnsafeBytes { $0.baseAddress } }
    #expect(addresses.contains(content.withUnsafeBytes { $0.baseAddress }))
  }

  @Test func `an archive without members is 22 bytes`() throws {
    let bytes = ByteBuffer(joining: ZipWriter().finish())
    #expect(bytes.count == 22)
    #expect(try ZipArchive(parsing: bytes).members.isEmpty)
  }

  @Test func `more members than 16 bits count need zip64, and Python reads them`() throws {
    for count in [65_534, 65_535, 66_000] {
      var writer = ZipWriter()
      for index in 0..<count { try writer.append(name: "\(index)", []) }
      let bytes = ByteBuffer(joining: writer.finish())
      #expect(try ZipArchive(parsing: bytes).members.count == count)
      let path = try folder.write(bytes.array, to: "many.zip")
      let report = try runPython([
        "-c", "import sys, zipfile; print(len(zipfile.ZipFile(sys.argv[1]).namelist()))", path,
      ])
      #expect(report == "\(count)\n")
    }
  }

  @Test(arguments: ["0", "8"], ["file", "zip64", "stream", "comment"])
  func `archives that Python writes are read`(method: String, way: String) throws {
    for (index, (_, bytes)) in Self.contents.enumerated() { _ = try folder.write(bytes, to: "\(index)") }
    _ = try runPython(
      [
        "-c",
        """
        import sys, zipfile, io
        folder, method, way, *names = sys.argv[1:]
        class Stream(io.RawIOBase):
          def __init__(self, f): self.f = f
          def writable(self): return True
          def seekable(self): return False
          def write(self, b): return self.f.write(b)
        with open(folder + '/archive.zip', 'wb') as f:
          with zipfile.ZipFile(Stream(f) if way == 'stream' else f, 'w', int(method)) as z:
            for i, name in enumerate(names):
              with z.open(name, 'w', force_zip64=way == 'zip64') as member:
                member.write(open(f'{folder}/{i}', 'rb').read())
            if way == 'comment': z.comment = b'PK, a comment'
        """, folder.path(""), method, way,
      ] + Self.contents.map(\.name))
    try expectContents(try ZipArchive(parsing: try ByteBuffer.open(path: folder.path("archive.zip"))))
  }

  @Test func `an archive that PyTorch writes is read`() throws {
    // Recorded: torch.save({'a': torch.arange(5, dtype=torch.int64)}, 'archive.pt') of torch 2.13.0.
    let path = Repository.root.appending(path: "Tests/ByteIOTests/Recorded/archive.pt").path
    let archive = try ZipArchive(parsing: try ByteBuffer.open(path: path))
    let member = try #require(archive["archive/data/0"])
    let content = try archive.content(of: member)
    #expect(content.array == (0..<5).flatMap { [UInt8($0), 0, 0, 0, 0, 0, 0, 0] })
    #expect(member.stored.lowerBound % 64 == 0)
  }

  @Test(arguments: [false, true])
  func `an archive cut at any byte, or with any byte flipped, is an error or valid`(zip64: Bool) throws {
    var writer = ZipWriter(alignment: 16, forcesZip64: zip64)
    let content = ByteBuffer(Array("some content, some content".utf8))
    try writer.append(name: "stored", [content])
    try writer.append(name: "deflated", [content], method: .deflated)
    let bytes = ByteBuffer(joining: writer.finish())
    for count in 0..<bytes.count {
      #expect(throws: ZipError.self) { try ZipArchive(parsing: bytes.slice(offset: 0, count: count)!) }
    }
    var read = 0
    for index in 0..<bytes.count {
      for mask in [0x01, 0x80, 0xFF] as [UInt8] {
        var damaged = bytes.array
        damaged[index] ^= mask
        guard let archive = try? ZipArchive(parsing: ByteBuffer(damaged)) else { continue }
        for member in archive.members {
          // What is still read is right: content is under its checksum.
          guard let found = try? archive.content(of: member) else { continue }
          #expect(found == content)
          read += 1
        }
      }
    }
    #expect(read > 0)
  }

  @Test func `sizes over the limits are refused before they are unfolded`() throws {
    var limits = Limits.standard
    limits.inflatedBytes = 99_999
    let archive = try ZipArchive(parsing: archive(ZipStyle.all.last!), limits: limits)
    let member = try #require(archive["folder/zeros"])
    #expect(throws: ZipError.overLimit(member: "folder/zeros", count: 100_000, limit: 99_999)) {
      try archive.content(of: member)
    }
  }

  @Test func `names that no reader can take are not written`() throws {
    var writer = ZipWriter()
    try writer.append(name: "a", [])
    #expect(throws: ZipError.duplicateMember("a")) { try writer.append(name: "a", []) }
    for name in ["", "a\0b", String(repeating: "a", count: 65_536)] {
      #expect(throws: ZipError.self) { try writer.append(name: name, []) }
    }
    // Different bytes are different names, although Swift's `==` takes these two for one.
    try writer.append(name: "\u{E9}", [])
    try writer.append(name: "e\u{301}", [])
    #expect(try ZipArchive(parsing: ByteBuffer(joining: writer.finish())).members.count == 3)
  }
}
