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
    case .minGRU: return nil
    }
  }
}

/// The weights of one direction in panels: units in blocks of a panel's width, gate after gate within a block.
struct PackedDirection<Number: Panelled>: Sendable {
  let cell: Cell
  let gateBlocks: GateBlocks
  let standard: StandardCell?
  /// G.
  var gates: Int { gateBlocks.count }
  /// I, H and O.
  let inputSize: Int
  let hiddenSize: Int
  let outputSize: Int
  /// W and b_W.
  let input: PackedMatrix<Number>
  /// R and b_R of the gates that it sees h for; nil without R.
  let recurrent: PackedMatrix<Number>?
  /// R and b_R of the inner gates, or the LSTM's projection.
  let second: PackedMatrix<Number>?
  /// P `[3·H]`
  let peepholes: [Number]?
  let functions: CellFunctions<Number>

  /// Blocks of units, H of them, and of outputs, O of them.
  var blocks: Int { Self.blocks(hiddenSize) }
  var outputBlocks: Int { Self.blocks(outputSize) }

  private static func blocks(_ count: Int) -> Int { (count + Number.panelWidth - 1) / Number.panelWidth }

  init(_ layer: RecurrentLayer, _ parameters: DirectionParameters, _ rules: Number.Rules) {
    cell = layer.cell
    gateBlocks = GateBlocks(layer.cell)
    standard = StandardCell(layer, parameters)
    inputSize = layer.inputSize
    hiddenSize = layer.hiddenSize
    outputSize = layer.outputSize
    peepholes = parameters.peepholes.map { Number.stored($0, rules) }
    functions = CellFunctions(layer, parameters, clip: layer.clip.map { Number.constant($0) }, rules)

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
      rows: rows(0..<gateBlocks.count))
    let weight = parameters.recurrentWeight.map { MatrixSource<Number>($0, rules) }
    let bias = numbers(parameters.recurrentBias)
    /// R of some gates, which see numbers of `depth`.
    func seeing(_ gates: Range<Int>, _ depth: Int) -> PackedMatrix<Number>? {
      weight.map { PackedMatrix($0, depth: depth, bias: bias, rows: rows(gates)) }
    }
    let inner = gateBlocks.inner
    recurrent = seeing(gateBlocks.outer, layer.outputSize)
    second =
      !inner.isEmpty
      ? seeing(inner, size)
      : parameters.projection.map {
        PackedMatrix(MatrixSource($0, rules), outputs: layer.outputSize, depth: size, bias: nil)
      }
  }
}
