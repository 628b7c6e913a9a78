import Foundation
import TestSupport
import Testing

@testable import FixtureChecks

@Suite struct SelectionTests {
  private func numbered(_ count: Int) throws -> Manifest {
    try manifest(
      manifestText(
        (0..<count).map { "{ \"name\": \"f\($0)\", \"models\": [\"\($0)/m.onnx\"] }" }.joined(
          separator: ",\n")))
  }

  @Test(arguments: [1, 2, 3, 7, 30])
  func `the shards hold every fixture once, and sizes differ by one at most`(count: Int) throws {
    let manifest = try numbered(23)
    let shards = try (1...count).map { index in
      var selection = FixtureSelection()
      selection.shard = FixtureSelection.Shard("\(index)/\(count)")
      return try selection.positions(in: manifest)
    }
    #expect(shards.flatMap { $0 }.sorted() == Array(0..<23))
    #expect(shards.map(\.count).max()! - shards.map(\.count).min()! <= 1)
  }

  @Test(arguments: ["", "0/2", "3/2", "1", "1/", "/2", "a/b", "1/2/3", "-1/2"])
  func `what is no part of anything is no shard`(text: String) {
    #expect(FixtureSelection.Shard(text) == nil)
  }

  @Test func `names and beginnings of names select, unknown ones are told`() throws {
    let manifest = try numbered(12)
    var selection = FixtureSelection()
    selection.only = ["f1*", "f3"]
    #expect(try selection.positions(in: manifest) == [1, 3, 10, 11])
    selection.only = ["g"]
    #expect(throws: FixtureSelection.Failure.unknown("g")) { try selection.positions(in: manifest) }
  }

  // MARK: git

  private struct GitFailure: Error { let description: String }

  /// A repository with a manifest in a folder, all committed.
  private struct Repo {
    let folder = try! TemporaryFolder()
    var models: String { folder.path("models") }

    init(_ fixtures: String) throws {
      try git("init", "--quiet", "-b", "main")
      for name in ["a", "b", "c"] { try write("model of \(name)", to: "models/\(name)/m.onnx") }
      try write("1", to: "models/b/weights.bin")
      try write(manifestText(fixtures), to: "models/rnnconv.json")
      try commit()
    }

    func write(_ text: String, to path: String) throws {
      let url = folder.url.appending(path: path)
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }

    func commit() throws {
      try git("add", "-A")
      try git("-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "x")
    }

    func git(_ arguments: String...) throws {
      let (child, text) = try Child.output(
        of: URL(filePath: "/usr/bin/git"), arguments, in: folder.url, joiningError: true)
      guard child.code == 0 else { throw GitFailure(description: "git \(arguments): \(text)") }
    }

    func changed(since revision: String) throws -> [String] {
      let manifest = try Manifest.open(models)
      var selection = FixtureSelection()
      selection.changedSince = revision
      return try selection.positions(in: manifest).map { manifest.fixtures[$0].name }
    }
  }

  private static let three = ["a", "b", "c"].map {
    "{ \"name\": \"\($0)\", \"models\": [\"./\($0)/m.onnx\"] }"
  }
  .joined(separator: ",\n")

  @Test func `only what changed is checked, by file, by entry, by what lies beside`() throws {
    let repo = try Repo(Self.three)
    #expect(try repo.changed(since: "HEAD") == [])
    try repo.write("another", to: "models/a/m.onnx")
    try repo.write("text", to: "unrelated.txt")
    #expect(try repo.changed(since: "HEAD") == ["a"])
    // External data is named by the model alone.
    try repo.write("2", to: "models/b/weights.bin")
    #expect(try repo.changed(since: "HEAD") == ["a", "b"])
    try repo.commit()
    #expect(try repo.changed(since: "HEAD") == [])
    #expect(try repo.changed(since: "HEAD~1") == ["a", "b"])
    // Untracked.
    try repo.write("new", to: "models/c/new data.bin")
    #expect(try repo.changed(since: "HEAD") == ["c"])
    try repo.write(
      manifestText(Self.three.replacing("\"b\",", with: "\"b\", \"seed\": 2,")), to: "models/rnnconv.json")
    #expect(try repo.changed(since: "HEAD") == ["b", "c"])
  }

  @Test func `in one flat folder a change selects the fixtures whose files it is, and no others`() throws {
    let repo = try Repo(
      ["a", "b", "c"].map {
        "{ \"name\": \"\($0)\", \"models\": [\"\($0).onnx\"], \"inputs\": [\"\($0).x.npy\"], \"expected\": [\"\($0).y.npy\"] }"
      }.joined(separator: ",\n"))
    for name in ["a", "b", "c"] {
      for ending in ["onnx", "x.npy", "y.npy"] {
        try repo.write("\(name) \(ending)", to: "models/\(name).\(ending)")
      }
    }
    // As ONNX does: the model says where its weights are.
    try repo.write("the model b, location b-weights.bin", to: "models/b.onnx")
    try repo.write("1", to: "models/b-weights.bin")
    try repo.commit()
    for (file, fixtures) in [
      ("a.onnx", ["a"]), ("c.x.npy", ["c"]), ("b.y.npy", ["b"]), ("b-weights.bin", ["b"]),
      ("README.md", []), ("new.onnx", []),
    ] {
      try repo.write("changed", to: "models/\(file)")
      #expect(try repo.changed(since: "HEAD") == fixtures, "\(file)")
      try repo.commit()
    }
    try repo.git("rm", "--quiet", "models/b-weights.bin")
    #expect(try repo.changed(since: "HEAD") == ["b"])
  }

  @Test func `a link changes with what it leads to`() throws {
    let repo = try Repo(Self.three)
    try repo.git("mv", "models/a/m.onnx", "models/shared.onnx")
    try FileManager.default.createSymbolicLink(
      atPath: repo.folder.path("models/a/m.onnx"), withDestinationPath: "../shared.onnx")
    try repo.commit()
    try repo.write("another", to: "models/shared.onnx")
    #expect(try repo.changed(since: "HEAD") == ["a"])
  }

  @Test func `what another branch did since is not ours`() throws {
    let repo = try Repo(Self.three)
    try repo.git("checkout", "--quiet", "-b", "ours")
    try repo.write("ours", to: "models/a/m.onnx")
    try repo.commit()
    try repo.git("checkout", "--quiet", "main")
    try repo.write("theirs", to: "models/c/m.onnx")
    try repo.commit()
    try repo.git("checkout", "--quiet", "ours")
    #expect(try repo.changed(since: "main") == ["a"])
  }

  @Test func `a revision that is none, an option as one, and a folder without git are told`() throws {
    let repo = try Repo(Self.three)
    for revision in ["no-such-branch", "--output=x", ""] {
      #expect(throws: FixtureSelection.Failure.self, "\(revision)") { try repo.changed(since: revision) }
    }
    #expect(!FileManager.default.fileExists(atPath: repo.folder.path("models/x")))
    let plain = try TemporaryFolder()
    _ = try plain.write(Array(manifestText(Self.three).utf8), to: "rnnconv.json")
    var selection = FixtureSelection()
    selection.changedSince = "HEAD"
    let manifest = try Manifest.open(plain.url.path)
    let error = #expect(throws: FixtureSelection.Failure.self) { try selection.positions(in: manifest) }
    #expect(error?.description.contains("--changed-since: ") ?? false)
  }
}
