internal import ReferenceMath
internal import Tensors

/// If, Loop and Scan: graphs inside nodes, which see the values around them.
extension Evaluation {
  static var controlOperators: [String: Operation] {
    ["If": ifOperator, "Loop": loop, "Scan": scan]
  }

  private static func ifOperator(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let condition = try call.bool(0)
    guard condition.count == 1 else { throw call.mismatch(0, expected: "[]", found: condition.shape) }
    let branch = try call.subgraph(condition.elements[0] ? "then_branch" : "else_branch")
    guard branch.inputs.isEmpty else { throw call.invalid("a branch takes inputs, which If gives none") }
    let results = try call.evaluation.run(branch, [:], outer: call.scope)
    guard results.count >= call.step.outputs.count else {
      throw call.invalid("the branch has \(results.count) outputs, not \(call.step.outputs.count)")
    }
    return results
  }

  /// Loop: the body takes (iteration, condition, carried…) and gives (condition, carried…, one slice of each scan…).
  private static func loop(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let body = try call.subgraph("body")
    let trips = call.has(0) ? try call.scalar(0) : Int.max
    var goesOn = true
    if call.has(1) { goesOn = try call.condition(call.value(1)) }
    var carried: [Value<S>] = []
    for position in call.inputs.indices.dropFirst(2) { carried.append(try call.value(position)) }
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
      let counter = Value<S>.int64([iteration], shape: [])
      let given = [counter, .bools(NDArray(scalar: true))] + carried
      let results = try call.run(body, given)
      goesOn = try call.condition(results[0])
      carried = Array(results[1..<(1 + carried.count)])
      for scan in 0..<scans { slices[scan].append(results[1 + carried.count + scan]) }
      try call.checkCollected(slices)
      iteration += 1
    }
    var outputs: [Value<S>?] = carried
    if iteration == 0, scans > 0 {
      // No slices: of the shape and type that the turn which was not made would have given.
      let given = [Value<S>.int64([0], shape: []), .bools(NDArray(scalar: true))] + carried
      for slice in try call.run(body, given).suffix(scans) {
        outputs.append(slice.picked([], shape: [0] + slice.shape))
      }
      return outputs
    }
    for list in slices { outputs.append(try call.stacked(list, axis: 0)) }
    return outputs
  }

  /// Scan (opset 9 on): the body takes (state…, one slice of each input…) and gives (state…, one slice of each output…).
  private static func scan(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let body = try call.subgraph("body")
    let values = try call.inputs.indices.map { (position) throws(ONNXError) in try call.value(position) }
    guard let count = call.int("num_scan_inputs"), count > 0, count <= values.count else {
      throw call.unsupported("num_scan_inputs", "it must lie between 1 and \(values.count)")
    }
    var state = Array(values.dropLast(count))
    let scanned = Array(values.suffix(count))
    let outputs = body.outputs.count - state.count
    guard outputs >= 0, body.inputs.count == values.count else {
      throw call.invalid(
        "its body takes \(body.inputs.count) and gives \(body.outputs.count) values, not those of the node")
    }
    let backward = try call.directions("scan_input_directions", count: count)
    let axes = call.ints("scan_input_axes") ?? [Int](repeating: 0, count: count)
    let outputBackward = try call.directions("scan_output_directions", count: outputs)
    let outputAxes = call.ints("scan_output_axes") ?? [Int](repeating: 0, count: outputs)
    guard axes.count == count, outputAxes.count == outputs else {
      throw call.invalid("axes differ in number from what is scanned")
    }
    var moved: [(value: Value<S>, axis: Int)] = []
    for (value, axis) in zip(scanned, axes) { moved.append((value, try call.axis(axis, rank: value.rank))) }
    let length = moved[0].value.shape[moved[0].axis]
    for (position, scan) in moved.enumerated() where scan.value.shape[scan.axis] != length {
      throw call.mismatch(
        values.count - count + position, expected: "\(length) on axis \(scan.axis)", found: scan.value.shape)
    }
    var slices = [[Value<S>]](repeating: [], count: outputs)
    for k in 0..<length {
      try call.evaluation.spendStep(call.step.label)
      var given = state
      for (scan, isBackward) in zip(moved, backward) {
        let slice = scan.value.sliced(axis: scan.axis, start: isBackward ? length - 1 - k : k, count: 1)
        var shape = slice.shape
        shape.remove(at: scan.axis)
        given.append(slice.reshaped(shape))
      }
      let results = try call.run(body, given)
      state = Array(results.prefix(state.count))
      for output in 0..<outputs { slices[output].append(results[state.count + output]) }
      try call.checkCollected(slices)
    }
    var results: [Value<S>?] = state
    for (position, list) in slices.enumerated() {
      guard let first = list.first else {
        throw call.invalid("a scan of nothing has outputs of no known shape")
      }
      let axis = try call.axis(outputAxes[position], rank: first.rank + 1)
      results.append(try call.stacked(outputBackward[position] ? list.reversed() : list, axis: axis))
    }
    return results
  }
}

extension Call {
  fileprivate func subgraph(_ name: String) throws(ONNXError) -> Program {
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

  /// Runs a body on its inputs by position.
  fileprivate func run(_ body: Program, _ given: [Value<S>]) throws(ONNXError) -> [Value<S>] {
    let named = Dictionary(zip(body.inputs.map(\.name), given), uniquingKeysWith: { first, _ in first })
    return try evaluation.run(body, named, outer: scope)
  }

  fileprivate func directions(_ name: String, count: Int) throws(ONNXError) -> [Bool] {
    guard let given = ints(name) else { return [Bool](repeating: false, count: count) }
    guard given.count == count, given.allSatisfy({ $0 == 0 || $0 == 1 }) else {
      throw unsupported(name, "it must hold \(count) zeros and ones, not \(given)")
    }
    return given.map { $0 == 1 }
  }

  /// Bounds what a loop gathers while it runs.
  fileprivate func checkCollected(_ slices: [[Value<S>]]) throws(ONNXError) {
    for list in slices {
      guard let last = list.last else { continue }
      try checked([list.count] + last.shape)
    }
  }

  /// Slices of equal shape and type along a new axis.
  fileprivate func stacked(_ slices: [Value<S>], axis: Int) throws(ONNXError) -> Value<S> {
    let first = slices[0]
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
