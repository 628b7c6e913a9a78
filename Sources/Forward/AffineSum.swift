internal import CKernels
internal import Tensors

/// A sum of products under way, with its terms' symbols.
struct AffineSum: SumOfProducts {
  var plain = BoundedSum()
  var coefficients = Coefficients()
  /// Σ|a|·rest
  var rest = 0.0
  /// Σ|a|·spread, which bounds the roundings of the coefficients.
  var spread = 0.0

  static func + (left: AffineSum, right: AffineSum) -> AffineSum {
    var coefficients = left.coefficients
    if coefficients.isEmpty {
      coefficients = right.coefficients
    } else {
      coefficients.add(1, right.coefficients)
    }
    return AffineSum(
      plain: left.plain + right.plain, coefficients: coefficients, rest: left.rest + right.rest,
      spread: left.spread + right.spread)
  }
}

extension Affine: Scalar {
  typealias Rules = RoundingModel
  typealias Sum = AffineSum
  typealias Weights = BoundedWeights

  static var zero: Affine { Affine(.zero) }
  static var one: Affine { Affine(.one) }
  static var unknown: Affine { Affine(.unknown) }
  static var emptySum: AffineSum { AffineSum() }

  static func constant(_ number: Double) -> Affine { Affine(.constant(number)) }
  static func weights(_ tensor: Tensor) -> BoundedWeights { Bounded<Format>.weights(tensor) }
  static func stored(_ tensor: Tensor, _ rules: RoundingModel) -> BoundedWeights {
    Bounded<Format>.stored(tensor, rules)
  }
  static func element(_ weights: BoundedWeights, _ index: Int) -> Affine {
    Affine(Bounded<Format>.element(weights, index))
  }
  static func elements(_ weights: BoundedWeights) -> [Affine] {
    Bounded<Format>.elements(weights).map { Affine($0) }
  }

  var detached: Affine { Affine(center) }

  static func dot(
    _ weights: BoundedWeights, row: Int, _ x: [Affine], at start: Int, count: Int
  ) -> AffineSum {
    products(weights, units: row..<(row + 1), x, starts: [start], count: count)![0]
  }

  static func products(
    _ weights: BoundedWeights, units: Range<Int>, _ x: [Affine], starts: [Int], count: Int
  ) -> [AffineSum]? {
    // The same numbers in one row: as many sums as there are rows and units share what follows.
    let centers = starts.flatMap { start in x[start..<(start + count)].map(\.center) }
    let rows = starts.indices.map { $0 * count }
    let plain = Bounded<Format>.products(weights, units: units, centers, starts: rows, count: count)!
    // Σ|a|·spread and Σ|a|·rest, and as of the plain sums Σ e_w (|x| + e_x).
    let packed = Bounded<Format>.packed(starts, count) { row, k in (0, x[row + k].spread, x[row + k].rest) }
    let shares = Bounded<Format>.products(weights.values, units, packed, rows: starts.count, count: count)
    let storage = weights.errors.map { errors in
      let packed = Bounded<Format>.packed(starts, count) { row, k in (0, x[row + k].center.magnitude, 0) }
      return Bounded<Format>.products(errors, units, packed, rows: starts.count, count: count)
    }
    var sums = plain.indices.map { index in
      AffineSum(
        plain: plain[index], rest: shares[index].propagated + (storage?[index].magnitude ?? 0),
        spread: shares[index].magnitude)
    }
    for (row, start) in starts.enumerated() {
      let coefficients = Coefficients.products(
        weights.values, units, x[start..<(start + count)].map(\.coefficients))
      for (unit, coefficients) in coefficients.enumerated() {
        sums[unit * starts.count + row].coefficients = coefficients
      }
    }
    return sums
  }

  static func + (left: AffineSum, right: Affine) -> AffineSum {
    var sum = left
    sum.plain = left.plain + right.center
    sum.coefficients.add(1, right.coefficients)
    sum.rest += right.rest
    sum.spread += right.spread
    return sum
  }

  init(_ sum: AffineSum) {
    let interval = Bounded<Format>(sum.plain)
    // n products and additions a coefficient (Higham 2002, eq. 3.5); n additions of numbers ≥ 0 in `rest`.
    let n = Double(sum.plain.terms + 4)
    let gamma = n * ownUnit / (1 - n * ownUnit)
    let rest = (sum.rest + gamma * sum.spread) * (1 + 2 * gamma) + interval.own + 0x1p-1000
    self.init(interval, sum.coefficients, rest: rest)
  }

  // No recurrence contains these: they forget.

  static func / (left: Affine, right: Affine) -> Affine { Affine(left.center / right.center) }
  static func maximum(_ left: Affine, _ right: Affine) -> Affine {
    Affine(.maximum(left.center, right.center))
  }
  static func softmax(_ x: ArraySlice<Affine>, _ rules: RoundingModel, into result: inout [Affine]) {
    var y: [Bounded<Format>] = []
    Bounded.softmax(x.map(\.center)[...], rules, into: &y)
    result.append(contentsOf: y.map { Affine($0) })
  }
  static func logSoftmax(_ x: ArraySlice<Affine>, _ rules: RoundingModel, into result: inout [Affine]) {
    var y: [Bounded<Format>] = []
    Bounded.logSoftmax(x.map(\.center)[...], rules, into: &y)
    result.append(contentsOf: y.map { Affine($0) })
  }
  static func argMax(_ x: ArraySlice<Affine>) -> (offset: Int, isDecided: Bool) {
    Bounded.argMax(x.map(\.center)[...])
  }
}
