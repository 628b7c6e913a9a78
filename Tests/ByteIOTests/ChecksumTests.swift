import ByteIO
import CZlib
import TestSupport
import Testing

@Suite("CRC-32")
struct ChecksumTests {
  @Test("the check value of the catalogue: 0xCBF43926 for 123456789")
  func checkValue() {
    #expect(crc32(ByteBuffer(Array("123456789".utf8))) == 0xCBF4_3926)
    #expect(crc32(ByteBuffer([])) == 0)
  }

  @Test(
    "a large buffer, spread over threads, gives what its pieces give one after another",
    arguments: [(1 << 20) - 1, 1 << 20, (2 << 20) - 1, 2 << 20, (2 << 20) + 1, (5 << 20) + 12_345])
  func partsAreCombined(count: Int) {
    let buffer = ByteBuffer(byteCount: count) { target in
      var generator = SeededGenerator(seed: 3)
      for offset in stride(from: 0, to: count - 7, by: 8) {
        target.storeBytes(of: generator.next(), toByteOffset: offset, as: UInt64.self)
      }
    }
    var checksum: UInt32 = 17
    for offset in stride(from: 0, to: count, by: 99_991) {
      let piece = buffer.slice(offset: offset, count: min(99_991, count - offset))!
      checksum = crc32(piece, continuing: checksum)
    }
    #expect(crc32(buffer, continuing: 17) == checksum)
  }

  @Test("zlib gives the same, for any length, place in memory and checksum before")
  func zlibAgrees() {
    var generator = SeededGenerator(seed: 4)
    let buffer = random(6 << 20, &generator)
    // Lengths around those at which the ways to compute it change, and over several threads' pieces.
    let lengths = Array(0...300) + (0..<400).map { _ in Int.random(in: 0...70_000, using: &generator) }
    for length in lengths + [1 << 20, (1 << 20) + 17, (5 << 20) - 1] {
      let piece = buffer.slice(offset: Int.random(in: 0...4096, using: &generator), count: length)!
      let previous = length % 3 == 0 ? 0 : UInt32.random(in: .min ... .max, using: &generator)
      let expected = piece.withUnsafeBytes {
        UInt32(CZlib.crc32_z(UInt(previous), $0.bindMemory(to: UInt8.self).baseAddress, length))
      }
      #expect(crc32(piece, continuing: previous) == expected, "\(length) bytes")
    }
  }

  @Test("many buffers at once, some of them empty or joined, give what each gives alone")
  func manyAtOnce() {
    var generator = SeededGenerator(seed: 5)
    let buffer = random(4 << 20, &generator)
    var buffers = [0, 5, 3 << 20, 0, 64, 1 << 20].map { buffer.slice(offset: 7, count: $0)! }
    buffers.append(ByteBuffer(joining: [buffers[1], buffers[3], buffers[2], buffers[4]]))
    #expect(crc32(of: buffers) == buffers.map { ByteBuffer($0.array) }.map { crc32($0) })
    #expect(crc32(of: []) == [])
  }

  private func random(_ count: Int, _ generator: inout SeededGenerator) -> ByteBuffer {
    let numbers = (0..<(count / 8)).map { _ in generator.next() }
    return numbers.withUnsafeBytes { ByteBuffer($0) }
  }
}
