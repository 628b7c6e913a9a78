public import ByteIO

/// Why there is no manifest to check by.
public enum ManifestError: Error, Equatable, CustomStringConvertible {
  case file(FileError)
  /// A folder without one.
  case none(folder: String)
  case notJSON(path: String, TextPosition, reason: String)
  case wrong(path: String, TextPosition, ManifestFault)
  /// A folder without models.
  case nothingFound(folder: String)

  public var description: String {
    switch self {
    case .file(let error): error.description
    case .none(let folder):
      "\(folder): no \(Manifest.fileName) here; 'rnnconv check --init \(folder)' writes one from what it finds"
    case .notJSON(let path, let position, let reason): "\(path):\(position): not JSON: \(reason)"
    case .wrong(let path, let position, let fault): "\(path):\(position): \(fault)"
    case .nothingFound(let folder):
      "\(folder): nothing found: no .onnx, .rnnw, .pt, .safetensors or .model.json in it"
    }
  }

  /// For a GitHub runner, which annotates the manifest where it is wrong.
  public var annotation: String { GitHubAnnotations.text(self) }

  /// 2: there is none · 4: it is malformed or inaccessible.
  public var exitCode: Int32 { if case .none = self { 2 } else { 4 } }
}

/// What is wrong in a manifest, and where.
public struct ManifestFault: Error, Equatable, CustomStringConvertible {
  /// Such as `fixtures[3].verdict`.
  public let place: String
  public let reason: String
  /// Of the value in the manifest's text; nil for what was not read from one.
  let offset: Int?

  public var description: String { "\(place): \(reason)" }
}

typealias ManifestNode = JSONNode<ManifestFault>

extension ManifestFault: JSONFailure {
  package static func json(_ fault: JSONFault, path: String, offset: Int?) -> ManifestFault {
    ManifestFault(place: path.isEmpty ? "the manifest" : path, reason: fault.reason, offset: offset)
  }

  package static var comment: String? { "comment" }
}

extension ManifestNode {
  /// A string that says something.
  func words() throws(ManifestFault) -> String {
    let text = try text()
    guard !text.isEmpty else { throw wrong("the string is empty") }
    return text
  }

  /// A path below the manifest's folder.
  func file() throws(ManifestFault) -> String {
    let path = try words()
    guard !path.hasPrefix("/"), !path.split(separator: "/").contains(".."), !path.utf8.contains(0) else {
      throw wrong("'\(path)' leads out of the manifest's folder: put the manifest above all of its files")
    }
    return path
  }

  /// Those of an object, without what is said to people.
  func entries() throws(ManifestFault) -> [(key: String, node: ManifestNode)] {
    try members().filter { $0.key != ManifestFault.comment }
  }

  /// Gives each member to `take`, which returns false for a key that it does not know.
  ///
  /// - Parameter defaults: an object whose members count where this one lacks them.
  func object(
    requiring required: [String], completedBy defaults: ManifestNode? = nil,
    _ take: (String, ManifestNode) throws(ManifestFault) -> Bool
  ) throws(ManifestFault) {
    let own = try entries()
    let others = try defaults?.entries().filter { value[$0.key] == nil } ?? []
    for (key, node) in own + others where try !take(key, node) {
      throw .json(.unknown(key: key), path: path, offset: node.place?.offset)
    }
    for key in required where value[key] == nil { throw failure(.missing(key: key)) }
  }
}
