internal import Recurrent

/// ∂(h_t, c_t)/∂(h_{t−1}, c_{t−1}) of one step, kept as the factors that it is made of: a few numbers a unit where the
/// matrix has S·S. docs/gradient-flow.md has the formulas.
///
/// A unit's states depend on the state before it through its own sums (R h of each gate), its own h and its own c: one pass of the
/// cell's equation in duals gives the derivatives by these.
struct StepJacobian: Sendable {
  /// Of each unit's h_t (before a projection), its c_t, and what R of the inner gates sees of it; empty where the cell has none.
  var h: [SIMD8<Double>] = []
  var c: [SIMD8<Double>] = []
  var inner: [SIMD8<Double>] = []
  /// The values of the gates of `Cell.flowGates`, `[·, H]`.
  var gates: [Double] = []
}

extension Cell {
  /// The gates that open and close, in canonical order: those whose activation is the gates' own.
  var flowGates: [Gate] { kind.openings }
}

/// The variables of a unit's derivatives: R h of each gate by the number of its block, then these.
private enum Variable {
  static let h = 6
  static let c = 7
}

/// A unit whose states are told with their derivatives.
private struct FlowUnit: CellUnit, ~Copyable {
  let weights: DirectionWeights<Double>
  let functions: CellFunctions<Dual>
  let x: [Double]
  let row: ActiveRow
  let last: CellState<Double>
  /// What R of the inner gates sees.
  var seen: [Double] = []
  var j = 0
  /// How far each gate of `Cell.flowGates` is open, `[·, H]`: written by those who only read the unit.
  let openness: Openness

  final class Openness {
    let gates: [Gate]
    var values: [Double]

    init(_ gates: [Gate], units: Int) {
      self.gates = gates
      values = [Double](repeating: 0, count: gates.count * units)
    }
  }

  init(_ weights: DirectionWeights<Double>, _ x: [Double], _ row: ActiveRow, _ last: CellState<Double>) {
    self.weights = weights
    self.x = x
    self.row = row
    self.last = last
    openness = Openness(weights.cell.flowGates, units: weights.hiddenSize)
    functions = CellFunctions(
      weights.functions, clip: weights.functions.clip.map { Dual($0) }, weights.functions.rules)
  }

  var h: Dual { weights.projection == nil ? Dual(last.h[j], variable: Variable.h) : Dual(0) }
  var c: Dual { last.c.isEmpty ? Dual(0) : Dual(last.c[j], variable: Variable.c) }

  func input(_ gate: Gate) -> Dual {
    let k = weights.blocks[gate] * weights.hiddenSize + j
    return Dual(Double.dot(weights.W, row: k, x, at: row.x, count: weights.inputSize) + (weights.bW?[k] ?? 0))
  }

  func recurrent(_ gate: Gate) -> Dual {
    let block = weights.blocks[gate]
    let k = block * weights.hiddenSize + j
    let product = Double.dot(
      weights.R!, row: k, weights.blocks.outer.contains(block) ? last.h : seen, at: 0,
      count: weights.outputSize)
    return Dual(product + (weights.bR?[k] ?? 0), variable: block)
  }

  func peephole(_ gate: Gate, _ c: Dual, _ sum: Dual) -> Dual {
    weights.P.map { sum + Dual($0[weights.blocks[gate] * weights.hiddenSize + j]) * c } ?? sum
  }

  func observe(_ gate: Gate, _ value: Dual) {
    guard let index = openness.gates.firstIndex(of: gate) else { return }
    openness.values[index * weights.hiddenSize + j] = value.value
  }
}

extension DirectionWeights<Double> {
  /// The Jacobian at the step that `before` (of one row) goes through with x at `row.x`.
  func jacobian(_ x: [Double], _ row: ActiveRow, from before: CellState<Double>) -> StepJacobian {
    var unit = FlowUnit(self, x, row, before)
    var step = StepJacobian()
    if !blocks.inner.isEmpty {
      for j in 0..<hiddenSize {
        unit.j = j
        let inner = cell.inner(unit)
        unit.seen.append(inner.value)
        step.inner.append(inner.slopes)
      }
    }
    for j in 0..<hiddenSize {
      unit.j = j
      let states = cell.step(unit)
      step.h.append(states.h.slopes)
      if let c = states.c { step.c.append(c.slopes) }
    }
    step.gates = unit.openness.values
    return step
  }

  /// The step's Jacobian as a matrix `[S, S]`; the state is h, and behind it c of the LSTM.
  func matrix(_ step: StepJacobian) -> Matrix {
    var hByH = combined(step.h)
    if !blocks.inner.isEmpty {
      let inner = combined(step.inner).addingDiagonal(step.inner.map { $0[Variable.h] })
      for block in blocks.inner {
        let product = self.block(block).times(inner)
        for j in 0..<hiddenSize {
          let factor = step.h[j][block]
          for k in 0..<hiddenSize {
            hByH.elements[j * hiddenSize + k] += factor * product.elements[j * hiddenSize + k]
          }
        }
      }
    }
    if projection == nil { hByH = hByH.addingDiagonal(step.h.map { $0[Variable.h] }) }
    if step.c.isEmpty { return hByH }
    let hByC = Matrix(diagonal: step.h.map { $0[Variable.c] })
    let (cByH, cByC) = (combined(step.c), Matrix(diagonal: step.c.map { $0[Variable.c] }))
    guard let projection else { return Matrix(blocks: hByH, hByC, cByH, cByC) }
    let projecting = Matrix(rows: outputSize, columns: hiddenSize, elements: projection)
    return Matrix(blocks: projecting.times(hByH), projecting.times(hByC), cByH, cByC)
  }

  /// R of one gate, `[H, O]`; zeros without R.
  func block(_ gate: Int) -> Matrix {
    guard let kernel = R else { return Matrix(rows: hiddenSize, columns: outputSize) }
    let size = hiddenSize * outputSize
    return Matrix(
      rows: hiddenSize, columns: outputSize, elements: Array(kernel[(gate * size)..<((gate + 1) * size)]))
  }

  /// Σ diag(the factors of a gate) · R of that gate, `[H, O]`, of the gates that R sees h for.
  private func combined(_ factors: [SIMD8<Double>]) -> Matrix {
    var result = Matrix(rows: hiddenSize, columns: outputSize)
    guard let kernel = R else { return result }
    for block in blocks.outer {
      for j in 0..<hiddenSize {
        let (row, factor) = (block * hiddenSize + j, factors[j][block])
        // Most gates reach only one of an LSTM's two states.
        if factor == 0 { continue }
        for k in 0..<outputSize {
          result.elements[j * outputSize + k] += factor * kernel[row * outputSize + k]
        }
      }
    }
    return result
  }
}
