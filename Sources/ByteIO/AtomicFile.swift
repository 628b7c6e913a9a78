internal import Glibc

/// Writes files so that a reader, or a crash, sees the old content or the new one and never half of it.
public enum AtomicFile {
  /// Replaces `path` by `chunks`, written one after another: temporary file beside it, sync, rename.
  ///
  /// A symbolic link is followed, so that the file it names is replaced and the link stays.
  /// Devices and pipes (`/dev/stdout`) cannot be renamed over; they are written directly. `-` is standard output.
  public static func write(_ chunks: [ByteBuffer], to path: String) throws(FileError) {
    try write([NewFile(chunks, path: path)])
  }

  /// One of several files that belong together.
  public struct NewFile: Sendable {
    let chunks: [ByteBuffer]
    let path: String
    let folder: String?

    public init(_ chunks: [ByteBuffer], path: String) {
      self.chunks = chunks
      self.path = path
      folder = nil
    }

    /// A path that comes from a file: neither it nor a symbolic link may lead out of `folder`, which is the empty
    /// string for the folder that the process is in.
    public init(_ chunks: [ByteBuffer], path: String, beneath folder: String) {
      self.chunks = chunks
      self.path = path
      self.folder = folder
    }
  }

  /// Replaces several files that belong together, in this order: none is touched before all are on the disk.
  public static func write(_ files: [NewFile]) throws(FileError) { try write(files, sync: true) }

  /// The same, by measurements also without waiting for the disk: what a process that is killed leaves behind is then as
  /// good as ever, what a machine that loses its power leaves is not.
  package static func write(_ files: [NewFile], sync: Bool) throws(FileError) {
    var staged: [StagedFile] = []
    var direct: [NewFile] = []
    for file in files {
      if let folder = file.folder {
        let place = try Place(file.path, beneath: folder, action: "write")
        if let status = place.status, status.st_mode & S_IFMT != S_IFREG {
          throw FileError(
            path: file.path, action: "write",
            reason: "there is a symbolic link, or no regular file: remove it")
        }
        staged.append(try StagedFile(file.chunks, for: place, path: file.path, sync: sync))
      } else if try isDirect(file.path) {
        direct.append(file)
      } else {
        let place = try Place(try resolvedLink(file.path), path: file.path)
        staged.append(try StagedFile(file.chunks, for: place, path: file.path, sync: sync))
      }
    }
    for file in direct { try writeDirectly(file.chunks, to: file.path) }
    // Of two writers at once, one gives all of its names before the other.
    if staged.count > 1 { staged[0].lockFolder() }
    for file in staged { try file.commit() }
    if sync { for file in staged { file.syncFolder() } }
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

  public static func write(_ bytes: [UInt8], to path: String) throws(FileError) {
    try write([ByteBuffer(bytes)], to: path)
  }

  static func writeAll(
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
}
