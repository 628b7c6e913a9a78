internal import RNNConv
internal import Verification

extension Verify {
  func show(_ diagnosis: Diagnosis) {
    for place in diagnosis.places { Terminal.print("  where        \(place)") }
    Terminal.print("  diagnosis    \(diagnosis.summary)")
    if diagnosis.mended != nil, writeFixed == nil {
      Terminal.print("  mend with    \(mendingCommand(diagnosis))")
    }
  }

  /// The command that was given, and where to write.
  private func mendingCommand(_ diagnosis: Diagnosis) -> String {
    let suspect = files.last { diagnosis.suspect.hasSuffix($0) } ?? files[0]
    let target = "fixed-" + (suspect.split(separator: "/").last.map(String.init) ?? suspect)
    let arguments = ["rnnconv"] + Swift.CommandLine.arguments.dropFirst() + ["--write-fixed", target]
    return arguments.map(shellQuoted).joined(separator: " ")
  }

  /// Writes the mended model, or says why not. Either way the exit code tells the verdict on what was given.
  func writeMended(_ report: VerificationReport, to path: String) throws {
    func say(_ line: String) { Terminal.write(line + "\n", to: json ? 2 : 1) }
    guard let mended = report.mended else {
      return say(
        "nothing was written to \(path): " + (report.diagnosis?.summary ?? "there is nothing to mend"))
    }
    let conversion = try Terminal.progress("writing") { try mended.convert(to: path) }
    say(
      conversion.report?.verdict == .different
        ? "nothing was written to \(path): what was written did not compute what \(mended.path) does"
        : "wrote \(path): \(mended.path)")
  }
}

/// As a POSIX shell reads it back.
private func shellQuoted(_ argument: String) -> String {
  let isPlain = argument.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "-_./=:,@%+".utf8.contains(byte)
    }
  }
  if isPlain, !argument.isEmpty { return argument }
  return "'" + argument.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
    + "'"
}
