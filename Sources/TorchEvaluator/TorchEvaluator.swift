public import ReferenceMath
package import StateDicts
public import Tensors

/// Runs a state dict by PyTorch's documented formulas, on its own tensors under its own names.
///
/// It knows nothing of the canonical model: gates are the rows that `torch.nn`'s documentation says they are.
public struct TorchEvaluator: Sendable {
  let tensors: [String: Tensor]
  let architecture: Architecture
  /// Elements that one value may have.
  let limit: Int

  package init(_ state: StateDict, _ architecture: Architecture, limit: Int) {
    tensors = Dictionary(state.entries.map { ($0.name, $0.tensor) }) { first, _ in first }
    self.architecture = architecture
    self.limit = limit
  }

  /// Outputs by name; `Float` rounds every operation to Float32, as PyTorch does.
  ///
  /// - Parameter inputs: sequences `[T, B, F]` or, with batch_first, `[B, T, F]`; states `[L·D, B, H]`.
  public func run<S: ReferenceScalar>(
    _ inputs: [String: Tensor], as type: S.Type
  ) throws(TorchEvaluatorError) -> [String: Tensor] {
    var run = TorchRun<S>(self, inputs)
    return try run.outputs()
  }
}

/// What flows between the steps: steps in time, each a matrix `[B, F]`; or a single such matrix.
enum TorchValue<S: ReferenceScalar> {
  case tokens(NDArray<Int64>)
  case sequence([Matrix<S>])
  case vector(Matrix<S>)
}

/// One evaluation.
struct TorchRun<S: ReferenceScalar> {
  let evaluator: TorchEvaluator
  let inputs: [String: Tensor]
  var current: TorchValue<S>?
  /// h_n and c_n of the last recurrent module, each `[L·D]` matrices `[B, ·]`.
  var hidden: [Matrix<S>] = []
  var cell: [Matrix<S>] = []
  var directions = 1

  init(_ evaluator: TorchEvaluator, _ inputs: [String: Tensor]) {
    self.evaluator = evaluator
    self.inputs = inputs
  }

  var architecture: Architecture { evaluator.architecture }

  mutating func outputs() throws(TorchEvaluatorError) -> [String: Tensor] {
    current = try input()
    for step in architecture.steps { try run(step) }
    var result: [String: Tensor] = [:]
    for port in architecture.outputs {
      switch port.role {
      case .finalHidden: result[port.name] = stacked(hidden)
      case .finalCell: result[port.name] = stacked(cell)
      default: result[port.name] = try output(port.name)
      }
    }
    return result
  }

  // MARK: Ports

  private func given(_ role: Architecture.Port.Role) throws(TorchEvaluatorError) -> (
    name: String, tensor: Tensor
  )? {
    guard let port = architecture.inputs.first(where: { $0.role == role }) else { return nil }
    guard let tensor = inputs[port.name] else { throw .missingInput(port.name) }
    return (port.name, tensor)
  }

  private func input() throws(TorchEvaluatorError) -> TorchValue<S> {
    guard let (name, tensor) = try given(.input) else { throw .missingInput("input") }
    if case .embedding? = architecture.steps.first {
      guard tensor.shape.count == 2 else {
        throw .wrongShape(name, expected: "two axes", found: tensor.shape)
      }
      guard let numbers = try? tensor.integers() else {
        throw .wrongElements(name, reason: "token ids are integers, found \(tensor.elementType.rawValue)")
      }
      let tokens = NDArray(shape: tensor.shape, elements: numbers)
      return .tokens(architecture.batchFirst ? tokens.transposed([1, 0]) : tokens)
    }
    guard tensor.shape.count == 3, tensor.elementType.isFloat else {
      throw .wrongShape(
        name, expected: architecture.batchFirst ? "[B, T, F]" : "[T, B, F]", found: tensor.shape)
    }
    var x = NDArray(shape: tensor.shape, elements: S.values(of: tensor))
    if architecture.batchFirst { x = x.transposed([1, 0, 2]) }
    return .sequence(split(x))
  }

  /// `[T, B, F]` as T matrices.
  private func split(_ x: NDArray<S>) -> [Matrix<S>] {
    let size = x.shape[1] * x.shape[2]
    return (0..<x.shape[0]).map { step in
      Matrix(
        rows: x.shape[1], columns: x.shape[2],
        elements: Array(x.elements[(step * size)..<((step + 1) * size)]))
    }
  }

  private func stacked(_ states: [Matrix<S>]) -> Tensor {
    S.tensor(states.flatMap(\.elements), shape: [states.count, states[0].rows, states[0].columns])
  }

