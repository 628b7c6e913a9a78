internal import ByteIO
internal import Recurrent
internal import Tensors

/// A constant of which only positions count, along axes that the run may open: what masks of attention are made of.
struct StepPattern: Equatable {
  enum Content: Equatable {
    /// `first`, `first + 1`, … along an axis; the same along the others.
    case positions(axis: Int, first: Int)
    /// Of the last two axes, rows and columns, `near` where column ≤ row + `diagonal` and, where there are `keys`, these hold at the
    /// column; elsewhere `far`. Both are single numbers.
    case triangle(diagonal: Int, near: Tensor, far: Tensor, keys: View?)
  }

  var content: Content
  var shape: [Size]

  /// Tables of masks are looked through where they have no more places.
  private static let mostPlaces = 1 << 22

  init(_ content: Content, shape: [Size]) { (self.content, self.shape) = (content, shape) }

  /// The pattern of a constant whose last two axes hold one number on and below a diagonal and another above it; nil where they do not.
  init?(_ tensor: Tensor) {
    let shape = tensor.shape
    guard shape.count >= 2, shape.dropLast(2).allSatisfy({ $0 == 1 }), tensor.count > 1,
      tensor.count <= Self.mostPlaces
    else { return nil }
    let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
    let numbers = tensor.doubles
    let (near, far) = (numbers[(rows - 1) * columns], numbers[columns - 1])
    guard near != far else { return nil }
    // Of the first row that begins with the near number, how far it goes.
    guard let row = (0..<rows).first(where: { numbers[$0 * columns] == near }) else { return nil }
    let reach = (0..<columns).prefix { numbers[row * columns + $0] == near }.count
    let diagonal = reach - 1 - row
    for i in 0..<rows {
      for j in 0..<columns where numbers[i * columns + j] != (j <= i + diagonal ? near : far) { return nil }
    }
    func number(_ index: Int) -> Tensor? {
      try? tensor.reshaped([tensor.count]).rows(index..<(index + 1)).reshaped([1])
    }
    guard let one = number((rows - 1) * columns), let other = number(columns - 1) else { return nil }
    self.init(
      .triangle(diagonal: diagonal, near: one, far: other, keys: nil), shape: shape.map { .known($0) })
  }
}

extension ONNXOperator {
  static let range = ONNXOperator(
    "Range",
    fold: { (importer, node, tensors) throws(ONNXError) in try importer.foldRange(node, tensors) },
    onSizes: { (importer, node) throws(ONNXError) in try importer.sizesRange(node) })

  static let trilu = ONNXOperator(
    "Trilu",
    fold: { (importer, node, tensors) throws(ONNXError) in
      .tensor(try importer.triangle(of: tensors[0], node))
    },
    onFilled: { (importer, node, base, shape) throws(ONNXError) in
      try importer.filledTriangle(node, base, shape)
    })

  /// Of each element of their inputs, whatever these are.
  fileprivate static let onElements: Set<String> = [
    "Equal", "Not", "Where", "Cast", "Identity", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And",
    "Or", "Xor", "Add", "Sub", "Mul", "Div", "Max", "Min",
  ]
}

extension ONNXImporter {
  // MARK: Where patterns come from

  fileprivate mutating func foldRange(_ node: ONNXNode, _ tensors: [Tensor]) throws(ONNXError) -> Folded {
    guard tensors.count == 3, tensors.allSatisfy({ $0.count == 1 }),
      let numbers = try? tensors.map({ try $0.integers()[0] })
    else { return try computed(node, tensors).map { .tensor($0) } ?? .open }
    let (start, limit, delta) = (numbers[0], numbers[1], numbers[2])
    let (span, overflow) = limit.subtractingReportingOverflow(start)
    guard delta != 0, !overflow, span != .min, delta != .min else {
      throw .invalid(node: node.label, reason: "a range from \(start) to \(limit) by \(delta)")
    }
    let count = span.signum() == delta.signum() ? (abs(span) - 1) / abs(delta) + 1 : 0
    try spendFolded([Int(bounded: count)], node)
    return .tensor(Tensor((0..<count).map { start + $0 * delta }, shape: [Int(count)]))
  }

