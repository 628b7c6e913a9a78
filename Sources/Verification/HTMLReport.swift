internal import ByteIO
public import Forward
internal import Recurrent

/// One self-contained page: no script, nothing from the network, light and dark.
public struct HTMLReport: Sendable {
  /// What the page is about.
  public var report: VerificationReport
  /// Weights side by side; nil where a side has no canonical model.
  public var difference: ModelDifference?
  /// How gradients flow back through each side's model; a name and its directions, or why there are none.
  public var flows: [(name: String, flows: [GradientFlow], remark: String?)] = []
  /// What whoever asked can do about the difference.
  public var remedy: Diagnosis.Remedy?
  /// What the left file and the right one say of themselves, such as `onnx, opset 17, pytorch 2.9.1`; fewer than two where a
  /// side is no file.
  public var origins: [String] = []
  /// What made the page, such as `rnnconv 0.1.0`.
  public var tool: String
  /// When that was.
  public var made = Moment.now

  /// A page of a report, dated now; `tool` is what made it.
  public init(_ report: VerificationReport, difference: ModelDifference?, tool: String) {
    self.report = report
    self.difference = difference
    self.tool = tool
  }

  /// The whole page.
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
    \(lead)
    \(facts)
    \(list("Because", report.reasons))
    \(list("Where they part", report.diagnosis?.places ?? []))
    \(outputs)
    \(deviations)
    \(weights)
    \(gradients)
    \(roads)
    \(tried)
    </main>
    </body>
    </html>

    """
  }

  /// What somebody wants to know who reads no further.
  private var lead: String {
    let meaning =
      switch report.verdict {
      case .identical: "One fingerprint, and every output equal bit for bit."
      case .equal: "No output element deviates by more than rounding explains."
      case .close: "Only within the tolerance that was given."
      case .inconclusive: "What deviates may be rounding, or may be a mistake: neither is shown."
      case .different: "What deviates is more than rounding explains."
      }
    return """
      <header class="\(report.verdict.rawValue)">
      <h1>\(report.verdict.rawValue)</h1>
      <p>\(meaning)</p>
      \(definitions(findings))
      </header>
      """
  }

  private var findings: [(term: String, html: String)] {
    var found: [(term: String, html: String)] = []
    if let diagnosis = report.diagnosis {
      switch remedy {
      case .option(let option): found.append(("Diagnosis", escaped(option)))
      case .command(let command):
        found.append(("Diagnosis", escaped(diagnosis.summary)))
        found.append(("Mend with", Self.code(command)))
      case nil: found.append(("Diagnosis", escaped(diagnosis.summary)))
      }
    }
    // Of what differs nobody asks what else would have shown.
    if let radius = report.radius, report.verdict <= .inconclusive {
      found.append(("Would show", escaped(radius.summary)))
    }
    return found
  }

  /// Lines break between words only: half of an option is none.
  private static func code(_ command: String) -> String {
    let words = command.split(separator: " ", omittingEmptySubsequences: false).map {
      "<span>\(escaped(String($0)))</span>"
    }
    return "<code class=\"command\">\(words.joined(separator: " "))</code>"
  }

  /// What was compared, and when by what.
  private var facts: String {
    func side(_ name: String, _ index: Int) -> String {
      escaped(name) + (index < origins.count ? "<small>\(escaped(origins[index]))</small>" : "")
    }
    let prints = report.fingerprints.map { $0.map { "<code>\($0.prefix(16))…</code>" } ?? "none" }
    let isSame = report.fingerprints.allSatisfy { $0 != nil } && Set(report.fingerprints).count == 1
    return definitions([
      ("Made", escaped("\(made) by \(tool)")), ("Left", side(report.left, 0)),
      ("Right", side(report.right, 1)),
      (
        "Fingerprint",
        isSame ? "\(prints[0]), the same model" : "\(prints[0]) on the left, \(prints[1]) on the right"
      ),
    ])
  }

  private var tried: String {
    let seed = report.seed.map { ", made up from seed \($0)" } ?? ""
    let names = report.probes.map { "<li>\(escaped($0))</li>" }.joined()
    let count = report.probes.count
    return section(
      "What was tried",
      "<p>\(count) probe\(count == 1 ? "" : "s")\(seed):</p><ul class=\"probes\">\(names)</ul>")
  }

  private func definitions(_ pairs: [(term: String, html: String)]) -> String {
    pairs.isEmpty ? "" : "<dl>\(pairs.map { "\n<dt>\($0.term)</dt><dd>\($0.html)</dd>" }.joined())\n</dl>"
  }

  private func list(_ title: String, _ lines: [String]) -> String {
    lines.isEmpty ? "" : section(title, "<ul>\(lines.map { "<li>\(escaped($0))</li>" }.joined())</ul>")
  }

  func section(_ title: String, _ body: String) -> String {
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
