internal import ByteIO
internal import ModelDescriptions
internal import NumPyFormat
internal import PyTorchFormat
internal import Recurrent
internal import SafetensorsFormat
internal import Tensors

extension Format {
  /// A model in words, with its weights in a file beside it.
  public static let modelDescription = Format(
    name: "description", extensions: ["json"],
    summary: "a model in words (.model.json) with weights from .npz, .safetensors or PyTorch",
    recognises: { bytes in
      let text = bytes.slice(offset: 0, count: min(bytes.count, 4096))!.array
        .drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
      return text.first == UInt8(ascii: "{")
        && text.firstRange(of: Array("\"rnnconv_description\"".utf8)) != nil
    },
    read: { (bytes, options) throws(RNNConvError) in
      func failed(_ error: any Error) -> RNNConvError {
        .unreadable(path: options.path, reason: "\(error)")
      }
      let description: ModelDescription
      do { description = try ModelDescription(parsing: bytes, limits: options.limits) } catch {
        throw failed(error)
      }
      var weights: [String: Tensor] = [:]
      let file = description.weightsFile
      if let file {
        guard let folder = options.folder else {
          throw .arguments(
            "a description read from a pipe has no folder to find '\(file)' in: give it as a file")
        }
        do {
          weights = try namedTensors(
            try ByteBuffer.open(file, beneath: folder, limit: options.limits.fileBytes), options.limits)
        } catch { throw .unreadable(path: options.path, reason: "weights: \(file): \(error)") }
      }
      for (name, tensor) in options.bindings { weights[name] = tensor }
      let model: Model
      do { model = try description.model(weights: weights, from: file ?? "no file") } catch {
        throw failed(error)
      }
      return Content(ofItself: model, options.path, companions: file.map { [$0] } ?? [])
    },
    write: { (_, _) throws(RNNConvError) in
      throw .notExpressible(format: "description", reason: "it is what people write: write .rnnw or .onnx")
    })

  /// The tensors of a file of weights, by name.
  private static func namedTensors(_ bytes: ByteBuffer, _ limits: Limits) throws -> [String: Tensor] {
    let pairs: [(String, Tensor)]
    if NumPyFormat.kind(of: bytes) == .archive {
      pairs = try NumPyFormat.decodeArchive(bytes, limits: limits).map { ($0.name, $0.tensor) }
    } else if SafetensorsFormat.recognises(bytes) {
      pairs = try SafetensorsFormat.decode(bytes, limits: limits).tensors.map { ($0.name, $0.tensor) }
    } else if PyTorchFormat.recognises(bytes) {
      try PyTorchFormat.verifyChecksums(bytes, limits: limits)
      pairs = try PyTorchFormat.decode(bytes, limits: limits).entries.map { ($0.name, $0.tensor) }
    } else {
      throw RNNConvError.arguments("weights come from .npz, .safetensors or PyTorch checkpoints")
    }
    return Dictionary(pairs) { first, _ in first }
  }
}
