internal import Recurrent
internal import Tensors

/// Lists of tensors (ONNX's sequences), as far as they are the steps of a sequence.
extension ONNXOperator {
  static let stepLists: [ONNXOperator] = [
    ONNXOperator(
      "SequenceEmpty",
      interpret: { (importer, node) throws(ONNXError) in importer.set(try importer.output(node), .list(nil)) }
    ),
    ONNXOperator(
      "SplitToSequence",
      interpret: { (importer, node) throws(ONNXError) in try importer.importSplitToSequence(node) }),
    ONNXOperator(
      "SequenceAt", interpret: { (importer, node) throws(ONNXError) in try importer.importSequenceAt(node) }),
    ONNXOperator(
      "SequenceLength",
      interpret: { (importer, node) throws(ONNXError) in
        let view = try importer.list(node, 0)
        importer.set(
          try importer.output(node),
          .sizes([view.timeSize.map { .known($0) } ?? .time(view.clock)], isScalar: true))
      }),
    ONNXOperator(
      "ConcatFromSequence",
      interpret: { (importer, node) throws(ONNXError) in try importer.importConcatFromSequence(node) }),
  ]
}

extension ONNXImporter {
  /// The steps that an input is a list of.
  func list(_ node: ONNXNode, _ position: Int) throws(ONNXError) -> View {
    guard case .list(let view?) = try value(node, position) else {
      throw .notImportable(
        node: node.label, reason: "its input '\(node.inputs[position])' is no list of a sequence's steps")
    }
    return view
  }

  fileprivate mutating func importSplitToSequence(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: 0)
    let keeps = try attributes.int("keepdims", default: 1) != 0
    try attributes.finish()
    var view = try view(node, 0)
    let axis = try axis(wanted, rank: view.axes.count, node)
    let parts = has(node, 1) ? try integers(node, 1, "split") : [1]
    if !view.kind.hasTime, view.places(axis) != nil { view = unfolded(view, axis, node) }
    guard view.axes[axis] == [.time], parts.allSatisfy({ $0 == 1 }) else {
      throw .notImportable(
        node: node.label, reason: "it splits axis \(axis) of \(describe(view.axes)); only steps can be listed"
      )
    }
    if keeps || has(node, 1) { view.axes[axis] = [] } else { view.axes.remove(at: axis) }
    set(try output(node), .list(view), type(node))
  }

  fileprivate mutating func importSequenceAt(_ node: ONNXNode) throws(ONNXError) {
    try AttributeReader(node).finish()
    var view = try list(node, 0)
    let index = try integers(node, 1, "position")
    guard index.count == 1 else { throw .invalid(node: node.label, reason: "it reads \(index.count) places") }
    view.axes.insert([.time], at: 0)
    try pick(node, view, 0, start: index[0], count: 1, keepsAxis: false)
  }

  fileprivate mutating func importConcatFromSequence(_ node: ONNXNode) throws(ONNXError) {
    var attributes = AttributeReader(node)
    let wanted = try attributes.int("axis", default: 0)
    let isNew = try attributes.int("new_axis", default: 0) != 0
    try attributes.finish()
    var view = try list(node, 0)
    let axis = try axis(wanted, rank: view.axes.count + (isNew ? 1 : 0), node)
    if isNew {
      view.axes.insert([.time], at: axis)
    } else {
      guard view.axes[axis].isEmpty else {
        throw .notImportable(node: node.label, reason: "it joins \(describe(view.axes)) along axis \(axis)")
      }
      view.axes[axis] = [.time]
    }
    set(try output(node), .view(view), type(node))
  }
}
