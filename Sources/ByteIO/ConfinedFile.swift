extension ByteBuffer {
  /// Maps the regular file at a relative path beneath a folder, for paths that come from files.
  ///
  /// Refuses what leads outside: absolute paths, `..`, symbolic links at every step, and files with further hard links,
  /// whose other name may be anywhere.
  public static func open(
    _ path: String, beneath folder: String, limit: Int = Limits.standard.fileBytes
  ) throws(FileError) -> ByteBuffer {
    let place = try Place(path, beneath: folder)
    // O_NONBLOCK: opening a named pipe must not wait for its writer.
    let file = openat(place.directory, place.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else {
      if errno == ELOOP { throw Place.link(path, place.name, "open") }
      throw FileError(path: path, action: "open", code: errno)
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw FileError(path: path, action: "open", reason: "it is not a regular file")
    }
    guard status.st_nlink <= 1 else {
      throw FileError(
        path: path, action: "open",
        reason: "it is a hard link, which can lead out of the model's folder: copy the file, and use the copy"
      )
    }
    return try map(
      descriptor: file, path: path, limit: limit,
      place: folder.hasSuffix("/") ? folder + path : "\(folder)/\(path)")
  }
}
