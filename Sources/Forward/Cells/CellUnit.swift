internal import Recurrent

/// The arithmetic that cells' equations are written in: what passes compute with (`Scalar`), and duals.
protocol CellNumber: Sendable {
  /// A sum of products under way.
  associatedtype Sum: SumOfProducts
  /// What the arithmetic must be told.
  associatedtype Rules: Sendable

  static var one: Self { get }

  init(_ sum: Sum)
  static func + (left: Sum, right: Self) -> Sum
  static func + (left: Self, right: Self) -> Self
  static func - (left: Self, right: Self) -> Self
  static func * (left: Self, right: Self) -> Self

  /// (1 − z)·n + z·h, however the runtime factors it; z comes from the activation `gate`.
  static func blend(_ n: Self, _ h: Self, _ z: Self, _ gate: Activation, _ rules: Rules) -> Self
  /// min(max(x, −limit), limit)
  static func clip(_ x: Self, _ limit: Self) -> Self
  static func activate(_ activation: Activation, _ x: Self, _ rules: Rules) -> Self
}

/// What a cell applies to its sums: activations, behind the clip.
final class CellFunctions<Number: CellNumber>: Sendable {
  let gateActivation: Activation
  let candidateActivation: Activation
  let outputActivation: Activation
  let clip: Number?
  /// f = 1 − i
  let isCoupled: Bool
  let rules: Number.Rules

  init(
    _ layer: RecurrentLayer, _ parameters: DirectionParameters, clip: Number?, _ rules: Number.Rules
  ) {
    gateActivation = parameters.gateActivation
    candidateActivation = parameters.candidateActivation
    outputActivation = parameters.outputActivation
    self.clip = clip
    isCoupled = layer.inputForget
    self.rules = rules
  }

  /// The same of other numbers.
  init<Other>(_ other: CellFunctions<Other>, clip: Number?, _ rules: Number.Rules) {
    gateActivation = other.gateActivation
    candidateActivation = other.candidateActivation
    outputActivation = other.outputActivation
    self.clip = clip
    isCoupled = other.isCoupled
    self.rules = rules
  }

  @inline(__always)
  func gate(_ sum: Number.Sum) -> Number { activated(gateActivation, Number(sum)) }
  @inline(__always)
  func candidate(_ sum: Number.Sum) -> Number { activated(candidateActivation, Number(sum)) }
  @inline(__always)
  func output(_ c: Number) -> Number { activated(outputActivation, c) }

  @inline(__always)
  private func activated(_ activation: Activation, _ x: Number) -> Number {
    Number.activate(activation, clip.map { Number.clip(x, $0) } ?? x, rules)
  }
}

/// One unit of one row in one step, as its cell's equation sees it.
///
/// Large, and moved from unit to unit: passed on without a copy.
protocol CellUnit<Number>: ~Copyable {
  associatedtype Number: CellNumber

  var functions: CellFunctions<Number> { get }
  /// h_{t−1} of this unit.
  var h: Number { get }
  /// c_{t−1} of this unit; anything where the cell has none.
  var c: Number { get }

  /// W x_t + b_W of a gate.
  func input(_ gate: Gate) -> Number.Sum
  /// R h_{t−1} + b_R of a gate; of `CellKind.innerGates` R sees what `Cell.inner` made of all units.
  func recurrent(_ gate: Gate) -> Number.Sum
  /// sum + P⊙c of a gate; the sum where it has no peephole.
  func peephole(_ gate: Gate, _ c: Number, _ sum: Number.Sum) -> Number.Sum
  /// Told how far each gate that opens and closes is open.
  func observe(_ gate: Gate, _ value: Number)
}

extension CellUnit where Self: ~Copyable {
  @inline(__always)
  func observe(_ gate: Gate, _ value: Number) {}

  /// W x_t + b_W + R h_{t−1} + b_R
  @inline(__always)
  func sum(_ gate: Gate) -> Number.Sum { input(gate) + recurrent(gate) }

  /// The value of a gate by its sum.
  @inline(__always)
  func opening(_ gate: Gate, _ sum: Number.Sum) -> Number { opened(gate, functions.gate(sum)) }

  /// A gate that is as open as another is shut.
  @inline(__always)
  func opening(_ gate: Gate, against other: Number) -> Number { opened(gate, Number.one - other) }

  @inline(__always)
  private func opened(_ gate: Gate, _ value: Number) -> Number {
    observe(gate, value)
    return value
  }
}

/// What a unit becomes.
struct UnitStates<Number> {
  /// h_t; behind a projection, what is projected.
  let h: Number
  /// c_t, where the cell has one.
  var c: Number?
}

extension Cell {
  /// The states of a unit after a step: the cell's equation, once for every kind of number, for packed weights and for derivatives.
  @inline(__always)
  func step<Unit: CellUnit & ~Copyable>(_ unit: borrowing Unit) -> UnitStates<Unit.Number> {
    switch self {
    case .rnn: vanilla(unit)
    case .lstm: lstm(unit)
    case .gru: gru(unit)
    case .minGRU: minGRU(unit)
    }
  }

  /// What R of the inner gates sees of a unit instead of h_{t−1}; asked of cells that have `innerGates`.
  @inline(__always)
  func inner<Unit: CellUnit & ~Copyable>(_ unit: borrowing Unit) -> Unit.Number {
    switch self {
    case .rnn, .lstm, .minGRU: unit.h
    case .gru: gruReset(unit)
    }
  }
}

/// Where the rows of each gate begin in stacked weights, by the gate's name: the number of its block.
struct GateBlocks: Sendable {
  /// G, and of these first the blocks that R sees h for, then those that it sees `Cell.inner` for; none without R.
  let count: Int
  let outer: Range<Int>
  let inner: Range<Int>
  private var blocks = SIMD8<Int32>(repeating: -1)

  init(_ cell: Cell) {
    count = cell.gateCount
    let first = cell.kind.hasRecurrentWeight ? count - cell.kind.innerGates.count : 0
    outer = 0..<first
    inner = first..<(first + cell.kind.innerGates.count)
    for (block, gate) in cell.gateOrder.gates.enumerated() { blocks[gate.ordinal] = Int32(block) }
  }

  @inline(__always)
  subscript(gate: Gate) -> Int { Int(blocks[gate.ordinal]) }
}

extension Gate {
  @inline(__always)
  fileprivate var ordinal: Int {
    switch self {
    case .forget: 0
    case .input: 1
    case .output: 2
    case .candidate: 3
    case .reset: 4
    case .update: 5
    case .new: 6
    case .hidden: 7
    }
  }
}
