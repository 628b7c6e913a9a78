internal import ByteIO

/// TAP 14 (testanything.org): what is wrong stands in a YAML block below its test.
enum TAPReport {
  static func text(_ run: CheckRun) -> String {
    var lines = ["TAP version 14", "1..\(run.entries.count)"]
    for (index, entry) in run.entries.enumerated() {
      let outcome = entry.outcome
      let name = "\(index + 1) - \(outcome.fixture.escapedForTAP)"
      switch outcome.status {
      case .passed: lines.append("ok \(name)")
      case .skipped: lines.append("ok \(name) # SKIP \((outcome.skipped ?? "").escapedForTAP)")
      case .failed:
        lines.append("not ok \(name)")
        lines += ["  ---", "  problems:"]
        for problem in outcome.problems {
          lines.append("    - kind: \(problem.kind.rawValue)")
          lines.append("      file: \(run.path(problem.file).yaml)")
          lines.append("      message: \(problem.message.yaml)")
        }
        lines += ["  duration_ms: \(Int((outcome.seconds * 1_000).rounded()))", "  ..."]
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension String {
  /// A description: `#` would begin a directive.
  fileprivate var escapedForTAP: String {
    String(
      flatMap { $0 == "#" || $0 == "\\" ? ["\\", $0] : $0.isNewline ? [" "] : Array(String($0).printable) })
  }

  /// A double-quoted scalar: JSON's strings are YAML's.
  fileprivate var yaml: String {
    String(decoding: (try? JSONValue.string(self).compactBytes()) ?? [], as: UTF8.self)
  }
}
