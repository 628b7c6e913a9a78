internal import ByteIO
internal import Recurrent

extension HTMLReport {
  var weights: String {
    guard let difference else { return "" }
    let others = difference.layers.filter { $0.left == nil || $0.right == nil }.map { layer in
      "<p>\(escaped("\(layer.left ?? layer.right ?? "") (\(layer.operation))")): only on the "
        + "\(layer.left == nil ? "right" : "left")</p>"
    }
    let maps = difference.layers.compactMap { WeightMap($0)?.html }
    let same = difference.layers.count { $0.isSame }
    let rest =
      others.isEmpty && maps.isEmpty
      ? "Every weight is the same, bit for bit."
      : same == 0 ? "" : "The other layers are the same, bit for bit: \(same) of \(difference.layers.count)."
    return section(
      "Weights, by gate", (others + maps + (rest.isEmpty ? [] : ["<p>\(rest)</p>"])).joined(separator: "\n"))
  }
}

/// A layer's weight differences as a table: a row for each tensor that differs, a column for each gate that does.
private struct WeightMap {
  private let layer: LayerDifference
  private let name: String
  private let gates: [Gate]
  /// Those of either kind that do not differ, to be told in words.
  private let sameGates: [Gate]

  /// Nil where nothing differs, or one side lacks the layer.
  init?(_ layer: LayerDifference) {
    guard let left = layer.left, let right = layer.right, !layer.isSame else { return nil }
    self.layer = layer
    name = left == right ? left : "\(left) · \(right)"
    let all = layer.tensors.map { $0.blocks.compactMap(\.gate) }.max { $0.count < $1.count } ?? []
    let differing = Set(layer.tensors.flatMap { $0.blocks.filter { $0.differing > 0 }.compactMap(\.gate) })
    gates = all.filter(differing.contains)
    sameGates = differing.isEmpty ? [] : all.filter { !differing.contains($0) }
  }

  var html: String {
    ["<h3>\(escaped(name)), \(escaped(layer.operation))</h3>", remarks, table, rest].filter { !$0.isEmpty }
      .joined(separator: "\n")
  }

  private var columns: Int { max(gates.count, 1) }

  private var remarks: String {
    let attributes = layer.attributes.map { "\($0.name): \($0.left ?? "none") against \($0.right ?? "none")" }
    let lines = (attributes + layer.notes).map { "<li>\(escaped($0))</li>" }
    return lines.isEmpty ? "" : "<ul>\(lines.joined())</ul>"
  }

  private var table: String {
    let rows = layer.tensors.filter { !$0.isSame }.map { tensor in
      "<tr><th scope=\"row\">\(escaped(tensor.role))</th>\(cells(tensor))</tr>"
    }
    if rows.isEmpty { return "" }
    let heads = gates.map { "<th scope=\"col\">\($0.rawValue)</th>" }.joined()
    let head = gates.isEmpty ? "" : "<thead><tr><th></th>\(heads)</tr></thead>"
    return """
      <table class="map" style="--gates: \(columns)">\(head)<tbody>
      \(rows.joined(separator: "\n"))
      </tbody></table>
      """
  }

  private var rest: String {
    let roles = layer.tensors.filter(\.isSame).map(\.role)
    let names = roles + sameGates.map { "gate \($0.rawValue)" }
    return names.isEmpty
      ? "" : "<p>The same, bit for bit: \(escaped(names.joined(separator: ", "))).</p>"
  }

  private func cells(_ tensor: TensorDifference) -> String {
    func whole(_ text: String) -> String { "<td colspan=\"\(columns)\">\(escaped(text))</td>" }
    guard let left = tensor.left, let right = tensor.right else {
      return whole("only on the \(tensor.left == nil ? "right" : "left")")
    }
    guard tensor.blocks.contains(where: { $0.differing > 0 }) else {
      return whole("\(left) against \(right)" + (tensor.blocks.isEmpty ? "" : ", the same numbers"))
    }
    if tensor.blocks[0].gate == nil { return cell(tensor.blocks[0], " colspan=\"\(columns)\"") }
    // Peepholes have fewer gates than kernels.
    return gates.map { gate in
      tensor.blocks.first { $0.gate == gate }.map { cell($0) } ?? "<td class=\"none\"></td>"
    }.joined()
  }

  private func cell(_ block: BlockDifference, _ span: String = "") -> String {
    guard block.differing > 0 else { return "<td\(span) class=\"same\">same</td>" }
    // Of the coarser type: rounding to it leaves less than one.
    let ulps =
      switch block.maxUlps {
      case 0: "&lt; 1 ulp"
      case 1: "1 ulp"
      case .max: "NaN"
      default: "\(Double(block.maxUlps).brief) ulps"
      }
    return "<td\(span) style=\"--heat: \(Int(heat(block)))%\">\(block.maxDifference.brief)"
      + "<small>\(ulps), \(block.differing) of \(block.elements)</small></td>"
  }

  /// From 12 % for one ulp to 70 % for other numbers altogether.
  private func heat(_ block: BlockDifference) -> Double {
    min(70, 12 + 58 * log2(Double(block.maxUlps) + 1) / 24)
  }
}
