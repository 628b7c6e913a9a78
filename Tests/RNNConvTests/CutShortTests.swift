import ByteIO
import Foundation
import NativeFormat
import NumPyFormat
import ONNXFormat
import RNNConv
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// A file that somebody cuts short after it was mapped: a message that names it instead of a bus error, whoever reads it.
@Suite struct CutShortTests {
  enum Reader: String, CaseIterable, Codable, Sendable {
    case native, onnx, externalData, safetensors, pytorch, pytorchLegacy, npy, npz

    private static let weights = "weights.bin"

    /// Writes a good file; returns its path.
    func makeFile(in folder: TemporaryFolder) throws -> String {
      var layer = LayerSpecification(.lstm)
      layer.hiddenSize = 32
      let model = layer.model(seed: 1)
      func copy(_ fixture: String) throws -> String {
        let source = Repository.fixtures.appending(path: fixture)
        return try folder.write(Data(contentsOf: source), to: source.lastPathComponent)
      }
      switch self {
      case .native:
        return try folder.write(ByteBuffer(joining: NativeFormat.encode(model)).array, to: "model.rnnw")
      case .onnx, .externalData:
        let encoded = try ONNXEncoder.encode(
          ONNXExporter.export(model).model, externalData: self == .onnx ? nil : Self.weights)
        _ = try folder.write(ByteBuffer(joining: encoded.externalData).array, to: Self.weights)
        return try folder.write(encoded.model.array, to: "model.onnx")
      case .safetensors: return try copy("pytorch/safetensors-bf16/model.safetensors")
      case .pytorch: return try copy("pytorch/tagger/model.pt")
      case .pytorchLegacy: return try copy("pytorch/lstm-shared-legacy/model.pt")
      case .npy:
        var generator = SeededGenerator(seed: 1)
        return try folder.write(
          ByteBuffer(joining: NumPyFormat.encodeArray(generator.tensor([4, 2, 3]))).array, to: "x.npy")
      case .npz: return try copy("demo/inputs.npz")
      }
    }

    /// What is cut.
    func victim(of path: String) -> String {
      guard self == .externalData else { return path }
      return URL(filePath: path).deletingLastPathComponent().appending(path: Self.weights).path
    }

    /// Maps the file at `path`, cuts it, and reads it all, if nobody minds.
    func readWhileCut(_ path: String, cutting: Bool = true) throws {
      let mapped = try ByteBuffer.open(path: path)
      func cut() { if cutting { truncate(victim(of: path), 0) } }
      switch self {
      case .externalData:
        let folder = URL(filePath: path).deletingLastPathComponent().path
        let source = try ONNXDecoder.decode(mapped, folder: folder)
        cut()
        // The import leaves weights where they are.
        let model = try ONNXImporter.importModel(source).model
        _ = try ByteBuffer(joining: NativeFormat.encode(model)).array
      case .npy:
        cut()
        _ = try NumPyFormat.decodeArray(mapped)
      case .npz:
        cut()
        _ = try NumPyFormat.decodeArchive(mapped)
      default:
        cut()
        _ = try ModelFile(bytes: mapped, path: path).storedTensors
      }
    }
  }

  @Test(arguments: Reader.allCases)
  func `a file cut short while it is mapped is named, whichever reader is at it`(reader: Reader) async throws
  {
    let folder = try TemporaryFolder()
    let path = try reader.makeFile(in: folder)
    // The same steps succeed on the whole file: what fails below is the cut.
    try reader.readWhileCut(path, cutting: false)
    let ended = await #expect(processExitsWith: .exitCode(4), observing: [\.standardErrorContent]) {
      [reader = reader as Reader, path = path as String] in
      MappedFiles.exitWhenCutShort(code: 4)
      try reader.readWhileCut(path)
    }
    let message = String(decoding: ended?.standardErrorContent ?? [], as: UTF8.self)
    #expect(
      message.contains(
        "error: \(reader.victim(of: path)): cannot read: it was cut short while it was in use; run again when nobody"
      ),
      "\(message)")
  }
}
