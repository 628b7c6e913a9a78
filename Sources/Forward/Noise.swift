public import Recurrent
public import Tensors

/// How large an output's rounding noise is: the values of a Float64 pass, and how far an evaluation is usually off.
public struct NoiseTensor: Sendable, Equatable {
  public let shape: [Int]
  /// Row-major; of a Float64 pass.
  public let values: [Double]
  /// Root mean squares of what seeded passes were off by; ∞ where one was no number, or another integer.
  public let deviations: [Double]
  public let isInteger: Bool
}

/// Estimates the rounding noise of a Float32 runtime, element by element.
///
/// Passes that each draw errors of the usual size from a seed (`Noisy`); where `rounding.format` is Float64, the same in its
/// unit. It is an estimate and no bound: docs/error-bounds.md says how far real runtimes were off, in multiples of it.
/// - Parameters:
///   - inputs: by port name, each in its port's arrangement.
///   - rounding: how accurate the runtime's functions are.
///   - passes: at least 1; the more, the steadier the estimate.
public func roundingNoise(
  _ model: Model, inputs: [String: Tensor], rounding: RoundingModel, seed: UInt64, passes: Int
) throws(ForwardError) -> [String: NoiseTensor] {
  do { try model.validated() } catch { throw .invalidModel(error) }
  let reference = try forward(model, inputs: inputs, precision: .float64)
  let isDouble = rounding.format == .float64
  let rules = NoiseRules(model: isDouble ? .float32 : rounding, seed: NoiseSeed(0))
  let given = try PassInputs<Noisy>(model, model.inputs, inputs)
  let layers = model.layers.map { PreparedLayer<Noisy>($0, rules) }
  var squares = reference.mapValues { [Double](repeating: 0, count: $0.count) }
  for pass in 0..<passes {
    // Bits 0 and 1 choose the kind of errors; a seed is never 0, which is that of exact numbers.
    rules.seed.value = (seed &+ UInt64(pass)) &* 0x9E37_79B9_7F4A_7C15 & ~3 | UInt64(pass & 1) << 1 | 1
    let values = try run(model, given, forgetsSteps: false) { layers[$0] }
    for (name, found) in try model.arrangedOutputs(values, { Tensor($0.map(\.value), shape: $1) }) {
      let expected = reference[name]!
      guard found.shape == expected.shape else {
        // It stopped elsewhere: a token was another one.
        squares[name] = [Double](repeating: .infinity, count: expected.count)
        continue
      }
      let (a, b) = (found.doubles, expected.doubles)
      squares[name]!.withUnsafeMutableBufferPointer { squares in
        for index in a.indices {
          let distance = a[index] - b[index]
          squares[index] +=
            distance.isNaN && !(a[index].isNaN && b[index].isNaN)
            ? .infinity : distance.isNaN ? 0 : distance * distance
        }
      }
    }
  }
  var result: [String: NoiseTensor] = [:]
  for (name, tensor) in reference {
    let isInteger = !tensor.elementType.isFloat
    let scale = isDouble ? 0x1p-29 : 1
    result[name] = NoiseTensor(
      shape: tensor.shape, values: tensor.doubles,
      deviations: squares[name]!.map { square in
        isInteger ? (square == 0 ? 0 : .infinity) : scale * (square / Double(passes)).squareRoot()
      }, isInteger: isInteger)
  }
  return result
}
