internal import Recurrent

extension Cell {
  /// f, i, o = σ(W x_t + b_W + R h_{t−1} + b_R + P⊙c), g = a(W x_t + b_W + R h_{t−1} + b_R),
  /// c_t = f⊙c_{t−1} + i⊙g, h_t = o⊙a(c_t); f and i see c_{t−1}, o sees c_t and so comes after it.
  @inline(__always)
  func lstm<Unit: CellUnit & ~Copyable>(_ unit: borrowing Unit) -> UnitStates<Unit.Number> {
    let functions = unit.functions
    let c0 = unit.c
    let i = unit.opening(.input, unit.peephole(.input, c0, unit.sum(.input)))
    let f =
      functions.isCoupled
      ? unit.opening(.forget, against: i)
      : unit.opening(.forget, unit.peephole(.forget, c0, unit.sum(.forget)))
    let g = functions.candidate(unit.sum(.candidate))
    let c = f * c0 + i * g
    let o = unit.opening(.output, unit.peephole(.output, c, unit.sum(.output)))
    return UnitStates(h: o * functions.output(c), c: c)
  }
}
