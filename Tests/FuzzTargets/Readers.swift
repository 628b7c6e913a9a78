internal import ByteIO
internal import FixtureChecks
internal import NativeFormat
internal import RNNConv
internal import Tensors

extension FuzzTarget {
  static let onnx = FuzzTarget("onnx") { readModel($0, .onnx) }
  static let safetensors = FuzzTarget("safetensors") { readModel($0, .safetensors) }

  /// Weights that are named as their shape, such as `8x3`, are made up: there is no file to take them from.
  static let description = FuzzTarget("description") { bytes in
    var weights: [String: Tensor] = [:]
    for word in bytes.array.split(separator: UInt8(ascii: "\"")) where word.count <= 9 {
      let name = String(decoding: word, as: UTF8.self)
      let shape = name.split(separator: "x").map { Int($0) ?? Int.max }
      guard shape.count <= 3, shape.allSatisfy((0...256).contains) else { continue }
      let count = shape.reduce(1, *)
      guard count <= 1 << 14 else { continue }
      weights[name] = Tensor((0..<count).map { Float($0 % 7) / 8 }, shape: shape)
    }
    return readModel(bytes, .modelDescription, weights: weights)
  }

  /// As it is, and with its header's checksum mended: else no changed header would be looked at.
  static let rnnw = FuzzTarget("rnnw") { bytes in
    if readModel(bytes, .rnnw) { return true }
    guard let mended = withHeaderChecksum(bytes) else { return false }
    return (try? NativeFormat.decode(mended, limits: limits, verifyChecksums: false)) != nil
  }

  /// As it is; a pickle also as the one in an archive that holds storages, whose checksums are right.
  static let pytorch = FuzzTarget("pytorch") { bytes in
    if readModel(bytes, .pytorch) { return true }
    guard bytes.count > 2, bytes[0] == 0x80, let archive = archive(pickle: bytes) else { return false }
    return readModel(archive, .pytorch)
  }

  /// `.npy`, `.npz` and ONNX's tensors, as inputs, and `.npz` as a model's weights.
  static let numpy = FuzzTarget("numpy") { bytes in
    let isTensors = (try? TensorFile.read(bytes, path: "fuzz", limits: limits)) != nil
    return readModel(bytes, .numpy) || isTensors
  }

  /// Manifests of `check`, and evidence of `verify`.
  static let json = FuzzTarget("json") { bytes in
    let isManifest = (try? Manifest(bytes, path: "fuzz.json")) != nil
    let isEvidence = (try? Evidence(parsing: bytes, path: "fuzz.json").request.request) != nil
    return isManifest || isEvidence
  }

  /// Reads and imports; what was imported must survive being written and read again.
  private static func readModel(
    _ bytes: ByteBuffer, _ format: Format, weights: [String: Tensor] = [:]
  ) -> Bool {
    guard
      let file = try? ModelFile(bytes: bytes, path: "fuzz", format: format, bindings: weights, limits: limits)
    else { return false }
    _ = try? file.verifyIntegrity()
    _ = try? file.storedTensors
    guard let model = try? file.model else { return false }
    do {
      let again = try NativeFormat.decode(ByteBuffer(joining: NativeFormat.encode(model)))
      if again != model { fatalError("a model changed while it was written and read") }
    } catch { fatalError("a model that was read cannot be written: \(error)") }
    return true
  }

  private static func withHeaderChecksum(_ bytes: ByteBuffer) -> ByteBuffer? {
    guard NativeFormat.recognises(bytes), bytes.count >= 32 else { return nil }
    var array = bytes.array
    func number(_ range: Range<Int>) -> Int { range.reversed().reduce(0) { $0 << 8 | Int(array[$1]) } }
    let length = min(number(24..<28), array.count - 32)
    func store(_ value: Int, _ range: Range<Int>) {
      for (shift, place) in range.enumerated() {
        array[place] = UInt8(truncatingIfNeeded: value >> (8 * shift))
      }
    }
    store(length, 24..<28)
    store((32 + length + 63) / 64 * 64, 16..<24)
    let fields = crc32(ByteBuffer(array[0..<28]))
    store(Int(crc32(ByteBuffer(array[32..<32 + length]), continuing: fields)), 28..<32)
    return ByteBuffer(array)
  }

  private static func archive(pickle: ByteBuffer) -> ByteBuffer? {
    var zip = ZipWriter()
    do {
      try zip.append(name: "archive/data.pkl", [pickle])
      try zip.append(name: "archive/byteorder", [ByteBuffer("little".utf8)])
      for key in 0..<8 {
        try zip.append(name: "archive/data/\(key)", [ByteBuffer(repeatElement(0x3C, count: 64))])
      }
    } catch { return nil }
    return ByteBuffer(joining: zip.finish())
  }
}
