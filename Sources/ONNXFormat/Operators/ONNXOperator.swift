internal import Recurrent
internal import Tensors

/// What is known of an operator of ONNX, in a file of its own: how the roles of axes pass through it, what it makes of constants, of
/// sizes, of repeated constants and of the model's values, and beside that how layers are written with it.
///
/// The evaluator shares none of it.
struct ONNXOperator: Sendable {
  /// What a demand on its output asks of its inputs; the last is followed first.
  typealias Tracing = @Sendable (InputRoles, InputRoles.Demand, ONNXNode) -> [InputRoles.Demand]
  /// What it makes of constants alone; those that are left out are not among them.
  typealias Folding = @Sendable (inout ONNXImporter, ONNXNode, [Tensor]) throws(ONNXError) -> Folded
  /// What it makes of sizes; nil where its data is something else.
  typealias Sizing = @Sendable (inout ONNXImporter, ONNXNode) throws(ONNXError) -> ImportedValue?
  /// What it makes of a constant that is repeated along open axes, which are of size 1 in `base`; nil where it is like any other.
  typealias Filling =
    @Sendable (inout ONNXImporter, ONNXNode, _ base: Tensor, _ shape: [Size]) throws(ONNXError) ->
    ImportedValue?
  /// Sets its outputs, and adds the layers that make them.
  typealias Interpretation = @Sendable (inout ONNXImporter, ONNXNode) throws(ONNXError) -> Void
  /// What its inputs must look like, whatever follows.
  typealias Demanding = @Sendable (ONNXNode) -> [InputRoles.Demand]

  /// What its inputs are taken for where no demand tells.
  typealias Proposing = @Sendable (InputRoles, ONNXNode) -> [InputRoles.Demand]

  enum Folded {
    /// Left to what it makes of values that are no constants.
    case open
    /// Its output, and that output's type; nil for the type of the first input.
    case tensor(Tensor, ElementType? = nil)
    /// Its outputs are set.
    case set
  }

  let name: String
  var demands: Demanding?
  var proposals: Proposing?
  var trace: Tracing?
  /// Nil where constants alone are none of its business.
  var fold: Folding?
  var onSizes: Sizing?
  var onFilled: Filling?
  /// Nil for what has no place in the canonical model.
  var interpret: Interpretation?

  init(
    _ name: String, demands: Demanding? = nil, proposals: Proposing? = nil, trace: Tracing? = nil,
    fold: Folding? = nil,
    onSizes: Sizing? = nil,
    onFilled: Filling? = nil, interpret: Interpretation? = nil
  ) {
    self.name = name
    self.demands = demands
    self.proposals = proposals
    self.trace = trace
    self.fold = fold
    self.onSizes = onSizes
    self.onFilled = onFilled
    self.interpret = interpret
  }

  /// Every operator that the importer knows.
  private static let all: [ONNXOperator] =
    [
      argMax, attention, batchNormalization, cast, choose, concat, constant, conv, convTranspose,
      constantOfShape,
      cumSum, dropout, einsum, equal,
      expand, flatten, gather,
      gatherElements,
      gemm, gru, identity, .if, layerNormalization, logSoftmax, loop, lstm, matMul, multiHeadAttention,
      pad,
      range, reduceMax,
      reduceMean, reduceProd, reduceSum,
      reshape, resize,
      reverseSequence, rnn, scan, shape, size, slice, softmax, split, squeeze, tile, transpose, trilu,
      unsqueeze,
      upsample,
    ] + arithmetic + pointwise + pools + normalizations + composedReductions + comparisons + stepLists
    + unknownFunctions

  /// Whether an import makes something of the node, be it of constants alone.
  static func isKnown(_ node: ONNXNode) -> Bool {
    if node.domain == "com.microsoft" { return fused.contains(node.operation) }
    guard node.domain.isEmpty, let rules = named[node.operation] else { return false }
    return rules.interpret != nil || rules.fold != nil || rules.onSizes != nil
      || node.operation == constant.name
  }

  static let named = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
}

typealias Folded = ONNXOperator.Folded
