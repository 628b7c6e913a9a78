internal import ByteIO

/// Paths and folders.
enum Folder {
  static func exists(_ path: String) -> Bool { mode(of: path) == S_IFDIR }

  static func holds(_ path: String) -> Bool { mode(of: path) != nil }

  private static func mode(of path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }

  /// Without a useless `./` or doubled `/`.
  static func join(_ folder: String, _ path: String) -> String {
    if path.isEmpty { return folder }
    if folder.isEmpty || folder == "." { return path }
    return folder.hasSuffix("/") ? folder + path : "\(folder)/\(path)"
  }

  /// Without a useless `./`, and so the one name that a path has.
  static func plain(_ path: String) -> String {
    path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
  }

  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  static func lastName(of path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }

  /// Absolute, without links: nil where nothing is there.
  static func real(_ path: String) -> String? {
    guard let resolved = realpath(path.isEmpty ? "." : path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// Why a file that a manifest names must not be read or written, if that is so: a link may lead anywhere, and a device or
  /// pipe may never end. A file that is not there yet may be written.
  static func refusal(of path: String, beneath folder: String) -> String? {
    let place = join(folder, path)
    guard let top = real(folder) else { return nil }
    var link = stat()
    let isThere = lstat(place, &link) == 0
    // A link to nothing could be written through.
    guard let found = real(isThere ? place : parent(of: place)) else {
      return isThere ? "it is a link to something that is not there" : nil
    }
    guard found == top || found.hasPrefix(top == "/" ? top : top + "/") else {
      return "it leads out of the manifest's folder, to \(found): put a copy there instead of a link"
    }
    guard isThere else { return nil }
    return mode(of: place) == S_IFREG ? nil : "it is no regular file"
  }

  /// What is in a folder, sorted, hidden names left out; links to folders are not folders here, so that no walk is endless.
  static func entries(of path: String) -> [(name: String, isFolder: Bool)] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted().map { name in
      var status = stat()
      let isFolder = lstat(join(path, name), &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      return (name, isFolder)
    }
  }
}
