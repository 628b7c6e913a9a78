internal import Recurrent
internal import Tensors

/// Cells with the activations of their seed equations and nothing besides, which the kernels know whole.
enum StandardCell: Sendable {
  case lstm, gru
  case rnn(relu: Bool)

  init?(_ layer: RecurrentLayer, _ parameters: DirectionParameters) {
    guard layer.clip == nil, !layer.inputForget, parameters.peepholes == nil else { return nil }
    let (gate, candidate) = (parameters.gateActivation, parameters.candidateActivation)
    switch layer.cell {
    case .rnn:
      guard candidate == .tanh || candidate == .relu else { return nil }
      self = .rnn(relu: candidate == .relu)
    case .lstm:
      guard gate == .sigmoid, candidate == .tanh, parameters.outputActivation == .tanh else { return nil }
      self = .lstm
    case .gru(let resetAfter):
      guard resetAfter, gate == .sigmoid, candidate == .tanh else { return nil }
      self = .gru
    }
  }
}

/// The weights of one direction in panels: units in blocks of a panel's width, gate after gate within a block.
struct PackedDirection<Number: Panelled>: Sendable {
  let cell: Cell
  /// Whether r scales h before R_n does.
  let resetsFirst: Bool
  let standard: StandardCell?
  /// G, I, H and O.
  let gates: Int
  let inputSize: Int
  let hiddenSize: Int
  let outputSize: Int
  let coupled: Bool
  let clip: Number?
  /// W and b_W.
  let input: PackedMatrix<Number>
  /// R and b_R of all gates; of r and z only where the reset gate comes before R_n.
  let recurrent: PackedMatrix<Number>
  /// R_n and b_Rn of a GRU whose reset gate comes before it, or the LSTM's projection.
  let second: PackedMatrix<Number>?
  /// P `[3·H]`
  let peepholes: [Number]?
  let gateActivation: Activation
  let candidateActivation: Activation
  let outputActivation: Activation

  /// Blocks of units, H of them, and of outputs, O of them.
  var blocks: Int { Self.blocks(hiddenSize) }
  var outputBlocks: Int { Self.blocks(outputSize) }
  /// Gates whose R h comes first.
  var recurrentGates: Int { resetsFirst ? 2 : gates }

  private static func blocks(_ count: Int) -> Int { (count + Number.panelWidth - 1) / Number.panelWidth }

  init(_ layer: RecurrentLayer, _ parameters: DirectionParameters, _ rules: Number.Rules) {
    cell = layer.cell
    resetsFirst = layer.cell.kind.resetAfter == false
    standard = StandardCell(layer, parameters)
    gates = layer.cell.gateCount
    inputSize = layer.inputSize
    hiddenSize = layer.hiddenSize
    outputSize = layer.outputSize
    coupled = layer.inputForget
    clip = layer.clip.map { Number.constant($0) }
    peepholes = parameters.peepholes.map { Number.stored($0, rules) }
    gateActivation = parameters.gateActivation
    candidateActivation = parameters.candidateActivation
    outputActivation = parameters.outputActivation

    let (size, width) = (layer.hiddenSize, Number.panelWidth)
    /// The rows of some gates, block after block.
    func rows(_ gates: Range<Int>) -> [Int?] {
      (0..<Self.blocks(size)).flatMap { block in
        gates.flatMap { gate in
          (0..<width).map { lane in
            let unit = block * width + lane
            return unit < size ? gate * size + unit : nil
          }
        }
      }
    }
    func numbers(_ tensor: Tensor?) -> [Number]? { tensor.map { Number.stored($0, rules) } }
    input = PackedMatrix(
      MatrixSource(parameters.inputWeight, rules), depth: inputSize, bias: numbers(parameters.inputBias),
      rows: rows(0..<gates))
    let weight = MatrixSource<Number>(parameters.recurrentWeight, rules)
    let bias = numbers(parameters.recurrentBias)
    if resetsFirst {
      recurrent = PackedMatrix(weight, depth: size, bias: bias, rows: rows(0..<2))
      second = PackedMatrix(weight, depth: size, bias: bias, rows: rows(2..<3))
    } else {
      recurrent = PackedMatrix(weight, depth: outputSize, bias: bias, rows: rows(0..<gates))
      second = parameters.projection.map {
        PackedMatrix(MatrixSource($0, rules), outputs: layer.outputSize, depth: size, bias: nil)
      }
    }
  }
}
