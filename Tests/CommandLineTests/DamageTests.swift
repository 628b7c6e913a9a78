import ByteIO
import Forward
import Foundation
import NativeFormat
import ONNXFormat
import Recurrent
import Tensors
import TestSupport
import Testing
import Verification

/// Files damaged in every place, read in this process: whatever comes out, it must come out, and soon.
@Suite struct DamageTests {
  /// Small sizes are all that these files honestly ask for.
  static let limits: Limits = {
    var limits = Limits()
    limits.elements = 1 << 16
    limits.evaluationSteps = 10_000
    limits.inflatedBytes = 1 << 20
    return limits
  }()

  static let models = [
    "hostile/valid.onnx", "onnx/torch-legacy-rnn-relu-states/model.onnx",
    "onnx/hand-weights-float16-typed/model.onnx", "onnx/hand-scan-rnn/model.onnx",
    "onnx/hand-rnn-reverse-lengths/model.onnx", "onnx/hand-constants-in-nodes/model.onnx",
  ]

  /// Decodes, imports, evaluates and runs what the bytes hold, as far as they allow; says how far that was.
  static func use(_ bytes: [UInt8]) -> (decoded: Bool, imported: Bool) {
    do {
      return (true, use(try ONNXDecoder.decode(ByteBuffer(bytes), folder: nil, limits: limits)))
    } catch {
      #expect(!error.description.isEmpty)
      return (false, false)
    }
  }

  /// Imports, evaluates and runs; whether it could be imported.
  static func use(_ source: ONNXModel) -> Bool {
    let evaluator = try? ONNXEvaluator(source, limits: limits)
    guard let imported = try? ONNXImporter.importModel(source, limits: limits) else { return false }
    guard let probe = try? Probe.generated(for: imported.model, seed: 1).first else { return true }
    // A size that the file fixes honestly may still be large: that takes time, and proves nothing here.
    guard probe.inputs.values.allSatisfy({ $0.count <= 1 << 12 }) else { return true }
    _ = try? evaluator?.run(probe.inputs, precision: .float32)
    _ = try? forward(imported.model, inputs: probe.inputs, precision: .float32)
    _ = try? boundedForward(imported.model, inputs: probe.inputs, rounding: .float32)
    return true
  }

  static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: Repository.fixtures.appending(path: name)))
  }

  @Test(arguments: models)
  func `an ONNX file cut anywhere is an error or a smaller model`(name: String) throws {
    let bytes = try Self.bytes(name)
    #expect(Self.use(bytes).decoded)
    let refused = (0..<bytes.count).count { !Self.use(Array(bytes.prefix($0))).decoded }
    #expect(refused > 0)
  }

  @Test(arguments: models, [0x01, 0x80, 0xFF] as [UInt8])
  func `an ONNX file with any byte changed neither traps nor hangs`(name: String, mask: UInt8) throws {
    var bytes = try Self.bytes(name)
    var refused = 0
    for index in bytes.indices {
      bytes[index] ^= mask
      if !(Self.use(bytes).imported) { refused += 1 }
      bytes[index] ^= mask
    }
    #expect(refused > bytes.count / 20)
  }

  @Test(arguments: models)
  func `an ONNX file is recognised, even cut short, and other files are not`(name: String) throws {
    let bytes = try Self.bytes(name)
    #expect(ONNXDecoder.recognises(ByteBuffer(bytes)))
    for count in [2, bytes.count / 2, bytes.count - 1] {
      #expect(ONNXDecoder.recognises(ByteBuffer(bytes.prefix(count))), "\(count) bytes")
    }
    let native = try Sample.lstm(seed: 1)
    let source = Array(try Data(contentsOf: URL(filePath: #filePath)))
    for other in [
      [], native, source, Array("{}".utf8), Array("\n\n".utf8), Array("# text, long enough".utf8),
    ] {
      #expect(!ONNXDecoder.recognises(ByteBuffer(other)))
    }
  }

  @Test func `a native file cut anywhere is an error`() throws {
    let bytes = try Sample.lstm(seed: 1)
    for count in 0..<bytes.count {
      #expect(throws: RNNWError.self) { try NativeFormat.decode(ByteBuffer(bytes.prefix(count))) }
    }
  }

  @Test(arguments: [0x01, 0x80, 0xFF] as [UInt8])
  func `a native file with any byte changed is an error`(mask: UInt8) throws {
    var bytes = try Sample.lstm(seed: 1)
    for index in bytes.indices {
      bytes[index] ^= mask
      #expect(throws: RNNWError.self, "byte \(index)") { try NativeFormat.decode(ByteBuffer(bytes)) }
      bytes[index] ^= mask
    }
  }
}
