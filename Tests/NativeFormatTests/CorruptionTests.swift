import ByteIO
import NativeFormat
import Recurrent
import TestSupport
import Testing

@Suite("damaged .rnnw files")
struct CorruptionTests {
  @Test("each fault gives the error that names it", arguments: Corruption.allCases)
  func faultIsNamed(corruption: Corruption) throws {
    let (bytes, expected) = try corruption.file()
    let error = #expect(throws: RNNWError.self) { try NativeFormat.decode(ByteBuffer(bytes)) }
    #expect(error == expected, "\(error?.description ?? "nothing"); expected: \(expected)")
    #expect(error?.description.contains("Optional") == false)
  }

  @Test("the Python reader refuses every fault of the layout too")
  func pythonRefuses() throws {
    let script = """
      import sys
      sys.path.insert(0, "schemas")
      import rnnw_reader
      for path in sys.argv[1:]:
          try:
              rnnw_reader.read(path)
              print("accepted", path)
          except Exception:
              pass
      """
    let folder = try TemporaryFolder()
    let paths = try Corruption.allCases.filter { !$0.isBeyondTheLayout }.map {
      try folder.write($0.file().bytes, to: "\($0).rnnw")
    }
    // And not because it refuses everything.
    let valid = schemaPath("vectors/lstm-raw.rnnw")
    #expect(try runPython(["-c", script] + paths + [valid]) == "accepted \(valid)\n")
  }

  @Test(
    "a file cut anywhere is refused",
    arguments: ["empty", "lstm-raw", "dense-deflate", "embedding-quantized"])
  func truncation(vector: String) throws {
    let bytes = try FileParts.vector(vector).bytes
    for count in 0..<bytes.count {
      if accepts(ByteBuffer(bytes[..<count])) { Issue.record("accepted, cut to \(count) bytes") }
    }
  }

  @Test(
    "no single bit can flip unseen", arguments: ["empty", "lstm-raw", "dense-deflate", "embedding-quantized"])
  func bitFlips(vector: String) throws {
    var bytes = try FileParts.vector(vector).bytes
    for index in bytes.indices {
      for bit in 0..<8 {
        bytes[index] ^= 1 << bit
        if accepts(ByteBuffer(bytes)) { Issue.record("accepted, bit \(bit) of byte \(index) flipped") }
        bytes[index] ^= 1 << bit
      }
    }
  }

  private func accepts(_ file: ByteBuffer) -> Bool { (try? NativeFormat.decode(file)) != nil }

  @Test("a header changed at random, its CRC-32 put right, never traps")
  func randomHeaders() throws {
    var generator = SeededGenerator(seed: 5)
    var refused = 0
    let pieces = ["0", "-1", "9223372036854775807", "null", "[]", "{}", "\"x\"", "1e300", "true", "1"]
    for vector in ["lstm-raw", "dense-deflate", "embedding-quantized"] {
      let original = try FileParts.vector(vector)
      // Replace one token between two delimiters, so that most texts stay JSON.
      let text = Array(original.header.utf8)
      let cuts = text.indices.filter { ":[],{}".utf8.contains(text[$0]) }
      for _ in 0..<1_000 {
        var parts = original
        let cut = Int.random(in: 0..<(cuts.count - 1), using: &generator)
        let piece = pieces.randomElement(using: &generator)!
        let changed = text[...cuts[cut]] + Array(piece.utf8) + text[cuts[cut + 1]...]
        parts.header = String(decoding: changed, as: UTF8.self)
        do throws(RNNWError) {
          _ = try NativeFormat.decode(ByteBuffer(parts.bytes))
        } catch {
          if case .headerChecksum = error { Issue.record("the checksum hides the change") }
          refused += 1
        }
      }
    }
    #expect(refused > 1_000)
  }

  @Test("optional sections are skipped, whatever they hold")
  func optionalSections() throws {
    let original = try FileParts.vector("lstm-raw")
    var parts = original
    parts.header.removeLast()
    parts.header += ",\"x-note\":{\"a\":[1,2.5,null]},\"x-z\":\"\"}"
    let model = try NativeFormat.decode(ByteBuffer(parts.bytes))
    #expect(try model == NativeFormat.decode(ByteBuffer(original.bytes)))
  }

  @Test("features that overflow when joined are refused, not added up")
  func hugeFeatures() {
    let model = Model(
      inputs: [.vector("x", features: .max)], outputs: [],
      layers: [Layer("join", .concat, inputs: ["x", "x"], outputs: ["y"])])
    let expected = RNNWError.model(.invalid(layer: "join", reason: "too many features to join"))
    #expect(throws: expected) { try NativeFormat.encode(model) }
  }

  @Test("limits of the caller hold")
  func limits() throws {
    let file = ByteBuffer(try FileParts.vector("lstm-raw").bytes)
    var limits = Limits.standard
    limits.headerBytes = 100
    let length = try FileParts.vector("lstm-raw").header.utf8.count
    #expect(throws: RNNWError.headerTooLong(length: length, limit: 100)) {
      try NativeFormat.decode(file, limits: limits)
    }
  }
}
