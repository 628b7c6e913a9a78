internal import Recurrent

extension Model {
  /// Puts layers between an output of a layer and those who read it; nil where the layer does not make it.
  ///
  /// - Parameter insert: from the name that the layer's own output now has, and the name that others read.
  func wrapping(_ index: Int, output: Int, _ insert: (_ raw: String, _ value: String) -> [Layer]) -> Model? {
    guard output < layers[index].outputs.count, let value = layers[index].outputs[output] else { return nil }
    var model = self
    let raw = "\(value)~raw"
    model.layers[index].outputs[output] = raw
    model.layers.insert(contentsOf: insert(raw, value), at: index + 1)
    return model
  }

  /// A bidirectional layer as two of one direction.
  ///
  /// - Parameters:
  ///   - reversed: whether the second half runs backwards.
  ///   - flipsOutput: whether its sequence is turned round once more.
  func split(_ index: Int, reversed: Bool, flipsOutput: Bool) -> Model? {
    let layer = layers[index]
    guard case .recurrent(let recurrent) = layer.operation, recurrent.direction == .bidirectional else {
      return nil
    }
    func input(_ number: Int) -> String? { number < layer.inputs.count ? layer.inputs[number] : nil }
    let sizes = [recurrent.outputSize, recurrent.hiddenSize]
    var made: [Layer] = []
    var halves: [Layer] = []
    for half in 0..<2 {
      var one = recurrent
      one.direction = half == 1 && reversed ? .reverse : .forward
      one.directions = [recurrent.directions[half]]
      var inputs = layer.inputs
      for state in 0..<2 {
        guard let value = input(2 + state) else { continue }
        let part = "\(layer.name)~state\(state)~\(half)"
        made.append(
          Layer(
            part, .slice(start: half * sizes[state], count: sizes[state]), inputs: [value], outputs: [part]))
        inputs[2 + state] = part
      }
      halves.append(
        Layer(
          "\(layer.name)~\(half)", .recurrent(one), inputs: inputs,
          outputs: layer.outputs.map { $0.map { "\($0)~\(half)" } }))
    }
    made += halves
    for (number, value) in layer.outputs.enumerated() {
      guard let value else { continue }
      var second = "\(value)~1"
      if number == 0, flipsOutput {
        made.append(
          Layer(
            "\(value)~flip", .reverse, inputs: [second] + (input(1).map { [$0] } ?? []),
            outputs: ["\(value)~flip"]))
        second = "\(value)~flip"
      }
      made.append(Layer("\(value)~joined", .concat, inputs: ["\(value)~0", second], outputs: [value]))
    }
    var model = self
    model.layers.replaceSubrange(index...index, with: made)
    return model
  }
}

extension Model.Port {
  /// The port with the factors of time and batch exchanged; sizes and names stay with the axes.
  var axesSwapped: Model.Port {
    guard kind.hasTime else { return self }
    var port = self
    port.axes = axes.map { axis in
      let factors = axis.factors.map { (factor) -> AxisFactor in
        switch factor {
        case .time: .batch
        case .batch: .time
        case .features: factor
        }
      }
      return PortAxis(
        factors, size: axis.size, symbol: axis.symbol, isDroppedAtOne: axis.isDroppedAtOne)
    }
    return port
  }
}
