/// The sums of products of some units of weights `[…, count]` with the rows of a step.
struct Products<Number: Scalar> {
  private let weights: Number.Weights
  private let x: [Number]
  private let starts: [Int]
  private let count: Int
  private let firstUnit: Int
  /// `[units, rows]`, where the arithmetic computes all at once; otherwise each when it is asked for.
  private let ready: [Number.Sum]?

  /// - Parameter starts: where each row begins in x.
  init(_ weights: Number.Weights, units: Range<Int>, _ x: [Number], starts: [Int], count: Int) {
    self.weights = weights
    self.x = x
    self.starts = starts
    self.count = count
    firstUnit = units.lowerBound
    ready = Number.products(weights, units: units, x, starts: starts, count: count)
  }

  /// Unit k, counted from the first of the weights, with row r.
  @inline(__always)
  func sum(_ k: Int, _ r: Int) -> Number.Sum {
    if let ready { return ready[(k - firstUnit) * starts.count + r] }
    return Number.dot(weights, row: k, x, at: starts[r], count: count)
  }
}
