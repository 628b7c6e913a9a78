internal import ArgumentParser
internal import RNNConv

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Import a model into .rnnw.",
    discussion: """
      Short for 'rnnconv convert FILE OUTPUT --format rnnw'.

      Examples:
        rnnconv import model.onnx -o model.rnnw
        rnnconv import model.onnx -o model.rnnw --bind W=weights.npz --compress
        rnnconv import checkpoint.pt -o model.rnnw --key model_state --batch-first
      """)

  @Argument(help: "The model; - for standard input.", completion: .file())
  var file: String

  @Option(name: .shortAndLong, help: "The .rnnw file to write; - for standard output.", completion: .file())
  var output: String

  @OptionGroup var source: SourceOptions
  @OptionGroup var target: TargetOptions

  func run() throws {
    var target = target
    if target.format == nil, let other = Format.all.first(where: { $0.isNamed(by: output) }),
      other.name != "rnnw"
    {
      throw RNNConvError.arguments(
        "\(output): import writes .rnnw; 'rnnconv convert' writes \(other.name), by the extension")
    }
    target.format = target.format ?? "rnnw"
    try convert(try source.open(file), to: output, target)
  }
}

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Export a .rnnw model to another format.",
    discussion: """
      Short for 'rnnconv convert FILE OUTPUT'.

      Examples:
        rnnconv export model.rnnw -o model.onnx
        rnnconv export model.rnnw -o model.onnx --opset 14 --external-data model.bin
      """)

  @Argument(help: "The model; - for standard input.", completion: .file())
  var file: String

  @Option(
    name: .shortAndLong, help: "The file to write; its extension names the format. - for standard output.",
    completion: .file())
  var output: String

  @OptionGroup var source: SourceOptions
  @OptionGroup var target: TargetOptions

  func run() throws { try convert(try source.open(file), to: output, target) }
}

struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Convert between any two formats and prove the result.",
    discussion: """
      Examples:
        rnnconv convert model.onnx model.rnnw
        rnnconv convert old.onnx new.onnx --opset 22
        rnnconv convert model.pt model.onnx --batch-first --select last --head softmax
        rnnconv convert model.onnx model.safetensors
        rnnconv convert trained.pt new.onnx --like export.onnx
      """)

  @Argument(help: "The model; - for standard input.", completion: .file())
  var input: String

  @Argument(help: "The file to write; its extension names the format.", completion: .file())
  var output: String

  @Option(
    help: """
      An ONNX export of the same module: its graph with the weights of the input, a state dict, matched by names, shapes and \
      values; every byte but the weights stays.
      """, completion: .file(extensions: ["onnx"]))
  var like: String?

  @OptionGroup var source: SourceOptions
  @OptionGroup var target: TargetOptions

  func run() throws {
    guard let like else { return try convert(try source.open(input), to: output, target) }
    var graph = source
    // What is said of weights is not of the graph, and what is bound is of the graph alone.
    graph.from = nil
    var weights = source
    weights.bind = []
    try transfer(
      try weights.open(input), like: try graph.open(like, ArchitectureOptions()), to: output, target)
  }
}
