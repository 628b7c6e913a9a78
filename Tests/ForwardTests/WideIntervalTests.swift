import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

/// Wide intervals reach what rounding errors alone do not: saturation, kinks, curvature.
///
/// A rounding model whose functions are absurdly bad makes the values behind a first activation uncertain by a
/// known amount; Float64 passes from any point of that interval must stay within the bound.
@Suite struct WideIntervalTests {
  @Test(arguments: everyActivation)
  func `Every activation of an uncertain argument`(_ activation: Activation) throws {
    for gain in [0.1, 1, 4, 30] {
      try check(.activation(activation), features: 8, gain: gain)
    }
  }

  @Test(arguments: [Layer.Operation.softmax, .logSoftmax, .argMax])
  func `Every head of uncertain features`(_ operation: Layer.Operation) throws {
    for gain in [0.1, 1, 10, 1000] { try check(operation, features: 5, gain: gain) }
  }

  @Test func `A normalisation of uncertain features`() throws {
    var generator = SeededGenerator(seed: 3)
    for epsilon in [1e-5, 0.1] {
      let layer = LayerNormalization(scale: generator.tensor([6]), bias: nil, epsilon: epsilon)
      for gain in [0.01, 0.1, 1, 10, 1000] {
        try check(.layerNormalization(layer), features: 6, gain: gain)
      }
    }
  }

  @Test(arguments: Normalization.Divisor.allCases)
  func `A division of uncertain groups by what they are made of`(_ divisor: Normalization.Divisor) throws {
    for (count, overTime) in [(6, false), (3, false), (2, true)] {
      for epsilon in divisor.hasEpsilon ? [1e-5, 0.1] : [0] {
        let layer = Normalization(divisor, count: count, overTime: overTime, epsilon: epsilon)
        for gain in [0.01, 0.1, 1, 10, 1000] { try check(.normalization(layer), features: 6, gain: gain) }
      }
    }
  }

  @Test(arguments: [Selection.max, .mean])
  func `Every reduction of uncertain steps`(_ selection: Selection) throws {
    try check(.select(selection), features: 8, gain: 3)
  }

  @Test(arguments: specifications.indices)
  func `Every cell with uncertain inputs`(_ index: Int) throws {
    var generator = SeededGenerator(seed: UInt64(index))
    for gain in [0.1, 1, 6] {
      try check(.recurrent(specifications[index].layer(&generator)), features: 3, gain: gain)
    }
  }

  @Test(arguments: Arithmetic.Operator.allCases)
  func `Arithmetic of uncertain numbers`(_ arithmetic: Arithmetic.Operator) throws {
    for constant in [0.7, -3] {
      for first in [false, true] {
        try check(
          .arithmetic(arithmetic, constant: Tensor([constant], shape: [1]), constantFirst: first),
          features: 6,
          gain: 2)
      }
    }
  }

  /// Uncertain x through `operation`: the bound against Float64 passes from twelve points of the interval.
  private func check(_ operation: Layer.Operation, features: Int, gain: Double) throws {
    let uncertainty = 0.05
    var first = Activation.tanh
    var rounding = RoundingModel.float32
    if usesTanh(operation) {
      // softplus is bounded by twice the error of e^x and ln.
      first = Activation(.softplus)
      rounding.elementary.absolute = uncertainty / 2
    } else {
      rounding.tanh.absolute = uncertainty
    }
    var uncertain = tail(operation, features, gain)
    uncertain.layers.insert(Layer("first", .activation(first), inputs: ["in"], outputs: ["x"]), at: 0)
    uncertain.inputs = [.sequence("in", features: features)]
    var certain = tail(operation, features, gain)
    certain.inputs = [.sequence("x", features: features)]

    var generator = SeededGenerator(seed: 77)
    let (steps, batch) = (4, 6)
    let x = generator.tensor([steps, batch, features], scale: 2)
    let middle = try forward(
      model(.activation(first), [.sequence("x", features: features)], .sequence("y", features: features)),
      inputs: ["x": x], precision: .float64)["y"]!.doubles
    let bounds = try boundedForward(uncertain, inputs: ["in": x], rounding: rounding)
    try #require(bounds.count == uncertain.outputs.count)
    for trial in 0..<12 {
      let moved = middle.map { value in
        switch trial {
        case 0: value
        case 1: value - uncertainty
        case 2: value + uncertainty
        case 3...5: value + (Bool.random(using: &generator) ? uncertainty : -uncertainty)
        default: value + Double.random(in: -uncertainty...uncertainty, using: &generator)
        }
      }
      let found = try forward(
        certain, inputs: ["x": Tensor(moved, shape: [steps, batch, features])], precision: .float64)
      for (name, bound) in bounds {
        let numbers = bound.isInteger ? try found[name]!.integers().map { Double($0) } : found[name]!.doubles
        #expect(
          numbers.indices.allSatisfy { bound.contains(numbers[$0], at: $0) },
          "\(operation.name) \(name), gain \(gain), trial \(trial)")
      }
    }
  }

  private func usesTanh(_ operation: Layer.Operation) -> Bool {
    switch operation {
    case .recurrent, .activation(.tanh): true
    case .activation(let activation): activation.kind == .scaledTanh
    default: false
    }
  }

  /// x scaled by `gain`, then the operation.
  private func tail(_ operation: Layer.Operation, _ features: Int, _ gain: Double) -> Model {
    let output: Model.Port =
      switch operation {
      case .recurrent(let layer): .sequence("y", features: layer.direction.count * layer.outputSize)
      case .select: .vector("y", features: features)
      case .argMax: integerPort("y", hasTime: true)
      default: .sequence("y", features: features)
      }
    return Model(
      inputs: [], outputs: [output],
      layers: [
        Layer("gain", .activation(Activation(.affine, alpha: gain)), inputs: ["x"], outputs: ["a"]),
        Layer("layer", operation, inputs: ["a"], outputs: ["y"]),
      ])
  }
}
