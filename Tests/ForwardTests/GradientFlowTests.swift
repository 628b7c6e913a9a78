import Forward
import Foundation
import Recurrent
import Tensors
import TestSupport
import Testing

/// What torch.autograd.functional.jacobian gave in float64; see Tests/judges/live_gradient_flow.py, `--record`.
private struct AutogradCase: Decodable, CustomTestStringConvertible {
  struct Function: Decodable {
    let kind: String
    let alpha: Double
    let beta: Double
  }
  struct Norms: Decodable {
    let state: [Double]
    let hidden: [Double]
    let cell: [Double]
  }

  let cell: String
  let inputs: Int
  let hidden: Int
  let direction: String
  let resetAfter: Bool
  let coupled: Bool
  let clip: Double?
  let projection: Int
  let activations: [Function]
  let x: [Double]
  let states: [[Double]]
  let weights: [[String: [Double]]]
  let jacobians: [[Double]]
  let norms: [Norms]
  let gates: [[String: Double]]

  var testDescription: String {
    "\(cell) \(direction) \(activations.map(\.kind)) clip \(clip ?? 0) coupled \(coupled) projection \(projection) "
      + "peepholes \(weights[0]["P"] != nil) reset after \(resetAfter)"
  }

  static let all: [AutogradCase] = {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Recorded/flow.json")
    return try! JSONDecoder().decode([AutogradCase].self, from: Data(contentsOf: file))
  }()

  var layer: RecurrentLayer {
    let cell = Cell.all.first { $0.name == self.cell && ($0.kind.resetAfter ?? resetAfter) == resetAfter }!
    let functions = activations.map {
      Activation(Activation.Kind(rawValue: $0.kind)!, alpha: $0.alpha, beta: $0.beta)
    }
    let (rows, outputs) = (cell.gateCount * hidden, projection > 0 ? projection : hidden)
    return RecurrentLayer(
      cell: cell, direction: Direction(rawValue: direction)!, inputSize: inputs, hiddenSize: hidden,
      clip: clip, inputForget: coupled,
      directions: weights.map { weights in
        DirectionParameters(
          inputWeight: Tensor(weights["W"]!, shape: [rows, inputs]),
          recurrentWeight: weights["R"].map { Tensor($0, shape: [rows, outputs]) },
          inputBias: Tensor(weights["Wb"]!, shape: [rows]),
          recurrentBias: weights["Rb"].map { Tensor($0, shape: [rows]) },
          peepholes: weights["P"].map { Tensor($0, shape: [3 * hidden]) },
          projection: weights["projection"].map { Tensor($0, shape: [outputs, hidden]) },
          gateActivation: functions.count > 1 ? functions[0] : .sigmoid,
          candidateActivation: functions.count > 1 ? functions[1] : functions[0],
          outputActivation: functions.count > 2 ? functions[2] : .tanh)
      })
  }
}

/// One layer with initial states h0 `[B, D·O]` and c0 `[B, D·H]`, and lengths where asked for.
private func flowModel(_ layer: RecurrentLayer, lengths: Bool = false) -> Model {
  let count = layer.direction.count
  var ports = [Model.Port.sequence("x", features: layer.inputSize)]
  if lengths { ports.append(integerPort("lengths", hasTime: false)) }
  ports.append(.vector("h0", features: count * layer.outputSize))
  if layer.cell == .lstm { ports.append(.vector("c0", features: count * layer.hiddenSize)) }
  return Model(
    inputs: ports, outputs: [.sequence("y", features: count * layer.outputSize)],
    layers: [
      Layer(
        "layer", .recurrent(layer),
        inputs: ["x", lengths ? "lengths" : nil, "h0"] + (layer.cell == .lstm ? ["c0"] : []), outputs: ["y"])
    ])
}

/// A linear recurrence h_t = kernel · h_{t−1} from a zero state, over zeros.
private func linearFlow(_ kernel: [Double], size: Int, steps: Int, _ activation: Activation) throws
  -> GradientFlow
{
  let layer = RecurrentLayer(
    cell: .rnn, direction: .forward, inputSize: 1, hiddenSize: size,
    directions: [
      DirectionParameters(
        inputWeight: Tensor([Double](repeating: 0, count: size), shape: [size, 1]),
        recurrentWeight: Tensor(kernel, shape: [size, size]), candidateActivation: activation)
    ])
  let inputs = [
    "x": Tensor([Double](repeating: 0, count: steps), shape: [steps, 1, 1]),
    "h0": Tensor([Double](repeating: 0, count: size), shape: [1, size]),
  ]
  return try gradientFlow(flowModel(layer), inputs: inputs)[0]
}

