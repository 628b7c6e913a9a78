/// The steps of a sequence from the last to the first. A second input holds lengths `[B]`: row b then reverses its
/// first `lengths[b]` steps and keeps the rest.
struct Reverse: BareLayer {
  var name: LayerName { .reverse }
  var operation: Layer.Operation { .reverse }

  func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    guard (1...2).contains(inputs.count), let sequence = inputs[0], sequence.hasTime else {
      throw inputs.wrongInput(0, expected: "a sequence")
    }
    if inputs.count == 2, inputs[1] != .indices { throw inputs.wrongInput(1, expected: "lengths [B]") }
    return [sequence]
  }

  func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    "it starts at the end of the sequence"
  }
}
