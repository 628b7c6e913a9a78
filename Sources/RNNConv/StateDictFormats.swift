internal import ByteIO
internal import Forward
internal import NumPyFormat
internal import PyTorchFormat
internal import Recurrent
internal import ReferenceMath
internal import SafetensorsFormat
internal import StateDictModels
internal import StateDicts
internal import Tensors
internal import TorchEvaluator

// Formats that hold weights under names and no architecture: it is found from names, shapes and the user's options.

extension Format {
  /// PyTorch checkpoints: `.pt`, `.pth`, `.bin`.
  public static let pytorch = Format(
    name: "pytorch", extensions: ["pt", "pth", "bin", "ckpt", "pkl"],
    summary: "PyTorch checkpoints, read without running anything in them",
    recognises: { PyTorchFormat.recognises($0) },
    read: { (bytes, options) throws(RNNConvError) in
      let state: StateDict
      do {
        state = try PyTorchFormat.decode(bytes, key: options.architecture.key, limits: options.limits)
      } catch {
        throw .unreadable(path: options.path, reason: "\(error)")
      }
      return content(state, options) { () throws(RNNConvError) in
        do { try PyTorchFormat.verifyChecksums(bytes, limits: options.limits) } catch {
          throw .unreadable(path: options.path, reason: "\(error)")
        }
      }
    },
    write: { (model, _) throws(RNNConvError) in
      let (state, notes) = try exported(model, "pytorch")
      do { return Written(chunks: try PyTorchWriter.encode(state), notes: notes) } catch {
        throw .notExpressible(format: "pytorch", reason: "\(error)")
      }
    })

  /// safetensors, alone or in shards.
  public static let safetensors = Format(
    name: "safetensors", extensions: ["safetensors"],
    summary: "safetensors, alone or in shards with their index",
    recognises: { SafetensorsFormat.recognises($0) || SafetensorsIndex.recognises($0) },
    read: { (bytes, options) throws(RNNConvError) in
      try refuseKey(options)
      let file: SafetensorsFile
      do {
        file =
          !SafetensorsFormat.recognises(bytes) && SafetensorsIndex.recognises(bytes)
          ? try SafetensorsIndex.decode(bytes, folder: options.folder, limits: options.limits) {
            try torchShard($0, options.limits)
          }
          : try SafetensorsFormat.decode(bytes, limits: options.limits)
      } catch { throw .unreadable(path: options.path, reason: "\(error)") }
      return content(
        StateDict(
          entries: file.tensors.map { .init($0.name, $0.tensor) },
          unread: file.unread.map {
            .init($0.name, $0.shape.isEmpty ? $0.type : "a tensor of \($0.type) \($0.shape)")
          }, isOrdered: false,
          metadata: file.metadata), options, companions: file.shards)
    },
    write: { (model, _) throws(RNNConvError) in
      let (state, notes) = try exported(model, "safetensors")
      do {
        let file = SafetensorsFile(
          tensors: state.entries.map { .init($0.name, $0.tensor) }, metadata: state.metadata)
        return Written(chunks: try SafetensorsFormat.encode(file), notes: notes)
      } catch { throw .notExpressible(format: "safetensors", reason: "\(error)") }
    })

  /// NumPy archives of named weights; read alone.
  public static let numpy = Format(
    name: "npz", extensions: ["npz"], summary: "NumPy archives of named weights",
    recognises: { NumPyFormat.kind(of: $0) == .archive },
    read: { (bytes, options) throws(RNNConvError) in
      try refuseKey(options)
      do {
        let arrays = try NumPyFormat.decodeArchive(bytes, limits: options.limits)
        return content(StateDict(entries: arrays.map { .init($0.name, $0.tensor) }), options)
      } catch { throw .unreadable(path: options.path, reason: "\(error)") }
    },
    write: { (_, _) throws(RNNConvError) in
      throw .notExpressible(
        format: "npz",
        reason: "it cannot say how its arrays make a model: write safetensors, .pt, .onnx or .rnnw")
    })

