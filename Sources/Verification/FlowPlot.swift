internal import ByteIO
public import Forward
internal import Recurrent

extension GradientVerdict {
  /// For people, such as `vanishes: half-life 4.2 steps`.
  public var words: String {
    func steps(_ count: Double) -> String {
      let rounded = count < 100 ? (count * 10).rounded() / 10 : count.rounded()
      return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }
    return switch self {
    case .vanishes(let halfLife): "vanishes: half-life \(steps(halfLife)) steps"
    case .stable: "stable: no trend of tenfold or more over the steps looked at"
    case .explodes(let doubling): "explodes: doubles every \(steps(doubling)) steps"
    case .cut(let distance): "vanishes: exactly zero from distance \(distance) on"
    case .undecided: "undecided: fewer than 8 steps, or numbers that are not finite"
    }
  }
}

extension GradientFlow {
  /// Such as `lstm_0: LSTM, reverse`.
  public var title: String { "\(layer): \(cell.name), \(isReverse ? "reverse" : "forward")" }

  private var series: [LogPlot.Series] {
    let whole = LogPlot.Series(style: "state", powers: stateNorms)
    if cellNorms.isEmpty { return [whole] }
    // The path through c on top: it often covers the whole.
    return [
      whole, LogPlot.Series(style: "hidden", powers: hiddenNorms),
      LogPlot.Series(style: "cell", powers: cellNorms),
    ]
  }

  var plot: LogPlot {
    LogPlot(
      series, origin: "distance 0", label: "norms of the Jacobians of \(title) over distance", marksOne: true)
  }

  /// The plot in letters: `•` the whole state, `h` h → h, `c` c → c; one line a row.
  public func textPlot(width: Int = 64, height: Int = 12) -> [String] {
    let decades = plot.decades
    let span = decades.upperBound - decades.lowerBound
    var cells = [[Character]](repeating: Array(repeating: " ", count: width), count: height)
    for (mark, powers) in [("c", cellNorms), ("h", cellNorms.isEmpty ? [] : hiddenNorms), ("•", stateNorms)]
    where !powers.isEmpty {
      for column in 0..<width {
        let index = Double(column) / Double(max(width - 1, 1)) * Double(powers.count - 1)
        let power = powers[Int(index.rounded())]
        guard power >= decades.lowerBound - span / Double(height) else { continue }
        let part = (decades.upperBound - power) / span
        cells[Int((min(max(part, 0), 1) * Double(height - 1)).rounded())][column] = Character(mark)
      }
    }
    func tick(_ power: Double) -> String {
      span < 3 ? pow(10, power).brief : "1e\(Int(power.rounded()))"
    }
    func padded(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    var lines = cells.enumerated().map { row, cells in
      let power = decades.upperBound - span * Double(row) / Double(height - 1)
      let isLabelled = row % 4 == 0 || row == height - 1
      let label = isLabelled ? tick(power) : ""
      return padded(label, 6) + (isLabelled ? " ┤" : " │") + String(cells).trimmedEnd
    }
    let end = "\(steps)"
    lines.append("       └" + String(repeating: "─", count: width))
    lines.append("        0" + padded(end, width - 1) + "  distance T − t")
    return lines
  }
}

/// Several models' flows in one picture that stands alone: one panel a direction, all on one scale.
package func gradientFlowSVG(_ models: [(name: String, flows: [GradientFlow])]) -> String {
  let panels = models.flatMap { model in model.flows.map { (name: model.name, flow: $0) }
  }
  let decades = LogPlot.decades(panels.flatMap { $0.flow.stateNorms }, marksOne: true)
  let columns = min(2, max(1, panels.count))
  let (top, across, down) = (72.0, LogPlot.width + 16, LogPlot.height + 76)
  let rows = (panels.count + columns - 1) / columns
  let (width, height) = (Double(columns) * across + 16, top + Double(rows) * down)
  let figures = panels.enumerated().map { index, panel in
    let (x, y) = (16 + Double(index % columns) * across, top + Double(index / columns) * down)
    var plot = panel.flow.plot
    plot.decades = decades
    return """
      <text class="title" x="\(x)" y="\(y + 14)">\(escaped(panel.name.ending(42)))</text>
      <text x="\(x)" y="\(y + 31)">\(escaped(panel.flow.title.ending(54)))</text>
      <text class="said" x="\(x)" y="\(y + 48)">\(escaped(panel.flow.verdict.words))</text>
      \(plot.svg(at: (x, y + 58)))
      """
  }
  let kinds =
    [("state", "whole state")]
    + (panels.contains { $0.flow.cellSize > 0 } ? [("hidden", "h → h"), ("cell", "c → c")] : [])
  let key = kinds.enumerated().map { index, kind in
    let x = 16 + index * 120
    return """
      <polyline class="\(kind.0)" points="\(x),46 \(x + 26),46"/><text x="\(x + 32)" y="50">\(kind.1)</text>
      """
  }
  return """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(width)) \(Int(height))" width="\(Int(width))" \
    height="\(Int(height))" role="img" aria-label="Gradient flow">
    <style>\(HTMLReport.pictureStyle)</style>
    <rect class="page" width="100%" height="100%" rx="6"/>
    <text class="title" x="16" y="27">‖∂s_T / ∂s_{T−d}‖₂ over distance d</text>
    \(key.joined(separator: "\n"))
    \(figures.joined(separator: "\n"))
    </svg>

    """
}

extension String {
  /// The end of it where it is longer than `limit`: what tells paths apart.
  fileprivate func ending(_ limit: Int) -> String { count <= limit ? self : "…" + suffix(limit - 1) }

  fileprivate var trimmedEnd: String { String(reversed().drop { $0 == " " }.reversed()) }
}
