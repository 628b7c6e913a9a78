internal import ByteIO

/// What becomes of a gradient on its way back through time.
///
/// Told from a straight line through log ‖∂s_T/∂s_{T−d}‖ over the distances T/4…T: the median of the slopes between all
/// pairs of points (Sen, J. Amer. Stat. Assoc. 63, 1968), which a jump at one end does not bend. The first quarter is left
/// out since in it the product turns to its slowest direction. The threshold is a factor of ten over the whole sequence:
/// less hinders no training.
public enum GradientVerdict: Sendable, Equatable {
  /// It falls at least tenfold over the sequence, and halves every `halfLife` steps.
  case vanishes(halfLife: Double)
  /// It changes by less than a factor of ten over the sequence.
  case stable
  /// It grows at least tenfold over the sequence, and doubles every `doubling` steps.
  case explodes(doubling: Double)
  /// It is exactly zero from this distance on: nothing earlier has any influence.
  case cut(distance: Int)
  /// Fewer than 8 steps, or no finite numbers.
  case undecided

  /// - Parameter norms: log₁₀ of the norms at distance 0…T.
  init(_ norms: [Double]) {
    let steps = norms.count - 1
    if norms.contains(where: { $0.isNaN || $0 == .infinity }) {
      self = .undecided
      return
    }
    if let distance = norms.firstIndex(of: -.infinity) {
      self = .cut(distance: distance)
      return
    }
    guard steps >= 8 else {
      self = .undecided
      return
    }
    let doublings = slope(norms[(steps / 4)...].map { $0 / log10(2) })
    if abs(doublings) * Double(steps) < log2(10) {
      self = .stable
    } else {
      self = doublings < 0 ? .vanishes(halfLife: -1 / doublings) : .explodes(doubling: 1 / doublings)
    }
  }
}

/// The median slope of numbers one apart; of more than 400 some that lie evenly among them.
private func slope(_ values: [Double]) -> Double {
  let count = min(values.count, 400)
  let places = (0..<count).map { $0 * (values.count - 1) / max(count - 1, 1) }
  var slopes: [Double] = []
  for (index, left) in places.enumerated() {
    for right in places[(index + 1)...] {
      slopes.append((values[right] - values[left]) / Double(right - left))
    }
  }
  slopes.sort()
  let middle = slopes.count / 2
  return slopes.count % 2 == 1 ? slopes[middle] : (slopes[middle - 1] + slopes[middle]) / 2
}
