public import ByteIO
internal import Recurrent
internal import Tensors

/// A tensor as a file holds it, without its elements.
public struct StoredTensor: Sendable, Equatable {
  public let name: String
  /// Such as `F32`.
  public let elementType: String
  public let shape: [Int]
  public let byteCount: Int

  init(_ name: String, _ tensor: Tensor) {
    self.name = name
    elementType = tensor.elementType.rawValue
    shape = tensor.shape
    byteCount = tensor.bytes.count
  }

  var json: JSONValue {
    .object([
      JSONMember("name", .string(name)), JSONMember("elementType", .string(elementType)),
      JSONMember("shape", .array(shape.map { .integer(Int64($0)) })),
      JSONMember("bytes", .integer(Int64(byteCount))),
    ])
  }
}

extension ModelFile {
  /// What `inspect --tensors` shows: no weight is read for it where the file is a table of named weights.
  public func tensorSummary() throws(RNNConvError) -> JSONValue {
    .object([
      JSONMember("path", .string(path)), JSONMember("format", .string(format.name)),
      JSONMember("fileBytes", .integer(Int64(byteCount))),
      JSONMember("tensors", .array(try storedTensors.map(\.json))),
      JSONMember("findings", .array(findings.map(\.json))),
    ])
  }
}
