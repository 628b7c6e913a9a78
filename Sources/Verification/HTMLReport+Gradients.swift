internal import Forward

extension HTMLReport {
  /// All models in one plot on one scale, so that they can be compared.
  var gradients: String {
    let lines = flows.enumerated().flatMap { side, model in
      model.flows.enumerated().map { FlowLine(name: model.name, side: side, position: $0, flow: $1) }
    }
    let remarks = flows.compactMap { model in
      model.remark.map { "<p>\(escaped("\(model.name): \($0)"))</p>" }
    }
    if lines.isEmpty && remarks.isEmpty { return "" }
    let body = (lines.isEmpty ? [] : [Self.figure(lines)]) + remarks
    return section(
      "Gradient flow: norm of ∂s<sub>T</sub>/∂s<sub>T−d</sub> over distance d", body.joined(separator: "\n"))
  }

  private static func figure(_ lines: [FlowLine]) -> String {
    let plot = LogPlot(
      lines.map(\.series), origin: "distance 0", label: "norms of the states' Jacobians over distance",
      marksOne: true)
    return """
      <p>Of the whole state, along made-up inputs, logarithmic. On the line at 1 a gradient arrives as it was.</p>
      <figure class="flows">
      \(plot.svg())
      <ul class="flows">
      \(lines.map(\.key).joined(separator: "\n"))
      </ul>
      </figure>
      """
  }
}

/// One direction of one layer of one model: the colour tells the model, the dashes tell the direction.
private struct FlowLine {
  let name: String
  let side: Int
  let position: Int
  let flow: GradientFlow

  /// The style sheet has so many dashes.
  private static let dashes = 4

  private var style: String { "side\(side) dash\(position % Self.dashes)" }
  private var title: String { "\(name), \(flow.title)" }

  var series: LogPlot.Series {
    LogPlot.Series(style: style, powers: flow.stateNorms, title: title)
  }

  var key: String {
    """
    <li><svg viewBox="0 0 40 10" aria-hidden="true"><polyline class="\(style)" points="0,5 40,5"/></svg>\
    <span><b>\(escaped(name))</b>, \(escaped(flow.title)): \(escaped(flow.verdict.words))</span></li>
    """
  }
}
