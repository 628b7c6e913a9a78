import ByteIO
import Foundation
import PyTorchFormat
import StateDicts
import TestSupport
import Testing

/// Files made to run something, to exhaust memory, or to lead outside: each is refused with a reason, and none is a trap.
@Suite struct HostileTests {
  private func expectRefusal(
    _ bytes: ByteBuffer, _ word: String, key: String? = nil, limits: Limits = .standard,
    _ location: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: PyTorchError.self, sourceLocation: location) {
      try PyTorchFormat.decode(bytes, key: key, limits: limits)
    }
    let text = error.map { "\($0)" } ?? ""
    #expect(text.contains(word), "\(text)", sourceLocation: location)
  }

  @Test func `there are enough of them, all different`() {
    #expect(HostilePickle.all.count >= 140)
    #expect(Set(HostilePickle.all.map(\.name)).count == HostilePickle.all.count)
  }

  @Test(arguments: HostilePickle.all)
  func `hostile pickles are refused in an archive`(file: HostilePickle) throws {
    expectRefusal(try archive(file.bytes), file.word)
    expectRefusal(try archive(file.bytes, method: .deflated), file.word)
    #expect(!FileManager.default.fileExists(atPath: "hostile-was-run"))
  }

  @Test(arguments: HostilePickle.calls + HostilePickle.ways + HostilePickle.broken)
  func `hostile pickles are refused in the old stream and alone`(file: HostilePickle) {
    expectRefusal(legacyStream(file.bytes), file.word)
    expectRefusal(ByteBuffer(file.bytes), file.word)
  }

  @Test func `every cut of a valid file is refused`() throws {
    let pickle = Pickle().item("weight_hh_l0") { $0.tensor() }.stopped
    for bytes in [try archive(pickle), legacyStream(pickle)] {
      #expect(throws: Never.self) { try PyTorchFormat.decode(bytes) }
      for count in 0..<bytes.count {
        #expect(throws: PyTorchError.self, "\(count) of \(bytes.count)") {
          try PyTorchFormat.decode(bytes.slice(offset: 0, count: count)!)
        }
      }
    }
  }

  @Test func `every changed byte of a valid file gives a tensor or a refusal, never a trap`() throws {
    let pickle = Pickle().item("weight_hh_l0") { $0.tensor() }.stopped
    for valid in [try archive(pickle).array, legacyStream(pickle).array] {
      var (read, refused) = (0, 0)
      for place in valid.indices {
        for bit in 0..<8 {
          var bytes = valid
          bytes[place] ^= 1 << bit
          if (try? PyTorchFormat.decode(ByteBuffer(bytes))) != nil { read += 1 } else { refused += 1 }
        }
      }
      #expect(read > 0 && refused > 0)
    }
  }

  // MARK: Archives

  @Test func `archives that are laid out wrongly are refused`() throws {
    let pickle = Pickle().item("weight_hh_l0") { $0.tensor() }.stopped
    expectRefusal(try archive(pickle, byteorder: "middle"), "'middle'")
    expectRefusal(try archive(pickle, members: []), "data/0")
    expectRefusal(try archive(pickle, folder: "a/b/"), "without a data.pkl")
    expectRefusal(try archive(pickle + [0]), "follow the end")
    var writer = ZipWriter()
    try writer.append(name: "a/data.pkl", [ByteBuffer(pickle)])
    try writer.append(name: "b/data.pkl", [ByteBuffer(pickle)])
    expectRefusal(ByteBuffer(joining: writer.finish()), "two pickles")
    expectRefusal(try archive(pickle, members: [("data/0", storage + [0])]), "the file holds 17")
    var damaged = try archive(pickle).array
    let place = try #require(damaged.firstRange(of: Array("weight_hh".utf8))?.lowerBound)
    damaged[place] ^= 1
    expectRefusal(ByteBuffer(damaged), "CRC-32")
  }

  @Test func `an archive whose members overlap is refused`() throws {
    let pickle = Pickle().item("weight_hh_l0") { $0.tensor() }.stopped
    var bytes = try archive(pickle).array
    // The directory's entry of data/0 is pointed at data.pkl's local header, byte 0.
    let name = Array("archive/data/0".utf8)
    let places = bytes.indices.filter { bytes[$0...].starts(with: name) }
    let entry = try #require(places.last) - 46
    #expect(bytes[entry...].starts(with: [0x50, 0x4B, 1, 2]))
    for offset in 42..<46 { bytes[entry + offset] = 0 }
    #expect(throws: PyTorchError.self) { try PyTorchFormat.decode(ByteBuffer(bytes)) }
  }

  @Test func `a pickle that unfolds without end is refused by the limits`() throws {
    var limits = Limits.standard
    limits.inflatedBytes = 1 << 20
    let long = Pickle().item("weight_hh_l0") { $0.tensor() }.bytes + [UInt8](repeating: 0x4E, count: 2 << 20)
    expectRefusal(try archive(long, method: .deflated), "too early")
    expectRefusal(try archive(long, method: .deflated), "over the limit", limits: limits)
    // 65 MiB in a file of 64 KiB.
    let zeros = long + [UInt8](repeating: 0, count: 65 << 20)
    expectRefusal(try archive(zeros, method: .deflated), "bytes that the archive unfolds to")
  }

  // MARK: Bombs

  @Test func `opcodes, copies of lists and nesting are bounded`() throws {
    var limits = Limits.standard
    limits.pickleValues = 10_000
    let many = Pickle().raw([UInt8](repeating: 0x4E, count: 20_000))
    expectRefusal(try archive(many.stopped), "10000", limits: limits)

    // One list of 1,000 copied a thousand times.
    var copies = Pickle().op("]").op("(").raw([UInt8](repeating: 0x4E, count: 1_000)).op("e").put(1)
    for _ in 0..<1_000 { copies = copies.call("builtins", "list") { $0.get(1) }.op("0") }
    expectRefusal(try archive(copies.stopped), "10000", limits: limits)

    var deep = Pickle()
    for _ in 0..<200 { deep = deep.op("}").text("a") }
    deep = deep.tensor()
    for _ in 0..<200 { deep = deep.op("s") }
    expectRefusal(try archive(deep.stopped), "nested dictionaries")
    expectRefusal(
      try archive(Pickle().item(String(repeating: "n", count: 10_000)) { $0.tensor() }.stopped),
      "bytes in the name")
  }

  @Test func `a list that holds itself ten times over, ten levels deep, is walked once`() throws {
    // Each level is a dictionary with ten references to the next: 10¹⁰ paths.
    var pickle = Pickle().item("weight_hh_l0") { $0.tensor() }.put(0).op("0")
    for level in 1...10 {
      pickle = pickle.op("}")
      for name in 0..<10 { pickle = pickle.text("\(name)").get(UInt8(level - 1)).op("s") }
      pickle = pickle.put(UInt8(level)).op("0")
    }
    let state = try PyTorchFormat.decode(try archive(pickle.get(10).stopped))
    #expect(state.entries.map(\.name) == ["weight_hh_l0"])

    // A dictionary that holds itself.
    let endless = Pickle().op("}").put(0).text("self").get(0).op("s").text("weight_hh_l0").tensor().op("s")
    #expect(try PyTorchFormat.decode(try archive(endless.stopped)).entries.count == 1)
  }

  @Test func `a hundred thousand nested lists are read and freed without recursion`() throws {
    let pickle = Pickle().item("weight_hh_l0") { $0.tensor() }.text("x").raw(
      [UInt8](repeating: 0x5D, count: 100_000) + [UInt8](repeating: 0x61, count: 99_999)
    ).op("s")
    #expect(try PyTorchFormat.decode(try archive(pickle.stopped)).entries.count == 1)
  }

  // MARK: The old stream

  @Test func `old streams that contradict themselves are refused`() {
    let pickle = Pickle().item("weight_hh_l0") { $0.tensor() }.stopped
    expectRefusal(legacyStream(pickle, version: 1_002), "1002")
    expectRefusal(legacyStream(pickle, machine: Pickle().op("}").stopped), "byte order")
    expectRefusal(legacyStream(pickle, keys: ["0", "0"], storages: [(4, storage), (4, storage)]), "twice")
    expectRefusal(legacyStream(pickle, keys: ["1"]), "no tensor refers to")
    expectRefusal(legacyStream(pickle, keys: [], storages: []), "does not hold it")
    expectRefusal(legacyStream(pickle, storages: [(3, Array(storage.dropLast(4)))]), "the file holds 12")
    expectRefusal(legacyStream(pickle, storages: [(-4, storage)]), "length -4")
    expectRefusal(legacyStream(pickle, storages: [(.max, storage)]), "length")
    expectRefusal(legacyStream(pickle, storages: [(4, storage + [0])]), "1 bytes follow")
    expectRefusal(ByteBuffer([UInt8](repeating: 0, count: 257) + Array("ustar".utf8) + [0]), "tar")
  }
}
