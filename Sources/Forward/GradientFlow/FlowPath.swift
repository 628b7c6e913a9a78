internal import ByteIO
internal import Recurrent
internal import Tensors

/// One direction's way along one sequence, with the factors of each step's Jacobian.
struct FlowPath {
  let weights: DirectionWeights<Double>
  let isReverse: Bool
  private(set) var steps: [StepJacobian] = []

  init(
    _ weights: DirectionWeights<Double>, _ x: Numbers<Double>, row: Int, length: Int, isReverse: Bool,
    from start: CellState<Double>
  ) {
    self.weights = weights
    self.isReverse = isReverse
    var state = start
    for k in 0..<length {
      let t = isReverse ? length - 1 - k : k
      let active = ActiveRow(batch: 0, x: (t * x.batch + row) * weights.inputSize)
      steps.append(weights.jacobian(x.elements, active, from: state))
      weights.step(x.elements, [active], &state)
    }
  }

  private var cellSize: Int { weights.cell.hasCellState ? weights.hiddenSize : 0 }
  private var stateSize: Int { weights.outputSize + cellSize }

  func flow(_ layer: String, _ options: GradientFlowOptions) -> GradientFlow {
    let norms = norms
    let count = max(0, min(options.exponents ?? 64, stateSize))
    return GradientFlow(
      layer: layer, cell: weights.cell, isReverse: isReverse, steps: steps.count,
      outputSize: weights.outputSize, cellSize: cellSize, stateNorms: norms.state, hiddenNorms: norms.hidden,
      cellNorms: norms.cell,
      exponents: steps.isEmpty
        ? []
        : lyapunovExponents(
          size: stateSize, steps: steps.count, settling: steps.count / 4, count: count
        ) { weights.matrix(steps[$0]) },
      radii: radii, gates: gates, jacobians: options.keepsJacobians ? jacobians : nil)
  }

  /// log₁₀ of the norms of J_T ⋯ J_{T−d+1}: one product is carried back, and rescaled by powers of two, which round
  /// nothing.
  private var norms: (state: [Double], hidden: [Double], cell: [Double]) {
    var product = Matrix(diagonal: Array(repeating: 1, count: stateSize))
    var exponent = 0
    var norms: (state: [Double], hidden: [Double], cell: [Double]) = ([0], [0], cellSize > 0 ? [0] : [])
    for step in steps.reversed() {
      product = product.times(weights.matrix(step))
      let largest = product.largest
      if largest > 0, largest.isFinite {
        let shift = Int(largest.exponent)
        product.elements = product.elements.map { scalbn($0, Int32(-shift)) }
        exponent += shift
      }
      func logarithm(_ matrix: Matrix) -> Double {
        log10(matrix.spectralNorm) + Double(exponent) * log10(2)
      }
      norms.state.append(logarithm(product))
      if cellSize == 0 { continue }
      norms.hidden.append(logarithm(product.block(0..<weights.outputSize)))
      norms.cell.append(logarithm(product.block(weights.outputSize..<stateSize)))
    }
    if cellSize == 0 { norms.hidden = norms.state }
    return norms
  }

  private var radii: [GradientFlow.KernelRadius] {
    if weights.R == nil { return [] }
    return weights.cell.gateOrder.gates.enumerated().compactMap { index, gate in
      // f = 1 − i has no weights of its own.
      if weights.functions.isCoupled, gate == .forget { return nil }
      var kernel = weights.block(index)
      if let projection = weights.projection {
        kernel = kernel.times(
          Matrix(rows: weights.outputSize, columns: weights.hiddenSize, elements: projection))
      }
      return .init(gate: gate, radius: spectralRadius(kernel.elements, weights.hiddenSize))
    }
  }

  private var gates: [GradientFlow.GateOpenness] {
    if steps.isEmpty { return [] }
    return weights.cell.flowGates.enumerated().map { index, gate in
      let means = (0..<weights.hiddenSize).map { unit in
        steps.reduce(0) { $0 + $1.gates[index * weights.hiddenSize + unit] } / Double(steps.count)
      }
      let mean = means.reduce(0, +) / Double(means.count)
      return .init(gate: gate, mean: mean, units: mean.isNaN ? 0...0 : means.min()!...means.max()!)
    }
  }

  private var jacobians: Tensor {
    Tensor(
      steps.flatMap { weights.matrix($0).elements }, shape: [steps.count, stateSize, stateSize])
  }
}
