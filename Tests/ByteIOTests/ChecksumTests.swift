import ByteIO
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
}
