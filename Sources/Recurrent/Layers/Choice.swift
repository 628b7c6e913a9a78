public import Tensors

/// a where a condition holds, else b: ONNX' Where, with the condition as numbers, of which those that are not 0 hold.
///
/// Inputs: the condition, then a and b, but for one that is a constant. A vector beside a sequence is the same at each step.
public struct Choice: Sendable, Equatable {
  /// a, `[F]` or `[1]`; nil where it is an input.
  public var first: Tensor?
  /// b, `[F]` or `[1]`; nil where it is an input.
  public var second: Tensor?

  /// By default both are inputs.
  public init(first: Tensor? = nil, second: Tensor? = nil) { (self.first, self.second) = (first, second) }
}

extension Choice: StepwiseLayer {
  package var name: LayerName { .choice }
  package var operation: Layer.Operation { .choice(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.tensor("first", first)
    try fields.tensor("second", second)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self.init(first: try fields.optionalTensor("first"), second: try fields.optionalTensor("second"))
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) {
    first = first.map(transform)
    second = second.map(transform)
  }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let wanted = 1 + (first == nil ? 1 : 0) + (second == nil ? 1 : 0)
    guard inputs.count == wanted, let condition = inputs[0], !condition.isInteger else {
      throw inputs.wrongCount("float inputs", expected: "\(wanted)")
    }
    var result = condition
    for index in 1..<max(wanted, 1) {
      guard let input = inputs[index], !input.isInteger, input.features == condition.features else {
        throw inputs.wrongInput(index, expected: "\(condition.features) features")
      }
      if input.hasTime { result = input }
    }
    for (name, tensor) in [("first", first), ("second", second)] {
      guard let tensor else { continue }
      guard tensor.shape == [1] || tensor.shape == [condition.features] else {
        throw inputs.wrongShape(name, expected: [condition.features], found: tensor)
      }
      try inputs.requireFloat(tensor, name)
    }
    return [result]
  }
}
