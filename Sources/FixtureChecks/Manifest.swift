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

  /// Whether it is found by naming its folder alone.
  public var isOfFolder: Bool { Folder.lastName(of: path) == Self.fileName }

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
    let text = TextLines(bytes)
    do { json = try JSONValue(parsing: bytes) } catch {
      throw .notJSON(path: path, text.position(of: error.offset), reason: error.reason)
    }
    let root = ManifestNode(json, path: "", place: JSONPlace(of: json, in: bytes))
    let entries: [(fixture: Fixture, name: ManifestNode)]
    do throws(ManifestFault) { entries = try Self.fixtures(root) } catch {
      throw .wrong(path: path, text.position(of: error.offset ?? 0), error)
    }
    self.path = path
    folder = Folder.parent(of: path)
    fixtures = entries.map(\.fixture)
    lines = entries.map { $0.name.place.map { text.line(of: $0.offset) } }
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

  /// Writes `json` to where it was read from.
  func write() throws(ManifestError) {
    do { try AtomicFile.write(try json.prettyBytes(), to: path) } catch let error as FileError {
      throw .file(error)
    } catch { throw .file(FileError(path: path, action: "write", reason: "\(error)")) }
  }
}
