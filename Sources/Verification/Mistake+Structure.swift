internal import Recurrent
internal import Tensors

extension Mistake {
  static let structure: [Mistake] = [
    Mistake(
      "direction-flipped", "a layer runs in the other direction",
      [
        .involution("", perDirection: false) {
          $0.direction != .bidirectional
        } _: { layer, _ in
          layer.direction = layer.direction == .forward ? .reverse : .forward
        }
      ]),
    graph("half-not-reversed", "the backward half runs forward") {
      $0.direction == .bidirectional && $0.path == .time
    } make: {
      $0.split($1, reversed: false, flipsOutput: false)
    },
    graph("output-not-reversed", "the backward outputs stay in the order in which they are computed") {
      $0.direction != .forward && $0.path == .time
    } make: { model, index in
      guard case .recurrent(let layer) = model.layers[index].operation else { return nil }
      if layer.direction == .bidirectional { return model.split(index, reversed: true, flipsOutput: true) }
      let lengths = model.layers[index].inputs.dropFirst().first ?? nil
      return model.wrapping(index, output: 0) { raw, value in
        [Layer("\(value)~flip", .reverse, inputs: [raw] + (lengths.map { [$0] } ?? []), outputs: [value])]
      }
    },
    graph("halves-swapped", "the outputs of the two directions are joined the other way round") {
      $0.direction == .bidirectional && $0.path == .time
    } make: { model, index in
      guard case .recurrent(let layer) = model.layers[index].operation else { return nil }
      let sizes = [layer.outputSize, layer.outputSize, layer.hiddenSize]
      return model.layers[index].outputs.indices.reversed().reduce(model) { model, output in
        model.wrapping(index, output: output) { raw, value in
          let size = sizes[output]
          return [
            Layer("\(value)~1", .slice(start: 0, count: size), inputs: [raw], outputs: ["\(value)~1"]),
            Layer("\(value)~2", .slice(start: size, count: size), inputs: [raw], outputs: ["\(value)~2"]),
            Layer("\(value)~joined", .concat, inputs: ["\(value)~2", "\(value)~1"], outputs: [value]),
          ]
        } ?? model
      }
    },
    Mistake("axes-swapped", "the time axis is taken for the batch axis") { model, _ in
      guard (model.inputs + model.outputs).contains(where: \.kind.hasTime) else { return [] }
      return [
        Candidate(place: "all inputs and outputs with a time axis", suggestion: .batchFirst) {
          var model = model
          model.inputs = model.inputs.map(\.axesSwapped)
          model.outputs = model.outputs.map(\.axesSwapped)
          return model
        }
      ]
    },
    Mistake("lengths-ignored", "the rows' lengths are ignored: padding is computed on", candidates: lengths)
      .recorded("the recording ignores the rows' lengths: padding is computed on"),
    Mistake("initial-state-ignored", "an initial state is ignored") { model, purpose in
      guard purpose.isMaking else { return [] }
      return model.recurrentLayers.flatMap { index, _ in
        [("h", [2]), ("c", [3]), ("h and c", [2, 3])].compactMap { what, inputs -> Candidate? in
          let layer = model.layers[index]
          guard inputs.allSatisfy({ $0 < layer.inputs.count && layer.inputs[$0] != nil }) else { return nil }
          return Candidate(place: "layer '\(layer.name)': \(what)", isLossy: true) {
            var model = model
            for input in inputs { model.layers[index].inputs[input] = nil }
            return model
          }
        }
      }
    },
    Mistake("states-swapped", "h and c are exchanged") { model, _ in
      let read = model.valuesRead
      return model.recurrentLayers.filter {
        $0.layer.cell.hasCellState && $0.layer.outputSize == $0.layer.hiddenSize
      }
      .flatMap { index, _ -> [Candidate] in
        let layer = model.layers[index]
        var result: [Candidate] = []
        if layer.inputs.count == 4 {
          result.append(
            Candidate(place: "layer '\(layer.name)': the initial states") {
              var model = model
              model.layers[index].inputs.swapAt(2, 3)
              return model
            })
        }
        if layer.outputs.count == 3, layer.outputs[1...].contains(where: { $0.map(read.contains) ?? false }) {
          result.append(
            Candidate(place: "layer '\(layer.name)': the last states") {
              var model = model
              model.layers[index].outputs.swapAt(1, 2)
              return model
            })
        }
        return result
      }
    },
  ]

  static let storage: [Mistake] = [
    Mistake("precision-lost", "a tensor is rounded to a narrower type") { model, purpose in
      guard purpose.isMaking else { return [] }
      return [ElementType.float16, .bfloat16].flatMap { type in
        eachTensor(model, "to \(type.rawValue)", isLossy: true, { $0.isFloat && $0.size > type.size }) {
          tensor in
          let narrow = try? tensor.converted(to: type).tensor
          // Back in its own type, as a file holds it that has been through the narrower one.
          return (try? narrow?.converted(to: tensor.elementType).tensor) ?? tensor
        }
      }
    },
    Mistake("byte-order", "a tensor's bytes are taken in the other order") { model, _ in
      eachTensor(model, "", { $0.size > 1 }) { $0.byteSwapped }
    },
  ]

