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

extension PackedDirection {
  /// The states of each unit, over products that are there already.
  func gates(_ step: GateStep<Number>) {
    var unit = PackedUnit(self, step)
    for row in 0..<step.rows {
      for j in 0..<step.units {
        unit.move(to: j, row: row)
        let states = cell.step(unit)
        if let c = states.c { step.c[unit.at] = c }
        step.h[unit.at] = states.h
      }
    }
  }

  /// What R of the inner gates sees, into h.
  func inner(_ step: GateStep<Number>) {
    var unit = PackedUnit(self, step)
    for row in 0..<step.rows {
      for j in 0..<step.units {
        unit.move(to: j, row: row)
        step.h[unit.at] = cell.inner(unit)
      }
    }
  }
}

/// A unit within the blocks of a `GateStep`.
private struct PackedUnit<Number: Panelled>: CellUnit, ~Copyable {
  let weights: PackedDirection<Number>
  let step: GateStep<Number>
  /// Where the unit's states are in their rows.
  private(set) var at = 0
  private var j = 0
  private var row = 0

  init(_ weights: PackedDirection<Number>, _ step: GateStep<Number>) {
    self.weights = weights
    self.step = step
  }

  @inline(__always)
  mutating func move(to j: Int, row: Int) { (self.j, self.row, at) = (j, row, row * step.ld + j) }

  var functions: CellFunctions<Number> {
    @inline(__always) get { weights.functions }
  }
  var h: Number {
    @inline(__always) get { step.before[at] }
  }
  var c: Number {
    @inline(__always) get { step.c[at] }
  }

  @inline(__always)
  func input(_ gate: Gate) -> Number { step.x[row * step.ldx + place(gate, of: weights.gates)] }

  @inline(__always)
  func recurrent(_ gate: Gate) -> Number {
    weights.gateBlocks.outer.contains(weights.gateBlocks[gate])
      ? step.r[row * step.ldr + place(gate, of: weights.gateBlocks.outer.count)] : step.n![row * step.ldn + j]
  }

  @inline(__always)
  func peephole(_ gate: Gate, _ c: Number, _ sum: Number) -> Number {
    guard let peepholes = weights.peepholes else { return sum }
    return sum + peepholes[weights.gateBlocks[gate] * weights.hiddenSize + step.unit + j] * c
  }

  /// Gate after gate within each block of units.
  @inline(__always)
  private func place(_ gate: Gate, of gates: Int) -> Int {
    let width = Number.panelWidth
    return (j / width * gates + weights.gateBlocks[gate]) * width + j % width
  }
}
