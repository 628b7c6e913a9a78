package import ByteIO
package import StateDicts
internal import Tensors

/// Writes a state dict as `torch.save` would: a zip archive that `torch.load(path, weights_only=True)` reads.
public enum PyTorchWriter {
  /// What a state dict cannot hold, as a JSON object of strings; PyTorch ignores members that its pickle does not name.
  static let noteMember = "extra/rnnconv.json"
  private static let folder = "archive/"

  /// The archive, as chunks to be written one after another; tensors are not copied and lie at multiples of 64 bytes,
  /// so that `mmap=True` works.
  package static func encode(_ state: StateDict) throws(PyTorchError) -> [ByteBuffer] {
    var pickle = PickleWriter()
    var names: Set<ExactString> = []
    for (index, entry) in state.entries.enumerated() {
      guard names.insert(ExactString(entry.name)).inserted else {
        throw .notExpressible(tensor: entry.name, reason: "two tensors have this name")
      }
      guard entry.tensor.quantization == nil else {
        throw .notExpressible(
          tensor: entry.name, reason: "scale and zero point would be lost; convert it to F32")
      }
      guard let className = StorageType.className(entry.tensor.elementType) else {
        throw .notExpressible(
          tensor: entry.name, reason: "PyTorch has no storage class for \(entry.tensor.elementType.rawValue)")
      }
      pickle.append(entry, storage: String(index), className: className)
    }
    var writer = ZipWriter(alignment: 64)
    do {
      try writer.append(name: folder + "data.pkl", [ByteBuffer(pickle.finish())])
      try writer.append(name: folder + "byteorder", [ByteBuffer(Array("little".utf8))])
      if !state.metadata.isEmpty {
        let note = JSONValue.object(state.metadata.map { JSONMember($0.key, .string($0.value)) })
        try writer.append(name: folder + noteMember, [ByteBuffer(try note.canonicalBytes())])
      }
      for (index, entry) in state.entries.enumerated() {
        try writer.append(name: "\(folder)data/\(index)", [entry.tensor.bytes])
      }
      try writer.append(name: folder + "version", [ByteBuffer(Array("3\n".utf8))])
    } catch let error as ZipError {
      throw .archive(error)
    } catch { throw .notExpressible(tensor: "", reason: "\(error)") }
    return writer.finish()
  }

  static func readNote(
    _ bytes: ByteBuffer, into state: inout StateDict, limits: Limits
  ) throws(PyTorchError) {
    let json: JSONValue
    do { json = try JSONValue(parsing: bytes, limits: limits) } catch {
      throw .inMember(noteMember, .pickle(offset: error.offset, reason: error.reason))
    }
    guard case .object(let members) = json else {
      throw .inMember(noteMember, .pickle(offset: 0, reason: "no JSON object"))
    }
    for member in members {
      guard case .string(let text) = member.value else {
        throw .inMember(noteMember, .pickle(offset: 0, reason: "'\(member.key)' is no string"))
      }
      state.metadata[member.key] = text
    }
  }
}

/// The pickle of an ordered dictionary of tensors, in the opcodes of protocol 2 that `weights_only` knows.
private struct PickleWriter {
  private var bytes = ByteWriter()
  private var isEmpty = true

  init() {
    bytes.append([PickleOpcode.proto.rawValue, 2])
    emptyOrderedDict()
  }

  mutating func append(_ entry: StateDict.Entry, storage: String, className: String) {
    if isEmpty { emit(.mark) }
    isEmpty = false
    text(entry.name)
    global("torch._utils", "_rebuild_tensor_v2")
    emit(.mark)
    // ('storage', class, key, device, elements)
    emit(.mark)
    text("storage")
    global("torch", className)
    text(storage)
    text("cpu")
    integer(entry.tensor.count)
    emit(.tuple)
    emit(.binPersID)
    integer(0)
    let shape = entry.tensor.shape
    tuple(shape)
    // Strides of a row-major array; an axis of size 0 counts as 1.
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() {
      strides[axis] = strides[axis + 1] * max(shape[axis + 1], 1)
    }
    tuple(strides)
    emit(.newFalse)
    emptyOrderedDict()
    emit(.tuple)
    emit(.reduce)
  }

  consuming func finish() -> [UInt8] {
    if !isEmpty { emit(.setItems) }
    emit(.stop)
    return bytes.bytes
  }

  private mutating func emit(_ opcode: PickleOpcode) { bytes.append([opcode.rawValue]) }

  private mutating func emptyOrderedDict() {
    global("collections", "OrderedDict")
    emit(.emptyTuple)
    emit(.reduce)
  }

  private mutating func global(_ module: String, _ name: String) {
    emit(.global)
    bytes.append("\(module)\n\(name)\n")
  }

  private mutating func text(_ text: String) {
    emit(.binUnicode)
    bytes.appendLittleEndian(UInt32(text.utf8.count))
    bytes.append(text)
  }

  private mutating func integer(_ value: Int) {
    if let small = Int32(exactly: value) {
      emit(.binInt)
      bytes.appendLittleEndian(small)
    } else {
      emit(.long1)
      bytes.append([8])
      bytes.appendLittleEndian(Int64(value))
    }
  }

  private mutating func tuple(_ values: [Int]) {
    if values.isEmpty { return emit(.emptyTuple) }
    emit(.mark)
    for value in values { integer(value) }
    emit(.tuple)
  }
}