  private func output(_ name: String) throws(TorchEvaluatorError) -> Tensor {
    switch current {
    case .vector(let matrix)?: return S.tensor(matrix.elements, shape: [matrix.rows, matrix.columns])
    case .sequence(let steps)? where !steps.isEmpty:
      let y = NDArray(
        shape: [steps.count, steps[0].rows, steps[0].columns], elements: steps.flatMap(\.elements))
      let arranged = architecture.batchFirst ? y.transposed([1, 0, 2]) : y
      return S.tensor(arranged.elements, shape: arranged.shape)
    default: throw .badStep(name, reason: "there is no output for an empty sequence")
    }
  }

  /// Initial states `[L·D, B, width]` as matrices, zeros where the model takes none.
  func initialStates(
    _ role: Architecture.Port.Role, count: Int, batch: Int, width: Int
  ) throws(TorchEvaluatorError) -> [Matrix<S>] {
    guard let (name, tensor) = try given(role) else {
      return (0..<count).map { _ in Matrix(zeros: batch, width) }
    }
    guard tensor.shape == [count, batch, width], tensor.elementType.isFloat else {
      throw .wrongShape(name, expected: "[\(count), \(batch), \(width)]", found: tensor.shape)
    }
    return split(NDArray(shape: tensor.shape, elements: S.values(of: tensor)))
  }

  // MARK: Steps

  private mutating func run(_ step: Architecture.Step) throws(TorchEvaluatorError) {
    switch step {
    case .embedding(let names): try embed(names)
    case .recurrent(let module): try run(module)
    case .linear(let names):
      // y = x·Aᵀ + b
      let kernel = Weight<S>(try matrix(names.weight), transposed: true, products: steps)
      let b = try names.bias.map { (name) throws(TorchEvaluatorError) in
        try row(name, columns: kernel.columns)
      }
      try map(names.name) { (x) throws(TorchEvaluatorError) in
        guard x.columns == kernel.rows else {
          throw .badStep(names.name, reason: "it takes \(kernel.rows) features, found \(x.columns)")
        }
        return b.map { x • kernel + $0 } ?? x • kernel
      }
    case .layerNorm(let names, let epsilon):
      // y = (x − E[x]) / √(Var[x] + ε)·γ + β, the variance without Bessel's correction; ε is a number of Float32, as the module's
      // weights are.
      let weight = try row(names.weight)
      let bias = try names.bias.map { (name) throws(TorchEvaluatorError) in
        try row(name, columns: weight.columns)
      }
      try map(names.name) { (x) throws(TorchEvaluatorError) in
        guard x.columns == weight.columns else {
          throw .badStep(names.name, reason: "it takes \(weight.columns) features, found \(x.columns)")
        }
        let y = Self.rows(x) { row in
          let mean = row.reduce(0, +) / S(row.count)
          let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / S(row.count)
          let root = (variance + S(Float(epsilon))).squareRoot()
          return zip(row, weight.elements).map { ($0 - mean) / root * $1 }
        }
        return bias.map { y + $0 } ?? y
      }
    case .convolution(let module): try convolve(module)
    case .pool(let module): try pool(module)
    case .batchNorm(let module): try normalise(module)
    case .activation(let activation):
      let function = Self.function(activation)
      try map(activation.rawValue) { (x) throws(TorchEvaluatorError) in function(x) }
    case .select(let selection): try select(selection)
    }
  }

  /// How many matrices flow.
  private var steps: Int { if case .sequence(let steps)? = current { steps.count } else { 1 } }

  mutating func map(
    _ name: String, _ body: (Matrix<S>) throws(TorchEvaluatorError) -> Matrix<S>
  ) throws(TorchEvaluatorError) {
    switch current {
    case .sequence(let steps)?: current = .sequence(try steps.map(body))
    case .vector(let x)?: current = .vector(try body(x))
    default: throw .badStep(name, reason: "it takes features, found token ids")
    }
  }

  private mutating func embed(_ names: Architecture.Parameters) throws(TorchEvaluatorError) {
    guard case .tokens(let ids)? = current else { throw .badStep(names.name, reason: "it takes token ids") }
    let table = try matrix(names.weight)
    let (vocabulary, features) = (table.shape[0], table.shape[1])
    guard let count = product([ids.count, features]), count <= evaluator.limit else {
      throw .tooManyElements(ids.count, limit: evaluator.limit)
    }
    let batch = ids.shape[1]
    var steps: [Matrix<S>] = []
    for time in 0..<ids.shape[0] {
      var rows: [S] = []
      for id in ids.elements[(time * batch)..<((time + 1) * batch)] {
        guard id >= 0, id < vocabulary else {
          throw .wrongElements(names.name, reason: "token \(id) is outside 0 ..< \(vocabulary)")
        }
        rows += S.values(of: table.rows(Int(id)..<(Int(id) + 1)))
      }
      steps.append(Matrix(rows: batch, columns: features, elements: rows))
    }
    current = .sequence(steps)
  }

