public import Tensors

/// Pointwise on two inputs, or on one input and a constant; a vector beside a sequence is the same at each step.
public struct Arithmetic: Sendable, Equatable {
  /// What is done with operands a and b.
  public enum Operator: String, Sendable, CaseIterable, Hashable {
    /// `a + b`
    case add
    /// `a − b`
    case subtract
    /// `a · b`
    case multiply
    /// `a ÷ b`
    case divide
    /// The greater of a and b.
    case maximum
    /// The lesser of a and b.
    case minimum
    /// `a` where a ≥ 0, else `b · a`: ONNX's PRelu.
    case prelu
    /// 1 where a > b, else 0.
    case greater
    /// 1 where a ≥ b, else 0.
    case notLess
    /// 1 where a = b, else 0.
    case equal
  }

  /// What is done with each pair of elements.
  public var `operator`: Operator
  /// `[F]` or `[1]`, or `[C]` for channels of `inner` features each; nil where there are two inputs.
  public var constant: Tensor?
  /// How many features that follow one another share a number of the constant.
  public var inner: Int
  /// Whether the constant is the first operand.
  public var constantFirst: Bool

  /// On an input and a constant, or on two inputs where `constant` is nil.
  public init(
    _ operator: Operator, constant: Tensor? = nil, inner: Int = 1, constantFirst: Bool = false
  ) {
    self.operator = `operator`
    self.constant = constant
    self.inner = inner
    self.constantFirst = constantFirst
  }
}

extension Arithmetic.Operator {
  /// Whether it gives 1 where something holds, else 0.
  package var isComparison: Bool { self == .greater || self == .notLess || self == .equal }
}

extension Arithmetic: StepwiseLayer {
  package var name: LayerName { .arithmetic }
  package var operation: Layer.Operation { .arithmetic(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.text("arithmetic", `operator`.rawValue)
    try fields.tensor("constant", constant)
    if inner != 1 { try fields.integer("inner", inner) }
    try fields.flag("constantFirst", constantFirst)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(
      try fields.name("arithmetic", "arithmetic"), constant: try fields.optionalTensor("constant"),
      inner: try fields.optionalSize("inner") ?? 1,
      constantFirst: try fields.flag("constantFirst"))
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) { constant = constant.map(transform) }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    if let constant {
      let input = try inputs.features()
      guard
        constant.shape == [1] && inner == 1
          || constant.shape.count == 1 && inner >= 1 && input.features % inner == 0
            && constant.shape[0] == input.features / inner
      else {
        throw inputs.wrongShape("constant", expected: [input.features / max(inner, 1)], found: constant)
      }
      try inputs.requireFloat(constant, "constant")
      return [input]
    }
    guard inner == 1 else { throw inputs.invalid("channels of \(inner) features, without a constant") }
    guard inputs.count == 2, let left = inputs[0], let right = inputs[1], !left.isInteger else {
      throw inputs.wrongCount("float inputs", expected: "2")
    }
    guard !right.isInteger, left.features == right.features else {
      throw inputs.wrongInput(1, expected: "\(left)")
    }
    return [left.hasTime ? left : right]
  }
}
