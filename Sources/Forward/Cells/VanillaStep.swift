internal import Recurrent

extension Cell {
  /// h_t = a(W x_t + b_W + R h_{t−1} + b_R)
  @inline(__always)
  func vanilla<Unit: CellUnit & ~Copyable>(_ unit: borrowing Unit) -> UnitStates<Unit.Number> {
    UnitStates(h: unit.functions.candidate(unit.sum(.hidden)))
  }
}
