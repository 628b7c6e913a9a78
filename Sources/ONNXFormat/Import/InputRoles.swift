internal import Recurrent

/// What an axis of a graph input is for.
enum AxisRole: Hashable {
  case time, batch
  /// A part of the features; the size where an operator fixes it.
  case features(Int?)
  /// An axis that is cut into parts which have nothing to do with one another, such as h and c stacked.
  case parts
  /// An axis of size 1.
  case single
}

/// Finds out what the axes of graph inputs mean, by walking up from the recurrent operators that use them.
///
/// A file does not say whether `[32, 10, 8]` is batch- or time-first; the Transpose before the LSTM does.
struct InputRoles {
  private let producers: [String: ONNXNode]
  private let graphInputs: Set<String>
  private let constant: (String) -> [Int]?
  private let rank: (String) -> Int?
  private let isKnown: (String) -> Bool
  private(set) var roles: [String: [AxisRole]] = [:]
  /// What was asked of which value: branches that meet again are followed once.
  private var seen: Set<Demand> = []

  private struct Demand: Hashable {
    var value: String
    var roles: [AxisRole]
  }

  /// - Parameters:
  ///   - constant: the integers of a constant value, such as axes.
  ///   - rank: the rank of a value that is a constant or graph input.
  ///   - isKnown: whether a value is computed from constants alone.
  init(
    nodes: [ONNXNode], graphInputs: Set<String>, constant: @escaping (String) -> [Int]?,
    rank: @escaping (String) -> Int?, isKnown: @escaping (String) -> Bool
  ) {
    var producers: [String: ONNXNode] = [:]
    for node in nodes {
      for output in node.outputs where !output.isEmpty { producers[output] = node }
    }
    self.producers = producers
    self.graphInputs = graphInputs
    self.constant = constant
    self.rank = rank
    self.isKnown = isKnown
  }

  /// Demands that `value` have these axes; passes the demand on to what makes it.
  mutating func demand(_ value: String, _ roles: [AxisRole], by node: ONNXNode) throws(ONNXError) {
    // A stack of our own: a file may hold a million nodes in a row.
    var work = [Demand(value: value, roles: roles)]
    while let next = work.popLast() {
      guard seen.insert(next).inserted else { continue }
      if graphInputs.contains(next.value) {
        try assign(next.value, next.roles, by: node)
      } else {
        work += inputs(of: next)
      }
    }
  }

  /// What a demand on a value asks of the inputs of the node that makes it; the last is followed first.
  private func inputs(of demand: Demand) -> [Demand] {
    var roles = demand.roles
    // No tensor that can be imported has as many axes.
    guard roles.count <= 64 else { return [] }
    guard let producer = producers[demand.value], let first = producer.inputs.first else { return [] }
    var branches: [Demand] = []
    switch producer.operation {
    case "Identity", "Cast", "Dropout", "Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "Softsign",
      "Softplus",
      "HardSigmoid", "ThresholdedRelu", "Swish", "Mish", "Selu", "Celu", "Erf", "Clip", "ReverseSequence",
      "Softmax", "LogSoftmax", "Expand", "Neg", "Sqrt", "Exp", "Gelu":
      break
    case "Slice", "Split":
      // Its size along the sliced axis is not that of the input.
      roles = roles.map { if case .features = $0 { .features(nil) } else { $0 } }
      for axis in cutAxes(producer, rank: roles.count) where roles.indices.contains(axis) {
        if roles[axis] == .single { roles[axis] = .parts }
      }
    case "Transpose":
      let permutation = permutation(producer, rank: roles.count)
      guard permutation.sorted() == Array(roles.indices) else { return [] }
      var before = roles
      for (axis, source) in permutation.enumerated() { before[source] = roles[axis] }
      roles = before
    case "Unsqueeze":
      guard let axes = axes(producer, rank: roles.count) else { return [] }
      roles = roles.indices.filter { !axes.contains($0) }.map { roles[$0] }
    case "Squeeze":
      guard let axes = axes(producer, rank: nil) else { return [] }
      let rank = roles.count + axes.count
      for axis in axes.map({ $0 < 0 ? $0 + rank : $0 }).sorted() {
        guard (0...roles.count).contains(axis) else { return [] }
        roles.insert(.single, at: axis)
      }
    case "Gather":
      if isKnown(first) {
        // An embedding: the indices have every axis but the features.
        guard producer.inputs.count > 1, !roles.isEmpty else { return [] }
        return [Demand(value: producer.inputs[1], roles: roles.dropLast())]
      }
      guard producer.inputs.count > 1, let index = rank(producer.inputs[1]), index == 0 else { return [] }
      let axis = attribute(producer, "axis") ?? 0
      let position = axis < 0 ? axis + roles.count + 1 : axis
      guard (0...roles.count).contains(position) else { return [] }
      roles.insert(.parts, at: position)
    case "Reshape":
      // Features cut into parts come from one axis.
      var merged: [AxisRole] = []
      for role in roles where role != .single {
        if case .features = role, case .features? = merged.last {
          merged[merged.count - 1] = .features(nil)
        } else {
          merged.append(role)
        }
      }
      guard let rank = rank(first) else { return [] }
      if rank == merged.count { roles = merged } else if rank != roles.count { return [] }
    case "MatMul", "Gemm":
      guard !roles.isEmpty else { return [] }
      if case .features = roles[roles.count - 1] { roles[roles.count - 1] = .features(nil) }
    case "Add", "Sub", "Mul", "Div", "Concat":
      for input in producer.inputs.dropFirst().reversed() where !input.isEmpty {
        if let rank = rank(input), rank != roles.count, graphInputs.contains(input) { continue }
        let branch =
          producer.operation == "Concat"
          ? roles.map { if case .features = $0 { AxisRole.features(nil) } else { $0 } } : roles
        branches.append(Demand(value: input, roles: branch))
      }
      if producer.operation == "Concat" {
        roles = roles.map { if case .features = $0 { .features(nil) } else { $0 } }
      }
    default: return []
    }
    return [Demand(value: first, roles: roles)] + branches
  }

