import Foundation
import TestSupport
import Testing

/// What fixtures/hostile/expected.json says of one file.
struct HostileFile: Decodable, Sendable, CustomTestStringConvertible {
  var name = ""
  let fault: String
  let reason: [String]
  let exit: Int32
  let onlyImport: Bool

  enum CodingKeys: String, CodingKey {
    case fault, reason, exit
    case onlyImport = "only_import"
  }

  var path: String { Sample.hostile.appending(path: name).path }
  var testDescription: String { "\(name): \(fault)" }

  static let all: [HostileFile] = {
    let data = try! Data(contentsOf: Sample.hostile.appending(path: "expected.json"))
    return try! JSONDecoder().decode([String: HostileFile].self, from: data).map { name, file in
      var file = file
      file.name = name
      return file
    }.sorted { $0.name < $1.name }
  }()
}

@Suite struct HostileTests {
  @Test func `every hostile file is listed, and none is missing`() throws {
    let files = try FileManager.default.subpathsOfDirectory(atPath: Sample.hostile.path).filter {
      $0.hasSuffix(".onnx") && $0 != "valid.onnx"
    }
    #expect(Set(files) == Set(HostileFile.all.map(\.name)))
    #expect(files.count >= 84)
  }

  @Test func `the file that the hostile ones are made from is valid`() throws {
    let outcome = try Tool.run("verify", Sample.valid)
    #expect(outcome.code == 0, "\(outcome)")
  }

  @Test(arguments: HostileFile.all)
  func `hostile files end with their exit code, a reason, and nothing written`(file: HostileFile) throws {
    let folder = try TemporaryFolder()
    for arguments in [
      ["inspect", file.path], ["import", file.path, "-o", folder.path("out.rnnw")], ["verify", file.path],
      ["convert", file.path, folder.path("out.onnx"), "--external-data", "out.bin"],
    ] {
      let outcome = try Tool.run(arguments)
      #expect(outcome.code == file.exit, "\(outcome)")
      #expect(outcome.error.hasPrefix("error: \(file.path): "), "\(outcome)")
      let reasons = file.reason.map { $0.lowercased() }
      let message = outcome.error.replacingOccurrences(of: file.path, with: "").lowercased()
      #expect(
        reasons.isEmpty || reasons.contains { message.contains($0) }, "none of \(reasons): \(outcome)")
      // Of a file that opens, inspect says at least what it says of itself.
      #expect(
        outcome.output.isEmpty || arguments[0] == "inspect" && !outcome.output.contains("fingerprint"),
        "\(outcome)")
      #expect(outcome.seconds < 5, "\(outcome)")
    }
    #expect(try folder.names().isEmpty, "nothing written, and no temporary file left")
  }

  @Test(arguments: HostileFile.all.filter { !$0.name.contains("/") })
  func `hostile files are refused from a pipe too`(file: HostileFile) throws {
    let outcome = try Tool.run("inspect", "-", input: Array(try Data(contentsOf: URL(filePath: file.path))))
    #expect(outcome.code == file.exit, "\(outcome)")
    #expect(outcome.error.hasPrefix("error: "), "\(outcome)")
  }
}
