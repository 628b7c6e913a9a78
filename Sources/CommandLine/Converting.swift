internal import ArgumentParser
internal import ByteIO
internal import RNNConv
internal import Verification

/// What import, export and convert share: convert, say how exact, say what verification found.
func convert(_ file: ModelFile, to path: String, _ target: TargetOptions) throws {
  let (options, json) = (try target.options, target.json)
  try target.overwriting.check(
    [path, target.externalData.map { path.folderPrefix + $0 }], reading: [file.path] + file.companionPaths)
  let conversion: Conversion
  do {
    conversion = try Terminal.progress("converting \(file.path)") {
      try target.execution.use { try file.convert(to: path, options) }
    }
  } catch RNNConvError.disproved(let report) {
    if json {
      try Terminal.printJSON(
        .object([
          JSONMember("source", .string(file.path)), JSONMember("target", .string(path)),
          JSONMember("written", .bool(false)), JSONMember("findings", .array(file.findings.map(\.json))),
          JSONMember("verification", report.json),
        ]))
    } else {
      for reason in report.reasons { Terminal.print("           \(reason)", to: 2) }
    }
    throw RNNConvError.disproved(report)
  }
  if json {
    try Terminal.printJSON(
      .object([
        JSONMember("source", .string(file.path)), JSONMember("target", .string(path)),
        JSONMember("written", .bool(true)),
        JSONMember("exactness", .string(conversion.exactness.rawValue)),
        JSONMember("notes", .array(conversion.notes.map(\.json))),
        JSONMember("findings", .array(file.findings.map(\.json))),
        JSONMember("verification", conversion.report?.json ?? .null),
        JSONMember("movement", conversion.movement?.json ?? .null),
      ]))
  } else if path != "-" {
    Terminal.print("\(file.path) → \(path)")
    for finding in file.findings where finding.kind == .assumed { Terminal.print("  \(finding.line)") }
    for note in conversion.notes where note.exactness != .exact {
      Terminal.print("  \(Terminal.paint(note.exactness.rawValue, .yellow))  \(note.layer): \(note.detail)")
    }
    let inexact = Set(
      conversion.notes.filter { $0.exactness != .exact && $0.layer != ConversionNote.wholeFile }.map(\.layer))
    Terminal.print(
      "  exact    \(max(0, conversion.layerCount - inexact.count)) of \(conversion.layerCount) layers bit for bit"
    )
    for output in ((try? file.model)?.outputs ?? []) where output.axes.contains(where: \.isDroppedAtOne) {
      Terminal.print(
        "  output   \(output.name) \(output.shapeDescription): a batch or length of 1 is dropped, as ONNX's Squeeze without "
          + "axes does")
    }
    if let report = conversion.report {
      Terminal.print(
        "  verified \(Terminal.paint(report.verdict)): the written file against the source, on \(report.probes.count) probes"
      )
      for reason in report.reasons { Terminal.print("           \(reason)") }
      for output in conversion.movement?.outputs ?? [] {
        Terminal.print(
          "  moved    output \(output.name): by \(output.maxDeviation.brief) on these probes, certainly by no more than "
            + output.maxAllowed.brief)
      }
    } else {
      Terminal.print("  verified not at all (--no-verify)")
    }
  }
}
