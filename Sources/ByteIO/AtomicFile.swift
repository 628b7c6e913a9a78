internal import Glibc

/// Writes files so that a reader, or a crash, sees the old content or the new one and never half of it.
public enum AtomicFile {
  /// Replaces `path` by `chunks`, written one after another: temporary file beside it, sync, rename.
  ///
  /// A symbolic link is followed, so that the file it names is replaced and the link stays.
  /// Devices and pipes (`/dev/stdout`) cannot be renamed over; they are written directly. `-` is standard output.
  public static func write(_ chunks: [ByteBuffer], to path: String) throws(FileError) {
    try write([(chunks, path)])
  }

  /// Replaces several files that belong together, in this order: none is touched before all are on the disk.
  public static func write(_ files: [(chunks: [ByteBuffer], path: String)]) throws(FileError) {
    var staged: [(temporary: String, target: String, path: String)] = []
    do throws(FileError) {
      var direct: [(chunks: [ByteBuffer], path: String)] = []
      for (chunks, path) in files {
        if try isDirect(path) {
          direct.append((chunks, path))
        } else {
          let target = try resolvedLink(path)
          staged.append((try stage(chunks, for: target, path), target, path))
        }
      }
      for (chunks, path) in direct { try writeDirectly(chunks, to: path) }
      while let next = staged.first {
        guard rename(next.temporary, next.target) == 0 else {
          throw FileError(path: next.path, action: "replace", code: errno)
        }
        staged.removeFirst()
        syncFolder(of: next.target)
      }
    } catch {
      for file in staged { unlink(file.temporary) }
      throw error
    }
  }

  /// Whether a path is standard output, a device or a pipe.
  private static func isDirect(_ path: String) throws(FileError) -> Bool {
    if path == "-" { return true }
    var status = stat()
    guard stat(path, &status) == 0 else { return false }
    guard status.st_mode & S_IFMT != S_IFDIR else {
      throw FileError(path: path, action: "write", code: EISDIR)
    }
    return status.st_mode & S_IFMT != S_IFREG
  }

  private static func writeDirectly(_ chunks: [ByteBuffer], to path: String) throws(FileError) {
    if path == "-" { return try writeAll(chunks, descriptor: 1, path: "standard output") }
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path: path, action: "open", code: errno) }
    defer { close(descriptor) }
    try writeAll(chunks, descriptor: descriptor, path: path)
  }

  /// Writes a temporary file beside `target`, whose permissions it takes over; returns its path.
  private static func stage(
    _ chunks: [ByteBuffer], for target: String, _ path: String
  ) throws(FileError) -> String {
    let temporary = "\(target).\(getpid()).\(UInt32.random(in: .min ... .max)).tmp"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError(path: path, action: "create", code: errno) }
    do throws(FileError) {
      defer { close(descriptor) }
      var status = stat()
      if stat(target, &status) == 0 { _ = fchmod(descriptor, status.st_mode & 0o7777) }
      try writeAll(chunks, descriptor: descriptor, path: path)
      guard fsync(descriptor) == 0 else { throw FileError(path: path, action: "sync", code: errno) }
    } catch {
      unlink(temporary)
      throw error
    }
    return temporary
  }

  public static func write(_ bytes: [UInt8], to path: String) throws(FileError) {
    try write([ByteBuffer(bytes)], to: path)
  }

  private static func writeAll(
    _ chunks: [ByteBuffer], descriptor: Int32, path: String
  ) throws(FileError) {
    for chunk in chunks {
      try chunk.withUnsafeBytes { (bytes) throws(FileError) in
        var done = 0
        while done < bytes.count {
          let wrote = Glibc.write(descriptor, bytes.baseAddress! + done, min(bytes.count - done, 1 << 30))
          if wrote < 0 && errno == EINTR { continue }
          guard wrote > 0 else { throw FileError(path: path, action: "write", code: errno) }
          done += wrote
        }
      }
    }
  }

  /// The file that a chain of symbolic links leads to, whether or not it exists yet.
  private static func resolvedLink(_ path: String) throws(FileError) -> String {
    if let resolved = realpath(path, nil) {
      defer { free(resolved) }
      return String(cString: resolved)
    }
    // Nothing is there: a new file, or links to one. As many links as Linux follows.
    var target = path
    for _ in 0..<40 {
      guard let destination = destination(ofLink: target) else { return target }
      target = destination.hasPrefix("/") ? destination : "\(folder(of: target))/\(destination)"
    }
    throw FileError(path: path, action: "write", code: ELOOP)
  }

  private static func destination(ofLink path: String) -> String? {
    var name = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(path, &name, name.count)
    return count > 0 ? String(decoding: name[0..<count], as: UTF8.self) : nil
  }

  private static func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
  }

  /// The rename itself must reach the disk: sync the folder that holds the name.
  private static func syncFolder(of path: String) {
    let folder = folder(of: path)
    let descriptor = open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }
}
