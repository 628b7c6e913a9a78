package import Recurrent
internal import Tensors

/// Compares structure and weights without running anything.
///
/// Layers are paired in order; where one side has more, by the fewest layers left over.
package func diff(_ left: Model, _ right: Model) -> ModelDifference {
  var wiring = Wiring()
  var ports = portDifferences("input", left.inputs, right.inputs, &wiring)
  let layers = paired(left.layers, right.layers).map { a, b in
    switch (a, b) {
    case (let a?, let b?): layerDifference(a, b, &wiring)
    default:
      LayerDifference(left: a?.name, right: b?.name, operation: (a ?? b)!.operation.name)
    }
  }
  ports += portDifferences("output", left.outputs, right.outputs, &wiring)
  return ModelDifference(
    fingerprints: [left.fingerprint.description, right.fingerprint.description], ports: ports, layers: layers)
}

/// Which value of the right model stands for one of the left.
private struct Wiring {
  var right: [String: String] = [:]

  func agrees(_ left: [String?], _ other: [String?]) -> Bool {
    left.count == other.count
      && zip(left, other).allSatisfy { a, b in
        guard let a else { return b == nil }
        return b != nil && right[a] == b
      }
  }
}

/// Pairs layers of one kind (every recurrence is one kind) with the fewest left over.
private func paired(_ left: [Layer], _ right: [Layer]) -> [(Layer?, Layer?)] {
  func kind(_ layer: Layer) -> String {
    if case .recurrent = layer.operation { "recurrent" } else { layer.operation.name }
  }
  let changes = right.map(kind).difference(from: left.map(kind))
  var (removed, inserted): (Set<Int>, Set<Int>) = ([], [])
  for change in changes {
    switch change {
    case .remove(let offset, _, _): removed.insert(offset)
    case .insert(let offset, _, _): inserted.insert(offset)
    }
  }
  var pairs: [(Layer?, Layer?)] = []
  var (a, b) = (0, 0)
  while a < left.count || b < right.count {
    if a < left.count, removed.contains(a) {
      pairs.append((left[a], nil))
      a += 1
    } else if b < right.count, inserted.contains(b) {
      pairs.append((nil, right[b]))
      b += 1
    } else {
      pairs.append((left[a], right[b]))
      a += 1
      b += 1
    }
  }
  return pairs
}

private func portDifferences(
  _ kind: String, _ left: [Model.Port], _ right: [Model.Port], _ wiring: inout Wiring
) -> [AttributeDifference] {
  var found: [AttributeDifference] = []
  for index in 0..<max(left.count, right.count) {
    let (a, b) = (left.count > index ? left[index] : nil, right.count > index ? right[index] : nil)
    guard let a, let b else {
      found.append(AttributeDifference(name: "\(kind) \(index + 1)", left: a?.name, right: b?.name))
      continue
    }
    func compare(_ what: String, _ a: String, _ b: String, isNominal: Bool = false) {
      if a != b {
        found.append(
          AttributeDifference(
            name: "\(kind) \(left[index].name): \(what)", left: a, right: b, isNominal: isNominal))
      }
    }
    compare("name", a.name, b.name, isNominal: true)
    compare("element type", a.elementType.rawValue, b.elementType.rawValue)
    compare("axes", text(a.axes), text(b.axes))
    if text(a.axes) == text(b.axes) { compare("fixed sizes", sizes(a), sizes(b), isNominal: true) }
    if kind == "input" {
      wiring.right[a.value] = b.value
    } else if !wiring.agrees([a.value], [b.value]) {
      found.append(AttributeDifference(name: "\(kind) \(a.name): made by", left: a.value, right: b.value))
    }
  }
  return found
}

private func text(_ axes: [PortAxis]) -> String {
  let texts = axes.map { axis in
    axis.factors.isEmpty
      ? "1"
      : (axis.isDroppedAtOne ? "unless 1: " : "")
        + axis.factors.map { factor in
          switch factor {
          case .time: "T"
          case .batch: "B"
          case .features(let stride, let count): stride == 1 ? "\(count)" : "\(count) (stride \(stride))"
          }
        }.joined(separator: "·")
  }
  return "[" + texts.joined(separator: ", ") + "]"
}

