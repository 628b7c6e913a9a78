internal import ArgumentParser
internal import ByteIO
internal import Foundation
internal import NativeFormat
internal import ONNXFormat
internal import RNNConv
internal import Recurrent
internal import Tensors

/// What is done to a file while time and memory are measured.
enum FileStep: String, CaseIterable, ExpressibleByArgument {
  case nativeMap = "native-map"
  case nativeRead = "native-read"
  case nativeWrite = "native-write"
  case nativeWriteSync = "native-write-sync"
  case onnxRead = "onnx-read"
  case onnxWrite = "onnx-write"
  case convert

  struct Measurement: Codable {
    let seconds: Double
    /// What memory grew by at most, pages of mapped files included.
    let grownBytes: Int
  }

  /// Does it once, on the files that `FileStep.prepare` has put into the folder.
  func measure(in folder: URL) throws -> Measurement {
    let written = folder.appendingPathComponent("written\(self == .convert ? ".rnnw" : "")")
    try? FileManager.default.removeItem(at: written)
    let step = try prepared(folder, writingTo: written.path)
    let before = try Memory.resident
    try Memory.forgetPeak()
    var kept: Any?
    let took = try ContinuousClock().measure { kept = try step() }
    let grown = max(0, try Memory.peak - before)
    withExtendedLifetime(kept) {}
    return Measurement(seconds: took.seconds, grownBytes: grown)
  }

  /// What is measured. It returns what a user would keep, so that letting go of it does not count.
  private func prepared(_ folder: URL, writingTo target: String) throws -> () throws -> Any {
    let native = folder.appendingPathComponent("m.rnnw").path
    let onnx = folder.appendingPathComponent("m.onnx").path
    switch self {
    case .nativeMap:
      return {
        let model = try NativeFormat.decode(try ByteBuffer.open(path: native), verifyChecksums: false)
        // One number of each page, so that each page has been there.
        return (model, model.tensors.reduce(0) { $0 + $1.tensor.sumOfPages })
      }
    case .nativeRead:
      return { try NativeFormat.decode(try ByteBuffer.open(path: native)) }
    case .nativeWrite, .nativeWriteSync:
      let model = try NativeFormat.decode(try ByteBuffer.open(path: native))
      return {
        let file = AtomicFile.NewFile(try NativeFormat.encode(model), path: target)
        try AtomicFile.write([file], sync: self == .nativeWriteSync)
        return target
      }
    case .onnxRead:
      return { try ModelFile.open(onnx, format: "onnx").model }
    case .onnxWrite:
      let model = try NativeFormat.decode(try ByteBuffer.open(path: native))
      return {
        let exported = try ONNXExporter.export(model).model
        let file = AtomicFile.NewFile([try ONNXEncoder.encode(exported).model], path: target)
        try AtomicFile.write([file], sync: false)
        return target
      }
    case .convert:
      var options = ConversionOptions()
      options.verify = false
      return { try ModelFile.open(onnx, format: "onnx").convert(to: target, options) }
    }
  }

  /// Writes m.rnnw and m.onnx: a stack of LSTMs of 8 MiB each.
  static func prepare(_ folder: URL, mebibytes: Int) throws {
    let item = ForwardCase(cell: "LSTM", steps: 1, batch: 1, size: 512)
    let model = item.random(layers: max(1, mebibytes / 8)).0
    for name in ["m.rnnw", "m.onnx"] {
      var options = ConversionOptions()
      options.verify = false
      _ = try ModelFile(model, name: "random").convert(to: folder.appendingPathComponent(name).path, options)
    }
  }
}

extension Tensor {
  /// Of every 1024th number.
  fileprivate var sumOfPages: Float {
    bytes.withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: 4096).reduce(0) { sum, offset in
        sum + bytes.loadUnaligned(fromByteOffset: offset, as: Float.self)
      }
    }
  }
}

/// One step in a process of its own, whose memory is then that step's alone.
struct FileStepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "file-step", abstract: "A step of 'files', once.", shouldDisplay: false)

  @Argument var step: FileStep
  @Argument var folder: String

  func run() throws {
    let measured = try step.measure(in: URL(fileURLWithPath: folder))
    print(String(decoding: try JSONEncoder().encode(measured), as: UTF8.self))
  }

  /// Starts this program again for the step.
  static func measure(_ step: FileStep, in folder: URL) throws -> FileStep.Measurement {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["file-step", step.rawValue, folder.path]
    process.standardOutput = output
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return try JSONDecoder().decode(FileStep.Measurement.self, from: text)
  }
}
