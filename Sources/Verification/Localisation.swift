internal import Forward
internal import Recurrent
internal import Tensors

// Where two sides part, whatever the reason.

extension MistakeSearch {
  /// For each output the earliest time step at which what is known leaves the base's bound; only the first probe that
  /// shows it is told.
  var firstSteps: [String] {
    base.outputs.compactMap { port in
      for piece in pieces {
        guard let expected = piece.known.outputs[port.name], expected.shape == piece.base[port.name]?.shape
        else { continue }
        let missed = expected.doubles.enumerated().filter { piece.isMissed(port.name, $0, $1) }
        let places = missed.map { port.coordinates(of: $0.offset, in: expected.shape) }
        if !places.isEmpty { return port.firstStep(places, piece.known.probe) }
      }
      return nil
    }
  }
}

extension Port {
  /// Where an output differs, in words.
  fileprivate func firstStep(_ places: [(time: Int?, row: Int, feature: Int)], _ probe: String) -> String {
    let first = places.min { ($0.time ?? 0, $0.row, $0.feature) < ($1.time ?? 0, $1.row, $1.feature) }!
    let step = first.time.map { "step \($0), " } ?? ""
    var line =
      "output '\(name)' first differs at \(step)row \(first.row), feature \(first.feature) on the probe '\(probe)'"
    if kind.hasTime {
      let steps = Set(places.compactMap(\.time)).count
      line += "; \(steps) \(steps == 1 ? "step differs" : "steps differ")"
    }
    let half = kind.features / 2
    if kind.features > 1, kind.features.isMultiple(of: 2) {
      if places.allSatisfy({ $0.feature < half }) {
        line += "; only the first half of the features differs"
      } else if places.allSatisfy({ $0.feature >= half }) {
        line += "; only the second half of the features differs"
      }
    }
    return line
  }
}

extension Port {
  /// Time, row and feature of an element of the port's tensor.
  func coordinates(of index: Int, in shape: [Int]) -> (time: Int?, row: Int, feature: Int) {
    var rest = index
    var digits: [Int] = []
    for size in shape.reversed() {
      digits.insert(rest % max(size, 1), at: 0)
      rest /= max(size, 1)
    }
    var (time, row, feature): (Int?, Int, Int) = (nil, 0, 0)
    for (axis, digit) in zip(axes, digits) {
      var rest = digit
      for factor in axis.factors.reversed() {
        switch factor {
        // An axis that merges time or batch with others tells their product; the major one keeps what is left.
        case .time: time = rest
        case .batch: row = rest
        case .features(let stride, let count):
          feature += rest % max(count, 1) * stride
          rest /= max(count, 1)
        }
      }
    }
    return (time, row, feature)
  }
}

/// Where two models of the same structure part: the first layer whose outputs differ though its inputs agree, and the
/// weights that differ, gate by gate.
func differences(
  _ left: Model, _ right: Model, _ leftInputs: [[String: Tensor]], _ rightInputs: [[String: Tensor]]
) -> [String] {
  guard left.layers.count == right.layers.count,
    zip(left.layers, right.layers).allSatisfy({
      $0.operation.name == $1.operation.name && $0.outputs.count == $1.outputs.count
    })
  else { return ["the two models are built of different layers"] }
  var places: [String] = []
  if let layer = firstDifferentLayer(left, right, leftInputs, rightInputs) {
    places.append(
      "layer '\(left.layers[layer].name)' is the first whose outputs differ though its inputs agree")
  }
  for (one, other) in zip(left.layers, right.layers) {
    // Tensors that differ alike share a line.
    var lines: [(roles: [String], what: String)] = []
    func add(_ role: String, _ what: String) {
      if let index = lines.firstIndex(where: { $0.what == what }) {
        lines[index].roles.append(role)
      } else {
        lines.append(([role], what))
      }
    }
    let theirs = Dictionary(other.operation.tensors.map { ($0.role, $0.tensor) }) { first, _ in first }
    for (role, tensor) in one.operation.tensors {
      guard let found = theirs[role] else {
        add(role, "missing in the right model")
        continue
      }
      if found != tensor { add(role, difference(tensor, found, one.operation, role)) }
    }
    let roles = one.operation.tensors.map(\.role)
    for role in other.operation.tensors.map(\.role) where !roles.contains(role) {
      add(role, "missing in the left model")
    }
    places += lines.map { line in
      let which =
        roles.count > 1 && line.roles == roles ? "all weights" : line.roles.joined(separator: ", ")
      return "layer '\(one.name)', \(which): \(line.what)"
    }
  }
  return places.count > 12 ? Array(places.prefix(12)) + ["and \(places.count - 12) more"] : places
}

