import Foundation
import NumPyFormat
import RNNConv
import Recurrent
import Tensors
import TestSupport
import Testing

/// `rnnconv check` as CI runs it, over folders of files made here.
@Suite struct CheckTests {
  /// A folder with a good pair, and whatever a test adds.
  private struct Models {
    let folder = try! TemporaryFolder()
    var path: String { folder.url.path }

    init() throws {
      _ = try folder.write(try Sample.lstm(seed: 3), to: "lstm.rnnw")
      try convert("lstm.rnnw", "lstm.onnx")
    }

    func convert(_ source: String, _ target: String) throws {
      let outcome = try Tool.run(
        "convert", folder.path(source), folder.path(target), "--allow-loss", "--force")
      #expect(outcome.code == 0, "\(outcome)")
    }

    func write(_ fixtures: String) throws {
      _ = try folder.write(
        Array("{ \"rnnconv_check\": 1, \"fixtures\": [\n\(fixtures)\n] }".utf8), to: "rnnconv.json")
    }

    func check(_ arguments: String..., environment: [String: String] = [:]) throws -> Tool.Outcome {
      try Tool.run(["check", path] + arguments, environment: environment)
    }
  }

  private static let pair = "{ \"name\": \"pair\", \"models\": [\"lstm.onnx\", \"lstm.rnnw\"] }"

  // MARK: Verdicts and exit codes

  @Test func `a pair that computes the same passes, one that does not fails with its diagnosis`() throws {
    let models = try Models()
    try models.write(Self.pair)
    let good = try models.check()
    #expect(good.code == 0, "\(good)")
    #expect(good.output.hasPrefix("1 passed, 0 failed: 1 of 1 fixtures"), "\(good)")

    _ = try models.folder.write(try Sample.lstm(seed: 4), to: "lstm.rnnw")
    let bad = try models.check("--verbose")
    #expect(bad.code == 1, "\(bad)")
    #expect(bad.output.contains("FAIL  pair\n      different: "), "\(bad)")
    #expect(bad.output.contains("0 passed, 1 failed"), "\(bad)")

    try models.write(Self.pair.replacing("] }", with: "], \"verdict\": \"different\" }"))
    #expect(try models.check().code == 0)
    _ = try models.folder.write(try Sample.lstm(seed: 3), to: "lstm.rnnw")
    let alike = try models.check()
    #expect(alike.code == 1 && alike.output.contains("not-different: "), "\(alike)")
  }

