internal import ArgumentParser
internal import Forward
internal import RNNConv

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a model on tensors.",
    discussion: """
      Examples:
        rnnconv run model.onnx --input x.npy -o y.npy
        rnnconv run model.onnx --input x=x.npy --input h0=h.npy -o outputs.npz
        rnnconv run model.onnx --input inputs.npz -o y.npz --engine evaluator --precision float64
        rnnconv run captioner.rnnw --input features.npy -o captions.npz --beam 4 --length-penalty 0.6
      """)

  enum Engine: String, ExpressibleByArgument, CaseIterable {
    /// The canonical model, or the evaluator where the file cannot be imported.
    case auto, forward, evaluator
  }

  @Argument(help: "The model; - for standard input.", completion: .file())
  var file: String

  @Option(
    help: ArgumentHelp("Input tensors (.npy, .npz, .pb); repeat for more.", valueName: "[name=]file"),
    completion: .file())
  var input: [String]

  @Option(
    name: .shortAndLong, help: "Where the outputs go: .npy for one, .npz for several; - for standard output.",
    completion: .file())
  var output: String

  @Option(name: .customLong("output-name"), help: "Write only this output; repeat for more.")
  var outputNames: [String] = []

  @Option(help: "forward (the imported model), evaluator (the file by its own rules) or auto.")
  var engine = Engine.auto

  @Option(help: "float32 or float64.", completion: .list(["float32", "float64"]))
  var precision = "float32"

  @Option(help: "Loops that feed tokens back keep this many hypotheses; 1 takes the best token of each step.")
  var beam = 1

  @Option(
    name: .customLong("length-penalty"),
    help: "With --beam: log-probabilities are divided by ((5 + n) / 6)^a for n tokens.")
  var lengthPenalty = 0.0

  @OptionGroup var execution: ExecutionOptions
  @OptionGroup var source: SourceOptions
  @OptionGroup var loss: LossOptions
  @OptionGroup var overwriting: OverwritingOptions

  func run() throws {
    // Arrays of an earlier run are made of the same inputs again.
    try overwriting.check([output], reading: [file] + input.map { TensorArgument($0).path }, areResults: true)
    guard beam >= 1, lengthPenalty.isFinite else {
      throw RNNConvError.arguments("--beam takes a number from 1 on, --length-penalty a finite one")
    }
    if isSearching, engine == .evaluator {
      throw RNNConvError.arguments("--beam searches in the imported model, not with --engine evaluator")
    }
    guard let precision = Precision(rawValue: precision) else {
      throw RNNConvError.arguments("--precision \(precision): use float32 or float64")
    }
    let arguments = input.map { TensorArgument($0) }
    let file = try source.open(file, binding: try arguments.named(limits: source.limits))
    try loss.check(file, isEvaluated: isEvaluated(file))
    let inputs = try arguments.tensors(for: file.inputNames, "input", limits: source.limits)
    try file.verifyIntegrity()
    let results = try Terminal.progress("running \(file.path)") {
      try execution.use { try outputs(file, inputs, precision) }
    }
    let order = (try? file.model)?.outputs.map(\.name) ?? results.keys.sorted()
    for name in outputNames where results[name] == nil {
      throw RNNConvError.arguments("there is no output '\(name)'; there are \(order.joined(separator: ", "))")
    }
    let chosen = order.filter { outputNames.isEmpty || outputNames.contains($0) }
    try TensorFile.write(chosen.compactMap { name in results[name].map { (name, $0) } }, to: output)
  }

  private var isSearching: Bool { beam > 1 || lengthPenalty != 0 }

  /// By its own rules where that is asked for, or where an import is not, or not quite, what the file says.
  private func isEvaluated(_ file: ModelFile) -> Bool {
    switch engine {
    case .evaluator: true
    case .forward: false
    case .auto:
      !isSearching
        && ((try? file.model) == nil || file.leftOut.contains { $0.layer != ConversionNote.wholeFile })
    }
  }

  private func outputs(
    _ file: ModelFile, _ inputs: [String: Tensor], _ precision: Precision
  ) throws -> [String: Tensor] {
    if isEvaluated(file) { return try file.evaluate(inputs, precision: precision) }
    let model = try file.model
    let own = inputs.filter { input in model.inputs.contains { $0.name == input.key } }
    if isSearching {
      return try file.run(
        own, precision: precision, beam: Beam(width: beam, lengthPenalty: lengthPenalty))
    }
    return try file.run(own, precision: precision)
  }
}
