internal import Recurrent
internal import Tensors

extension ONNXOperator {
  /// An LSTM with projection; other Scans are refused before.
  static let scan = ONNXOperator(
    "Scan",
    demands: { node in
      guard node.domain.isEmpty, case .int(let count)? = node.attributes["num_scan_inputs"],
        (1...2).contains(count), node.inputs.count == 3 * Int(count)
      else { return [] }
      return node.inputs.enumerated().map { position, input in
        InputRoles.Demand(
          input, position < 2 * Int(count) ? [.batch, .features(nil)] : [.time, .batch, .features(nil)])
      }
    },
    interpret: { (importer, node) throws(ONNXError) in
      guard let scan = ProjectedLSTM(node, opset: importer.opset, gates: importer.gates.lstm) else {
        throw .notImportable(node: node.label, reason: "it is no LSTM with projection as rnnconv writes it")
      }
      try importer.importProjected(node, scan)
    })
}

extension ONNXImporter {
  /// A Scan that is an LSTM with projection, as `ProjectedLSTM` writes it.
  mutating func importProjected(_ node: ONNXNode, _ scan: ProjectedLSTM) throws(ONNXError) {
    let count = scan.directions.count
    let (P, H) = (scan.directions[0].projection.shape[0], scan.hiddenSize)
    let x = try view(node, 2 * count)
    try require(x, [[.time], [.batch], View.features(scan.directions[0].inputWeight.shape[1])], node, "x")
    let name = uniqueLayer(node)
    var inputs: [String?] = [x.value, nil]
    for (first, width) in [(0, P), (count, H)] {
      inputs.append(try initialState(node, first..<(first + count), width: width, name))
    }
    func reordered(_ tensor: Tensor) -> Tensor { scan.gates.reorder(tensor, to: .lstm) }
    let values = ["y", "h", "c"].map { uniqueValue("\(name)·\($0)") }
    layers.append(
      Layer(
        name,
        .recurrent(
          RecurrentLayer(
            cell: .lstm, direction: count == 2 ? .bidirectional : .forward,
            inputSize: scan.directions[0].inputWeight.shape[1], hiddenSize: H,
            directions: scan.directions.map { direction in
              DirectionParameters(
                inputWeight: reordered(direction.inputWeight),
                recurrentWeight: reordered(direction.recurrentWeight),
                inputBias: direction.inputBias.map(reordered),
                recurrentBias: direction.recurrentBias.map(reordered),
                projection: direction.projection)
            })), inputs: inputs, outputs: values))
    note(name, .exact, "a Scan that is an LSTM with projection")

    // The Scan's outputs are one direction each; what joins them again becomes the layer's own output.
    for (position, output) in node.outputs.enumerated() where !output.isEmpty {
      let (kind, direction) = (position / count, position % count)
      let width = kind == 1 ? H : P
      let value = values[kind == 0 ? 1 : kind == 1 ? 2 : 0]
      var part = value
      if count == 2 {
        part = uniqueValue("\(output)·part")
        layers.append(
          Layer(
            uniqueLayer(ONNXNode("Slice", name: part, inputs: [], outputs: [])),
            .slice(start: direction * width, count: width), inputs: [value], outputs: [part]))
      }
      let features: ValueKind = kind == 2 ? .sequence(features: width) : .vector(features: width)
      let view = View(value: part, kind: features, axes: View.canonicalAxes(features), timeSize: x.timeSize)
      set(output, .view(view), type(node, 2 * count))
    }
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
        .constant, .dropout, .argMax, .generate:
        break
      }
    }
    for index in outputs.indices {
      outputs[index].value = renamed[outputs[index].value] ?? outputs[index].value
    }
  }
}
