public import Tensors

/// A gate (or candidate) of a recurrent cell, named as in the cell's equations.
public enum Gate: String, Sendable, CaseIterable, Hashable {
  /// LSTM forget gate f.
  case forget = "f"
  /// LSTM input gate i.
  case input = "i"
  /// LSTM output gate o.
  case output = "o"
  /// LSTM candidate g (ONNX and Keras call it c).
  case candidate = "g"
  /// GRU reset gate r.
  case reset = "r"
  /// GRU and minGRU update gate z.
  case update = "z"
  /// GRU and minGRU new state n (ONNX and Keras call the GRU's h).
  case new = "n"
  /// The only block of a vanilla RNN.
  case hidden = "h"
}

/// The order in which a format stacks the gates' blocks of rows in its weights.
///
/// Formats state theirs as data, for example `GateOrder(.input, .output, .forget, .candidate)` for ONNX.
public struct GateOrder: Sendable, Hashable, CustomStringConvertible {
  /// The gates from the first block of rows to the last.
  public let gates: [Gate]

  /// These gates, from the first block of rows to the last.
  public init(_ gates: Gate...) { self.gates = gates }

  /// Canonical, as in the equations in the README: h alone.
  public static let rnn = GateOrder(.hidden)
  /// Canonical: f, i, o, g.
  public static let lstm = GateOrder(.forget, .input, .output, .candidate)
  /// Canonical: r, z, n.
  public static let gru = GateOrder(.reset, .update, .new)
  /// Canonical: z, n.
  public static let minGRU = GateOrder(.update, .new)
  /// The LSTM gates that peepholes reach, in canonical order; `[3·H]`.
  public static let peepholes = GateOrder(.forget, .input, .output)

  public var description: String { gates.map(\.rawValue).joined(separator: ",") }

  /// Rearranges the gate blocks of `tensor` (`[G·H, …]`, stacked in this order) into `target` order; bit-exact.
  public func reorder(_ tensor: Tensor, to target: GateOrder) -> Tensor {
    precondition(Set(gates) == Set(target.gates), "orders of different gates")
    if self == target { return tensor }
    let height = tensor.shape[0] / gates.count
    return tensor.rows(
      target.gates.map { gate in
        let block = gates.firstIndex(of: gate)!
        return (block * height)..<((block + 1) * height)
      })
  }
}
