internal import ByteIO

/// A format that is known and not read: its name, and what leads from it to one that is.
struct ForeignFormat: Sendable {
  let name: String
  let advice: String
  /// Whether a file's first bytes, or else its name, are of that format.
  private let marks: @Sendable (Start) -> Bool

  /// What a file shows of itself.
  struct Start {
    let bytes: [UInt8]
    /// The last part of its path.
    let name: String

    func holds(_ mark: [UInt8], at offset: Int = 0) -> Bool {
      bytes.count >= offset + mark.count && Array(bytes[offset..<(offset + mark.count)]) == mark
    }
    func holds(_ mark: StaticString, at offset: Int = 0) -> Bool {
      holds(mark.withUTF8Buffer(Array.init), at: offset)
    }
    func contains(_ text: String) -> Bool { bytes.firstRange(of: Array(text.utf8)) != nil }
    func ends(in suffixes: String...) -> Bool { suffixes.contains { name.lowercased().hasSuffix($0) } }
    /// The first character that is no white space.
    var opening: UInt8? { bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) } }

    /// Protocol buffers whose field 1 is a small number and whose field 2 is a message that begins with `tag`: the versions of
    /// a SavedModel and of Core ML, and then what they describe. In an ONNX file field 2 is the producer's name.
    func isVersioned(nested: [UInt8]) -> Bool {
      guard bytes.count > 6, bytes[0] == 0x08, bytes[1] < 0x80, bytes[2] == 0x12 else { return false }
      let content = bytes[3...].drop { $0 >= 0x80 }.dropFirst()
      guard content.first == 0x0A else { return false }
      let inner = content.dropFirst().drop { $0 >= 0x80 }.dropFirst()
      return inner.first.map(nested.contains) ?? false
    }
  }

  private static func viaTensorFlow(_ arguments: String) -> String {
    "write ONNX with tf2onnx (python -m tf2onnx.convert \(arguments) --output model.onnx)"
  }

  static let all: [ForeignFormat] = [
    ForeignFormat(
      name: "a LiteRT (TensorFlow Lite) model",
      advice:
        "convert the model that it was made from, or \(viaTensorFlow("--tflite FILE"))"
    ) { $0.holds("TFL3", at: 4) || $0.ends(in: ".tflite", ".lite") },
    ForeignFormat(
      name: "a TensorFlow.js model",
      advice:
        "convert the Keras model or SavedModel that it was made from: \(viaTensorFlow("--saved-model FOLDER"))"
    ) {
      $0.opening == UInt8(ascii: "{")
        && ($0.contains("\"modelTopology\"") || $0.contains("\"layers-model\"")
          || $0.contains("\"graph-model\""))
    },
    ForeignFormat(
      name: "a model of OpenVINO",
      advice: "convert the model that it was made from (ONNX, PyTorch): OpenVINO writes no other format"
    ) {
      $0.opening == UInt8(ascii: "<") && $0.contains("<net ")
        && ($0.contains("<layers") || $0.ends(in: ".xml"))
    },
    ForeignFormat(
      name: "a model of ggml", advice: "convert the checkpoint that it was made from"
    ) { start in ["lmgg", "tjgg", "fmgg", "algg"].contains { start.holds(Array(($0 as String).utf8)) } },
    ForeignFormat(name: "a GGUF file", advice: "convert the checkpoint that it was made from") {
      $0.holds("GGUF")
    },
    ForeignFormat(
      name: "a model of ncnn", advice: "convert the model that it was made from (ONNX, PyTorch)"
    ) { $0.holds("7767517\n") || $0.holds([0xDD, 0x85, 0x76, 0]) },
    ForeignFormat(
      name: "a Keras or HDF5 file",
      advice: "load it in Keras and write ONNX: model.export(path, format=\"onnx\"), or tf2onnx"
    ) {
      $0.holds([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A])
        || $0.holds("PK") && ($0.ends(in: ".keras") || $0.contains("model.weights.h5"))
    },
    ForeignFormat(
      name: "a program of torch.export (.pt2)",
      advice: "save the weights (torch.save(model.state_dict(), path)), or write ONNX with torch.onnx.export"
    ) {
      $0.holds("PK") && ($0.contains("serialized_exported_program") || $0.contains("archive_format"))
    },
    ForeignFormat(
      name: "a program of ExecuTorch",
      advice: "convert the model that it was made from: torch.save(model.state_dict(), path)"
    ) {
      $0.holds("ET", at: 4) && $0.bytes.count > 7 && $0.bytes[6...7].allSatisfy { (0x30...0x39).contains($0) }
    },
    ForeignFormat(
      name: "a Core ML model",
      advice: "convert the model that it was made from: coremltools reads no model back into another format"
    ) { $0.ends(in: ".mlmodel") || $0.isVersioned(nested: [0x0A]) },
    ForeignFormat(name: "a TensorFlow SavedModel", advice: viaTensorFlow("--saved-model FOLDER")) {
      $0.name == "saved_model.pb" || $0.isVersioned(nested: [0x0A, 0x12, 0x1A, 0x22, 0x2A, 0x32])
    },
    ForeignFormat(
      name: "a frozen graph of TensorFlow", advice: viaTensorFlow("--graphdef FILE --inputs … --outputs …")
    ) { $0.ends(in: ".pb") && $0.holds([0x0A]) && ($0.contains("Placeholder") || $0.contains("Const")) },
    ForeignFormat(
      name: "a model of Paddle", advice: "write ONNX with paddle2onnx"
    ) { $0.ends(in: ".pdmodel", ".pdiparams", ".pdparams") },
    ForeignFormat(
      name: "a Tesseract model",
      advice: "its LSTM can be unpacked with combine_tessdata, but is not read here"
    ) { $0.ends(in: ".traineddata", ".lstm") },
  ]

  static func recognise(_ bytes: ByteBuffer, path: String) -> ForeignFormat? {
    let start = Start(
      bytes: bytes.slice(offset: 0, count: min(bytes.count, 1 << 14))!.array, name: Self.name(of: path))
    return all.first { $0.marks(start) }
  }

  /// What a folder is that was given as a file.
  static func recognise(folder: String) -> ForeignFormat? {
    func holds(_ name: String) -> Bool { access("\(folder)/\(name)", F_OK) == 0 }
    if holds("saved_model.pb") { return all.first { $0.name.hasSuffix("SavedModel") } }
    if holds("Manifest.json") || name(of: folder).hasSuffix(".mlpackage") || holds("model.mil") {
      return all.first { $0.name.hasSuffix("Core ML model") }
    }
    if holds("__model__") || holds("inference.pdmodel") { return all.first { $0.name.hasSuffix("Paddle") } }
    return nil
  }

  private static func name(of path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }

  private init(name: String, advice: String, _ marks: @escaping @Sendable (Start) -> Bool) {
    self.name = name
    self.advice = advice
    self.marks = marks
  }
}