  /// From a number on, one by one, up to a size that is open.
  fileprivate mutating func sizesRange(_ node: ONNXNode) throws(ONNXError) -> ImportedValue? {
    let all = try (0..<3).map { (position) throws(ONNXError) in
      try sizes(node, position, ["start", "limit", "delta"][position]).sizes
    }
    guard all.allSatisfy({ $0.count == 1 }), all[0][0] == .known(0), all[2][0] == .known(1) else {
      throw .notImportable(
        node: node.label, reason: "a range of sizes that does not go from 0 on, one by one")
    }
    guard let count = all[1][0].known else {
      return .pattern(StepPattern(.positions(axis: 0, first: 0), shape: all[1]))
    }
    try spendFolded([count], node)
    return .constant(Tensor((0..<Int64(max(count, 0))).map { $0 }, shape: [max(count, 0)]))
  }

  /// What Trilu keeps: on and below a diagonal, or on and above one.
  private func triluDiagonal(_ node: ONNXNode) throws(ONNXError) -> (diagonal: Int, keepsBelow: Bool) {
    var attributes = AttributeReader(node)
    let isUpper = try attributes.int("upper", default: 1) != 0
    try attributes.finish()
    var shift = 0
    if has(node, 1) {
      let numbers = try integers(node, 1, "k")
      guard numbers.count == 1, abs(numbers[0]) < 1 << 40 else {
        throw .notImportable(node: node.label, reason: "its diagonal k is \(numbers)")
      }
      shift = numbers[0]
    }
    return (isUpper ? shift - 1 : shift, !isUpper)
  }

  fileprivate func triangle(of tensor: Tensor, _ node: ONNXNode) throws(ONNXError) -> Tensor {
    let (diagonal, keepsBelow) = try triluDiagonal(node)
    let shape = tensor.shape
    guard shape.count >= 2 else {
      throw .invalid(node: node.label, reason: "a tensor of shape \(shape) is no matrix")
    }
    let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
    func isKept(_ index: Int) -> Bool {
      (index % columns <= index / columns % rows + diagonal) == keepsBelow
    }
    if let integers = try? tensor.integers() {
      return Tensor(
        integers.enumerated().map { isKept($0.offset) ? $0.element : 0 }, shape: shape)
    }
    let numbers = Tensor(
      tensor.doubles.enumerated().map { isKept($0.offset) ? $0.element : 0 }, shape: shape)
    do { return try numbers.converted(to: tensor.elementType).tensor } catch {
      throw .invalid(node: node.label, reason: error.description)
    }
  }

  fileprivate func filledTriangle(
    _ node: ONNXNode, _ base: Tensor, _ shape: [Size]
  ) throws(ONNXError) -> ImportedValue? {
    let (diagonal, keepsBelow) = try triluDiagonal(node)
    guard base.count == 1, shape.count >= 2 else {
      throw .notImportable(
        node: node.label, reason: "it takes a triangle out of what is not one number everywhere")
    }
    let number = try reshape(base, [1], node)
    let none: Tensor
    do {
      none = try Tensor([0] as [Int64], shape: [1]).converted(to: base.elementType).tensor
    } catch { throw .invalid(node: node.label, reason: error.description) }
    return .pattern(
      StepPattern(
        .triangle(
          diagonal: diagonal, near: keepsBelow ? number : none, far: keepsBelow ? none : number, keys: nil),
        shape: shape))
  }

  // MARK: What becomes of them

  /// What operators make of patterns; false where the node works on something else.
  mutating func importPattern(_ node: ONNXNode, _ rules: ONNXOperator?) throws(ONNXError) -> Bool {
    if node.operation == "Slice", try importTableSlice(node) { return true }
    let patterns = node.inputs.map { input in
      if case .pattern(let pattern)? = values[input] { pattern } else { square(input, beside: node) }
    }
    guard let first = patterns.lazy.compactMap(\.self).first else { return false }
    // Scores take a pattern for their mask.
    if node.inputs.contains(where: { if case .scores? = values[$0] { true } else { false } }) { return false }
    let result: StepPattern?
    var made: ElementType?
    switch node.operation {
    case "Shape": return false
    case "Unsqueeze", "Squeeze", "Reshape", "Expand", "Slice":
      guard patterns[0] != nil else { return false }
      result = try rearranged(node, first)
    // As a mask.
    case "Attention": return false
    default:
      result =
        if ONNXOperator.onElements.contains(node.operation) {
          try combined(node, rules, patterns, type: &made)
        } else {
          nil
        }
    }
    guard let result else {
      throw .notImportable(
        node: node.label,
        reason: "it computes with a mask over steps in a way that cannot be followed ('\(node.inputs[0])')")
    }
    set(try output(node), .pattern(result), made ?? type(node))
    return true
  }

