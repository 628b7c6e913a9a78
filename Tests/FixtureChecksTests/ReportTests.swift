import ByteIO
import Foundation
import FoundationXML
import TestSupport
import Testing

@testable import FixtureChecks

@Suite struct ReportTests {
  private let run = try! awkwardRun()

  // MARK: JUnit

  /// What an XML parser that knows nothing of us sees.
  private final class Seen: NSObject, XMLParserDelegate {
    var elements: [(name: String, attributes: [String: String], parent: String?)] = []
    var texts: [String] = []
    private var open: [String] = []

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String]
    ) {
      elements.append((name, attributes, open.last))
      texts.append("")
      open.append(name)
    }

    func parser(
      _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
    ) { open.removeLast() }

    func parser(_ parser: XMLParser, foundCharacters text: String) { texts[texts.count - 1] += text }

    func named(_ name: String) -> [[String: String]] { elements.filter { $0.name == name }.map(\.attributes) }
  }

  private func seen() -> Seen {
    let parser = XMLParser(data: Data(ReportFormat.junit.text(run).utf8))
    let seen = Seen()
    parser.delegate = seen
    #expect(parser.parse(), "\(parser.parserError.map { "\($0)" } ?? "")")
    return seen
  }

  /// What `junit-10.xsd` of Jenkins' xUnit plugin says of the elements that there are: which attributes each must have and may
  /// have, and what may stand in it. Everything else it refuses, and Jenkins then refuses the report.
  private static let junit10:
    [String: (required: Set<String>, optional: Set<String>, children: Set<String>)] = [
      "testsuites": ([], ["name", "time", "tests", "failures", "errors"], ["testsuite"]),
      "testsuite": (
        ["name", "tests", "failures", "errors"],
        ["group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"],
        ["testsuite", "properties", "testcase", "system-out", "system-err"]
      ),
      "testcase": (
        ["name"], ["time", "classname", "group"],
        ["skipped", "error", "failure", "system-out", "system-err"]
      ),
      "failure": ([], ["type", "message"], []), "error": ([], ["type", "message"], []),
      "skipped": ([], ["type", "message"], []),
    ]

  @Test func `JUnit keeps to the schema by which Jenkins takes reports`() throws {
    let seen = seen()
    #expect(seen.elements.first?.name == "testsuites")
    for (element, text) in zip(seen.elements, seen.texts) {
      let rule = try #require(Self.junit10[element.name], "\(element)")
      let names = Set(element.attributes.keys)
      #expect(rule.required.isSubset(of: names), "\(element)")
      #expect(names.isSubset(of: rule.required.union(rule.optional)), "\(element)")
      if let parent = element.parent {
        #expect(Self.junit10[parent]?.children.contains(element.name) ?? false, "\(element)")
      }
      if element.name.hasPrefix("testsuite") {
        #expect(element.attributes["time"]?.wholeMatch(of: /[0-9]+\.[0-9]*/) != nil, "\(element)")
      }
      if !rule.children.isEmpty { #expect(text.allSatisfy { $0.isWhitespace }, "\(element): \(text)") }
    }
  }

  @Test func `JUnit is XML that gives every name and message back`() throws {
    let seen = seen()
    let suites = seen.named("testsuites") + seen.named("testsuite")
    #expect(suites.count == 2)
    for suite in suites {
      #expect(suite["tests"] == "5" && suite["failures"] == "2" && suite["errors"] == "1")
      #expect(suite["time"] == "1.500")
    }
    #expect(seen.named("testsuite").map { $0["skipped"] } == ["1"])
    #expect(seen.named("testsuite").map { $0["file"] } == ["models/rnnconv.json"])
    let cases = seen.named("testcase")
    #expect(cases.map { $0["name"] } == run.outcomes.map(\.fixture))
    #expect(cases.allSatisfy { $0["classname"] == "models/rnnconv.json" })
    #expect(seen.named("failure").map { $0["type"] } == ["different", "inconclusive"])
    #expect(seen.named("error").map { $0["type"] } == ["crash"])
    #expect(seen.named("skipped").map { $0["message"] } == ["needs # a GPU"])
    #expect(seen.named("failure")[0]["message"] == "100% wrong: <x> & \u{FFFD}\u{FFFD}[31m")
    let text = seen.texts[seen.elements.firstIndex { $0.name == "failure" }!]
    #expect(
      text.contains("models/dir, a/m:%1.onnx: different: 100% wrong") && text.contains("second, line")
        && text.contains("third | `x`"))
  }

  // MARK: SARIF

  @Test func `SARIF keeps to the essentials of its schema`() throws {
    let log = try json(ReportFormat.sarif.text(run))
    let schema = JSONSchema(
      try JSONValue(
        parsing: .open(
          path: Repository.root.appending(
            path: "Tests/FixtureChecksTests/Recorded/sarif-essentials.schema.json"
          ).path)))
    #expect(schema.faults(of: log) == [])
    guard case .array(let runs)? = log["runs"], case .array(let results)? = runs[0]["results"],
      case .array(let rules)? = runs[0]["tool"]?["driver"]?["rules"]
    else {
      Issue.record("no runs")
      return
    }
    #expect(results.count == 4)
    for result in results {
      guard case .integer(let index)? = result["ruleIndex"] else { continue }
      #expect(rules[Int(index)]["id"] == result["ruleId"])
    }
    #expect(rules.count == Problem.Kind.allCases.count)
    let text = ReportFormat.sarif.text(run)
    #expect(text.contains("\"models/dir,%20a/m%3A%251.onnx\"") && text.contains("\"startLine\": 4"))
  }

  // MARK: TAP

  @Test func `TAP 14 has its plan, a line for each fixture, and a YAML block for each failure`() throws {
    let lines = ReportFormat.tap.text(run).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    #expect(lines.first == "TAP version 14" && lines[1] == "1..5")
    let points = lines.filter { $0.hasPrefix("ok") || $0.hasPrefix("not ok") }
    #expect(
      points == [
        "ok 1 - plain", "not ok 2 - a<b>&\"c\"", "not ok 3 - hash \\# and \\\\ back", "not ok 4 - ünï / cödé",
        "ok 5 - skipped # SKIP needs \\# a GPU",
      ])
    #expect(lines.filter { $0 == "  ---" }.count == 3 && lines.filter { $0 == "  ..." }.count == 3)
    // Everything else belongs to a block: nothing in a message can begin a line of its own.
    #expect(lines.dropFirst(2).allSatisfy { points.contains($0) || $0.hasPrefix("  ") })
    let messages = lines.compactMap { line in
      line.split(separator: "message: ").last.map { ($0, line.contains("message: ")) }
    }
    .filter(\.1).map { try? json(String($0.0)) }
    #expect(messages.count == 4 && messages.first! == .string(run.outcomes[1].problems[0].message))
  }

  // MARK: GitHub

  @Test func `annotations escape what has a meaning to the runner`() throws {
    let lines = ReportFormat.github.text(run).split(separator: "\n")
    let errors = lines.filter { $0.hasPrefix("::error ") }
    #expect(errors.count == 4)
    #expect(
      errors[0]
        == "::error file=models/dir%2C a/m%3A%251.onnx,title=a<b>&\"c\"%3A different::"
        + "100%25 wrong: <x> & \\u{1}\\u{1B}[31m%0Asecond, line%0D%0Athird | `x`")
    #expect(lines.last == "rnnconv check models/rnnconv.json: 1 passed, 3 failed, 1 skipped")
  }

  @Test func `models that are not listed are a warning at the manifest, and no failure`() throws {
    var run = CheckRun(manifest: run.manifest, entries: [run.entries[0]], seconds: 0.2)
    run.warning = "no fixture of new.onnx"
    #expect(run.exitCode == 0)
    #expect(
      ReportFormat.github.text(run).hasPrefix(
        "::warning file=models/rnnconv.json,title=not listed::no fixture of new.onnx\n"))
    #expect(ReportFormat.markdown.text(run).contains("⚠️ no fixture of new.onnx"))
    #expect(try json(ReportFormat.json.text(run))["warning"] == "no fixture of new.onnx")
    #expect(try json(ReportFormat.json.text(self.run))["warning"] == .null)
  }

  @Test func `a manifest that is wrong is annotated where it is`() throws {
    let error = #expect(throws: ManifestError.self) {
      try manifest(manifestText("{ \"name\": \"a\",\n  \"models\": [7] }"))
    }
    #expect(
      error?.annotation
        == "::error file=models/rnnconv.json,line=4,col=14,title=rnnconv check::models/rnnconv.json:4:14: "
        + "fixtures[0].models[0]: expected an object, found an integer\n")
  }

  // MARK: Markdown and JSON

  @Test func `the Markdown table cannot be broken by what is in it`() throws {
    let text = ReportFormat.markdown.text(run)
    #expect(text.hasPrefix("## ❌ rnnconv check: 1 passed, 3 failed, 1 skipped\n"))
    let rows = text.split(separator: "\n").filter { $0.hasPrefix("| ") }
    // A header and four problems, each with as many cells.
    #expect(rows.count == 5)
    for row in rows {
      let unescaped = row.replacing("\\\\", with: "").replacing("\\|", with: "")
      #expect(unescaped.count { $0 == "|" } == 5, "\(row)")
    }
    #expect(!text.contains("<x>") && text.contains("- skipped: needs \\# a GPU"))
  }

  @Test func `JSON has every outcome, and the counts`() throws {
    let report = try json(ReportFormat.json.text(run))
    #expect(
      report["passed"] == 1 && report["failed"] == 3 && report["skipped"] == 1 && report["exitCode"] == 1)
    guard case .array(let fixtures)? = report["fixtures"] else { return }
    #expect(fixtures.map { $0["fixture"]?.string } == run.outcomes.map(\.fixture))
    #expect(fixtures.map { $0["line"] } == [3, 4, 5, 6, 7])
    #expect(fixtures.compactMap(Outcome.init) == run.outcomes)
  }

  @Test func `a run without failures says so everywhere`() throws {
    let good = CheckRun(manifest: run.manifest, entries: [run.entries[0]], seconds: 0.2)
    #expect(good.exitCode == 0)
    #expect(ReportFormat.markdown.text(good).hasPrefix("## ✅ rnnconv check: 1 passed, 0 failed"))
    #expect(!ReportFormat.github.text(good).contains("::error"))
    #expect(try json(ReportFormat.sarif.text(good))["runs"] != nil)
    let doubtful = CheckRun(manifest: run.manifest, entries: [run.entries[0], run.entries[3]], seconds: 0.2)
    #expect(doubtful.exitCode == 5)
  }
}
