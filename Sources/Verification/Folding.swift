internal import Forward
internal import Recurrent
internal import Tensors

/// What an optimiser may have rounded, where one of two graphs may be what it made of the other: the weights of one that the other
/// does not hold, and nothing else.
///
/// A batch normalisation that is folded into a convolution, a scale into a matrix or √2 into an operator leaves weights that were
/// rounded to Float32 some times. Whatever else lies between the graphs is no rounding: both are evaluated in Float64.
struct Folding: Sendable {
  /// Of the side whose weights are gone, or the new ones where none are.
  let evaluator: EvaluatorRounding
  let isLeft: Bool
  /// The weights that stand on that side alone.
  let weights: Set<WeightMark>

  /// Nil where no weights differ, the graphs have the same operators, or parameters tell.
  init?(_ left: Subject, _ right: Subject) {
    guard left.model == nil || right.model == nil, let mine = left.rounding, let theirs = right.rounding,
      mine.operators != theirs.operators
    else { return nil }
    let (a, b) = (Set(mine.weights().map(WeightMark.init)), Set(theirs.weights().map(WeightMark.init)))
    // The left side is the trusted one: what is allowed comes from it, wherever it can.
    let gone = a.subtracting(b)
    (evaluator, isLeft, weights) = gone.isEmpty ? (theirs, false, b.subtracting(a)) : (mine, true, gone)
    guard !weights.isEmpty else { return nil }
  }

  /// How far roundings of these weights usually move each output.
  ///
  /// - Parameters:
  ///   - inputs: of the side that this is of.
  ///   - reference: its Float64 evaluation of them.
  func noise(
    _ inputs: [String: Tensor], around reference: [String: Tensor], seed: UInt64
  ) throws -> [String: Noise] {
    let runs = (0..<(try evaluator.passes(inputs))).map { pass in
      var errors = SplitMix(state: seed &+ UInt64(pass) &* 0x9E37_79B9_7F4A_7C15)
      return try? evaluator.changed(inputs) { tensor in
        weights.contains(WeightMark(tensor)) ? tensor.roundedSomeTimes(&errors) : tensor
      }
    }
    return noises(roundingNoise(around: reference, runs, isDouble: false), [:], .float32)
  }
}

/// A tensor by the numbers that it holds, in whatever order and shape: it is found again where somebody transposed it.
struct WeightMark: Hashable, Sendable {
  private let count: Int
  private let sum: UInt64

  init(_ tensor: Tensor) {
    count = tensor.count
    // The finish of SplitMix64 (Steele, Lea and Flood 2014): a sum of what it makes of each number says which numbers there are.
    sum = tensor.doubles.reduce(0) { sum, value in
      var z = value.bitPattern &+ 0x9E37_79B9_7F4A_7C15
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return sum &+ (z ^ (z >> 31))
    }
  }
}

extension Tensor {
  /// Each number of a matrix off by a unit roundoff of Float32 at most, and by another that it shares with all of its place on the
  /// first axis, or on the second: a fold rounds the factor of a channel, too, which all of its weights then have. Of a vector each number
  /// is moved to a neighbour: an output may hang on one of them, and most of what is drawn must move it.
  fileprivate func roundedSomeTimes(_ errors: inout SplitMix) -> Tensor {
    guard elementType == .float32, quantization == nil else { return self }
    let values = floats
    // A whole number that stands alone is an exponent, a count or a half of a formula, and stays.
    if values.count == 1, values[0].rounded() == values[0] { return self }
    func drawn(_ count: Int) -> [Double] {
      (0..<count).map { _ in 0x1p-24 * Double.random(in: -1...1, using: &errors) }
    }
    guard shape.count > 1, !values.isEmpty else {
      return Tensor(
        values.map { $0 == 0 ? 0 : Bool.random(using: &errors) ? $0.nextUp : $0.nextDown }, shape: shape)
    }
    let own = drawn(values.count)
    let (first, second) = (drawn(shape[0]), drawn(shape[1]))
    let size = values.count / shape[0] / shape[1]
    return Tensor(
      values.indices.map { index in
        let place = index / size
        let error = own[index] + first[place / shape[1]] + second[place % shape[1]]
        return Float(Double(values[index]) * (1 + error))
      }, shape: shape)
  }
}
