/// A file that is complete on the disk and waits for its name.
///
/// It has no name at all where the system can do that (`O_TMPFILE`), so that a process that is killed leaves nothing
/// behind. Elsewhere, and for an instant while it replaces another file, it has a temporary name; it is locked as long
/// as its writer lives, and whoever writes to the folder next removes temporary files that nobody locks.
final class StagedFile {
  private let place: Place
  private let path: String
  private let descriptor: Int32
  /// Its temporary name, which goes when the file is given up.
  private var temporary: String?

  /// - Parameter path: what messages call the file.
  init(_ chunks: [ByteBuffer], for place: consuming Place, path: String, sync: Bool) throws(FileError) {
    Self.removeAbandoned(in: place.directory)
    (descriptor, temporary) = try Self.create(in: place.directory, path)
    let earlier = place.status
    self.place = place
    self.path = path
    if let earlier, earlier.st_mode & S_IFMT == S_IFREG { _ = fchmod(descriptor, earlier.st_mode & 0o7777) }
    try AtomicFile.writeAll(chunks, descriptor: descriptor, path: path, startingSync: sync)
    guard !sync || fsync(descriptor) == 0 else { throw FileError(path: path, action: "sync", code: errno) }
  }

  deinit {
    if let temporary { unlinkat(place.directory, temporary, 0) }
    close(descriptor)
  }

  /// What the disk has, as it will be read.
  func content() throws(FileError) -> ByteBuffer {
    try ByteBuffer.map(descriptor: descriptor, path: path, limit: .max)
  }

  /// Takes its name, in place of the file that has it. A link of that name is replaced, not followed.
  func commit() throws(FileError) {
    let unnamed = "/proc/self/fd/\(descriptor)"
    if temporary == nil {
      if linkat(AT_FDCWD, unnamed, place.directory, place.name, AT_SYMLINK_FOLLOW) == 0 { return }
      guard errno == EEXIST else { throw FileError(path: path, action: "create", code: errno) }
      // Only a name can be renamed over another.
      let name = Self.temporaryName()
      guard linkat(AT_FDCWD, unnamed, place.directory, name, AT_SYMLINK_FOLLOW) == 0 else {
        throw FileError(path: path, action: "create", code: errno)
      }
      temporary = name
    }
    guard renameat(place.directory, temporary!, place.directory, place.name) == 0 else {
      throw FileError(path: path, action: "replace", code: errno)
    }
    temporary = nil
  }

  /// The name itself must reach the disk: syncs the folder that holds it.
  func syncFolder() { fsync(place.directory) }

  /// Keeps other writers of the folder from giving names until this file is gone.
  func lockFolder() { _ = flock(place.directory, LOCK_EX) }

  // MARK: Temporary files

  private static let prefix = ".rnnconv-"
  private static let suffix = ".tmp"

  private static func temporaryName() -> String {
    let digits = String(UInt64.random(in: .min ... .max), radix: 16)
    return prefix + String(repeating: "0", count: 16 - digits.count) + digits + suffix
  }

  /// An open and locked file, and its name if it needs one.
  private static func create(in directory: Int32, _ path: String) throws(FileError) -> (Int32, String?) {
    // O_TMPFILE, whose macro Swift does not import; without /proc the file could not be named later.
    if access("/proc/self/fd", X_OK) == 0 {
      let unnamed = openat(directory, ".", 0o20_000_000 | O_DIRECTORY | O_RDWR | O_CLOEXEC, 0o666)
      if unnamed >= 0 {
        _ = flock(unnamed, LOCK_EX)
        return (unnamed, nil)
      }
    }
    while true {
      let name = temporaryName()
      let descriptor = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { throw FileError(path: path, action: "create", code: errno) }
      _ = flock(descriptor, LOCK_EX)
      // Before it was locked it may have been taken for abandoned.
      var status = stat()
      if fstat(descriptor, &status) != 0 || status.st_nlink > 0 { return (descriptor, name) }
      close(descriptor)
    }
  }

  /// Removes the temporary files of writers that were killed.
  private static func removeAbandoned(in directory: Int32) {
    let listing = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard listing >= 0 else { return }
    guard let stream = fdopendir(listing) else {
      close(listing)
      return
    }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name.hasPrefix(prefix), name.hasSuffix(suffix), name.utf8.count == temporaryName().utf8.count
      else { continue }
      let file = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
      guard file >= 0 else { continue }
      if flock(file, LOCK_EX | LOCK_NB) == 0 { unlinkat(directory, name, 0) }
      close(file)
    }
  }
}
