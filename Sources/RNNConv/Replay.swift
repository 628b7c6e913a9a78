public import ByteIO
internal import Verification

/// A verification done again, and what came out otherwise.
public struct Replay: Sendable {
  /// What was written down.
  public let recorded: Evidence
  /// The same done again.
  public let now: Evidence
  /// In words: a file that changed, another version, a number that differs.
  public let differences: [String]
  /// Another version of the tool alone is told, and does not count.
  public let isReproduced: Bool
}

extension Replay {
  /// As `replay --json` prints it (schemas/cli-json.md).
  public var json: JSONValue {
    .object([
      JSONMember("reproduced", .bool(isReproduced)),
      JSONMember("recorded", .string(recorded.verdict.rawValue)),
      JSONMember("now", .string(now.verdict.rawValue)),
      JSONMember("differences", .array(differences.map(JSONValue.string))),
    ])
  }
}

extension Evidence {
  /// Reads what `write(to:)` wrote.
  public static func open(_ path: String) throws(RNNConvError) -> Evidence {
    let bytes: ByteBuffer
    do { bytes = try ByteBuffer.open(path: path) } catch { throw .file(error) }
    return try Evidence(parsing: bytes, path: path)
  }

  package init(parsing bytes: ByteBuffer, path: String) throws(RNNConvError) {
    let json: JSONValue
    do { json = try JSONValue(parsing: bytes) } catch { throw .unreadable(path: path, reason: "\(error)") }
    do throws(EvidenceError) {
      try self.init(json)
    } catch { throw .unreadable(path: path, reason: error.description) }
  }

  private init(_ json: JSONValue) throws(EvidenceError) {
    guard case .integer(let version)? = json["evidence"] else { throw .notEvidence }
    guard version == Self.version else { throw .newer(version) }
    guard let request = json["request"] else {
      throw .json(.missing(key: "request"), path: "the evidence", offset: nil)
    }
    guard json["report"]?["verdict"] != nil else {
      throw .json(.missing(key: "report"), path: "the evidence", offset: nil)
    }
    self.json = json
    self.request = RecordedRequest(request)
  }

  /// Does the verification again and compares every number bit for bit.
  ///
  /// - Parameter folder: where files are looked for that are not at their recorded paths, such as the evidence's own.
  public func replay(folder: String) throws(RNNConvError) -> Replay {
    let request: VerificationRequest
    do { request = try self.request.request } catch {
      throw .unreadable(path: "evidence", reason: error.description)
    }
    func find(_ path: String) -> String {
      let name = path.split(separator: "/").last.map(String.init) ?? path
      return [path, "\(folder)/\(path)", "\(folder)/\(name)"].first { access($0, R_OK) == 0 } ?? path
    }
    let now = try Evidence(request, try request.run(finding: find), finding: find)
    var found: [String] = []
    var counts = false
    compare(json["files"], now.json["files"], "files") { place, a, b in
      counts = true
      found.append("\(place): \(a) recorded, \(b) now")
    }
    var changed: [String] = []
    if case .array(let old)? = json["files"], case .array(let new)? = now.json["files"] {
      for (a, b) in zip(old, new) where a != b {
        changed.append("\(a["path"]?.text ?? "a file") changed: its content is not what was verified")
      }
    }
    if !changed.isEmpty { found = changed }
    if json["version"] != now.json["version"] {
      found.append(
        "recorded by rnnconv \(json["version"]?.text ?? "?"), replayed by \(RNNConvVersion.current)")
    }
    for key in ["request", "rounding", "probes", "report"] {
      compare(json[key], now.json[key], key) { place, a, b in
        counts = true
        found.append("\(place): \(a) recorded, \(b) now")
      }
    }
    return Replay(recorded: self, now: now, differences: found, isReproduced: !counts)
  }
}

extension JSONValue {
  /// Short enough for a message.
  fileprivate var text: String {
    switch self {
    case .string(let text): text
    case .integer(let number): "\(number)"
    case .number(let number): "\(number)"
    case .bool(let flag): "\(flag)"
    case .null: "null"
    case .array(let elements): "\(elements.count) entries"
    case .object(let members): "an object of \(members.count) keys"
    }
  }
}

/// Walks two JSON values and reports each leaf that is not the same bit for bit.
private func compare(
  _ left: JSONValue?, _ right: JSONValue?, _ place: String, _ report: (String, String, String) -> Void
) {
  switch (left, right) {
  case (.number(let a)?, .number(let b)?) where a.bitPattern == b.bitPattern: break
  case (.array(let a)?, .array(let b)?) where a.count == b.count:
    for (index, (x, y)) in zip(a, b).enumerated() { compare(x, y, "\(place)[\(index)]", report) }
  case (.object(let a)?, .object(let b)?):
    for member in a { compare(member.value, right?[member.key], "\(place).\(member.key)", report) }
    for member in b where left?[member.key] == nil {
      compare(nil, member.value, "\(place).\(member.key)", report)
    }
  case (let a, let b):
    let isNumber = if case .number? = a { true } else { false }
    if a != b || isNumber { report(place, a?.text ?? "nothing", b?.text ?? "nothing") }
  }
}