private func sizes(_ port: Model.Port) -> String {
  "[" + port.axes.map { $0.size.map(String.init) ?? "?" }.joined(separator: ", ") + "]"
}

private func layerDifference(_ a: Layer, _ b: Layer, _ wiring: inout Wiring) -> LayerDifference {
  var result = LayerDifference(left: a.name, right: b.name, operation: a.operation.name)
  let (left, right) = (a.operation.attributes, b.operation.attributes)
  for name in left.map(\.0) + right.map(\.0).filter({ name in !left.contains { $0.0 == name } }) {
    let (x, y) = (left.first { $0.0 == name }?.1, right.first { $0.0 == name }?.1)
    if x != y { result.attributes.append(AttributeDifference(name: name, left: x, right: y)) }
  }
  if !wiring.agrees(given(a.inputs), given(b.inputs)) {
    result.attributes.append(AttributeDifference(name: "inputs", left: list(a.inputs), right: list(b.inputs)))
  }
  // Values get names of their own in each file: only which outputs are made counts.
  if given(a.outputs).map({ $0 == nil }) != given(b.outputs).map({ $0 == nil }) {
    result.attributes.append(
      AttributeDifference(name: "outputs", left: list(a.outputs), right: list(b.outputs)))
  }
  for case (let x?, let y?) in zip(a.outputs, b.outputs) { wiring.right[x] = y }
  result.compareTensors(a.operation, b.operation)
  return result
}

/// A value left out at the end of a list is the same as none.
private func given(_ values: [String?]) -> [String?] {
  Array(values.prefix((values.lastIndex { $0 != nil } ?? -1) + 1))
}

private func list(_ values: [String?]) -> String {
  "[" + given(values).map { $0 ?? "–" }.joined(separator: ", ") + "]"
}

extension Layer.Operation {
  /// What counts beside tensors and wiring: the same that the fingerprint hashes.
  fileprivate var attributes: [(String, String)] {
    if case .generate(let generate) = self { return generate.attributes }
    let texts = identity.compactMap { key, value in value.text.map { (key, $0) } }
    // Cells differ where layers of two cells stand in the same place.
    if case .recurrent(let layer) = self { return [("cell", layer.cell.name)] + texts }
    return texts
  }
}

extension FieldList.Value {
  /// Nil where there is nothing to say; tensors are compared by their numbers.
  fileprivate var text: String? {
    switch self {
    case .integer(let value): "\(value)"
    case .real(let value): value.map { "\($0)" }
    case .flag(let value): "\(value)"
    case .text(let value): value
    case .activation(let value): "\(value)"
    case .tensor: nil
    }
  }
}

extension Generate {
  /// Values of the body by number, in order of their first appearance: their names mean nothing.
  fileprivate var attributes: [(String, String)] {
    var numbers: [String: Int] = [:]
    func number(_ value: String) -> String {
      if numbers[value] == nil { numbers[value] = numbers.count + 1 }
      return "#\(numbers[value]!)"
    }
    func numbered(_ values: [String?]) -> String { list(values.map { $0.map(number) }) }
    var all = [("maxSteps", "\(maxSteps)")]
    for value in carried { all.append(("carried \(number(value.input))", "\(value.kind)")) }
    for (index, layer) in body.enumerated() {
      let name = "body \(index + 1)"
      all.append((name, "\(layer.operation.name) \(numbered(layer.inputs)) → \(numbered(layer.outputs))"))
      all += layer.operation.attributes.map { ("\(name).\($0.0)", $0.1) }
    }
    all.append(("next", numbered(carried.map(\.output))))
    all.append(("collected", numbered(collected)))
    if let stop { all.append(("stop", "\(number(stop.value)) = \(stop.token), then \(stop.padding)")) }
    return all
  }
}
