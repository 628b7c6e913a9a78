internal import ByteIO
internal import StateDicts

/// What `torch.save(…, _use_new_zipfile_serialization=False)` writes, and all of PyTorch did before 1.6: five pickles (magic
/// number, protocol version, machine, object, keys of storages), then each storage's length and bytes.
enum LegacyStream {
  /// LONG1 of 10 bytes, 0x1950A86A20F9469CFC6C, and STOP.
  private static let magic: [UInt8] = [
    0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E,
  ]
  /// The same number in the text of protocols 0 and 1.
  private static let textMagic = Array("L119547037146038801333356L\n.".utf8)
  private static let version = 1001

  static func recognises(_ bytes: ByteBuffer) -> Bool { start(of: bytes) != nil }

  /// Where the pickle after the magic number begins; nil where there is none. `torch.save(…, pickle_protocol=)` chooses the
  /// protocol: 2 unless told otherwise; from 4 on a frame stands around what is longer than a few bytes.
  private static func start(of bytes: ByteBuffer) -> Int? {
    func holds(_ expected: [UInt8], at offset: Int) -> Bool {
      bytes.slice(offset: offset, count: expected.count)?.array == expected
    }
    if holds(textMagic, at: 0) { return textMagic.count }
    guard bytes.count > 3, bytes[0] == 0x80, (2...5).contains(bytes[1]) else { return nil }
    // FRAME and its length of 8 bytes.
    let offset = bytes[1] >= 4 && bytes[2] == 0x95 ? 11 : 2
    return holds(magic, at: offset) ? offset + magic.count : nil
  }

  static func decode(_ bytes: ByteBuffer, key: String?, limits: Limits) throws(PyTorchError) -> StateDict {
    let stream = try parse(bytes, limits: limits, isNested: false)
    let found = stream.storages
    var storages = StorageBytes(isBigEndian: !stream.isLittle, limits: limits) {
      (key) throws(PyTorchError) in
      guard let bytes = found[key] else { throw .storage(key: key, reason: "the file does not hold it") }
      return bytes
    }
    return try Checkpoint(heap: stream.heap, root: stream.root).stateDict(
      key: key, &storages, limits: limits)
  }

  /// The one storage of a stream inside a pickle: `pickle.dump` of tensors keeps each storage so.
  static func storage(
    _ bytes: ByteBuffer, limits: Limits
  ) throws(PyTorchError) -> (storage: StorageReference, spent: Int) {
    guard recognises(bytes) else {
      throw .notACheckpoint(reason: "bytes that should be a stream of the old kind")
    }
    let stream = try parse(bytes, limits: limits, isNested: true)
    guard case .storage(let index) = stream.root else {
      throw .notACheckpoint(reason: "a stream inside a pickle holds \(stream.root.kindName), not a storage")
    }
    var storage = stream.heap.storages[index]
    guard let content = stream.storages[storage.key], stream.isLittle else {
      throw .storage(
        key: storage.key, reason: "the stream inside the pickle does not hold it in little-endian order")
    }
    storage.content = content
    return (storage, stream.spent)
  }

  private struct Stream {
    let heap: PickleHeap
    let root: PickleValue
    let isLittle: Bool
    let storages: [String: ByteBuffer]
    let spent: Int
  }

  private static func parse(
    _ bytes: ByteBuffer, limits: Limits, isNested: Bool
  ) throws(PyTorchError) -> Stream {
    guard let start = start(of: bytes) else { throw .notACheckpoint(reason: "no magic number") }
    var reader = PickleReader(ByteReader(bytes, offset: start), limits: limits, isNested: isNested)
    let stated = try reader.load()
    guard stated.integer == version else {
      throw .notACheckpoint(
        reason: "protocol version \(stated.integer.map(String.init) ?? stated.kindName) of the "
          + "old stream; \(version) is known")
    }
    let machine = try reader.load()
    guard case .bool(let isLittle)? = reader.heap.value("little_endian", in: machine) else {
      throw .notACheckpoint(reason: "the old stream does not say its byte order")
    }
    let root = try reader.load()
    let keys = try reader.load()
    guard let elements = reader.heap.elements(keys) else {
      throw .notACheckpoint(reason: "the list of storages is \(keys.kindName)")
    }
    var sizes: [String: Int] = [:]
    for storage in reader.heap.storages { sizes[storage.key] = storage.type.size }
    var found: [String: ByteBuffer] = [:]
    var cursor = reader.reader
    for element in elements {
      guard let key = element.text ?? element.integer.map(String.init), let size = sizes[key] else {
        throw .notACheckpoint(reason: "the list of storages holds one that no tensor refers to")
      }
      let bytes: ByteBuffer
      do {
        let count =
          isLittle
          ? try cursor.littleEndian(Int64.self, "length") : try cursor.bigEndian(Int64.self, "length")
        let (total, overflow) = Int(count).multipliedReportingOverflow(by: size)
        guard !overflow, total >= 0 else {
          throw ParseError(offset: cursor.offset, reason: "length \(count)")
        }
        bytes = try cursor.take(total, "storage")
      } catch { throw .storage(key: key, reason: "\(error)") }
      guard found.updateValue(bytes, forKey: key) == nil else {
        throw .storage(key: key, reason: "it is in the file twice")
      }
    }
    guard cursor.remaining == 0 else {
      throw .notACheckpoint(reason: "\(cursor.remaining) bytes follow the last storage")
    }
    return Stream(heap: reader.heap, root: root, isLittle: isLittle, storages: found, spent: reader.spent)
  }
}
