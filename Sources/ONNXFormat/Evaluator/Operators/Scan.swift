internal import ReferenceMath
internal import Tensors

/// Scan: a graph that runs once for each slice of its inputs and carries state from one to the next.
extension Evaluation {
  /// What is scanned: along which axis, and from which end.
  private struct Scanned {
    var value: Value<S>
    var axis: Int
    var isBackward: Bool

    /// Step `k` of `length`, without the axis.
    func slice(_ k: Int, of length: Int) -> Value<S> {
      let slice = value.sliced(axis: axis, start: isBackward ? length - 1 - k : k, count: 1)
      return slice.reshaped(sliceShape)
    }

    var sliceShape: [Int] {
      var shape = value.shape
      shape.remove(at: axis)
      return shape
    }
  }

  static func scan(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    call.opset < 9 ? try scanOfRows(call) : try scanOfAxes(call)
  }

  /// From opset 9 on, the body takes (state…, one slice of each input…) and gives (state…, one slice of each output…).
  private static func scanOfAxes(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let body = try call.subgraph("body")
    let values = try call.inputs.indices.map { (position) throws(ONNXError) in try call.value(position) }
    let count = try call.scannedCount(of: values.count)
    let outputs = try call.scannedOutputs(of: body, values: values.count, scanned: count)
    let backward = try call.directions("scan_input_directions", count: count)
    let axes = call.ints("scan_input_axes") ?? [Int](repeating: 0, count: count)
    let outputBackward = try call.directions("scan_output_directions", count: outputs)
    let outputAxes = call.ints("scan_output_axes") ?? [Int](repeating: 0, count: outputs)
    guard axes.count == count, outputAxes.count == outputs else {
      throw call.invalid("axes differ in number from what is scanned")
    }
    var scanned: [Scanned] = []
    for (value, (axis, isBackward)) in zip(values.suffix(count), zip(axes, backward)) {
      scanned.append(
        Scanned(value: value, axis: try call.axis(axis, rank: value.rank), isBackward: isBackward))
    }
    let length = scanned[0].value.shape[scanned[0].axis]
    for (position, scan) in scanned.enumerated() where scan.value.shape[scan.axis] != length {
      throw call.mismatch(
        values.count - count + position, expected: "\(length) on axis \(scan.axis)", found: scan.value.shape)
    }
    let (state, slices) = try turns(call, body, Array(values.dropLast(count)), scanned, length, outputs)
    var results: [Value<S>?] = state
    for (position, list) in slices.enumerated() {
      let axis = try call.axis(outputAxes[position], rank: list.like.rank + 1)
      results.append(
        try call.stacked(
          outputBackward[position] ? list.made.reversed() : list.made, like: list.like, axis: axis))
    }
    return results
  }

