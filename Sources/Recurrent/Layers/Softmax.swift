/// `e^{x_k} / Σ e^{x_j}` over the features.
struct Softmax: StepwiseLayer, BareLayer {
  var name: LayerName { .softmax }
  var operation: Layer.Operation { .softmax }

  func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] { [try inputs.features()] }
}

/// The logarithm of the softmax over the features.
struct LogSoftmax: StepwiseLayer, BareLayer {
  var name: LayerName { .logSoftmax }
  var operation: Layer.Operation { .logSoftmax }

  func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] { [try inputs.features()] }
}
