import ByteIO
import NativeFormat
import Recurrent
import Tensors
import TestSupport
import Testing

/// schemas/rnnw_reader.py follows schemas/rnnw.md and shares no code with us: where it agrees, both do what that says.
@Suite("the Python reader")
struct PythonReaderTests {
  @Test("agrees with each vector's JSON", arguments: VectorTests.all)
  func vectors(name: String) throws {
    let path = schemaPath("vectors/\(name).rnnw")
    let output = try JSONValue(parsing: ByteBuffer(Array(runPython(["schemas/rnnw_reader.py", path]).utf8)))
    let expected = try parsed("vectors/\(name).json")
    let header = try #require(expected["header"])
    #expect(try output["header"]?.canonicalBytes() == header.canonicalBytes())
    guard case .array(let tensors) = output["tensors"], case .array(let wanted) = expected["tensors"] else {
      Issue.record("no tensors")
      return
    }
    #expect(tensors == wanted.map { $0.without("values") })
  }

  @Test("agrees with ours on what we write: names, element types, shapes and bits")
  func ours() throws {
    var models = [try Samples.everyOperation(), try Samples.oddTensors()]
    for type in Samples.elementTypes { models.append(try Samples.recurrent(.lstm, .bidirectional, type)) }
    for codec in NativeFormat.Codec.allCases {
      let files = try models.map { joined(try NativeFormat.encode($0, codec: codec)) }
      let folder = try TemporaryFolder()
      let paths = try files.enumerated().map { try folder.write($1.array, to: "\($0).rnnw") }
      let lines = try runPython(["schemas/rnnw_reader.py"] + paths).split(separator: "\n")
      #expect(lines.count == files.count)
      for (line, file) in zip(lines, files) {
        let summary = try JSONValue(parsing: ByteBuffer(Array(line.utf8)))
        let tensors = try NativeFormat.decode(file).tensors.map(\.tensor)
        guard case .array(let found) = summary["tensors"] else {
          Issue.record("no tensors")
          return
        }
        let expected = tensors.map { tensor -> JSONValue in
          [
            "dtype": .string(tensor.elementType.rawValue),
            "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
            "sha256": .string(sha256(of: tensor.bytes)),
          ]
        }
        #expect(found.map { $0.without("name") } == expected)
      }
    }
  }
}

extension JSONValue {
  fileprivate func without(_ key: String) -> JSONValue {
    guard case .object(let members) = self else { return self }
    return .object(members.filter { $0.key != key })
  }
}
