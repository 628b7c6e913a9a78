/// `y_t = v` at each step t of a sequence: a vector beside its steps, as Keras' `RepeatVector` and PyTorch's `expand` make it.
///
/// Inputs: the sequence, of which only the number of steps counts, and v.
struct Repeat: StepwiseLayer, BareLayer {
  var name: LayerName { .repeat }
  var operation: Layer.Operation { .repeated }

  func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    guard inputs.kinds.count == 2, let sequence = inputs.kinds[0], let vector = inputs.kinds[1] else {
      throw inputs.wrongCount("inputs", expected: "2")
    }
    guard sequence.hasTime else { throw inputs.wrongInput(0, expected: "a sequence") }
    guard !vector.hasTime, !vector.isInteger else { throw inputs.wrongInput(1, expected: "a vector") }
    return [.sequence(features: vector.features)]
  }
}
