internal import Recurrent
internal import Tensors

/// The weights of one direction, ready for a pass.
struct DirectionWeights<Number: Scalar>: Sendable {
  let cell: Cell
  /// G, I, H and O.
  let gateCount: Int
  let inputSize: Int
  let hiddenSize: Int
  let outputSize: Int
  let coupled: Bool
  let clip: Number?
  /// W `[G·H, I]`, R `[G·H, O]`, b_W and b_R `[G·H]`, P `[3·H]`, projection `[O, H]`.
  // swift-format-ignore: AlwaysUseLowerCamelCase
  let W: Number.Weights
  // swift-format-ignore: AlwaysUseLowerCamelCase
  let R: Number.Weights
  let bW: Number.Weights?
  let bR: Number.Weights?
  // swift-format-ignore: AlwaysUseLowerCamelCase
  let P: Number.Weights?
  let projection: Number.Weights?
  let gateActivation: Activation
  let candidateActivation: Activation
  let outputActivation: Activation
  let rules: Number.Rules

  init(_ layer: RecurrentLayer, _ parameters: DirectionParameters, _ rules: Number.Rules) {
    cell = layer.cell
    gateCount = layer.cell.gateCount
    inputSize = layer.inputSize
    hiddenSize = layer.hiddenSize
    outputSize = layer.outputSize
    coupled = layer.inputForget
    clip = layer.clip.map { Number.constant($0) }
    W = Number.matrix(parameters.inputWeight, rules)
    R = Number.matrix(parameters.recurrentWeight, rules)
    bW = parameters.inputBias.map { Number.stored($0, rules) }
    bR = parameters.recurrentBias.map { Number.stored($0, rules) }
    P = parameters.peepholes.map { Number.stored($0, rules) }
    projection = parameters.projection.map { Number.matrix($0, rules) }
    gateActivation = parameters.gateActivation
    candidateActivation = parameters.candidateActivation
    outputActivation = parameters.outputActivation
    self.rules = rules
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
    switch cell {
    case .rnn: rnn(wx, rows, &state)
    case .lstm: lstm(wx, rows, &state)
    case .gru(resetAfter: true): gruResetAfter(wx, rows, &state)
    case .gru(resetAfter: false): gruResetBefore(wx, rows, &state)
    }
  }

  /// h_t = a(W x_t + b_W + R h_{t−1} + b_R)
  private func rnn(
    _ wx: StepInputs<Number>, _ rows: [ActiveRow], _ state: inout CellState<Number>
  ) {
    let rh = recurrents(state.h, rows)
    for (r, row) in rows.enumerated() {
      for j in 0..<hiddenSize {
        let h = candidate(input(0, j, wx, r) + recurrent(0, j, rh, r))
        state.h[row.batch * hiddenSize + j] = h
      }
    }
  }

