internal import ArgumentParser
internal import ByteIO
internal import RNNConv

struct Extract: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extract",
    abstract: "Cut a part out of an ONNX file, and prove it in place.",
    discussion: """
      Names mean nodes: by their own name, by its beginning (/encoder means /encoder/rnn/LSTM; enc* all that begin so), or by a value \
      that they make. What the part reads from elsewhere becomes its inputs, what others read of it its outputs. The part alone is held \
      against the part in the whole graph, on what the whole graph makes of inputs.

      Examples:
        rnnconv extract model.onnx --layers /rnn/LSTM -o lstm.onnx
        rnnconv extract model.onnx --layers /encoder /head -o part.onnx --input x.npy
        rnnconv extract model.onnx --layers /rnn -o rnn.pt
      """)

  @Argument(help: "The ONNX file; - for standard input.", completion: .file(extensions: ["onnx"]))
  var file: String

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "The nodes, by name, by the beginning of names, or by what they make.", valueName: "name"))
  var layers: [String]

  @Option(
    name: .shortAndLong, help: "The file to write; its extension names the format. - for standard output.",
    completion: .file())
  var output: String

  @Option(
    help: ArgumentHelp(
      "Inputs of the whole graph that the part is proven on, instead of made-up ones; repeat for more.",
      valueName: "[name=]file"), completion: .file())
  var input: [String] = []

  @Option(
    help: ArgumentHelp(
      "A value for an input of the whole graph, or for a size that it leaves open (sr=16000); repeat for more.",
      valueName: "name=file"), completion: .file())
  var bind: [String] = []

  @OptionGroup var limitation: LimitOptions
  @OptionGroup var target: TargetOptions

  func run() throws {
    let arguments = input.map { TensorArgument($0) }
    try target.overwriting.check(
      [output, target.externalData.map { output.folderPrefix + $0 }], reading: [file] + arguments.map(\.path))
    var request = ExtractionRequest(file, layers: layers)
    request.inputs = arguments
    request.bindings = bind.map { TensorArgument($0) }
    request.options = try target.options
    request.limits = try limitation.limits
    let found = try Terminal.progress("cutting \(file)") {
      try target.execution.use { try request.write(to: output) }
    }
    if target.json { return try Terminal.printJSON(found.json) }
    if output == "-" { return }
    Terminal.print("\(file) → \(output)")
    Terminal.print("  nodes    \(found.nodeCount.grouped) of \(found.wholeNodeCount.grouped)")
    for port in found.inputs { Terminal.print("  input    \(port.description)") }
    for port in found.outputs { Terminal.print("  output   \(port.description)") }
    if found.runs > 0 {
      Terminal.print(
        "  verified identical: the part alone and in the whole graph, on \(found.runs) \(found.runs == 1 ? "input" : "inputs") of the whole"
      )
    } else {
      Terminal.print("  verified not at all (--no-verify)")
    }
    for note in found.conversion?.notes ?? [] where note.exactness != .exact {
      Terminal.print("  \(Terminal.paint(note.exactness.rawValue, .yellow))  \(note.layer): \(note.detail)")
    }
    if let report = found.conversion?.report {
      Terminal.print(
        "  verified \(Terminal.paint(report.verdict)): the written file against the part, on \(report.probes.count) probes"
      )
      for reason in report.reasons { Terminal.print("           \(reason)") }
    }
  }
}
