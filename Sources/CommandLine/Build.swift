internal import ArgumentParser
internal import RNNConv

struct Build: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "build",
    abstract: "Build a model from a description in words and arrays.",
    discussion: """
      The description is a .model.json (docs/building.md, schemas/model-description.schema.json); its arrays come from \
      .npz, .safetensors or a PyTorch checkpoint beside it, or are written out.

      Examples:
        rnnconv build captioner.model.json -o captioner.rnnw
        rnnconv build captioner.model.json -o captioner.onnx
        rnnconv build cell.model.json -o cell.rnnw --bind W=w.npy
      """)

  @Argument(help: "The description; - for standard input.", completion: .file())
  var file: String

  @Option(
    name: .shortAndLong, help: "The file to write; its extension names the format. - for standard output.",
    completion: .file())
  var output: String

  @Option(
    help: ArgumentHelp("An array that the description names; repeat for more.", valueName: "name=file"),
    completion: .file())
  var bind: [String] = []

  @OptionGroup var limitation: LimitOptions

  @OptionGroup var target: TargetOptions

  func run() throws {
    let limits = try limitation.limits
    let bindings = try bind.map { TensorArgument($0) }.bindings(limits: limits)
    let description = try ModelFile.open(file, format: .modelDescription, bindings: bindings, limits: limits)
    try convert(description, to: output, target)
  }
}
