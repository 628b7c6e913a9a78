public import Recurrent
public import Tensors

/// How gradients pass back through one direction of one recurrent layer, along one sequence.
///
/// The carried state s is h, and behind it c of the LSTM. Layers and directions are looked at on their own: what a layer
/// reads is taken as given, so a path through other layers or the other direction is not in these numbers. The
/// mathematics, and its sources: docs/gradient-flow.md.
public struct GradientFlow: Sendable, Equatable {
  /// The layer's name.
  public let layer: String
  /// The layer's recurrence.
  public let cell: Cell
  /// Whether this direction runs from the last step to the first; its "last state" is then that at the first step.
  public let isReverse: Bool
  /// T: the steps that the row has.
  public let steps: Int
  /// O, the size of h.
  public let outputSize: Int
  /// H, the size of c; 0 without c.
  public let cellSize: Int
  /// log₁₀ ‖∂s_T/∂s_{T−d}‖₂ at distance d = 0…T. Logarithms, since the norms themselves soon underflow.
  public let stateNorms: [Double]
  /// The same of the block ∂h_T/∂h_{T−d}, with c_{T−d} held; equal to `stateNorms` without c.
  public let hiddenNorms: [Double]
  /// The same of the block ∂c_T/∂c_{T−d}; empty without c.
  public let cellNorms: [Double]
  /// The greatest Lyapunov exponents, in natural logarithms a step, descending. The first quarter of the steps does not
  /// count: in it the vectors turn to where the product stretches them most.
  public let exponents: [Double]
  /// max |λ| of each gate's W_h (with a projection: of W_h · projection), in canonical order.
  public let radii: [KernelRadius]
  /// In canonical order; none for the RNN.
  public let gates: [GateOpenness]
  /// J_1…J_T as `[T, S, S]` in the order in which the direction runs: row = component of s_t, column = of s_{t−1}.
  /// Nil unless asked for.
  public let jacobians: Tensor?

  /// The spectral radius of one gate's recurrent kernel.
  public struct KernelRadius: Sendable, Equatable {
    /// Whose kernel.
    public let gate: Gate
    /// max |λ|.
    public let radius: Double
  }

  /// A gate's value: 0 is shut, 1 is open.
  public struct GateOpenness: Sendable, Equatable {
    /// Which gate.
    public let gate: Gate
    /// Over all units and steps.
    public let mean: Double
    /// The least and the greatest of the units' means over the steps.
    public let units: ClosedRange<Double>
  }

  /// What becomes of the gradient, by `stateNorms`.
  public var verdict: GradientVerdict { GradientVerdict(stateNorms) }
}

/// What `gradientFlow` looks at.
public struct GradientFlowOptions: Sendable {
  /// The row of the batch.
  public var row = 0
  /// How many Lyapunov exponents, at most S; nil for all up to 64.
  public var exponents: Int?
  /// Keep every step's Jacobian: T·S²·8 bytes, at most 1 GiB a direction.
  public var keepsJacobians = false

  /// Row 0, up to 64 exponents, no Jacobians kept.
  public init() {}
}

/// Follows the gradient back through every recurrent layer and direction, in Float64.
///
/// Takes T products of S×S matrices a direction, and holds a few of those and some numbers a unit and step.
/// - Parameter inputs: as for `forward`.
/// - Returns: the directions in the order of the layers, forward before reverse; none where nothing recurs.
/// - Throws: as `forward`; `.rowOutOfRange`, `.jacobiansTooLarge`.
package func gradientFlow(
  _ model: Model, inputs: [String: Tensor], _ options: GradientFlowOptions = GradientFlowOptions()
) throws(ForwardError) -> [GradientFlow] {
  let values = try run(model, inputs, rules: .current, as: Double.self)
  var flows: [GradientFlow] = []
  for layer in model.layers {
    // Of places there are many flows, along them none goes back in time.
    guard case .recurrent(let recurrent) = layer.operation, recurrent.path == .time else { continue }
    let given = layer.inputs.map { $0.flatMap { values[$0] } } + [nil, nil, nil]
    let x = given[0]!.numbers
    guard x.batch > options.row, options.row >= 0 else {
      throw .rowOutOfRange(row: options.row, batch: x.batch)
    }
    let length = given[1].map { Int($0.integers.elements[options.row]) } ?? x.steps ?? 1
    for (d, parameters) in recurrent.directions.enumerated() {
      func state(_ value: Value<Double>?, _ size: Int) -> [Double] {
        guard let numbers = value?.numbers else { return Array(repeating: 0, count: size) }
        return Array(numbers.elements[(options.row * numbers.features + d * size)...].prefix(size))
      }
      let cells = recurrent.cell.hasCellState ? recurrent.hiddenSize : 0
      let size = recurrent.outputSize + cells
      // Sizes of tensors that are in memory: the product of these is within Int.
      let (bytes, limit) = (length * size * size * 8, 1 << 30)
      guard !options.keepsJacobians || bytes <= limit else {
        throw .jacobiansTooLarge(layer: layer.name, bytes: bytes, limit: limit)
      }
      let path = FlowPath(
        DirectionWeights(recurrent, parameters, .current), x, row: options.row, length: length,
        isReverse: recurrent.direction == .reverse || d == 1,
        from: CellState(h: state(given[2], recurrent.outputSize), c: state(given[3], cells)))
      flows.append(path.flow(layer.name, options))
    }
  }
  return flows
}
