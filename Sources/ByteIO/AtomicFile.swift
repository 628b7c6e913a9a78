internal import CFiles

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
    try stage(files, sync: sync).commit()
  }

  /// Puts several files that belong together on the disk, without their names: `commit` gives them those, and without it
  /// nothing has happened.
  public static func stage(_ files: [NewFile]) throws(FileError) -> StagedFiles {
    try stage(files, sync: true)
  }

  private static func stage(_ files: [NewFile], sync: Bool) throws(FileError) -> StagedFiles {
    var contents: [StagedFiles.Content] = []
    for file in files {
      if let folder = file.folder {
        let place = try Place(file.path, beneath: folder, action: "write")
        if let status = place.status, status.st_mode & S_IFMT != S_IFREG {
          throw FileError(
            path: file.path, action: "write",
            reason: "there is a symbolic link, or no regular file: remove it")
        }
        contents.append(.staged(try StagedFile(file.chunks, for: place, path: file.path, sync: sync)))
      } else if try isDirect(file.path) {
        contents.append(.direct(file))
      } else {
        let place = try Place(try resolvedLink(file.path), path: file.path)
        contents.append(.staged(try StagedFile(file.chunks, for: place, path: file.path, sync: sync)))
      }
    }
    return StagedFiles(contents, sync: sync)
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

  fileprivate static func writeDirectly(_ chunks: [ByteBuffer], to path: String) throws(FileError) {
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
    _ chunks: [ByteBuffer], descriptor: Int32, path: String, startingSync: Bool = false
  ) throws(FileError) {
    for batch in batches(chunks) {
      var rest = batch
      while !rest.isEmpty {
        let vectors = rest.map { piece in
          // Safe: `batch` keeps the memory of its pieces until all of it is written.
          piece.withUnsafeBytes {
            iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count)
          }
        }
        let wrote = writev(descriptor, vectors, Int32(vectors.count))
        if wrote < 0 && errno == EINTR { continue }
        guard wrote > 0 else { throw FileError(path: path, action: "write", code: errno) }
        rest = dropping(wrote, from: rest)
      }
      // The disk works while the next batches are copied. Whether it has everything is for `fsync` to say.
      if startingSync { cf_start_sync(descriptor) }
      // What is written from a mapped file is not read again soon: a conversion keeps one batch at a time in memory.
      for piece in batch { piece.releasePages() }
    }
  }

  /// The chunks cut where the file is at a multiple of 2 MiB, and joined in between as far as one call can take them: the
  /// system then keeps the file in large pages, which are mapped at once when it is read.
  private static func batches(_ chunks: [ByteBuffer]) -> [[ByteBuffer]] {
    let (batchBytes, vectorLimit) = (2 << 20, 1024)
    var batches: [[ByteBuffer]] = []
    var batch: [ByteBuffer] = []
    var position = 0
    for chunk in chunks.flatMap(\.chunks) {
      var rest = chunk
      while rest.count > 0 {
        let count = min(rest.count, batchBytes - position % batchBytes)
        batch.append(rest.slice(offset: 0, count: count)!)
        rest = rest.slice(offset: count, count: rest.count - count)!
        position += count
        if position % batchBytes == 0 || batch.count == vectorLimit {
          batches.append(batch)
          batch = []
        }
      }
    }
    return batch.isEmpty ? batches : batches + [batch]
  }

  private static func dropping(_ count: Int, from pieces: [ByteBuffer]) -> [ByteBuffer] {
    var left = count
    var rest = pieces[...]
    while let first = rest.first, first.count <= left {
      left -= first.count
      rest.removeFirst()
    }
    guard left > 0, let first = rest.popFirst() else { return Array(rest) }
    return [first.slice(offset: left, count: first.count - left)!] + rest
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

/// Files that are complete on the disk and wait for their names, in place of those that have them.
public struct StagedFiles: ~Copyable {
  enum Content {
    case staged(StagedFile)
    /// What no name can be given to: it is written at once.
    case direct(AtomicFile.NewFile)
  }

  private let contents: [Content]
  private let sync: Bool

  init(_ contents: [Content], sync: Bool) {
    self.contents = contents
    self.sync = sync
  }

  /// The bytes of a file, mapped where it is on the disk already.
  public func bytes(ofFile index: Int) throws(FileError) -> ByteBuffer {
    switch contents[index] {
    case .staged(let file): try file.content()
    case .direct(let file): ByteBuffer(joining: file.chunks)
    }
  }

  /// Gives the files their names.
  public consuming func commit() throws(FileError) {
    var staged: [StagedFile] = []
    for content in contents {
      switch content {
      case .staged(let file): staged.append(file)
      case .direct(let file): try AtomicFile.writeDirectly(file.chunks, to: file.path)
      }
    }
    // Of two writers at once, one gives all of its names before the other.
    if staged.count > 1 { staged[0].lockFolder() }
    for file in staged { try file.commit() }
    if sync { for file in staged { file.syncFolder() } }
  }
}
