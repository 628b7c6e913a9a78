package import ByteIO

/// A list of fixtures, `rnnconv.json` (schemas/check-manifest.schema.json, docs/checking.md).
public struct Manifest: Sendable {
  /// Where it was read from, and the folder that its paths start at.
  public let path: String
  public let folder: String
  public let fixtures: [Fixture]
  /// As it was read; what is recorded anew goes in here, so that comments and order stay.
  var json: JSONValue
  /// The lines on which the fixtures' names stand, counted from 1.
  let lines: [Int?]

  public static let fileName = "rnnconv.json"
  public static let version: Int64 = 1

  /// Reads a manifest, or that of a folder.
  ///
  /// - Throws: `ManifestError` naming the file and the place in it.
  public static func open(_ path: String) throws(ManifestError) -> Manifest {
    let isFolder = Folder.exists(path)
    let file = isFolder ? Folder.join(path, fileName) : path
    if isFolder, !Folder.holds(file) { throw .none(folder: path) }
    let bytes: ByteBuffer
    do { bytes = try ByteBuffer.open(path: file, limit: Limits.standard.headerBytes) } catch {
      throw .file(error)
    }
    return try Manifest(bytes, path: file)
  }

  package init(_ bytes: ByteBuffer, path: String) throws(ManifestError) {
    do { json = try JSONValue(parsing: bytes) } catch { throw .notJSON(path: path, error) }
    do throws(ManifestFault) {
      fixtures = try Self.fixtures(json)
    } catch { throw .wrong(path: path, error) }
    self.path = path
    folder = Folder.parent(of: path)
    lines = Self.lines(of: fixtures.map(\.name), in: bytes)
  }

  /// A manifest of fixtures that were found.
  init(_ fixtures: [Fixture], folder: String) {
    self.fixtures = fixtures
    self.folder = folder
    path = Folder.join(folder, Self.fileName)
    lines = fixtures.map { _ in nil }
    json = .object([
      JSONMember("rnnconv_check", .integer(Self.version)),
      JSONMember("fixtures", .array(fixtures.map(\.json))),
    ])
  }

  /// The line of each name: the first, after that of the name before, which holds the key `name` and that value.
  private static func lines(of names: [String], in bytes: ByteBuffer) -> [Int?] {
    let text = bytes.array
    let key = Array("\"name\"".utf8)
    // The strings that stand behind a key `name`, with their lines, in one walk.
    var found: [(literal: ArraySlice<UInt8>, line: Int)] = []
    var line = 1
    var offset = 0
    func skipSpace() {
      while offset < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[offset]) {
        if text[offset] == 0x0A { line += 1 }
        offset += 1
      }
    }
    while offset < text.count {
      guard text[offset] == UInt8(ascii: "\"") else {
        if text[offset] == 0x0A { line += 1 }
        offset += 1
        continue
      }
      let start = offset
      offset += 1
      while offset < text.count, text[offset] != UInt8(ascii: "\"") {
        offset += text[offset] == UInt8(ascii: "\\") ? 2 : 1
      }
      offset = min(offset + 1, text.count)
      guard text[start..<offset].elementsEqual(key) else { continue }
      skipSpace()
      guard offset < text.count, text[offset] == UInt8(ascii: ":") else { continue }
      offset += 1
      skipSpace()
      let value = offset
      guard offset < text.count, text[offset] == UInt8(ascii: "\"") else { continue }
      offset += 1
      while offset < text.count, text[offset] != UInt8(ascii: "\"") {
        offset += text[offset] == UInt8(ascii: "\\") ? 2 : 1
      }
      offset = min(offset + 1, text.count)
      found.append((text[value..<offset], line))
    }
    var next = 0
    return names.map { name in
      guard let literal = try? JSONValue.string(name).compactBytes(),
        let place = found[next...].firstIndex(where: { $0.literal.elementsEqual(literal) })
      else { return nil }
      next = place + 1
      return found[place].line
    }
  }
}
