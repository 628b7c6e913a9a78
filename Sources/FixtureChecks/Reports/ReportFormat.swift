/// The outputs for machines (docs/checking.md says what is stable in each).
public enum ReportFormat: String, Sendable, CaseIterable {
  case github, json, junit, markdown, sarif, tap

  /// The whole report, with a line feed at its end.
  public func text(_ run: CheckRun) -> String {
    switch self {
    case .github: GitHubAnnotations.text(run)
    case .json: JSONReport.text(run)
    case .junit: JUnitReport.text(run)
    case .markdown: MarkdownSummary.text(run)
    case .sarif: SARIFReport.text(run)
    case .tap: TAPReport.text(run)
    }
  }
}

extension CheckRun {
  /// `482 passed, 3 failed, 1 skipped`.
  public var summary: String {
    let (passed, failed, skipped) = (count(.passed), count(.failed), count(.skipped))
    return "\(passed) passed, \(failed) failed" + (skipped > 0 ? ", \(skipped) skipped" : "")
  }
}

extension String {
  /// The first line alone.
  var firstLine: String { split(separator: "\n").first.map(String.init) ?? "" }
}
