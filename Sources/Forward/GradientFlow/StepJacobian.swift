internal import Recurrent

/// ∂(h_t, c_t)/∂(h_{t−1}, c_{t−1}) of one step, kept as the factors that it is made of: a few numbers a unit where the
/// matrix has S·S. docs/gradient-flow.md derives them.
struct StepJacobian: Sendable {
  /// How much row j of each gate's R counts, `[G·H]`, gates in canonical order.
  var factors: [Double]
  /// ∂c_t/∂c_{t−1} of the LSTM, z of the GRU, `[H]`; empty for the RNN.
  var carry: [Double] = []
  /// ∂(o⊙a(c_t))/∂c_t of the LSTM, r of a GRU that resets before the product, `[H]`; else empty.
  var outer: [Double] = []
  /// The values of the gates of `Cell.flowGates`, `[·, H]`.
  var gates: [Double] = []
}

extension Cell {
  /// The gates that open and close, in canonical order: those whose activation is the gates' own.
  var flowGates: [Gate] { kind.openings }
}

extension DirectionWeights<Double> {
  /// The Jacobian at the step that led from `before` to `after` (each of one row), with x at `row.x`.
  func jacobian(_ x: [Double], _ row: ActiveRow, from before: CellState<Double>, to after: CellState<Double>)
    -> StepJacobian
  {
    let one = ActiveRow(batch: 0, x: row.x)
    switch cell {
    case .rnn:
      // ∂h_t = a'⊙(R ∂h)
      return StepJacobian(
        factors: (0..<hiddenSize).map { slope(candidateActivation, total(0, $0, x, one, before.h)) })
    case .lstm: return lstm(x, one, before, after)
    case .gru(let resetAfter): return gru(x, one, before.h, resetAfter)
    }
  }

  private func lstm(
    _ x: [Double], _ row: ActiveRow, _ before: CellState<Double>, _ after: CellState<Double>
  ) -> StepJacobian {
    let size = hiddenSize
    var step = StepJacobian(
      factors: Array(repeating: 0, count: 4 * size), carry: Array(repeating: 0, count: size),
      outer: Array(repeating: 0, count: size), gates: Array(repeating: 0, count: 3 * size))
    for j in 0..<size {
      let (c0, c) = (before.c[j], after.c[j])
      func peephole(_ gate: Int) -> Double { P.map { $0[gate * size + j] } ?? 0 }
      func sum(_ gate: Int, _ c: Double) -> Double { total(gate, j, x, row, before.h) + peephole(gate) * c }
      let (ai, ao, ag) = (sum(1, c0), sum(2, c), total(3, j, x, row, before.h))
      let i = value(gateActivation, ai)
      let o = value(gateActivation, ao)
      let g = value(candidateActivation, ag)
      let di = slope(gateActivation, ai)

      // ∂c_t = c_{t−1}⊙∂f + g⊙∂i + i⊙∂g + f⊙∂c_{t−1}; coupled gates have ∂f = −∂i.
      var (f, forget) = (1 - i, 0.0)
      if !coupled {
        let af = sum(0, c0)
        f = value(gateActivation, af)
        forget = c0 * slope(gateActivation, af)
      }
      let input = (coupled ? g - c0 : g) * di
      // ∂h_t = a(c_t)⊙∂o + o⊙a'(c_t)⊙∂c_t, where o sees c_t through its peephole.
      let output = value(outputActivation, c) * slope(gateActivation, ao)

      step.factors[j] = forget
      step.factors[size + j] = input
      step.factors[2 * size + j] = output
      step.factors[3 * size + j] = i * slope(candidateActivation, ag)
      step.carry[j] = f + forget * peephole(0) + input * peephole(1)
      step.outer[j] = output * peephole(2) + o * slope(outputActivation, c)
      (step.gates[j], step.gates[size + j], step.gates[2 * size + j]) = (f, i, o)
    }
    return step
  }

