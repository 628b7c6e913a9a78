import ByteIO
import NumPyFormat
import Tensors
import TestSupport
import Testing

@Suite struct NumPyFormatTests {
  private func address(_ buffer: ByteBuffer) -> UnsafeRawPointer? {
    buffer.withUnsafeBytes { $0.baseAddress }
  }

  @Test func `aligned data is shared, unaligned data is copied to where it is aligned`() throws {
    let tensor = SeededTensor.make([3, 5])
    let bytes = ByteBuffer(joining: try NumPyFormat.encodeArray(tensor))
    let shared = try NumPyFormat.decodeArray(bytes)
    #expect(address(shared.bytes) == address(bytes)! + 128)

    let moved = ByteBuffer(joining: [ByteBuffer([0]), bytes])
    let copied = try NumPyFormat.decodeArray(moved.slice(offset: 1, count: bytes.count)!)
    #expect(copied == tensor)
    #expect(copied.bytes.isAligned(to: 4))
  }

  @Test func `arrays of an archive that we wrote are shared with it`() throws {
    let tensor = SeededTensor.make([3, 5])
    let bytes = ByteBuffer(joining: try NumPyFormat.encodeArchive([("a", tensor), ("long name", tensor)]))
    let arrays = try NumPyFormat.decodeArchive(bytes)
    #expect(arrays.count == 2)
    for (_, read) in arrays {
      let offset = address(read.bytes)! - address(bytes)!
      #expect((0..<bytes.count).contains(offset))
      #expect(read == tensor)
    }
  }

  @Test func `writing copies no data`() throws {
    let tensor = SeededTensor.make([3, 5])
    #expect(try NumPyFormat.encodeArray(tensor).map(address).contains(address(tensor.bytes)))
    #expect(try NumPyFormat.encodeArchive([("a", tensor)]).map(address).contains(address(tensor.bytes)))
  }

  @Test func `the same arrays give the same archive`() throws {
    let arrays = [
      (name: "a", tensor: SeededTensor.make([40, 50])), (name: "b", tensor: SeededTensor.make([])),
    ]
    for compressed in [false, true] {
      let first = ByteBuffer(joining: try NumPyFormat.encodeArchive(arrays, compressed: compressed))
      #expect(ByteBuffer(joining: try NumPyFormat.encodeArchive(arrays, compressed: compressed)) == first)
    }
  }

  @Test func `what NumPy has no type for is refused, not converted`() throws {
    let brain = try SeededTensor.make([2]).converted(to: .bfloat16).tensor
    let refusal = NumPyError.notExpressible(.bfloat16, reason: "convert it to F32 first, which is exact")
    #expect(throws: refusal) { try NumPyFormat.encodeArray(brain) }
    #expect(throws: NumPyError.member("w", refusal)) { try NumPyFormat.encodeArchive([("w", brain)]) }
    let quantized = try Tensor(
      .int8, shape: [1], bytes: ByteBuffer([1]), quantization: Tensor.Quantization(scale: 2, zeroPoint: 0))
    #expect(throws: NumPyError.self) { try NumPyFormat.encodeArray(quantized) }
    let deep = Tensor([1] as [Float], shape: [Int](repeating: 1, count: 65))
    #expect(throws: NumPyError.tooManyDimensions(65, limit: 64)) { try NumPyFormat.encodeArray(deep) }
  }

  @Test func `two arrays of one name, or a name with a NUL, are not written`() {
    let tensor = SeededTensor.make([])
    #expect(throws: NumPyError.duplicateName("a")) {
      try NumPyFormat.encodeArchive([("a", tensor), ("a", tensor)])
    }
    #expect(throws: NumPyError.self) { try NumPyFormat.encodeArchive([("a\0", tensor)]) }
  }

  @Test func `arrays and archives are told by their first bytes`() throws {
    let tensor = SeededTensor.make([2])
    #expect(NumPyFormat.kind(of: ByteBuffer(joining: try NumPyFormat.encodeArray(tensor))) == .array)
    #expect(
      NumPyFormat.kind(of: ByteBuffer(joining: try NumPyFormat.encodeArchive([("a", tensor)]))) == .archive)
    var writer = ZipWriter()
    try writer.append(name: "archive/data.pkl", [])
    let other = ByteBuffer(joining: writer.finish())
    for bytes in [other, ByteBuffer([]), ByteBuffer("PK\u{3}\u{4}".utf8), ByteBuffer("{}".utf8)] {
      #expect(!NumPyFormat.recognises(bytes))
    }
  }
}
