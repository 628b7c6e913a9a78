internal import Glibc
internal import Recurrent

extension LogPlot {
  /// Largest deviation and bound at each time step.
  init(_ steps: [OutputComparison.Step], label: String) {
    self.init(
      [
        Series(style: "bound", powers: steps.map { log10($0.bound) }),
        Series(style: "deviation", powers: steps.map { log10($0.deviation) }),
      ], origin: "step 0", label: label)
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
