package import Recurrent
package import Tensors

/// How large an output's rounding noise is: the values of a Float64 pass, and how far an evaluation is usually off.
package struct NoiseTensor: Sendable, Equatable {
  package let shape: [Int]
  /// Row-major; of a Float64 pass.
  package let values: [Double]
  /// What seeded passes were usually off by: 1.5 times the median, a standard deviation where errors are normal. ∞ where most
  /// were no number, or one of them another integer.
  package let deviations: [Double]
  /// The most that one of them was off by. Far more than usual where a function jumps or has a kink.
  package let largest: [Double]
  package let isInteger: Bool
}

/// Estimates the rounding noise of a Float32 runtime, element by element.
///
/// Passes that each draw errors of the usual size from a seed (`Noisy`); where `rounding.format` is Float64, the same in its
/// unit, of two such evaluations. It is an estimate and no bound: docs/error-bounds.md says how far real runtimes were off, in
/// multiples of it.
/// - Parameters:
///   - inputs: by port name, each in its port's arrangement.
///   - rounding: how accurate the runtime's functions are.
///   - passes: at least 1; the more, the steadier the estimate.
package func roundingNoise(
  _ model: Model, inputs: [String: Tensor], rounding: RoundingModel, seed: UInt64, passes: Int
) throws(ForwardError) -> [String: NoiseTensor] {
  do { try model.validated() } catch { throw .invalidModel(error) }
  let reference = try forward(model, inputs: inputs, precision: .float64)
  let isDouble = rounding.format == .float64
  let rules = NoiseRules(model: isDouble ? .float32 : rounding, seed: NoiseSeed(0))
  let given = try PassInputs<Noisy>(model, model.inputs, inputs)
  let layers = model.layers.map { PreparedLayer<Noisy>($0, rules) }
  var runs: [[String: Tensor]] = []
  for pass in 0..<passes {
    // Bits 0 and 1 choose the kind of errors; a seed is never 0, which is that of exact numbers.
    rules.seed.value = (seed &+ UInt64(pass)) &* 0x9E37_79B9_7F4A_7C15 & ~3 | UInt64(pass & 1) << 1 | 1
    let values = try run(model, given, forgetsSteps: false) { layers[$0] }
    runs.append(try model.arrangedOutputs(values) { Tensor($0.map(\.value), shape: $1) })
  }
  return roundingNoise(around: reference, runs, isDouble: isDouble)
}

/// The same of passes that were made already, in Float32's unit.
///
/// - Parameters:
///   - reference: a Float64 pass.
///   - runs: of which there are some; nil for one that failed, since a number was another one.
///   - isDouble: whether Float64's noise is asked for.
package func roundingNoise(
  around reference: [String: Tensor], _ runs: [[String: Tensor]?], isDouble: Bool
) -> [String: NoiseTensor] {
  // A Float64 evaluation is compared with one that is no more exact: both round.
  let scale = isDouble ? 0x1p-29 * 2.0.squareRoot() : 1
  var result: [String: NoiseTensor] = [:]
  for (name, tensor) in reference {
    let all = runs.map { run in
      run?[name]?.distances(from: tensor) ?? [Double](repeating: .infinity, count: tensor.count)
    }
    let isInteger = !tensor.elementType.isFloat
    var deviations = [Double](repeating: 0, count: tensor.count)
    var largest = deviations
    var sorted = [Double](repeating: 0, count: all.count)
    for index in deviations.indices {
      for pass in all.indices { sorted[pass] = all[pass][index] }
      sorted.sort()
      largest[index] = scale * sorted.last!
      deviations[index] =
        isInteger ? (sorted.last! == 0 ? 0 : .infinity) : 1.5 * scale * sorted[sorted.count / 2]
    }
    result[name] = NoiseTensor(
      shape: tensor.shape, values: tensor.doubles, deviations: deviations, largest: largest,
      isInteger: isInteger)
  }
  return result
}

extension Tensor {
  /// How far each element is from the reference's; ∞ where a pass stopped elsewhere, since a token was another one.
  fileprivate func distances(from reference: Tensor) -> [Double] {
    guard shape == reference.shape else { return [Double](repeating: .infinity, count: reference.count) }
    return zip(doubles, reference.doubles).map { found, expected in
      let distance = abs(found - expected)
      return distance.isNaN ? (found.isNaN && expected.isNaN ? 0 : .infinity) : distance
    }
  }
}