  /// Opset 8: every value has a batch axis first, scans run along the second, each row for as long as `sequence_lens`
  /// says; what is collected is 0 behind that.
  private static func scanOfRows(_ call: Call<S>) throws(ONNXError) -> [Value<S>?] {
    let body = try call.subgraph("body")
    let values = try call.inputs.indices.dropFirst().map { (position) throws(ONNXError) in
      try call.value(position)
    }
    let count = try call.scannedCount(of: values.count)
    let outputs = try call.scannedOutputs(of: body, values: values.count, scanned: count)
    let backward = try call.directions("directions", count: count)
    let rows = values[0].shape.first ?? 0
    guard rows > 0 else { throw call.mismatch(1, expected: "a row or more", found: values[0].shape) }
    let states = values.count - count
    guard let length = values[states].shape.dropFirst().first else {
      throw call.mismatch(1 + states, expected: "[batch, steps, …]", found: values[states].shape)
    }
    for (position, value) in values.enumerated() {
      let isScanned = position >= states
      guard value.shape.first == rows, !isScanned || value.shape.dropFirst().first == length else {
        throw call.mismatch(
          position + 1, expected: isScanned ? "[\(rows), \(length), …]" : "[\(rows), …]", found: value.shape)
      }
    }
    var lengths = [Int](repeating: length, count: rows)
    if call.has(0) { lengths = try call.integer(0).array.elements.map { Int($0) } }
    guard lengths.count == rows, lengths.allSatisfy({ (0...length).contains($0) }) else {
      throw call.invalid("its sequence_lens \(lengths) are not \(rows) numbers from 0 to \(length)")
    }
    var columns = [[Value<S>]](repeating: [], count: body.outputs.count)
    for (row, own) in lengths.enumerated() {
      let ofRow = values.map {
        $0.sliced(axis: 0, start: row, count: 1).reshaped(Array($0.shape.dropFirst()))
      }
      let scanned = zip(ofRow.suffix(count), backward).map { Scanned(value: $0, axis: 0, isBackward: $1) }
      let (state, slices) = try turns(call, body, Array(ofRow.dropLast(count)), scanned, own, outputs)
      for (position, value) in state.enumerated() { columns[position].append(value) }
      for (position, list) in slices.enumerated() {
        let padding = [Value<S>](repeating: list.like.zeros(list.like.shape), count: length - own)
        columns[states + position].append(
          try call.stacked(list.made + padding, like: list.like, axis: 0))
      }
    }
    return try columns.map { (column) throws(ONNXError) in
      try call.stacked(column, like: column[0], axis: 0)
    }
  }

  /// Runs the body over `length` slices. `like` is a slice of each output, also where none was made.
  private static func turns(
    _ call: Call<S>, _ body: Program, _ initial: [Value<S>], _ scanned: [Scanned], _ length: Int,
    _ outputs: Int
  ) throws(ONNXError) -> (state: [Value<S>], slices: [(made: [Value<S>], like: Value<S>)]) {
    var state = initial
    var slices = [[Value<S>]](repeating: [], count: outputs)
    for k in 0..<length {
      try call.evaluation.spendStep(call.step.label)
      let results = try call.run(body, state + scanned.map { $0.slice(k, of: length) })
      state = Array(results.prefix(state.count))
      for output in 0..<outputs { slices[output].append(results[state.count + output]) }
      try call.checkCollected(slices)
    }
    if length > 0 || outputs == 0 { return (state, slices.map { ($0, $0[0]) }) }
    // Of the shape and type that the turn which was not made would have given.
    let results = try call.run(body, state + scanned.map { $0.value.zeros($0.sliceShape) })
    return (state, results.suffix(outputs).map { ([], $0) })
  }
}

extension Value {
  /// Zeros of this type.
  fileprivate func zeros(_ shape: [Int]) -> Value {
    switch self {
    case .float(_, let type): .float(NDArray(repeating: 0, shape: shape), type)
    case .integer(_, let type): .integer(NDArray(repeating: 0, shape: shape), type)
    }
  }
}

extension Call {
  /// `num_scan_inputs`, at most as many as there are values.
  fileprivate func scannedCount(of values: Int) throws(ONNXError) -> Int {
    guard let count = int("num_scan_inputs"), count > 0, count <= values else {
      throw unsupported("num_scan_inputs", "it must lie between 1 and \(values)")
    }
    return count
  }

  /// How many outputs of the body are collected.
  fileprivate func scannedOutputs(
    of body: Program, values: Int, scanned: Int
  ) throws(ONNXError) -> Int {
    let outputs = body.outputs.count - (values - scanned)
    guard outputs >= 0, body.inputs.count == values else {
      throw invalid(
        "its body takes \(body.inputs.count) and gives \(body.outputs.count) values, not those of the node")
    }
    return outputs
  }

  fileprivate func directions(_ name: String, count: Int) throws(ONNXError) -> [Bool] {
    guard let given = ints(name) else { return [Bool](repeating: false, count: count) }
    guard given.count == count, given.allSatisfy({ $0 == 0 || $0 == 1 }) else {
      throw unsupported(name, "it must hold \(count) zeros and ones, not \(given)")
    }
    return given.map { $0 == 1 }
  }
}
