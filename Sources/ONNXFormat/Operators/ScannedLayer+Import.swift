internal import Recurrent
internal import Tensors

extension ONNXOperator {
  /// A layer that ONNX has no operator for (`ScanForm`); other Scans are refused before.
  static let scan = ONNXOperator(
    "Scan",
    demands: { node in
      guard node.domain.isEmpty, case .int(let count)? = node.attributes["num_scan_inputs"],
        (1...2).contains(count), case .graph(let body)? = node.attributes["body"],
        body.inputs.count == node.inputs.count
      else { return [] }
      let states = node.inputs.count - Int(count)
      return zip(node.inputs, body.inputs).enumerated().compactMap { position, pair in
        // Counts of steps come from nowhere else.
        if pair.1.elementType == .int64, !pair.1.name.hasSuffix("lengths") { return nil }
        return InputRoles.Demand(
          pair.0, position < states ? [.batch, .features(nil)] : [.time, .batch, .features(nil)])
      }
    },
    interpret: { (importer, node) throws(ONNXError) in
      guard let scan = ScannedLayer(node, opset: importer.opset, importer.gates) else {
        let known = ScanForm.all.map(\.name).joined(separator: " or ")
        throw .notImportable(node: node.label, reason: "it is not \(known) as rnnconv writes it")
      }
      try importer.importScanned(node, scan)
    })
}

extension ONNXImporter {
  /// A Scan that is a recurrent layer, as `ScannedLayer` writes it.
  fileprivate mutating func importScanned(_ node: ONNXNode, _ scan: ScannedLayer) throws(ONNXError) {
    let (layer, states) = (scan.layer, scan.form.states)
    let count = layer.directions.count
    let first = scan.leading
    let x = try view(node, first)
    try require(x, [[.time], [.batch], View.features(layer.inputSize)], node, "x")
    let name = uniqueLayer(node)
    var inputs: [String?] = [x.value, try lengths(node, scan, x)]
    for (index, state) in states.enumerated() {
      let positions = (index * count)..<((index + 1) * count)
      inputs.append(try initialState(node, positions, width: state.width(layer), name))
    }
    let values = (["y"] + states.map(\.name)).map { uniqueValue("\(name)·\($0)") }
    layers.append(Layer(name, .recurrent(layer), inputs: inputs, outputs: values))
    note(name, .exact, "a Scan that is \(scan.form.name)")

    // The Scan's outputs are one direction each; what joins them again becomes the layer's own output.
    for (position, output) in node.outputs.enumerated() where !output.isEmpty {
      let isSequence = position >= first
      // What is left of lengths and counts says nothing.
      if !isSequence, position >= states.count * count { continue }
      let direction = (position - (isSequence ? first : 0)) % count
      let kind = position / count
      let width = isSequence ? layer.outputSize : states[kind].width(layer)
      let value = values[isSequence ? 0 : kind + 1]
      var part = value
      if count == 2 {
        part = uniqueValue("\(output)·part")
        layers.append(
          Layer(
            uniqueLayer(ONNXNode("Slice", name: part, inputs: [], outputs: [])),
            .slice(start: direction * width, count: width), inputs: [value], outputs: [part]))
      }
      let features: ValueKind = isSequence ? .sequence(features: width) : .vector(features: width)
      let view = View(
        value: part, kind: features, axes: View.canonicalAxes(features), timeSize: x.timeSize, clock: x.clock)
      set(output, .view(view), type(node, first))
    }
  }

  /// The lengths, where the Scan has some and counts its steps as they need it.
  private mutating func lengths(
    _ node: ONNXNode, _ scan: ScannedLayer, _ x: View
  ) throws(ONNXError) -> String? {
    guard scan.hasLengths else { return nil }
    let position = scan.form.states.count * scan.layer.directions.count
    for (offset, direction) in scan.layer.directionNames.enumerated() {
      let start = try value(node, position + 1 + offset)
      // The number of steps, where the file leaves it open and where it fixes it.
      let isRight: Bool =
        switch start {
        case .constant(let tensor):
          tensor.shape == [1] && tensor.doubles == [direction == "forward" ? 0 : Double(x.timeSize ?? -1)]
        case .sizes(let sizes, _):
          direction != "forward"
            && (sizes == [.time(x.clock)] || x.timeSize.map { sizes == [.known($0)] } ?? false)
        case .view, .filled, .mask, .list, .unbound, .scores, .pattern: false
        }
      guard isRight else {
        throw .notImportable(
          node: node.label, reason: "its steps are not counted from 0 up, or from their number down")
      }
    }
    let view = try view(node, position)
    guard view.kind == .indices, view.offset == 0 else {
      throw .notImportable(node: node.label, reason: "its lengths are no vector of lengths [B]")
    }
    try require(view, [[.batch], []], node, "lengths")
    return view.value
  }

