internal import ByteIO
public import Forward
internal import Recurrent

/// One self-contained page: no script, nothing from the network, light and dark.
public struct HTMLReport: Sendable {
  public var report: VerificationReport
  /// Weights side by side; nil where a side has no canonical model.
  public var difference: ModelDifference?
  /// How gradients flow back through each side's model; a name and its directions, or why there are none.
  public var flows: [(name: String, flows: [GradientFlow], remark: String?)] = []
  /// What made the page, such as `rnnconv 0.1.0`.
  public var tool: String

  public init(_ report: VerificationReport, difference: ModelDifference?, tool: String) {
    self.report = report
    self.difference = difference
    self.tool = tool
  }

  public var html: String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>\(escaped("\(report.verdict.rawValue): \(report.left) against \(report.right)"))</title>
    <style>\(Self.style)</style>
    </head>
    <body>
    <main>
    \(heading)
    \(reasons)
    \(outputs)
    \(plots)
    \(weights)
    \(gradients)
    \(tried)
    </main>
    </body>
    </html>

    """
  }

  private var heading: String {
    let meaning =
      switch report.verdict {
      case .identical: "One fingerprint, and every output equal bit for bit."
      case .equal: "Every output element lies within its derived rounding bound."
      case .close: "Only within the tolerance that was given."
      case .inconclusive: "Rounding alone may move the output as far as its own range."
      case .different: "Some element lies outside its rounding bound."
      }
    let prints = report.fingerprints.map { $0.map { "<code>\($0.prefix(16))…</code>" } ?? "none" }
    let same = report.fingerprints.allSatisfy { $0 != nil } && Set(report.fingerprints).count == 1
    let fingerprints =
      same
      ? "\(prints[0]), the same model" : prints.joined(separator: " and ")
    return """
      <header class="\(report.verdict.rawValue)">
      <p class="verdict">\(report.verdict.rawValue)</p>
      <p>\(meaning)</p>
      </header>
      <dl>
      <dt>Left</dt><dd>\(escaped(report.left))</dd>
      <dt>Right</dt><dd>\(escaped(report.right))</dd>
      <dt>Fingerprint</dt><dd>\(fingerprints)</dd>
      </dl>
      """
  }

  private var reasons: String {
    list("Because", report.reasons)
      + list("Diagnosis", report.diagnosis.map { [$0.summary] + $0.places } ?? [])
  }

  private var outputs: String {
    func rows(_ outputs: [OutputComparison], _ prefix: String = "") -> String {
      outputs.map { output in
        """
        <tr><th scope="row">\(escaped(prefix + output.name))</th>\
        <td><span class="tag \(output.verdict.rawValue)">\(output.verdict.rawValue)</span></td>\
        <td>\(output.elements)</td><td>\(output.maxDeviation.brief)</td>\
        <td>\(output.maxDeviation == 0 ? "–" : output.boundThere.brief)</td>\
        <td>\(output.maxDeviation == 0 ? "–" : output.tightness.brief)</td></tr>
        """
      }.joined(separator: "\n")
    }
    let roads = report.roads.map { rows($0.outputs, "\($0.side): ") }.joined(separator: "\n")
    let head = """
      <thead><tr><th scope="col">Output</th><th scope="col">Verdict</th><th scope="col">Elements</th>\
      <th scope="col">Largest deviation</th><th scope="col">Nearest bound</th>\
      <th scope="col">Deviation ÷ bound</th></tr></thead>
      """
    var text = section(
      "Outputs", "<div class=\"wide\"><table>\(head)<tbody>\n\(rows(report.outputs))\n</tbody></table></div>")
    if !report.roads.isEmpty {
      text += section(
        "Each file against its own import",
        "<div class=\"wide\"><table>\(head)<tbody>\n\(roads)\n</tbody></table></div>")
    }
    return text
  }

  private var plots: String {
    let figures = report.outputs.filter { $0.steps.count > 1 }.map { output in
      """
      <figure>
      <figcaption>\(escaped(output.name))</figcaption>
      \(LogPlot(output.steps, label: "deviation and bound of \(output.name) over time steps").svg())
      </figure>
      """
    }
    if figures.isEmpty { return "" }
    return section(
      "Deviation against bound, over time steps",
      """
      <p class="key"><span class="deviation"></span> largest deviation <span class="bound"></span> largest bound, \
      of all probes, rows and features; logarithmic</p>
      <div class="plots">
      \(figures.joined(separator: "\n"))
      </div>
      """)
  }

  private var weights: String {
    guard let difference else { return "" }
    let maps = difference.layers.compactMap { WeightMap($0).html }
    let others = difference.layers.filter { $0.left == nil || $0.right == nil }.map { layer in
      "<p>\(escaped(layer.left ?? layer.right ?? "")) (\(layer.operation)): only on the "
        + "\(layer.left == nil ? "right" : "left")</p>"
    }
    let body =
      difference.isSame
      ? "<p>Every weight is the same, bit for bit.</p>" : (others + maps).joined(separator: "\n")
    return section("Weights, by gate", body)
  }

  private var gradients: String {
    let figures = flows.flatMap { side in
      side.flows.map { flow in
        """
        <figure>
        <figcaption>\(escaped("\(side.name), \(flow.title)"))</figcaption>
        \(flow.plot.svg())
        <p>\(escaped(flow.verdict.words))</p>
        </figure>
        """
      }
    }
    let remarks = flows.compactMap { side in
      side.remark.map { "<p>\(escaped("\(side.name): \($0)"))</p>" }
    }
    if figures.isEmpty && remarks.isEmpty { return "" }
    return section(
      "Gradient flow: norm of ∂s<sub>T</sub>/∂s<sub>T−d</sub> over distance d",
      """
      <p class="key"><span></span> whole state <span class="hidden"></span> h → h \
      <span class="cell"></span> c → c; logarithmic, inputs made up</p>
      <div class="plots">
      \(figures.joined(separator: "\n"))
      </div>
      \(remarks.joined(separator: "\n"))
      """)
  }

  private var tried: String {
    let seed = report.seed.map { ", made up from seed \($0)" } ?? ""
    let names = report.probes.map { "<li>\(escaped($0))</li>" }.joined()
    return section(
      "What was tried", "<p>\(report.probes.count) probes\(seed):</p><ul class=\"probes\">\(names)</ul>")
      + "<footer>\(escaped(tool))</footer>"
  }

  private func list(_ title: String, _ lines: [String]) -> String {
    lines.isEmpty ? "" : section(title, "<ul>\(lines.map { "<li>\(escaped($0))</li>" }.joined())</ul>")
  }

  private func section(_ title: String, _ body: String) -> String {
    "<section><h2>\(title)</h2>\n\(body)\n</section>\n"
  }
}

/// Text as HTML and SVG show it; controls, which XML forbids, are seen.
func escaped(_ text: String) -> String {
  var result = ""
  for character in text.printable.unicodeScalars {
    switch character {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    case "'": result += "&#39;"
    default: result.unicodeScalars.append(character)
    }
  }
  return result
}
