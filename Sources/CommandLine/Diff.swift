internal import ArgumentParser
internal import RNNConv

struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Compare two models' structure and weights without running them.",
    discussion: """
      Layers are paired in order. Of each tensor that differs: how many elements, by how many units in the last place \
      (ulps) of the coarser element type, and the largest difference, for each gate. Names and fixed sizes are shown \
      and do not count. Exit code 0 where both are one model, 1 where they differ.

      Examples:
        rnnconv diff a.onnx b.onnx
        rnnconv diff model.onnx model.rnnw --json
      """)

  @Argument(help: "The first model.", completion: .file())
  var left: String

  @Argument(help: "The second model.", completion: .file())
  var right: String

  @Flag(help: "Print everything as JSON.")
  var json = false

  @OptionGroup var source: SourceOptions
  @OptionGroup(title: "One of two files of weights") var paired: PairedArchitectureArguments

  func run() throws {
    let own = try paired.options(source.architecture)
    let a = try source.open(left, own.left, isOneOfSeveral: true)
    let b = try source.open(right, own.right, isOneOfSeveral: true)
    if try source.architecture.options.concernsWeightsAlone, !a.holdsWeightsAlone, !b.holdsWeightsAlone {
      throw a.architectureIsItsOwn
    }
    let (one, other) = (try a.model, try b.model)
    let difference = Terminal.progress("comparing") { diff(one, other) }
    if json {
      try Terminal.printJSON(difference.json(paths: (left, right)))
    } else {
      show(difference)
    }
    if !difference.isSame { throw ExitCode(1) }
  }

  private func show(_ difference: ModelDifference) {
    Terminal.print("\(Terminal.paint(left, .bold)) against \(Terminal.paint(right, .bold))")
    for attribute in difference.ports { show(attribute, indent: "  ") }
    for layer in difference.layers { show(layer) }
    let count = difference.differingLayers
    Terminal.print(
      difference.isSame
        ? "verdict: \(Terminal.paint("same", .green))"
        : "verdict: \(Terminal.paint("different", .red)) (\(count) of \(difference.layers.count) layers)")
  }

  private func show(_ attribute: AttributeDifference, indent: String) {
    let text = "\(attribute.name): \(attribute.left ?? "none") against \(attribute.right ?? "none")"
    Terminal.print(indent + (attribute.isNominal ? Terminal.paint("\(text) (does not count)", .dim) : text))
  }

  private func show(_ layer: LayerDifference) {
    guard let a = layer.left, let b = layer.right else {
      let path = layer.left == nil ? right : left
      Terminal.print("  \(layer.left ?? layer.right ?? "")  \(layer.operation): only in \(path)")
      return
    }
    Terminal.print(
      "  \(Terminal.paint(a == b ? a : "\(a) · \(b)", .bold))  \(layer.operation): "
        + (layer.isSame ? "the same" : "different"))
    for attribute in layer.attributes { show(attribute, indent: "    ") }
    for tensor in layer.tensors where !tensor.isSame { show(tensor) }
    for note in layer.notes { Terminal.print("    \(note)") }
  }

  private func show(_ tensor: TensorDifference) {
    guard let a = tensor.left, let b = tensor.right else {
      Terminal.print("    \(tensor.role): only in \(tensor.left == nil ? right : left)")
      return
    }
    Terminal.print("    \(tensor.role)  " + (a == b ? "\(a)" : "\(a) against \(b)"))
    for block in tensor.blocks where block.differing > 0 {
      let ulps = block.maxUlps == .max ? "NaN" : "≤ \(block.maxUlps) ulps"
      Terminal.print(
        "      \(block.gate.map { "\($0.rawValue): " } ?? "")\(block.differing) of \(block.elements) differ, \(ulps)"
          + (block.medianUlps == .max ? "" : " (median \(block.medianUlps))")
          + ", largest difference \(block.maxDifference.brief)")
    }
  }
}
