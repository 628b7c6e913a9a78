import ByteIO
import PyTorchFormat

/// Assembles pickles byte by byte: what no pickler writes has to be written by hand.
struct Pickle {
  private(set) var bytes: [UInt8] = []

  init(protocol version: UInt8 = 2) { bytes = [0x80, version] }

  func op(_ code: Character) -> Pickle { raw([code.asciiValue!]) }

  func raw(_ more: [UInt8]) -> Pickle {
    var copy = self
    copy.bytes += more
    return copy
  }

  func text(_ text: String) -> Pickle { raw([0x58] + le(UInt32(text.utf8.count)) + Array(text.utf8)) }
  func bytes(_ bytes: [UInt8]) -> Pickle { raw([0x42] + le(UInt32(bytes.count)) + bytes) }
  func int(_ value: Int32) -> Pickle { raw([0x4A] + le(UInt32(bitPattern: value))) }
  func long(_ value: Int64) -> Pickle { raw([0x8A, 8] + le(UInt64(bitPattern: value))) }
  func global(_ module: String, _ name: String) -> Pickle { raw(Array("c\(module)\n\(name)\n".utf8)) }
  func put(_ index: UInt8) -> Pickle { raw([0x71, index]) }
  func get(_ index: UInt8) -> Pickle { raw([0x68, index]) }

  /// `(values…)` as a tuple.
  func tuple(_ body: (Pickle) -> Pickle) -> Pickle { body(op("(")).op("t") }

  /// `module.name(arguments…)`
  func call(_ module: String, _ name: String, _ arguments: (Pickle) -> Pickle) -> Pickle {
    global(module, name).tuple(arguments).op("R")
  }

  /// A tensor of the storage `key`, as `torch.save` writes it.
  func tensor(
    key: String = "0", type: String = "FloatStorage", elements: Int64 = 4, offset: Int64 = 0,
    shape: [Int64] = [4],
    strides: [Int64] = [1]
  ) -> Pickle {
    call("torch._utils", "_rebuild_tensor_v2") { pickle in
      pickle.tuple { $0.text("storage").global("torch", type).text(key).text("cpu").long(elements) }.op("Q")
        .long(offset).tuple { shape.reduce($0) { $0.long($1) } }.tuple { strides.reduce($0) { $0.long($1) } }
        .raw([0x89]).call("collections", "OrderedDict") { $0 }
    }
  }

  /// An object of C++ with the state `(…)`, as dynamic quantisation packs weights.
  func scripted(_ name: String, _ state: (Pickle) -> Pickle) -> Pickle {
    global("torch", "ScriptObject").op(")").raw([0x81]).tuple {
      $0.tuple(state).text("__torch__.torch.classes.\(name)")
    }
    .op("b")
  }

  /// A packed layer of an LSTM: H = I = 1.
  var packedLayer: Pickle {
    scripted("rnn.CellParamsBase") { pickle in
      let matrix = { (pickle: Pickle) in
        pickle.scripted("quantized.LinearPackedParamsBase") {
          $0.tensor(shape: [4, 1], strides: [1, 1]).op("N")
        }
      }
      return matrix(matrix(pickle.text("quantized_fp16").op("]").op("]").op("]").op("]").op("("))).op("e")
    }
  }

  /// `{name: …}`
  func item(_ name: String, _ value: (Pickle) -> Pickle) -> Pickle { value(op("}").text(name)).op("s") }

  var stopped: [UInt8] { bytes + [0x2E] }

  private func le<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}

/// An archive as `torch.save` lays it out, with one storage of four floats.
func archive(
  _ pickle: [UInt8], byteorder: String? = "little", members: [(String, [UInt8])] = [("data/0", storage)],
  folder: String = "archive/", method: ZipArchive.Method = .stored
) throws -> ByteBuffer {
  var writer = ZipWriter(alignment: 64)
  try writer.append(name: folder + "data.pkl", [ByteBuffer(pickle)], method: method)
  if let byteorder { try writer.append(name: folder + "byteorder", [ByteBuffer(Array(byteorder.utf8))]) }
  for (name, content) in members { try writer.append(name: folder + name, [ByteBuffer(content)]) }
  try writer.append(name: folder + "version", [ByteBuffer(Array("3\n".utf8))])
  return ByteBuffer(joining: writer.finish())
}

/// 1, 2, 3, 4
let storage: [UInt8] = [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0, 0x40, 0x40, 0, 0, 0x80, 0x40]

/// The stream of PyTorch before 1.6.
func legacyStream(
  _ pickle: [UInt8], version: Int32 = 1_001, machine: [UInt8]? = nil, keys: [String] = ["0"],
  storages: [(count: Int64, content: [UInt8])] = [(4, storage)]
) -> ByteBuffer {
  let magic: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
  let standard = Pickle().op("}").text("little_endian").raw([0x88]).op("s").stopped
  let list = keys.reduce(Pickle().op("]").op("(")) { $0.text($1) }.op("e").stopped
  var bytes = magic + Pickle().int(version).stopped + (machine ?? standard) + pickle + list
  for (count, content) in storages {
    bytes += withUnsafeBytes(of: count.littleEndian) { Array($0) } + content
  }
  return ByteBuffer(bytes)
}
