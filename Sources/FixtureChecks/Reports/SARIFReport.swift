internal import ByteIO
internal import RNNConv

/// SARIF 2.1.0 (OASIS): a problem is a result, its kind a rule.
enum SARIFReport {
  static func text(_ run: CheckRun) -> String {
    let rules = Problem.Kind.allCases.map { kind -> JSONValue in
      [
        "id": .string(kind.rawValue), "shortDescription": ["text": .string(kind.summary)],
        "defaultConfiguration": ["level": "error"],
      ]
    }
    let results = run.entries.flatMap { entry in
      entry.outcome.problems.map { result(of: $0, entry, run) }
    }
    let json: JSONValue = [
      "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
      "version": "2.1.0",
      "runs": [
        [
          "tool": [
            "driver": [
              "name": "rnnconv", "version": .string(RNNConvVersion.current),
              "semanticVersion": .string(RNNConvVersion.current), "rules": .array(rules),
            ]
          ],
          "invocations": [
            ["executionSuccessful": true, "exitCode": .integer(Int64(run.exitCode))]
          ],
          "columnKind": "unicodeCodePoints",
          "results": .array(results),
        ]
      ],
    ]
    return String(decoding: try! json.prettyBytes(), as: UTF8.self)
  }

  private static func result(of problem: Problem, _ entry: CheckRun.Entry, _ run: CheckRun) -> JSONValue {
    func location(_ path: String, line: Int? = nil) -> JSONValue {
      var members = [
        JSONMember("artifactLocation", ["uri": .string(uri(GitHubAnnotations.workspacePath(path)))])
      ]
      if let line { members.append(JSONMember("region", ["startLine": .integer(Int64(line))])) }
      return ["physicalLocation": .object(members)]
    }
    return [
      "ruleId": .string(problem.kind.rawValue),
      "ruleIndex": .integer(Int64(Problem.Kind.allCases.firstIndex(of: problem.kind)!)),
      "level": "error",
      "message": ["text": .string("\(entry.outcome.fixture): \(problem.message)")],
      "locations": [location(run.path(problem.file))],
      // What a person reads and edits is the manifest.
      "relatedLocations": [location(run.manifest.path, line: entry.line)],
      // The same problem of the same fixture is one alert, whatever its numbers are.
      "partialFingerprints": [
        "rnnconvCheck/v1": .string("\(entry.outcome.fixture)/\(problem.kind.rawValue)/\(problem.file)")
      ],
    ]
  }

  /// A relative reference, or `file:` for an absolute path: what RFC 3986 lets stand in a path stays.
  private static func uri(_ path: String) -> String {
    let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/!$&'()*+,;=@".utf8)
    var text = path.hasPrefix("/") ? "file://" : ""
    for byte in path.utf8 {
      if plain.contains(byte) {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        text += "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }
    return text
  }
}
