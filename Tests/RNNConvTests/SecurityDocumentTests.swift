import ByteIO
import Foundation
import TestSupport
import Testing

/// docs/SECURITY.md says which test shows each of its sentences; here, that there is such a test.
@Suite struct SecurityDocumentTests {
  @Test func `every limit has a name, and a row in the document`() throws {
    #expect(Mirror(reflecting: Limits()).children.count == Limits.names.count)
    let text = try String(contentsOf: Repository.root.appending(path: "docs/SECURITY.md"), encoding: .utf8)
    for limit in Limits.names { #expect(text.contains("\n| `\(limit.name)` |"), "\(limit.name)") }
  }

  /// The last cell of every row of the tables whose last column names tests.
  private static let cells: [String] = {
    let text = try! String(contentsOf: Repository.root.appending(path: "docs/SECURITY.md"), encoding: .utf8)
    var cells: [String] = []
    var isNaming = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      guard line.hasPrefix("|") else {
        isNaming = false
        continue
      }
      let last = line.split(separator: "|").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
      if last == "test" || last == "tested also by" {
        isNaming = true
      } else if isNaming {
        cells.append(last)
      }
    }
    return cells.filter { !$0.isEmpty && !$0.hasPrefix("---") }
  }()

  /// The tests' sources but this file, which must not vouch for itself.
  private static let sources: String = {
    let folder = Repository.root.appending(path: "Tests")
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)
    return (files?.compactMap { $0 as? URL } ?? [])
      .filter { $0.pathExtension == "swift" && $0.lastPathComponent != "SecurityDocumentTests.swift" }
      .map { try! String(contentsOf: $0, encoding: .utf8) }.joined(separator: "\n")
  }()

  private static let hostile = try! FileManager.default.contentsOfDirectory(
    atPath: Repository.fixtures.appending(path: "hostile").path)

  /// What stands between the marks, each time.
  private func names(in cell: String, between opening: String, _ closing: String) -> [String] {
    var names: [String] = []
    var rest = cell[...]
    while let start = rest.range(of: opening), let end = rest[start.upperBound...].range(of: closing) {
      names.append(String(rest[start.upperBound..<end.lowerBound]))
      rest = rest[end.upperBound...]
    }
    return names
  }

  @Test func `there are rows that name tests`() { #expect(Self.cells.count > 20) }

  @Test(arguments: cells)
  func `each test that the tables of SECURITY name exists`(cell: String) {
    let (titles, symbols) = (
      names(in: cell, between: "\"", "\""), names(in: cell, between: "`", "`")
    )
    #expect(!titles.isEmpty || !symbols.isEmpty, "no test is named")
    for name in titles {
      // A long name is given by its beginning.
      let isWhole = !name.hasSuffix("…")
      let start = isWhole ? name : String(name.dropLast()).trimmingCharacters(in: .whitespaces)
      let found = [("\"", "\""), ("`", "`")].contains { opening, closing in
        Self.sources.contains(opening + start + (isWhole ? closing : ""))
      }
      #expect(found, "no test or case is called \(name)")
    }
    for name in symbols {
      for part in name.split(separator: ".").map(String.init) {
        #expect(exists(part), "nothing is called \(part)")
      }
    }
  }

  /// Whether a suite, a folder of tests, a member of a suite, or a hostile file has the name.
  private func exists(_ name: String) -> Bool {
    if let star = name.firstIndex(of: "*") { return Self.hostile.contains { $0.hasPrefix(name[..<star]) } }
    let folder = Repository.root.appending(path: "Tests/\(name)").path
    if FileManager.default.fileExists(atPath: folder) { return true }
    if Self.hostile.contains(name) || Self.hostile.contains(name + ".onnx") { return true }
    return ["struct", "enum", "class", "func", "let", "var", "case", ","].contains { word in
      Self.sources.ranges(of: "\(word) \(name)").contains { range in
        guard range.upperBound < Self.sources.endIndex else { return true }
        let next = Self.sources[range.upperBound]
        return !next.isLetter && !next.isNumber && next != "_"
      }
    }
  }
}
