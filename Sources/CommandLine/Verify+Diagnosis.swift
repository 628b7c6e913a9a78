internal import ByteIO
internal import RNNConv
internal import Verification

extension Verify {
  func show(_ diagnosis: Diagnosis, _ outcome: VerificationRequest.Outcome) {
    for place in diagnosis.places { Terminal.print("  where        \(place)") }
    let remedy = remedy(diagnosis, outcome)
    if case .option(let option) = remedy { return Terminal.print("  diagnosis    \(option)") }
    Terminal.print("  diagnosis    \(diagnosis.summary)")
    if case .command(let command) = remedy, writeFixed == nil {
      Terminal.print("  mend with    \(command)")
    }
  }

  /// Nil where nothing that is known helps.
  func remedy(_ diagnosis: Diagnosis, _ outcome: VerificationRequest.Outcome) -> Diagnosis.Remedy? {
    if let option = optionBehind(diagnosis, outcome) { return .option(option) }
    return diagnosis.mended == nil ? nil : .command(mendingCommand(diagnosis))
  }

  /// The option that was given, or that was not, where another one settles the difference: then neither file is wrong.
  private func optionBehind(_ diagnosis: Diagnosis, _ outcome: VerificationRequest.Outcome) -> String? {
    guard let suggestion = diagnosis.suggestion else { return nil }
    let words = [try? ArchitectureWords(paired.left, "left"), try? ArchitectureWords(paired.right, "right")]
    // Only a file of weights alone is read by options.
    for (index, model) in outcome.models.enumerated() where !model.findings.isEmpty {
      let own = words[index]
      let side = index == 0 ? "left-" : "right-"
      switch suggestion {
      case .select(let left, let right):
        let (given, other) = index == 0 ? (left, right) : (right, left)
        guard (own?.select ?? source.architecture.select) == given else { continue }
        let name = "--\(own?.select == nil ? "" : side)select"
        return "the option \(name) \(given): with \(name) \(other) both agree (tried)"
      case .batchFirst:
        if let given = own?.batchFirst ?? source.architecture.batchFirst {
          let prefix = own?.batchFirst == nil ? "" : side
          let names = ["--\(prefix)batch-first", "--no-\(prefix)batch-first"]
          return "the option \(names[given ? 0 : 1]): with \(names[given ? 1 : 0]) both agree (tried)"
        }
        guard model.findings.contains(where: { $0.setting == .batchFirst }) else { continue }
        let prefix = outcome.models.count { !$0.findings.isEmpty } > 1 ? side : ""
        return
          "sequences of \(model.path) are taken as [T, B, F], which its weights do not say: with --\(prefix)batch-first both agree (tried)"
      }
    }
    return nil
  }

  /// The command that was given, and where to write unless it says so.
  private func mendingCommand(_ diagnosis: Diagnosis) -> String {
    let suspect = files.last { diagnosis.suspect.hasSuffix($0) } ?? files[0]
    let target = "fixed-" + (suspect.split(separator: "/").last.map(String.init) ?? suspect)
    let arguments = ["rnnconv"] + withoutReports(Swift.CommandLine.arguments.dropFirst())
    return (writeFixed == nil ? arguments + ["--write-fixed", target] : arguments).map(shellQuoted)
      .joined(separator: " ")
  }

  /// Refuses to write over what is read.
  func refuseOverwriting(
    _ path: String, _ request: VerificationRequest, _ outcome: VerificationRequest.Outcome? = nil
  )
    throws
  {
    if let input = request.input(at: path, outcome) {
      throw RNNConvError.arguments(
        "--write-fixed \(path): that is \(input), which is compared here; name another file")
    }
  }

  /// Writes the mended model, or says why not. Either way the exit code tells the verdict on what was given.
  func writeMended(_ request: VerificationRequest, _ outcome: VerificationRequest.Outcome, to path: String)
    throws
  {
    func say(_ line: String) { Terminal.print(line, to: json ? 2 : 1) }
    try refuseOverwriting(path, request, outcome)
    if let option = outcome.report.diagnosis.flatMap({ optionBehind($0, outcome) }) {
      return say("nothing was written to \(path): \(option)")
    }
    let mending = try Terminal.progress("mending") { try execution.use { try request.mending(outcome) } }
    switch mending {
    case .impossible(let reason): say("nothing was written to \(path): \(reason)")
    case .mended(let mended):
      _ = try Terminal.progress("writing") { try mended.convert(to: path) }
      say("wrote \(path): \(mended.path)")
    }
  }
}

/// Reports were written the first time, and are to stay as they are.
private func withoutReports(_ arguments: ArraySlice<String>) -> [String] {
  var (kept, rest) = ([String](), arguments)
  while let argument = rest.popFirst() {
    switch argument.split(separator: "=").first {
    case "--report", "--evidence": if !argument.contains("=") { _ = rest.popFirst() }
    default: kept.append(argument)
    }
  }
  return kept
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
