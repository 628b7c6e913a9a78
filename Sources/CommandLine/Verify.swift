internal import ArgumentParser
internal import FixtureChecks
internal import RNNConv
internal import Verification

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Compare two models, or a model with recorded outputs, and say whether they compute the same.",
    discussion: """
      Each file runs by its own format's rules. Without --input, inputs are made up from the seed: random, single step, \
      ragged lengths, longer, zeros, saturating, tiny, denormal, one-hot; --suite thorough adds long sequences. With one \
      file and no --expected, the file is compared with its own import.

      Examples:
        rnnconv verify model.onnx model.rnnw
        rnnconv verify model.onnx --input x.npy --expected y.npy --runtime pytorch
        rnnconv verify model.onnx --input input_0.pb --expected output_0.pb
        rnnconv verify a.onnx b.onnx --suite thorough --evidence proof.json
        rnnconv verify trusted.onnx suspect.onnx --write-fixed fixed.onnx
        rnnconv verify model.onnx --power --input x.npy
      """)

  @Argument(help: "The model, and what it is compared with.", completion: .file())
  var files: [String]

  @Option(
    help: ArgumentHelp("Input tensors (.npy, .npz, .pb); repeat for more.", valueName: "[name=]file"),
    completion: .file())
  var input: [String] = []

  @Option(
    help: ArgumentHelp("Expected outputs (.npy, .npz, .pb); repeat for more.", valueName: "[name=]file"),
    completion: .file())
  var expected: [String] = []

  @Option(
    help:
      "The runtime that made the expected outputs: any, onnxruntime, pytorch, keras, openvino, litert or tract.",
    completion: .list(VerificationOptions.Runtime.allCases.map(\.rawValue)))
  var runtime = "any"

  @Option(
    name: .customLong("activation-error"),
    help: ArgumentHelp(
      "How far tanh and sigmoid of that runtime may be off, where it is none of these, such as 1e-4.",
      valueName: "error"))
  var activationError: Double?

  @Option(help: "Accept this absolute deviation beyond the derived bound; the verdict is then 'close'.")
  var atol: Double?

  @Option(help: "Accept this relative deviation beyond the derived bound; the verdict is then 'close'.")
  var rtol: Double?

  @Option(
    help:
      "What the second file may have stored the first one's weights as: F16, BF16 or I8 (one scale a tensor).",
    completion: .list(WeightStorage.allCases.map(\.rawValue)))
  var storage: String?

  @Option(help: "Seed of the inputs that are made up.")
  var seed: UInt64 = 1

  @Option(
    help: "What is tried where inputs are made up: quick, standard or thorough.",
    completion: .list(ProbeSuite.allCases.map(\.rawValue)))
  var suite = "standard"

  @Option(
    help: ArgumentHelp("Write down everything that 'rnnconv replay' needs.", valueName: "file"),
    completion: .file())
  var evidence: String?

  @Option(
    name: .customLong("report"),
    help: ArgumentHelp(
      "Write the report as one page with plots, dated SOURCE_DATE_EPOCH where that is set.",
      valueName: "file.html"), completion: .file(extensions: ["html"]))
  var page: String?

  @Option(
    name: .customLong("write-fixed"),
    help: ArgumentHelp(
      "Where exactly one known mistake explains a difference, write the model with it taken back.",
      valueName: "path"), completion: .file())
  var writeFixed: String?

  @Flag(
    name: .customLong("no-diagnosis"), help: "Where they differ, do not look for the place and the reason.")
  var noDiagnosis = false

  @Flag(help: "Compare nothing: tell which known mistakes the inputs could not notice in this model.")
  var power = false

  @Flag(help: "Print the report as JSON.")
  var json = false

  @OptionGroup var execution: ExecutionOptions
  @OptionGroup var source: SourceOptions
  @OptionGroup(title: "One of two files of weights") var paired: PairedArchitectureArguments
  @OptionGroup var loss: LossOptions
  @OptionGroup var overwriting: OverwritingOptions

  func validate() throws {
    guard (1...2).contains(files.count) else { throw ValidationError("give one or two files") }
    guard expected.isEmpty || files.count == 1 else {
      throw ValidationError("compare either with a second file or with --expected, not both")
    }
    guard !power || files.count == 1 && expected.isEmpty && writeFixed == nil else {
      throw ValidationError("--power takes one file, and inputs if you like")
    }
    guard !noDiagnosis || writeFixed == nil else {
      throw ValidationError("--write-fixed needs the diagnosis: leave out --no-diagnosis")
    }
    for (name, value) in [("--atol", atol), ("--rtol", rtol), ("--activation-error", activationError)] {
      if let value, !(value >= 0 && value.isFinite) {
        throw ValidationError("\(name) \(value): give zero or a positive number")
      }
    }
  }

  func run() throws {
    if power { return try showPower() }
    let request = try request
    if let writeFixed { try refuseOverwriting(writeFixed, request) }
    try overwriting.check(
      [page, evidence, writeFixed],
      reading: files + (input + expected).map { TensorArgument($0).path }, isInPlace: false)
    let outcome = try Terminal.progress("verifying") { try execution.use { try request.run() } }
    let report = outcome.report
    if let page { try writePage(outcome, to: page) }
    if let evidence { try Evidence(request, outcome).write(to: evidence) }
    if json {
      try Terminal.printJSON(report.json)
    } else {
      show(report, outcome)
    }
    if let writeFixed { try writeMended(request, outcome, to: writeFixed) }
    if report.verdict.exitCode != 0 { throw ExitCode(report.verdict.exitCode) }
  }

  var request: VerificationRequest {
    get throws {
      var request = VerificationRequest(files)
      request.inputs = input.map { TensorArgument($0) }
      request.expected = expected.map { TensorArgument($0) }
      request.allowsLoss = loss.allowLoss
      request.bindings = source.bind.map { TensorArgument($0) }
      request.format = try source.from.map(Format.named)
      request.limits = try source.limits
      request.architecture = try source.architecture.options
      (request.leftArchitecture, request.rightArchitecture) = try paired.options(source.architecture)
      let axes = try source.namedAxes
      request.architecture.axes = axes
      request.leftArchitecture?.axes = axes
      request.rightArchitecture?.axes = axes
      for option in VerificationOption.allCases { try tell(option, &request.options) }
      request.alreadyOpen = RNNConvCommand.headStart?.opened ?? [:]
      return request
    }
  }

  /// Sets one option as it was given on the command line.
  private func tell(_ option: VerificationOption, _ options: inout VerificationOptions) throws {
    switch option {
    case .runtime:
      let known = VerificationOptions.Runtime.allCases.map(\.rawValue)
      guard let named = VerificationOptions.Runtime(rawValue: runtime) else {
        throw RNNConvError.arguments("--runtime \(runtime): use \(known.joined(separator: ", "))")
      }
      options.runtime = named
    case .tolerance:
      if atol != nil || rtol != nil {
        options.tolerance = Tolerance(absolute: atol ?? 0, relative: rtol ?? 0)
      }
    case .seed: options.seed = seed
    case .suite:
      guard let named = ProbeSuite(rawValue: suite) else {
        throw RNNConvError.arguments("--suite \(suite): use quick, standard or thorough")
      }
      options.suite = named
    case .storage:
      guard let storage else { return }
      guard let known = WeightStorage(rawValue: storage.uppercased()), files.count == 2 else {
        throw RNNConvError.arguments("--storage \(storage): use F16, BF16 or I8, and two files")
      }
      options.storage = known
    case .activationError: options.activationError = activationError
    case .isDiagnosing: options.isDiagnosing = !noDiagnosis
    }
  }

  private func show(_ report: VerificationReport, _ outcome: VerificationRequest.Outcome) {
    Terminal.print("\(Terminal.paint(report.left, .bold)) against \(Terminal.paint(report.right, .bold))")
    let prints = report.fingerprints.compactMap { $0 }
    if prints.count == 2 {
      Terminal.print(
        prints[0] == prints[1]
          ? "  fingerprint  \(prints[0].prefix(16))… the same model"
          : "  fingerprint  \(prints[0].prefix(16))… and \(prints[1].prefix(16))…")
    }
    let seed = report.seed.map { ", seed \($0)" } ?? ""
    Terminal.print("  probes       \(report.probes.count)\(seed): \(report.probes.joined(separator: ", "))")
    for output in report.outputs {
      let share =
        output.tightness > 1
        ? "\(output.tightness.brief) times its bound" : "at most \(output.tightness.brief) of its bound"
      Terminal.print(
        "  output       \(output.name): \(Terminal.paint(output.verdict)), largest deviation "
          + output.maxDeviation.brief + (output.maxDeviation == 0 ? "" : ", \(share)")
          + ", \(output.elements) elements")
    }
    for road in report.roads {
      Terminal.print(
        "  import       \(road.side): "
          + (road.isSecond || road.verdict > .equal
            ? "\(Terminal.paint(road.verdict)) to its own evaluator"
            : "its rules are the canonical model's, there is no second road"))
    }
    if let radius = report.radius, report.verdict <= .inconclusive {
      Terminal.print("  would show   \(radius.summary)")
    }
    for reason in report.reasons { Terminal.print("  because      \(reason)") }
    if let diagnosis = report.diagnosis { show(diagnosis, outcome) }
    Terminal.print("verdict: \(Terminal.paint(report.verdict))")
  }
}
