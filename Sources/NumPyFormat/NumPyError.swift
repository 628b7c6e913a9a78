public import ByteIO
public import Tensors

/// Everything that can be wrong with a `.npy` or `.npz` file, or with what shall be written to one.
public indirect enum NumPyError: Error, Equatable, CustomStringConvertible {
  case notNumPy
  case unsupportedVersion(major: UInt8, minor: UInt8)
  case truncated(ParseError)
  case headerTooLong(Int, limit: Int)
  case badHeader(offset: Int, reason: String)
  case unsupportedType(descr: String, reason: String)
  case tooManyDimensions(Int, limit: Int)
  case shapeTooLarge([Int])
  case wrongByteCount(descr: String, shape: [Int], expected: Int, found: Int)
  case notBool(offset: Int, value: UInt8)
  case archive(ZipError)
  case notAnArray(member: String)
  case member(String, NumPyError)
  case duplicateName(String)
  case notExpressible(ElementType, reason: String)

  public var description: String {
    switch self {
    case .notNumPy: "not a NumPy file: it does not start with \\x93NUMPY"
    case .unsupportedVersion(let major, let minor):
      "NumPy format version \(major).\(minor) is not supported; 1.0, 2.0 and 3.0 are"
    case .truncated(let error): "truncated NumPy file: \(error)"
    case .headerTooLong(let count, let limit):
      "a NumPy header of \(count) bytes is over the limit of \(limit)"
    case .badHeader(let offset, let reason): "byte \(offset) of the NumPy header: \(reason)"
    case .unsupportedType(let descr, let reason): "NumPy type '\(descr)' is not supported: \(reason)"
    case .tooManyDimensions(let count, let limit): "\(count) dimensions are over NumPy's limit of \(limit)"
    case .shapeTooLarge(let shape): "shape \(shape) is too large"
    case .wrongByteCount(let descr, let shape, let expected, let found):
      "'\(descr)' of shape \(shape) takes \(expected) bytes, found \(found)"
    case .notBool(let offset, let value): "byte \(offset) of the data is \(value), neither False nor True"
    case .archive(let error): "\(error)"
    case .notAnArray(let member): "archive member '\(member)' is not named as an array (.npy)"
    case .member(let name, let error): "array '\(name)': \(error)"
    case .duplicateName(let name): "two arrays are named '\(name)'"
    case .notExpressible(let type, let reason):
      "NumPy files cannot hold this \(type.rawValue) tensor: \(reason)"
    }
  }
}
