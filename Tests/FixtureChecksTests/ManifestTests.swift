import ByteIO
import Foundation
import RNNConv
import StateDicts
import TestSupport
import Testing
import Verification

@testable import FixtureChecks

@Suite struct ManifestTests {
  private let schema = JSONSchema(
    try! JSONValue(parsing: .open(path: schemaPath("check-manifest.schema.json"))))

  private static let everything = manifestText(
    """
    { "name": "all", "comment": ["anything"],
      "models": [
        "a.onnx",
        { "path": "b/c.pt", "fingerprint": null, "format": "pytorch", "bindings": ["W=w.npy"], "storage": "F16",
          "architecture": { "key": "net", "modules": ["lstm", "fc"], "nonlinearity": "relu", "batch_first": true,
                            "select": "last", "head": ["relu", "none"] } }
      ],
      "inputs": ["x=x.npy", "more.npz"], "expected": ["y.npz"], "verdict": "close", "runtime": "pytorch",
      "tolerance": { "absolute": 1e-6, "relative": 0 }, "seed": 7, "suite": "quick", "timeout": 1.5,
      "activation_error": 1e-4, "diagnosis": false,
      "blind_to": { "gate-order": "one unit" } },
    { "name": "bad", "models": ["bad.onnx"], "refused": { "code": 4, "words": ["cut short"] } },
    { "name": "later", "models": ["later.onnx"], "skip": "not yet" }
    """, rest: "\"$schema\": \"x.json\", \"defaults\": { \"runtime\": \"onnxruntime\", \"timeout\": 9 },")