  /// A constant over steps and steps of a number that the file fixes, beside what holds of each key.
  private func square(_ input: String, beside node: ONNXNode) -> StepPattern? {
    guard ONNXOperator.onElements.contains(node.operation), case .constant(let table)? = values[input],
      table.shape.count >= 2, table.shape.suffix(2).allSatisfy({ $0 == table.shape.last })
    else { return nil }
    for other in node.inputs where other != input {
      guard case .view(let view)? = values[other], view.axes.count >= 2, view.axes.last == [.time],
        view.axes[view.axes.count - 2].isEmpty, view.timeSize == table.shape.last,
        var pattern = StepPattern(table)
      else { continue }
      pattern.shape.replaceSubrange(
        (pattern.shape.count - 2)..., with: [.time(view.clock), .time(view.clock)])
      return pattern
    }
    return nil
  }

  /// A table of a mask for the longest sequence, cut to those there are.
  private mutating func importTableSlice(_ node: ONNXNode) throws(ONNXError) -> Bool {
    guard case .constant(let table)? = values[node.inputs[0]],
      node.inputs.dropFirst().contains(where: { input in
        if case .sizes(let sizes, _)? = values[input] { sizes.contains { $0.known == nil } } else { false }
      }), let pattern = StepPattern(table)
    else { return false }
    guard let cut = try rearranged(node, pattern) else {
      throw .notImportable(
        node: node.label, reason: "it cuts a mask of shape \(table.shape) in a way that cannot be followed")
    }
    note(
      node.label, .exact,
      "a mask for up to \(table.shape[table.shape.count - 1]) steps: the model knows no such limit")
    set(try output(node), .pattern(cut), table.elementType)
    return true
  }

  /// Axes of size 1 come and go, and open ones are cut from their first place on.
  private mutating func rearranged(_ node: ONNXNode, _ pattern: StepPattern) throws(ONNXError) -> StepPattern?
  {
    var result = pattern
    let rank = pattern.shape.count
    func axes(_ rank: Int) throws(ONNXError) -> [Int]? {
      var attributes = AttributeReader(node)
      let given = opset < 13 ? try attributes.ints("axes") : nil
      try attributes.finish()
      var all = given
      if all == nil, opset >= 13, has(node, 1) { all = try integers(node, 1, "axes") }
      return try all?.map { (axis) throws(ONNXError) in try self.axis(axis, rank: rank, node) }
    }
    switch node.operation {
    case "Unsqueeze":
      var given = opset < 13 ? [] : try integers(node, 1, "axes")
      if opset < 13, case .ints(let listed)? = node.attributes["axes"] {
        given = listed.map { Int(bounded: $0) }
      }
      guard let new = try axes(rank + given.count), Set(new).count == new.count else { return nil }
      for axis in new.sorted() { result.shape.insert(.known(1), at: axis) }
      if case .triangle(let diagonal, let near, let far, var keys?) = pattern.content {
        for axis in new.sorted() { keys.axes.insert([], at: axis) }
        result.content = .triangle(diagonal: diagonal, near: near, far: far, keys: keys)
      }
    case "Squeeze":
      guard let dropped = try axes(rank), dropped.allSatisfy({ pattern.shape[$0] == .known(1) }) else {
        return nil
      }
      result.shape = pattern.shape.indices.filter { !dropped.contains($0) }.map { pattern.shape[$0] }
    case "Expand":
      let (wanted, _) = try sizes(node, 1, "shape")
      guard let shape = Self.common(pattern.shape, wanted) else { return nil }
      result.shape = shape
    case "Reshape":
      let (wanted, _) = try sizes(node, 1, "shape")
      if case .triangle(let diagonal, let near, let far, let keys?) = pattern.content {
        // Rows and heads of the keys; steps stay.
        var front = keys
        front.axes = Array(keys.axes.dropLast(2))
        guard wanted.count >= 3, rank >= 2,
          zip(wanted.suffix(2), pattern.shape.suffix(2)).allSatisfy({
            // What rows and heads leave is the steps.
            $0 == $1 || $0 == .known(-1) || resolved($0) != nil && resolved($0) == resolved($1)
          }), let axes = regroup(front, Array(wanted.dropLast(2)))
        else { return nil }
        front.axes = axes.map(View.normalised) + keys.axes.suffix(2)
        result.content = .triangle(diagonal: diagonal, near: near, far: far, keys: front)
        result.shape = front.axes.dropLast(2).map { size($0, front) } + pattern.shape.suffix(2)
        return result
      }
      var open = wanted
      let own = pattern.shape.filter { $0 != .known(1) }
      let others = wanted.filter { $0 != .known(1) && $0 != .known(-1) }
      // What is left out is what the others leave.
      if let place = open.firstIndex(of: .known(-1)) {
        open[place] = own.filter { !others.contains($0) }.reduce(.known(1), *)
        if others.count == own.count { open[place] = .known(1) }
        if own.count == 2, own[0] == own[1], others.count == 1 { open[place] = own[0] }
      }
      for place in open.indices where open[place] == .known(0) && place < rank {
        open[place] = pattern.shape[place]
      }
      guard open.filter({ $0 != .known(1) }) == own else { return nil }
      result.shape = open
    case "Slice":
      guard opset >= 10, node.inputs.count >= 3 else { return nil }
      let starts = try integers(node, 1, "starts")
      let ends = try sizes(node, 2, "ends").sizes
      let cut =
        has(node, 3)
        ? try integers(node, 3, "axes").map { (axis) throws(ONNXError) in
          try self.axis(axis, rank: rank, node)
        }
        : Array(0..<min(starts.count, rank))
      let steps = has(node, 4) ? try integers(node, 4, "steps") : starts.map { _ in 1 }
      guard starts.count == ends.count, cut.count == ends.count, steps.allSatisfy({ $0 == 1 }),
        starts.allSatisfy({ $0 == 0 })
      else { return nil }
      for (axis, end) in zip(cut, ends) {
        if let number = end.known {
          guard number >= 0 else { return nil }
          guard let size = pattern.shape[axis].known else {
            guard number >= Int(Int32.max) else { return nil }
            continue
          }
          result.shape[axis] = .known(min(size, number))
        } else {
          result.shape[axis] = end
        }
      }
    default: return nil
    }
    if case .positions(let axis, let first) = pattern.content {
      // The one axis that is not of size 1, counted anew.
      let own = pattern.shape.indices.filter { pattern.shape[$0] != .known(1) }
      let new = result.shape.indices.filter { result.shape[$0] != .known(1) }
      guard own == [axis], new.count == 1 else { return nil }
      result.content = .positions(axis: new[0], first: first)
    } else if case .triangle = pattern.content {
      // Rows and columns stay the last two axes.
      guard result.shape.count >= 2, node.operation == "Slice" || Self.ends(result.shape, in: pattern.shape)
      else { return nil }
    }
    return result
  }

