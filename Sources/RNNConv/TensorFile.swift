public import ByteIO
internal import NumPyFormat
internal import ONNXFormat
public import Tensors

/// Files of tensors: `.npy`, `.npz`, and ONNX's `.pb` test data.
public enum TensorFile {
  /// The tensors of a file; the name is nil for `.npy`, which holds none.
  public static func read(
    _ path: String, limits: Limits = .standard
  ) throws(RNNConvError) -> [(name: String?, tensor: Tensor)] {
    let bytes: ByteBuffer
    do { bytes = try ByteBuffer.open(path: path, limit: limits.fileBytes) } catch { throw .file(error) }
    return try read(bytes, path: path, limits: limits)
  }

  /// The tensors of a file that is in memory already; messages call it `path`.
  public static func read(
    _ bytes: ByteBuffer, path: String, limits: Limits = .standard
  ) throws(RNNConvError) -> [(name: String?, tensor: Tensor)] {
    do {
      switch NumPyFormat.kind(of: bytes) {
      case .array: return [(nil, try NumPyFormat.decodeArray(bytes, limits: limits))]
      case .archive: return try NumPyFormat.decodeArchive(bytes, limits: limits).map { ($0.name, $0.tensor) }
      case nil: break
      }
    } catch { throw .unreadable(path: path, reason: error.description) }
    do {
      let (name, tensor) = try ONNXDecoder.decodeTensor(bytes, limits: limits)
      return [(name.isEmpty ? nil : name, tensor)]
    } catch {
      throw .unreadable(path: path, reason: "neither .npy nor .npz nor an ONNX tensor (.pb): \(error)")
    }
  }

  /// The tensors of a file by name, such as a stream's state.
  ///
  /// - Throws: where one has no name, as that of `.npy`, or two have the same.
  public static func readNamed(
    _ path: String, limits: Limits = .standard
  ) throws(RNNConvError) -> [String: Tensor] {
    var named: [String: Tensor] = [:]
    for (name, tensor) in try read(path, limits: limits) {
      guard let name else { throw .unreadable(path: path, reason: "its tensor has no name: write .npz") }
      guard named.updateValue(tensor, forKey: name) == nil else {
        throw .unreadable(path: path, reason: "two tensors are named '\(name)'")
      }
    }
    return named
  }

  /// Writes tensors in the order of their names; formats and errors as below.
  public static func write(_ tensors: [String: Tensor], to path: String) throws(RNNConvError) {
    try write(tensors.sorted { $0.key < $1.key }.map { (name: $0.key, tensor: $0.value) }, to: path)
  }

  /// Writes `.npz`, or `.npy` or an ONNX tensor (`.pb`) where there is one tensor; standard output (`-`) gets `.npy` of one
  /// and `.npz` of several.
  ///
  /// - Throws: where the path's ending says something else.
  public static func write(_ tensors: [(name: String, tensor: Tensor)], to path: String) throws(RNNConvError)
  {
    func only(_ ending: String) throws(RNNConvError) -> (name: String, tensor: Tensor) {
      guard tensors.count == 1 else {
        throw .arguments(
          "\(path): there are \(tensors.count) outputs (\(tensors.map(\.name).joined(separator: ", "))), and \(ending) holds "
            + "one; write .npz, or choose one with \(Setting.outputName)")
      }
      return tensors[0]
    }
    do {
      let chunks: [ByteBuffer]
      if path.hasSuffix(".npz") || path == "-" && tensors.count != 1 {
        chunks = try NumPyFormat.encodeArchive(tensors)
      } else if path.hasSuffix(".npy") || path == "-" || path.hasPrefix("/dev/") {
        chunks = try NumPyFormat.encodeArray(only(".npy").tensor)
      } else if path.hasSuffix(".pb") {
        let (name, tensor) = try only(".pb")
        chunks = ONNXEncoder.encodeTensor(tensor, name: name)
      } else {
        throw RNNConvError.arguments(
          "\(path): the ending says no kind of file for tensors; use .npy (one), .npz (several) or .pb (ONNX)"
        )
      }
      try AtomicFile.write(chunks, to: path)
    } catch let error as RNNConvError { throw error } catch let error as FileError {
      throw .file(error)
    } catch {
      throw .unreadable(path: path, reason: "\(error)")
    }
  }
}
