internal import Forward
internal import Recurrent
internal import Tensors

/// How far a model's outputs may lie from what is known of them and still count as the same.
struct Allowance: Sendable {
  /// Twice each: the other side claims to compute the same, so it may be off as far.
  private let bounds: [String: BoundedTensor]

  /// - Parameter rounding: the arithmetic that the outputs come from.
  /// - Throws: what the model's pass throws.
  init(_ model: Model, _ inputs: [String: Tensor], _ rounding: RoundingModel) throws(ForwardError) {
    bounds = try boundedForward(model, inputs: inputs, rounding: rounding)
  }

  /// Whether an element counts as explained: the one place that says so.
  func explains(found: Double, expected: Double, output: String, index: Int) -> Bool {
    isSame(found, expected) || abs(found - expected) <= allowed(output, index)
  }

  /// ∞ where nothing is known of an output.
  func allowed(_ output: String, _ index: Int) -> Double {
    guard let bound = bounds[output], index < bound.errors.count else { return .infinity }
    return 2 * bound.errors[index]
  }
}

/// Equal, or alike in being no number.
func isSame(_ left: Double, _ right: Double) -> Bool { left == right || left.isNaN && right.isNaN }
