import ByteIO
import Foundation
import FuzzTargets
import NativeFormat
import RNNConv
import TestSupport
import Testing

private let root = URL(filePath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// What a fuzzer does in hours, for some seconds and always the same.
@Suite struct FuzzTargetsTests {
  private static func files(in folder: String) -> [URL] {
    let found = FileManager.default.enumerator(
      at: root.appending(path: folder), includingPropertiesForKeys: [.fileSizeKey, .isRegularFileKey])
    return (found?.compactMap { $0 as? URL } ?? []).filter {
      let values = try? $0.resourceValues(forKeys: [.fileSizeKey, .isRegularFileKey])
      return values?.isRegularFile == true && (values?.fileSize ?? 0) <= 8 << 10
    }.sorted { $0.path < $1.path }
  }

  /// Some small fixtures, and changes of them: a byte, a cut, a piece put elsewhere.
  @Test("each target takes good files and survives changed ones", arguments: FuzzTarget.all.map(\.name))
  func changes(name: String) throws {
    let target = try #require(FuzzTarget.all.first { $0.name == name })
    let fixtures = try (Self.files(in: "fixtures") + Self.files(in: "Tests/FuzzTargetsTests/Seeds/\(name)"))
      .map { try ByteBuffer.open(path: $0.path) }
    let good = try (name == "rnnw" ? fixtures.compactMap(inOurFormat) : fixtures).filter(target.run)
    try #require(good.count > 1, "too few fixtures are read by this target")
    var generator = SeededGenerator(seed: 8)
    for bytes in good.shuffled(using: &generator).prefix(20) {
      for _ in 0..<20 { target.run(ByteBuffer(changed(bytes.array, using: &generator))) }
    }
  }

  @Test("files that once broke a target", arguments: FuzzTarget.all.map(\.name))
  func regressions(name: String) throws {
    let target = try #require(FuzzTarget.all.first { $0.name == name })
    for file in Self.files(in: "Tests/FuzzTargetsTests/Regressions/\(name)") {
      target.run(try ByteBuffer.open(path: file.path))
    }
  }

  @Test("every file that once broke a target lies where the target runs it")
  func regressionsAreRun() throws {
    let folder = "Tests/FuzzTargetsTests/Regressions"
    let names = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)
    #expect(!names.isEmpty && Set(names).isSubset(of: FuzzTarget.all.map(\.name)))
    for name in names {
      let files = try FileManager.default.contentsOfDirectory(
        atPath: root.appending(path: "\(folder)/\(name)").path)
      // A larger one would be passed over.
      #expect(!files.isEmpty && Self.files(in: "\(folder)/\(name)").count == files.count, "\(name)")
    }
  }

  private func inOurFormat(_ bytes: ByteBuffer) throws -> ByteBuffer? {
    guard let model = try? ModelFile(bytes: bytes, path: "fixture").model else { return nil }
    return try ByteBuffer(joining: NativeFormat.encode(model))
  }

  private func changed(_ bytes: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
      let place = Int.random(in: bytes.indices, using: &generator)
      switch Int.random(in: 0..<5, using: &generator) {
      case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
      case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 2: bytes.removeLast(min(bytes.count - place, 1 + place % 64))
      case 3: bytes.insert(0xFF, at: place)
      default:
        let piece = bytes[place..<min(place + 16, bytes.count)]
        bytes.insert(contentsOf: piece, at: Int.random(in: bytes.indices, using: &generator))
      }
    }
    return bytes
  }
}