  private static func ends(_ shape: [Size], in other: [Size]) -> Bool {
    Array(shape.suffix(2)) == Array(other.suffix(2))
  }

  /// The shape of two that broadcast.
  private static func common(_ left: [Size], _ right: [Size]) -> [Size]? {
    let rank = max(left.count, right.count)
    func padded(_ shape: [Size]) -> [Size] {
      [Size](repeating: .known(1), count: rank - shape.count) + shape
    }
    var shape: [Size] = []
    for (a, b) in zip(padded(left), padded(right)) {
      guard a == b || a == .known(1) || b == .known(1) else { return nil }
      shape.append(a == .known(1) ? b : a)
    }
    return shape
  }

  /// What an operator of each element makes: of numbers in the place of patterns, near the diagonal and far from it.
  private mutating func combined(
    _ node: ONNXNode, _ rules: ONNXOperator?, _ patterns: [StepPattern?], type: inout ElementType?
  ) throws(ONNXError) -> StepPattern? {
    var shape: [Size] = []
    var numbers: [Tensor?] = []
    var view: View?
    for (position, input) in node.inputs.enumerated() {
      if let pattern = patterns[position] {
        guard let common = Self.common(shape, pattern.shape) else { return nil }
        shape = common
        numbers.append(nil)
        continue
      }
      switch values[input] {
      case .constant(let tensor)? where tensor.count == 1:
        guard let common = Self.common(shape, tensor.shape.map { .known($0) }) else { return nil }
        shape = common
        numbers.append(try reshape(tensor, [1], node))
      case .filled(let base, let sizes)? where base.count == 1:
        guard let common = Self.common(shape, sizes) else { return nil }
        shape = common
        numbers.append(try reshape(base, [1], node))
      case .view(let own)? where view == nil && node.inputs.count == 2:
        view = own
        numbers.append(nil)
      default: return nil
      }
    }
    let all = patterns.compactMap(\.self)
    if let view { return all.count == 1 ? try joined(node, all[0], view) : nil }
    if all.allSatisfy({ if case .positions = $0.content { true } else { false } }) {
      let result = try counted(node, patterns, numbers, shape)
      if case .triangle? = result?.content { type = .bool }
      return result
    }
    var common: Int?
    var keys: View?
    for case .triangle(let diagonal, _, _, let own) in all.map(\.content) {
      guard common ?? diagonal == diagonal, keys == nil || own == nil else { return nil }
      (common, keys) = (diagonal, keys ?? own)
    }
    // Where only some are masked, what is far is not far of all.
    guard let diagonal = common, all.count == 1 || keys == nil, let fold = rules?.fold,
      all.allSatisfy({ if case .triangle = $0.content { true } else { false } })
    else { return nil }
    var made: [Tensor] = []
    for isFar in [false, true] {
      let operands = zip(patterns, numbers).map { pattern, number -> Tensor in
        guard case .triangle(_, let near, let far, _)? = pattern?.content else { return number! }
        return isFar ? far : near
      }
      guard case .tensor(let tensor, let own) = try fold(&self, node, operands), tensor.count == 1 else {
        return nil
      }
      type = own
      made.append(try reshape(tensor, [1], node))
    }
    return StepPattern(.triangle(diagonal: diagonal, near: made[0], far: made[1], keys: keys), shape: shape)
  }

