import ByteIO
import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing

@Suite struct GradientFlowCommandTests {
  private static let rnn = Repository.fixtures.appending(path: "flow/rnn/model.onnx").path
  private static let lstm = Repository.fixtures.appending(path: "flow/lstm/model.onnx").path
  private static let inputs = Repository.fixtures.appending(path: "flow/lstm/inputs.npz").path

  @Test func `It shows verdict, plot, exponents, radii and gates`() throws {
    let outcome = try Tool.run("gradient-flow", Self.rnn, Self.lstm, "--input", Self.inputs)
    #expect(outcome.code == 0 && outcome.error.isEmpty, "\(outcome)")
    for words in [
      "vanishes: half-life 1.", "(• state, h → h, c → c)", "Lyapunov exponents", "gate f", "given inputs",
    ] {
      #expect(outcome.output.contains(words), "\(words)\n\(outcome)")
    }
    // A plot in which something is drawn, its axis as long as its frame, no space at a line's end.
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.filter { $0.contains("•") }.count > 12)
    #expect(lines.allSatisfy { !$0.hasSuffix(" ") })
  }

  /// Keys of the JSON output, all the way down.
  private func keys(_ value: Any) -> Set<String> {
    if let list = value as? [Any] { return list.reduce(into: []) { $0.formUnion(keys($1)) } }
    guard let object = value as? [String: Any] else { return [] }
    return object.values.reduce(into: Set(object.keys)) { $0.formUnion(keys($1)) }
  }

  @Test func `JSON holds what its schema says, and every key is documented`() throws {
    let outcome = try Tool.run("gradient-flow", Self.lstm, "--input", Self.inputs, "--length", "10", "--json")
    #expect(outcome.code == 0, "\(outcome)")
    let json = try outcome.json()
    let text = try String(contentsOfFile: schemaPath("cli-json.md"), encoding: .utf8)
    let section = try #require(text.components(separatedBy: "**gradient-flow**").dropFirst().last)
    for key in keys(json) { #expect(section.contains("`\(key)`"), "\(key)") }
    let models = try #require(json["models"] as? [[String: Any]])
    let flow = try #require((models[0]["flows"] as? [[String: Any]])?.first)
    let norms = try #require(flow["log10Norms"] as? [String: [Double]])
    #expect(norms["state"]?.count == 11 && norms["cell"]?.count == 11 && norms["hidden"]?.count == 11)
    #expect(flow["steps"] as? Int == 10 && flow["outputSize"] as? Int == 16 && flow["cellSize"] as? Int == 16)
  }

  @Test func `Jacobians are written, and their product has the norm that is told`() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write(
      try Sample.rnnw(LayerSpecification(.gru(resetAfter: false)).model(seed: 3)), to: "m.rnnw")
    let outcome = try Tool.run(
      "gradient-flow", "m.rnnw", "--length", "1", "--json", "--jacobians", "j.npz", in: folder.path(""))
    #expect(outcome.code == 0, "\(outcome)")
    let jacobian = try #require(try Sample.npz(folder.path("j.npz"))["layer.forward"])
    #expect(jacobian.shape == [1, 4, 4] && jacobian.elementType == .float64)
    let models = try outcome.json()["models"] as? [[String: Any]]
    let flow = try #require((models?[0]["flows"] as? [[String: Any]])?.first)
    let norm = pow(10, try #require((flow["log10Norms"] as? [String: [Double]])?["state"]?[1]))
    // The 2-norm lies between the greatest column's and Frobenius'.
    let values = jacobian.doubles
    let column = (0..<4).map { k in (0..<4).reduce(0) { $0 + values[$1 * 4 + k] * values[$1 * 4 + k] } }
    #expect(norm * norm >= column.max()! * (1 - 1e-12) && norm * norm <= column.reduce(0, +) * (1 + 1e-12))
  }

  @Test func `The picture is well-formed and a browser draws every line`() throws {
    let folder = try TemporaryFolder()
    let outcome = try Tool.run(
      "gradient-flow", Self.rnn, Self.lstm, "--input", Self.inputs, "--svg", folder.path("flow.svg"))
    #expect(outcome.code == 0, "\(outcome)")
    let svg = try String(contentsOfFile: folder.path("flow.svg"), encoding: .utf8)
    for outside in ["http:", "https:", "<script", "url(", "@import"] {
      #expect(!svg.replacing("http://www.w3.org/2000/svg", with: "").contains(outside), "\(outside)")
    }
    // XML, so that a fault would leave nothing; then count what is drawn and whether titles stay apart.
    let page =
      svg.dropLast("</svg>\n".count) + """
        <script>document.documentElement.setAttribute("data-seen", [document.querySelectorAll("svg polyline").length, \
        [...document.querySelectorAll("text")].every(t => t.getBoundingClientRect().right &lt;= innerWidth)].join(" "))\
        </script></svg>
        """
    _ = try folder.write(page.utf8, to: "probe.svg")
    let dom = try Chromium.dom(of: folder.path("probe.svg"), width: 800, profile: folder.path("profile"))
    #expect(dom.contains("data-seen=\"7 true\"") && !dom.contains("parsererror"), "\(dom.prefix(600))")
  }

  @Test func `What makes no sense is refused with exit code 2`() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write(
      try Sample.rnnw(
        Model(inputs: [.vector("x", features: 2)], outputs: [.vector("x", features: 2)], layers: [])),
      to: "empty.rnnw")
    for (arguments, words) in [
      ([folder.path("empty.rnnw")], "no recurrent layer"), ([Self.lstm, "--length", "0"], "at least 1"),
      ([Self.lstm, "--row", "3"], "no row 3 in a batch of 1"),
      ([Self.lstm, "--input", Self.inputs, "--length", "65"], "has 64 steps, not 65"),
      ([Self.rnn, Self.lstm, "--jacobians", "j.npz"], "one model"),
      ([Self.lstm, "--exponents", "-1"], "exponents"),
      ([], "file"),
    ] {
      let outcome = try Tool.run(["gradient-flow"] + arguments)
      #expect(outcome.code == 2 && outcome.error.contains(words), "\(words): \(outcome)")
    }
  }
}
