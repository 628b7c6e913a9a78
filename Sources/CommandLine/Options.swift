internal import ArgumentParser
internal import ByteIO
internal import Forward
internal import RNNConv

/// Options of everything that converts.
struct TargetOptions: ParsableArguments {
  @Option(
    help: "The target's format, instead of going by its extension: rnnw, onnx, pytorch or safetensors.",
    completion: .list(Format.all.map(\.name)))
  var format: String?

  @Option(help: "ONNX: the operator set to write, 7 to 28 (default 17).")
  var opset: Int64?

  @Option(
    name: .customLong("external-data"),
    help: "ONNX: keep large tensors in a file of this name beside the model.")
  var externalData: String?

  @Flag(help: ".rnnw: shuffle and deflate the tensors.")
  var compress = false

  @Option(
    help: """
      Convert the weights to F64, F32, F16, BF16 or (.rnnw, with --allow-loss) I8; every rounding is reported and \
      recorded, and how far it can move the outputs.
      """, completion: .list(["F64", "F32", "F16", "BF16", "I8"]))
  var dtype: String?

  @Flag(
    name: .customLong("allow-loss"),
    help: "Convert even where something is lost; the loss is recorded in the file.")
  var allowLoss = false

  @Flag(name: .customLong("no-verify"), help: "Write without proving the result first.")
  var noVerify = false

  @Option(help: "Seed of the probes that verification makes up.")
  var seed: UInt64 = 1

  @Flag(help: "Print the result as JSON.")
  var json = false

  @OptionGroup var execution: ExecutionOptions
  @OptionGroup var overwriting: OverwritingOptions

  var options: ConversionOptions {
    get throws {
      var options = ConversionOptions()
      options.write = WriteOptions(opset: opset, externalData: externalData, compressed: compress)
      if let dtype {
        guard let type = ElementType(rawValue: dtype.uppercased()), type.isFloat || type == .int8
        else {
          throw RNNConvError.arguments("--dtype \(dtype): use F64, F32, F16, BF16 or I8")
        }
        options.elementType = type
      }
      options.allowLoss = allowLoss
      options.verify = !noVerify
      options.seed = seed
      options.format = try format.map(Format.named)
      return options
    }
  }
}

/// Of what computes with a model and writes none.
struct LossOptions: ParsableArguments {
  @Flag(
    name: .customLong("allow-loss"),
    help: "Go on where the model leaves something of the file out, such as a head that no layer stands for.")
  var allowLoss = false

  /// Refuses what a file's model leaves out, or says it.
  ///
  /// - Parameter isEvaluated: whether the file runs by its own format's rules, of which an import loses nothing.
  func check(_ file: ModelFile, isEvaluated: Bool = false) throws {
    let lost = isEvaluated ? file.leftOut.filter { $0.layer == ConversionNote.wholeFile } : file.leftOut
    let needed = lost.filter { !$0.isOfUnusedInput }
    if !allowLoss, !needed.isEmpty { throw RNNConvError.loss(format: file.path, notes: needed) }
    for note in lost { Terminal.print("left out: \(file.path): \(note.detail)", to: 2) }
  }
}

/// Options of everything that runs models.
struct ExecutionOptions: ParsableArguments {
  @Option(
    help:
      "How many threads a pass may use (default: as many as there are cores); results do not depend on it.")
  var threads: Int?

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads \(threads): a pass takes at least one") }
  }

  /// Runs `body`, whose passes use so many threads.
  func use<Result>(_ body: () throws -> Result) rethrows -> Result {
    try Execution.$current.withValue(threads.map { Execution(threads: $0) } ?? Execution(), operation: body)
  }
}

/// Of every command that opens files of others.
struct LimitOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "What a file may ask for at most, by name (docs/SECURITY.md); repeat for more.",
      valueName: "name=value"))
  var limit: [String] = []

  var limits: Limits {
    get throws {
      var limits = Limits.standard
      for setting in limit where !limits.set(setting) {
        throw RNNConvError.arguments(
          "--limit \(setting): give a number from 1 on to one of "
            + Limits.names.map(\.name).joined(separator: ", "))
      }
      return limits
    }
  }
}

/// Options of everything that reads a model.
struct SourceOptions: ParsableArguments {
  @Option(
    name: .customLong("from"), help: "The source's format, instead of going by its content.",
    completion: .list(Format.all.map(\.name)))
  var from: String?

  @Option(
    help: ArgumentHelp(
      "Values for a graph input that holds weights, or a whole number for one that decides something (sr=16000) or for a size that an input's shape leaves open (frames=100, or input:1=100); repeat for more.",
      valueName: "name=file"),
    completion: .file())
  var bind: [String] = []

  @Option(
    help: ArgumentHelp(
      "What the axes of a graph's input are, where their use does not tell: x=batch,time,features; repeat for more.",
      valueName: "name=axes"))
  var axes: [String] = []

  @OptionGroup var limitation: LimitOptions

  @OptionGroup(title: "Weights without an architecture (PyTorch, safetensors, .npz)")
  var architecture: ArchitectureArguments

  var limits: Limits { get throws { try limitation.limits } }

  /// `--axes`, by the inputs' names.
  var namedAxes: [String: [InputAxis]] {
    get throws {
      var named: [String: [InputAxis]] = [:]
      for setting in axes {
        // Names may hold an equals sign; axes do not.
        let parts = setting.lastIndex(of: "=").map { (setting[..<$0], setting[setting.index(after: $0)...]) }
        let roles = parts?.1.split(separator: ",", omittingEmptySubsequences: false).map {
          InputAxis(rawValue: String($0))
        }
        guard let name = parts?.0, !name.isEmpty, let roles, !roles.contains(nil) else {
          let known = InputAxis.allCases.map(\.rawValue).joined(separator: ", ")
          throw RNNConvError.arguments("--axes \(setting): write NAME=AXIS,AXIS… with \(known)")
        }
        named[String(name)] = roles.compactMap(\.self)
      }
      return named
    }
  }

  /// - Parameters:
  ///   - own: what is said of this file alone.
  ///   - isOneOfSeveral: whether what is said of all may be about the others.
  func open(
    _ path: String, binding inputs: [String: Tensor] = [:], _ own: ArchitectureOptions? = nil,
    isOneOfSeveral: Bool = false
  ) throws -> ModelFile {
    let given = bind.map { TensorArgument($0) }
    let bindings = inputs.merging(try given.bindings(limits: limits)) { $1 }
    var options = try own ?? architecture.options
    options.axes = try namedAxes
    let file = try ModelFile.open(
      path, format: try from.map(Format.named), bindings: bindings, architecture: options, limits: try limits)
    if let stranger = given.compactMap(\.name).first(where: { !file.canBind($0) }), !isOneOfSeveral {
      throw ModelFile.unbound(stranger, in: [file])
    }
    if options.concernsWeightsAlone, !file.holdsWeightsAlone, own != nil || !isOneOfSeveral {
      throw file.architectureIsItsOwn
    }
    return file
  }
}