  /// The initial states of all directions as one value `[B, D·width]`; nil for zeros.
  private mutating func initialState(
    _ node: ONNXNode, _ positions: Range<Int>, width: Int, _ name: String
  ) throws(ONNXError) -> String? {
    var parts: [String] = []
    for position in positions {
      switch try value(node, position) {
      case .view(let view):
        guard view.kind == .vector(features: width) else {
          throw .notImportable(node: node.label, reason: "its initial state \(position) is \(view.kind)")
        }
        try require(view, [[.batch], View.features(width)], node, "initial state \(position)")
        parts.append(view.value)
      case .filled(let base, _) where base.doubles.allSatisfy({ $0 == 0 && $0.sign == .plus }): break
      case .constant(let tensor) where tensor.doubles.allSatisfy({ $0 == 0 && $0.sign == .plus }): break
      default:
        throw .notImportable(node: node.label, reason: "its initial state \(position) cannot be understood")
      }
    }
    if parts.isEmpty { return nil }
    guard parts.count == positions.count else {
      throw .notImportable(node: node.label, reason: "only one direction has an initial state")
    }
    if parts.count == 1 { return parts[0] }
    let joined = uniqueValue("\(name)·initial\(positions.lowerBound)")
    layers.append(
      Layer(
        uniqueLayer(ONNXNode("Concat", name: joined, inputs: [], outputs: [])), .concat, inputs: parts,
        outputs: [joined]))
    return joined
  }
}

extension Model {
  /// Replaces every Concat of neighbouring parts of one value by that value, or by one part of it; and every part of a Concat
  /// that lies in one of its inputs by that input, or by a part of it.
  mutating func rejoinSlices() {
    guard let kinds = try? validated() else { return }
    /// Where in which value a part lies.
    var parts: [String: (base: String, start: Int, count: Int)] = [:]
    var renamed: [String: String] = [:]
    /// The inputs of each Concat, and where each begins.
    var joined: [String: [(value: String, start: Int, count: Int)]] = [:]
    for index in layers.indices {
      layers[index].inputs = layers[index].inputs.map { input in input.map { renamed[$0] ?? $0 } }
      guard let output = layers[index].outputs.first ?? nil else { continue }
      switch layers[index].operation {
      case .slice(let slice):
        var (start, count) = (slice.start, slice.count)
        if let piece = joined[layers[index].inputs[0]!]?.last(where: { $0.start <= start }),
          start + count <= piece.start + piece.count
        {
          if count == piece.count {
            renamed[output] = piece.value
            continue
          }
          start -= piece.start
          layers[index].operation = .slice(start: start, count: count)
          layers[index].inputs = [piece.value]
        }
        let input = layers[index].inputs[0]!
        let known = parts[input]
        parts[output] = (known?.base ?? input, (known?.start ?? 0) + start, count)
      case .concat:
        var start = 0
        joined[output] = layers[index].inputs.compactMap { $0 }.map { value in
          let piece = (value: value, start: start, count: kinds[value]?.features ?? 0)
          start += piece.count
          return piece
        }
        let pieces = layers[index].inputs.compactMap { $0.flatMap { parts[$0] } }
        guard let first = pieces.first, pieces.count == layers[index].inputs.count,
          let base = kinds[first.base],
          zip(pieces, pieces.dropFirst()).allSatisfy({
            $0.base == $1.base && $0.start + $0.count == $1.start
          })
        else { continue }
        let count = pieces.reduce(0) { $0 + $1.count }
        if count == base.features {
          renamed[output] = first.base
        } else {
          layers[index].operation = .slice(start: first.start, count: count)
          layers[index].inputs = [first.base]
          parts[output] = (first.base, first.start, count)
        }
      case .recurrent, .embedding, .dense, .activation, .softmax, .logSoftmax, .layerNormalization, .select,
        .arithmetic, .reverse,
        .constant, .dropout, .argMax, .generate, .convolution, .pool, .padding, .gather, .unfold, .fold,
        .reduce, .timeSoftmax, .repeated, .stepPacking, .batchNormalization, .normalization,
        .transposedConvolution, .resize,
        .cumulativeSum, .attention, .choice:
        break
      }
    }
    for index in outputs.indices {
      outputs[index].value = renamed[outputs[index].value] ?? outputs[index].value
    }
  }
}
