internal import Recurrent

extension Cell {
  /// z = σ(W_z x_t + b_z), n = a(W_n x_t + b_n), h_t = (1 − z)⊙h_{t−1} + z⊙n
  @inline(__always)
  func minGRU<Unit: CellUnit & ~Copyable>(_ unit: borrowing Unit) -> UnitStates<Unit.Number> {
    let functions = unit.functions
    let z = unit.opening(.update, unit.input(.update))
    let n = functions.candidate(unit.input(.new))
    return UnitStates(h: .blend(unit.h, n, z, functions.gateActivation, functions.rules))
  }
}
