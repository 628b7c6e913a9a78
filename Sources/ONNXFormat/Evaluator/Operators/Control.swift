internal import ReferenceMath
internal import Tensors

/// If and Loop (Scan is beside): graphs inside nodes, which see the values around them.
extension Evaluation {
  /// Unlike others these may give sequences beside tensors.
  typealias Control = (Call<S>) throws(ONNXError) -> [Entry<S>?]

  static var controlOperators: [String: Control] {
    [
      "If": ifOperator, "Loop": loop,
      "Scan": { call throws(ONNXError) in try scan(call).map { $0.map { .tensor(.value($0)) } } },
    ]
  }

  private static func ifOperator(_ call: Call<S>) throws(ONNXError) -> [Entry<S>?] {
    let condition = try call.bool(0)
    guard condition.count == 1 else { throw call.mismatch(0, expected: "[]", found: condition.shape) }
    let branch = try call.subgraph(condition.elements[0] ? "then_branch" : "else_branch")
    guard branch.inputs.isEmpty else { throw call.invalid("a branch takes inputs, which If gives none") }
    let results = try call.evaluation.run(branch, entries: [:], outer: call.scope)
    guard results.count >= call.step.outputs.count else {
      throw call.invalid("the branch has \(results.count) outputs, not \(call.step.outputs.count)")
    }
    return results
  }

  /// Loop: the body takes (iteration, condition, carried…) and gives (condition, carried…, one slice of each scan…).
  private static func loop(_ call: Call<S>) throws(ONNXError) -> [Entry<S>?] {
    let body = try call.subgraph("body")
    let trips = min(call.has(0) ? try call.scalar(0) : Int.max, call.evaluation.mostTurns)
    var goesOn = true
    if call.has(1) { goesOn = try call.condition(call.value(1)) }
    var carried: [Entry<S>] = []
    for position in call.inputs.indices.dropFirst(2) { carried.append(try call.entry(position)) }
    let scans = body.outputs.count - 1 - carried.count
    guard scans >= 0, body.inputs.count == carried.count + 2 else {
      throw call.invalid(
        "its body takes \(body.inputs.count) and gives \(body.outputs.count), for \(carried.count) carried values"
      )
    }
    var slices = [[Value<S>]](repeating: [], count: scans)
    var iteration = 0
    while goesOn, iteration < trips {
      try call.evaluation.spendStep(call.step.label)
      let results = try call.turn(body, iteration, carried)
      goesOn = try call.condition(call.tensor(results[0]))
      carried = Array(results[1..<(1 + carried.count)])
      for scan in 0..<scans { slices[scan].append(try call.tensor(results[1 + carried.count + scan])) }
      try call.checkCollected(slices)
      iteration += 1
    }
    var outputs: [Entry<S>?] = carried
    if iteration == 0, scans > 0 {
      // No slices: of the shape and type that the turn which was not made would have given.
      for result in try call.turn(body, 0, carried).suffix(scans) {
        let slice = try call.tensor(result)
        outputs.append(.tensor(.value(slice.picked([], shape: [0] + slice.shape))))
      }
      return outputs
    }
    for list in slices { outputs.append(.tensor(.value(try call.stacked(list, like: list[0], axis: 0)))) }
    return outputs
  }
}

extension Call {
  func subgraph(_ name: String) throws(ONNXError) -> Program {
    guard let program = step.subgraphs[name] else {
      throw .missingAttribute(node: step.label, attribute: name)
    }
    return program
  }

  fileprivate func condition(_ value: Value<S>) throws(ONNXError) -> Bool {
    guard case .integer(let array, .bool) = value, array.count == 1 else {
      throw invalid(
        "its condition is not one boolean, but \(value.elementType.rawValue) of shape \(value.shape)")
    }
    return array.elements[0] != 0
  }

  fileprivate func tensor(_ entry: Entry<S>) throws(ONNXError) -> Value<S> {
    guard case .tensor(let operand) = entry else {
      throw invalid("its body gives a sequence where a tensor is wanted")
    }
    return operand.value
  }

  /// One turn of a Loop.
  fileprivate func turn(
    _ body: Program, _ iteration: Int, _ carried: [Entry<S>]
  ) throws(ONNXError) -> [Entry<S>] {
    let counted: [Entry<S>] = [
      .tensor(.value(.int64([iteration], shape: []))), .tensor(.value(.bools(NDArray(scalar: true)))),
    ]
    let named = Dictionary(
      zip(body.inputs.map(\.name), counted + carried), uniquingKeysWith: { first, _ in first })
    return try evaluation.run(body, entries: named, outer: scope)
  }

  /// Runs a body on its inputs by position.
  func run(_ body: Program, _ given: [Value<S>]) throws(ONNXError) -> [Value<S>] {
    let named = Dictionary(zip(body.inputs.map(\.name), given), uniquingKeysWith: { first, _ in first })
    return try evaluation.run(body, named, outer: scope)
  }

  /// Bounds what a loop gathers while it runs.
  func checkCollected(_ slices: [[Value<S>]]) throws(ONNXError) {
    var gathered = 0
    for list in slices {
      guard let last = list.last else { continue }
      try checked([list.count] + last.shape)
      gathered += list.count * last.count
    }
    try evaluation.checkLive(gathered, step.label)
  }

  /// Slices of the shape and type of `first` along a new axis.
  func stacked(_ slices: [Value<S>], like first: Value<S>, axis: Int) throws(ONNXError) -> Value<S> {
    for slice in slices where slice.shape != first.shape || slice.elementType != first.elementType {
      throw invalid("slices of shapes \(first.shape) and \(slice.shape) cannot be put together")
    }
    var shape = first.shape
    shape.insert(1, at: axis)
    var total = shape
    total[axis] = slices.count
    try checked(total)
    if total.contains(0) { return first.picked([], shape: total) }
    return Value.concatenated(slices.map { $0.reshaped(shape) }, axis: axis)
  }
}