  @Test func `everything that a manifest can say is read, and written again for a worker`() throws {
    let manifest = try manifest(Self.everything)
    #expect(schema.faults(of: try json(Self.everything)) == [])
    let all = manifest.fixtures[0]
    #expect(all.models.map(\.path) == ["a.onnx", "b/c.pt"])
    #expect(all.models[1].architecture.head == [.relu, nil] && all.models[1].recordsFingerprint)
    #expect(all.verdict == .close && all.options.tolerance == Tolerance(absolute: 1e-6, relative: 0))
    #expect(all.options.runtime == .pytorch && all.timeout == 1.5 && all.options.seed == 7)
    #expect(all.options.suite == .quick && all.triesBoth && all.options.activationError == 1e-4)
    #expect(!all.options.isDiagnosing)
    #expect(all.blindTo == ["gate-order": "one unit"])
    #expect(manifest.fixtures[1].refused == .init(code: 4, words: ["cut short"]))
    #expect(manifest.fixtures[2].options.runtime == .onnxruntime && manifest.fixtures[2].timeout == 9)
    #expect(manifest.lines == [3, 14, 15])
    for fixture in manifest.fixtures {
      let copy = try Fixture(ManifestNode(fixture.json, path: "copy"))
      #expect(copy == fixture)
      #expect(
        schema.faults(
          of: try json(manifestText(String(decoding: fixture.json.compactBytes(), as: UTF8.self)))) == [])
    }
  }

  /// The third column: whether the schema alone sees it.
  @Test(arguments: [
    ("{}", "the key 'rnnconv_check' is missing", true),
    ("{\"rnnconv_check\": 2, \"fixtures\": [{}]}", "rnnconv_check: version 2", true),
    ("{\"rnnconv_check\": 1, \"fixtures\": []}", "fixtures: there are none", false),
    (manifestText("1"), "fixtures[0]: expected an object, found an integer", true),
    (manifestText("{\"models\": [\"a\"]}"), "fixtures[0]: the key 'name' is missing", true),
    (manifestText("{\"name\": \"a\", \"models\": []}"), "fixtures[0].models: there are none", false),
    (
      manifestText("{\"name\": \"a\\n\", \"models\": [\"a\"]}"), "fixtures[0].name: a control character",
      false
    ),
    (
      manifestText("{\"name\": \"a\", \"models\": [\"/etc/a\"]}"),
      "fixtures[0].models[0]: '/etc/a' leads out", false
    ),
    (manifestText("{\"name\": \"a\", \"models\": [\"b/../../a\"]}"), "leads out", false),
    (
      manifestText("{\"name\": \"a\", \"models\": [\"a\"], \"inputs\": [\"x=../x.npy\"]}"),
      "fixtures[0].inputs[0]: '../x.npy' leads out", false
    ),
    (
      manifestText("{\"name\": \"a\", \"models\": [\"a\"], \"verdct\": 1}"),
      "the key 'verdct' has no meaning", true
    ),
    (
      manifestText("{\"name\": \"a\", \"models\": [\"a\"], \"verdict\": \"good\"}"),
      "'good' is not one of identical", true
    ),
    (
      manifestText("{\"name\": \"a\", \"models\": [\"a\"], \"verdict\": \"close\"}"), "needs a tolerance",
      false
    ),
    (manifestText("{\"name\": \"a\", \"models\": [\"a\"], \"timeout\": 0}"), "more than 0 seconds", false),
    (
      manifestText("{\"name\": \"a\", \"models\": [\"a\"], \"tolerance\": {\"absolute\": -1}}"), "negative",
      true
    ),
    (
      manifestText("{\"name\": \"a\", \"models\": [\"a\"], \"blind_to\": {\"luck\": \"x\"}}"),
      "no known mistake", false
    ),
    (manifestText("{\"name\": \"a\", \"models\": [\"a\"], \"expected\": [\"y\"]}"), "need the inputs", false),
    (
      manifestText("{\"name\": \"a\", \"models\": [\"a\", \"b\"], \"refused\": {}}"), "no counterparts", false
    ),
    (manifestText("{\"name\": \"a\", \"models\": [\"a\"], \"refused\": {\"code\": 1}}"), "2, 3 or 4", true),
    (
      manifestText("{\"name\": \"a\", \"models\": [{\"path\": \"a\", \"fingerprint\": \"abc\"}]}"),
      "fixtures[0].models[0].fingerprint: a fingerprint is 64", false
    ),
    (
      manifestText(
        "{\"name\": \"a\", \"models\": [{\"path\": \"a\", \"architecture\": {\"select\": \"best\"}}]}"),
      "fixtures[0].models[0].architecture: expected", true
    ),
    (
      manifestText("{\"name\": \"a\", \"models\": [\"a\"]}, {\"name\": \"a\", \"models\": [\"b\"]}"),
      "there are two fixtures 'a'", false
    ),
    (
      manifestText("{\"name\": \"a\", \"models\": [\"a\"]}", rest: "\"defaults\": {\"models\": 1},"),
      "can have a default", true
    ),
    ("{\"rnnconv_check\": 1,", "not JSON", false),
  ])
  func `a manifest with a fault is refused with its place`(text: String, words: String, bySchema: Bool) throws
  {
    let error = #expect(throws: ManifestError.self) { try manifest(text) }
    #expect(error?.description.contains(words) ?? false, "\(error.map { "\($0)" } ?? "")")
    #expect(error?.description.hasPrefix("models/rnnconv.json:") ?? false)
    if bySchema { #expect(!schema.faults(of: try json(text)).isEmpty) }
  }

  /// Each with what is wrong marked by `▸`, which stands where the place is.
  @Test(arguments: [
    ("{ \"rnnconv_check\": ▸2,\n \"fixtures\": [{}] }", "rnnconv_check: version 2"),
    ("{ \"rnnconv_check\": 1,\n \"fixtures\": ▸[] }", "fixtures: there are none"),
    ("{ \"rnnconv_check\": 1,\n\n  \"fixtures\" ▸[] }", "not JSON: expected ':' after a key"),
    (
      "{ \"rnnconv_check\": 1,\r\n \"defaults\": { \"timeout\": ▸0 },\n \"fixtures\": [{ \"name\": \"a\", \"models\": [\"m\"] }] }",
      "defaults.timeout: give more than 0 seconds"
    ),
    (
      manifestText(
        "{ \"name\": \"é\", \"comment\": \"}]\\\"\", \"models\": [\"m\"],\n \"verdict\": ▸\"good\" }"),
      "fixtures[0].verdict: 'good' is not one of"
    ),
    (
      manifestText("{ \"name\": \"é\", \"models\": [{ \"path\": \"m\", \"fingerprint\": ▸\"abc\" }] }"),
      "fixtures[0].models[0].fingerprint: a fingerprint is 64"
    ),
    (
      manifestText("{ \"name\": \"a\", \"models\": [\"m\"],\n\n\"verdct\": ▸1 }"),
      "fixtures[0]: the key 'verdct' has no meaning"
    ),
    (
      manifestText("{ \"name\": \"a\", \"models\": [\"m\"] },\n▸{ \"models\": [\"m\"] }"),
      "fixtures[1]: the key 'name'"
    ),
    (
      manifestText("{ \"name\": \"a\", \"models\": [\"m\"] },\n{ \"models\": [\"m\"], \"name\": ▸\"a\" }"),
      "fixtures[1].name: there are two fixtures 'a'"
    ),
    (
      manifestText("{ \"name\": \"a\", \"models\": [\"m\"], \"inputs\": [ \"x.npz\" , ▸\"y=/y.npz\" ] }"),
      "fixtures[0].inputs[1]: '/y.npz' leads out"
    ),
  ])
  func `a fault is at the line and column of the value that is wrong`(marked: String, words: String) throws {
    let parts = marked.split(separator: "▸", omittingEmptySubsequences: false)
    let lines = parts[0].split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
    let error = #expect(throws: ManifestError.self) { try manifest(parts.joined()) }
    let place = "models/rnnconv.json:\(lines.count):\(lines.last!.count + 1): "
    #expect(error?.description.hasPrefix(place + words) ?? false, "\(place)\(words)\n\(error!)")
  }

  @Test func `the schema knows every runtime, suite and option`() throws {
    let json = try JSONValue(parsing: .open(path: schemaPath("check-manifest.schema.json")))
    func words(_ name: String) -> JSONValue? { json["$defs"]?[name]?["enum"] }
    #expect(words("runtime") == .array(VerificationOptions.Runtime.allCases.map { .string($0.rawValue) }))
    #expect(words("suite") == .array(ProbeSuite.allCases.map { .string($0.rawValue) }))
    for option in VerificationOption.allCases {
      let isOfModels = option == .storage
      let properties =
        isOfModels
        ? json["$defs"]?["model"]?["oneOf"].flatMap { if case .array(let all) = $0 { all.last } else { nil } }
        : json["$defs"]?["fixture"]
      #expect(properties?["properties"]?[option.manifestKey] != nil, "\(option)")
      if !isOfModels {
        #expect(json["properties"]?["defaults"]?["properties"]?[option.manifestKey] != nil, "\(option)")
      }
    }
  }

  @Test func `our own manifest keeps to the schema`() throws {
    let path = Repository.fixtures.appending(path: "rnnconv.json").path
    #expect(schema.faults(of: try JSONValue(parsing: .open(path: path))) == [])
    let manifest = try Manifest.open(Repository.fixtures.path)
    #expect(manifest.fixtures.count > 200 && manifest.lines.allSatisfy { $0 != nil })
  }

  @Test func `a folder without a manifest is told how to get one`() throws {
    let folder = try TemporaryFolder()
    let error = #expect(throws: ManifestError.self) { try Manifest.open(folder.url.path) }
    #expect(error?.exitCode == 2 && error?.description.contains("check --init") ?? false)
    #expect(throws: ManifestError.self) { try Manifest.open(folder.path("none.json")) }
  }
}
