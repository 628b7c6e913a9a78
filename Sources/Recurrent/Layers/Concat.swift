/// Features of all inputs, one after another.
struct Concat: StepwiseLayer, BareLayer {
  var name: LayerName { .concat }
  var operation: Layer.Operation { .concat }

  func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    guard let first = inputs.kinds.first, let first, !first.isInteger else {
      throw inputs.wrongCount("float inputs", expected: "at least 1")
    }
    var sum = 0
    for (index, input) in inputs.kinds.enumerated() {
      guard let input, !input.isInteger, input.hasTime == first.hasTime else {
        throw inputs.wrongInput(index, expected: first.hasTime ? "a sequence" : "a vector")
      }
      let (total, overflow) = sum.addingReportingOverflow(input.features)
      guard !overflow, total <= ValueKind.mostFeatures else {
        throw inputs.invalid("too many features to join")
      }
      sum = total
    }
    return [first.with(features: sum)]
  }
}
