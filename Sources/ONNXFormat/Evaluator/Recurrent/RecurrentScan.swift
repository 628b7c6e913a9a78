// swift-format-ignore-file: AlwaysUseLowerCamelCase
// Names are those of the operator specification.

internal import ReferenceMath
internal import Tensors

/// What the operators RNN, LSTM and GRU share: shapes, directions, lengths and layout. The cells add their equations.
struct RecurrentScan<S: ReferenceScalar> {
  let call: Call<S>
  /// How many gates W, R and B hold one after another.
  let gates: Int
  let T: Int
  let B: Int
  let I: Int
  let H: Int
  let directions: [Direction]
  private let X: [S]
  private let lengths: [Int]
  private let type: ElementType
  private let batchFirst: Bool

  /// The weights of one direction, sliced in the operator's own order of gates.
  struct Direction {
    let isReverse: Bool
    /// For each gate, Wᵀ `[I, H]`.
    let W: [Weight<S>]
    /// For each gate, Rᵀ `[H, H]`.
    let R: [Weight<S>]
    /// For each gate, a row `[1, H]`; zeros without input B.
    let Wb: [Matrix<S>]
    let Rb: [Matrix<S>]
    /// LSTM: peepholes for i, o, f, each `[1, H]`; nil without input P.
    let P: [Matrix<S>]?
    let activations: [(S) -> S]
  }

  /// Reads and checks everything but the initial states.
  ///
  /// X `[T, B, I]` (`[B, T, I]` with layout 1), W `[D, gates·H, I]`, R `[D, gates·H, H]`, B `[D, 2·gates·H]`,
  /// sequence_lens `[B]`, P `[D, 3·H]`.
  init(_ call: Call<S>, gates: Int, activations: [String], peepholes: Int? = nil) throws(ONNXError) {
    self.call = call
    self.gates = gates
    batchFirst = try call.flag("layout")
    let (x, type) = try call.float(0)
    guard x.rank == 3 else {
      throw call.mismatch(0, expected: "[seq_length, batch_size, input_size]", found: x.shape)
    }
    let X = batchFirst ? x.transposed([1, 0, 2]) : x
    self.X = X.elements
    self.type = type
    let (T, B, I) = (X.shape[0], X.shape[1], X.shape[2])
    (self.T, self.B, self.I) = (T, B, I)

    let reverse: [Bool]
    switch call.string("direction") {
    case "forward": reverse = [false]
    case "reverse": reverse = [true]
    case "bidirectional": reverse = [false, true]
    case let other:
      throw call.unsupported("direction", "'\(other ?? "")' is not forward, reverse or bidirectional")
    }
    let D = reverse.count

    let R = try call.floatOperand(2)
    let H: Int
    if let stated = call.int("hidden_size") {
      guard stated > 0, stated <= Int(Int32.max) else {
        throw call.unsupported("hidden_size", "\(stated) is not a size")
      }
      H = stated
    } else {
      guard R.shape.count == 3 else {
        throw call.mismatch(2, expected: "[num_directions, *, hidden_size]", found: R.shape)
      }
      H = R.shape[2]
    }
    self.H = H
    let W = try Self.checked(call, 1, [D, gates * H, I])
    _ = try Self.checked(call, 2, [D, gates * H, H])
    func array(_ position: Int, _ shape: [Int]) throws(ONNXError) -> NDArray<S> {
      _ = try Self.checked(call, position, shape)
      return try call.float(position).array
    }
    let bias = call.has(3) ? try array(3, [D, 2 * gates * H]) : nil
    let P: NDArray<S>? =
      if let peepholes, call.has(peepholes) { try array(peepholes, [D, 3 * H]) } else { nil }
    lengths = try Self.lengths(call, T: T, B: B)
    try call.checked([T, D, B, H])
    try call.evaluation.spend([T, B, D * gates * H, I + H], call.step.label)

    let functions = try RecurrentActivation.functions(call, standard: activations, directions: D)
    directions = reverse.indices.map { d in
      /// Rows `[gates·H, width]` of the direction, one weight a gate.
      func weights(_ operand: Operand<S>, width: Int) -> [Weight<S>] {
        (0..<gates).map { gate in
          let rows = ((d * gates + gate) * H)..<((d * gates + gate + 1) * H)
          switch operand {
          case .weight(let weight):
            let key = GateCache<S>.Key(place: weight.place, rows: rows, width: width)
            return call.evaluation.gates.gate(key, of: weight.tensor) {
              // The same elements, whose number does not change.
              let all = try! weight.tensor.reshaped([D * gates * H, width])
              return Weight(all.rows(rows), transposed: true, products: T)
            }
          case .value(.float(let array, _)):
            let elements = array.elements[(rows.lowerBound * width)..<(rows.upperBound * width)]
            return Weight(Matrix(transposing: elements, rows: H, columns: width))
          case .value(.integer): preconditionFailure("checked to be floats")
          }
        }
      }
      /// Some H of the direction's numbers `[all·H]`, a row each.
      func rows(_ array: NDArray<S>, _ some: Range<Int>, of all: Int) -> [Matrix<S>] {
        some.map { part in
          let start = (d * all + part) * H
          return Matrix(rows: 1, columns: H, elements: Array(array.elements[start..<(start + H)]))
        }
      }
      let zeros = [Matrix<S>](repeating: Matrix(zeros: 1, H), count: gates)
      return Direction(
        isReverse: reverse[d],
        W: weights(W, width: I),
        R: weights(R, width: H),
        Wb: bias.map { rows($0, 0..<gates, of: 2 * gates) } ?? zeros,
        Rb: bias.map { rows($0, gates..<(2 * gates), of: 2 * gates) } ?? zeros,
        P: P.map { rows($0, 0..<3, of: 3) },
        activations: functions[d])
    }
  }

