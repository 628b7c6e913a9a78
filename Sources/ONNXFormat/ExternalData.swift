internal import ByteIO

/// Finds tensors that an ONNX file keeps in other files beside it, and never leaves the model's folder.
final class ExternalData {
  private let folder: String?
  private let limits: Limits
  private let given: [String: ByteBuffer]
  private var opened: [String: ByteBuffer] = [:]

  /// The files that were read, by their names below the model's folder.
  var files: [String] { opened.keys.sorted() }

  /// `folder` is the model's own; nil where the model came from a pipe. Files that are `given` by name are not looked for
  /// there.
  init(folder: String?, given: [String: ByteBuffer] = [:], limits: Limits = .standard) {
    self.folder = folder
    self.given = given
    self.limits = limits
  }

  /// The bytes that the `external_data` entries name: location, and optionally offset and length.
  func bytes(_ fields: [String: String], byteCount: Int, tensor: String) throws(ONNXError) -> ByteBuffer {
    func refuse(_ reason: String) -> ONNXError { .externalData(tensor: tensor, reason: reason) }
    for key in fields.keys where !["location", "offset", "length", "checksum"].contains(key) {
      throw refuse("unknown entry '\(key)'")
    }
    guard let location = fields["location"], !location.isEmpty else { throw refuse("no location") }
    func number(_ key: String, _ standard: Int) throws(ONNXError) -> Int {
      guard let text = fields[key] else { return standard }
      guard let value = Int(text), value >= 0 else { throw refuse("\(key) '\(text)' is not a size") }
      return value
    }
    let offset = try number("offset", 0)
    let length = try number("length", byteCount)
    guard length == byteCount else {
      throw refuse("its shape takes \(byteCount) bytes, length says \(length)")
    }
    let file: ByteBuffer
    if let known = given[location] ?? opened[location] {
      file = known
    } else {
      guard let folder else {
        throw refuse(
          "it is in '\(location)', but a model read from a pipe has no folder: give the model as a file")
      }
      do { file = try ByteBuffer.open(location, beneath: folder, limit: limits.fileBytes) } catch {
        throw refuse(error.description)
      }
      opened[location] = file
    }
    guard let bytes = file.slice(offset: offset, count: byteCount) else {
      throw refuse(
        "'\(location)' has \(file.count) bytes, the tensor is said to take \(byteCount) from byte \(offset): beyond its end"
      )
    }
    return bytes
  }
}
