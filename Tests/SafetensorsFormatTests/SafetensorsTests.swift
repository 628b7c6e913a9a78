import ByteIO
import Foundation
import SafetensorsFormat
import Tensors
import TestSupport
import Testing

/// A file with one fault, built as text and data.
struct Corruption: Sendable, CustomTestStringConvertible {
  let name: String
  let bytes: [UInt8]
  /// What the refusal must say.
  let word: String
  /// Whether the reference implementation refuses it too; it passes over what a file says beyond its own fields.
  var isRefusedByReference = true

  var testDescription: String { name }

  /// A file of `header` and `count` bytes of data.
  static func file(_ header: String, _ count: Int, length: UInt64? = nil) -> [UInt8] {
    withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { Array($0) } + Array(header.utf8)
      + [UInt8](repeating: 7, count: count)
  }

  static func tensor(_ type: String, _ shape: String, _ begin: String, _ end: String, more: String = "")
    -> String
  {
    #"{"dtype":"\#(type)","shape":[\#(shape)],"data_offsets":[\#(begin),\#(end)]\#(more)}"#
  }

  static let valid = #"{"a":\#(tensor("F32", "2", "0", "8")),"b":\#(tensor("I16", "2", "8", "12"))}"#

  static let all: [Corruption] = [
    .init(name: "nothing", bytes: [], word: "too short"),
    .init(name: "seven bytes", bytes: [UInt8](repeating: 0, count: 7), word: "too short"),
    .init(name: "a header of no bytes", bytes: file("", 0), word: "begin with '{'"),
    .init(
      name: "a header over 100 MB", bytes: file(valid, 12, length: 100_000_001), word: "limit of 100000000"),
    .init(name: "a header of 2⁶⁴ − 1 bytes", bytes: file(valid, 12, length: .max), word: "limit"),
    .init(
      name: "a header beyond the end", bytes: file(valid, 12, length: 99_999), word: "said to have 99999"),
    .init(name: "a header that is cut", bytes: file(valid, 12, length: 40), word: "header"),
    .init(name: "a header that is a list", bytes: file("[1]", 0), word: "begin with '{'"),
    .init(
      name: "a header that begins with a space", bytes: file(" " + valid, 12), word: "begin with '{'",
      isRefusedByReference: false),
    .init(
      name: "a header that ends in a tab", bytes: file(valid + "\t", 12), word: "spaces",
      isRefusedByReference: false),
    .init(name: "a header that is not UTF-8", bytes: file(#"{"a"#, 0).dropLast() + [0xFF], word: "header"),
    .init(
      name: "a byte too few", bytes: file(valid, 11), word: "describes 12 bytes of data, the file has 11"),
    .init(name: "a byte too many", bytes: file(valid, 13), word: "the file has 13"),
    .init(name: "data without tensors", bytes: file("{}", 1), word: "the file has 1"),
    .init(
      name: "a gap",
      bytes: file(#"{"a":\#(tensor("F32", "2", "0", "8")),"b":\#(tensor("I16", "2", "10", "14"))}"#, 14),
      word: "gap or overlap: expected to begin at 8"),
    .init(
      name: "a gap at the start", bytes: file(#"{"a":\#(tensor("F32", "2", "4", "12"))}"#, 12),
      word: "begin at 0"),
    .init(
      name: "an overlap",
      bytes: file(#"{"a":\#(tensor("F32", "2", "0", "8")),"b":\#(tensor("I16", "2", "6", "10"))}"#, 10),
      word: "expected to begin at 8"),
    .init(
      name: "two tensors in one place",
      bytes: file(#"{"a":\#(tensor("F32", "2", "0", "8")),"b":\#(tensor("F32", "2", "0", "8"))}"#, 8),
      word: "expected to begin at 8"),
    .init(
      name: "an end before the begin", bytes: file(#"{"a":\#(tensor("F32", "0", "4", "0"))}"#, 4),
      word: "begin at 0"),
    .init(
      name: "a shape of other size", bytes: file(#"{"a":\#(tensor("F32", "3", "0", "8"))}"#, 8),
      word: "takes 12 bytes"),
    .init(
      name: "a type of other size", bytes: file(#"{"a":\#(tensor("F64", "2", "0", "8"))}"#, 8),
      word: "takes 16 bytes"),
    .init(
      name: "sizes that overflow",
      bytes: file(#"{"a":\#(tensor("F32", "4611686018427387904,4", "0", "8"))}"#, 8), word: "too large"),
    .init(
      name: "sizes that overflow beside a zero",
      bytes: file(#"{"a":\#(tensor("F32", "0,4611686018427387904,4", "0", "0"))}"#, 0),
      word: "too large", isRefusedByReference: false),
    .init(
      name: "a size of 2⁷⁰", bytes: file(#"{"a":\#(tensor("F32", "1180591620717411303424", "0", "8"))}"#, 8),
      word: "sizes"),
    .init(
      name: "a negative size", bytes: file(#"{"a":\#(tensor("F32", "-2", "0", "8"))}"#, 8), word: "sizes"),
    .init(
      name: "a size that is no integer", bytes: file(#"{"a":\#(tensor("F32", "2.0", "0", "8"))}"#, 8),
      word: "sizes"),
    .init(
      name: "a negative offset", bytes: file(#"{"a":\#(tensor("F32", "2", "-8", "0"))}"#, 8), word: "sizes"),
    .init(
      name: "three offsets", bytes: file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}"#, 8),
      word: "3 numbers"),
    .init(
      name: "half a byte", bytes: file(#"{"a":\#(tensor("F4", "3", "0", "1"))}"#, 1), word: "whole bytes"),
    .init(name: "an unknown type", bytes: file(#"{"a":\#(tensor("F31", "2", "0", "8"))}"#, 8), word: "'F31'"),
    .init(name: "no type", bytes: file(#"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, 8), word: "no dtype"),
    .init(name: "no shape", bytes: file(#"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#, 8), word: "no shape"),
    .init(name: "no offsets", bytes: file(#"{"a":{"dtype":"F32","shape":[2]}}"#, 8), word: "no data_offsets"),
    .init(
      name: "an unknown field",
      bytes: file(#"{"a":\#(tensor("F32", "2", "0", "8", more: #","codec":"zip""#))}"#, 8),
      word: "unknown field 'codec'", isRefusedByReference: false),
    .init(name: "a tensor that is a number", bytes: file(#"{"a":1}"#, 0), word: "expected an object"),
    .init(
      name: "one name twice",
      bytes: file(#"{"a":\#(tensor("F32", "1", "0", "4")),"a":\#(tensor("F32", "1", "4", "8"))}"#, 8),
      word: "twice"),
    .init(name: "metadata that is a number", bytes: file(#"{"__metadata__":1}"#, 0), word: "__metadata__"),
    .init(
      name: "a number in the metadata", bytes: file(#"{"__metadata__":{"epoch":1}}"#, 0), word: "'epoch'"),
    .init(
      name: "nested without end", bytes: file(String(repeating: #"{"a":"#, count: 50_000), 0), word: "header"),
  ]
}

@Suite struct SafetensorsTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let prelude = """
    import sys, json, numpy as np, ml_dtypes
    from safetensors import safe_open, SafetensorError
    from safetensors.numpy import save_file, load_file, save
    folder = sys.argv[1]
    rng = np.random.default_rng(7)
    types = ['float64', 'float32', 'float16', 'int64', 'int32', 'int16', 'int8', 'uint64', 'uint32', 'uint16', 'uint8', 'bool']
    def array(shape, dtype):
      if dtype == 'bool': return rng.integers(0, 2, shape).astype(bool)
      n = int(np.prod(shape)) * np.dtype(dtype).itemsize
      return np.frombuffer(rng.bytes(n), dtype).reshape(shape)
    shapes = [(), (0,), (1,), (7,), (3, 4), (2, 0, 3), (2, 3, 4)]
    tensors = {f'{t}/{i} é "x"': array(s, t) for t in types for i, s in enumerate(shapes)}

    """

  @Test func `files that the reference writes are read bit for bit`() throws {
    let answer = try runPython([
      "-c",
      Self.prelude + """
        tensors |= {f'bf16/{i}': array(s, 'uint16').view(ml_dtypes.bfloat16) for i, s in enumerate(shapes)}
        save_file(tensors, f'{folder}/theirs.safetensors', {'format': 'np', 'ключ': 'значение'})
        for name, a in tensors.items(): print(name, 'x'.join(map(str, a.shape)) or '-', a.tobytes().hex() or '-', sep='\\t')
        """, folder.path(""),
    ])
    let file = try SafetensorsFormat.decode(try ByteBuffer.open(path: folder.path("theirs.safetensors")))
    #expect(file.metadata == ["format": "np", "ключ": "значение"])
    #expect(file.unread.isEmpty)
    let lines = answer.split(separator: "\n")
    #expect(lines.count == 91 && file.tensors.count == 91)
    for line in lines {
      let fields = line.split(separator: "\t").map(String.init)
      let tensor = try #require(file.tensors.first { $0.name == fields[0] }?.tensor)
      #expect(tensor.shape == (fields[1] == "-" ? [] : fields[1].split(separator: "x").map { Int($0)! }))
      let hex = tensor.bytes.array.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      #expect(hex == (fields[2] == "-" ? "" : fields[2]), "\(fields[0])")
      #expect(fields[0].hasPrefix("bf16") == (tensor.elementType == .bfloat16))
    }
  }

  @Test func `written files have the bytes that the reference writes, and it reads them`() throws {
    _ = try runPython([
      "-c", Self.prelude + "save_file(tensors, f'{folder}/theirs.safetensors', {'a': 'b \\\"\\n\\u0001é'})",
      folder.path(""),
    ])
    let theirs = try ByteBuffer.open(path: folder.path("theirs.safetensors"))
    var file = try SafetensorsFormat.decode(theirs)
    file.tensors.reverse()
    let ours = ByteBuffer(joining: try SafetensorsFormat.encode(file))
    #expect(ours == theirs)
    _ = try folder.write(ours.array, to: "ours.safetensors")
    let answer = try runPython([
      "-c",
      Self.prelude + """
        mine = load_file(f'{folder}/ours.safetensors')
        assert mine.keys() == tensors.keys()
        assert all(mine[k].tobytes() == v.tobytes() and mine[k].dtype == v.dtype for k, v in tensors.items())
        print(len(mine))
        """, folder.path(""),
    ])
    #expect(answer == "84\n")
  }

  @Test func `the same tensors in any order give the same bytes`() throws {
    var generator = SeededGenerator(seed: 3)
    let tensors = (0..<20).map { SafetensorsFile.Entry("t\($0)", generator.tensor([$0, 3])) }
    let metadata = Dictionary(uniqueKeysWithValues: (0..<30).map { ("key\($0)", "value") })
    let bytes = try SafetensorsFormat.encode(SafetensorsFile(tensors: tensors, metadata: metadata))
    for _ in 0..<5 {
      let again = SafetensorsFile(tensors: tensors.shuffled(using: &generator), metadata: metadata)
      #expect(ByteBuffer(joining: try SafetensorsFormat.encode(again)) == ByteBuffer(joining: bytes))
    }
    #expect((bytes[0].count) % 8 == 0)
  }

  @Test(arguments: Corruption.all)
  func `corrupt files are refused with a reason`(corruption: Corruption) {
    let error = #expect(throws: SafetensorsError.self) {
      try SafetensorsFormat.decode(ByteBuffer(corruption.bytes))
    }
    #expect(error?.description.contains(corruption.word) ?? false, "\(error.map { "\($0)" } ?? "")")
  }

  @Test func `the reference refuses what we refuse, but for what it passes over`() throws {
    for (index, corruption) in Corruption.all.enumerated() {
      _ = try folder.write(corruption.bytes, to: "\(index).safetensors")
    }
    _ = try folder.write(Corruption.file(Corruption.valid, 12), to: "valid.safetensors")
    let answer = try runPython(
      [
        "-c",
        Self.prelude + """
          def reads(name):
            try: load_file(f'{folder}/{name}.safetensors'); return True
            except Exception as error: return False
          print(*[int(reads(n)) for n in sys.argv[2:]])
          """, folder.path(""), "valid",
      ] + Corruption.all.indices.map(String.init))
    let verdicts = answer.split(whereSeparator: \.isWhitespace).map { $0 == "1" }
    #expect(verdicts.count == Corruption.all.count + 1 && verdicts[0])
    for (corruption, isRead) in zip(Corruption.all, verdicts.dropFirst())
    where corruption.isRefusedByReference {
      #expect(!isRead, "the reference reads '\(corruption.name)'")
    }
  }

  @Test func `every cut and every changed bit gives tensors or a refusal, never a trap`() throws {
    let valid = Corruption.file(Corruption.valid, 12)
    #expect(throws: Never.self) { try SafetensorsFormat.decode(ByteBuffer(valid)) }
    for count in 0..<valid.count {
      #expect(throws: SafetensorsError.self) { try SafetensorsFormat.decode(ByteBuffer(valid[..<count])) }
    }
    var (read, refused) = (0, 0)
    for place in valid.indices {
      for bit in 0..<8 {
        var bytes = valid
        bytes[place] ^= 1 << bit
        if (try? SafetensorsFormat.decode(ByteBuffer(bytes))) != nil { read += 1 } else { refused += 1 }
        _ = SafetensorsFormat.recognises(ByteBuffer(bytes))
      }
    }
    #expect(read > 0 && refused > 0)
  }

  @Test func `tensors of types that nothing computes with are named, not read`() throws {
    let header =
      #"{"a":\#(Corruption.tensor("F8_E4M3", "4", "0", "4")),"b":\#(Corruption.tensor("C64", "1", "4", "12"))}"#
    let file = try SafetensorsFormat.decode(ByteBuffer(Corruption.file(header, 12)))
    #expect(file.tensors.isEmpty)
    #expect(file.unread.map(\.type) == ["F8_E4M3", "C64"])
  }

  // MARK: Shards

  @Test func `shards are confined to the folder of their index`() throws {
    let valid = Corruption.file(Corruption.valid, 12)
    _ = try folder.write(valid, to: "one.safetensors")
    let outside = try TemporaryFolder()
    let elsewhere = try outside.write(valid, to: "one.safetensors")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link.safetensors"), withDestinationPath: elsewhere)
    func read(_ map: String) throws(SafetensorsError) -> SafetensorsFile {
      try SafetensorsIndex.decode(
        ByteBuffer(Array(#"{"weight_map":{\#(map)}}"#.utf8)), folder: folder.path(""))
    }
    #expect(try read(#""a":"one.safetensors","b":"one.safetensors""#).tensors.map(\.name) == ["a", "b"])
    for (map, word) in [
      (#""a":"../\#(outside.url.lastPathComponent)/one.safetensors""#, "out of the model's folder"),
      (#""a":"\#(elsewhere)""#, "out of the model's folder"), (#""a":"link.safetensors""#, "symbolic link"),
      (#""a":"two.safetensors""#, "no such file"), (#""a":"one.safetensors""#, "does not list"),
      (#""a":"one.safetensors","c":"one.safetensors""#, "'c'"), (#""a":1"#, "not in a file"),
    ] {
      let error = #expect(throws: SafetensorsError.self) { try read(map) }
      #expect(error?.description.contains(word) ?? false, "\(error.map { "\($0)" } ?? map)")
    }
    #expect(throws: SafetensorsError.self) {
      try SafetensorsIndex.decode(ByteBuffer(Array(#"{"weight_map":{}}"#.utf8)), folder: nil)
    }
  }
}
