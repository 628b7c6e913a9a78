public import Recurrent
internal import Tensors

/// What a random recurrent layer is made of.
public struct LayerSpecification: Sendable {
  public var cell: Cell
  public var direction = Direction.forward
  public var inputSize = 3
  public var hiddenSize = 4
  public var projectionSize: Int?
  public var biases = true
  public var peepholes = false
  public var clip: Double?
  public var inputForget = false
  public var scale: Float = 0.8

  public init(_ cell: Cell) { self.cell = cell }

  /// Distinct random weights for each gate, non-zero biases.
  public func layer(_ generator: inout SeededGenerator) -> RecurrentLayer {
    let rows = cell.gateCount * hiddenSize
    let hasRecurrence = cell.kind.hasRecurrentWeight
    let directions = (0..<direction.count).map { _ in
      DirectionParameters(
        inputWeight: generator.tensor([rows, inputSize], scale: scale),
        recurrentWeight: hasRecurrence
          ? generator.tensor([rows, projectionSize ?? hiddenSize], scale: scale) : nil,
        inputBias: biases ? generator.tensor([rows], scale: scale) : nil,
        recurrentBias: biases && hasRecurrence ? generator.tensor([rows], scale: scale) : nil,
        peepholes: peepholes ? generator.tensor([3 * hiddenSize], scale: scale) : nil,
        projection: projectionSize.map { generator.tensor([$0, hiddenSize], scale: scale) },
        candidateActivation: cell.kind.candidateActivation)
    }
    return RecurrentLayer(
      cell: cell, direction: direction, inputSize: inputSize, hiddenSize: hiddenSize, clip: clip,
      inputForget: inputForget, directions: directions)
  }

  /// One layer as a model: input `x` `[T, B, I]`, outputs `y` `[T, B, D·O]`, `h` and (LSTM) `c` as vectors;
  /// optionally inputs `lengths` `[B]`, `h0` and `c0`.
  public func model(seed: UInt64, lengths: Bool = false, initialStates: Bool = false) -> Model {
    var generator = SeededGenerator(seed: seed)
    let layer = layer(&generator)
    let hidden = layer.direction.count * layer.outputSize
    let cellState = layer.direction.count * layer.hiddenSize
    var inputs = [Model.Port.sequence("x", features: inputSize)]
    if lengths {
      inputs.append(
        Model.Port(
          name: "lengths", value: "lengths", elementType: .int64, kind: .indices, axes: [PortAxis([.batch])]))
    }
    if initialStates {
      inputs.append(.vector("h0", features: hidden))
      if cell == .lstm { inputs.append(.vector("c0", features: cellState)) }
    }
    var outputs = [Model.Port.sequence("y", features: hidden), .vector("h", features: hidden)]
    if cell == .lstm { outputs.append(.vector("c", features: cellState)) }
    return Model(
      name: "random", inputs: inputs, outputs: outputs,
      layers: [
        Layer(
          "layer", .recurrent(layer),
          inputs: ["x", lengths ? "lengths" : nil, initialStates ? "h0" : nil]
            + (cell == .lstm ? [initialStates ? "c0" : nil] : []),
          outputs: outputs.map(\.value))
      ])
  }
}
