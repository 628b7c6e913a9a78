internal import ByteIO
internal import ReferenceMath
internal import Tensors

/// One run of a program in one precision: where values live, and what has been spent.
final class Evaluation<S: ReferenceScalar> {
  typealias Operation = (Call<S>) throws(ONNXError) -> [Value<S>?]

  let limits: Limits
  let gates: GateCache<S>
  /// The operators' own functions that have been looked for.
  private var operations: [String: Operation] = [:]
  private let sequenceOperations = Evaluation.sequenceOperators
  private let controlOperations = Evaluation.controlOperators
  private var stepsLeft: Int
  private let workGranted: Int
  private var workLeft: Int
  /// Turns of a Loop, where those that it would make are not asked for.
  let mostTurns: Int
  /// Whether any value is marked as undecided; of plain numbers none is.
  private var hasUndecided = false
  /// Elements of all values that are alive and were computed here.
  private var elements = 0
  /// How many there may be: what a small file makes out of nothing must not fill the memory.
  let elementsAllowed: Int

  /// - Parameters:
  ///   - gates: those of other evaluations of the same graph.
  ///   - weights: elements of the graph's constants.
  ///   - given: elements of its inputs. Each weight meets each input a few times at most, where nothing is repeated.
  ///   - mostTurns: that a Loop makes.
  init(limits: Limits, gates: GateCache<S>, weights: Int, given: Int, mostTurns: Int) {
    self.mostTurns = mostTurns
    self.limits = limits
    self.gates = gates
    stepsLeft = limits.evaluationSteps
    func explained(_ share: Int) -> Int {
      let (sum, overflow) = weights.addingReportingOverflow(given)
      let (product, tooMany) = sum.multipliedReportingOverflow(by: max(given, 1))
      let (total, tooLarge) = product.multipliedReportingOverflow(by: share)
      return overflow || tooMany || tooLarge ? 1 << 62 : min(total, 1 << 62)
    }
    workGranted = limits.evaluationWork + explained(64)
    workLeft = workGranted
    elementsAllowed = min(limits.elements, limits.evaluationWork / 32 + explained(4))
  }

  /// The values of one graph while it runs; names it does not hold are looked up in the graph around it.
  final class Scope {
    fileprivate var values: [String: Entry<S>]
    /// Those that depend on a decision which may be another one elsewhere.
    fileprivate var undecided: Set<String> = []
    private let outer: Scope?

    init(_ values: [String: Entry<S>], outer: Scope?) {
      self.values = values
      self.outer = outer
    }

    func entry(_ name: String) -> Entry<S>? {
      var scope: Scope? = self
      while let present = scope {
        if let entry = present.values[name] { return entry }
        scope = present.outer
      }
      return nil
    }

    fileprivate func isUndecided(_ name: String) -> Bool {
      if undecided.contains(name) { return true }
      return values[name] == nil ? outer?.isUndecided(name) ?? false : false
    }
  }

  /// Counts a step that a node, or a turn of a loop, takes.
  func spendStep(_ node: String) throws(ONNXError) {
    try spend([4_096], node)
    stepsLeft -= 1
    guard stepsLeft >= 0 else {
      throw .overLimit(node: node, reason: "the evaluation takes more than \(limits.evaluationSteps) steps")
    }
  }

  /// Counts multiplications, or elements that are made.
  func spend(_ factors: [Int], _ node: String) throws(ONNXError) {
    let work = checkedProduct(factors.lazy.map { max($0, 1) }) ?? Int.max
    let (left, overflow) = workLeft.subtractingReportingOverflow(work)
    workLeft = overflow ? -1 : left
    guard workLeft >= 0 else {
      throw .overLimit(
        node: node,
        reason:
          "the evaluation takes more than \(limits.evaluationWork) multiplications that neither weights nor inputs explain "
          + "(limit evaluation-work)")
    }
  }

  /// Bounds what is alive together with what a node gathers.
  func checkLive(_ gathered: Int, _ node: String) throws(ONNXError) {
    let (sum, overflow) = elements.addingReportingOverflow(gathered)
    guard !overflow, sum <= elementsAllowed else {
      throw .overLimit(
        node: node,
        reason: "the values of the graph hold more than \(elementsAllowed) elements (limit elements)")
    }
  }

  /// Multiplications, and elements made, so far.
  var workSpent: Int { workGranted - workLeft }

  /// Runs a graph inside a node, which is undecided where an output of the graph is.
  func run(_ program: Program, _ given: [String: Value<S>], outer: Scope?) throws(ONNXError) -> [Value<S>] {
    let results = try run(program, entries: given.mapValues { .tensor(.value($0)) }, outer: outer)
    var values: [Value<S>] = []
    for (output, entry) in zip(program.outputs, results) {
      guard case .tensor(let operand) = entry else {
        throw .graphOutput(output, reason: "it is a sequence; only tensors leave a graph")
      }
      values.append(operand.value)
    }
    return values
  }

