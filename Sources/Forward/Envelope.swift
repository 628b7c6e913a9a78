public import Recurrent
internal import Synchronization
public import Tensors

/// Perturbed passes of an envelope: one rounding all upwards, one all downwards, the others by chance.
public let envelopePasses = 24
/// By how much the envelope exceeds what the passes reached.
public let envelopeMargin = 4.0

/// How far evaluations stray in practice, where the worst case says nothing: evidence, not proof.
///
/// Runs perturbed passes (Monte Carlo arithmetic, Parker 1997) of each kind of noise and takes, for every output
/// element, `margin` times the largest distance that any of them reached from the Float64 pass. What is outside has
/// not been shown wrong. docs/error-bounds.md says how often a correct evaluation is outside.
/// - Parameters:
///   - rounding: the arithmetic whose evaluations are sampled; its format decides u.
///   - seed: the same seed gives the same envelope.
/// - Returns: for each output port, values and distances in its axes' arrangement; ∞ where some pass was no number,
///   or an integer another one.
public func stochasticEnvelope(
  _ model: Model, inputs: [String: Tensor], rounding: RoundingModel, seed: UInt64
) throws(ForwardError) -> [String: BoundedTensor] {
  let reference = try forward(model, inputs: inputs, precision: .float64)
  let distances = try strayed(from: reference, model, inputs, rounding, seed: seed)
  var result: [String: BoundedTensor] = [:]
  for port in model.outputs {
    guard let tensor = reference[port.name], let distances = distances[port.name] else { continue }
    let isInteger = !tensor.elementType.isFloat
    result[port.name] = BoundedTensor(
      shape: tensor.shape, values: tensor.doubles,
      errors: distances.map { isInteger ? ($0 == 0 ? 0 : .infinity) : envelopeMargin * $0 },
      isInteger: isInteger)
  }
  return result
}

/// For each output how far its elements are at most from the reference in any of the passes.
private func strayed(
  from reference: [String: Tensor], _ model: Model, _ inputs: [String: Tensor], _ rounding: RoundingModel,
  seed: UInt64
) throws(ForwardError) -> [String: [Double]] {
  let outcome = Mutex(
    Result<[String: [Double]], ForwardError>.success(
      reference.mapValues { [Double](repeating: 0, count: $0.count) }))
  withThreads(min(Execution.current.threads, envelopePasses)) { threads in
    concurrently(threads) { member in
      // Which thread takes a pass changes nothing: each has its own seed, and the greatest distance counts.
      for pass in stride(from: member, to: envelopePasses, by: threads) {
        let noise: Noise = pass == 0 ? .up : pass == 1 ? .down : pass.isMultiple(of: 2) ? .uniform : .extreme
        let found = Result { () throws(ForwardError) in
          try perturbedForward(
            model, inputs: inputs, rounding: rounding, noise: noise, seed: seed &+ UInt64(pass))
        }.map { distances(of: $0, from: reference) }
        outcome.withLock { outcome in
          outcome = outcome.flatMap { known in
            found.map { known.merging($0) { zip($0, $1).map { max($0, $1) } } }
          }
        }
      }
    }
  }
  return try outcome.withLock { $0 }.get()
}

/// For each output how far the elements of one pass are from the reference.
private func distances(
  of outputs: [String: Tensor], from reference: [String: Tensor]
) -> [String: [Double]] {
  var result: [String: [Double]] = [:]
  for (name, output) in outputs {
    let expected = reference[name]!
    // Else it stopped elsewhere: a token was another one, and nothing is known.
    result[name] =
      output.shape == expected.shape
      ? zip(output.doubles, expected.doubles).map { found, value in
        let distance = abs(found - value)
        return distance.isNaN ? .infinity : distance
      } : [Double](repeating: .infinity, count: expected.count)
  }
  return result
}

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
