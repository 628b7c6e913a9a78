internal import Glibc
internal import Recurrent

/// Largest deviation and bound at each time step, on a logarithmic scale, as SVG.
struct DeviationPlot {
  let steps: [OutputComparison.Step]
  let label: String

  private static let (width, height) = (360.0, 200.0)
  private static let (left, right, top, bottom) = (46.0, 8.0, 10.0, 30.0)
  /// More would flatten what there is to see.
  private static let mostDecades = 24.0

  init(_ steps: [OutputComparison.Step], label: String) {
    self.steps = steps
    self.label = label
  }

  /// Powers of ten at the bottom and the top.
  private var decades: ClosedRange<Double> {
    let values = steps.flatMap { [$0.deviation, $0.bound] }.filter { $0.isFinite && $0 > 0 }
    guard let least = values.min(), let most = values.max() else { return -1...0 }
    let top = log10(most).rounded(.up)
    return max(min(log10(least).rounded(.down), top - 1), top - Self.mostDecades)...top
  }

  private func x(_ step: Int) -> String {
    let part = Double(step) / Double(max(steps.count - 1, 1))
    return place(Self.left + part * (Self.width - Self.left - Self.right))
  }

  /// Zero is drawn on the bottom line, infinity at the top.
  private func y(_ value: Double, _ decades: ClosedRange<Double>) -> String {
    let power =
      value > 0 ? min(max(log10(value), decades.lowerBound), decades.upperBound) : decades.lowerBound
    let part = (power - decades.lowerBound) / (decades.upperBound - decades.lowerBound)
    return place(Self.height - Self.bottom - part * (Self.height - Self.top - Self.bottom))
  }

  private func place(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

  var svg: String {
    let decades = decades
    var parts: [String] = []
    let stride = max(1, Int(((decades.upperBound - decades.lowerBound) / 4).rounded(.up)))
    var power = Int(decades.lowerBound)
    while power <= Int(decades.upperBound) {
      let height = y(pow(10, Double(power)), decades)
      parts.append(
        "<line class=\"grid\" x1=\"\(place(Self.left))\" x2=\"\(place(Self.width - Self.right))\" y1=\"\(height)\" "
          + "y2=\"\(height)\"/><text x=\"\(place(Self.left - 6))\" y=\"\(height)\" text-anchor=\"end\" "
          + "dominant-baseline=\"middle\">1e\(power)</text>")
      power += stride
    }
    let last = steps.count - 1
    for (step, anchor) in [(0, "start"), (last / 2, "middle"), (last, "end")] {
      parts.append(
        "<text x=\"\(x(step))\" y=\"\(place(Self.height - Self.bottom + 18))\" text-anchor=\"\(anchor)\">"
          + (step == 0 ? "step 0" : "\(step)") + "</text>")
    }
    for (name, values) in [("bound", steps.map(\.bound)), ("deviation", steps.map(\.deviation))] {
      let points = values.indices.map { "\(x($0)),\(y(values[$0], decades))" }
      parts.append("<polyline class=\"\(name)\" points=\"\(points.joined(separator: " "))\"/>")
    }
    return "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" "
      + "aria-label=\"\(escaped(label))\">\(parts.joined())</svg>"
  }
}

/// A layer's weight differences as a table: a row for each tensor, a column for each gate.
struct WeightMap {
  let layer: LayerDifference

  init(_ layer: LayerDifference) { self.layer = layer }

  /// Nil where nothing differs.
  var html: String? {
    guard let left = layer.left, let right = layer.right, !layer.isSame else { return nil }
    let gates = layer.tensors.map { $0.blocks.compactMap(\.gate) }.max { $0.count < $1.count } ?? []
    let columns = gates.map { "<th scope=\"col\">\($0.rawValue)</th>" }.joined()
    let rows = layer.tensors.map { tensor -> String in
      "<tr><th scope=\"row\">\(escaped(tensor.role))</th>\(cells(tensor, max(gates.count, 1)))</tr>"
    }
    let attributes = layer.attributes.map {
      "<li>\(escaped("\($0.name): \($0.left ?? "none") against \($0.right ?? "none")"))</li>"
    }
    let remarks = attributes + layer.notes.map { "<li>\(escaped($0))</li>" }
    return "<h3>\(escaped(left == right ? left : "\(left) · \(right)")), \(escaped(layer.operation))</h3>"
      + (remarks.isEmpty ? "" : "<ul>\(remarks.joined())</ul>")
      + (rows.isEmpty
        ? ""
        : "<div class=\"wide\"><table class=\"map\" style=\"--gates: \(max(gates.count, 1))\"><thead><tr><th></th>\(columns)</tr></thead>")
      + (rows.isEmpty ? "" : "<tbody>\n\(rows.joined(separator: "\n"))\n</tbody></table></div>")
  }

  private func cells(_ tensor: TensorDifference, _ columns: Int) -> String {
    guard let left = tensor.left, let right = tensor.right else {
      return "<td colspan=\"\(columns)\">only on the \(tensor.left == nil ? "right" : "left")</td>"
    }
    guard !tensor.blocks.isEmpty else {
      return "<td colspan=\"\(columns)\">\(escaped("\(left) against \(right)"))</td>"
    }
    return tensor.blocks.map { block in
      let span = block.gate == nil ? " colspan=\"\(columns)\"" : ""
      guard block.differing > 0 else { return "<td\(span)>0</td>" }
      let ulps = block.maxUlps == .max ? "NaN" : "\(Double(block.maxUlps).brief) ulps"
      return "<td\(span) style=\"--heat: \(Int(heat(block)))%\">\(block.maxDifference.brief)"
        + "<small>\(ulps), \(block.differing) of \(block.elements)</small></td>"
    }.joined()
  }

  /// From 12 % for one ulp to 70 % for other numbers altogether.
  private func heat(_ block: BlockDifference) -> Double {
    min(70, 12 + 58 * log2(Double(block.maxUlps) + 1) / 24)
  }
}
