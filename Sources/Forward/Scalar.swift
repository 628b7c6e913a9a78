internal import Recurrent
internal import Tensors

/// Partial sums of one sum add up.
protocol SumOfProducts {
  static func + (left: Self, right: Self) -> Self
}

/// What the arithmetic of a pass must be told.
protocol PassRules: Sendable {
  /// Whether products read large weights where they are stored, a few panels at a time, instead of packing them once:
  /// for as few steps as packing costs. The bits are the same.
  var readsStoredWeights: Bool { get set }
  /// Whether weights are moved to a narrower storage first, of which a part alone may not say how.
  var narrowsWeights: Bool { get }
}

/// The arithmetic of a forward pass, written once for Float, Double, `Bounded`, `Affine`, `Noisy` and `Stochastic`: that of cells' equations,
/// and what the other layers need. `Rules` say how native numbers run, or the rounding model for bounds.
///
/// A `Sum` is a sum of products under way. Native numbers round as they go; `Bounded` keeps what it needs to
/// bound every order of summation, and turns into a number at the end.
protocol Scalar: CellNumber where Rules: PassRules {
  /// A tensor's numbers, converted once a pass.
  associatedtype Weights: Sendable
  associatedtype Sums: Products<Self, Weights, Sum> = ProductsOnDemand<Self>
  /// A recurrent layer, a dense one and a convolution ready for passes.
  associatedtype Recurrence: Sendable = RecurrentPass<Self>
  associatedtype Dense: DenseLayer<Self> = DensePass<Self>
  associatedtype Convolver: ConvolutionLayer<Self> = ConvolutionPass<Self>

  static var zero: Self { get }
  static var emptySum: Sum { get }
  /// Stands where a value depends on an undecided integer.
  static var unknown: Self { get }

  static func weights(_ tensor: Tensor) -> Weights
  /// A tensor of the model, which an evaluation may hold in a narrower storage.
  static func stored(_ tensor: Tensor, _ rules: Rules) -> Weights
  /// The same of a matrix that products are made of.
  static func matrix(_ tensor: Tensor, _ rules: Rules) -> Weights
  static func element(_ weights: Weights, _ index: Int) -> Self
  static func elements(_ weights: Weights) -> [Self]
  /// A number of the model that is no tensor, such as α or a clip threshold.
  static func constant(_ number: Double) -> Self
  /// A number that evaluations compute themselves, off by some units of rounding.
  static func constant(_ number: Double, off units: Double) -> Self

  /// Row `row` of the weights `[…, count]` times `x[at ..< at + count]`.
  static func dot(_ weights: Weights, row: Int, _ x: [Self], at: Int, count: Int) -> Sum

  static func / (left: Self, right: Self) -> Self
  static func maximum(_ left: Self, _ right: Self) -> Self
  static func minimum(_ left: Self, _ right: Self) -> Self
  /// 1 where a comparison holds, else 0.
  static func compare(_ left: Self, _ right: Self, _ comparison: Arithmetic.Operator) -> Self
  /// a where the condition is not 0, else b.
  static func choose(_ condition: Self, _ a: Self, _ b: Self) -> Self
  /// x where x ≥ 0, else slope · x.
  static func leaky(_ x: Self, _ slope: Self) -> Self
  /// f of each number.
  static func activate(_ activation: Activation, all x: Numbers<Self>, _ rules: Rules) -> Numbers<Self>
  /// Appends e^{x_i} / Σ e^{x_j}.
  static func softmax(_ x: ArraySlice<Self>, _ rules: Rules, into result: inout [Self])
  /// Appends x_i − ln Σ e^{x_j}.
  static func logSoftmax(_ x: ArraySlice<Self>, _ rules: Rules, into result: inout [Self])
  /// Appends (x_i − m) / d of at least one number, m and d made of them all.
  static func normalise(
    _ x: ArraySlice<Self>, by divisor: Normalization.Divisor, epsilon: Double, _ rules: Rules,
    into result: inout [Self])
  /// The offset of the largest of at least one number, the first of equals; and whether no rounding changes it.
  static func argMax(_ x: ArraySlice<Self>) -> (offset: Int, isDecided: Bool)

  static func recurrence(_ layer: RecurrentLayer, _ rules: Rules) -> Recurrence
  /// How a recurrent layer runs in this arithmetic.
  static func run(
    _ recurrence: Recurrence, _ x: Numbers<Self>, lengths: [Int]?, h: Numbers<Self>?, c: Numbers<Self>?
  ) -> [Value<Self>]
  /// Of recurrent layers upon one another y and the last states, from x and each layer's initial states; nil where
  /// nothing is gained by running them together.
  static func runTogether(
    _ stack: [RecurrentLayer], _ x: Numbers<Self>, states: [InitialStates<Self>], _ rules: Rules,
    recurrence: (Int) -> Recurrence
  ) -> [[Value<Self>]]?
  /// Called with the states of one row after each of its steps, for numbers that remember; `symbols` is the most
  /// that they may remember.
  static func settle(_ states: inout [Self], symbols: Int)
  /// The number without what it remembers.
  var detached: Self { get }
}

extension Scalar {
  static func activate(_ activation: Activation, all x: Numbers<Self>, _ rules: Rules) -> Numbers<Self> {
    x.map { activate(activation, $0, rules) }
  }

  static func runTogether(
    _ stack: [RecurrentLayer], _ x: Numbers<Self>, states: [InitialStates<Self>], _ rules: Rules,
    recurrence: (Int) -> Recurrence
  ) -> [[Value<Self>]]? { nil }
  static func constant(_ number: Double, off units: Double) -> Self { constant(number) }
  static func stored(_ tensor: Tensor, _ rules: Rules) -> Weights { weights(tensor) }
  static func matrix(_ tensor: Tensor, _ rules: Rules) -> Weights { stored(tensor, rules) }
  static func dot(_ weights: Weights, row: Int, _ x: [Self], at start: Int, count: Int) -> Sum {
    Sums(weights, units: row..<(row + 1), x, starts: [start], count: count).sum(row, 0)
  }
  static func settle(_ states: inout [Self], symbols: Int) {}
  var detached: Self { self }
}

extension Scalar where Recurrence == RecurrentPass<Self> {
  static func recurrence(_ layer: RecurrentLayer, _ rules: Rules) -> RecurrentPass<Self> {
    RecurrentPass(layer, rules)
  }
  static func run(
    _ pass: RecurrentPass<Self>, _ x: Numbers<Self>, lengths: [Int]?, h: Numbers<Self>?, c: Numbers<Self>?
  ) -> [Value<Self>] {
    pass.run(x, lengths: lengths, h: h, c: c)
  }
}
