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

/// Does the steps in a folder that `FileStep.prepare` has filled.
final class FileWork {
  private let folder: URL
  /// With its weights in memory of their own, as the peers hold theirs; from one step to the next, as the peers do.
  private var held: Model?

  init(_ folder: URL) { self.folder = folder }

  func measure(_ step: FileStep) throws -> FileStep.Measurement {
    let written = path("written\(step == .convert ? ".rnnw" : "")")
    let work = try prepared(step, writingTo: written)
    try? FileManager.default.removeItem(atPath: written)
    let before = try Memory.resident
    try Memory.forgetPeak()
    var kept: Any?
    let took = try ContinuousClock().measure { kept = try work() }
    let grown = max(0, try Memory.peak - before)
    withExtendedLifetime(kept) {}
    return FileStep.Measurement(seconds: took.seconds, grownBytes: grown)
  }

  private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  /// What is measured. It returns what a user would keep, so that letting go of it does not count.
  private func prepared(_ step: FileStep, writingTo target: String) throws -> () throws -> Any {
    let (native, onnx) = (path("m.rnnw"), path("m.onnx"))
    switch step {
    case .nativeMap:
      return {
        let model = try NativeFormat.decode(try ByteBuffer.open(path: native), verifyChecksums: false)
        return (model, model.sumOfPages)
      }
    case .nativeRead:
      return { try NativeFormat.decode(try ByteBuffer.open(path: native)) }
    case .nativeWrite, .nativeWriteSync:
      let model = try model()
      return {
        let file = AtomicFile.NewFile(try NativeFormat.encode(model), path: target)
        try AtomicFile.write([file], sync: step == .nativeWriteSync)
        return target
      }
    case .onnxRead:
      return {
        let model = try ModelFile.open(onnx, format: .onnx).model
        return (model, model.sumOfPages)
      }
    case .onnxWrite:
      let model = try model()
      return {
        let exported = try ONNXExporter.export(model).model
        let file = AtomicFile.NewFile([try ONNXEncoder.encode(exported).model], path: target)
        try AtomicFile.write([file], sync: false)
        return target
      }
    case .convert:
      var options = ConversionOptions()
      options.verify = false
      return { try ModelFile.open(onnx, format: .onnx).convert(to: target, options) }
    }
  }

  private func model() throws -> Model {
    if let held { return held }
    var model = try NativeFormat.decode(try ByteBuffer.open(path: path("m.rnnw")))
    for index in model.layers.indices {
      model.layers[index].operation = model.layers[index].operation.mapTensors { tensor in
        let copy = tensor.bytes.withUnsafeBytes { ByteBuffer($0) }
        return (try? Tensor(tensor.elementType, shape: tensor.shape, bytes: copy)) ?? tensor
      }
    }
    held = model
    return model
  }
}

extension Model {
  /// One number of each page, so that each page has been there.
  var sumOfPages: Float {
    tensors.reduce(0) { sum, each in
      each.tensor.bytes.withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: 4096).reduce(sum) { sum, offset in
          sum + bytes.loadUnaligned(fromByteOffset: offset, as: Float.self)
        }
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
    let measured = try FileWork(URL(fileURLWithPath: folder)).measure(step)
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
