internal import Recurrent
internal import Tensors

extension ONNXOperator {
  static let reverseSequence = ONNXOperator(
    "ReverseSequence", trace: { $0.same($1, $2) },
    interpret: { (importer, node) throws(ONNXError) in try importer.importReverse(node) })
}

extension ONNXImporter {
  /// ReverseSequence: all steps backwards, or the valid ones of each row.
  fileprivate mutating func importReverse(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let batchAxis = try attributes.int("batch_axis", default: 1)
    let timeAxis = try attributes.int("time_axis", default: 0)
    try attributes.finish()
    let view = try view(node, 0)
    guard view.axes.indices.contains(batchAxis), view.axes.indices.contains(timeAxis),
      view.axes[batchAxis] == [.batch], view.axes[timeAxis] == [.time]
    else {
      throw .notImportable(
        node: node.label,
        reason: "it reverses axis \(timeAxis) of \(describe(view.axes)) by rows of axis \(batchAxis)")
    }
    switch try value(node, 1) {
    case .view(let lengths)
    where lengths.kind == .indices && lengths.offset == 0 && lengths.axes == [[.batch]]:
      try reverse(node, view, lengths: lengths.value)
    case .sizes(let sizes, _)
    where sizes.allSatisfy({
      $0 == .time(view.clock) || known($0, view) == view.timeSize && view.timeSize != nil
    }):
      try reverse(node, view, lengths: nil)
    case .constant(let tensor):
      guard let time = view.timeSize, let numbers = try? tensor.integers(),
        numbers.allSatisfy({ $0 == Int64(time) })
      else { fallthrough }
      try reverse(node, view, lengths: nil)
    default:
      throw .notImportable(
        node: node.label, reason: "its sequence_lens are neither an input [B] nor all steps")
    }
  }

  mutating func reverse(_ node: ONNXNode, _ view: View, lengths: String?) throws(ONNXError) {
    try apply(.reverse, to: view, and: lengths.map { [$0] } ?? [], node)
  }
}

extension ONNXExporter {
  mutating func exportReverse(_ layer: Layer) throws(ONNXError) {
    let value = layer.inputs[0]!
    let axes = View.canonicalAxes(kinds[value]!)
    let name = try materialise(value, axes, value)
    hold(output(layer, 0), try reversed(layer, name), axes)
  }

  private mutating func reversed(_ layer: Layer, _ name: String) throws(ONNXError) -> String {
    guard opset >= 10 else {
      throw .notExpressible(layer: layer.name, reason: "reversing steps needs opset 10 or newer")
    }
    if let lengths = input(layer, 1) {
      let rows = cast(try materialise(lengths, [[.batch]], lengths), .int64)
      return add(
        "ReverseSequence", [name, rows], as: result(layer), ["time_axis": .int(0), "batch_axis": .int(1)],
        name: layer.name)
    }
    // [::-1]; the end lies before any first step.
    let inputs = [
      name, integers([-1], as: "starts"), integers([Int(Int64.min + 1)], as: "ends"),
      integers([0], as: "axes"),
      integers([-1], as: "steps"),
    ]
    return add("Slice", inputs, as: result(layer), name: layer.name)
  }
}
