internal import ArgumentParser
internal import ByteIO
internal import FixtureChecks
internal import RNNConv

/// Where the outcome of `check` is written for machines.
struct CheckReports: ParsableArguments {
  @Option(
    help:
      "What standard output is for: text, \(ReportFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format = "text"

  @Flag(help: "The same as --format json.")
  var json = false

  @Option(help: ArgumentHelp("Also write JUnit XML.", valueName: "file"), completion: .file())
  var junit: String?

  @Option(help: ArgumentHelp("Also write SARIF 2.1.0.", valueName: "file"), completion: .file())
  var sarif: String?

  @Option(help: ArgumentHelp("Also write TAP 14.", valueName: "file"), completion: .file())
  var tap: String?

  @Option(help: ArgumentHelp("Also write a summary in Markdown.", valueName: "file"), completion: .file())
  var markdown: String?

  @Option(help: ArgumentHelp("Also write what --json prints.", valueName: "file"))
  var jsonReport: String?

  @Flag(help: "Also append the Markdown to the file that GITHUB_STEP_SUMMARY names.")
  var stepSummary = false

  /// Nil: text for people.
  var standardOutput: ReportFormat? { json ? .json : ReportFormat(rawValue: format) }

  func check() throws {
    guard format == "text" || standardOutput != nil else {
      let known = ReportFormat.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--format \(format): use text, \(known)")
    }
    guard !json || ["text", "json"].contains(format) else {
      throw ValidationError("--json and --format \(format): give one of them")
    }
    if stepSummary, summaryPath == nil {
      throw ValidationError("--step-summary: the environment has no GITHUB_STEP_SUMMARY")
    }
  }

  private var summaryPath: String? {
    getenv("GITHUB_STEP_SUMMARY").map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The file that a format is also written to.
  private func path(of format: ReportFormat) -> String? {
    switch format {
    // Annotations are read from what is printed.
    case .github: nil
    case .json: jsonReport
    case .junit: junit
    case .markdown: markdown
    case .sarif: sarif
    case .tap: tap
    }
  }

  func write(_ run: CheckRun) throws {
    func text(_ format: ReportFormat) -> String { format.text(run).withFlags }
    if let standardOutput { Terminal.write(text(standardOutput), to: 1) }
    do {
      for format in ReportFormat.allCases {
        if let path = path(of: format) { try AtomicFile.write(Array(text(format).utf8), to: path) }
      }
      if stepSummary, let summaryPath {
        // Other steps write there, too: appended, not replaced.
        let file = open(summaryPath, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw FileError(path: summaryPath, action: "append", code: errno) }
        defer { close(file) }
        Terminal.write(text(.markdown), to: file)
      }
    } catch let error as FileError { throw RNNConvError.file(error) }
  }
}