  private mutating func select(_ selection: Architecture.Selection) throws(TorchEvaluatorError) {
    guard case .sequence(let steps)? = current, let last = steps.last else {
      throw .badStep(selection.rawValue, reason: "it takes a sequence of at least one step")
    }
    switch selection {
    case .last: current = .vector(last)
    case .hidden:
      // h_n[-1], or cat(h_n[-2], h_n[-1]) of both directions.
      guard hidden.count >= directions else {
        throw .badStep("hidden", reason: "no recurrent module comes before it")
      }
      current = .vector(Self.sideBySide(Array(hidden.suffix(directions))))
    case .mean:
      let sum = steps.dropFirst().reduce(steps[0], +)
      current = .vector(sum.map { $0 / S(steps.count) })
    case .max:
      var largest = steps[0]
      for step in steps.dropFirst() {
        largest = Matrix(
          rows: largest.rows, columns: largest.columns,
          elements: zip(largest.elements, step.elements).map { $0.isNaN ? $0 : $1 > $0 || $1.isNaN ? $1 : $0 }
        )
      }
      current = .vector(largest)
    }
  }

  // MARK: Tensors

  private func stored(_ name: String) throws(TorchEvaluatorError) -> Tensor? {
    try replaced(name) ?? evaluator.tensors[name]
  }

  /// A tensor of any shape.
  func tensor(_ name: String) throws(TorchEvaluatorError) -> Tensor {
    guard let tensor = try stored(name) else { throw .missingTensor(name) }
    return tensor
  }

  /// A tensor of two axes.
  func matrix(_ name: String) throws(TorchEvaluatorError) -> Tensor {
    var found = try stored(name)
    if found == nil { found = try normalised(name) }
    guard let tensor = found else { throw .missingTensor(name) }
    guard tensor.shape.count == 2 else { throw .wrongShape(name, expected: "two axes", found: tensor.shape) }
    return tensor
  }

  /// A tensor of one axis, of this size where one is asked for.
  func row(_ name: String, columns wanted: Int? = nil) throws(TorchEvaluatorError) -> Matrix<S> {
    guard let tensor = try stored(name) else { throw .missingTensor(name) }
    let columns = wanted ?? tensor.count
    guard tensor.shape == [columns] else {
      throw .wrongShape(name, expected: "[\(columns)]", found: tensor.shape)
    }
    return Matrix(rows: 1, columns: columns, elements: S.values(of: tensor))
  }

  func product(_ factors: [Int]) -> Int? {
    var result = 1
    for factor in factors {
      let (next, overflow) = result.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      result = next
    }
    return result
  }

  /// Features of each, one after another.
  static func sideBySide(_ parts: [Matrix<S>]) -> Matrix<S> {
    var elements: [S] = []
    for row in 0..<parts[0].rows {
      for part in parts { elements += part.elements[(row * part.columns)..<((row + 1) * part.columns)] }
    }
    return Matrix(rows: parts[0].rows, columns: parts.reduce(0) { $0 + $1.columns }, elements: elements)
  }

  private static func function(_ activation: Architecture.Activation) -> (Matrix<S>) -> Matrix<S> {
    switch activation {
    case .relu: { $0.map(Functions.relu) }
    case .tanh: { $0.map(Functions.tanh) }
    case .sigmoid: { $0.map(Functions.sigmoid) }
    case .gelu: { $0.map(Functions.gelu) }
    case .silu: { $0.map { $0 * Functions.sigmoid($0) } }
    case .mish: { $0.map(Functions.mish) }
    case .softmax: { rows($0) { row in normalised(row) } }
    // log_softmax(x) = x − max − log(Σ exp(x − max))
    case .logSoftmax:
      {
        rows($0) { row in
          let top = row.max() ?? 0
          let sum = S.log(row.reduce(0) { $0 + S.exp($1 - top) })
          return row.map { $0 - top - sum }
        }
      }
    }
  }

  private static func normalised(_ row: ArraySlice<S>) -> [S] {
    let top = row.max() ?? 0
    let powers = row.map { S.exp($0 - top) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  private static func rows(_ x: Matrix<S>, _ body: (ArraySlice<S>) -> [S]) -> Matrix<S> {
    Matrix(
      rows: x.rows, columns: x.columns,
      elements: (0..<x.rows).flatMap { body(x.elements[($0 * x.columns)..<(($0 + 1) * x.columns)]) })
  }
}
