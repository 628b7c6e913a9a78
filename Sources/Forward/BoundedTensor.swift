/// An output with its error bound: every evaluation that the rounding model covers lies within
/// `values[k] ± errors[k]`.
///
/// An infinite error means that nothing is known, not even that the evaluation gives a number: it may overflow,
/// or an integer may turn out another one.
package struct BoundedTensor: Sendable, Equatable {
  package let shape: [Int]
  /// Row-major, finite.
  package let values: [Double]
  /// Row-major, at least 0, never NaN.
  package let errors: [Double]
  /// Token ids: each is certain (error 0) or undecided (error ∞).
  package let isInteger: Bool

  package init(shape: [Int], values: [Double], errors: [Double], isInteger: Bool) {
    self.shape = shape
    self.values = values
    self.errors = errors
    self.isInteger = isInteger
  }

  /// Whether a number found at `index` is within the bound; a NaN only is where nothing is known.
  package func contains(_ number: Double, at index: Int) -> Bool {
    errors[index] == .infinity || abs(number - values[index]) <= errors[index]
  }
}
