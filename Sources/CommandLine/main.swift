import ByteIO
import Forward
import ONNXFormat
import Recurrent
import Tensors

for path in CommandLine.arguments.dropFirst() {
  do {
    let bytes = try ByteBuffer.open(path: path)
    let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    let source = try ONNXDecoder.decode(bytes, folder: folder)
    let result = try ONNXImporter.importModel(source)
    let export = try ONNXExporter.export(result.model)
    let back = try ONNXImporter.importModel(
      try ONNXDecoder.decode(try ONNXEncoder.encode(export.model), folder: nil))
    print(
      "ok   ", path, result.model.layers.map { $0.operation.name }.joined(separator: " "),
      back.model.fingerprint == result.model.fingerprint
        ? "" : "FINGERPRINT \(back.model.layers.map { $0.operation.name }.joined(separator: " "))")
  } catch {
    print("ERROR", path, "\(error)")
  }
}
