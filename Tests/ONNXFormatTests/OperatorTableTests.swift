import Foundation
import TestSupport
import Testing

@testable import ONNXFormat

/// What docs/onnx.md promises of operators, and what the table knows.
@Suite struct OperatorTableTests {
  @Test func `the documented operators are those of the table`() throws {
    let text = try String(contentsOf: Repository.root.appending(path: "docs/onnx.md"), encoding: .utf8)
    let table = text.split(separator: "\n").filter { $0.hasPrefix("| ") }
    #expect(table.count > 10)
    let words = table.flatMap { line in line.split(separator: "|")[0].split { !$0.isLetter }.map(String.init)
    }
    let documented = Set(words).intersection(Signature.names)
    // Erf stands for Gelu written out, which is one node before it is looked at; Scan, Loop and If have a section of their own.
    let known = ONNXOperator.named.values.filter {
      $0.interpret != nil || $0.fold != nil || $0.onSizes != nil
    }
    #expect(documented.count > 30)
    #expect(documented.subtracting(known.map(\.name)).subtracting(["Constant", "Erf"]) == [])
    for rules in known where !["Scan", "Loop"].contains(rules.name) {
      #expect(text.contains(rules.name), "docs/onnx.md does not name \(rules.name)")
    }
  }

  @Test func `the document lists every operator that is evaluated`() throws {
    let text = try String(contentsOf: Repository.root.appending(path: "docs/onnx.md"), encoding: .utf8)
    let section = try #require(
      text.split(separator: "## Evaluation\n").last?.split(separator: "## Export").first)
    let listed = section.split(separator: "\n").filter { $0.hasPrefix("- ") }
      .flatMap { $0.split { !$0.isLetter && !$0.isNumber }.map(String.init) }
    let names = Signature.names.map { $0.split(separator: ".").last.map(String.init) ?? $0 }
    #expect(names.filter { !listed.contains($0) } == [])
    #expect(section.contains("\(names.count) operators"))
  }
}
