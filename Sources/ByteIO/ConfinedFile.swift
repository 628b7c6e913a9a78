internal import Glibc

extension ByteBuffer {
  /// Maps the regular file at a relative path beneath a folder, for paths that come from files.
  ///
  /// Refuses absolute paths, `..`, and symbolic links at every step. Each step is opened relative to the one before,
  /// so that nothing can be exchanged between a check and its use.
  public static func open(
    _ path: String, beneath folder: String, limit: Int = Limits.standard.fileBytes
  ) throws(FileError) -> ByteBuffer {
    let steps = path.split(separator: "/", omittingEmptySubsequences: true).filter { $0 != "." }.map(
      String.init)
    guard !path.hasPrefix("/"), !steps.isEmpty, !steps.contains(".."), !path.utf8.contains(0) else {
      throw FileError(path: path, action: "open", reason: "the path leads out of the model's folder")
    }
    var directory = Glibc.open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw FileError(path: folder, action: "open", code: errno) }
    defer { close(directory) }
    for (position, step) in steps.enumerated() {
      let last = position == steps.count - 1
      // O_NONBLOCK: opening a named pipe must not wait for its writer.
      let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY)
      let next = openat(directory, step, flags)
      guard next >= 0 else {
        let code = errno
        if code == ELOOP || (code == ENOTDIR && !last) {
          throw FileError(path: path, action: "open", reason: "'\(step)' is a symbolic link or not a folder")
        }
        throw FileError(path: path, action: "open", code: code)
      }
      close(directory)
      directory = next
    }
    var status = stat()
    guard fstat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw FileError(path: path, action: "open", reason: "it is not a regular file")
    }
    return try map(descriptor: directory, path: path, limit: limit)
  }
}
