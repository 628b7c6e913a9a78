import Foundation
import Recurrent
import TestSupport
import Testing

@Suite struct AtomicWritingTests {
  /// Conversions that fail for different reasons.
  enum Cause: CaseIterable {
    case malformed, notExpressible, badArguments, loss

    func arguments(_ folder: TemporaryFolder) throws -> [String] {
      switch self {
      case .malformed: return [Sample.hostile.appending(path: "truncated.onnx").path]
      case .notExpressible:
        var projected = LayerSpecification(.lstm)
        projected.projectionSize = 2
        projected.peepholes = true
        return [try folder.write(try Sample.rnnw(projected.model(seed: 1)), to: "source.rnnw")]
      case .badArguments: return [Sample.demo, "--opset", "3"]
      case .loss: return [Sample.demo, "--external-data", "sub/data.bin"]
      }
    }
  }

  @Test(arguments: Cause.allCases)
  func `a failed conversion leaves what was there untouched`(cause: Cause) throws {
    let folder = try TemporaryFolder()
    let target = try folder.write(Array("precious".utf8), to: "target.onnx")
    let arguments = try cause.arguments(folder)
    let before = try folder.names()
    let outcome = try Tool.run(["convert", arguments[0], target] + arguments.dropFirst())
    #expect(outcome.code.map { (2...4).contains($0) } == true, "\(outcome)")
    #expect(try folder.read("target.onnx") == Array("precious".utf8))
    #expect(try folder.names() == before)
  }

  @Test(arguments: ["convert", "import", "run"])
  func `a target in a folder that is not there is 4, and says so`(command: String) throws {
    let folder = try TemporaryFolder()
    let target = folder.path("gone/m.\(command == "run" ? "npz" : "rnnw")")
    let arguments: [String] =
      switch command {
      case "import": ["import", Sample.demo, "-o", target]
      case "run": ["run", Sample.demo, "--input", Sample.demoInputs, "-o", target]
      default: ["convert", Sample.demo, target]
      }
    let outcome = try Tool.run(arguments)
    #expect(outcome.code == 4, "\(outcome)")
    #expect(outcome.error.contains("\(target): cannot create: no such file or directory"), "\(outcome)")
    #expect(try folder.names().isEmpty)
  }

  @Test func `a target that is a folder is 4`() throws {
    let folder = try TemporaryFolder()
    let target = folder.path("folder.rnnw")
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
    let outcome = try Tool.run("convert", Sample.demo, target)
    #expect(outcome.code == 4, "\(outcome)")
    #expect(outcome.error.contains("\(target): cannot write: is a directory"), "\(outcome)")
  }

  @Test func `weights beside the model are not left behind when the model cannot be written`() throws {
    let folder = try TemporaryFolder()
    let target = folder.path("m.onnx")
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
    let outcome = try Tool.run("convert", Sample.demo, target, "--external-data", "w.bin")
    #expect(outcome.code == 4, "\(outcome)")
    #expect(try folder.names() == ["m.onnx"])
  }

  @Test func `the model and its weights cannot be one file`() throws {
    let folder = try TemporaryFolder()
    let outcome = try Tool.run("convert", Sample.demo, folder.path("m.onnx"), "--external-data", "m.onnx")
    #expect(outcome.code == 2, "\(outcome)")
    #expect(outcome.error.contains("--external-data"), "\(outcome)")
    #expect(try folder.names().isEmpty)
  }
}