  /// The same of tensors and sequences.
  func run(
    _ program: Program, entries: [String: Entry<S>], outer: Scope?
  ) throws(ONNXError) -> [Entry<S>] {
    let wasUndecided = S.takeUndecided()
    let results = try evaluated(program, entries, outer: outer)
    if wasUndecided || results.contains(where: { $0.isUndecided }) { EvaluationRules.noteUndecided() }
    return results.map { $0.entry }
  }

  /// Runs a graph on what its inputs are (its initializers stand for those left out); returns its outputs, and whether they
  /// depend on a decision that another evaluation may make otherwise.
  func evaluated(
    _ program: Program, _ entries: [String: Entry<S>], outer: Scope?
  ) throws(ONNXError) -> [(entry: Entry<S>, isUndecided: Bool)] {
    let before = elements
    defer { elements = before }
    var values = entries
    for (name, tensor) in program.initializers where values[name] == nil {
      guard let count = checkedProduct(tensor.shape.map { max($0, 1) }), count <= limits.elements else {
        throw .tensor(name, reason: "shape \(tensor.shape) is over the limit of \(limits.elements) elements")
      }
      let place = WeightPlace(graph: ObjectIdentifier(program.identity), name: name)
      guard let operand = Operand<S>(tensor, place) else {
        throw .tensor(name, reason: "a number of it does not fit a 64-bit signed integer")
      }
      values[name] = .tensor(operand)
    }
    let scope = Scope(values, outer: outer)
    var made: Set<String> = []
    for step in program.steps {
      let found = try outputs(of: step, scope)
      let isUndecided = S.takeUndecided() || hasUndecided && step.reads.contains(where: scope.isUndecided)
      for (name, entry) in found {
        scope.values[name] = entry
        if isUndecided {
          scope.undecided.insert(name)
          hasUndecided = true
        }
        made.insert(name)
        elements += entry.count
      }
      try checkLive(0, step.label)
      for name in step.releases {
        if let entry = scope.values.removeValue(forKey: name), made.contains(name) {
          elements -= entry.count
        }
      }
    }
    var results: [(entry: Entry<S>, isUndecided: Bool)] = []
    for output in program.outputs {
      guard let entry = scope.entry(output) else {
        throw .graphOutput(output, reason: "nothing makes it")
      }
      results.append((entry, hasUndecided && scope.isUndecided(output)))
    }
    return results
  }

  private func outputs(of step: Program.Step, _ scope: Scope) throws(ONNXError) -> [(String, Entry<S>)] {
    try spendStep(step.label)
    let inputs = step.inputs.map { $0.isEmpty ? nil : scope.entry($0) }
    for (name, entry) in zip(step.inputs, inputs) where !name.isEmpty && entry == nil {
      throw .unknownValue(node: step.label, value: name)
    }
    if let function = step.function.first {
      var given: [String: Entry<S>] = [:]
      for (info, entry) in zip(function.inputs, inputs.compactMap { $0 }) { given[info.name] = entry }
      let results = try run(function, entries: given, outer: nil)
      return Array(zip(step.outputs.filter { !$0.isEmpty }, results))
    }
    let call = Call(step: step, inputs: inputs, evaluation: self, scope: scope)
    let results: [Entry<S>?]
    if let operation = sequenceOperations[step.operation] {
      results = [try operation(call)]
    } else if let operation = controlOperations[step.operation] {
      results = try operation(call)
    } else if let operation = operation(step.operation) {
      results = try operation(call).map { $0.map { .tensor(.value($0.held)) } }
    } else {
      throw .unknownOperator(node: step.label, domain: "", hint: "")
    }
    var named: [(String, Entry<S>)] = []
    for (position, name) in step.outputs.enumerated() where !name.isEmpty {
      guard position < results.count, let entry = results[position] else {
        throw .invalid(node: step.label, reason: "its output '\(name)' is not defined at inference")
      }
      named.append((name, entry))
    }
    // An element costs as much as some multiplications (it passes through closures), and a node as much as some elements.
    try spend([named.reduce(170) { $0 + $1.1.count }, 24], step.label)
    return named
  }

  /// An operator's own function. `Signature` says what each may be given.
  private func operation(_ name: String) -> Operation? {
    if let known = operations[name] { return known }
    let found = Self.groups.lazy.compactMap { $0()[name] }.first
    operations[name] = found
    return found
  }

  /// The operators' functions by name; a graph uses few of them, so that a group is made where it is looked into.
  private static var groups: [() -> [String: Operation]] {
    [
      { recurrentOperators }, { shapeOperators }, { sliceOperators }, { indexOperators },
      { constantOperators }, { castOperators }, { elementwiseOperators }, { arithmeticOperators },
      { logicOperators }, { matrixOperators }, { reductionOperators }, { normalizationOperators },
      { convolutionOperators }, { poolingOperators }, { bitOperators },
      { channelNormalizationOperators }, { resizeOperators }, { signalOperators }, { samplingOperators },
      { attentionOperators },
      { fusedOperators },
      { fusedAttentionOperators },
    ]
  }

  /// The operators that have a function; a test holds them against the signatures.
  static var operatorNames: [String] {
    (groups.flatMap { $0().keys } + sequenceOperators.keys + controlOperators.keys).sorted()
  }
}
