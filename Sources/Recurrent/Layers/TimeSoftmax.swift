/// `e^{x_t} / Σ e^{x_s}` over the steps of each feature: weights of attention.
struct TimeSoftmax: BareLayer {
  var name: LayerName { .timeSoftmax }
  var operation: Layer.Operation { .timeSoftmax }

  func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    let input = try inputs.features()
    guard input.hasTime else { throw inputs.wrongInput(0, expected: "a sequence") }
    return [input]
  }

  func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    "it needs the whole sequence"
  }
}