  private static func graph(
    _ id: String, _ name: String, _ fits: @escaping @Sendable (RecurrentLayer) -> Bool,
    make: @escaping @Sendable (Model, Int) -> Model?
  ) -> Mistake {
    Mistake(id, name) { model, _ in
      model.recurrentLayers.filter { fits($0.layer) }.map { index, _ in
        Candidate(place: "layer '\(model.layers[index].name)'") { make(model, index) }
      }
    }
  }

  /// A change of each tensor of a fitting type alone, and of all such.
  private static func eachTensor(
    _ model: Model, _ detail: String, isLossy: Bool = false,
    _ fits: @escaping @Sendable (ElementType) -> Bool,
    _ change: @escaping @Sendable (Tensor) -> Tensor
  ) -> [Candidate] {
    let tail = detail.isEmpty ? "" : " \(detail)"
    var result: [Candidate] = []
    var total = 0
    for (index, layer) in model.layers.enumerated() {
      for (number, (role, tensor)) in layer.operation.tensors.enumerated() where fits(tensor.elementType) {
        total += 1
        result.append(
          Candidate(
            place: "layer '\(layer.name)', \(role)\(tail)", isLossy: isLossy,
            touches: { $0 == index && ($1 == role || $1?.hasSuffix(".bias") ?? false) }
          ) {
            var model = model
            var seen = -1
            model.layers[index].operation = layer.operation.mapTensors { tensor in
              seen += 1
              return seen == number ? change(tensor) : tensor
            }
            return model
          })
      }
    }
    guard total > 1 else { return result }
    result.append(
      Candidate(place: "all tensors\(tail)", isLossy: isLossy, touches: { $1 != nil }) {
        var model = model
        for index in model.layers.indices {
          model.layers[index].operation = model.layers[index].operation.mapTensors {
            fits($0.elementType) ? change($0) : $0
          }
        }
        return model
      })
    return result
  }

  /// Made: layers read on behind the lengths, and the last step stands for the last valid one. Mended: the other way,
  /// where the model has an input of lengths that nobody else reads.
  @Sendable private static func lengths(_ model: Model, _ purpose: Purpose) -> [Candidate] {
    func change(_ operation: inout Layer.Operation, _ inputs: inout [String?], _ value: String?) -> Bool {
      switch operation {
      case .recurrent(let layer) where layer.path == .time:
        let had = inputs.count > 1 && inputs[1] != nil
        guard had != (value != nil) else { return false }
        if inputs.count < 2 { inputs.append(nil) }
        inputs[1] = value
      case .select(.lastValid) where value == nil:
        operation = .select(.step(-1))
        inputs = [inputs[0]]
      case .select(.step(-1)) where value != nil:
        operation = .select(.lastValid)
        inputs = [inputs[0], value]
      case .reverse where (inputs.count > 1) != (value != nil):
        inputs = value.map { [inputs[0], $0] } ?? [inputs[0]]
      case .recurrent, .embedding, .dense, .activation, .softmax, .logSoftmax, .layerNormalization, .select,
        .concat,
        .slice, .arithmetic,
        .reverse,
        .constant, .dropout, .argMax, .generate, .convolution, .pool, .padding, .gather, .unfold, .fold,
        .reduce, .timeSoftmax, .repeated, .stepPacking, .batchNormalization, .normalization,
        .transposedConvolution, .resize,
        .cumulativeSum, .attention, .choice:
        return false
      }
      return true
    }
    let port = model.inputs.first { port in
      port.kind == .indices
        && !model.layers.contains { layer in
          if case .embedding = layer.operation { layer.inputs.contains(port.value) } else { false }
        }
    }
    guard purpose.isMaking || port != nil else { return [] }
    let value = purpose.isMaking ? nil : port?.value
    var places: [(String, [Int])] = []
    for (index, layer) in model.layers.enumerated() {
      var copy = layer
      if change(&copy.operation, &copy.inputs, value) { places.append(("layer '\(layer.name)'", [index])) }
    }
    if places.count > 1 { places.append(("all layers with lengths", places.map { $0.1[0] })) }
    return places.map { words, indices in
      var changed = model
      for index in indices {
        var layer = changed.layers[index]
        _ = change(&layer.operation, &layer.inputs, value)
        changed.layers[index] = layer
      }
      let result = changed
      return Candidate(place: words, isLossy: port == nil || purpose.isMaking) { result }
    }
  }
}

extension Model {
  /// Values that a layer reads, or somebody outside.
  fileprivate var valuesRead: Set<String> {
    Set(outputs.map(\.value)).union(layers.lazy.flatMap(\.inputs).compactMap(\.self))
  }
}
