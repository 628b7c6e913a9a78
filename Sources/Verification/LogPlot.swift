internal import ByteIO

/// Lines over steps on a logarithmic scale, as SVG. Styles are classes of the page's style sheet.
struct LogPlot {
  struct Series {
    /// The line's class.
    let style: String
    /// Common logarithms: −∞ is drawn on the bottom line, ∞ at the top, NaN not at all.
    let powers: [Double]
    /// What a browser says where somebody points at the line.
    var title = ""
  }

  let series: [Series]
  /// What is written at step 0.
  let origin: String
  let label: String
  /// Whether 1 is what the lines are held against.
  let marksOne: Bool
  /// Powers of ten at the bottom and the top.
  var decades: ClosedRange<Double>

  static let (width, height) = (360.0, 200.0)
  private static let (left, right, top, bottom) = (46.0, 8.0, 10.0, 30.0)
  /// More would flatten what there is to see.
  private static let mostDecades = 24.0

  init(_ series: [Series], origin: String, label: String, marksOne: Bool = false) {
    self.series = series
    self.origin = origin
    self.label = label
    self.marksOne = marksOne
    decades = Self.decades(series.flatMap(\.powers), marksOne: marksOne)
  }

  /// A scale on which these can be seen, and 1 where it is marked.
  static func decades(_ powers: [Double], marksOne: Bool = false) -> ClosedRange<Double> {
    let finite = powers.filter(\.isFinite) + (marksOne ? [0] : [])
    guard let least = finite.min(), let most = finite.max() else { return -1...0 }
    let top = most.rounded(.up)
    // What falls below 1 is seen at least as far as what rises above it.
    let bottom = marksOne ? -max(mostDecades, top) : top - mostDecades
    return max(min(least.rounded(.down), top - 1), bottom)...top
  }

  private var last: Int { (series.map(\.powers.count).max() ?? 1) - 1 }

  private func x(_ step: Int) -> String {
    let part = Double(step) / Double(max(last, 1))
    return place(Self.left + part * (Self.width - Self.left - Self.right))
  }

  private func y(_ power: Double) -> String {
    let part =
      (min(max(power, decades.lowerBound), decades.upperBound) - decades.lowerBound)
      / (decades.upperBound - decades.lowerBound)
    return place(Self.height - Self.bottom - part * (Self.height - Self.top - Self.bottom))
  }

  private func place(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

  /// `at` places it inside another picture.
  func svg(at point: (x: Double, y: Double)? = nil) -> String {
    var parts: [String] = []
    let spacing = max(1, Int(((decades.upperBound - decades.lowerBound) / 4).rounded(.up)))
    // Multiples of it: 1 is then among them wherever the scale has it.
    let lowest = Int((decades.lowerBound / Double(spacing)).rounded(.up)) * spacing
    for power in stride(from: lowest, through: Int(decades.upperBound), by: spacing) {
      let height = y(Double(power))
      let isMark = marksOne && power == 0
      parts.append(
        "<line class=\"\(isMark ? "one" : "grid")\" x1=\"\(place(Self.left))\" x2=\"\(place(Self.width - Self.right))\" "
          + "y1=\"\(height)\" y2=\"\(height)\"/><text x=\"\(place(Self.left - 6))\" y=\"\(height)\" "
          + "text-anchor=\"end\" dominant-baseline=\"middle\">\(isMark ? "1" : "1e\(power)")</text>")
    }
    for (step, anchor) in [(0, "start"), (last / 2, "middle"), (last, "end")] {
      parts.append(
        "<text x=\"\(x(step))\" y=\"\(place(Self.height - Self.bottom + 18))\" text-anchor=\"\(anchor)\">"
          + (step == 0 ? origin : "\(step)") + "</text>")
    }
    for line in series {
      // What leaves the scale for good ends there: along the bottom it would look like a zero.
      let end = line.powers.lastIndex { !$0.isFinite || $0 >= decades.lowerBound } ?? -1
      let points = line.powers.indices.prefix(end + 2).filter { !line.powers[$0].isNaN }
        .map { "\(x($0)),\(y(line.powers[$0]))" }
      let title = line.title.isEmpty ? "" : "<title>\(escaped(line.title))</title>"
      parts.append(
        "<polyline class=\"\(line.style)\" points=\"\(points.joined(separator: " "))\">\(title)</polyline>")
    }
    let size =
      point.map {
        "x=\"\(place($0.x))\" y=\"\(place($0.y))\" width=\"\(Int(Self.width))\" height=\"\(Int(Self.height))\" "
      } ?? ""
    return "<svg \(size)viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" "
      + "aria-label=\"\(escaped(label))\">\(parts.joined())</svg>"
  }
}
