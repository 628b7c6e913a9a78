public import ByteIO
public import ReferenceMath
public import Tensors

/// The numbers that an evaluation computes in.
public enum EvaluationPrecision: Sendable, CaseIterable {
  case float32, float64
}

/// Runs an ONNX graph as it is written, from the operator specification.
///
/// It shares nothing with the importer: no gate order, no layer, no forward pass. That makes it the second road to an
/// output, by which a conversion is judged.
///
/// All floats are computed in the chosen precision, whatever type the graph gives them; only a Cast to a narrower type
/// rounds. Integers keep their type, and one that overflows is an error.
public struct ONNXEvaluator: Sendable {
  private var program: Program
  private let limits: Limits
  /// Elements of the graph's constants.
  private let weights: Int
  private var singleGates = GateCache<Float>()
  private var doubleGates = GateCache<Double>()
  /// Nil where the graph runs as it is, inputs of fixed sizes and all.
  private var mostTurns: Int?

  /// Checks every node and puts the nodes in order.
  ///
  /// - Throws: `ONNXError` for a cycle, a value made twice or never, an operator, attribute or opset not known.
  public init(_ model: ONNXModel, limits: Limits = .standard) throws(ONNXError) {
    guard ONNXDecoder.opsets.contains(model.opset) else {
      throw .unsupportedOpset(model.opset, supported: ONNXDecoder.opsets)
    }
    let functions = FunctionCalls(model, limits: limits)
    do {
      program = try Program(
        model.graph, opset: model.opset, functions: functions, isVisible: { _ in false })
    } catch {
      throw error.naming(
        model.graph.unknownOperators {
          Signature.find(Program.name(of: $0), opset: model.opset) == nil && !functions.isKnown($0)
        })
    }
    self.limits = limits
    weights =
      model.graph.constantElements
      + model.functions.reduce(0) { $0 + ONNXGraph(name: "", nodes: $1.nodes).constantElements }
  }

  /// The operators of all nodes, in the order in which they run, each before those of graphs inside it.
  public var operators: [String] { program.operators }

  /// The same graph where inputs of fixed sizes may have others, and each Loop makes no more than `turns` turns: to see what it
  /// computes where the sizes that it fixes would take too long.
  public func shortened(turns: Int) -> ONNXEvaluator {
    var copy = self
    copy.mostTurns = turns
    return copy
  }

  /// The same graph with its float constants changed.
  ///
  /// - Parameter transform: gives a tensor of the same shape and type; asked for each initializer and Constant, of graphs inside, too.
  public func mappingWeights(_ transform: (Tensor) -> Tensor) -> ONNXEvaluator {
    var copy = self
    copy.program = program.mappingWeights(transform)
    (copy.singleGates, copy.doubleGates) = (GateCache(), GateCache())
    return copy
  }

  /// Computes the graph's outputs.
  ///
  /// - Parameters:
  ///   - inputs: a tensor for each input of the graph; one that has an initializer may be left out. Floats may be of
  ///     any float type, integers must be of the type that the graph states.
  ///   - precision: what floats are computed in.
  /// - Returns: the outputs by name; floats as F32 or F64, as the precision says.
  public func run(
    _ inputs: [String: Tensor], precision: EvaluationPrecision
  ) throws(ONNXError) -> [String: Tensor] {
    try typed(inputs, precision: precision).mapValues { $0.tensor }
  }

  /// The same with the type that the graph gives each output, which may be narrower than the one it was computed in.
  public func typed(
    _ inputs: [String: Tensor], precision: EvaluationPrecision
  ) throws(ONNXError) -> [String: (tensor: Tensor, type: ElementType)] {
    switch precision {
    case .float32: try run(inputs, singleGates)
    case .float64: try run(inputs, doubleGates)
    }
  }

  /// An output with how far any evaluation may be from it that the rounding model covers.
  public struct BoundedOutput: Sendable, Equatable {
    public let shape: [Int]
    /// Row-major, of a Float64 evaluation.
    public let values: [Double]
    /// Row-major, at least 0; ∞ where nothing is known, also where other roundings may decide something otherwise.
    public let radii: [Double]
    public let isInteger: Bool
  }

