package import Tensors

extension Activation: StepwiseLayer {
  package var name: LayerName { .activation }
  package var operation: Layer.Operation { .activation(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.activation("activation", self)
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    self = try fields.activation("activation")
  }

  package func mapTensors(_ transform: (Tensor) -> Tensor) {}

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    if let problem { throw inputs.invalid("\(kind.rawValue): \(problem)") }
    return [try inputs.features()]
  }
}
