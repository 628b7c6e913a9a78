internal import Recurrent
internal import Tensors
internal import Verification

/// What models are made of: the same numbers in each run.
struct RandomNumbers {
  private var generator = SplitMix(state: 1)

  /// Uniform in ±scale.
  mutating func tensor(_ shape: [Int], _ scale: Float) -> Tensor {
    let count = shape.reduce(1, *)
    return Tensor((0..<count).map { _ in Float.random(in: -scale...scale, using: &generator) }, shape: shape)
  }

  /// I = H = size, weights as PyTorch draws them.
  mutating func layer(_ name: String, _ size: Int) -> RecurrentLayer {
    let cells: [String: Cell] = ["RNN": .rnn, "LSTM": .lstm, "GRU": .gru(resetAfter: true)]
    let cell = cells[name]!
    let (rows, scale) = (cell.gateCount * size, 1 / Float(size).squareRoot())
    return RecurrentLayer(
      cell: cell, direction: .forward, inputSize: size, hiddenSize: size,
      directions: [
        DirectionParameters(
          inputWeight: tensor([rows, size], scale), recurrentWeight: tensor([rows, size], scale),
          inputBias: tensor([rows], scale), recurrentBias: tensor([rows], scale))
      ])
  }
}

extension ForwardCase {
  /// A stack of such layers, and an input.
  func random(layers: Int) -> (Model, [String: Tensor]) {
    var numbers = RandomNumbers()
    func port(_ name: String) -> Model.Port {
      .sequence(name, features: size)
    }
    let stack = (0..<layers).map { k in
      Layer("layer\(k)", .recurrent(numbers.layer(cell, size)), inputs: ["v\(k)"], outputs: ["v\(k + 1)"])
    }
    let model = Model(inputs: [port("v0")], outputs: [port("v\(layers)")], layers: stack)
    return (model, ["v0": numbers.tensor([steps, batch, size], 1)])
  }
}
