public import ByteIO
public import Tensors

/// What a safetensors file holds: <https://github.com/huggingface/safetensors#format>
public struct SafetensorsFile: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    public let name: String
    public let tensor: Tensor

    public init(_ name: String, _ tensor: Tensor) {
      self.name = name
      self.tensor = tensor
    }
  }

  /// A tensor of a type that nothing here computes with, such as F8_E4M3: checked, named, not read.
  public struct Unread: Sendable, Equatable {
    public let name: String
    public let type: String
    public let shape: [Int]

    public init(name: String, type: String, shape: [Int]) {
      (self.name, self.type, self.shape) = (name, type, shape)
    }
  }

  /// In the order of the data, which is not the order in which a module registered them: writers sort by type and name.
  public var tensors: [Entry]
  public var unread: [Unread]
  public var metadata: [String: String]
  /// Where the tensors lie in shards, the shards, beneath the folder of their index.
  public var shards: [String] = []

  public init(tensors: [Entry], unread: [Unread] = [], metadata: [String: String] = [:]) {
    self.tensors = tensors
    self.unread = unread
    self.metadata = metadata
  }
}

/// Reading and writing safetensors files by the reference implementation's rules.
public enum SafetensorsFormat {
  /// The reference implementation's MAX_HEADER_SIZE.
  static let largestHeader = 100_000_000
  static let metadataKey = "__metadata__"

  /// Whether the bytes begin as such a file does: a length that fits, then `{`.
  public static func recognises(_ bytes: ByteBuffer) -> Bool {
    var reader = ByteReader(bytes)
    guard let length = try? reader.littleEndian(UInt64.self, "length"),
      let first = try? reader.take(1, "header")
    else { return false }
    return length >= 2 && length <= largestHeader && length <= reader.remaining + 1
      && first[0] == UInt8(ascii: "{")
  }

  /// The tensors of a file, as windows onto `bytes`: nothing is copied that lies aligned to its elements.
  public static func decode(
    _ bytes: ByteBuffer, limits: Limits = .standard
  ) throws(SafetensorsError) -> SafetensorsFile {
    guard bytes.count >= 8 else { throw .tooShort(byteCount: bytes.count) }
    let length = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard length <= largestHeader else { throw .headerTooLarge(length, limit: largestHeader) }
    guard let header = bytes.slice(offset: 8, count: Int(length)) else {
      throw .headerBeyondEnd(header: Int(length), fileBytes: bytes.count)
    }
    let data = bytes.slice(offset: 8 + header.count, count: bytes.count - 8 - header.count)!
    let (entries, metadata) = try SafetensorsEntry.parse(header, limits: limits)

    var file = SafetensorsFile(tensors: [], metadata: metadata)
    var expected = 0
    for entry in entries {
      guard entry.begin == expected, entry.end >= entry.begin else {
        throw .offsetsNotContiguous(
          tensor: entry.name, expected: expected, begin: entry.begin, end: entry.end)
      }
      let byteCount = try entry.byteCount()
      guard byteCount == entry.end - entry.begin else {
        throw .wrongByteCount(
          tensor: entry.name, type: entry.type.rawValue, shape: entry.shape, expected: byteCount,
          found: entry.end - entry.begin)
      }
      expected = entry.end
    }
    guard expected == data.count else { throw .wrongDataSize(declared: expected, found: data.count) }
    for entry in entries {
      guard let type = entry.type.elementType else {
        file.unread.append(.init(name: entry.name, type: entry.type.rawValue, shape: entry.shape))
        continue
      }
      var content = data.slice(offset: entry.begin, count: entry.end - entry.begin)!
      if !content.isAligned(to: type.size) { content = ByteBuffer(joining: [content]) }
      do {
        file.tensors.append(.init(entry.name, try Tensor(type, shape: entry.shape, bytes: content)))
      } catch {
        throw .shapeTooLarge(tensor: entry.name, entry.shape)
      }
    }
    return file
  }

  /// A file, as chunks to be written one after another; the data is not copied.
  ///
  /// The bytes are those that the reference implementation writes: tensors by type (the largest first), then by name;
  /// the header padded with spaces so that the data begins at a multiple of 8.
  public static func encode(_ file: SafetensorsFile) throws(SafetensorsError) -> [ByteBuffer] {
    var order: [(key: ExactString, rank: Int, entry: SafetensorsFile.Entry)] = []
    for entry in file.tensors { order.append((ExactString(entry.name), try rank(entry), entry)) }
    order.sort { $0.rank == $1.rank ? $0.key < $1.key : $0.rank > $1.rank }
    var members: [JSONMember] = []
    if !file.metadata.isEmpty {
      let pairs = file.metadata.map {
        (key: ExactString($0.key), member: JSONMember($0.key, .string($0.value)))
      }
      members.append(
        JSONMember(metadataKey, .object(pairs.sorted { $0.key < $1.key }.map(\.member))))
    }
    var seen: Set<ExactString> = []
    var offset = 0
    for (key, _, entry) in order {
      guard seen.insert(key).inserted else { throw .duplicateName(entry.name) }
      let end = offset + entry.tensor.bytes.count
      members.append(
        JSONMember(
          entry.name,
          .object([
            JSONMember("dtype", .string(entry.tensor.elementType.rawValue)),
            JSONMember("shape", .array(entry.tensor.shape.map { .integer(Int64($0)) })),
            JSONMember("data_offsets", [.integer(Int64(offset)), .integer(Int64(end))]),
          ])))
      offset = end
    }
    var text: [UInt8]
    do { text = try JSONValue.object(members).compactBytes() } catch { throw .index(reason: "\(error)") }
    text += repeatElement(0x20, count: (8 - text.count % 8) % 8)
    guard text.count <= largestHeader else {
      throw .headerTooLarge(UInt64(text.count), limit: largestHeader)
    }
    var start = ByteWriter()
    start.appendLittleEndian(UInt64(text.count))
    start.append(text)
    return [ByteBuffer(start.bytes)] + order.map(\.entry.tensor.bytes).filter { $0.count > 0 }
  }

  private static func rank(_ entry: SafetensorsFile.Entry) throws(SafetensorsError) -> Int {
    guard entry.name != metadataKey else {
      throw .notExpressible(tensor: entry.name, reason: "the name is reserved for metadata")
    }
    guard entry.tensor.quantization == nil else {
      throw .notExpressible(
        tensor: entry.name, reason: "scale and zero point would be lost; convert it to F32")
    }
    guard let type = SafetensorsType(rawValue: entry.tensor.elementType.rawValue) else {
      throw .notExpressible(tensor: entry.name, reason: "safetensors has no \(entry.tensor.elementType)")
    }
    return SafetensorsType.allCases.firstIndex(of: type)!
  }
}
