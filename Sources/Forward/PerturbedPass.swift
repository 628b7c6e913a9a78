internal import Recurrent
internal import Tensors

// What bounds are held against: passes whose every operation is off by as much as the rounding model allows.

/// One perturbed pass: a tensor for each output port, in its axes' arrangement.
func perturbedForward(
  _ model: Model, inputs: [String: Tensor], rounding: RoundingModel, noise: Noise, seed: UInt64
) throws(ForwardError) -> [String: Tensor] {
  // withValue does not hand on typed errors.
  let result = NoiseSource.$current.withValue(NoiseSource(noise, seed: seed)) {
    Result { () throws(ForwardError) in
      switch rounding.format {
      case .float32: try perturbed(model, inputs, rounding, as: Stochastic<Float>.self)
      case .float64: try perturbed(model, inputs, rounding, as: Stochastic<Double>.self)
      }
    }
  }
  return try result.get()
}

private func perturbed<Format: BoundedFormat>(
  _ model: Model, _ inputs: [String: Tensor], _ rounding: RoundingModel, as: Stochastic<Format>.Type
) throws(ForwardError) -> [String: Tensor] {
  let values = try run(model, inputs, rules: rounding, as: Stochastic<Format>.self)
  return try model.arrangedOutputs(values) { Tensor($0.map(\.value), shape: $1) }
}
