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

/// A value of a manifest together with its place, for messages.
struct ManifestNode {
  let value: JSONValue
  let place: String
  /// Nil for what was not read from a text.
  var position: JSONPlace? = nil

  /// - Parameter part: what of it is wrong, where that is known.
  func wrong(_ reason: String, at part: ManifestNode? = nil) -> ManifestFault {
    ManifestFault(
      place: place.isEmpty ? "the manifest" : place, reason: reason,
      offset: (part?.position ?? position)?.offset)
  }

  func text() throws(ManifestFault) -> String {
    guard case .string(let text) = value else { throw wrong("expected a string, found \(value.kindName)") }
    guard !text.isEmpty else { throw wrong("the string is empty") }
    return text
  }

  func integer() throws(ManifestFault) -> Int64 {
    guard case .integer(let number) = value else {
      throw wrong("expected an integer, found \(value.kindName)")
    }
    return number
  }

  /// A finite number that is at least zero.
  func number() throws(ManifestFault) -> Double {
    let number: Double
    switch value {
    case .number(let real): number = real
    case .integer(let integer): number = Double(integer)
    default: throw wrong("expected a number, found \(value.kindName)")
    }
    guard number >= 0 else { throw wrong("\(number) is negative") }
    return number
  }

  func list() throws(ManifestFault) -> [ManifestNode] {
    guard case .array(let elements) = value else { throw wrong("expected an array, found \(value.kindName)") }
    return elements.enumerated().map {
      ManifestNode(value: $1, place: "\(place)[\($0)]", position: position?.parts[$0])
    }
  }

  func word<Word: RawRepresentable<String> & CaseIterable>(
    _ type: Word.Type
  ) throws(ManifestFault) -> Word {
    let text = try text()
    guard let word = Word(rawValue: text) else {
      throw wrong("'\(text)' is not one of \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return word
  }

  /// A path below the manifest's folder.
  func path() throws(ManifestFault) -> String {
    let path = try text()
    guard !path.hasPrefix("/"), !path.split(separator: "/").contains(".."), !path.utf8.contains(0) else {
      throw wrong("'\(path)' leads out of the manifest's folder: put the manifest above all of its files")
    }
    return path
  }

  /// Those of an object, without what is said to people.
  func members() throws(ManifestFault) -> [(key: String, node: ManifestNode)] {
    guard case .object(let members) = value else {
      throw wrong("expected an object, found \(value.kindName)")
    }
    return members.enumerated().filter { $1.key != "comment" }.map { index, member in
      let place = place.isEmpty ? member.key : "\(place).\(member.key)"
      return (
        member.key, ManifestNode(value: member.value, place: place, position: position?.parts[index])
      )
    }
  }

  /// Gives each member to `take`, which returns false for a key that it does not know.
  ///
  /// - Parameter defaults: an object whose members count where this one lacks them.
  func object(
    requiring required: [String], completedBy defaults: ManifestNode? = nil,
    _ take: (String, ManifestNode) throws(ManifestFault) -> Bool
  ) throws(ManifestFault) {
    let own = try members()
    let others = try defaults?.members().filter { value[$0.key] == nil } ?? []
    for (key, node) in own + others {
      guard try take(key, node) else { throw wrong("the key '\(key)' has no meaning here", at: node) }
    }
    for key in required where value[key] == nil { throw wrong("the key '\(key)' is missing") }
  }
}
