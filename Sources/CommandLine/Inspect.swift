internal import ArgumentParser
internal import RNNConv
internal import Verification

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show a model: layers, shapes, element types, parameters, gate order, fingerprint.",
    discussion: """
      Examples:
        rnnconv inspect model.onnx
        rnnconv inspect model.rnnw --json
        rnnconv inspect checkpoint.pt --tensors
        rnnconv inspect model.onnx --stats
      """)

  @Argument(help: "The model; - for standard input.", completion: .file())
  var file: String

  @Flag(help: "Print everything as JSON.")
  var json = false

  @Flag(help: "List the tensors alone, by their names in the file, also where no model can be made of it.")
  var tensors = false

  @Flag(
    help:
      "With the tensors' least and greatest elements, and how many are NaN or infinite; reads all of them.")
  var stats = false

  @OptionGroup var source: SourceOptions

  func run() throws {
    let file = try source.open(file)
    if tensors || stats { return try list(file) }
    if let graph = file.graphSummary {
      // What it holds, and then why no model is made of it.
      if json { try Terminal.printJSON(try file.graphJSON(graph)) } else { printGraph(graph, of: file) }
      _ = try file.model
    }
    if json { return try Terminal.printJSON(try file.summary()) }
    printFile(file)
    let model = try file.model
    Terminal.print("  fingerprint  \(model.fingerprint)")
    Terminal.print("  parameters   \(model.parameterCount.grouped)")
    for port in model.inputs {
      Terminal.print("  input        \(port.name) \(port.elementType.rawValue) \(port.shapeDescription)")
    }
    for port in model.outputs {
      Terminal.print("  output       \(port.name) \(port.elementType.rawValue) \(port.shapeDescription)")
    }
    Terminal.print()
    for layer in model.layers {
      Terminal.print("  \(Terminal.paint(layer.name, .bold))  \(describe(layer.operation))")
      Terminal.print("    \(wires(layer.inputs)) → \(wires(layer.outputs))")
      for (role, tensor) in layer.operation.tensors {
        Terminal.print("    \(role)  \(tensor.elementType.rawValue) \(tensor.shape)")
      }
    }
    printFindings(file)
    for (key, value) in model.metadata.sorted(by: { $0.key < $1.key }) {
      Terminal.print("  \(Terminal.paint(key, .dim))  \(value)")
    }
  }

  /// A file that may run as it is, and is not imported.
  private func printGraph(_ graph: GraphSummary, of file: ModelFile) {
    printFile(file)
    Terminal.print("  parameters   \(graph.weightCount.grouped)")
    for port in graph.inputs { Terminal.print("  input        \(port.description)") }
    for port in graph.outputs { Terminal.print("  output       \(port.description)") }
    if !graph.recurrentLayers.isEmpty { Terminal.print() }
    for layer in graph.recurrentLayers {
      Terminal.print("  \(Terminal.paint(layer.name, .bold))  \(layer.description)")
    }
  }

  /// What is known of every file, also of one that cannot be imported.
  private func printFile(_ file: ModelFile) {
    Terminal.print(
      "\(Terminal.paint(file.path, .bold))  \(file.format.name), \(file.byteCount.grouped) bytes")
    for fact in file.facts {
      Terminal.print(
        "  \(fact.name)\(String(repeating: " ", count: max(1, 13 - fact.name.count)))\(fact.value)")
    }
    if let count = try? file.storedTensors.count { Terminal.print("  tensors      \(count.grouped)") }
  }

  private func wires(_ names: [String?]) -> String { names.map { $0 ?? "–" }.joined(separator: ", ") }

  private func list(_ file: ModelFile) throws {
    if json { return try Terminal.printJSON(try file.tensorSummary(statistics: stats)) }
    for tensor in try file.storedTensors {
      Terminal.print(
        "\(tensor.name)  \(tensor.elementType) \(tensor.shape)" + (stats ? "  " + range(tensor) : ""))
    }
    printFindings(file)
  }

  private func range(_ tensor: StoredTensor) -> String {
    let found = tensor.statistics
    var words: [String] = []
    if let least = found.least, let most = found.most { words.append("\(least.brief) … \(most.brief)") }
    if found.nanCount > 0 { words.append("\(found.nanCount.grouped) NaN") }
    if found.infiniteCount > 0 { words.append("\(found.infiniteCount.grouped) infinite") }
    return words.isEmpty ? "no element" : words.joined(separator: ", ")
  }

  private func printFindings(_ file: ModelFile) {
    if file.findings.isEmpty { return }
    Terminal.print()
    Terminal.print("  how the architecture was found:")
    for finding in file.findings { Terminal.print("    \(finding.line)") }
  }

  private func describe(_ operation: Layer.Operation) -> String {
    switch operation {
    case .recurrent(let layer):
      var text = "\(layer.cell.name) \(layer.inputSize) → \(layer.hiddenSize), \(layer.direction.rawValue)"
      text += ", gates \(layer.cell.gateOrder)"
      if let size = layer.projectionSize { text += ", projected to \(size)" }
      if let resetAfter = layer.cell.kind.resetAfter {
        text += resetAfter ? ", reset after" : ", reset before"
      }
      if let clip = layer.clip { text += ", clip \(clip.brief)" }
      if layer.inputForget { text += ", f = 1 − i" }
      switch layer.path {
      case .time: break
      case .timeAtPlaces(let count): text += ", along time at \(count) places of the features"
      case .places(let count): text += ", along \(count) places of the features"
      }
      return text
    case .dense(let dense): return "Dense \(dense.weight.shape[1]) → \(dense.weight.shape[0])"
    case .convolution(let convolution): return describe(convolution)
    case .pool(let pool):
      let kernel = pool.axes.map { "\($0.kernel)" }.joined(separator: "×")
      return "Pool \(pool.reduction.rawValue), window \(kernel)\(strides(pool.axes))"
    case .transposedConvolution(let layer): return describe(layer)
    case .resize(let resize):
      let axes = resize.axes.map { axis in
        axis.size.map { "\($0) → \(axis.results ?? 0)" } ?? "time × \(axis.scale.brief)"
      }
      return "Resize \(axes.joined(separator: ", ")), \(resize.mode), \(resize.coordinates.rawValue)"
    case .padding(let padding):
      let axes = padding.axes.map { "\($0.before) and \($0.after)" }.joined(separator: ", ")
      return "Pad \(axes), \(padding.mode)"
    case .gather(let gather):
      return "FeatureGather from \(gather.start), "
        + gather.factors.map { "\($0.count) by \($0.stride)" }.joined(separator: ", ")
    case .unfold(let unfold): return "Unfold \(unfold.count) steps, \(unfold.inner) apart"
    case .fold(let fold): return "Fold \(fold.count) steps"
    case .reduce(let reduction):
      return "Reduce \(reduction.function.rawValue) of \(reduction.count), \(reduction.inner) apart"
    case .embedding(let embedding):
      return "Embedding \(embedding.table.shape[0]) × \(embedding.table.shape[1])"
    case .activation(let activation): return "Activation \(activation)"
    case .select(let selection): return "Select \(selection)"
    case .slice(let slice): return "Slice \(slice.start) ..< \(slice.start + slice.count)"
    case .arithmetic(let arithmetic): return "Arithmetic \(arithmetic.operator.rawValue)"
    case .generate(let generate):
      let stop = generate.stop.map { ", until \($0.value) = \($0.token)" } ?? ""
      return "Generate \(generate.body.map(\.operation.name).joined(separator: " → "))"
        + ", \(generate.maxSteps) steps at most\(stop)"
    case .layerNormalization(let layer):
      return "LayerNormalization \(layer.scale.count), epsilon \(layer.epsilon.brief)"
    case .batchNormalization(let layer):
      return
        "BatchNormalization \(layer.scale.count)\(layer.inner == 1 ? "" : " × \(layer.inner)"), epsilon \(layer.epsilon.brief)"
    case .normalization(let layer): return describe(layer)
    case .stepPacking(let packing):
      return "StepPacking \(packing.direction.rawValue), without steps of token \(packing.skipped)"
    case .dropout(let dropout): return "Dropout \(dropout.ratio.brief) (identity at inference)"
    case .choice(let choice):
      func text(_ tensor: Tensor?) -> String {
        tensor.map { $0.count == 1 ? $0.doubles[0].brief : "a constant" } ?? "an input"
      }
      return "Choice of \(text(choice.first)), else \(text(choice.second))"
    case .attention(let attention):
      return "Attention, \(attention.heads) heads\(attention.isCausal ? ", causal" : "")"
    case .cumulativeSum(let sum):
      return "CumulativeSum" + (sum.isExclusive ? ", exclusive" : "")
        + (sum.isReverse ? ", from the end" : "")
    case .softmax, .logSoftmax, .timeSoftmax, .repeated, .concat, .constant, .reverse, .argMax:
      return operation.name
    }
  }

  private func describe(_ layer: Convolution) -> String {
    let kernel = layer.axes.map { "\($0.kernel)" }.joined(separator: "×")
    let groups = layer.groups == 1 ? "" : ", \(layer.groups) groups"
    return "Convolution \(layer.weight.shape[1] * layer.groups) → \(layer.weight.shape[0]), kernel \(kernel)"
      + strides(layer.axes) + groups
  }

  private func describe(_ layer: TransposedConvolution) -> String {
    let kernel = layer.axes.map { "\($0.kernel)" }.joined(separator: "×")
    let stride = layer.axes.map { "\($0.stride)" }.joined(separator: "×")
    let groups = layer.groups == 1 ? "" : ", \(layer.groups) groups"
    return
      "TransposedConvolution \(layer.weight.shape[0]) → \(layer.outputs), kernel \(kernel), stride \(stride)"
      + groups
  }

  private func describe(_ layer: Normalization) -> String {
    "Normalization \(layer.divisor.rawValue) of \(layer.count)"
      + (layer.inner == 1 ? "" : ", \(layer.inner) apart")
      + (layer.overTime ? ", over all steps" : "")
      + (layer.divisor.hasEpsilon ? ", epsilon \(layer.epsilon.brief)" : "")
  }

  private func strides(_ axes: [WindowAxis]) -> String {
    func list(_ numbers: [Int], _ name: String) -> String {
      numbers.allSatisfy { $0 == 1 } ? "" : ", \(name) " + numbers.map(String.init).joined(separator: "×")
    }
    return list(axes.map(\.stride), "stride") + list(axes.map(\.dilation), "dilation")
  }
}
