public import ByteIO

/// Everything that can be wrong with a safetensors file, or with what shall be written to one.
///
/// The cases follow the reference implementation's `SafeTensorError`; offsets count from the start of the file, or from
/// the start of the data where they are a tensor's own.
public indirect enum SafetensorsError: Error, Equatable, CustomStringConvertible {
  case tooShort(byteCount: Int)
  case headerTooLarge(UInt64, limit: Int)
  case headerBeyondEnd(header: Int, fileBytes: Int)
  case headerStart
  case headerJSON(ParseError)
  case headerEnd(offset: Int)
  case badField(tensor: String, reason: String)
  case badMetadata(key: String?)
  case unknownType(tensor: String, String)
  case offsetsNotContiguous(tensor: String, expected: Int, begin: Int, end: Int)
  case shapeTooLarge(tensor: String, [Int])
  case partialByte(tensor: String, type: String, shape: [Int])
  case wrongByteCount(tensor: String, type: String, shape: [Int], expected: Int, found: Int)
  case wrongDataSize(declared: Int, found: Int)
  case notExpressible(tensor: String, reason: String)
  case duplicateName(String)
  case tooManyTensors(limit: Int)
  case index(reason: String)
  case shard(String, reason: String)

  public var description: String {
    switch self {
    case .tooShort(let count):
      "\(count) bytes are too short for a safetensors file, which begins with 8 of length"
    case .headerTooLarge(let size, let limit):
      "a safetensors header of \(size) bytes is over the format's limit of \(limit)"
    case .headerBeyondEnd(let header, let file):
      "the safetensors header is said to have \(header) bytes, the file has \(file)"
    case .headerStart: "byte 8: the safetensors header does not begin with '{'"
    case .headerJSON(let error):
      "safetensors header: byte \(error.offset + 8) of the file: \(error.reason)"
    case .headerEnd(let offset): "byte \(offset): only spaces may follow the safetensors header's JSON"
    case .badField(let tensor, let reason): "safetensors header, tensor '\(tensor)': \(reason)"
    case .badMetadata(let key):
      "safetensors header, __metadata__\(key.map { " key '\($0)'" } ?? ""): it must map strings to strings"
    case .unknownType(let tensor, let type): "tensor '\(tensor)': unknown dtype '\(type)'"
    case .offsetsNotContiguous(let tensor, let expected, let begin, let end):
      "tensor '\(tensor)': data_offsets [\(begin), \(end)] leave a gap or overlap: expected to begin at \(expected)"
    case .shapeTooLarge(let tensor, let shape): "tensor '\(tensor)': shape \(shape) is too large"
    case .partialByte(let tensor, let type, let shape):
      "tensor '\(tensor)': \(type) of shape \(shape) does not fill whole bytes"
    case .wrongByteCount(let tensor, let type, let shape, let expected, let found):
      "tensor '\(tensor)': \(type) of shape \(shape) takes \(expected) bytes, its data_offsets hold \(found)"
    case .wrongDataSize(let declared, let found):
      "the safetensors header describes \(declared) bytes of data, the file has \(found)"
    case .notExpressible(let tensor, let reason): "tensor '\(tensor)': \(reason)"
    case .duplicateName(let name): "two tensors are named '\(name)'"
    case .tooManyTensors(let limit): "more than \(limit) tensors"
    case .index(let reason): "safetensors index: \(reason)"
    case .shard(let file, let reason): "shard '\(file)': \(reason)"
    }
  }
}
