internal import ByteIO

// Deviations as tables and plots.

extension HTMLReport {
  var outputs: String { section("Outputs", Self.table(report.outputs)) }

  var roads: String {
    if report.roads.isEmpty { return "" }
    return section(
      "Each file against its own import",
      report.roads.map { road in
        let same =
          road.isSecond
          ? "" : "<p>Its rules are the canonical model's: two passes of one road, no second one.</p>\n"
        return "<h3>\(escaped(road.side))</h3>\n\(same)\(Self.table(road.outputs))"
      }.joined(separator: "\n"))
  }

  var deviations: String {
    let figures = report.outputs.filter { $0.steps.count > 1 && !$0.isUnmoved }.map { output in
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

  /// A row for each output that deviates; of the others there is nothing but their names to tell.
  private static func table(_ outputs: [OutputComparison]) -> String {
    let unmoved = [Verdict.identical, .equal].compactMap { verdict -> String? in
      let names = outputs.filter { $0.isUnmoved && $0.verdict == verdict }
        .map { "<b>\(escaped($0.name))</b> (\($0.elements) elements)" }
      return names.isEmpty
        ? nil : "<p>\(tag(verdict)), without any deviation: \(names.joined(separator: ", "))</p>"
    }
    let moved = outputs.filter { !$0.isUnmoved }.map(row)
    if moved.isEmpty { return unmoved.joined(separator: "\n") }
    let head = (["Output", "Verdict"] + figures).map { "<th scope=\"col\">\($0)</th>" }.joined()
    return """
      <table class="outputs"><thead><tr>\(head)</tr></thead><tbody>
      \(moved.joined(separator: "\n"))
      </tbody></table>
      \(unmoved.joined(separator: "\n"))
      """
  }

  private static let figures = ["Elements", "Largest deviation", "Nearest bound", "Deviation ÷ bound"]

  private static func row(_ output: OutputComparison) -> String {
    let hasMoved = output.maxDeviation != 0
    let values = [
      "\(output.elements)", output.maxDeviation.brief, hasMoved ? output.boundThere.brief : "–",
      hasMoved ? output.tightness.brief : "–",
    ]
    // On a phone each number carries its column's name.
    let cells = zip(figures, values).map { "<td data-name=\"\($0)\">\($1)</td>" }.joined()
    return "<tr><th scope=\"row\">\(escaped(output.name))</th><td>\(tag(output.verdict))</td>\(cells)</tr>"
  }

  private static func tag(_ verdict: Verdict) -> String {
    "<span class=\"tag \(verdict.rawValue)\">\(verdict.rawValue)</span>"
  }
}

extension OutputComparison {
  /// Settled, and without numbers that anybody would look at.
  fileprivate var isUnmoved: Bool { maxDeviation == 0 && verdict <= .equal }
}

extension LogPlot {
  /// Largest deviation and bound at each time step.
  fileprivate init(_ steps: [OutputComparison.Step], label: String) {
    self.init(
      [
        // The dashes of the bound on top: where both are the same, both are seen.
        Series(style: "deviation", powers: steps.map { log10($0.deviation) }),
        Series(style: "bound", powers: steps.map { log10($0.bound) }),
      ], origin: "step 0", label: label)
  }
}
