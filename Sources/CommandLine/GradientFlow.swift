internal import ArgumentParser
internal import ByteIO
internal import Forward
internal import RNNConv
internal import Verification

struct GradientFlowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gradient-flow",
    abstract: "Show how far back a model's gradients reach: vanishing, stable or exploding.",
    discussion: """
      For every recurrent layer and direction on its own, in Float64, along one sequence: the exact Jacobian of each step, \
      the norm of their product over distance, the Lyapunov exponents, the spectral radius of each recurrent kernel, how \
      open the gates are, and a verdict. Without --input the sequence is made up from the seed. The mathematics: \
      docs/gradient-flow.md.

      Examples:
        rnnconv gradient-flow model.onnx
        rnnconv gradient-flow model.rnnw --input x.npy --length 50
        rnnconv gradient-flow rnn.onnx lstm.onnx --length 64 --svg flow.svg
        rnnconv gradient-flow model.onnx --json --jacobians jacobians.npz
      """)

  @Argument(help: "The models; - for standard input.", completion: .file())
  var files: [String]

  @Option(
    help: ArgumentHelp("Input tensors (.npy, .npz, .pb); repeat for more.", valueName: "[name=]file"),
    completion: .file())
  var input: [String] = []

  @Option(help: "How many steps: the first of the inputs given, or of a made-up sequence (default 100).")
  var length: Int?

  @Option(help: "The row of the batch to follow.")
  var row = 0

  @Option(help: "How many Lyapunov exponents (default: all, up to 64).")
  var exponents: Int?

  @Option(help: "Seed of a made-up sequence.")
  var seed: UInt64 = 1

  @Option(
    help: ArgumentHelp("Draw all of them as one picture.", valueName: "file.svg"),
    completion: .file(extensions: ["svg"]))
  var svg: String?

  @Option(
    help: ArgumentHelp("Write each step's Jacobian, [T, S, S] a direction.", valueName: "file.npz"),
    completion: .file(extensions: ["npz"]))
  var jacobians: String?

  @Flag(help: "Print everything as JSON.")
  var json = false

  @OptionGroup var source: SourceOptions
  @OptionGroup var loss: LossOptions
  @OptionGroup var overwriting: OverwritingOptions

  func validate() throws {
    guard !files.isEmpty else { throw ValidationError("give a model") }
    guard jacobians == nil || files.count == 1 else { throw ValidationError("--jacobians takes one model") }
    if let exponents, exponents < 0 { throw ValidationError("--exponents \(exponents): give 0 or more") }
    if let length, length < 1 { throw ValidationError("--length \(length): give at least 1") }
  }

  func run() throws {
    var options = GradientFlowOptions()
    options.row = row
    options.exponents = exponents
    options.keepsJacobians = jacobians != nil
    let arguments = input.map { TensorArgument($0) }
    let inputs = files + arguments.map(\.path)
    try overwriting.check([svg], reading: inputs)
    try overwriting.check([jacobians], reading: inputs, areResults: true)
    let reports = try files.map { path in
      let file = try source.open(
        path, binding: try arguments.named(limits: source.limits), isOneOfSeveral: files.count > 1)
      try loss.check(file)
      let inputs =
        try arguments.isEmpty ? nil : arguments.tensors(for: file.inputNames, "input", limits: source.limits)
      return try Terminal.progress("following \(path)") {
        try file.gradientFlow(inputs: inputs, length: length, seed: seed, options)
      }
    }
    if let svg { try reports.writeSVG(to: svg) }
    if let jacobians { try TensorFile.write(reports[0].jacobians, to: jacobians) }
    if json {
      try Terminal.printJSON(.object([JSONMember("models", .array(reports.map(\.json)))]))
    } else {
      for report in reports { show(report) }
    }
  }

  private func show(_ report: GradientFlowReport) {
    let seed = report.seed.map { ", seed \($0)" } ?? ""
    Terminal.print("\(Terminal.paint(report.model, .bold)) on \(report.probe)\(seed)")
    for flow in report.flows {
      let state = flow.cellSize > 0 ? "h \(flow.outputSize), c \(flow.cellSize)" : "h \(flow.outputSize)"
      Terminal.print(
        "  \(Terminal.paint(flow.title, .bold)), state \(state), \(flow.steps) step\(flow.steps == 1 ? "" : "s")"
      )
      Terminal.print("    \(paint(flow.verdict))")
      let marks = flow.cellSize > 0 ? " (• state, h → h, c → c)" : ""
      Terminal.print("    ‖∂s_T/∂s_t‖\(marks)")
      for line in flow.textPlot() { Terminal.print("    \(line)") }
      let exponents = flow.exponents.prefix(6).map(\.brief).joined(separator: ", ")
      let more = flow.exponents.count > 6 ? ", … (\(flow.exponents.count))" : ""
      Terminal.print("    Lyapunov exponents  \(exponents)\(more)")
      let radii = flow.radii.map { "\($0.gate.rawValue) \($0.radius.brief)" }.joined(separator: ", ")
      if !radii.isEmpty { Terminal.print("    spectral radius     \(radii)") }
      for gate in flow.gates {
        Terminal.print(
          "    gate \(gate.gate.rawValue)              open \(gate.mean.brief) in the mean, "
            + "units \(gate.units.lowerBound.brief) to \(gate.units.upperBound.brief)")
      }
    }
  }

  private func paint(_ verdict: GradientVerdict) -> String {
    switch verdict {
    case .stable: Terminal.paint(verdict.words, .green)
    case .vanishes, .cut, .undecided: Terminal.paint(verdict.words, .yellow)
    case .explodes: Terminal.paint(verdict.words, .red)
    }
  }
}