  private mutating func assign(_ input: String, _ roles: [AxisRole], by node: ONNXNode) throws(ONNXError) {
    guard let known = self.roles[input] else {
      self.roles[input] = roles
      return
    }
    guard known.count == roles.count else {
      throw .graphInput(
        input, reason: "it is used with \(known.count) axes and, by node \(node.label), with \(roles.count)")
    }
    for (axis, (left, right)) in zip(known, roles).enumerated() {
      switch (left, right) {
      case (.features(nil), .features), (.features, .parts), (.single, .parts):
        self.roles[input]![axis] = right
      case (.features, .features(nil)), (.parts, .features), (.parts, .single), (.single, _): break
      case (_, .single): break
      default:
        guard left == right else {
          throw .graphInput(
            input, reason: "axis \(axis) is used as \(left) and, by node \(node.label), as \(right)")
        }
      }
    }
  }

  private func permutation(_ node: ONNXNode, rank: Int) -> [Int] {
    if case .ints(let values)? = node.attributes["perm"] { return values.map { Int(bounded: $0) } }
    return Array((0..<rank).reversed())
  }

  /// The axes of Squeeze or Unsqueeze: an attribute before opset 13, an input since.
  private func axes(_ node: ONNXNode, rank: Int?) -> [Int]? {
    var axes: [Int]?
    if case .ints(let values)? = node.attributes["axes"] { axes = values.map { Int(bounded: $0) } }
    if node.inputs.count > 1, !node.inputs[1].isEmpty { axes = constant(node.inputs[1]) }
    guard let rank else { return axes }
    return axes?.map { $0 < 0 ? $0 + rank : $0 }
  }

  /// The axes that a Slice or Split cuts, as far as the file says them: attributes before opset 10 and 13, inputs since.
  private func cutAxes(_ node: ONNXNode, rank: Int) -> [Int] {
    var axes: [Int]
    if node.operation == "Split" {
      axes = [attribute(node, "axis") ?? 0]
    } else if case .ints(let values)? = node.attributes["axes"] {
      axes = values.map { Int(bounded: $0) }
    } else {
      axes = node.inputs.count > 3 ? constant(node.inputs[3]) ?? [] : Array(0..<rank)
    }
    axes = axes.map { $0 < 0 ? $0 + rank : $0 }
    guard node.operation == "Slice", node.inputs.count > 2, let starts = constant(node.inputs[1]),
      let ends = constant(node.inputs[2]), starts.count == axes.count, ends.count == axes.count
    else { return axes }
    return axes.indices.filter { starts[$0] != 0 || ends[$0] < Int(Int32.max) }.map { axes[$0] }
  }

  private func attribute(_ node: ONNXNode, _ name: String) -> Int? {
    if case .int(let value)? = node.attributes[name] { Int(bounded: value) } else { nil }
  }
}
