public import Tensors

/// Pointwise on two inputs, or on one input and a constant.
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
  }

  /// What is done with each pair of elements.
  public var `operator`: Operator
  /// `[F]` or `[1]`; nil where there are two inputs.
  public var constant: Tensor?
  /// Whether the constant is the first operand.
  public var constantFirst: Bool

  /// On an input and a constant, or on two inputs where `constant` is nil.
  public init(_ operator: Operator, constant: Tensor? = nil, constantFirst: Bool = false) {
    self.operator = `operator`
    self.constant = constant
    self.constantFirst = constantFirst
  }
}

extension Arithmetic: StepwiseLayer {
  package var name: LayerName { .arithmetic }
  package var operation: Layer.Operation { .arithmetic(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.text("arithmetic", `operator`.rawValue)
    try fields.tensor("constant", constant)
    try fields.flag("constantFirst", constantFirst)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(
      try fields.name("arithmetic", "arithmetic"), constant: try fields.optionalTensor("constant"),
      constantFirst: try fields.flag("constantFirst"))
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) { constant = constant.map(transform) }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    if let constant {
      let input = try inputs.features()
      guard constant.shape == [input.features] || constant.shape == [1] else {
        throw inputs.wrongShape("constant", expected: [input.features], found: constant)
      }
      try inputs.requireFloat(constant, "constant")
      return [input]
    }
    guard inputs.count == 2, let left = inputs[0], let right = inputs[1], !left.isInteger else {
      throw inputs.wrongCount("float inputs", expected: "2")
    }
    guard left == right else { throw inputs.wrongInput(1, expected: "\(left)") }
    return [left]
  }
}
