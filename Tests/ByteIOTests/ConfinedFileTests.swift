import ByteIO
import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Paths that come from files stay in their folder, on reading and on writing.
@Suite struct ConfinedFileTests {
  let outside: TemporaryFolder
  let folder: String

  init() throws {
    outside = try TemporaryFolder()
    folder = outside.path("model")
    try FileManager.default.createDirectory(atPath: folder + "/sub", withIntermediateDirectories: true)
    _ = try outside.write([1, 2, 3], to: "secret")
    _ = try outside.write([4, 5], to: "model/data")
    _ = try outside.write([6], to: "model/sub/data")
    for (name, destination) in [
      ("link", "../secret"), ("inner", "data"), ("up", ".."), ("loop", "loop"),
      ("later", outside.path("later")),
    ] {
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder)/\(name)", withDestinationPath: destination)
    }
    try FileManager.default.linkItem(atPath: outside.path("secret"), toPath: folder + "/hard")
  }

  @Test(arguments: ["data", "./data", "sub/data", "sub//data"])
  func `a path beneath the folder is read and written`(path: String) throws {
    #expect(try ByteBuffer.open(path, beneath: folder).array == (path.hasPrefix("sub") ? [6] : [4, 5]))
    try AtomicFile.write([AtomicFile.NewFile([ByteBuffer([7])], path: path, beneath: folder)])
    #expect(try ByteBuffer.open(path, beneath: folder).array == [7])
  }

  static let escapes = [
    "", "/", "/etc/hostname", "../secret", "sub/../../secret", "sub/../data", "link", "inner", "up/secret",
    "up/model/data", "loop", "later", "inner/data", "data\0", "..", ".",
  ]

  @Test(arguments: escapes)
  func `a path that leads outside, or through a link, is neither read nor written`(path: String) throws {
    #expect(throws: FileError.self) { try ByteBuffer.open(path, beneath: folder) }
    let before = try contents()
    #expect(throws: FileError.self) {
      try AtomicFile.write([AtomicFile.NewFile([ByteBuffer([7])], path: path, beneath: folder)])
    }
    #expect(try contents() == before)
  }

  @Test func `a hard link is not read, and writing leaves its other name alone`() throws {
    let error = #expect(throws: FileError.self) { try ByteBuffer.open("hard", beneath: folder) }
    #expect(error?.reason.contains("hard link") == true)
    try AtomicFile.write([AtomicFile.NewFile([ByteBuffer([7])], path: "hard", beneath: folder)])
    #expect(try outside.read("secret") == [1, 2, 3])
    #expect(try outside.read("model/hard") == [7])
  }

  @Test func `of files that belong together none is written when one leads outside`() throws {
    #expect(throws: FileError.self) {
      try AtomicFile.write([
        AtomicFile.NewFile([ByteBuffer([7])], path: folder + "/new"),
        AtomicFile.NewFile([ByteBuffer([7])], path: "link", beneath: folder),
      ])
    }
    #expect(!FileManager.default.fileExists(atPath: folder + "/new"))
  }

  @Test func `links that are exchanged while files are opened never lead outside`() throws {
    // One thread makes `turn` now a folder, now a link to the outside; whoever checks first and opens later is caught.
    let folder = folder
    try FileManager.default.createDirectory(atPath: folder + "/a", withIntermediateDirectories: false)
    try FileManager.default.createDirectory(atPath: outside.path("b"), withIntermediateDirectories: false)
    _ = try outside.write([1, 2, 3], to: "b/data")
    _ = try outside.write([4, 5], to: "model/a/data")
    // A task might have to wait for a thread until all is over.
    let turning = Thread {
      while !Thread.current.isCancelled {
        unlink(folder + "/turn")
        rename(folder + "/a", folder + "/turn")
        rename(folder + "/turn", folder + "/a")
        symlink("../b", folder + "/turn")
      }
    }
    turning.start()
    var (attempts, reads) = (0, 0)
    let end = ContinuousClock.now + .seconds(20)
    while attempts < 20_000 || reads == 0 && ContinuousClock.now < end {
      attempts += 1
      if let bytes = try? ByteBuffer.open("turn/data", beneath: folder).array {
        reads += 1
        #expect(bytes.first == 4 || bytes.first == 8)
      }
      // Written every so often, as each write waits for the disk.
      if reads % 100 == 1 {
        try? AtomicFile.write([AtomicFile.NewFile([ByteBuffer([8])], path: "turn/data", beneath: folder)])
      }
    }
    turning.cancel()
    while !turning.isFinished { usleep(1_000) }
    #expect(reads > 0, "the folder was never there")
    #expect(try outside.read("b/data") == [1, 2, 3])
    #expect(try outside.names().allSatisfy { ["b", "model", "secret"].contains($0) })
  }

  /// Every file beneath the outer folder, with its bytes.
  private func contents() throws -> [String: Data?] {
    var result: [String: Data?] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: outside.url.path) {
      result[name] = FileManager.default.contents(atPath: outside.path(name))
    }
    return result
  }
}
