internal import Recurrent
internal import Tensors

/// The weights of one direction, ready for a pass.
final class DirectionWeights<Number: Scalar>: Sendable {
  let cell: Cell
  let blocks: GateBlocks
  /// I, H and O.
  let inputSize: Int
  let hiddenSize: Int
  let outputSize: Int
  /// W `[G·H, I]`, R `[G·H, O]`, b_W and b_R `[G·H]`, P `[3·H]`, projection `[O, H]`.
  // swift-format-ignore: AlwaysUseLowerCamelCase
  let W: Number.Weights
  // swift-format-ignore: AlwaysUseLowerCamelCase
  let R: Number.Weights?
  let bW: Number.Weights?
  let bR: Number.Weights?
  // swift-format-ignore: AlwaysUseLowerCamelCase
  let P: Number.Weights?
  let projection: Number.Weights?
  let functions: CellFunctions<Number>

  init(_ layer: RecurrentLayer, _ parameters: DirectionParameters, _ rules: Number.Rules) {
    cell = layer.cell
    blocks = GateBlocks(cell)
    inputSize = layer.inputSize
    hiddenSize = layer.hiddenSize
    outputSize = layer.outputSize
    W = Number.matrix(parameters.inputWeight, rules)
    R = parameters.recurrentWeight.map { Number.matrix($0, rules) }
    bW = parameters.inputBias.map { Number.stored($0, rules) }
    bR = parameters.recurrentBias.map { Number.stored($0, rules) }
    P = parameters.peepholes.map { Number.stored($0, rules) }
    projection = parameters.projection.map { Number.matrix($0, rules) }
    functions = CellFunctions(layer, parameters, clip: layer.clip.map { Number.constant($0) }, rules)
  }
}

/// A row of the batch that runs in this step, and where its x begins.
struct ActiveRow {
  let batch: Int
  let x: Int
}

/// W x of some rows, those of one step from `first` on.
struct StepInputs<Number: Scalar> {
  let sums: Number.Sums
  let first: Int
}

/// h `[B, O]` and, for the LSTM, c `[B, H]` (empty otherwise).
struct CellState<Number: Scalar>: Sendable {
  var h: [Number]
  var c: [Number]
}

extension DirectionWeights {
  func step(_ x: [Number], _ rows: [ActiveRow], _ state: inout CellState<Number>) {
    step(StepInputs(sums: inputs(x, rows), first: 0), rows, &state)
  }

  /// One step of the rows given, from their `inputs`; the others keep their state.
  func step(_ wx: StepInputs<Number>, _ rows: [ActiveRow], _ state: inout CellState<Number>) {
    let last = state.h
    var unit = PassUnit(self, wx, recurrents(last, rows, gates: blocks.outer))
    if !blocks.inner.isEmpty {
      var inner = last
      for (r, row) in rows.enumerated() {
        for j in 0..<hiddenSize {
          let at = row.batch * hiddenSize + j
          unit.move(to: j, row: r, h: last[at], c: .zero)
          inner[at] = cell.inner(unit)
        }
      }
      unit.inner = recurrents(inner, rows, gates: blocks.inner)
    }
    let hasCells = !state.c.isEmpty
    var hidden = projection == nil ? [] : [Number](repeating: .zero, count: state.c.count)
    for (r, row) in rows.enumerated() {
      for j in 0..<hiddenSize {
        let at = row.batch * hiddenSize + j
        // Behind a projection h is of another size, and no cell that is projected sees its own unit's.
        unit.move(to: j, row: r, h: projection == nil ? last[at] : .zero, c: hasCells ? state.c[at] : .zero)
        let states = cell.step(unit)
        if let c = states.c { state.c[at] = c }
        if projection == nil { state.h[at] = states.h } else { hidden[at] = states.h }
      }
    }
    guard let projection else { return }
    // h_t = projection · (o⊙a(c_t))
    let products = Number.Sums(
      projection, units: 0..<outputSize, hidden, starts: rows.map { $0.batch * hiddenSize }, count: hiddenSize
    )
    for (r, row) in rows.enumerated() {
      for k in 0..<outputSize {
        state.h[row.batch * outputSize + k] = Number(products.sum(k, r))
      }
    }
  }

  /// W x_t, of every unit and row.
  func inputs(_ x: [Number], _ rows: [ActiveRow]) -> Number.Sums {
    Number.Sums(W, units: 0..<(blocks.count * hiddenSize), x, starts: rows.map(\.x), count: inputSize)
  }

  /// R h, of every unit of some gates and every row; nil without R.
  private func recurrents(_ h: [Number], _ rows: [ActiveRow], gates: Range<Int>) -> Number.Sums? {
    R.map {
      Number.Sums(
        $0, units: (gates.lowerBound * hiddenSize)..<(gates.upperBound * hiddenSize), h,
        starts: rows.map { $0.batch * outputSize }, count: outputSize)
    }
  }
}

/// Unit j in row r of a step.
private struct PassUnit<Number: Scalar>: CellUnit, ~Copyable {
  let weights: DirectionWeights<Number>
  let wx: StepInputs<Number>
  /// R h, and R of the inner gates with what they see.
  let outer: Number.Sums?
  var inner: Number.Sums?
  private var j = 0
  private var r = 0
  private(set) var h = Number.zero
  private(set) var c = Number.zero

  init(_ weights: DirectionWeights<Number>, _ wx: StepInputs<Number>, _ outer: Number.Sums?) {
    self.weights = weights
    self.wx = wx
    self.outer = outer
  }

  @inline(__always)
  mutating func move(to j: Int, row r: Int, h: Number, c: Number) {
    (self.j, self.r, self.h, self.c) = (j, r, h, c)
  }

  var functions: CellFunctions<Number> {
    @inline(__always) get { weights.functions }
  }

  @inline(__always)
  func input(_ gate: Gate) -> Number.Sum {
    let k = weights.blocks[gate] * weights.hiddenSize + j
    let sum = wx.sums.sum(k, wx.first + r)
    return weights.bW.map { sum + Number.element($0, k) } ?? sum
  }

  @inline(__always)
  func recurrent(_ gate: Gate) -> Number.Sum {
    let block = weights.blocks[gate]
    let k = block * weights.hiddenSize + j
    let sum = weights.blocks.outer.contains(block) ? outer!.sum(k, r) : inner!.sum(k, r)
    return weights.bR.map { sum + Number.element($0, k) } ?? sum
  }

  @inline(__always)
  func peephole(_ gate: Gate, _ c: Number, _ sum: Number.Sum) -> Number.Sum {
    weights.P.map { sum + Number.element($0, weights.blocks[gate] * weights.hiddenSize + j) * c } ?? sum
  }
}
