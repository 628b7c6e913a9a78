internal import ByteIO
internal import Glibc

/// What git says has changed below a manifest's folder: committed since a revision, staged, unstaged or untracked.
struct Changes {
  /// From the manifest's folder.
  private let files: Set<String>
  /// The fixtures as they were; nil where the manifest did not exist or was no manifest.
  private let before: [Fixture]?
  private let named: Set<String>

  init(since revision: String, in manifest: Manifest) throws(FixtureSelection.Failure) {
    let git = Git(folder: manifest.folder)
    // Where branches have parted, what the other one did since is not a change of ours.
    let ours = try? git.run(["merge-base", "--end-of-options", revision, "HEAD"])
    let base = ours.map { $0.split(separator: "\n").first.map(String.init) ?? revision } ?? revision
    // Paths from the folder git runs in, not from the top.
    let changed = try git.run([
      "diff", "--name-only", "--relative", "-z", "--no-renames", "--end-of-options", base, "--",
    ])
    let untracked = try git.run(["ls-files", "--others", "--exclude-standard", "-z"])
    files = Set((changed + untracked).split(separator: "\0").map(String.init))
    let name = Folder.lastName(of: manifest.path)
    if files.contains(name) {
      let old = try? git.run(["show", "--end-of-options", "\(base):./\(name)"])
      before = old.flatMap { try? Manifest(ByteBuffer(Array($0.utf8)), path: manifest.path) }?.fixtures
    } else {
      before = manifest.fixtures
    }
    named = Set(manifest.fixtures.flatMap(\.paths).map(Self.plain))
  }

  /// Whether a file of the fixture changed, or what the manifest says of it, or a file that nobody names beside or below
  /// its models: external data, shards.
  func touch(_ fixture: Fixture, of manifest: Manifest) -> Bool {
    if !(before?.contains(fixture) ?? false) { return true }
    if fixture.paths.contains(where: { files.contains(Self.plain($0)) }) { return true }
    let folders = fixture.models.map { Folder.parent(of: Self.plain($0.path)) }
    return files.contains { file in
      !named.contains(file) && file != Folder.lastName(of: manifest.path)
        && folders.contains { $0 == "." || file.hasPrefix($0 + "/") }
    }
  }

  private static func plain(_ path: String) -> String {
    path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
  }
}

/// The git of this machine, asked for words.
private struct Git {
  let folder: String

  func run(_ arguments: [String]) throws(FixtureSelection.Failure) -> String {
    let output: ScratchFile
    let errors: ScratchFile
    do {
      (output, errors) = (try ScratchFile(), try ScratchFile())
    } catch { throw .git(error.description) }
    defer {
      output.remove()
      errors.remove()
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output.descriptor, 1)
    posix_spawn_file_actions_adddup2(&actions, errors.descriptor, 2)
    let words = (["git", "-C", folder, "-c", "core.quotePath=false"] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var process = pid_t()
    let failure = posix_spawnp(&process, "git", &actions, nil, words, environ)
    guard failure == 0 else { throw .git("git cannot be started: \(String(cString: strerror(failure)))") }
    guard waitForEnd(of: process) == 0 else {
      let lines = errors.text().split(separator: "\n")
      throw .git(lines.first { $0.hasPrefix("fatal") }.map(String.init) ?? "git \(arguments[0]) failed")
    }
    return output.text()
  }
}