  /// Computes the graph's outputs in Float64, with how far evaluations of a precision may be from them.
  ///
  /// - Parameters:
  ///   - inputs: as `run` takes them.
  ///   - precision: whose roundings are bounded.
  ///   - functions: how accurate the functions of such evaluations are.
  public func bounds(
    _ inputs: [String: Tensor], _ precision: EvaluationPrecision, _ functions: RuntimeFunctions
  ) throws(ONNXError) -> [String: BoundedOutput] {
    switch precision {
    case .float32: try bounds(inputs, functions, GateCache<BoundedNumber<Float>>())
    case .float64: try bounds(inputs, functions, GateCache<BoundedNumber<Double>>())
    }
  }

  private func bounds<Format: BoundedFormat>(
    _ inputs: [String: Tensor], _ functions: RuntimeFunctions, _ gates: GateCache<BoundedNumber<Format>>
  ) throws(ONNXError) -> [String: BoundedOutput] {
    try with(EvaluationRules(functions)) { () throws(ONNXError) -> [String: BoundedOutput] in
      var outputs: [String: BoundedOutput] = [:]
      for (name, result) in try evaluated(inputs, gates).outputs {
        switch result.value {
        case .float(let array, _):
          outputs[name] = BoundedOutput(
            shape: array.shape, values: array.elements.map(\.value),
            radii: array.elements.map { result.isUndecided ? .infinity : $0.radius }, isInteger: false)
        case .integer(let array, _):
          outputs[name] = BoundedOutput(
            shape: array.shape, values: array.elements.map { Double($0) },
            radii: [Double](repeating: result.isUndecided ? .infinity : 0, count: array.count),
            isInteger: true)
        }
      }
      return outputs
    }
  }

  /// Computes the graph's outputs as a Float32 runtime might: in Float64, with errors of the usual size that are drawn from a seed.
  ///
  /// - Parameters:
  ///   - inputs: as `run` takes them.
  ///   - functions: how accurate the runtime's functions are.
  ///   - seed: every seed is another evaluation.
  public func noisyRun(
    _ inputs: [String: Tensor], _ functions: RuntimeFunctions, seed: UInt64
  ) throws(ONNXError) -> [String: Tensor] {
    try with(EvaluationRules(functions, seed: seed)) { () throws(ONNXError) -> [String: Tensor] in
      try run(inputs, GateCache<NoisyNumber>()).mapValues(\.tensor)
    }
  }

  /// Multiplications, and elements made, of an evaluation: the same on every machine.
  public func work(_ inputs: [String: Tensor]) throws(ONNXError) -> Int {
    try evaluated(inputs, doubleGates).work
  }

  private func with<Value>(
    _ rules: EvaluationRules, _ body: () throws(ONNXError) -> Value
  ) throws(ONNXError) -> Value {
    try EvaluationRules.$current.withValue(rules) { Result(catching: body) }.get()
  }

  private func run<S: ReferenceScalar>(
    _ inputs: [String: Tensor], _ gates: GateCache<S>
  ) throws(ONNXError) -> [String: (tensor: Tensor, type: ElementType)] {
    var tensors: [String: (tensor: Tensor, type: ElementType)] = [:]
    for (name, result) in try evaluated(inputs, gates).outputs {
      do { tensors[name] = (try result.value.tensor(), result.value.elementType) } catch {
        throw .graphOutput(name, reason: error.description)
      }
    }
    return tensors
  }

  private func evaluated<S: ReferenceScalar>(
    _ inputs: [String: Tensor], _ gates: GateCache<S>
  ) throws(ONNXError) -> (outputs: [(String, (value: Value<S>, isUndecided: Bool))], work: Int) {
    let given = try checked(inputs, S.self)
    let sizes = given.values.reduce(0) { $0 + $1.count }
    let evaluation = Evaluation(
      limits: limits, gates: gates, weights: weights, given: sizes, mostTurns: mostTurns ?? .max)
    let results = try evaluation.evaluated(
      program, given.mapValues { .tensor(.value($0)) }, outer: nil)
    var outputs: [(String, (value: Value<S>, isUndecided: Bool))] = []
    for (name, result) in zip(program.outputs, results) {
      guard case .tensor(let operand) = result.entry else {
        throw .graphOutput(name, reason: "it is a sequence; only tensors leave a graph")
      }
      outputs.append((name, (operand.value, result.isUndecided)))
    }
    return (outputs, evaluation.workSpent)
  }

