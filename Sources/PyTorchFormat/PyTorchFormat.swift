public import ByteIO
package import StateDicts

/// PyTorch's files: the zip archives and the older streams that `torch.save` writes, TorchScript archives as far as their
/// parameters go, and plain pickles of NumPy arrays. Nothing that a file contains is ever run.
public enum PyTorchFormat {
  /// Whether the bytes begin as such a file does.
  public static func recognises(_ bytes: ByteBuffer) -> Bool {
    var reader = ByteReader(bytes)
    guard let start = try? reader.take(min(4, bytes.count), "magic").array, start.count == 4 else {
      return false
    }
    if start == [0x50, 0x4B, 3, 4] {
      guard let archive = try? ZipArchive(parsing: bytes) else { return false }
      return archive.members.contains { $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl") }
    }
    if LegacyStream.recognises(bytes) { return true }
    // PROTO 2 to 5, then an opcode.
    return start[0] == 0x80 && (2...5).contains(start[1]) && PickleOpcode(rawValue: start[2]) != nil
  }

  /// The state dict that a file holds.
  ///
  /// Tensors of stored members share the file's memory and are not read until somebody uses them; `verifyChecksums` says
  /// whether they are what was written.
  ///
  /// - Parameter key: where in a nested checkpoint it is, such as `model_state`; `.` for the top. Nil where there is only
  ///   one with recurrent weights.
  package static func decode(
    _ bytes: ByteBuffer, key: String? = nil, limits: Limits = .standard
  ) throws(PyTorchError) -> StateDict {
    if bytes.count >= 4, bytes[0] == 0x50, bytes[1] == 0x4B { return try archive(bytes, key, limits) }
    if bytes.count > 262, bytes.slice(offset: 257, count: 5)!.array == Array("ustar".utf8) {
      throw .notACheckpoint(
        reason: "a tar archive of PyTorch before 0.1.2; save it again with a newer version")
    }
    guard bytes.count >= 2 else { throw .notACheckpoint(reason: "\(bytes.count) bytes are too short") }
    if LegacyStream.recognises(bytes) { return try LegacyStream.decode(bytes, key: key, limits: limits) }

    var reader = PickleReader(ByteReader(bytes), limits: limits)
    let root = try reader.load()
    guard reader.reader.remaining == 0 else {
      throw .notACheckpoint(reason: "\(reader.reader.remaining) bytes follow the end of the pickle")
    }
    var storages = StorageBytes(isBigEndian: false, limits: limits) { (key) throws(PyTorchError) in
      throw .storage(key: key, reason: "a plain pickle holds no storages")
    }
    return try Checkpoint(heap: reader.heap, root: root).stateDict(key: key, &storages, limits: limits)
  }

  /// Checks every member of an archive against its CRC-32.
  public static func verifyChecksums(_ bytes: ByteBuffer, limits: Limits = .standard) throws(PyTorchError) {
    guard bytes.count >= 2, bytes[0] == 0x50, bytes[1] == 0x4B else { return }
    do {
      let archive = try ZipArchive(parsing: bytes, limits: limits)
      for member in archive.members { _ = try archive.content(of: member) }
    } catch { throw .archive(error) }
  }

  /// PyTorch stores its members as they are. An archive that somebody compressed afterwards may unfold to what weights
  /// and zeros can explain, all members together, and no small file to any size.
  private static func checkUnfolded(
    _ archive: ZipArchive, _ fileBytes: Int, _ limits: Limits
  ) throws(PyTorchError) {
    let limit = max(limits.headerBytes, fileBytes.multipliedReportingOverflow(by: 64).partialValue)
    var total = 0
    for member in archive.members where member.method != .stored {
      let (sum, overflow) = total.addingReportingOverflow(member.count)
      guard !overflow, sum <= limit else {
        throw .overLimit(what: "bytes that the archive unfolds to", limit: limit)
      }
      total = sum
    }
  }

  private static func archive(
    _ bytes: ByteBuffer, _ key: String?, _ limits: Limits
  ) throws(PyTorchError) -> StateDict {
    let archive: ZipArchive
    do { archive = try ZipArchive(parsing: bytes, limits: limits) } catch { throw .archive(error) }
    try checkUnfolded(archive, bytes.count, limits)
    func content(_ name: String, unchecked: Bool = false) throws(PyTorchError) -> ByteBuffer {
      guard let member = archive[name] else { throw .missingMember(name) }
      do { return try archive.content(of: member, unchecked: unchecked) } catch { throw .archive(error) }
    }
    // One folder at the top, whatever its name; TorchScript's old archives have none.
    let pickles = archive.members.map(\.name).filter { name in
      name == "data.pkl" || name.hasSuffix("/data.pkl") && name.utf8.count { $0 == UInt8(ascii: "/") } == 1
    }
    guard let pickle = pickles.first else {
      throw .notACheckpoint(reason: "a zip archive without a data.pkl in its top folder")
    }
    guard pickles.count == 1 else {
      throw .notACheckpoint(reason: "two pickles, '\(pickles[0])' and '\(pickles[1])'")
    }
    let folder = String(pickle.dropLast("data.pkl".count))
    var isBigEndian = false
    if archive[folder + "byteorder"] != nil {
      let text = String(decoding: try content(folder + "byteorder").array, as: UTF8.self)
      guard text == "little" || text == "big" else { throw .byteOrder(String(text.prefix(40))) }
      isBigEndian = text == "big"
    }
    var storages = StorageBytes(isBigEndian: isBigEndian, limits: limits) { (key) throws(PyTorchError) in
      try content("\(folder)data/\(key)", unchecked: true)
    }
    var result: StateDict
    do throws(PyTorchError) {
      let data = try content(pickle)
      var reader = PickleReader(ByteReader(data), limits: limits)
      let root = try reader.load()
      guard reader.reader.remaining == 0 else {
        throw PyTorchError.pickle(
          offset: reader.reader.offset,
          reason: "\(reader.reader.remaining) bytes follow the end of the pickle")
      }
      result = try Checkpoint(heap: reader.heap, root: root).stateDict(key: key, &storages, limits: limits)
    } catch {
      switch error {
      case .archive, .missingMember, .key, .storage, .tensor: throw error
      default: throw .inMember(pickle, error)
      }
    }
    if archive[folder + PyTorchWriter.noteMember] != nil {
      try PyTorchWriter.readNote(content(folder + PyTorchWriter.noteMember), into: &result, limits: limits)
    }
    return result
  }
}