  private func gru(_ x: [Double], _ row: ActiveRow, _ h: [Double], _ resetAfter: Bool) -> StepJacobian {
    let size = hiddenSize
    let resets = (0..<size).map { total(0, $0, x, row, h) }
    let reset = resets.map { value(gateActivation, $0) }
    let inner = resetAfter ? h : zip(reset, h).map { $0 * $1 }
    var step = StepJacobian(
      factors: Array(repeating: 0, count: 3 * size), carry: Array(repeating: 0, count: size),
      outer: resetAfter ? [] : reset, gates: reset + Array(repeating: 0, count: size))
    for j in 0..<size {
      let (az, q) = (total(1, j, x, row, h), recurrent(2, j, inner))
      let an = input(2, j, x, row) + (resetAfter ? reset[j] * q : q)
      let z = value(gateActivation, az)
      let n = value(candidateActivation, an)
      // ∂h_t = (1 − z)⊙∂n + (h_{t−1} − n)⊙∂z + z⊙∂h_{t−1}
      let dn = (1 - z) * slope(candidateActivation, an)
      let dr = slope(gateActivation, resets[j])
      // Reset after: ∂(r⊙q) = q⊙∂r + r⊙∂q. Before: ∂(r⊙h) = h⊙∂r + r⊙∂h, then R_n.
      step.factors[j] = resetAfter ? dn * q * dr : h[j] * dr
      step.factors[size + j] = (h[j] - n) * slope(gateActivation, az)
      step.factors[2 * size + j] = resetAfter ? dn * reset[j] : dn
      step.carry[j] = z
      step.gates[size + j] = z
    }
    return step
  }

  /// The step's Jacobian as a matrix `[S, S]`; the state is h, and behind it c of the LSTM.
  func matrix(_ step: StepJacobian) -> Matrix {
    switch cell {
    case .rnn: return combined(step.factors, [0])
    case .gru(resetAfter: true): return combined(step.factors, [0, 1, 2]).addingDiagonal(step.carry)
    case .gru(resetAfter: false):
      let inner = combined(step.factors, [0]).addingDiagonal(step.outer)
      let candidate = block(2).times(inner)
      var result = combined(step.factors, [1]).addingDiagonal(step.carry)
      for j in 0..<hiddenSize {
        let factor = step.factors[2 * hiddenSize + j]
        for k in 0..<hiddenSize {
          result.elements[j * hiddenSize + k] += factor * candidate.elements[j * hiddenSize + k]
        }
      }
      return result
    case .lstm:
      let cByH = combined(step.factors, [0, 1, 3])
      let cByC = Matrix(diagonal: step.carry)
      var yByH = combined(step.factors, [2])
      for j in 0..<hiddenSize {
        for k in 0..<outputSize {
          yByH.elements[j * outputSize + k] += step.outer[j] * cByH.elements[j * outputSize + k]
        }
      }
      let yByC = Matrix(diagonal: zip(step.outer, step.carry).map { $0 * $1 })
      guard let projection else { return Matrix(blocks: yByH, yByC, cByH, cByC) }
      let projecting = Matrix(rows: outputSize, columns: hiddenSize, elements: projection)
      return Matrix(blocks: projecting.times(yByH), projecting.times(yByC), cByH, cByC)
    }
  }

  /// R of one gate, `[H, O]`.
  func block(_ gate: Int) -> Matrix {
    let size = hiddenSize * outputSize
    return Matrix(
      rows: hiddenSize, columns: outputSize, elements: Array(R[(gate * size)..<((gate + 1) * size)]))
  }

  /// Σ diag(factors of a gate) · R of that gate, `[H, O]`.
  private func combined(_ factors: [Double], _ gates: [Int]) -> Matrix {
    var result = Matrix(rows: hiddenSize, columns: outputSize)
    for gate in gates {
      for j in 0..<hiddenSize {
        let row = gate * hiddenSize + j
        let factor = factors[row]
        for k in 0..<outputSize { result.elements[j * outputSize + k] += factor * R[row * outputSize + k] }
      }
    }
    return result
  }

  /// W x_t + b_W + R h + b_R: unit j of a gate, before clipping.
  private func total(_ gate: Int, _ j: Int, _ x: [Double], _ row: ActiveRow, _ h: [Double]) -> Double {
    input(gate, j, x, row) + recurrent(gate, j, h)
  }

  private func input(_ gate: Int, _ j: Int, _ x: [Double], _ row: ActiveRow) -> Double {
    let k = gate * hiddenSize + j
    return Double.dot(W, row: k, x, at: row.x, count: inputSize) + (bW?[k] ?? 0)
  }

  private func recurrent(_ gate: Int, _ j: Int, _ h: [Double]) -> Double {
    let k = gate * hiddenSize + j
    return Double.dot(R, row: k, h, at: 0, count: outputSize) + (bR?[k] ?? 0)
  }

  private func value(_ activation: Activation, _ sum: Double) -> Double {
    Double.activate(activation, clip.map { Double.clip(sum, $0) } ?? sum)
  }

  /// The slope of activation∘clip: 0 beyond the clip, whose own ends count as inside.
  private func slope(_ activation: Activation, _ sum: Double) -> Double {
    if let clip, abs(sum) > clip { return 0 }
    return activation.slope(at: sum)
  }
}
