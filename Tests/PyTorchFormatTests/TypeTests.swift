import ByteIO
import Foundation
import NumPyFormat
import PyTorchFormat
import StateDicts
import Tensors
import TestSupport
import Testing

/// Tensors that PyTorch saved (Recorded/record.py), against the same values as NumPy has them.
@Suite struct TypeTests {
  static let folder = Repository.root.appending(path: "Tests/PyTorchFormatTests/Recorded")

  @Test(arguments: ["zoo.pt", "zoo-legacy.pt"])
  func `every type is read bit for bit through every kind of view`(file: String) throws {
    let path = Self.folder.appending(path: file).path
    let state = try PyTorchFormat.decode(try ByteBuffer.open(path: path))
    let arrays = try NumPyFormat.decodeArchive(
      try ByteBuffer.open(path: Self.folder.appending(path: "zoo.npz").path))
    #expect(arrays.count == 13 * 8 + 1)
    #expect(Set(state.entries.map(\.name)) == Set(arrays.map(\.name)))
    for (name, expected) in arrays {
      let found = try #require(state[name])
      #expect(found.shape == expected.shape && found.bytes == expected.bytes, "\(name)")
      let type: ElementType = name.hasPrefix("bfloat16") ? .bfloat16 : expected.elementType
      #expect(found.elementType == type, "\(name)")
    }
    #expect(Set(state.unread.map(\.name)) == ["complex", "float8"])
  }

  @Test func `what is written is read again, in the order given`() throws {
    var generator = SeededGenerator(seed: 9)
    let entries = ["b", "a", "ж", "weight_hh_l0"].map { name in
      StateDict.Entry(name, generator.tensor([3, 2]))
    }
    var state = StateDict(entries: entries, metadata: ["key": "value"])
    state.entries.append(.init("empty", generator.tensor([0, 4])))
    state.entries.append(.init("scalar", generator.tensor([])))
    let bytes = ByteBuffer(joining: try PyTorchWriter.encode(state))
    #expect(PyTorchFormat.recognises(bytes))
    let again = try PyTorchFormat.decode(bytes)
    #expect(again.entries == state.entries && again.metadata == state.metadata)
    #expect(try ByteBuffer(joining: PyTorchWriter.encode(again)) == bytes)
    state.entries.append(state.entries[0])
    #expect(throws: PyTorchError.self) { try PyTorchWriter.encode(state) }
  }

  @Test func `TorchScript's mangled classes are modules`() throws {
    let pickle = Pickle().global("__torch__.a.___torch_mangle_13", "M").op(")").raw([0x81])
      .item("weight_hh_l0") { $0.tensor() }.op("b")
    #expect(try PyTorchFormat.decode(try archive(pickle.stopped)).entries.map(\.name) == ["weight_hh_l0"])
  }

  @Test func `a mapped storage is shared, not copied`() throws {
    let pickle = Pickle().item("weight_hh_l0") { $0.tensor() }.stopped
    let bytes = try archive(pickle)
    let tensor = try #require(try PyTorchFormat.decode(bytes)["weight_hh_l0"])
    let start = bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress!) }
    let place = tensor.bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress!) }
    #expect((start..<start + UInt(bytes.count)).contains(place))
    #expect(tensor.floats == [1, 2, 3, 4])
  }
}
