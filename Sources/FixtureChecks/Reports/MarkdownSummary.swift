internal import ByteIO

/// For a job's summary page or a comment: what failed, and one line about the rest.
enum MarkdownSummary {
  static func text(_ run: CheckRun) -> String {
    let isGood = run.count(.failed) == 0
    var lines = [
      "## \(isGood ? "✅" : "❌") rnnconv check: \(run.summary)", "",
      "\(run.entries.count) fixture\(run.entries.count == 1 ? "" : "s") of `\(run.manifest.path)` in \(run.seconds.brief) s.",
    ]
    let failed = run.entries.filter { $0.outcome.status == .failed }
    if !failed.isEmpty {
      lines += ["", "| fixture | problem | file | what |", "|---|---|---|---|"]
      for entry in failed {
        for problem in entry.outcome.problems {
          lines.append(
            "| \(entry.outcome.fixture.cell) | \(problem.kind.rawValue) | \(run.path(problem.file).cell) | \(problem.message.cell) |"
          )
        }
      }
    }
    let skipped = run.outcomes.filter { $0.status == .skipped }
    if !skipped.isEmpty {
      lines += ["", "Skipped:", ""] + skipped.map { "- \($0.fixture.cell): \(($0.skipped ?? "").cell)" }
    }
    if let warning = run.warning { lines += ["", "⚠️ \(warning.cell)"] }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension String {
  /// In a table, on one line, without a meaning of its own.
  fileprivate var cell: String {
    var text = ""
    for character in self {
      switch character {
      case "\n", "\r", "\r\n": text += "<br>"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "&": text += "&amp;"
      case "|", "\\", "`", "*", "_", "[", "]", "#", "~", "@": text += "\\\(character)"
      default: text += String(character).printable
      }
    }
    return text
  }
}