  @Test func `bad files fail their fixtures, each with its reason, and never the run`() throws {
    let models = try Models()
    let folder = models.folder
    _ = try folder.write([], to: "empty.onnx")
    _ = try folder.write(Array("hello".utf8), to: "text.onnx")
    _ = try folder.write(Array(try folder.read("lstm.onnx").dropLast(40)), to: "cut.onnx")
    _ = try folder.write(
      try Sample.npy(Tensor([Float](repeating: 0, count: 6), shape: [1, 2, 3])), to: "x.npy")
    _ = try folder.write(
      try Sample.npy(Tensor([Float](repeating: 0, count: 8), shape: [1, 2, 4])), to: "wide.npy")
    func fixture(_ name: String, _ model: String, _ rest: String = "") -> String {
      "{ \"name\": \"\(name)\", \"models\": [\"\(model)\"]\(rest) }"
    }
    try models.write(
      [
        fixture("empty", "empty.onnx"), fixture("text", "text.onnx"), fixture("cut", "cut.onnx"),
        fixture("missing", "none.onnx"), fixture("no inputs", "lstm.onnx", ", \"inputs\": [\"none.npy\"]"),
        fixture("wide", "lstm.onnx", ", \"inputs\": [\"x=wide.npy\"]"),
        fixture("format", "lstm.onnx").replacing(
          "\"lstm.onnx\"", with: "{ \"path\": \"lstm.onnx\", \"format\": \"gguf\" }"),
        fixture("fingerprint", "lstm.onnx").replacing(
          "\"lstm.onnx\"",
          with: "{ \"path\": \"lstm.onnx\", \"fingerprint\": \"\(String(repeating: "0", count: 64))\" }"),
        fixture("refused", "text.onnx", ", \"refused\": { \"code\": 4, \"words\": [\"not an ONNX model\"] }"),
        fixture("otherwise", "text.onnx", ", \"refused\": { \"words\": [\"cut short\"] }"),
        fixture("accepted", "lstm.onnx", ", \"refused\": {}"),
        fixture("later", "none.onnx", ", \"skip\": \"not yet\""),
        Self.pair,
      ].joined(separator: ",\n"))
    let outcome = try models.check("--json")
    #expect(outcome.code == 1, "\(outcome)")
    let fixtures = try #require(try outcome.json()["fixtures"] as? [[String: Any]])
    let kinds = fixtures.map { fixture in
      (fixture["problems"] as? [[String: Any]])?.first.map { $0["kind"] as? String ?? "" } ?? fixture[
        "status"] as? String
    }
    #expect(
      kinds == [
        "unreadable", "unreadable", "unreadable", "missing", "missing", "unreadable", "unreadable",
        "fingerprint",
        "passed", "not-refused", "not-refused", "skipped", "passed",
      ], "\(outcome)")
    for fixture in fixtures where fixture["status"] as? String == "failed" {
      let problem = try #require((fixture["problems"] as? [[String: Any]])?.first)
      #expect(
        (problem["message"] as? String)?.contains(problem["file"] as? String ?? "?") ?? false, "\(problem)")
    }
  }

  @Test func `exit codes are those of the documentation`() throws {
    let models = try Models()
    #expect(try models.check().code == 2, "no manifest")
    try models.write(Self.pair)
    for arguments in [
      ["--shard", "3/2"], ["--jobs", "0"], ["--timeout", "0"], ["--format", "html"], ["--dry-run"],
      ["--only", "nobody"], ["--changed-since", "no-such-revision"], ["--init", "--power"],
      ["--update", "--power"], ["--add", "--power"], ["--init", "--add"],
      ["--step-summary"],
    ] {
      let outcome = try Tool.run(["check", models.path] + arguments)
      #expect(outcome.code == 2, "\(outcome)")
      #expect(outcome.error.contains(arguments[0]) && outcome.output.isEmpty, "\(outcome)")
    }
    try models.write("{ \"name\": \"pair\" }")
    let malformed = try models.check()
    #expect(malformed.code == 4 && malformed.error.contains("rnnconv.json:2:1: fixtures[0]"), "\(malformed)")
    #expect(try Tool.run("check", models.folder.path("none.json")).code == 4)

    // A recurrence that expands: after 400 steps rounding alone covers the outputs.
    var expanding = LayerSpecification(.rnn)
    expanding.hiddenSize = 24
    expanding.scale = 1.5
    for seed in 1...2 {
      _ = try models.folder.write(try Sample.rnnw(expanding.model(seed: 1)), to: "wild\(seed).rnnw")
    }
    var generator = SeededGenerator(seed: 5)
    _ = try models.folder.write(try Sample.npy(generator.tensor([400, 2, 3])), to: "x.npy")
    try models.convert("wild1.rnnw", "wild.onnx")
    try models.write(
      "{ \"name\": \"wild\", \"models\": [\"wild.onnx\"], \"inputs\": [\"x.npy\"], \"expected\": [\"y.npz\"] }"
    )
    let run = try Tool.run(
      "run", models.folder.path("wild.onnx"), "--input", models.folder.path("x.npy"), "-o",
      models.folder.path("y.npz"))
    #expect(run.code == 0, "\(run)")
    let doubtful = try models.check()
    #expect(doubtful.code == 5 && doubtful.output.contains("inconclusive: "), "\(doubtful)")
  }

  // MARK: Selection and reports

  @Test func `reports go to files, to standard output and to the step's summary, all from one run`() throws {
    let models = try Models()
    try models.write(Self.pair + ",\n{ \"name\": \"missing\", \"models\": [\"none.onnx\"] }")
    let summary = try models.folder.write(Array("before\n".utf8), to: "summary.md")
    let outcome = try models.check(
      "--format", "github", "--junit", models.folder.path("j.xml"), "--sarif", models.folder.path("s.sarif"),
      "--tap",
      models.folder.path("t.tap"), "--markdown", models.folder.path("m.md"), "--json-report",
      models.folder.path("r.json"), "--step-summary",
      environment: ["GITHUB_STEP_SUMMARY": summary, "GITHUB_WORKSPACE": models.path])
    #expect(outcome.code == 1, "\(outcome)")
    #expect(outcome.output.hasPrefix("::error file=none.onnx,title=missing%3A missing::"), "\(outcome)")
    func text(_ name: String) throws -> String {
      String(decoding: try models.folder.read(name), as: UTF8.self)
    }
    #expect(try text("j.xml").contains("<error type=\"missing\""))
    #expect(try text("s.sarif").contains("\"ruleId\": \"missing\""))
    #expect(try text("t.tap").hasPrefix("TAP version 14\n1..2\nok 1 - pair\nnot ok 2 - missing\n"))
    #expect(try text("r.json").contains("\"failed\": 1"))
    #expect(try text("summary.md") == "before\n" + text("m.md"))
    // A report that cannot be written is told, and the run's outcome is not what ends it.
    let unwritable = try models.check("--junit", models.folder.path("none/j.xml"))
    #expect(unwritable.code == 4 && unwritable.error.contains("none/j.xml: cannot create"), "\(unwritable)")
  }

  @Test func `shards and names choose, and nothing chosen is no failure`() throws {
    let models = try Models()
    try models.write((1...5).map { Self.pair.replacing("pair", with: "p\($0)") }.joined(separator: ",\n"))
    var seen: [String] = []
    for index in 1...3 {
      let outcome = try models.check("--shard", "\(index)/3", "--verbose", "--jobs", "1")
      #expect(outcome.code == 0, "\(outcome)")
      seen += outcome.output.split(separator: "\n").filter { $0.hasPrefix("pass  ") }.map {
        String($0.dropFirst(6).prefix(2))
      }
    }
    #expect(seen.sorted() == ["p1", "p2", "p3", "p4", "p5"])
    let empty = try models.check("--only", "p1", "--shard", "2/2")
    #expect(empty.code == 0 && empty.output.hasPrefix("0 passed, 0 failed: 0 of 5"), "\(empty)")
  }

  // MARK: Power

  @Test func `power fails inputs that notice nothing, until the manifest says why`() throws {
    let models = try Models()
    _ = try models.folder.write(
      try Sample.npy(Tensor([Float](repeating: 0, count: 6), shape: [1, 2, 3])), to: "x.npy")
    let fixture = "{ \"name\": \"zeros\", \"models\": [\"lstm.onnx\"], \"inputs\": [\"x.npy\"] }"
    try models.write(fixture)
    #expect(try models.check().code == 0)
    let blind = try models.check("--power")
    #expect(blind.code == 1, "\(blind)")
    #expect(
      blind.output.contains("blind: ") && blind.output.contains("would not notice kernel-transposed"),
      "\(blind)")
    #expect(blind.output.contains("because all inputs are zero"), "\(blind)")
    try models.write(fixture.replacing("] }", with: "], \"blind_to\": { \"all\": \"a smoke test\" } }"))
    #expect(try models.check("--power").code == 0)
  }

  // MARK: The file at fault

  @Test func `what deviates, or does not fit, is said of the file that is wrong`() throws {
    let models = try Models()
    let folder = models.folder
    var generator = SeededGenerator(seed: 5)
    _ = try folder.write(try Sample.npy(generator.tensor([4, 2, 3])), to: "x.npy")
    _ = try folder.write(try Sample.npy(generator.tensor([4, 2, 5])), to: "wide.npy")
    _ = try folder.write(Array("hello".utf8), to: "text.npy")
    _ = try folder.write(try Sample.lstm(seed: 4), to: "other.rnnw")
    let run = try Tool.run(
      "run", folder.path("lstm.onnx"), "--input", folder.path("x.npy"), "-o", folder.path("y.npz"))
    #expect(run.code == 0, "\(run)")
    let outputs = try Sample.npz(folder.path("y.npz"))
    let (right, hidden) = (try #require(outputs["y"]), try #require(outputs["h"]))
    _ = try folder.write(try Sample.npy(right), to: "y.npy")
    _ = try folder.write(try Sample.npy(generator.tensor(right.shape)), to: "wrong.npy")
    _ = try folder.write(try Sample.npy(generator.tensor(hidden.shape)), to: "hidden.npy")
    _ = try folder.write(try Sample.npy(generator.tensor([1, 2])), to: "small.npy")
    func fixture(_ models: String, _ inputs: String?, _ expected: String?) -> String {
      // Several files are given with the quotes between them.
      let inputs = inputs.map { ", \"inputs\": [\"\($0)\"]" } ?? ""
      let expected = expected.map { ", \"expected\": [\"\($0)\"]" } ?? ""
      return "\"models\": [\(models)]\(inputs)\(expected)"
    }
    let one = "\"lstm.onnx\""
    let cases = [
      (fixture(one, "x.npy", "y=y.npy\", \"h=hidden.npy"), "hidden.npy"),
      (fixture(one, "x.npy", "y=y.npy"), nil), (fixture(one, "x.npy", "y=wrong.npy"), "wrong.npy"),
      (fixture(one, "x.npy", "y=small.npy"), "small.npy"), (fixture(one, "x.npy", "y=text.npy"), "text.npy"),
      (fixture(one, "x.npy", "none=y.npy"), "y.npy"), (fixture(one, "wide.npy", "y=y.npy"), "wide.npy"),
      (fixture(one, "wide.npy", nil), "wide.npy"), (fixture(one, "text.npy", "y=y.npy"), "text.npy"),
      (fixture("\"lstm.onnx\", \"lstm.rnnw\"", "wide.npy", nil), "wide.npy"),
      (fixture("\"lstm.onnx\", \"other.rnnw\"", "x.npy", "y=y.npy"), "other.rnnw"),
      (fixture("{ \"path\": \"lstm.onnx\", \"bindings\": [\"W=text.npy\"] }", nil, nil), "text.npy"),
    ]
    try models.write(
      cases.enumerated().map { "{ \"name\": \"f\($0)\", \($1.0) }" }.joined(separator: ",\n"))
    let outcome = try models.check("--json")
    let fixtures = try #require(try outcome.json()["fixtures"] as? [[String: Any]])
    for (fixture, (text, file)) in zip(fixtures, cases) {
      let problems = try #require(fixture["problems"] as? [[String: Any]])
      #expect(problems.first?["file"] as? String == file, "\(text)\n\(problems)")
    }
    let annotated = try models.check("--format", "github", environment: ["GITHUB_WORKSPACE": models.path])
    #expect(annotated.output.contains("::error file=wrong.npy,title=f2%3A different::"), "\(annotated)")
  }

  // MARK: What is not listed, and what moved

  @Test func `models that the manifest does not list are a warning, and add lists them`() throws {
    let models = try Models()
    let folder = models.folder
    try FileManager.default.moveItem(atPath: folder.path("lstm.rnnw"), toPath: folder.path("same.rnnw"))
    try models.write(
      "{ \"name\": \"lstm\", \"comment\": \"kept\", \"models\": [{ \"path\": \"lstm.onnx\", \"fingerprint\": null }, \"./same.rnnw\"] }"
    )
    let quiet = try models.check()
    #expect(quiet.code == 0 && quiet.error.isEmpty, "\(quiet)")

    for seed in 10..<17 { _ = try folder.write(try Sample.lstm(seed: UInt64(seed)), to: "new\(seed).rnnw") }
    _ = try folder.write(try Sample.lstm(seed: 3), to: "lstm.rnnw")
    let warned = try models.check()
    #expect(warned.code == 0 && warned.output.hasPrefix("1 passed, 0 failed"), "\(warned)")
    #expect(warned.error.split(separator: "\n").count == 1, "\(warned)")
    #expect(
      warned.error.hasPrefix("warning: ") && warned.error.contains("lstm.rnnw, new10.rnnw, ")
        && warned.error.contains(" and 3 more")
        && warned.error.contains("'rnnconv check \(models.path) --add'"), "\(warned)")
    #expect(try models.check("--only", "lstm").error.isEmpty)
    #expect(try models.check("--shard", "2/2").error.isEmpty)
    let annotated = try models.check("--format", "github", environment: ["GITHUB_WORKSPACE": models.path])
    #expect(annotated.code == 0 && annotated.output.hasPrefix("::warning file=rnnconv.json"), "\(annotated)")

    let before = try folder.read("rnnconv.json")
    let dry = try models.check("--add", "--dry-run")
    #expect(dry.code == 0 && dry.output.contains("8 fixtures to add; nothing was written"), "\(dry)")
    #expect(try folder.read("rnnconv.json") == before)
    let added = try models.check("--add")
    #expect(added.code == 0 && added.output.contains("rnnconv.json: 8 fixtures added"), "\(added)")
    #expect(added.output.contains("new16: new16.rnnw"), "\(added)")
    let manifest = try #require(
      try JSONSerialization.jsonObject(with: Data(folder.read("rnnconv.json"))) as? [String: Any])
    let fixtures = try #require(manifest["fixtures"] as? [[String: Any]])
    #expect(fixtures.count == 9)
    // What was listed is as it was, its fingerprint unrecorded.
    let first = try #require(fixtures[0]["models"] as? [Any])
    #expect(fixtures[0]["comment"] as? String == "kept" && first.count == 2)
    #expect((first[0] as? [String: Any])?["fingerprint"] is NSNull && first[1] as? String == "./same.rnnw")
    // The new file of a listed model is compared with that model.
    let pair = try #require(fixtures.first { $0["name"] as? String == "lstm (2)" })
    let paths = try #require(pair["models"] as? [Any]).map {
      $0 as? String ?? ($0 as? [String: Any])?["path"] as? String
    }
    #expect(paths == ["lstm.onnx", "lstm.rnnw"], "\(pair)")
    #expect(
      (fixtures.last?["models"] as? [[String: Any]])?.first?["fingerprint"] as? String != nil, "\(fixtures)")

    let after = try models.check()
    #expect(after.code == 0 && after.output.hasPrefix("9 passed") && after.error.isEmpty, "\(after)")
    let nothing = try models.check("--add")
    #expect(nothing.code == 0 && nothing.output.hasPrefix("nothing to add"), "\(nothing)")
    #expect(try models.check("--add", "--update").code == 2)
  }

  @Test func `parts of models and folders with a manifest of their own are nothing to list`() throws {
    let models = try Models()
    let folder = models.folder
    let form = Repository.fixtures.appending(path: "forms/sentiment")
    for name in ["example.model.json", "weights.safetensors"] {
      try FileManager.default.copyItem(atPath: form.appending(path: name).path, toPath: folder.path(name))
    }
    try FileManager.default.createDirectory(
      at: folder.url.appending(path: "own"), withIntermediateDirectories: true)
    _ = try folder.write(try Sample.lstm(seed: 1), to: "own/a.rnnw")
    _ = try folder.write(
      Array("{ \"rnnconv_check\": 1, \"fixtures\": [{ \"name\": \"a\", \"models\": [\"a.rnnw\"] }] }".utf8),
      to: "own/rnnconv.json")
    try models.write(Self.pair + ", { \"name\": \"form\", \"models\": [\"example.model.json\"] }")
    let outcome = try models.check()
    #expect(outcome.code == 0 && outcome.error.isEmpty, "\(outcome)")
  }

  @Test func `a model that moved is recognised by its fingerprint, and update takes its new path`() throws {
    let models = try Models()
    let folder = models.folder
    func create(_ name: String) throws {
      try FileManager.default.createDirectory(
        at: folder.url.appending(path: name), withIntermediateDirectories: true)
    }
    try create("old")
    var generator = SeededGenerator(seed: 5)
    _ = try folder.write(try Sample.npy(generator.tensor([4, 2, 3])), to: "old/tagger.inputs.npy")
    try FileManager.default.copyItem(atPath: folder.path("lstm.onnx"), toPath: folder.path("old/tagger.onnx"))
    try FileManager.default.copyItem(atPath: folder.path("lstm.rnnw"), toPath: folder.path("old/tagger.rnnw"))
    try models.write(
      """
      \(Self.pair),
      { "name": "tagger", "inputs": ["old/tagger.inputs.npy"], "expected": ["old/y.npz"],
        "models": [{ "path": "old/tagger.onnx", "fingerprint": null }, { "path": "old/tagger.rnnw", "fingerprint": null }] }
      """)
    #expect(try models.check("--update").code == 0)
    #expect(try models.check().code == 0)

    try create("new")
    _ = try folder.write(try Sample.lstm(seed: 8), to: "new/another.rnnw")
    for (old, new) in [
      ("tagger.onnx", "reader.onnx"), ("tagger.rnnw", "reader.rnnw"),
      ("tagger.inputs.npy", "reader.inputs.npy"), ("y.npz", "y.npz"),
    ] {
      try FileManager.default.moveItem(atPath: folder.path("old/\(old)"), toPath: folder.path("new/\(new)"))
    }
    let moved = try models.check()
    #expect(moved.code == 1, "\(moved)")
    for (old, new) in [
      ("tagger.onnx", "reader.onnx"), ("tagger.rnnw", "reader.rnnw"),
      ("tagger.inputs.npy", "reader.inputs.npy"), ("y.npz", "y.npz"),
    ] {
      #expect(
        moved.output.contains(
          "old/\(old): there is no such file; moved to new/\(new)? 'rnnconv check --update' takes the new path"
        ),
        "\(moved)")
    }
    // Of the two new files only one is unknown.
    #expect(moved.error.contains(" new/another.rnnw, ") && !moved.error.contains("new/reader"), "\(moved)")
    let add = try models.check("--add", "--dry-run")
    #expect(
      add.output.contains("old/tagger.onnx: moved to new/reader.onnx: ")
        && add.output.contains("1 fixture to add"),
      "\(add)")

    let dry = try models.check("--update", "--dry-run")
    #expect(dry.output.contains("old/tagger.onnx: moved to new/reader.onnx\n"), "\(dry)")
    #expect(dry.output.contains("4 to record; nothing was written"), "\(dry)")
    #expect(try models.check().code == 1)
    let update = try models.check("--update")
    #expect(update.code == 0 && update.output.contains("4 recorded"), "\(update)")
    let after = try models.check()
    #expect(after.code == 0 && after.output.hasPrefix("2 passed, 0 failed"), "\(after)")
  }

  // MARK: Writing

  @Test func `init writes what it finds, and check takes it`() throws {
    let models = try Models()
    let folder = models.folder
    let checkpoint = Repository.fixtures.appending(path: "pytorch/lstm-zip/model.pt").path
    try FileManager.default.copyItem(atPath: checkpoint, toPath: folder.path("zip.pt"))
    try models.convert("zip.pt", "zip.onnx")
    var generator = SeededGenerator(seed: 5)
    _ = try folder.write(try Sample.npy(generator.tensor([4, 2, 3])), to: "lstm.inputs.npy")
    let sub = folder.url.appending(path: "onnx-case")
    try FileManager.default.createDirectory(
      at: sub.appending(path: "test_data_set_0"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: Sample.demo, toPath: sub.appending(path: "model.onnx").path)
    try FileManager.default.copyItem(
      atPath: Sample.demoInputs, toPath: sub.appending(path: "inputs.npz").path)
    try FileManager.default.copyItem(
      atPath: Sample.demoOutputs, toPath: sub.appending(path: "outputs.npz").path)
    _ = try folder.write(Array("hello".utf8), to: "broken.onnx")
    // Would be called zip as well; and a name that no manifest can hold.
    try FileManager.default.createDirectory(
      at: folder.url.appending(path: "zip"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: folder.path("zip.onnx"), toPath: folder.path("zip/model.onnx"))
    try FileManager.default.copyItem(atPath: folder.path("zip.onnx"), toPath: folder.path("new\nline.onnx"))
    let outcome = try models.check("--init")
    #expect(outcome.code == 0 && outcome.output.contains("broken.onnx"), "\(outcome)")
    let manifest = try #require(
      try JSONSerialization.jsonObject(with: Data(folder.read("rnnconv.json"))) as? [String: Any])
    let fixtures = try #require(manifest["fixtures"] as? [[String: Any]])
    #expect(fixtures.map { $0["name"] as? String } == ["broken", "lstm", "zip", "onnx-case", "zip (2)"])
    func paths(_ index: Int) -> [String?]? {
      (fixtures[index]["models"] as? [[String: Any]])?.map { $0["path"] as? String }
    }
    #expect(paths(1) == ["lstm.onnx", "lstm.rnnw"] && paths(2) == ["zip.onnx", "zip.pt"])
    #expect(outcome.output.contains("zip.pt: assumed "), "\(outcome)")
    #expect(fixtures[1]["inputs"] as? [String] == ["lstm.inputs.npy"])
    #expect(fixtures[3]["expected"] as? [String] == ["onnx-case/outputs.npz"])
    // Nothing is written over.
    #expect(try models.check("--init").code == 4)

    let check = try models.check("--json")
    let results = try #require(try check.json()["fixtures"] as? [[String: Any]])
    #expect(
      check.code == 1
        && results.map { $0["status"] as? String } == ["failed", "passed", "passed", "passed", "passed"],
      "\(check)"
    )
  }

  @Test func `update says what changes, records it, and leaves the rest of the manifest alone`() throws {
    let models = try Models()
    let folder = models.folder
    var generator = SeededGenerator(seed: 5)
    _ = try folder.write(try Sample.npy(generator.tensor([4, 2, 3])), to: "x.npy")
    let text = """
      { "name": "a", "comment": "kept", "models": [{ "path": "lstm.onnx", "fingerprint": null }],
        "inputs": ["x.npy"], "expected": ["y.npz"] },
      { "name": "b", "models": ["lstm.rnnw"] }
      """
    try models.write(text)
    #expect(try models.check().output.contains("missing: "))
    let before = try folder.read("rnnconv.json")
    let dry = try models.check("--update", "--dry-run")
    #expect(dry.code == 0 && dry.output.contains("2 to record; nothing was written"), "\(dry)")
    #expect(try folder.read("rnnconv.json") == before && !folder.names().contains("y.npz"))
    let update = try models.check("--update")
    #expect(
      update.code == 0 && update.output.contains("y.npz: written anew: it does not exist yet"), "\(update)")
    #expect(update.output.contains("lstm.onnx: fingerprint not recorded → "), "\(update)")
    let after = try #require(
      try JSONSerialization.jsonObject(with: Data(folder.read("rnnconv.json"))) as? [String: Any])
    let fixtures = try #require(after["fixtures"] as? [[String: Any]])
    #expect(
      fixtures[0]["comment"] as? String == "kept" && fixtures[1]["models"] as? [String] == ["lstm.rnnw"])
    #expect(try models.check().code == 0)
    #expect(try models.check("--update").output == "nothing to record\n")

    // Another model under the same name: check fails, update records it.
    _ = try folder.write(try Sample.lstm(seed: 9), to: "lstm.rnnw")
    try models.convert("lstm.rnnw", "lstm.onnx")
    let changed = try models.check()
    #expect(
      changed.code == 1 && changed.output.contains("fingerprint: ") && changed.output.contains("different: "),
      "\(changed)")
    let again = try models.check("--update")
    #expect(again.code == 0 && again.output.contains("y.npz: written anew: different, output"), "\(again)")
    #expect(try models.check().code == 0)
  }

  @Test func `outputs that cannot be recorded are named, and nothing of them is touched`() throws {
    let models = try Models()
    _ = try models.folder.write(Array("hello".utf8), to: "bad.onnx")
    var generator = SeededGenerator(seed: 5)
    _ = try models.folder.write(try Sample.npy(generator.tensor([4, 2, 3])), to: "x.npy")
    try models.write(
      """
      { "name": "pb", "models": ["lstm.onnx"], "inputs": ["x.npy"], "expected": ["y.pb"] },
      { "name": "bad", "models": [{ "path": "bad.onnx", "fingerprint": null }] }
      """)
    let outcome = try models.check("--update")
    #expect(outcome.code == 1, "\(outcome)")
    #expect(
      outcome.output.contains("y.pb: there are") && outcome.output.contains("bad.onnx: "), "\(outcome)")
    #expect(try !models.folder.names().contains("y.pb"))
  }

  @Test func `an output recorded as an ONNX tensor is read again`() throws {
    let models = try Models()
    var generator = SeededGenerator(seed: 5)
    _ = try models.folder.write(try Sample.npy(generator.tensor([4, 2, 3])), to: "x.npy")
    let name = try #require(try ModelFile.open(models.folder.path("lstm.rnnw")).outputNames.first)
    try models.write(
      "{ \"name\": \"pb\", \"models\": [\"lstm.onnx\"], \"inputs\": [\"x.npy\"], \"expected\": [\"\(name)=y.pb\"] }"
    )
    let recorded = try models.check("--update")
    #expect(recorded.code == 0 && recorded.output.contains("y.pb: written anew"), "\(recorded)")
    #expect(try models.check().code == 0)
  }

  @Test func `links that lead out of the folder are neither read nor written through`() throws {
    let models = try Models()
    let outside = try TemporaryFolder()
    _ = try outside.write(try Sample.lstm(seed: 3), to: "secret.rnnw")
    let manager = FileManager.default
    try manager.createSymbolicLink(
      atPath: models.folder.path("link.rnnw"), withDestinationPath: outside.path("secret.rnnw"))
    try manager.createSymbolicLink(
      atPath: models.folder.path("zero.onnx"), withDestinationPath: "/dev/zero")
    try manager.createSymbolicLink(
      atPath: models.folder.path("y.npz"), withDestinationPath: outside.path("written.npz"))
    try manager.createSymbolicLink(
      atPath: models.folder.path("inside.rnnw"), withDestinationPath: "lstm.rnnw")
    var generator = SeededGenerator(seed: 5)
    _ = try models.folder.write(try Sample.npy(generator.tensor([4, 2, 3])), to: "x.npy")
    try models.write(
      """
      { "name": "link", "models": ["link.rnnw"] }, { "name": "zero", "models": ["zero.onnx"] },
      { "name": "inside", "models": ["inside.rnnw"] },
      { "name": "write", "models": ["lstm.onnx"], "inputs": ["x.npy"], "expected": ["y.npz"] }
      """)
    let read = try models.check("--only", "link", "--only", "zero", "--only", "inside")
    #expect(read.code == 1 && read.output.contains("1 passed, 2 failed"), "\(read)")
    #expect(read.output.contains("leads out of the manifest's folder"), "\(read)")
    let written = try models.check("--only", "write", "--update")
    #expect(written.code == 1 && written.output.contains("a link to something"), "\(written)")
    #expect(try outside.names() == ["secret.rnnw"])
  }

  @Test func `our own fixtures pass`() throws {
    let outcome = try Tool.run("check", Repository.fixtures.path)
    #expect(outcome.code == 0, "\(outcome)")
  }
}