  private static func checked(
    _ call: Call<S>, _ position: Int, _ shape: [Int]
  ) throws(ONNXError) -> Operand<S> {
    let operand = try call.floatOperand(position)
    guard operand.elementType == (try call.float(0).type) else {
      throw call.wrongType(position, operand.elementType)
    }
    guard operand.shape == shape else {
      throw call.mismatch(position, expected: "\(shape)", found: operand.shape)
    }
    return operand
  }

  private static func lengths(_ call: Call<S>, T: Int, B: Int) throws(ONNXError) -> [Int] {
    guard call.has(4) else { return [Int](repeating: T, count: B) }
    let (array, type) = try call.integer(4)
    guard type == .int32 else { throw call.wrongType(4, type) }
    guard array.shape == [B] else { throw call.mismatch(4, expected: "[\(B)]", found: array.shape) }
    guard array.elements.allSatisfy({ $0 >= 0 && $0 <= T }) else {
      throw call.invalid("sequence_lens \(array.elements.prefix(8)) must lie between 0 and seq_length, \(T)")
    }
    return array.elements.map { Int($0) }
  }

  /// Initial states of each direction, `[B, H]`: zeros where the input is left out.
  func initialStates(_ position: Int) throws(ONNXError) -> [Matrix<S>] {
    guard call.has(position) else { return directions.map { _ in Matrix(zeros: B, H) } }
    let D = directions.count
    let given = try call.float(position).array
    let expected = batchFirst ? [B, D, H] : [D, B, H]
    guard given.shape == expected else {
      throw call.mismatch(position, expected: "\(expected)", found: given.shape)
    }
    let states = batchFirst ? given.transposed([1, 0, 2]) : given
    return (0..<D).map { d in
      Matrix(rows: B, columns: H, elements: Array(states.elements[(d * B * H)..<((d + 1) * B * H)]))
    }
  }

  /// Inputs of activations held in [−clip, clip], where there is a clip.
  func clip() throws(ONNXError) -> (Matrix<S>) -> Matrix<S> {
    guard let clip = call.real("clip") else { return { $0 } }
    guard clip >= 0 else { throw call.unsupported("clip", "\(clip) is not a threshold") }
    return { $0.map { Functions.clamp($0, -clip, clip) } }
  }

  /// One direction's equations: from Xt `[B, I]` and the states of t−1, each `[B, H]`, the states of t, Ht first.
  typealias Step = (_ Xt: StepRows<S>, _ previous: [Matrix<S>]) -> [Matrix<S>]

  /// Runs every direction; returns Y, then the last of each state.
  ///
  /// Row b takes `sequence_lens[b]` steps, backward from its own last one in the reverse direction; Y is 0 behind
  /// them. A row of length 0 takes no step: its last states are the initial ones.
  func run(
    initial: [[Matrix<S>]], step: (Direction) throws(ONNXError) -> Step
  ) throws(ONNXError) -> [Value<S>?] {
    let D = directions.count
    var Y = [S](repeating: 0, count: T * D * B * H)
    var last = initial.map { _ in [S](repeating: 0, count: D * B * H) }
    for (d, direction) in directions.enumerated() {
      let equations = try step(direction)
      var states = initial.map { $0[d] }
      func time(_ k: Int) -> [Int] { lengths.map { direction.isReverse ? $0 - 1 - k : k } }
      let inputs = StepRows.steps(T, batch: B, columns: I) { k in
        let time = time(k)
        var Xt = Matrix<S>(zeros: B, I)
        for b in 0..<B where k < lengths[b] {
          let row = (time[b] * B + b) * I
          Xt.elements.replaceSubrange((b * I)..<((b + 1) * I), with: X[row..<(row + I)])
        }
        return Xt
      }
      for (k, Xt) in inputs.enumerated() {
        try call.evaluation.spendStep(call.step.label)
        let time = time(k)
        let next = equations(Xt, states)
        for b in 0..<B where k < lengths[b] {
          let row = (b * H)..<((b + 1) * H)
          for state in states.indices {
            states[state].elements.replaceSubrange(row, with: next[state].elements[row])
          }
          let target = ((time[b] * D + d) * B + b) * H
          Y.replaceSubrange(target..<(target + H), with: next[0].elements[row])
        }
      }
      for b in 0..<B {
        let row = (b * H)..<((b + 1) * H)
        let target = (d * B + b) * H
        for state in states.indices {
          last[state].replaceSubrange(target..<(target + H), with: states[state].elements[row])
        }
      }
    }
    let y = NDArray(shape: [T, D, B, H], elements: Y)
    let ends = last.map { NDArray(shape: [D, B, H], elements: $0) }
    return [.float(batchFirst ? y.transposed([2, 0, 1, 3]) : y, type)]
      + ends.map { .float(batchFirst ? $0.transposed([1, 0, 2]) : $0, type) }
  }
}

extension Evaluation {
  static var recurrentOperators: [String: Operation] {
    ["RNN": rnn, "LSTM": lstm, "GRU": gru]
  }
}
