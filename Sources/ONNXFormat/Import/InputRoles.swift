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
  /// An axis that windows go along: part of the features where its size is fixed, else time.
  case space
}

/// Finds out what the axes of graph inputs mean, by walking up from the recurrent operators that use them.
///
/// A file does not say whether `[32, 10, 8]` is batch- or time-first; the Transpose before the LSTM does.
struct InputRoles {
  private let producers: [String: ONNXNode]
  let graphInputs: Set<String>
  let constant: (String) -> [Int]?
  let rank: (String) -> Int?
  let isKnown: (String) -> Bool
  private(set) var roles: [String: [AxisRole]] = [:]
  /// What was asked of which value: branches that meet again are followed once.
  private var seen: Set<Demand> = []

  struct Demand: Hashable {
    var value: String
    var roles: [AxisRole]

    init(_ value: String, _ roles: [AxisRole]) { (self.value, self.roles) = (value, roles) }
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
    var work = [Demand(value, roles)]
    while let next = work.popLast() {
      guard seen.insert(next).inserted else { continue }
      if graphInputs.contains(next.value) {
        try assign(next.value, next.roles, by: node)
      } else {
        work += inputs(of: next)
      }
    }
  }

  /// The same for graph inputs of which nothing is known.
  mutating func propose(_ proposal: Demand) {
    var work = [proposal]
    while let next = work.popLast() {
      guard seen.insert(next).inserted else { continue }
      if graphInputs.contains(next.value) {
        if roles[next.value] == nil { roles[next.value] = next.roles }
      } else {
        work += inputs(of: next)
      }
    }
  }

  /// What a demand on a value asks of the inputs of the node that makes it; the last is followed first.
  private func inputs(of demand: Demand) -> [Demand] {
    // No tensor that can be imported has as many axes.
    guard demand.roles.count <= 64, let node = producers[demand.value], !node.inputs.isEmpty else {
      return []
    }
    return ONNXOperator.named[node.operation]?.trace?(self, demand, node) ?? []
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
      case (.features(nil), .features), (.features, .parts), (.single, .parts), (.space, _):
        self.roles[input]![axis] = right
      case (_, .space): break
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
}

// What operators have in common.
extension InputRoles {
  /// The first input has the output's axes.
  func same(_ demand: Demand, _ node: ONNXNode) -> [Demand] { [Demand(node.inputs[0], demand.roles)] }

  /// All inputs have the output's axes.
  func all(_ demand: Demand, _ node: ONNXNode) -> [Demand] {
    let others = node.inputs.dropFirst().reversed().filter { input in
      guard !input.isEmpty else { return false }
      guard let rank = rank(input), rank != demand.roles.count else { return true }
      return !graphInputs.contains(input)
    }
    return same(demand, node) + others.map { Demand($0, demand.roles) }
  }

  /// The first input is cut along some axes: its size there is not that of the output.
  func beforeCut(_ demand: Demand, _ node: ONNXNode, _ axes: [Int]) -> [Demand] {
    var roles = demand.roles.map { if case .features = $0 { AxisRole.features(nil) } else { $0 } }
    for axis in axes where roles.indices.contains(axis) && roles[axis] == .single { roles[axis] = .parts }
    return [Demand(node.inputs[0], roles)]
  }

  /// The value whose whole shape another one holds.
  func shaped(like shape: String) -> String? {
    guard let maker = producers[shape], maker.operation == "Shape", maker.attributes.isEmpty else {
      return nil
    }
    return maker.inputs.first
  }

  func attribute(_ node: ONNXNode, _ name: String) -> Int? {
    if case .int(let value)? = node.attributes[name] { Int(bounded: value) } else { nil }
  }
}
