import ByteIO
import TestSupport
import Testing

@Suite struct DeflateTests {
  static let framings: [DeflateFraming] = [.zlib, .raw]

  private func sample(_ count: Int) -> ByteBuffer {
    var generator = SeededGenerator(seed: 1)
    return ByteBuffer((0..<count).map { _ in UInt8.random(in: 0...3, using: &generator) })
  }

  @Test(arguments: framings, [0, 1, 100, 70_000, 300_000])
  func `what was folded unfolds to the same bytes`(framing: DeflateFraming, count: Int) throws {
    let source = sample(count)
    let folded = try deflate(source, framing: framing)
    #expect(try inflate(folded, length: count, framing: framing) == source)
  }

  @Test(arguments: framings)
  func `a stream cut at any byte is an error`(framing: DeflateFraming) throws {
    let folded = try deflate(sample(2_000), framing: framing)
    for count in 0..<folded.count {
      #expect(throws: DeflateError.self) {
        try inflate(folded.slice(offset: 0, count: count)!, length: 2_000, framing: framing)
      }
    }
  }

  @Test(arguments: framings)
  func `a stream with any byte flipped is an error or has the declared length`(
    framing: DeflateFraming
  ) throws {
    let folded = try deflate(sample(500), framing: framing).array
    var refused = 0
    for index in folded.indices {
      var damaged = folded
      damaged[index] ^= 0xFF
      if let result = try? inflate(ByteBuffer(damaged), length: 500, framing: framing) {
        // Only an Adler-32 would tell.
        #expect(framing == .raw)
        #expect(result.count == 500)
      } else {
        refused += 1
      }
    }
    #expect(refused > 0)
  }

  @Test(arguments: framings)
  func `bytes after the end are counted`(framing: DeflateFraming) throws {
    let folded = try deflate(sample(100), framing: framing).array
    #expect(throws: DeflateError.trailingBytes(3)) {
      try inflate(ByteBuffer(folded + [1, 2, 3]), length: 100, framing: framing)
    }
  }

  @Test(arguments: framings, [0, 1, 99, 101, 5_000])
  func `a stream of another length than declared is an error`(framing: DeflateFraming, length: Int) throws {
    let folded = try deflate(sample(100), framing: framing)
    #expect(throws: DeflateError.wrongLength(expected: length)) {
      try inflate(folded, length: length, framing: framing)
    }
  }

  @Test func `a bomb is refused before any memory is taken`() throws {
    let bomb = ByteBuffer([0x78, 0x9C, 0, 0])
    var limits = Limits.standard
    #expect(throws: DeflateError.overRatio(limits.inflationRatio)) {
      try inflate(bomb, length: 1 << 32, framing: .zlib)
    }
    #expect(throws: DeflateError.overLimit(limits.inflatedBytes)) {
      try inflate(bomb, length: .max, framing: .zlib)
    }
    #expect(throws: DeflateError.wrongLength(expected: -1)) { try inflate(bomb, length: -1, framing: .zlib) }
    // The best that deflate can do passes: 1 MiB of zeros.
    let zeros = ByteBuffer(byteCount: 1 << 20) { _ in }
    let folded = try deflate(zeros, framing: .raw, level: 9)
    #expect(try inflate(folded, length: 1 << 20, framing: .raw) == zeros)
    limits.inflatedBytes = 1 << 19
    #expect(throws: DeflateError.overLimit(1 << 19)) {
      try inflate(folded, length: 1 << 20, framing: .raw, limits: limits)
    }
  }

  @Test func `zlib's own framing is checked by its Adler-32`() throws {
    var folded = try deflate(sample(100), framing: .zlib).array
    folded[folded.count - 1] ^= 1
    #expect(throws: DeflateError.corrupt) {
      try inflate(ByteBuffer(folded), length: 100, framing: .zlib)
    }
  }

  @Test func `CRC-32 is the one of ISO 3309 and can be continued`() {
    let check = ByteBuffer("123456789".utf8)
    // The check value that catalogues of CRCs give.
    #expect(crc32(check) == 0xCBF4_3926)
    let first = crc32(check.slice(offset: 0, count: 4)!)
    #expect(crc32(check.slice(offset: 4, count: 5)!, continuing: first) == 0xCBF4_3926)
    #expect(crc32(ByteBuffer([])) == 0)
  }
}
