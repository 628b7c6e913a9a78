public import ByteIO

/// Several files that hold one state dict, by their `model.safetensors.index.json` or `pytorch_model.bin.index.json`.
public enum SafetensorsIndex {
  /// Whether the bytes begin as such an index does.
  public static func recognises(_ bytes: ByteBuffer) -> Bool {
    guard bytes.count > 0, let start = bytes.slice(offset: 0, count: min(bytes.count, 1 << 16)) else {
      return false
    }
    let text = start.array.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
    return text.first == UInt8(ascii: "{") && text.firstRange(of: Array("\"weight_map\"".utf8)) != nil
  }

  /// The tensors of all shards, in the order of the index.
  ///
  /// - Parameters:
  ///   - folder: where the index lies; shards are opened beneath it and nowhere else. Nil where the index came from a pipe,
  ///     which has no folder.
  ///   - foreign: reads a shard of another format; nil for what is none of it.
  public static func decode(
    _ bytes: ByteBuffer, folder: String?, limits: Limits = .standard,
    foreign: (ByteBuffer) throws -> SafetensorsFile? = { _ in nil }
  ) throws(SafetensorsError) -> SafetensorsFile {
    let json: JSONValue
    do { json = try JSONValue(parsing: bytes, limits: limits) } catch {
      throw .index(reason: error.description)
    }
    guard case .object(let members) = json, case .object(let map)? = json["weight_map"] else {
      throw .index(reason: "no weight_map, which says where each tensor is")
    }
    guard let folder else {
      throw .index(reason: "its shards lie beside it: give the index as a file, not through a pipe")
    }
    var result = SafetensorsFile(tensors: [])
    for member in members where member.key != "weight_map" {
      guard member.key == "metadata", case .object(let pairs) = member.value else {
        throw .index(reason: "unknown field '\(member.key)'")
      }
      for pair in pairs { result.metadata[pair.key] = try text(pair) }
    }
    var shards: [String: [ExactString: SafetensorsFile.Entry]] = [:]
    var counts: [String: Int] = [:]
    for member in map {
      guard case .string(let file) = member.value else {
        throw .index(reason: "tensor '\(member.key)' is in \(member.value.kindName), not in a file")
      }
      if shards[file] == nil {
        let shard = try open(file, folder, limits, foreign)
        shards[file] = Dictionary(shard.tensors.map { (ExactString($0.name), $0) }) { first, _ in first }
        counts[file] = shard.tensors.count + shard.unread.count
        result.unread += shard.unread
        for (key, value) in shard.metadata {
          guard result.metadata[key] == nil || result.metadata[key] == value else {
            throw .shard(file, reason: "its metadata '\(key)' contradicts that of another shard")
          }
          result.metadata[key] = value
        }
      }
      counts[file]! -= 1
      if let entry = shards[file]![ExactString(member.key)] {
        result.tensors.append(entry)
      } else if !result.unread.contains(where: { $0.name == member.key }) {
        throw .shard(file, reason: "the index says that it holds '\(member.key)', which it does not")
      }
    }
    for (file, count) in counts.sorted(by: { $0.key < $1.key }) where count != 0 {
      throw .shard(file, reason: "it holds tensors that the index does not list")
    }
    result.shards = shards.keys.sorted()
    return result
  }

  private static func open(
    _ file: String, _ folder: String, _ limits: Limits, _ foreign: (ByteBuffer) throws -> SafetensorsFile?
  ) throws(SafetensorsError) -> SafetensorsFile {
    let bytes: ByteBuffer
    do { bytes = try ByteBuffer.open(file, beneath: folder, limit: limits.fileBytes) } catch {
      throw .shard(file, reason: error.description)
    }
    do { return try foreign(bytes) ?? SafetensorsFormat.decode(bytes, limits: limits) } catch {
      throw .shard(file, reason: "\(error)")
    }
  }

  private static func text(_ member: JSONMember) throws(SafetensorsError) -> String {
    switch member.value {
    case .string(let text): return text
    case .integer(let number): return String(number)
    case .number(let number): return String(number)
    case .bool(let flag): return String(flag)
    default: throw .index(reason: "metadata '\(member.key)' is \(member.value.kindName)")
    }
  }
}
