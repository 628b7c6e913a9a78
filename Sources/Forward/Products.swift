/// The sums of products of some units of weights `[…, count]` with the rows of a step.
protocol Products<Number, Weights, Sum> {
  associatedtype Number
  associatedtype Weights
  associatedtype Sum

  /// - Parameter starts: where each row begins in x.
  init(_ weights: Weights, units: Range<Int>, _ x: [Number], starts: [Int], count: Int)

  /// Unit k, counted from the first of the weights, with row r.
  func sum(_ k: Int, _ r: Int) -> Sum
}

/// Each sum when it is asked for.
struct ProductsOnDemand<Number: Scalar>: Products {
  private let weights: Number.Weights
  private let x: [Number]
  private let starts: [Int]
  private let count: Int

  init(_ weights: Number.Weights, units: Range<Int>, _ x: [Number], starts: [Int], count: Int) {
    self.weights = weights
    self.x = x
    self.starts = starts
    self.count = count
  }

  @inline(__always)
  func sum(_ k: Int, _ r: Int) -> Number.Sum {
    Number.dot(weights, row: k, x, at: starts[r], count: count)
  }
}
