internal import Forward
internal import Recurrent
internal import Tensors

/// How far a model's outputs may lie from what is known of them and still count as the same.
struct Allowance: Sendable {
  private let allowances: [String: [Double]]

  /// As sharp as what is to be explained: Float64's bounds, but no more than agreement in Float64 leaves; or the noise of the
  /// runtime that recorded outputs, up to what is usual.
  ///
  /// - Parameter rounding: the arithmetic that the outputs come from.
  /// - Throws: what the model's pass throws.
  init(_ model: Model, _ inputs: [String: Tensor], _ rounding: RoundingModel) throws(ForwardError) {
    if rounding.format == .float32 {
      allowances = try model.noise(inputs, rounding, seed: 1).mapValues {
        $0.usual.map { Sharpness.usual * $0 }
      }
      return
    }
    let bounds = try boundedForward(model, inputs: inputs, rounding: rounding, symbols: .none)
    var allowances: [String: [Double]] = [:]
    for (name, bound) in bounds {
      let scales = Features(bound.values, bound.shape, model.outputs.first { $0.name == name }).scales
      // Twice: the other side claims to compute the same, so it may be off as far.
      allowances[name] = zip(bound.errors, scales).map {
        bound.isInteger ? $0 : min(2 * $0, max(Sharpness.decisive * $1, 0x1p-1000))
      }
    }
    self.allowances = allowances
  }

  /// Whether an element counts as explained: the one place that says so.
  func explains(found: Double, expected: Double, output: String, index: Int) -> Bool {
    isSame(found, expected) || abs(found - expected) <= allowed(output, index)
  }

  /// ∞ where nothing is known of an output.
  func allowed(_ output: String, _ index: Int) -> Double {
    guard let all = allowances[output], index < all.count else { return .infinity }
    return all[index]
  }
}

/// Equal, or alike in being no number.
func isSame(_ left: Double, _ right: Double) -> Bool { left == right || left.isNaN && right.isNaN }