  /// Holds the inputs against what the graph states of them, sizes of one name against each other.
  private func checked<S: ReferenceScalar>(
    _ inputs: [String: Tensor], _: S.Type
  ) throws(ONNXError) -> [String: Value<S>] {
    let known = Set(program.inputs.map(\.name))
    if let stranger = inputs.keys.sorted().first(where: { !known.contains($0) }) {
      let names = program.inputs.map(\.name).joined(separator: ", ")
      throw .wrongValue(input: stranger, reason: "the graph has no such input, only \(names)")
    }
    var symbols: [String: (size: Int, input: String)] = [:]
    var values: [String: Value<S>] = [:]
    for info in program.inputs {
      guard let tensor = inputs[info.name] ?? program.initializers[info.name] else {
        guard program.reads(info.name) else { continue }
        throw .missingValue(input: info.name)
      }
      let type = try checkedType(tensor, info)
      try check(tensor.shape, info, &symbols)
      guard inputs[info.name] != nil else { continue }
      switch Value<S>(tensor) {
      // The type that the graph states is the one that it means.
      case .float(let array, _)?: values[info.name] = .float(array, type)
      case let value?: values[info.name] = value
      case nil:
        throw .wrongValue(input: info.name, reason: "a number of it does not fit a 64-bit signed integer")
      }
    }
    return values
  }

  private func checkedType(_ tensor: Tensor, _ info: ONNXValueInfo) throws(ONNXError) -> ElementType {
    guard tensor.quantization == nil else {
      throw .wrongValue(input: info.name, reason: "quantised tensors must be made real first")
    }
    guard let declared = info.elementType else { return tensor.elementType }
    guard declared == tensor.elementType || declared.isFloat && tensor.elementType.isFloat else {
      throw .wrongValue(
        input: info.name, reason: "the graph takes \(declared.rawValue), not \(tensor.elementType.rawValue)")
    }
    return declared
  }

  private func check(
    _ shape: [Int], _ info: ONNXValueInfo, _ symbols: inout [String: (size: Int, input: String)]
  ) throws(ONNXError) {
    guard let count = checkedProduct(shape.map { max($0, 1) }), count <= limits.elements else {
      throw .wrongValue(
        input: info.name, reason: "shape \(shape) is over the limit of \(limits.elements) elements")
    }
    guard let declared = info.shape else { return }
    guard declared.count == shape.count else {
      throw .wrongValue(
        input: info.name,
        reason: "shape \(shape) has rank \(shape.count), the graph takes rank \(declared.count)")
    }
    for (axis, (size, dimension)) in zip(shape, declared).enumerated() {
      switch dimension {
      case .fixed(let expected):
        guard size == expected || mostTurns != nil else {
          throw .wrongValue(
            input: info.name,
            reason: "axis \(axis) of shape \(shape) has size \(size), the graph takes \(expected)")
        }
      case .symbol(let symbol):
        guard let first = symbols[symbol] else {
          symbols[symbol] = (size, info.name)
          continue
        }
        guard first.size == size else {
          throw .wrongValue(
            input: info.name,
            reason: "'\(symbol)' is \(size) on axis \(axis), but \(first.size) in input '\(first.input)'")
        }
      case .unknown: break
      }
    }
  }
}

extension ONNXGraph {
  /// Elements of all constants, those of graphs inside included.
  fileprivate var constantElements: Int {
    let own = initializers.reduce(0) { $0 + $1.tensor.count }
    return nodes.reduce(own) { sum, node in
      node.attributes.values.reduce(sum) { sum, attribute in
        switch attribute {
        case .tensor(let tensor): sum + tensor.count
        case .graph(let graph): sum + graph.constantElements
        default: sum
        }
      }
    }
  }
}
