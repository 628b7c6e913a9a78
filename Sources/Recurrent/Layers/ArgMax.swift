/// The index of the largest feature (the first of equals): features to one token id.
struct ArgMax: StepwiseLayer, BareLayer {
  var name: LayerName { .argMax }
  var operation: Layer.Operation { .argMax }

  func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    [try inputs.features().hasTime ? .tokens : .indices]
  }
}