private func difference(_ left: Tensor, _ right: Tensor, _ operation: Operation, _ role: String) -> String {
  guard left.shape == right.shape else { return "shapes \(left.shape) and \(right.shape)" }
  guard left.elementType == right.elementType else {
    return "\(left.elementType.rawValue) and \(right.elementType.rawValue)"
  }
  let stacked = ["inputWeight", "recurrentWeight", "inputBias", "recurrentBias"]
  if case .recurrent(let layer) = operation, layer.cell != .rnn,
    stacked.contains(where: { role.hasSuffix($0) })
  {
    let gates = layer.cell.gateOrder.gates
    func block(_ tensor: Tensor, _ gate: Int) -> Tensor {
      tensor.rows(gate * layer.hiddenSize..<(gate + 1) * layer.hiddenSize)
    }
    let different = gates.indices.filter { block(left, $0) != block(right, $0) }
    let words = different.map { gate -> String in
      if let source = gates.indices.first(where: { $0 != gate && block(left, $0) == block(right, gate) }) {
        return "\(gates[gate].rawValue) (which holds the left model's \(gates[source].rawValue))"
      }
      return gates[gate].rawValue
    }
    return "the rows of \(words.joined(separator: ", ")) differ"
  }
  let count = zip(left.doubles, right.doubles).count { !isSame($0, $1) }
  return "\(count) of \(left.count) elements differ"
}

private func firstDifferentLayer(
  _ left: Model, _ right: Model, _ leftInputs: [[String: Tensor]], _ rightInputs: [[String: Tensor]]
) -> Int? {
  guard let one = left.showingEveryValue(), let other = right.showingEveryValue() else { return nil }
  for (mine, theirs) in zip(leftInputs, rightInputs) {
    guard let a = try? boundedForward(one, inputs: mine, rounding: .float64),
      let b = try? forward(other, inputs: theirs, precision: .float64)
    else { continue }
    for index in left.layers.indices {
      for output in left.layers[index].outputs.indices {
        let name = "\(index).\(output)"
        guard let x = a[name], let y = b[name] else { continue }
        let agree =
          x.shape == y.shape
          && zip(zip(x.values, x.errors), y.doubles).allSatisfy {
            isSame($0.0, $1) || abs($0.0 - $1) <= 2 * $0.1
          }
        // Layers come after those that they read, so the first to differ reads nothing that differs.
        if !agree { return index }
      }
    }
  }
  return nil
}

extension Model {
  /// The model with every value of every layer as an output, named `layer.output` by their numbers.
  fileprivate func showingEveryValue() -> Model? {
    guard let kinds = try? validated() else { return nil }
    var model = self
    model.outputs = []
    for (index, layer) in layers.enumerated() {
      for (number, value) in layer.outputs.enumerated() {
        guard let value, let kind = kinds[value] else { continue }
        var axes = [PortAxis([.batch])]
        if kind.hasTime { axes.insert(PortAxis([.time]), at: 0) }
        if !kind.isInteger {
          axes.append(PortAxis([.features(stride: 1, count: kind.features)], size: kind.features))
        }
        model.outputs.append(
          Port(
            name: "\(index).\(number)", value: value, elementType: kind.isInteger ? .int64 : .float64,
            kind: kind, axes: axes))
      }
    }
    return model
  }
}
