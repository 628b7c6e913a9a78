internal import ByteIO

/// A file without a name, for what another process says: unlike a pipe it is never full.
struct ScratchFile {
  let descriptor: Int32

  init() throws(FileError) {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var path = Array("\(folder)/rnnconv-XXXXXX".utf8CString)
    descriptor = mkstemp(&path)
    guard descriptor >= 0 else { throw FileError(path: folder, action: "make a temporary file", code: errno) }
    unlink(path)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  var size: Int {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
  }

  /// What is in it behind a place, as much of it as `limit` lets.
  func text(from start: Int = 0, limit: Int = .max) -> String {
    var bytes = [UInt8](repeating: 0, count: min(max(0, size - start), limit))
    let count = pread(descriptor, &bytes, bytes.count, start)
    return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
  }

  func remove() { close(descriptor) }
}
