import ByteIO
import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct AtomicFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func permissions(_ name: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path(name))
    return try #require(attributes[.posixPermissions] as? Int)
  }

  @Test func `a new file holds the chunks, one after another`() throws {
    try AtomicFile.write([ByteBuffer([1, 2]), ByteBuffer([]), ByteBuffer([3])], to: folder.path("new"))
    #expect(try folder.read("new") == [1, 2, 3])
    #expect(try folder.names() == ["new"])
  }

  @Test func `an existing file is replaced and keeps its permissions`() throws {
    _ = try folder.write([9, 9, 9, 9], to: "old")
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: folder.path("old"))
    try AtomicFile.write([5], to: folder.path("old"))
    #expect(try folder.read("old") == [5])
    #expect(try permissions("old") == 0o640)
    #expect(try folder.names() == ["old"])
  }

  @Test func `staged files are on the disk, and have no names before they are given them`() throws {
    _ = try folder.write([9], to: "old")
    let files = [("old", [ByteBuffer([1, 2]), ByteBuffer([3])]), ("new", [ByteBuffer([4])])].map {
      AtomicFile.NewFile($1, path: folder.path($0))
    }
    do {
      let staged = try AtomicFile.stage(files)
      #expect(try staged.bytes(ofFile: 0).array == [1, 2, 3])
      #expect(try staged.bytes(ofFile: 1).array == [4])
    }
    #expect(try folder.names() == ["old"])
    #expect(try folder.read("old") == [9])
    try AtomicFile.stage(files).commit()
    #expect(try folder.read("old") == [1, 2, 3])
    #expect(try folder.read("new") == [4])
    #expect(try folder.names() == ["new", "old"])
  }

  @Test func `what can have no name is written when names are given`() throws {
    let staged = try AtomicFile.stage([AtomicFile.NewFile([ByteBuffer([1])], path: "/dev/null")])
    #expect(try staged.bytes(ofFile: 0).array == [1])
    try staged.commit()
  }

  @Test func `a file that is still mapped can be replaced by a part of itself`() throws {
    let path = try folder.write([1, 2, 3, 4], to: "file")
    let mapped = try ByteBuffer.open(path: path)
    try AtomicFile.write([mapped.slice(offset: 2, count: 2)!, mapped], to: path)
    #expect(try folder.read("file") == [3, 4, 1, 2, 3, 4])
    #expect(mapped.array == [1, 2, 3, 4])
  }

  @Test func `a symbolic link stays and its target is replaced`() throws {
    _ = try folder.write([1], to: "target")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link"), withDestinationPath: "target")
    try AtomicFile.write([2], to: folder.path("link"))
    #expect(try folder.read("target") == [2])
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link")) == "target")
    #expect(try folder.names() == ["link", "target"])
  }

  @Test func `a link to a file that does not exist yet creates that file`() throws {
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link"), withDestinationPath: "later")
    try AtomicFile.write([2], to: folder.path("link"))
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link")) == "later")
    #expect(try folder.read("later") == [2])
  }

  @Test func `a link that leads back to itself is an error`() throws {
    try FileManager.default.createSymbolicLink(atPath: folder.path("a"), withDestinationPath: "b")
    try FileManager.default.createSymbolicLink(atPath: folder.path("b"), withDestinationPath: "a")
    #expect(throws: FileError.self) { try AtomicFile.write([2], to: folder.path("a")) }
    #expect(try folder.names() == ["a", "b"])
  }

  @Test func `a folder as target is an error and nothing is left behind`() throws {
    try FileManager.default.createDirectory(atPath: folder.path("sub"), withIntermediateDirectories: false)
    #expect(throws: FileError(path: folder.path("sub"), action: "write", reason: "is a directory")) {
      try AtomicFile.write([1], to: folder.path("sub"))
    }
    #expect(try folder.names() == ["sub"])
  }

  @Test func `a folder that does not exist is an error that names the file asked for`() throws {
    let path = folder.path("none/file")
    #expect(throws: FileError(path: path, action: "create", reason: "no such file or directory")) {
      try AtomicFile.write([1], to: path)
    }
    #expect(try folder.names() == [])
  }

  @Test func `a device that cannot take the bytes is an error`() {
    // /dev/full refuses every write; a device is written directly, never renamed over.
    #expect(throws: FileError(path: "/dev/full", action: "write", reason: "no space left on device")) {
      try AtomicFile.write([1], to: "/dev/full")
    }
    #expect(throws: Never.self) { try AtomicFile.write([1], to: "/dev/null") }
  }

  @Test func `what a killed writer left is removed by the next, what a living one writes is not`() throws {
    let abandoned = ".rnnconv-0123456789abcdef.tmp"
    let inUse = ".rnnconv-fedcba9876543210.tmp"
    _ = try folder.write([1], to: abandoned)
    let path = try folder.write([2], to: inUse)
    for other in [".rnnconv-0123.tmp", "rnnconv-0123456789abcdef.tmp", "file.tmp"] {
      _ = try folder.write([3], to: other)
    }
    let writer = open(path, O_RDWR)
    defer { close(writer) }
    #expect(flock(writer, LOCK_EX) == 0)
    try AtomicFile.write([5], to: folder.path("new"))
    #expect(
      try Set(folder.names()) == [
        inUse, ".rnnconv-0123.tmp", "rnnconv-0123456789abcdef.tmp", "file.tmp", "new",
      ])
  }

  @Test func `a file reached by a hard link is replaced under this name alone`() throws {
    _ = try folder.write([1], to: "one")
    try FileManager.default.linkItem(atPath: folder.path("one"), toPath: folder.path("two"))
    try AtomicFile.write([2], to: folder.path("two"))
    #expect(try folder.read("one") == [1])
    #expect(try folder.read("two") == [2])
  }

  @Test func `two writers of a pair leave both files of one of them`() async throws {
    let folder = folder
    await withTaskGroup { group in
      for writer in UInt8(0)..<2 {
        group.addTask {
          for _ in 0..<50 {
            let files = ["a", "b"].map {
              AtomicFile.NewFile(
                [ByteBuffer([UInt8](repeating: writer, count: 10_000))], path: folder.path($0))
            }
            #expect(throws: Never.self) { try AtomicFile.write(files) }
          }
        }
      }
    }
    let bytes = try folder.read("a")
    #expect(bytes == [UInt8](repeating: bytes[0], count: 10_000))
    #expect(try folder.read("b") == bytes)
    #expect(try folder.names() == ["a", "b"])
  }
}
