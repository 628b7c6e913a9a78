public import ByteIO

/// Reading ONNX files: bytes to `ONNXModel`, all syntax checked at this one door.
public enum ONNXDecoder {
  /// The opsets whose operators the importer and the evaluator know: up to that of onnx 1.23.
  public static let opsets: ClosedRange<Int64> = 7...28
  /// The newest IR version of onnx 1.23.
  public static let newestIR: Int64 = 14

  /// Decodes a serialized ModelProto.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - folder: the folder that external data may come from; nil refuses external data.
  /// - Throws: `ONNXError` naming the byte, tensor or node.
  public static func decode(
    _ bytes: ByteBuffer, folder: String?, limits: Limits = .standard
  ) throws(ONNXError) -> ONNXModel {
    try decodeWithExternalFiles(bytes, folder: folder, limits: limits).model
  }

  /// Decodes a serialized ModelProto, and names the files beside it that hold its external data.
  ///
  /// - Parameter given: such files by name that are not looked for in the folder: it may not have them yet.
  public static func decodeWithExternalFiles(
    _ bytes: ByteBuffer, folder: String?, given: [String: ByteBuffer] = [:], limits: Limits = .standard
  ) throws(ONNXError) -> (model: ONNXModel, externalFiles: [String]) {
    guard bytes.count <= Int(Int32.max) else { throw .tooLarge(bytes: bytes.count) }
    let data = ExternalData(folder: folder, given: given, limits: limits)
    let model = try ONNXMessage(bytes, limits: limits).model(folder: data)
    guard model.irVersion > 0 else { throw .missingIR }
    guard model.irVersion <= newestIR else { throw .unsupportedIR(model.irVersion, newest: newestIR) }
    guard let opset = model.opsets[""] else { throw .missingOpset }
    guard opsets.contains(opset) else { throw .unsupportedOpset(opset, supported: opsets) }
    return (model, data.files)
  }

  /// What a file says of the types and shapes of values between its nodes; most leave much of it out.
  public static func valueInfos(
    _ bytes: ByteBuffer, limits: Limits = .standard
  ) throws(ONNXError) -> [String: ONNXValueInfo] {
    let infos = try ONNXMessage(bytes, limits: limits).valueInfos()
    return Dictionary(infos.map { ($0.name, $0) }) { first, _ in first }
  }

  /// Whether the bytes look like a ModelProto, whole or cut short: protobuf has no magic, so its fields must be those
  /// of ModelProto, with the right wire types.
  public static func recognises(_ bytes: ByteBuffer) -> Bool { WireScan.looksLikeModel(bytes) }
}
