internal import Recurrent

extension Cell {
  /// r, z = σ(W x_t + b_W + R h_{t−1} + b_R), h_t = (1 − z)⊙n + z⊙h_{t−1}; n = a(W_n x_t + b_Wn + r⊙(R_n h_{t−1} + b_Rn)) where
  /// the reset gate comes after the product, a(W_n x_t + b_Wn + R_n (r⊙h_{t−1}) + b_Rn) where it comes before.
  @inline(__always)
  func gru<Unit: CellUnit & ~Copyable>(_ unit: borrowing Unit) -> UnitStates<Unit.Number> {
    let functions = unit.functions
    let n: Unit.Number
    let z: Unit.Number
    if case .gru(resetAfter: true) = self {
      let r = unit.opening(.reset, unit.sum(.reset))
      z = unit.opening(.update, unit.sum(.update))
      n = functions.candidate(unit.input(.new) + r * Unit.Number(unit.recurrent(.new)))
    } else {
      z = unit.opening(.update, unit.sum(.update))
      n = functions.candidate(unit.sum(.new))
    }
    return UnitStates(h: .blend(n, unit.h, z, functions.gateActivation, functions.rules))
  }

  /// r⊙h_{t−1}, where the reset gate comes before the product.
  @inline(__always)
  func gruReset<Unit: CellUnit & ~Copyable>(_ unit: borrowing Unit) -> Unit.Number {
    unit.opening(.reset, unit.sum(.reset)) * unit.h
  }
}