  /// A shard of `pytorch_model.bin.index.json`, with its checksums checked; nil for one of safetensors.
  private static func torchShard(_ bytes: ByteBuffer, _ limits: Limits) throws -> SafetensorsFile? {
    guard !SafetensorsFormat.recognises(bytes), PyTorchFormat.recognises(bytes) else { return nil }
    try PyTorchFormat.verifyChecksums(bytes, limits: limits)
    let state = try PyTorchFormat.decode(bytes, limits: limits)
    return SafetensorsFile(
      tensors: state.entries.map { .init($0.name, $0.tensor) },
      unread: state.unread.map { .init(name: $0.name, type: $0.reason, shape: []) }, metadata: state.metadata)
  }

  private static func refuseKey(_ options: ReadOptions) throws(RNNConvError) {
    if let key = options.architecture.key {
      throw .arguments(
        "\(Setting.key) \(key): only PyTorch checkpoints have places to choose from, not \(options.path)")
    }
  }

  private static func content(
    _ state: StateDict, _ options: ReadOptions, companions: [String] = [],
    check: @escaping @Sendable () throws(RNNConvError) -> Void = {}
  ) -> Content {
    func failed(_ error: StateDictError) -> RNNConvError {
      .unreadable(path: options.path, reason: error.description)
    }
    let tensors: @Sendable () -> [StoredTensor] = { state.entries.map { StoredTensor($0.name, $0.tensor) } }
    // The evaluator gets the tensors as they are in the file, and folds what is to be folded itself.
    let folded = state.withWeightsMade()
    let inference: Inference
    do { inference = try Inference(folded, options.architecture) } catch {
      let error = failed(error)
      var content = Content(
        model: .failure(error), notes: [],
        evaluate: { (_, _) throws(RNNConvError) in throw error }, inputNames: [], tensors: tensors,
        companions: companions, check: check)
      content.stateDict = state
      return content
    }
    // Reordering gates copies every weight: not before somebody wants the model.
    let model: @Sendable () -> Result<Model, RNNConvError> = {
      do { return .success(try StateDictImporter.importModel(folded, inference.architecture)) } catch {
        return .failure(.unreadable(path: options.path, reason: "\(error)"))
      }
    }
    let evaluator = TorchEvaluator(state, inference.architecture, limit: options.limits.elements)
    var content = Content(
      model: model(), notes: notes(inference, folded),
      evaluate: { (inputs, precision) throws(RNNConvError) in
        do {
          switch precision {
          case .float32: return try evaluator.run(inputs, as: Float.self)
          case .float64: return try evaluator.run(inputs, as: Double.self)
          }
        } catch { throw .evaluation(path: options.path, reason: "\(error)") }
      }, inputNames: inference.architecture.inputs.map(\.name), findings: inference.findings,
      tensors: tensors, companions: companions, check: check)
    content.stateDict = state
    return content
  }

  /// What the model leaves behind is a loss: the user has to agree to it.
  private static func notes(_ inference: Inference, _ state: StateDict) -> [ConversionNote] {
    var notes = state.derived.map { remark in
      ConversionNote(
        layer: remark.name.isEmpty ? "." : remark.name, .rounded, remark.reason, roundedTo: .float32)
    }
    let unread = inference.findings.filter { $0.kind == .unread }.map(\.subject)
    if !unread.isEmpty {
      let names =
        unread.prefix(8).joined(separator: ", ") + (unread.count > 8 ? ", … (inspect lists all)" : "")
      notes.append(
        ConversionNote(
          layer: ConversionNote.wholeFile, .lossy,
          "\(unread.count) tensors are no part of the model: \(names)"))
    }
    return notes
  }

  private static func exported(
    _ model: Model, _ format: String
  ) throws(RNNConvError) -> (state: StateDict, notes: [ConversionNote]) {
    do {
      let result = try StateDictExporter.export(model)
      return (result.state, result.notes)
    } catch { throw .notExpressible(format: format, reason: "\(error)") }
  }
}