  /// f, i, o = σ(W x_t + b_W + R h_{t−1} + b_R + P⊙c), g = a(W x_t + b_W + R h_{t−1} + b_R),
  /// c_t = f⊙c_{t−1} + i⊙g, h_t = o⊙a(c_t); f and i see c_{t−1}, o sees c_t and so comes after it.
  private func lstm(
    _ wx: StepInputs<Number>, _ rows: [ActiveRow], _ state: inout CellState<Number>
  ) {
    let rh = recurrents(state.h, rows)
    var hidden = projection == nil ? [] : [Number](repeating: .zero, count: state.c.count)
    for (r, row) in rows.enumerated() {
      for j in 0..<hiddenSize {
        @inline(__always) func sum(_ gate: Int) -> Number.Sum {
          input(gate, j, wx, r) + recurrent(gate, j, rh, r)
        }
        let at = row.batch * hiddenSize + j
        let c0 = state.c[at]

        let i = gate(peephole(1, j, c0, sum(1)))
        let f = coupled ? .one - i : gate(peephole(0, j, c0, sum(0)))
        let g = candidate(sum(3))
        let c = f * c0 + i * g
        let o = gate(peephole(2, j, c, sum(2)))
        let h = o * Number.activate(outputActivation, clipped(c), rules)

        state.c[at] = c
        if projection == nil { state.h[at] = h } else { hidden[at] = h }
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

  /// r, z = σ(W x_t + b_W + R h_{t−1} + b_R), n = a(W_n x_t + b_Wn + r⊙(R_n h_{t−1} + b_Rn)),
  /// h_t = (1 − z)⊙n + z⊙h_{t−1}
  private func gruResetAfter(
    _ wx: StepInputs<Number>, _ rows: [ActiveRow], _ state: inout CellState<Number>
  ) {
    let last = state.h
    let rh = recurrents(last, rows)
    for (b, row) in rows.enumerated() {
      for j in 0..<hiddenSize {
        let at = row.batch * hiddenSize + j

        let r = gate(input(0, j, wx, b) + recurrent(0, j, rh, b))
        let z = gate(input(1, j, wx, b) + recurrent(1, j, rh, b))
        let n = candidate(input(2, j, wx, b) + r * Number(recurrent(2, j, rh, b)))
        let h = Number.blend(n, last[at], z, gateActivation, rules)

        state.h[at] = h
      }
    }
  }

  /// r, z = σ(W x_t + b_W + R h_{t−1} + b_R), n = a(W_n x_t + b_Wn + R_n (r⊙h_{t−1}) + b_Rn),
  /// h_t = (1 − z)⊙n + z⊙h_{t−1}
  private func gruResetBefore(
    _ wx: StepInputs<Number>, _ rows: [ActiveRow], _ state: inout CellState<Number>
  ) {
    let last = state.h
    // The candidate's rows of R see r⊙h instead.
    let rh = recurrents(last, rows, gates: 0..<2)
    var reset = last
    for (b, row) in rows.enumerated() {
      for j in 0..<hiddenSize {
        let at = row.batch * hiddenSize + j
        let r = gate(input(0, j, wx, b) + recurrent(0, j, rh, b))
        reset[at] = r * last[at]
      }
    }
    let rn = recurrents(reset, rows, gates: 2..<3)
    for (b, row) in rows.enumerated() {
      for j in 0..<hiddenSize {
        let at = row.batch * hiddenSize + j
        let z = gate(input(1, j, wx, b) + recurrent(1, j, rh, b))
        let n = candidate(input(2, j, wx, b) + recurrent(2, j, rn, b))
        let h = Number.blend(n, last[at], z, gateActivation, rules)
        state.h[at] = h
      }
    }
  }

  /// W x_t, of every unit and row.
  func inputs(_ x: [Number], _ rows: [ActiveRow]) -> Number.Sums {
    Number.Sums(W, units: 0..<(gateCount * hiddenSize), x, starts: rows.map(\.x), count: inputSize)
  }

  /// R h, of every unit of some gates, all where nil, and every row.
  private func recurrents(_ h: [Number], _ rows: [ActiveRow], gates: Range<Int>? = nil) -> Number.Sums {
    let gates = gates ?? 0..<gateCount
    return Number.Sums(
      R, units: (gates.lowerBound * hiddenSize)..<(gates.upperBound * hiddenSize), h,
      starts: rows.map { $0.batch * outputSize }, count: outputSize)
  }

  /// W x_t + b_W: unit j of a gate in row r of the step.
  @inline(__always)
  private func input(_ gate: Int, _ j: Int, _ wx: StepInputs<Number>, _ r: Int) -> Number.Sum {
    let k = gate * hiddenSize + j
    let sum = wx.sums.sum(k, wx.first + r)
    return bW.map { sum + Number.element($0, k) } ?? sum
  }

  /// R h + b_R: unit j of a gate in row r of the step.
  @inline(__always)
  private func recurrent(_ gate: Int, _ j: Int, _ rh: Number.Sums, _ r: Int) -> Number.Sum {
    let k = gate * hiddenSize + j
    let sum = rh.sum(k, r)
    return bR.map { sum + Number.element($0, k) } ?? sum
  }

  /// sum + P⊙c
  @inline(__always)
  private func peephole(_ gate: Int, _ j: Int, _ c: Number, _ sum: Number.Sum) -> Number.Sum {
    P.map { sum + Number.element($0, gate * hiddenSize + j) * c } ?? sum
  }

  @inline(__always)
  private func gate(_ sum: Number.Sum) -> Number { Number.activate(gateActivation, clipped(sum), rules) }

  @inline(__always)
  private func candidate(_ sum: Number.Sum) -> Number {
    Number.activate(candidateActivation, clipped(sum), rules)
  }

  @inline(__always)
  private func clipped(_ sum: Number.Sum) -> Number { clipped(Number(sum)) }

  @inline(__always)
  private func clipped(_ a: Number) -> Number { clip.map { Number.clip(a, $0) } ?? a }
}
