internal import ByteIO
internal import RNNConv

/// schemas/cli-json.md, **check**.
enum JSONReport {
  static func text(_ run: CheckRun) -> String {
    func number(_ status: Outcome.Status) -> JSONValue { .integer(Int64(run.count(status))) }
    let json = JSONValue.object([
      JSONMember("tool", .string("rnnconv")), JSONMember("version", .string(RNNConvVersion.current)),
      JSONMember("manifest", .string(run.manifest.path)), JSONMember("passed", number(.passed)),
      JSONMember("failed", number(.failed)), JSONMember("skipped", number(.skipped)),
      JSONMember("exitCode", .integer(Int64(run.exitCode))), JSONMember("seconds", .number(run.seconds)),
      JSONMember("warning", run.warning.map(JSONValue.string) ?? .null),
      JSONMember(
        "fixtures",
        .array(
          run.entries.map { entry in
            guard case .object(let members) = entry.outcome.json else { return .null }
            return .object(members + [JSONMember("line", entry.line.map { .integer(Int64($0)) } ?? .null)])
          })),
    ])
    // Only times are numbers, and no key is twice in it: the two things that writing could fail on.
    return String(decoding: try! json.prettyBytes(), as: UTF8.self)
  }
}
