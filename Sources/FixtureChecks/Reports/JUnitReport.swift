/// JUnit's XML as Jenkins' `junit-10.xsd` allows it and GitLab and most others read it: a failure is a verdict, an error is a
/// fixture that could not be judged. The schema has a file for a suite and none for a test: it stands in the text.
enum JUnitReport {
  static func text(_ run: CheckRun) -> String {
    let failures = run.outcomes.count { $0.status == .failed && !$0.isError }
    let errors = run.outcomes.count { $0.isError }
    let counts =
      "tests=\"\(run.entries.count)\" failures=\"\(failures)\" errors=\"\(errors)\" "
      + "time=\"\(run.seconds.milliseconds)\""
    let manifest = run.manifest.path.xml
    var lines = [
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites name=\"rnnconv check\" \(counts)>",
      "  <testsuite name=\"\(manifest)\" file=\"\(manifest)\" skipped=\"\(run.count(.skipped))\" \(counts)>",
    ]
    for entry in run.entries {
      let outcome = entry.outcome
      let open =
        "    <testcase classname=\"\(manifest)\" name=\"\(outcome.fixture.xml)\" time=\"\(outcome.seconds.milliseconds)\""
      if outcome.status == .passed {
        lines.append(open + "/>")
        continue
      }
      lines.append(open + ">")
      if let reason = outcome.skipped { lines.append("      <skipped message=\"\(reason.xml)\"/>") }
      // Many readers take one failure of a test and no more: the first says which kind, its text says all.
      if let first = outcome.problems.first {
        let element = outcome.isError ? "error" : "failure"
        let kind = (outcome.problems.first { $0.kind.isError == outcome.isError } ?? first).kind
        let all = outcome.problems.map { "\(run.path($0.file)): \($0.kind.rawValue): \($0.message)" }.joined(
          separator: "\n")
        lines.append(
          "      <\(element) type=\"\(kind.rawValue)\" message=\"\(first.message.firstLine.xml)\">\(all.xml)</\(element)>"
        )
      }
      lines.append("    </testcase>")
    }
    return (lines + ["  </testsuite>", "</testsuites>"]).joined(separator: "\n") + "\n"
  }
}

extension Outcome {
  fileprivate var isError: Bool { problems.contains { $0.kind.isError } }
}

extension String {
  /// For a text or an attribute; characters that XML 1.0 cannot hold become U+FFFD.
  var xml: String {
    var text = ""
    for scalar in unicodeScalars {
      switch scalar {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      case "'": text += "&apos;"
      case "\n", "\t": text += "&#\(scalar.value);"
      default:
        let isAllowed = scalar.value >= 0x20 && scalar.value != 0xFFFE && scalar.value != 0xFFFF
        text.unicodeScalars.append(isAllowed ? scalar : "\u{FFFD}")
      }
    }
    return text
  }
}
