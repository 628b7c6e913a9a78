import ByteIO
import Foundation
import RNNConv
import TestSupport
import Testing

/// The library says what can be set by its own names; the command line alone knows flags.
@Suite struct FlagTests {
  @Test func `no message of the library names a flag`() throws {
    let sources = Repository.root.appending(path: "Sources")
    // The rest is the command line's own, or a bench.
    let own = ["CommandLine", "FixtureChecks", "Bench"]
    var found: [String] = []
    var files = 0
    for path in try FileManager.default.subpathsOfDirectory(atPath: sources.path)
    where path.hasSuffix(".swift") && !own.contains(String(path.prefix { $0 != "/" })) {
      files += 1
      let text = try String(contentsOf: sources.appending(path: path), encoding: .utf8)
      for line in text.split(separator: "\n") where !line.contains("//") {
        // Styles of a page, and the commands of others.
        if line.contains("style=") || line.contains("python") || line.contains("viaTensorFlow") { continue }
        if line.contains(#/"[^"]*(?:^|[^-\w])--[a-z]/#) { found.append("\(path): \(line)") }
      }
    }
    #expect(files > 200 && found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  @Test func `the command line names flags instead`() throws {
    let folder = try TemporaryFolder()
    let path = Repository.fixtures.appending(path: "pytorch/lstm-twice/model.pt").path
    let refused = try Tool.run("inspect", path)
    #expect(refused.code == 4 && refused.error.contains("choose one with --key"), "\(refused)")
    let odd = try folder.write(Array("nothing known".utf8), to: "m.xyz")
    let unknown = try Tool.run("inspect", odd)
    #expect(unknown.code == 4 && unknown.error.contains("name it with --from"), "\(unknown)")
    let json = try Tool.run(
      "inspect", Repository.fixtures.appending(path: "pytorch/classifier/model.pt").path, "--json"
    ).json()
    let findings = try #require(json["findings"] as? [[String: Any]])
    #expect(findings.compactMap { $0["option"] as? String } == ["--select", "--head", "--batch-first"])
  }

  @Test func `what a file says stays as it is`() throws {
    let folder = try TemporaryFolder()
    var model = LayerSpecification(.lstm).model(seed: 1)
    model.metadata["note"] = "choose `select` or `key`"
    let path = folder.path("m.rnnw")
    _ = try ModelFile(model, name: "m").convert(to: path)
    let json = try Tool.run("inspect", path, "--json").json()
    #expect((json["metadata"] as? [String: String])?["note"] == model.metadata["note"])
  }

  @Test func `reports of check name flags, too`() throws {
    let folder = try TemporaryFolder()
    let twice = Repository.fixtures.appending(path: "pytorch/lstm-twice/model.pt")
    try FileManager.default.copyItem(atPath: twice.path, toPath: folder.path("m.pt"))
    let manifest = #"{"rnnconv_check": 1, "fixtures": [{"name": "twice", "models": ["m.pt"]}]}"#
    _ = try folder.write(Array(manifest.utf8), to: "rnnconv.json")
    let path = folder.path("out.xml")
    let outcome = try Tool.run("check", folder.url.path, "--junit", path, "--format", "github")
    #expect(outcome.code == 1 && outcome.output.contains("choose one with --key"), "\(outcome)")
    #expect(try String(contentsOfFile: path, encoding: .utf8).contains("choose one with --key"))
  }
}
