/// A name in a folder that is held open: what it means cannot be exchanged by changing the path that led there.
struct Place: ~Copyable {
  /// The open folder.
  let directory: Int32
  let name: String

  /// Where a path of the user's leads, links on the way being followed; `path` is what messages call it.
  init(_ resolved: String, path: String) throws(FileError) {
    let slash = resolved.lastIndex(of: "/")
    name = slash.map { String(resolved[resolved.index(after: $0)...]) } ?? resolved
    directory = Glibc.open(slash.map { String(resolved[...$0]) } ?? ".", Self.folderFlags)
    guard directory >= 0 else { throw FileError(path: path, action: "create", code: errno) }
  }

  /// Where a relative path that a file gives leads beneath `folder`.
  ///
  /// Refuses absolute paths, `..`, and symbolic links at every step to the last, which is not looked at. Each step is
  /// opened relative to the one before, so that nothing can be exchanged between a check and its use.
  init(_ path: String, beneath folder: String, action: String = "open") throws(FileError) {
    let steps = path.split(separator: "/", omittingEmptySubsequences: true).filter { $0 != "." }.map(
      String.init)
    guard !path.hasPrefix("/"), !steps.isEmpty, !steps.contains(".."), !path.utf8.contains(0) else {
      throw FileError(path: path, action: action, reason: "the path leads out of the model's folder")
    }
    var last = Glibc.open(folder.isEmpty ? "." : folder, Self.folderFlags)
    guard last >= 0 else { throw FileError(path: folder, action: "open", code: errno) }
    for step in steps.dropLast() {
      let next = openat(last, step, Self.folderFlags | O_NOFOLLOW)
      let code = errno
      close(last)
      guard next >= 0 else {
        if code == ELOOP || code == ENOTDIR { throw Self.link(path, step, action) }
        throw FileError(path: path, action: action, code: code)
      }
      last = next
    }
    directory = last
    name = steps[steps.count - 1]
  }

  deinit { close(directory) }

  static func link(_ path: String, _ step: String, _ action: String) -> FileError {
    FileError(path: path, action: action, reason: "'\(step)' is a symbolic link or not a folder")
  }

  /// What is under the name, itself and not what it links to; nil where nothing is.
  var status: stat? {
    var status = stat()
    return fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status : nil
  }

  private static let folderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
}