  /// Positions moved by a number, or rows against columns.
  private func counted(
    _ node: ONNXNode, _ patterns: [StepPattern?], _ numbers: [Tensor?], _ shape: [Size]
  ) throws(ONNXError) -> StepPattern? {
    let all = patterns.compactMap(\.self)
    guard case .positions(let axis, let first) = all[0].content else { return nil }
    if all.count == 1 {
      if node.operation == "Cast" || node.operation == "Identity" { return all[0] }
      guard node.operation == "Add" || node.operation == "Sub" && patterns[0] != nil, numbers.count == 2,
        let number = try? (numbers[0] ?? numbers[1]!).integers()[0], abs(number) < 1 << 40,
        all[0].shape.count == shape.count
      else { return nil }
      let moved = first + (node.operation == "Add" ? Int(number) : -Int(number))
      return StepPattern(.positions(axis: axis, first: moved), shape: shape)
    }
    guard all.count == 2, case .positions(let other, let otherFirst) = all[1].content else { return nil }
    let rank = shape.count
    let (left, right) = (axis + rank - all[0].shape.count, other + rank - all[1].shape.count)
    guard rank >= 2, Set([left, right]) == [rank - 2, rank - 1] else { return nil }
    // Columns compared with rows, whichever stands on the left.
    let turned = [
      "Less": "Greater", "Greater": "Less", "LessOrEqual": "GreaterOrEqual", "GreaterOrEqual": "LessOrEqual",
    ]
    let isTurned = left == rank - 2
    guard let other = turned[node.operation] else { return nil }
    let operation = isTurned ? other : node.operation
    // column + a OP row + b
    let difference = isTurned ? first - otherFirst : otherFirst - first
    func holds(_ answer: Int64) -> Tensor { Tensor([answer], shape: [1]) }
    let isNear = operation.hasPrefix("Less")
    let reach = operation == "Less" || operation == "GreaterOrEqual" ? difference - 1 : difference
    return StepPattern(
      .triangle(diagonal: reach, near: holds(isNear ? 1 : 0), far: holds(isNear ? 0 : 1), keys: nil),
      shape: shape)
  }

  /// A pattern and what holds of each key: both masks as one.
  private mutating func joined(
    _ node: ONNXNode, _ pattern: StepPattern, _ view: View
  ) throws(ONNXError) -> StepPattern? {
    guard case .triangle(let diagonal, let near, let far, nil) = pattern.content else { return nil }
    let (low, high) = (near.doubles[0], far.doubles[0])
    let shown: View
    switch node.operation {
    case "And" where low == 1 && high == 0 && isTruth(view): shown = view
    case "Or" where low == 0 && high == 1 && isTruth(view): shown = try negated(view, node)
    case "Add" where low == 0 && Scores.isLeftOut(high):
      guard let mask = try keyMask(view, node) else { return nil }
      shown = mask
    default: return nil
    }
    // Axes of both: missing ones are in front.
    var keys = shown
    while keys.axes.count < pattern.shape.count { keys.axes.insert([], at: 0) }
    guard keys.axes.count >= 2, keys.axes[keys.axes.count - 2].isEmpty,
      let shape = Self.common(
        pattern.shape, keys.axes.dropLast().map { size($0, keys) } + pattern.shape.suffix(1))
    else { return nil }
    return StepPattern(.triangle(diagonal: diagonal, near: near, far: far, keys: keys), shape: shape)
  }
}
