internal import Recurrent

/// What the gates of one time step read and write, for some rows and blocks of units: pointers at the first row and block.
struct GateStep<Number: Native> {
  let rows: Int
  let blocks: Int
  /// The first unit, and how many the blocks hold without padding.
  let unit: Int
  let units: Int
  /// W x_t + b_W and R h_{t−1} + b_R, gate after gate within a block; numbers from row to row.
  let x: UnsafePointer<Number>
  let ldx: Int
  let r: UnsafePointer<Number>
  let ldr: Int
  /// R_n (r⊙h_{t−1}) + b_Rn of a GRU whose reset gate comes first.
  var n: UnsafePointer<Number>?
  var ldn = 0
  /// h_{t−1}, c and h_t (or what comes before a projection), `ld` from row to row.
  let before: UnsafePointer<Number>
  let c: UnsafeMutablePointer<Number>
  var h: UnsafeMutablePointer<Number>
  let ld: Int
}

// Equations as in Cells.swift, over products that are there already.
extension PackedDirection {
  func gates(_ step: GateStep<Number>) {
    switch cell {
    case .rnn: rnn(step)
    case .lstm: lstm(step)
    case .gru(resetAfter: true): gruResetAfter(step)
    case .gru(resetAfter: false): gruResetBefore(step)
    }
  }

  /// h_t = a(W x_t + b_W + R h_{t−1} + b_R)
  private func rnn(_ step: GateStep<Number>) {
    step.forEachUnit(gates: 1) { at, j, x, r in step.h[at] = candidate(x[j] + r[j]) }
  }

  /// f, i, o = σ(… + P⊙c), g = a(…), c_t = f⊙c_{t−1} + i⊙g, h_t = o⊙a(c_t)
  private func lstm(_ step: GateStep<Number>) {
    let width = Number.panelWidth
    step.forEachUnit(gates: 4) { at, j, x, r in
      func sum(_ gate: Int) -> Number { x[gate * width + j] + r[gate * width + j] }
      func peephole(_ gate: Int, _ c: Number) -> Number {
        guard let peepholes else { return sum(gate) }
        return sum(gate) + peepholes[gate * hiddenSize + step.unit(at)] * c
      }
      let c0 = step.c[at]
      let i = gate(peephole(1, c0))
      let f = coupled ? 1 - i : gate(peephole(0, c0))
      let g = candidate(sum(3))
      let c = f * c0 + i * g
      let o = gate(peephole(2, c))
      step.c[at] = c
      step.h[at] = o * Number.activate(outputActivation, clipped(c))
    }
  }

  /// r, z = σ(…), n = a(W_n x_t + b_Wn + r⊙(R_n h_{t−1} + b_Rn)), h_t = (1 − z)⊙n + z⊙h_{t−1}
  private func gruResetAfter(_ step: GateStep<Number>) {
    let width = Number.panelWidth
    step.forEachUnit(gates: 3) { at, j, x, r in
      let reset = gate(x[j] + r[j])
      let z = gate(x[width + j] + r[width + j])
      let n = candidate(x[2 * width + j] + reset * r[2 * width + j])
      step.h[at] = (1 - z) * n + z * step.before[at]
    }
  }

  /// r⊙h_{t−1} into h, for R_n to see.
  func reset(_ step: GateStep<Number>) {
    step.forEachUnit(gates: 3, recurrentGates: 2) { at, j, x, r in
      step.h[at] = gate(x[j] + r[j]) * step.before[at]
    }
  }

  /// z = σ(…), n = a(W_n x_t + b_Wn + R_n (r⊙h_{t−1}) + b_Rn), h_t = (1 − z)⊙n + z⊙h_{t−1}
  private func gruResetBefore(_ step: GateStep<Number>) {
    let width = Number.panelWidth
    step.forEachUnit(gates: 3, recurrentGates: 2) { at, j, x, r in
      let z = gate(x[width + j] + r[width + j])
      let n = candidate(x[2 * width + j] + step.n![at / step.ld * step.ldn + at % step.ld])
      step.h[at] = (1 - z) * n + z * step.before[at]
    }
  }

  private func gate(_ a: Number) -> Number { Number.activate(gateActivation, clipped(a)) }
  private func candidate(_ a: Number) -> Number { Number.activate(candidateActivation, clipped(a)) }
  private func clipped(_ a: Number) -> Number { clip.map { Number.clip(a, $0) } ?? a }
}

extension GateStep where Number: Panelled {
  /// The unit of an offset into a row of states.
  func unit(_ at: Int) -> Int { unit + at % ld }

  /// Calls with the offset of each unit's state, its lane in its block, and the block's x and r.
  @inline(__always)
  func forEachUnit(
    gates: Int, recurrentGates: Int? = nil,
    _ body: (Int, Int, UnsafePointer<Number>, UnsafePointer<Number>) -> Void
  ) {
    let width = Number.panelWidth
    let recurrentGates = recurrentGates ?? gates
    for row in 0..<rows {
      for j in 0..<units {
        let block = j / width
        body(
          row * ld + j, j % width, x + row * ldx + block * gates * width,
          r + row * ldr + block * recurrentGates * width)
      }
    }
  }
}
