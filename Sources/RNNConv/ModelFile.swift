public import ByteIO
public import Forward
public import Recurrent
public import StateDicts
public import Tensors

/// A model file of any format: its canonical model, and its own format's evaluator.
public struct ModelFile: Sendable {
  /// What messages and reports call the file.
  public private(set) var path: String
  /// As it was named, or found by the content or the path; `rnnw` for a model in memory.
  public let format: Format
  /// Of the file itself, without its companions; 0 for a model in memory.
  public let byteCount: Int
  private(set) var content: Format.Content

  /// Opens a file; `-` is standard input.
  ///
  /// - Parameters:
  ///   - path: of the file; its folder is where parts in files of their own are read from.
  ///   - format: nil to go by the content, and by the path's extension where that does not tell.
  ///   - bindings: values for graph inputs that hold weights (ONNX); whole numbers for those that decide something, and for sizes that the
  ///     inputs leave open, by their symbol or as `input:axis`.
  ///   - architecture: what a file of weights alone does not say (PyTorch, safetensors, `.npz`).
  ///   - limits: what the file may ask for.
  /// - Throws: `RNNConvError` naming the file and the place in it.
  public static func open(
    _ path: String, format: Format? = nil, bindings: [String: Tensor] = [:],
    architecture: ArchitectureOptions = ArchitectureOptions(), limits: Limits = .standard
  ) throws(RNNConvError) -> ModelFile {
    let bytes: ByteBuffer
    do { bytes = try ByteBuffer.open(path: path, limit: limits.fileBytes) } catch {
      if let foreign = ForeignFormat.recognise(folder: path) {
        throw .foreignFormat(path: path, name: foreign.name, advice: foreign.advice)
      }
      throw .file(error)
    }
    let folder = path == "-" ? nil : path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    return try ModelFile(
      bytes: bytes, path: path, folder: folder, format: format, bindings: bindings,
      architecture: architecture,
      limits: limits)
  }

  /// Reads a file that is in memory already; parameters and errors as those of `open`.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - path: what messages call it; its extension tells the format where the content does not.
  ///   - folder: where parts in files of their own may be read from; nil refuses them.
  ///   - companions: such files by name that are in memory already, and not looked for in the folder.
  ///   - named: the format; nil to go by the content.
  ///   - bindings: values for graph inputs that hold weights (ONNX); whole numbers for those that decide something, and for sizes that the
  ///     inputs leave open, by their symbol or as `input:axis`.
  ///   - architecture: what a file of weights alone does not say.
  ///   - limits: what the file may ask for.
  public init(
    bytes: ByteBuffer, path: String = "bytes in memory", folder: String? = nil,
    companions: [String: ByteBuffer] = [:], format named: Format? = nil, bindings: [String: Tensor] = [:],
    architecture: ArchitectureOptions = ArchitectureOptions(),
    limits: Limits = .standard
  ) throws(RNNConvError) {
    guard bytes.count > 0 else { throw .unreadable(path: path, reason: "the file is empty") }
    if let named {
      format = named
    } else if let found = Format.all.first(where: { $0.recognises(bytes) }), found.hasMark {
      format = found
    } else if let foreign = ForeignFormat.recognise(bytes, path: path) {
      throw .foreignFormat(path: path, name: foreign.name, advice: foreign.advice)
    } else if Format.onnx.recognises(bytes) {
      format = .onnx
    } else if let byName = try? Format.forPath(path) {
      format = byName
    } else {
      throw .unknownFormat(path: path, known: Format.all.map(\.name))
    }
    self.path = path
    byteCount = bytes.count
    var options = ReadOptions(
      path: path, folder: folder, bindings: bindings, architecture: architecture, limits: limits)
    options.companions = companions
    content = try format.read(bytes, options)
  }

  /// The canonical model; throws where the file can be evaluated but not imported.
  public var model: Model {
    get throws(RNNConvError) { try content.model.get() }
  }

  /// How exact the import was, layer by layer.
  public var notes: [ConversionNote] { content.notes }

  /// What of the file its model leaves out, such as a head that no layer stands for.
  public var leftOut: [ConversionNote] { content.notes.filter { $0.exactness == .lossy } }

  /// - Throws: `RNNConvError.loss` where the model leaves something of the file out that it computes.
  public func requireWhole() throws(RNNConvError) {
    let lost = leftOut.filter { !$0.isOfUnusedInput }
    if !lost.isEmpty { throw .loss(format: path, notes: lost) }
  }

  /// How the architecture was found in a file of weights alone: what was inferred, what was taken for granted, and what
  /// was left out.
  public var findings: [Finding] { content.findings }

  /// What the file says of itself beside its model.
  public var facts: [FileFact] { content.facts() }

