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

  @Test func `joined buffers stay what they are made of until they are read as one`() {
    let parts = [[1, 2, 3], [], [4], [5, 6]].map { ByteBuffer($0 as [UInt8]) }
    let joined = ByteBuffer(joining: parts)
    let middle = joined.slice(offset: 1, count: 4)!
    let twice = ByteBuffer(joining: [middle, joined])
    #expect(joined.chunks.map(\.array) == [[1, 2, 3], [4], [5, 6]])
    #expect(middle.chunks.map(\.array) == [[2, 3], [4], [5]])
    #expect(twice.pieces(of: 2).map(\.array) == [[2, 3], [4], [5], [1, 2], [3], [4], [5, 6]])
    #expect(joined.slice(offset: 3, count: 0)!.chunks.isEmpty)
    #expect(joined.isAligned(to: 64) && !middle.isAligned(to: 2))

    #expect(joined.array == [1, 2, 3, 4, 5, 6])
    #expect(joined[4] == 5)
    // One memory from now on, also for windows that were made before.
    #expect(joined.chunks.count == 1 && middle.chunks.count == 1)
    #expect(joined.isAligned(to: 64) && !middle.isAligned(to: 2))
    #expect(middle.array == [2, 3, 4, 5])
    #expect(twice.array == [2, 3, 4, 5, 1, 2, 3, 4, 5, 6])
  }

  @Test func `bytes are compared without joining them`() {
    let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 5) }
    let whole = ByteBuffer(bytes)
    func joined(_ cuts: [Int]) -> ByteBuffer {
      ByteBuffer(
        joining: zip([0] + cuts, cuts + [bytes.count]).map { whole.slice(offset: $0, count: $1 - $0)! })
    }
    let (left, right) = (joined([1, 2_000_000]), joined([1_500_000, 1_500_001]))
    #expect(left == whole && whole == left && left == right)
    #expect(left.chunks.count == 3 && right.chunks.count == 3)
    #expect(joined([]) != whole.slice(offset: 0, count: bytes.count - 1)!)
    for place in [0, 1_500_000, bytes.count - 1] {
      var other = bytes
      other[place] ^= 1
      #expect(ByteBuffer(other) != left, "\(place)")
    }
    #expect(ByteBuffer([]) == ByteBuffer(joining: []))
  }

  @Test func `joined buffers are read by many threads at once`() {
    for _ in 0..<50 {
      let joined = ByteBuffer(joining: (0..<100).map { ByteBuffer([UInt8](repeating: $0, count: 1_000)) })
      let sums = concurrentMap(8, threads: 8) { _ in
        joined.chunks.reduce(0) { $0 + $1.count } + (0..<100).reduce(0) { $0 + Int(joined[$1 * 1_000]) }
      }
      #expect(sums == [Int](repeating: 100_000 + 4_950, count: 8))
    }
  }

  @Test func `pages that were let go are back when they are read`() throws {
    let content = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let buffer = try ByteBuffer.open(path: try folder.write(content, to: "file"))
    #expect(buffer.array == content)
    buffer.slice(offset: 100, count: 40_000)!.releasePages()
    #expect(buffer.array == content)
    let heap = ByteBuffer(content)
    heap.releasePages()
    #expect(heap.array == content)
  }

  @Test(arguments: [(0, 4), (1, 4), (1_000, 1), (1_000, 4), (3, 64)])
  func `work spread over threads comes back in order`(count: Int, threads: Int) {
    #expect(concurrentMap(count, threads: threads) { $0 * $0 } == (0..<count).map { $0 * $0 })
  }
}
