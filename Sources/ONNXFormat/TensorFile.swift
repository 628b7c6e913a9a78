public import ByteIO
public import Tensors

extension ONNXDecoder {
  /// Decodes a serialized TensorProto, as ONNX test data (`input_0.pb`) keeps its inputs and outputs.
  ///
  /// External data is refused: such a file stands alone.
  public static func decodeTensor(
    _ bytes: ByteBuffer, limits: Limits = .standard
  ) throws(ONNXError) -> (name: String, tensor: Tensor) {
    guard bytes.count <= Int(Int32.max) else { throw .tooLarge(bytes: bytes.count) }
    // Read as the one initializer of a model, so that tensors are decoded, and C is met, in one place.
    let initializer = message(field: 5, bytes)
    let graph = message(field: 7, ByteBuffer(initializer))
    let model = try ONNXMessage(ByteBuffer(graph), limits: limits).model(folder: ExternalData(folder: nil))
    guard let first = model.graph.initializers.first else {
      throw .notProtobuf(ParseError(offset: 0, reason: "it holds no tensor"))
    }
    return (first.name, first.tensor)
  }

  /// A length-delimited protobuf field.
  private static func message(field: UInt8, _ content: ByteBuffer) -> [UInt8] {
    var bytes: [UInt8] = [field << 3 | 2]
    var length = content.count
    while length >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: length) | 0x80)
      length >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: length))
    return bytes + content.array
  }
}
