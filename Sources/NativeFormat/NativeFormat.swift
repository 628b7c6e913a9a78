public import ByteIO
public import Recurrent

/// The native format, `.rnnw`: specified byte by byte in schemas/rnnw.md.
public enum NativeFormat {
  /// As PNG's: a byte with the high bit set, the name, CR LF, the end-of-file byte of DOS, LF.
  ///
  /// A transfer that strips high bits, changes line ends or stops at 0x1A damages it.
  public static let magic: [UInt8] = [0x89, 0x52, 0x4E, 0x4E, 0x0D, 0x0A, 0x1A, 0x0A]

  /// How the bytes of a tensor are stored. Raw values are the names in the tensor table.
  public enum Codec: String, Sendable, CaseIterable, Hashable {
    /// As they are, so that a mapped file is used without a copy.
    case raw
    /// The first bytes of all elements, then the second bytes, …, as one zlib stream.
    case shuffleDeflate = "shuffle+deflate"
  }

  /// Whether `bytes` begin as this format does.
  public static func recognises(_ bytes: ByteBuffer) -> Bool {
    bytes.slice(offset: 0, count: magic.count)?.array == magic
  }

  /// Reads a whole file. Tensors stored raw stay windows onto `bytes`; nothing of them is copied.
  ///
  /// Without `verifyChecksums` raw tensors are not touched at all, so that a mapped file is read as it is used;
  /// the header is always verified.
  public static func decode(
    _ bytes: ByteBuffer, limits: Limits = .standard, verifyChecksums: Bool = true
  ) throws(RNNWError) -> Model {
    let preamble = try RNNWPreamble(parsing: bytes, limits: limits)
    let header = try RNNWHeader(parsing: bytes, preamble, limits: limits)
    var tensors = try RNNWTensors(
      header.tensors, in: bytes, from: preamble.dataOffset, limits: limits, verify: verifyChecksums)
    let layers = try header.layers.map { node throws(RNNWError) in try Layer(parsing: node, &tensors) }
    try tensors.finish()
    let model = Model(
      name: header.name, inputs: header.inputs, outputs: header.outputs, layers: layers,
      metadata: header.metadata)
    do { try model.validated() } catch { throw .model(error) }
    return model
  }

  /// The file as chunks to be written one after another; tensors stored raw are not copied.
  ///
  /// The same model gives the same bytes (with `shuffle+deflate`: from the same version of zlib).
  public static func encode(_ model: Model, codec: Codec = .raw) throws(RNNWError) -> [ByteBuffer] {
    do { try model.validated() } catch { throw .model(error) }
    var table = RNNWTensorTable(codec: codec)
    let layers = try model.layers.map { layer throws(RNNWError) in try layer.json(&table) }
    let (entries, chunks) = try table.laidOut()
    let header: JSONValue = [
      "name": .string(model.name),
      "inputs": .array(model.inputs.map(\.json)),
      "outputs": .array(model.outputs.map(\.json)),
      "layers": .array(layers),
      "metadata": .object(model.metadata.map { JSONMember($0.key, .string($0.value)) }),
      "tensors": .array(try entries.map { entry throws(RNNWError) in try entry.json }),
    ]
    let text: [UInt8]
    do { text = try header.canonicalBytes() } catch {
      throw .header(path: "header", reason: error.description)
    }
    return try [
      RNNWPreamble.chunk(
        header: text, features: RNNWFeatures(entries.map(\.features) + model.outputs.map(\.features)))
    ] + chunks
  }
}
