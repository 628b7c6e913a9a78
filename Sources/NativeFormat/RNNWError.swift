public import ByteIO
public import Recurrent

/// All that can be wrong with a `.rnnw` file, or with a model that is to become one.
///
/// Offsets count from the start of the file; paths are those of the JSON header (`layers[0].attributes.clip`).
public enum RNNWError: Error, Equatable {
  // The preamble
  case notRNNW
  /// The name is there, the bytes around it are not: a transfer in text mode.
  case damagedMagic(found: [UInt8])
  case truncated(ParseError)
  case unknownVersion(UInt32)
  case unknownFlag(bit: Int)
  case headerTooLong(length: Int, limit: Int)
  case tooManyTensors(limit: Int)
  case wrongDataOffset(expected: Int, found: UInt64)
  case headerChecksum(stored: UInt32, computed: UInt32)

  // The header
  case json(ParseError)
  case notCanonical(offset: Int)
  case missingKey(path: String, key: String)
  case unknownKey(path: String, key: String)
  case wrongKind(path: String, expected: String, found: String)
  case unknownName(path: String, what: String, name: String)
  case header(path: String, reason: String)
  case wrongFlag(String, isSet: Bool)

  // The tensors
  case duplicateTensor(String)
  case unknownTensor(path: String, name: String)
  case tensorUsedTwice(path: String, name: String)
  case unusedTensor(String)
  case shapeTooLarge(tensor: String, shape: [Int])
  case wrongLength(tensor: String, expected: Int, found: Int)
  case overlap(tensor: String, offset: Int, previousEnd: Int)
  case misaligned(tensor: String, offset: Int)
  case gap(tensor: String, offset: Int, expected: Int)
  case outsideFile(tensor: String, offset: Int, length: Int, available: Int)
  case padding(offset: Int)
  case trailingBytes(offset: Int, count: Int)
  case tensorChecksum(tensor: String, offset: Int, stored: UInt32, computed: UInt32)
  case codec(tensor: String, DeflateError)
  case quantization(tensor: String, reason: String)

  // The model
  case notFinite(path: String, Double)
  case model(ModelError)
}

extension RNNWError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .notRNNW: "not an .rnnw file: it does not begin with the magic"
    case .damagedMagic(let found):
      "the magic is damaged, as by a transfer in text mode: it begins with \(hexadecimal(found))"
    case .truncated(let error): "the file is cut short: \(error)"
    case .unknownVersion(let version): "format version \(version) is unknown; this reader knows version 1"
    case .unknownFlag(let bit): "the file requires feature bit \(bit), which this reader does not know"
    case .tooManyTensors(let limit): "more than \(limit) tensors"
    case .headerTooLong(let length, let limit): "the header has \(length) bytes, over the limit of \(limit)"
    case .wrongDataOffset(let expected, let found):
      "byte 16: the data offset is \(found); after this header it must be \(expected)"
    case .headerChecksum(let stored, let computed):
      "byte 28: the header's CRC-32 is \(hexadecimal(stored)), its bytes give \(hexadecimal(computed))"
    case .json(let error): "the header is not JSON: \(error)"
    case .notCanonical(let offset): "byte \(offset): the header is not canonical JSON from here on"
    case .missingKey(let path, let key): "\(path): the key '\(key)' is missing"
    case .unknownKey(let path, let key): "\(path): the key '\(key)' is unknown"
    case .wrongKind(let path, let expected, let found): "\(path): expected \(expected), found \(found)"
    case .unknownName(let path, let what, let name): "\(path): '\(name)' is no known \(what)"
    case .header(let path, let reason): "\(path): \(reason)"
    case .wrongFlag(let name, let isSet):
      "byte 12: the flag for \(name) is \(isSet ? "set, but no tensor uses it" : "not set, but a tensor uses it")"
    case .duplicateTensor(let name): "two tensors are named '\(name)'"
    case .unknownTensor(let path, let name): "\(path): there is no tensor '\(name)'"
    case .tensorUsedTwice(let path, let name): "\(path): tensor '\(name)' is already used elsewhere"
    case .unusedTensor(let name): "no layer uses tensor '\(name)'"
    case .shapeTooLarge(let tensor, let shape): "tensor '\(tensor)': shape \(shape) is too large"
    case .wrongLength(let tensor, let expected, let found):
      "tensor '\(tensor)': its shape takes \(expected) bytes, it is stored in \(found)"
    case .overlap(let tensor, let offset, let previousEnd):
      "tensor '\(tensor)': it begins at byte \(offset), inside what ends at \(previousEnd)"
    case .misaligned(let tensor, let offset):
      "tensor '\(tensor)': it begins at byte \(offset), which is no multiple of 64"
    case .gap(let tensor, let offset, let expected):
      "tensor '\(tensor)': it begins at byte \(offset), leaving a gap from \(expected)"
    case .outsideFile(let tensor, let offset, let length, let available):
      "tensor '\(tensor)': \(length) bytes at \(offset) reach beyond the \(available) bytes of the file"
    case .padding(let offset): "byte \(offset): padding must be zero"
    case .trailingBytes(let offset, let count): "byte \(offset): \(count) bytes follow the last tensor"
    case .tensorChecksum(let tensor, let offset, let stored, let computed):
      "tensor '\(tensor)', byte \(offset): its CRC-32 is \(hexadecimal(stored)), its bytes give \(hexadecimal(computed))"
    case .codec(let tensor, let error): "tensor '\(tensor)': \(error)"
    case .quantization(let tensor, let reason): "tensor '\(tensor)': \(reason)"
    case .notFinite(let path, let number): "\(path): an .rnnw file cannot hold the number \(number)"
    case .model(let error): error.description
    }
  }

  private func hexadecimal(_ number: UInt32) -> String {
    let digits = String(number, radix: 16)
    return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
  }

  private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
  }
}
