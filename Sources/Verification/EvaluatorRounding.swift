package import Forward
internal import Recurrent
package import Tensors

/// What a file's own evaluator knows of how far evaluations may be off: of a file that has no canonical model to derive it from.
package struct EvaluatorRounding: Sendable {
  /// Float64 outputs with bounds on evaluations in this arithmetic.
  let bounds: @Sendable ([String: Tensor], RoundingModel) throws -> [String: BoundedTensor]
  /// An evaluation with errors of the usual size of Float32, drawn from a seed.
  let noisyPass: @Sendable ([String: Tensor], RoundingModel, _ seed: UInt64) throws -> [String: Tensor]
  /// Multiplications of an evaluation.
  let work: @Sendable ([String: Tensor]) throws -> Int
  /// A Float64 evaluation with the weights changed.
  let changed: @Sendable ([String: Tensor], (Tensor) -> Tensor) throws -> [String: Tensor]
  /// The graph's float constants.
  let weights: @Sendable () -> [Tensor]
  /// The operators of the graph, in its order.
  let operators: [String]

  package init(
    operators: [String],
    bounds: @escaping @Sendable ([String: Tensor], RoundingModel) throws -> [String: BoundedTensor],
    noisyPass:
      @escaping @Sendable ([String: Tensor], RoundingModel, _ seed: UInt64) throws -> [String: Tensor],
    work: @escaping @Sendable ([String: Tensor]) throws -> Int,
    changed: @escaping @Sendable ([String: Tensor], (Tensor) -> Tensor) throws -> [String: Tensor],
    weights: @escaping @Sendable () -> [Tensor]
  ) {
    (self.bounds, self.noisyPass, self.work) = (bounds, noisyPass, work)
    (self.changed, self.weights) = (changed, weights)
    self.operators = operators
  }

  /// Rounding noise of each output.
  func noise(
    _ inputs: [String: Tensor], around reference: [String: Tensor], _ rounding: RoundingModel, seed: UInt64,
    isBrief: Bool
  ) throws -> [String: Noise] {
    let passes = isBrief ? 3 : try passes(inputs)
    // Functions as Float32 has them; errors of Float64 are the same in another unit.
    let model = rounding.format == .float64 ? RoundingModel.float32 : rounding
    let runs = (0..<passes).map { pass in
      // Bit 1 chooses the kind of errors. A pass that takes another way may fail there.
      try? noisyPass(
        inputs, model, (seed &+ UInt64(pass)) &* 0x9E37_79B9_7F4A_7C15 & ~3 | UInt64(pass & 1) << 1)
    }
    return noises(
      roundingNoise(around: reference, runs, isDouble: rounding.format == .float64), [:], rounding)
  }
}

extension EvaluatorRounding {
  /// Some seconds at most: the more passes, the steadier.
  func passes(_ inputs: [String: Tensor]) throws -> Int {
    let work = try work(inputs)
    return work < 10_000_000 ? 16 : work < 1_000_000_000 ? 10 : 6
  }
}

/// Noise as it is judged by: steadied (`Features`), since passes differ, and the least of a few may be less than usual.
///
/// - Parameter ports: none of a file without a canonical model.
func noises(
  _ tensors: [String: NoiseTensor], _ ports: [String: Model.Port], _ rounding: RoundingModel
) -> [String: Noise] {
  var result: [String: Noise] = [:]
  var isErratic = false
  for (name, noise) in tensors {
    if noise.isInteger {
      isErratic = isErratic || noise.deviations.contains(.infinity)
      result[name] = Noise(usual: noise.deviations)
      continue
    }
    let features = Features(noise.values, noise.shape, ports[name])
    result[name] = Noise(usual: features.steadied(noise.deviations, noise.values, rounding))
    isErratic =
      isErratic
      || noise.largest.indices.contains {
        noise.largest[$0]
          > max(Sharpness.noisy * max(features.scales[$0], features.usualScale), rounding.floor)
      }
  }
  for name in result.keys { result[name]!.isErratic = isErratic }
  return result
}
