// swift-format-ignore-file: AlwaysUseLowerCamelCase
// Names are those of PyTorch's documentation: <https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers>

internal import ReferenceMath
internal import StateDicts
internal import Tensors

extension TorchRun {
  /// One direction of one layer at one time step: from x_t and (h, c) of the step before to (h, c) of this one.
  private typealias Step = (_ x: StepRows<S>, _ h: Matrix<S>, _ c: Matrix<S>) -> (h: Matrix<S>, c: Matrix<S>)

  /// Layer over layer; of two directions, the second reads the sequence from its end, and its output at a step stands
  /// behind the first one's.
  mutating func run(_ module: Architecture.Recurrent) throws(TorchEvaluatorError) {
    guard case .sequence(var steps)? = current, let first = steps.first else {
      throw .badStep(module.name, reason: "it takes a sequence of at least one step")
    }
    let batch = first.rows
    let count = module.layers.count * module.directions
    let h_0 = try initialStates(.initialHidden, count: count, batch: batch, width: module.outputSize)
    let c_0 =
      module.mode == .lstm
      ? try initialStates(.initialCell, count: count, batch: batch, width: module.hiddenSize)
      : h_0.map { _ in Matrix(zeros: batch, 0) }
    hidden = []
    cell = []
    directions = module.directions
    for (depth, layer) in module.layers.enumerated() {
      guard let elements = product([steps.count, batch, layer.count, module.outputSize]),
        elements <= evaluator.limit
      else {
        throw .tooManyElements(steps.count * batch, limit: evaluator.limit)
      }
      var outputs: [[Matrix<S>]] = []
      for (side, names) in layer.enumerated() {
        let step = try self.step(names, module, columns: steps[0].columns, steps: steps.count)
        var h = h_0[depth * layer.count + side]
        var c = c_0[depth * layer.count + side]
        var made: [Matrix<S>] = []
        let xs = side == 0 ? steps : steps.reversed()
        for x in StepRows.steps(xs.count, batch: batch, columns: xs[0].columns, { xs[$0] }) {
          (h, c) = step(x, h, c)
          made.append(h)
        }
        outputs.append(side == 0 ? made : made.reversed())
        hidden.append(h)
        if module.mode == .lstm { cell.append(c) }
      }
      steps = steps.indices.map { time in Self.sideBySide(outputs.map { $0[time] }) }
    }
    current = .sequence(steps)
  }

  private func step(
    _ names: Architecture.Names, _ module: Architecture.Recurrent, columns: Int, steps: Int
  ) throws(TorchEvaluatorError) -> Step {
    let H = module.hiddenSize
    let blocks = module.mode.blocks
    /// The k-th block of H rows of a weight, transposed.
    func weights(_ name: String, columns: Int) throws(TorchEvaluatorError) -> [Weight<S>] {
      let all = try matrix(name)
      guard all.shape == [blocks * H, columns] else {
        throw .wrongShape(name, expected: "[\(blocks * H), \(columns)]", found: all.shape)
      }
      return (0..<blocks).map { block in
        Weight(all.rows((block * H)..<((block + 1) * H)), transposed: true, products: steps)
      }
    }
    func biases(_ name: String?) throws(TorchEvaluatorError) -> [Matrix<S>] {
      guard let name else { return (0..<blocks).map { _ in Matrix(zeros: 1, H) } }
      let all = try row(name, columns: blocks * H)
      return (0..<blocks).map {
        Matrix(rows: 1, columns: H, elements: Array(all.elements[($0 * H)..<(($0 + 1) * H)]))
      }
    }
    let W_i = try weights(names.inputWeight, columns: columns)
    let W_h = try weights(names.hiddenWeight, columns: module.outputSize)
    let b_i = try biases(names.inputBias)
    let b_h = try biases(names.hiddenBias)
    func σ(_ x: Matrix<S>) -> Matrix<S> { x.map(Functions.sigmoid) }
    func tanh(_ x: Matrix<S>) -> Matrix<S> { x.map(Functions.tanh) }

    switch module.mode {
    case .rnnTanh, .rnnReLU:
      let activation: (Matrix<S>) -> Matrix<S> = module.mode == .rnnTanh ? tanh : { $0.map(Functions.relu) }
      return { x, h, c in
        // h_t = tanh(x_t W_ihᵀ + b_ih + h_{t−1} W_hhᵀ + b_hh)
        (activation(x • W_i[0] + b_i[0] + h • W_h[0] + b_h[0]), c)
      }
    case .gru:
      // weight_ih_l[k]: (W_ir|W_iz|W_in)
      return { x, h, c in
        let r = σ(x • W_i[0] + b_i[0] + h • W_h[0] + b_h[0])
        let z = σ(x • W_i[1] + b_i[1] + h • W_h[1] + b_h[1])
        let n = tanh(x • W_i[2] + b_i[2] + r ⊙ (h • W_h[2] + b_h[2]))
        return ((1 - z) ⊙ n + z ⊙ h, c)
      }
    case .lstm:
      let W_hr = try names.projection.map { (name) throws(TorchEvaluatorError) in
        let matrix = try matrix(name)
        guard matrix.shape == [module.outputSize, H] else {
          throw .wrongShape(name, expected: "[\(module.outputSize), \(H)]", found: matrix.shape)
        }
        return Weight<S>(matrix, transposed: true, products: steps)
      }
      // weight_ih_l[k]: (W_ii|W_if|W_ig|W_io)
      return { x, h, c in
        let i = σ(x • W_i[0] + b_i[0] + h • W_h[0] + b_h[0])
        let f = σ(x • W_i[1] + b_i[1] + h • W_h[1] + b_h[1])
        let g = tanh(x • W_i[2] + b_i[2] + h • W_h[2] + b_h[2])
        let o = σ(x • W_i[3] + b_i[3] + h • W_h[3] + b_h[3])
        let c_t = f ⊙ c + i ⊙ g
        let h_t = o ⊙ tanh(c_t)
        return (W_hr.map { h_t • $0 } ?? h_t, c_t)
      }
    }
  }
}
