import ByteIO
import Foundation
import TestSupport
import Testing

@Suite struct ByteBufferTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func `new memory is zero, aligned to 64, and filled once`() {
    let buffer = ByteBuffer(byteCount: 100) { $0[3] = 7 }
    #expect(buffer.array == [0, 0, 0, 7] + [UInt8](repeating: 0, count: 96))
    #expect(buffer.isAligned(to: 64))
    #expect(ByteBuffer(unsafeUninitializedByteCount: 2) { $0.copyBytes(from: [8, 9]) }.array == [8, 9])
    #expect(ByteBuffer(byteCount: 0) { _ in }.array == [])
    #expect(ByteBuffer(joining: []).array == [])
    #expect(ByteBuffer(joining: [[1, 2], [], [3]].map { ByteBuffer($0 as [UInt8]) }).array == [1, 2, 3])
  }

  @Test func `a filler that throws leaves no buffer`() {
    struct Failure: Error {}
    #expect(throws: Failure.self) { try ByteBuffer(byteCount: 10) { _ in throw Failure() } }
  }

  @Test func `equality compares bytes, not memory`() throws {
    let buffer = ByteBuffer([1, 2, 3, 1, 2])
    #expect(buffer.slice(offset: 0, count: 2) == buffer.slice(offset: 3, count: 2))
    #expect(buffer.slice(offset: 0, count: 2) != buffer.slice(offset: 1, count: 2))
    #expect(buffer.slice(offset: 0, count: 0) == ByteBuffer([]))
  }

  @Test func `a file is mapped and stays readable after it is deleted`() throws {
    let path = try folder.write(0...255, to: "file")
    let buffer = try ByteBuffer.open(path: path)
    try FileManager.default.removeItem(atPath: path)
    #expect(buffer.array == Array(0...255))
  }

  @Test func `an empty file is an empty buffer`() throws {
    #expect(try ByteBuffer.open(path: try folder.write([], to: "empty")).count == 0)
  }

  @Test func `a missing file, a folder and a file over the limit are errors that name the file`() throws {
    #expect(
      throws: FileError(path: folder.path("none"), action: "open", reason: "no such file or directory")
    ) { try ByteBuffer.open(path: folder.path("none")) }
    #expect(throws: FileError(path: folder.path(""), action: "read", reason: "is a directory")) {
      try ByteBuffer.open(path: folder.path(""))
    }
    let path = try folder.write([1, 2, 3], to: "three")
    #expect(try ByteBuffer.open(path: path, limit: 3).count == 3)
    #expect(throws: FileError(path: path, action: "read", reason: "it has 3 bytes, over the limit of 2")) {
      try ByteBuffer.open(path: path, limit: 2)
    }
  }

  @Test func `a pipe is read to its end, up to the limit`() throws {
    func pipePath(_ bytes: Data) throws -> (String, Pipe) {
      let pipe = Pipe()
      try pipe.fileHandleForWriting.write(contentsOf: bytes)
      try pipe.fileHandleForWriting.close()
      return ("/dev/fd/\(pipe.fileHandleForReading.fileDescriptor)", pipe)
    }
    let content = Data((0..<5_000).map { UInt8(truncatingIfNeeded: $0) })
    let (path, pipe) = try pipePath(content)
    #expect(try ByteBuffer.open(path: path).array == Array(content))
    withExtendedLifetime(pipe) {}
    let (limited, second) = try pipePath(content)
    #expect(throws: FileError.self) { try ByteBuffer.open(path: limited, limit: 4_999) }
    withExtendedLifetime(second) {}
  }
}
