import ByteIO
import Testing

@Suite struct ByteReaderTests {
  let buffer = ByteBuffer(Array(1...10 as ClosedRange<UInt8>))

  @Test func `integers are read in both byte orders at any alignment`() throws {
    var reader = ByteReader(buffer)
    #expect(try reader.littleEndian(UInt8.self, "a") == 0x01)
    #expect(try reader.littleEndian(UInt16.self, "b") == 0x0302)
    #expect(try reader.bigEndian(UInt32.self, "c") == 0x0405_0607)
    #expect(try reader.bigEndian(Int16.self, "d") == 0x0809)
    #expect(reader.offset == 9)
    #expect(reader.remaining == 1)
  }

  @Test func `a read past the end names its field and place, and moves nothing`() throws {
    var reader = ByteReader(buffer, offset: 8)
    #expect(throws: ParseError(offset: 8, reason: "count needs 4 bytes, only 2 are left")) {
      try reader.littleEndian(UInt32.self, "count")
    }
    #expect(reader.offset == 8)
    #expect(throws: ParseError.self) { try reader.take(-1, "negative") }
    #expect(throws: ParseError.self) { try reader.take(.max, "huge") }
    #expect(throws: ParseError.self) { try reader.seek(to: 11, "table") }
    #expect(throws: ParseError.self) { try reader.seek(to: -1, "table") }
    try reader.seek(to: 10, "end")
    #expect(reader.remaining == 0)
    #expect(try reader.take(0, "nothing").count == 0)
  }

  @Test func `a reader that starts outside its buffer reads nothing`() {
    for offset in [11, -1, Int.max, Int.min] {
      var reader = ByteReader(buffer, offset: offset)
      #expect(throws: ParseError.self) { try reader.littleEndian(UInt8.self, "byte") }
    }
  }

  @Test func `slices share memory and cannot leave their buffer`() throws {
    let slice = try #require(buffer.slice(offset: 2, count: 5))
    #expect(slice.array == [3, 4, 5, 6, 7])
    #expect(slice.withUnsafeBytes { $0.baseAddress } == buffer.withUnsafeBytes { $0.baseAddress! + 2 })
    #expect(slice.slice(offset: 1, count: 4)?.array == [4, 5, 6, 7])
    for (offset, count) in [(0, 6), (5, 1), (6, 0), (-1, 2), (1, -1), (1, .max), (.max, .max)] {
      #expect(slice.slice(offset: offset, count: count) == nil)
    }
    #expect(slice.slice(offset: 5, count: 0)?.count == 0)
  }

  @Test func `what the writer writes the reader reads`() throws {
    var writer = ByteWriter()
    writer.appendLittleEndian(0x0102_0304 as UInt32)
    writer.append("ab")
    writer.pad(to: 8)
    writer.pad(to: 8)
    writer.appendLittleEndian(-2 as Int64)
    #expect(writer.bytes.count == 16)
    var reader = ByteReader(ByteBuffer(writer.bytes))
    #expect(try reader.littleEndian(UInt32.self, "number") == 0x0102_0304)
    #expect(try reader.take(4, "text").array == [0x61, 0x62, 0, 0])
    #expect(try reader.littleEndian(Int64.self, "number") == -2)
  }

  @Test func `a product is nil where it overflows, even beside a zero`() {
    #expect(checkedProduct([]) == 1)
    #expect(checkedProduct([2, 3, 4]) == 24)
    #expect(checkedProduct([0, 5]) == 0)
    #expect(checkedProduct([2, -1]) == nil)
    #expect(checkedProduct([0, -1]) == nil)
    #expect(checkedProduct([.max, 2]) == nil)
    #expect(checkedProduct([0, 1 << 40, 1 << 40]) == nil)
    #expect(checkedProduct([1 << 40, 1 << 40, 0]) == nil)
  }
}
