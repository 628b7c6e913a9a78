internal import ArgumentParser
internal import ByteIO
internal import RNNConv

/// `convert weights.pt new.onnx --like export.onnx`: says which tensor went where, and what is proven.
func transfer(_ file: ModelFile, like graph: ModelFile, to path: String, _ target: TargetOptions) throws {
  let options = try target.options
  try target.overwriting.check(
    [path, target.externalData.map { path.folderPrefix + $0 }],
    reading: [file.path, graph.path] + file.companionPaths + graph.companionPaths)
  let (report, conversion) = try Terminal.progress("converting \(file.path)") {
    try target.execution.use { try file.convert(like: graph, to: path, options) }
  }
  if target.json {
    return try Terminal.printJSON(
      .object([
        JSONMember("source", .string(file.path)), JSONMember("target", .string(path)),
        JSONMember("written", .bool(true)), JSONMember("exactness", .string(conversion.exactness.rawValue)),
        JSONMember("notes", .array(conversion.notes.map(\.json))),
        JSONMember("findings", .array([])), JSONMember("transfer", report.json),
        JSONMember("verification", conversion.report?.json ?? .null),
      ]))
  }
  if path == "-" { return }
  Terminal.print("\(file.path) → \(path), in the graph of \(graph.path)")
  for placement in report.placements {
    let how = placement.how == "as it is" ? "" : ", \(placement.how)"
    let isPlain = placement.tensors == [placement.place] && how.isEmpty
    Terminal.print(
      "  \(placement.place)" + (isPlain ? "" : " ← \(placement.tensors.joined(separator: ", "))\(how)")
        + (isPlain ? "" : "  (\(placement.reason))"))
  }
  for kept in report.kept {
    Terminal.print("  \(Terminal.paint("kept", .yellow))     \(kept), as the export has it")
  }
  for note in report.assumptions { Terminal.print("  \(Terminal.paint("assumed", .yellow))  \(note)") }
  for note in conversion.notes where note.exactness != .exact {
    Terminal.print("  \(Terminal.paint(note.exactness.rawValue, .yellow))  \(note.layer): \(note.detail)")
  }
  guard options.verify else { return Terminal.print("  verified not at all (--no-verify)") }
  let count = report.proven.count
  Terminal.print(
    "  verified \(count) \(count == 1 ? "module" : "modules") in the written file against PyTorch's formulas on \(file.path)"
      + (count == 0
        ? "" : ": \(report.proven.prefix(12).map { $0.isEmpty ? "." : $0 }.joined(separator: ", "))")
      + (count > 12 ? ", …" : ""))
  if let found = conversion.report {
    Terminal.print(
      "  verified \(Terminal.paint(found.verdict)): the written file against the graph with these weights, on \(found.probes.count) probes"
    )
  }
  if !report.unproven.isEmpty {
    Terminal.print(
      "           by name and shape alone: \(report.unproven.prefix(8).joined(separator: ", "))"
        + (report.unproven.count > 8 ? ", …" : ""))
  }
}
