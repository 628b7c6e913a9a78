import Recurrent
import Tensors
import TestSupport

/// Recurrent layers one behind another: input `x` `[T, B, I]`, output `y`.
///
/// - Parameter gain: weights are uniform within ± gain / √H; 1 is PyTorch's initialisation.
func stackedModel(
  _ cell: Cell, _ direction: Direction, layers count: Int, inputSize: Int, hiddenSize: Int, gain: Double,
  seed: UInt64
) -> Model {
  var generator = SeededGenerator(seed: seed)
  var specification = LayerSpecification(cell)
  specification.direction = direction
  specification.hiddenSize = hiddenSize
  specification.inputSize = inputSize
  specification.scale = Float(gain / Double(hiddenSize).squareRoot())
  let features = direction.count * hiddenSize
  let layers = (0..<count).map { k in
    let layer = specification.layer(&generator)
    specification.inputSize = features
    return Layer(
      "layer \(k)", .recurrent(layer), inputs: [k == 0 ? "x" : "y\(k - 1)"],
      outputs: [k == count - 1 ? "y" : "y\(k)"])
  }
  return Model(
    name: "stacked", inputs: [.sequence("x", features: inputSize)],
    outputs: [.sequence("y", features: features)], layers: layers)
}
