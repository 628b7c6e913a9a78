internal import ArgumentParser
internal import RNNConv

/// Options of everything that converts.
struct TargetOptions: ParsableArguments {
  @Option(help: "The target's format, instead of going by its extension: rnnw or onnx.")
  var format: String?

  @Option(help: "ONNX: the operator set to write, 7 to 28 (default 17).")
  var opset: Int64?

  @Option(
    name: .customLong("external-data"),
    help: "ONNX: keep large tensors in a file of this name beside the model.")
  var externalData: String?

  @Flag(help: ".rnnw: shuffle and deflate the tensors.")
  var compress = false

  @Option(help: "Convert the weights to F64, F32, F16 or BF16; every rounding is reported and recorded.")
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

  var options: ConversionOptions {
    get throws {
      var options = ConversionOptions()
      options.write = WriteOptions(opset: opset, externalData: externalData, compressed: compress)
      if let dtype {
        guard let type = ElementType(rawValue: dtype.uppercased()), type.isFloat else {
          throw RNNConvError.arguments("--dtype \(dtype): use F64, F32, F16 or BF16")
        }
        options.elementType = type
      }
      options.allowLoss = allowLoss
      options.verify = !noVerify
      options.seed = seed
      options.format = format
      return options
    }
  }
}

/// Options of everything that reads a model.
struct SourceOptions: ParsableArguments {
  @Option(name: .customLong("from"), help: "The source's format, instead of going by its content.")
  var from: String?

  @Option(
    help: ArgumentHelp(
      "Values for a graph input that holds weights; repeat for more.", valueName: "name=file"))
  var bind: [String] = []

  func open(_ path: String, binding inputs: [String: Tensor] = [:]) throws -> ModelFile {
    var bindings = inputs
    for argument in bind {
      for (name, tensor) in try TensorArgument(argument).tensors() {
        guard let name else {
          throw RNNConvError.arguments("--bind \(argument): say which input it is for, as name=file")
        }
        bindings[name] = tensor
      }
    }
    return try ModelFile.open(path, format: from, bindings: bindings)
  }
}

/// `name=file` or `file`: one tensor, or those of an archive.
struct TensorArgument {
  let name: String?
  let path: String

  init(_ argument: String) throws {
    if let mark = argument.firstIndex(of: "="), !argument[..<mark].contains("/") {
      name = String(argument[..<mark])
      path = String(argument[argument.index(after: mark)...])
    } else {
      name = nil
      path = argument
    }
    guard !path.isEmpty else {
      throw RNNConvError.arguments("'\(argument)' names no file: give it as name=file")
    }
  }

  func tensors() throws -> [(name: String?, tensor: Tensor)] {
    let read = try TensorFile.read(path)
    guard let name else { return read }
    guard read.count == 1 else {
      guard let chosen = read.first(where: { $0.name == name }) else {
        throw RNNConvError.arguments("\(path) holds no tensor '\(name)'")
      }
      return [chosen]
    }
    return [(name, read[0].tensor)]
  }
}

/// Named tensors from `name=file` arguments; a single unnamed one belongs to the only name there is.
func tensors(_ arguments: [String], for names: [String], _ what: String) throws -> [String: Tensor] {
  var result: [String: Tensor] = [:]
  for argument in arguments {
    let parsed = try TensorArgument(argument)
    if let name = parsed.name, !names.isEmpty, !names.contains(name) {
      throw RNNConvError.arguments(
        "\(argument): there is no \(what) '\(name)'; there are \(names.joined(separator: ", "))")
    }
    for (name, tensor) in try parsed.tensors() {
      if let name, names.isEmpty || names.contains(name) || names.count != 1 || arguments.count > 1 {
        result[name] = tensor
      } else if let only = names.first, names.count == 1 {
        result[only] = tensor
      } else {
        throw RNNConvError.arguments(
          "\(argument): say which \(what) it is, as name=file; there are \(names.joined(separator: ", "))")
      }
    }
  }
  return result
}

/// Those tensors of `name=file` arguments that have a name.
func namedTensors(_ arguments: [String]) throws -> [String: Tensor] {
  var result: [String: Tensor] = [:]
  for argument in arguments {
    for (name, tensor) in try TensorArgument(argument).tensors() {
      if let name { result[name] = tensor }
    }
  }
  return result
}