  /// The tensors in the file, under its own names where it has any.
  public var storedTensors: [StoredTensor] {
    get throws(RNNConvError) {
      if let tensors = content.tensors { return tensors() }
      return try model.layers.flatMap { layer in
        layer.operation.tensors.map { StoredTensor("\(layer.name).\($0.role)", $0.tensor) }
      }
    }
  }

  /// Checks what the file itself says about its bytes, where opening it did not: the checksums of a mapped archive.
  public func verifyIntegrity() throws(RNNConvError) { try content.check() }

  /// Names of the inputs that a run needs.
  public var inputNames: [String] { content.inputNames }

  /// Whether a value can be bound to this name: an input, or a size that an input's shape leaves open.
  package func canBind(_ name: String) -> Bool { content.bindable?.contains(name) ?? true }

  /// The error of a name that nothing in any of the files goes by.
  package static func unbound(_ name: String, in files: [ModelFile]) -> RNNConvError {
    let known = Set(files.flatMap { $0.content.bindable ?? [] }).sorted().joined(separator: ", ")
    return .arguments(
      "nothing to bind is called '\(name)' in \(files.map(\.path).joined(separator: " and ")); there are: \(known)"
    )
  }

  /// Names of the outputs that a run gives.
  public var outputNames: [String] { (try? model)?.outputs.map(\.name) ?? content.outputNames }

  /// Files below the model's folder that hold a part of it, such as ONNX external data.
  public var companions: [String] { content.companions }

  /// The same as paths.
  public var companionPaths: [String] { companions.map { path.folderPrefix + $0 } }

  /// Whether it holds weights and no architecture: `ArchitectureOptions` are for such files.
  public var holdsWeightsAlone: Bool { format.holdsWeightsAlone }

  /// Why what is said of an architecture says nothing of this file.
  package var architectureIsItsOwn: RNNConvError {
    .arguments(
      "\(path) holds its own architecture: \(Setting.modules), \(Setting.batchFirst), \(Setting.select), \(Setting.head), "
        + "\(Setting.nonlinearity) and \(Setting.key) say what a file of weights alone leaves open")
  }

  /// The same file where what it fixes may be shorter (`Model.shortened`).
  var shortened: ModelFile {
    var copy = self
    copy.content = content.shortened
    return copy
  }

  /// The same file under another name, for reports.
  func named(_ path: String) -> ModelFile {
    var copy = self
    copy.path = path
    return copy
  }

  /// Runs the file by its own format's rules.
  ///
  /// - Parameters:
  ///   - inputs: by input name, shaped as the file says.
  ///   - precision: the arithmetic of the evaluation.
  public func evaluate(
    _ inputs: [String: Tensor], precision: Precision = .float32
  ) throws(RNNConvError) -> [String: Tensor] {
    try content.evaluate(inputs, precision)
  }

  /// Runs the canonical model.
  ///
  /// From the second run on its weights stay in memory as passes want them, beside those of the file; for many small runs at once
  /// see `prepared`.
  /// - Parameters:
  ///   - inputs: by port name, each in its port's arrangement, such as `[T, B, I]`.
  ///   - precision: the arithmetic of the pass; weights are rounded to it where they do not fit.
  /// - Returns: by port name: float32 or float64 by `precision`, int64 for token ids.
  /// - Throws: `RNNConvError.run`, whose `ForwardError` names the input or the layer.
  public func run(
    _ inputs: [String: Tensor], precision: Precision = .float32
  ) throws(RNNConvError) -> [String: Tensor] {
    let model = try model
    do { return try content.passes.run(model, inputs, precision) } catch { throw .run(path: path, error) }
  }

  /// Runs the canonical model, whose loops search their tokens by beam.
  public func run(
    _ inputs: [String: Tensor], precision: Precision = .float32, beam: Beam
  ) throws(RNNConvError) -> [String: Tensor] {
    let model = try model
    do { return try beamForward(model, inputs: inputs, precision: precision, beam: beam) } catch {
      throw .run(path: path, error)
    }
  }
}

extension ModelFile {
  /// A model in memory as if it came from a `.rnnw` file.
  public init(_ model: Model, name: String) {
    path = name
    format = .rnnw
    byteCount = 0
    content = Format.Content(ofItself: model, name)
  }
}

extension ModelFile: CustomStringConvertible {
  /// Its format and size, and what `Model` says of itself or why it cannot be imported.
  public var description: String {
    let head = "\(path): \(format), \(byteCount) bytes"
    switch content.model {
    case .success(let model): return "\(head)\n\(model)"
    case .failure(let error): return "\(head); not imported: \(error.summary)"
    }
  }
}

extension String {
  /// Of a path up to its last slash: what stands before the names of files beside it.
  package var folderPrefix: String { lastIndex(of: "/").map { String(self[...$0]) } ?? "" }
}
