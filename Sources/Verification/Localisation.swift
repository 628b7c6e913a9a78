internal import Forward
internal import Recurrent
internal import Tensors

// Where two sides part, whatever the reason.

/// For each output that both sides make, the earliest time step at which they part; only the first probe that shows it is told.
///
/// Both run in Float64, which leaves less than a share of 2⁻³⁰ of an output's range where they compute the same.
func firstSteps(
  _ left: Subject, _ right: Subject, _ pairing: InputPairing, _ probes: [Probe]
) throws(VerificationError) -> [String] {
  var lines: [String: String] = [:]
  var order: [String] = []
  let (ports, others) = (left.model?.portsOfOutputs, right.model?.portsOfOutputs)
  for probe in probes {
    let (a, b, names) = try bothOutputs(left, right, pairing, probe)
    if order.isEmpty { order = left.model?.outputs.map(\.name) ?? names.keys.sorted() }
    for name in order where lines[name] == nil {
      guard let mine = a[name], let theirs = names[name].flatMap({ b[$0] }), mine.shape == theirs.shape,
        let port = ports?[name] ?? names[name].flatMap({ others?[$0] })
      else { continue }
      let (x, y) = (mine.doubles, theirs.doubles)
      let allowed = x.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 } * 0x1p-30
      let missed = x.indices.filter { !isSame(x[$0], y[$0]) && !(abs(x[$0] - y[$0]) <= allowed) }
      lines[name] = port.firstStep(missed, mine.shape, probe.name)
    }
    if lines.count == order.count { break }
  }
  return order.compactMap { lines[$0] }
}

extension MistakeSearch {
  /// The same for a model and what is known of its outputs, within what is allowed.
  var firstSteps: [String] {
    base.outputs.compactMap { port in
      pieces.lazy.compactMap { piece -> String? in
        guard let own = piece.base[port.name], let expected = piece.known.outputs[port.name],
          expected.shape == own.shape
        else { return nil }
        let missed = zip(own.doubles, expected.doubles).enumerated()
          .filter { piece.isMissed(port.name, $0, $1.0, $1.1) }.map(\.offset)
        return port.firstStep(missed, expected.shape, piece.known.probe)
      }.first
    }
  }
}

extension Model.Port {
  /// Where an output differs, in words; nil where it does not.
  fileprivate func firstStep(_ missed: [Int], _ shape: [Int], _ probe: String) -> String? {
    if missed.isEmpty { return nil }
    let places = missed.map { coordinates(of: $0, in: shape) }
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

extension Model.Port {
  /// Time, row and feature of an element of the port's tensor.
  func coordinates(of index: Int, in shape: [Int]) -> (time: Int?, row: Int, feature: Int) {
    var (time, row, feature): (Int?, Int, Int) = (nil, 0, 0)
    for (axis, digit) in zip(axes, shape.index(at: index)) {
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

extension WeightSearch {
  /// The layer where the models begin to part, and what of it differs, tensor by tensor.
  func places(_ pairing: InputPairing, _ probes: [Probe]) -> [String] {
    var places: [String] = []
    if let reason = structure.unaligned { places.append("the models are built differently: \(reason)") }
    if structure.unaligned == nil, let layer = firstGuilty {
      places.append("layer '\(layer)' is the first whose outputs differ though its inputs agree")
    } else if structure.unaligned != nil, let layer = firstParting(pairing, probes) {
      places.append("in their order, layer '\(layer)' is the first whose outputs differ")
    }
    places += structure.attributes.filter { !$0.isRounding }.map {
      "layer '\($0.layer)', \($0.name): \($0.left) against \($0.right)"
    }
    places += tensorLines
    return places.count > 12 ? Array(places.prefix(12)) + ["and \(places.count - 12) more"] : places
  }

  /// Of models that cannot be laid side by side but have the same layers: found by running both.
  private func firstParting(_ pairing: InputPairing, _ probes: [Probe]) -> String? {
    guard base.layers.count == target.layers.count,
      zip(base.layers, target.layers).allSatisfy({
        $0.operation.name == $1.operation.name && $0.outputs.count == $1.outputs.count
      })
    else { return nil }
    return probes.lazy.compactMap { probe in
      firstDifferentLayer(
        base, target,
        pairing.ofLeft(probe.inputs).filter { input in base.inputs.contains { $0.name == input.key } },
        pairing.ofRight(probe.inputs).filter { input in target.inputs.contains { $0.name == input.key } })
    }.first.map { base.layers[$0].name }
  }
}

private func firstDifferentLayer(
  _ left: Model, _ right: Model, _ leftInputs: [String: Tensor], _ rightInputs: [String: Tensor]
) -> Int? {
  guard let one = left.showingEveryValue(), let other = right.showingEveryValue(),
    let a = try? forward(one, inputs: leftInputs, precision: .float64),
    let b = try? forward(other, inputs: rightInputs, precision: .float64)
  else { return nil }
  // Layers come after those that they read, so the first to differ reads nothing that differs.
  return left.layers.indices.first { index in
    left.layers[index].outputs.indices.contains { output in
      guard let x = a["\(index).\(output)"], let y = b["\(index).\(output)"] else { return false }
      guard x.shape == y.shape else { return true }
      let allowed = x.doubles.reduce(0) { $1.isFinite ? max($0, abs($1)) : $0 } * 0x1p-30
      return !zip(x.doubles, y.doubles).allSatisfy { isSame($0, $1) || abs($0 - $1) <= allowed }
    }
  }
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
        model.outputs.append(
          Model.Port(
            "\(index).\(number)", kind, value: value, elementType: kind.isInteger ? nil : .float64))
      }
    }
    return model
  }
}
