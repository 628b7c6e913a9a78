import ByteIO
import NativeFormat
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite("rnnw-header.schema.json")
struct SchemaTests {
  @Test("holds for the headers of all vectors", arguments: VectorTests.all)
  func vectors(name: String) throws {
    try expectValid(FileParts.vector(name))
  }

  @Test("holds for the headers that we write", arguments: NativeFormat.Codec.allCases)
  func ours(codec: NativeFormat.Codec) throws {
    var models = [try Samples.everyOperation(), try Samples.oddTensors()]
    for cell in Samples.cells { models.append(try Samples.recurrent(cell, .bidirectional, .uint8)) }
    for model in models { try expectValid(FileParts(joined(NativeFormat.encode(model, codec: codec)))) }
  }

  @Test(
    "refuses what the reader refuses",
    arguments: [
      .unknownKey, .unknownNestedKey, .missingKey, .nullForAbsent, .unneededAlpha, .unknownElementType,
      .unknownCodec, .unknownOperation, .unknownActivation, .unknownKind, .negativeSize, .checksumTooWide,
    ] as [Corruption])
  func refuses(corruption: Corruption) throws {
    let parts = FileParts(ByteBuffer(try corruption.file().bytes))
    #expect(try faults(parts) != [])
  }

  private func expectValid(_ parts: FileParts) throws {
    #expect(try faults(parts) == [])
  }

  private func faults(_ parts: FileParts) throws -> [String] {
    let schema = JSONSchema(try parsed("rnnw-header.schema.json"))
    return schema.faults(of: try JSONValue(parsing: ByteBuffer(Array(parts.header.utf8))))
  }
}
