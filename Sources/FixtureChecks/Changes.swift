internal import ByteIO

/// What git says has changed below a manifest's folder: committed since a revision, staged, unstaged or untracked.
struct Changes {
  /// From the manifest's folder.
  private let files: Set<String>
  /// Those that no fixture names.
  private let strangers: [String]
  /// The fixtures as they were; nil where the manifest did not exist or was no manifest.
  private let before: [Fixture]?
  /// For each folder with models, the models of the fixtures that have one there.
  private let homes: [String: Set<[String]>]
  private let folder: String

  init(since revision: String, in manifest: Manifest) throws(FixtureSelection.Failure) {
    folder = manifest.folder
    let git = Git(folder: folder)
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
    strangers = files.subtracting(manifest.fixtures.flatMap(\.paths).map(Folder.plain) + [name]).sorted()
    var homes: [String: Set<[String]>] = [:]
    for models in manifest.fixtures.map(\.plainModels) {
      for model in models { homes[Folder.parent(of: model), default: []].insert(models) }
    }
    self.homes = homes
  }

  /// Whether something of the fixture changed: what the manifest says of it; a file that it names; or one that no fixture
  /// names and that lies in a folder of this one's models alone, or is named by one of its models.
  func touch(_ fixture: Fixture) -> Bool {
    !(before?.contains(fixture) ?? false) || fixture.paths.contains(where: hasChanged)
      || strangers.contains { homes[home(of: $0)] == [fixture.plainModels] }
      || fixture.models.contains { $0.names(anyOf: strangers, in: folder) }
  }

  /// Of a link, also where it leads.
  private func hasChanged(_ path: String) -> Bool {
    if files.contains(Folder.plain(path)) { return true }
    guard let top = Folder.real(folder), let target = Folder.real(Folder.join(folder, path)) else {
      return false
    }
    return target.hasPrefix(top + "/") && files.contains(String(target.dropFirst(top.count + 1)))
  }

  /// The nearest folder above a file that has models in it.
  private func home(of file: String) -> String {
    var folder = Folder.parent(of: file)
    while folder != ".", homes[folder] == nil { folder = Folder.parent(of: folder) }
    return folder
  }
}

extension Fixture {
  fileprivate var plainModels: [String] { models.map { Folder.plain($0.path) } }
}

extension Fixture.Model {
  /// Whether one of these files may be a part of the model, such as external data or a shard: it lies in or below the model's
  /// folder, and its name stands in the model's bytes. Rather once too often than not: the model is not read to tell.
  fileprivate func names(anyOf files: [String], in folder: String) -> Bool {
    let home = Folder.parent(of: Folder.plain(path))
    let names = files.filter { home == "." || $0.hasPrefix(home + "/") }.map(Folder.lastName)
    guard !names.isEmpty, Folder.refusal(of: path, beneath: folder) == nil,
      let bytes = try? ByteBuffer.open(path: Folder.join(folder, path))
    else { return false }
    // What is no ASCII may be written in more ways than one.
    return names.contains { !$0.utf8.allSatisfy { $0 < 0x80 } || bytes.contains($0) }
  }
}

extension ByteBuffer {
  fileprivate func contains(_ text: String) -> Bool {
    let name = Array(text.utf8)
    return withUnsafeBytes { bytes in
      var rest = bytes[...]
      // Safe: `rest` is never empty here, and lies within the buffer.
      while !rest.isEmpty,
        let found = memchr(bytes.baseAddress! + rest.startIndex, Int32(name[0]), rest.count)
      {
        rest = rest[(UnsafeRawPointer(found) - bytes.baseAddress!)...]
        if rest.starts(with: name) { return true }
        rest = rest.dropFirst()
      }
      return false
    }
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
