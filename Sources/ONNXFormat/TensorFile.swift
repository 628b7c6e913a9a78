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
    let graph = message(field: 7, message(field: 5, bytes))
    let model = try ONNXMessage(graph, limits: limits).model(folder: ExternalData(folder: nil))
    guard let first = model.graph.initializers.first else {
      throw .notProtobuf(ParseError(offset: 0, reason: "it holds no tensor"))
    }
    return (first.name, first.tensor)
  }

  /// A length-delimited protobuf field.
  private static func message(field: UInt8, _ content: ByteBuffer) -> ByteBuffer {
    ByteBuffer(joining: [ByteBuffer([field << 3 | 2] + protobufVarint(UInt64(content.count))), content])
  }
}

extension ONNXEncoder {
  /// A serialized TensorProto (onnx.proto: dims 1, data_type 2, name 8, raw_data 9), as ONNX test data keeps its outputs.
  public static func encodeTensor(_ tensor: Tensor, name: String) -> [ByteBuffer] {
    func tag(_ field: UInt8, _ wireType: UInt8) -> [UInt8] { [field << 3 | wireType] }
    var start: [UInt8] = []
    for size in tensor.shape { start += tag(1, 0) + protobufVarint(UInt64(size)) }
    start += tag(2, 0) + protobufVarint(UInt64(ONNXDataType.code(tensor.elementType)))
    start += tag(8, 2) + protobufVarint(UInt64(name.utf8.count)) + Array(name.utf8)
    start += tag(9, 2) + protobufVarint(UInt64(tensor.bytes.count))
    return [ByteBuffer(start), tensor.bytes]
  }
}