private let linear = [Activation(.identity), Activation(.affine, alpha: 1, beta: 0.25)]

@Suite struct GradientFlowTests {
  @Test func `There are recordings`() { #expect(AutogradCase.all.count >= 29) }

  @Test(arguments: AutogradCase.all)
  fileprivate func `Jacobians, norms and gates are those of PyTorch's autograd, to 1e-10`(
    _ recorded: AutogradCase
  ) throws {
    let layer = recorded.layer
    let steps = recorded.x.count / recorded.inputs
    let (outputs, count) = (layer.outputSize, layer.direction.count)
    var inputs = [
      "x": Tensor(recorded.x, shape: [steps, 1, recorded.inputs]),
      "h0": Tensor(recorded.states.flatMap { $0.prefix(outputs) }, shape: [1, count * outputs]),
    ]
    if layer.cell == .lstm {
      inputs["c0"] = Tensor(
        recorded.states.flatMap { $0.dropFirst(outputs) }, shape: [1, count * layer.hiddenSize])
    }
    var options = GradientFlowOptions()
    options.keepsJacobians = true
    let flows = try gradientFlow(flowModel(layer), inputs: inputs, options)
    #expect(flows.count == count)
    for (d, flow) in flows.enumerated() {
      let (found, expected) = (try #require(flow.jacobians).doubles, recorded.jacobians[d])
      let size = expected.count / steps
      try #require(found.count == expected.count)
      for step in 0..<steps {
        let range = (step * size)..<((step + 1) * size)
        let scale = expected[range].map(\.magnitude).max()!
        for index in range { #expect(abs(found[index] - expected[index]) <= 1e-10 * scale) }
      }
      let norms = recorded.norms[d]
      for (logarithms, norms) in [
        (flow.stateNorms, norms.state), (flow.hiddenNorms, norms.hidden), (flow.cellNorms, norms.cell),
      ] {
        try #require(logarithms.count == norms.count)
        for (logarithm, norm) in zip(logarithms, norms) {
          #expect(abs(pow(10, logarithm) - norm) <= 1e-10 * norm)
        }
      }
      #expect(Set(flow.gates.map(\.gate.rawValue)) == Set(recorded.gates[d].keys))
      for gate in flow.gates {
        #expect(abs(gate.mean - recorded.gates[d][gate.gate.rawValue]!) <= 1e-12)
        #expect(gate.units.contains(gate.mean))
      }
    }
  }

  /// S·D·S⁻¹ with a unimodular S, so that nothing of the eigenvalues shows in the matrix.
  @Test(arguments: linear)
  func `Lyapunov exponents of a linear RNN are the logs of its eigenvalues' moduli`(activation: Activation)
    throws
  {
    let basis: [Double] = [1, 2, 0, 0, 1, 3, 1, 2, 1]
    let inverse: [Double] = [-5, -2, 6, 3, 1, -3, -1, 0, 1]
    let eigenvalues = [0.9, -0.6, 0.3]
    var kernel = [Double](repeating: 0, count: 9)
    for k in 0..<9 {
      for m in 0..<3 { kernel[k] += basis[k / 3 * 3 + m] * eigenvalues[m] * inverse[m * 3 + k % 3] }
    }
    let flow = try linearFlow(kernel, size: 3, steps: 400, activation)
    try #require(flow.exponents.count == 3)
    for (found, eigenvalue) in zip(flow.exponents, eigenvalues) {
      #expect(abs(found - log(abs(eigenvalue))) <= 1e-10)
    }
    #expect(abs(flow.radii[0].radius - 0.9) <= 1e-10)
    guard case .vanishes(let halfLife) = flow.verdict else {
      Issue.record("\(flow.verdict)")
      return
    }
    #expect(abs(halfLife - log(0.5) / log(0.9)) < 0.01)
  }

  /// A spiral beside a decay: the pair's exponents turn with the plane, so each is right in the mean over many steps, and
  /// their sum at once.
  @Test(arguments: linear)
  func `A pair of complex eigenvalues has two equal exponents`(activation: Activation) throws {
    let (c, s) = (1.1 * cos(0.7), 1.1 * sin(0.7))
    // The plane is stretched by 3 along one axis first and back after: still the same eigenvalues.
    let flow = try linearFlow([c, -3 * s, 0, s / 3, c, 0, 0.4, 0.2, 0.5], size: 3, steps: 4_000, activation)
    #expect(abs(flow.exponents[0] - log(1.1)) < 1e-3 && abs(flow.exponents[1] - log(1.1)) < 1e-3)
    #expect(abs(flow.exponents[0] + flow.exponents[1] - 2 * log(1.1)) <= 1e-10)
    #expect(abs(flow.exponents[2] - log(0.5)) <= 1e-10)
    #expect(abs(flow.radii[0].radius - 1.1) <= 1e-10)
    guard case .explodes(let doubling) = flow.verdict else {
      Issue.record("\(flow.verdict)")
      return
    }
    #expect(abs(doubling - log(2) / log(1.1)) < 0.01)
  }

  @Test func `Norms far below what Float64 holds are still told`() throws {
    let flow = try linearFlow([0, 0.001, 0.001, 0], size: 2, steps: 1_000, Activation(.identity))
    #expect(abs(flow.stateNorms[1_000] + 3_000) < 1e-9)
    #expect(abs(flow.exponents[0] - log(0.001)) < 1e-12)
  }

  @Test func `A recurrence that forgets at once is cut, and one that keeps its length is stable`() throws {
    let nilpotent = try linearFlow([0, 1, 0, 0], size: 2, steps: 20, Activation(.identity))
    #expect(nilpotent.verdict == .cut(distance: 2))
    #expect(abs(nilpotent.stateNorms[1]) < 1e-14 && nilpotent.stateNorms[2] == -.infinity)
    let rotation = try linearFlow([0, -1, 1, 0], size: 2, steps: 20, Activation(.identity))
    #expect(rotation.verdict == .stable)
    #expect(rotation.stateNorms.allSatisfy { abs($0) < 1e-14 })
    // A factor of ten over the sequence is the threshold.
    let (slow, slower) = (pow(0.1, 1.01 / 40), pow(0.1, 0.99 / 40))
    #expect(try linearFlow([slower], size: 1, steps: 40, Activation(.identity)).verdict == .stable)
    #expect(try linearFlow([1 / slower], size: 1, steps: 40, Activation(.identity)).verdict == .stable)
    guard case .vanishes = try linearFlow([slow], size: 1, steps: 40, Activation(.identity)).verdict,
      case .explodes = try linearFlow([1 / slow], size: 1, steps: 40, Activation(.identity)).verdict
    else {
      Issue.record("not told from stable")
      return
    }
    let short = try linearFlow([0.5], size: 1, steps: 7, Activation(.identity))
    #expect(short.verdict == .undecided)
    let broken = try linearFlow([.nan], size: 1, steps: 20, Activation(.identity))
    #expect(broken.verdict == .undecided)
  }

  @Test(arguments: specifications)
  func `A row of a ragged batch flows as the row alone, bit for bit`(specification: LayerSpecification) throws
  {
    var generator = SeededGenerator(seed: 4)
    let model = flowModel(specification.layer(&generator), lengths: true)
    let inputs = randomInputs(model, steps: 9, batch: 3, lengths: [9, 4, 6], seed: 5)
    var options = GradientFlowOptions()
    options.keepsJacobians = true
    for (b, length) in [9, 4, 6].enumerated() {
      options.row = b
      let among = try gradientFlow(model, inputs: inputs, options)
      options.row = 0
      #expect(try among == gradientFlow(model, inputs: row(b, of: inputs, length: length), options))
      #expect(among.allSatisfy { $0.steps == length })
    }
  }

  @Test func `A row that is not there and Jacobians beyond the limit are refused`() throws {
    var generator = SeededGenerator(seed: 4)
    var specification = LayerSpecification(.rnn)
    let model = flowModel(specification.layer(&generator))
    var options = GradientFlowOptions()
    options.row = 2
    #expect(throws: ForwardError.rowOutOfRange(row: 2, batch: 2)) {
      try gradientFlow(model, inputs: randomInputs(model, steps: 3, batch: 2, seed: 1), options)
    }
    options.row = 0
    options.keepsJacobians = true
    specification.hiddenSize = 400
    let wide = flowModel(specification.layer(&generator))
    let bytes = 900 * 400 * 400 * 8
    #expect(throws: ForwardError.jacobiansTooLarge(layer: "layer", bytes: bytes, limit: 1 << 30)) {
      try gradientFlow(wide, inputs: randomInputs(wide, steps: 900, batch: 1, seed: 1), options)
    }
  }
}
