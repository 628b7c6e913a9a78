import Forward
import Recurrent
import Tensors
import TestSupport

/// Every cell with the options that it has.
let specifications: [LayerSpecification] = {
  var all: [LayerSpecification] = []
  for cell in Cell.all {
    for direction in Direction.allCases {
      var plain = LayerSpecification(cell)
      plain.direction = direction
      all.append(plain)
      var clipped = plain
      clipped.clip = 0.5
      clipped.biases = false
      all.append(clipped)
      guard cell == .lstm else { continue }
      var peepholes = plain
      peepholes.peepholes = true
      all.append(peepholes)
      var coupled = peepholes
      coupled.inputForget = true
      all.append(coupled)
      var projected = plain
      projected.projectionSize = 2
      all.append(projected)
    }
  }
  return all
}()

/// Functions that are curved, so that a line does not do.
let smoothActivations = [
  Activation.tanh, .sigmoid, Activation(.elu, alpha: 1.3), Activation(.elu, alpha: 0.2),
  Activation(.softsign),
  Activation(.softplus), Activation(.gelu), Activation(.silu), Activation(.mish),
  Activation(.scaledTanh, alpha: 1.7159, beta: 0.6667), Activation(.erf), Activation(.sin), Activation(.cos),
  Activation(.selu, alpha: 1.6732632, beta: 1.0507010), Activation(.celu, alpha: 0.7), Activation(.hardSwish),
  Activation(.geluTanh),
]
let straightActivations = [
  Activation.identity, .relu, Activation(.affine, alpha: 0.3, beta: -0.7),
  Activation(.leakyRelu, alpha: 0.01), Activation(.leakyRelu, alpha: -2),
  Activation(.thresholdedRelu, alpha: 0.6), Activation(.thresholdedRelu, alpha: -0.6),
  Activation(.inclusiveThresholdedRelu, alpha: 0.6), Activation(.inclusiveThresholdedRelu, alpha: -0.6),
  Activation(.hardSigmoid, alpha: 0.2, beta: 0.5), Activation(.elu, alpha: -0.7),
  Activation(.clip, alpha: -0.3, beta: 0.7), Activation(.clip, alpha: 0, beta: 6), Activation(.abs),
]
/// Functions that grow fast, or have no value everywhere: tried where they have one (`FunctionBoundTests`).
let steepActivations = [
  Activation(.exp), Activation(.log), Activation(.power, alpha: 2), Activation(.power, alpha: 0.5),
  Activation(.power, alpha: 3), Activation(.power, alpha: -1), Activation(.power, alpha: -0.5),
  Activation(.power, alpha: 1.7), Activation(.power, alpha: 0.3), Activation(.power, alpha: -3),
  Activation(.power, alpha: 7), Activation(.power, alpha: -2.25),
]
let everyActivation = smoothActivations + straightActivations

extension LayerSpecification {
  var text: String {
    "\(cell) \(direction) clip \(clip ?? 0) peepholes \(peepholes) coupled \(inputForget) projection \(projectionSize ?? 0)"
  }
}

extension Model {
  /// The only recurrent layer of a model from `LayerSpecification`.
  var recurrent: RecurrentLayer {
    guard case .recurrent(let layer) = layers[0].operation else { preconditionFailure() }
    return layer
  }
}

/// Inputs for a model from `LayerSpecification`: random x and states, and the lengths given.
func randomInputs(
  _ model: Model, steps: Int, batch: Int, lengths: [Int64]? = nil, seed: UInt64, scale: Float = 1
) -> [String: Tensor] {
  var generator = SeededGenerator(seed: seed)
  var inputs: [String: Tensor] = [:]
  for port in model.inputs {
    switch port.kind {
    case .sequence(let features):
      inputs[port.name] = generator.tensor([steps, batch, features], scale: scale)
    case .vector(let features): inputs[port.name] = generator.tensor([batch, features], scale: scale)
    default: inputs[port.name] = Tensor(lengths!, shape: [batch])
    }
  }
  return inputs
}

/// Row b alone of inputs made by `randomInputs`, cut to its length.
func row(_ b: Int, of inputs: [String: Tensor], length: Int) -> [String: Tensor] {
  inputs.mapValues { tensor in
    let shape = tensor.shape
    if tensor.elementType == .int64 { return Tensor([Int64(length)], shape: [1]) }
    if shape.count == 2 { return tensor.rows(b..<(b + 1)) }
    let turned = tensor.transposed([1, 0, 2]).rows(b..<(b + 1)).transposed([1, 0, 2])
    return turned.rows(0..<length)
  }
}

/// One layer without recurrence: inputs in order, one output `y`.
func model(_ operation: Layer.Operation, _ inputs: [Model.Port], _ output: Model.Port) -> Model {
  Model(
    inputs: inputs, outputs: [output],
    layers: [Layer("layer", operation, inputs: inputs.map(\.value), outputs: [output.value])])
}

/// Whether what a pass gave lies within what a bounded one allows.
func isWithin(_ found: [Double], _ bound: BoundedTensor) -> Bool {
  found.count == bound.values.count && found.indices.allSatisfy { bound.contains(found[$0], at: $0) }
}

func integerPort(_ name: String, hasTime: Bool) -> Model.Port {
  Model.Port(
    name: name, value: name, elementType: .int64, kind: hasTime ? .tokens : .indices,
    axes: hasTime ? [PortAxis([.time]), PortAxis([.batch])] : [PortAxis([.batch])])
}
