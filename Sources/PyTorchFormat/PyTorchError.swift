public import ByteIO

/// Everything that can be wrong with a PyTorch file, or with what shall be written to one.
///
/// Offsets count from the start of the pickle that is named.
public indirect enum PyTorchError: Error, Equatable, CustomStringConvertible {
  /// A global that a reader of data never needs, such as `os.system`: the file wants to run something.
  case forbiddenGlobal(String, offset: Int)
  /// A call of something that is not on the list of what rebuilds data.
  case unknownCall(String, offset: Int)
  case pickle(offset: Int, reason: String)
  case unsupportedOpcode(UInt8, offset: Int, reason: String)
  case overLimit(what: String, limit: Int)
  case inMember(String, PyTorchError)
  case archive(ZipError)
  case notACheckpoint(reason: String)
  case missingMember(String)
  case byteOrder(String)
  case storage(key: String, reason: String)
  case tensor(String, reason: String)
  case key(String, reason: String)
  case notExpressible(tensor: String, reason: String)

  public var description: String {
    switch self {
    case .forbiddenGlobal(let name, let offset):
      "byte \(offset): the file refers to \(name), which only code needs: it was refused, nothing was run"
    case .unknownCall(let name, let offset):
      "byte \(offset): the file wants to call \(name), which is not among the functions that rebuild tensors and containers; "
        + "nothing was run. Save the state dict alone: torch.save(model.state_dict(), path)"
    case .pickle(let offset, let reason): "byte \(offset): \(reason)"
    case .unsupportedOpcode(let code, let offset, let reason):
      "byte \(offset): pickle opcode 0x\(String(code, radix: 16)): \(reason)"
    case .overLimit(let what, let limit): "more than \(limit) \(what)"
    case .inMember(let name, let error): "\(name): \(error)"
    case .archive(let error): error.description
    case .notACheckpoint(let reason): "not a PyTorch file that can be read: \(reason)"
    case .missingMember(let name): "the archive holds no member '\(name)'"
    case .byteOrder(let text): "member 'byteorder' is '\(text)', neither 'little' nor 'big'"
    case .storage(let key, let reason): "storage '\(key)': \(reason)"
    case .tensor(let name, let reason): "tensor '\(name)': \(reason)"
    case .key(let path, let reason): path.isEmpty ? reason : "'\(path)': \(reason)"
    case .notExpressible(let tensor, let reason): "tensor '\(tensor)': \(reason)"
    }
  }
}
