internal import CKernels
internal import Recurrent
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

struct AffineProducts<Format: BoundedFormat>: Products {
  private let plain: BoundedProducts<Format>
  /// Σ|a|·spread and Σ|a|·rest, the second and the third of three.
  private let shares: TripleSums
  /// As of the plain sums Σ e_w (|x| + e_x), the second of three.
  private let storage: TripleSums?
  /// By row, then unit; nothing for a row without symbols.
  private let coefficients: [[Coefficients]]
  private let firstUnit: Int

  init(_ weights: BoundedWeights, units: Range<Int>, _ x: [Affine<Format>], starts: [Int], count: Int) {
    // The same numbers in one row: as many sums as there are rows and units share what follows.
    let centers = starts.flatMap { start in x[start..<(start + count)].map(\.center) }
    plain = BoundedProducts(
      weights, units: units, centers, starts: starts.indices.map { $0 * count }, count: count)
    let rows = TripleSums.rows(starts, count) { (0, x[$0].spread, x[$0].rest) }
    shares = TripleSums(weights.panels!, units: units, rows, rows: starts.count)
    storage = weights.errorPanels.map { errors in
      let rows = TripleSums.rows(starts, count) { (0, x[$0].center.magnitude, 0) }
      return TripleSums(errors, units: units, rows, rows: starts.count)
    }
    coefficients = starts.map { start in
      Coefficients.products(weights.values, units, x[start..<(start + count)].map(\.coefficients))
    }
    firstUnit = units.lowerBound
  }

  func sum(_ k: Int, _ r: Int) -> AffineSum {
    let row = coefficients[r]
    return AffineSum(
      plain: plain.sum(k, r), coefficients: row.isEmpty ? Coefficients() : row[k - firstUnit],
      rest: shares.third(k, r) + (storage?.second(k, r) ?? 0), spread: shares.second(k, r))
  }
}

extension Affine: Scalar {
  typealias Rules = RoundingModel
  typealias Sum = AffineSum
  typealias Sums = AffineProducts<Format>
  typealias Weights = BoundedWeights

  static var zero: Affine { Affine(.zero) }
  static var one: Affine { Affine(.one) }
  static var unknown: Affine { Affine(.unknown) }
  static var emptySum: AffineSum { AffineSum() }

  static func constant(_ number: Double) -> Affine { Affine(.constant(number)) }
  static func constant(_ number: Double, off units: Double) -> Affine {
    Affine(.constant(number, off: units))
  }
  static func weights(_ tensor: Tensor) -> BoundedWeights { Bounded<Format>.weights(tensor) }
  static func stored(_ tensor: Tensor, _ rules: RoundingModel) -> BoundedWeights {
    Bounded<Format>.stored(tensor, rules)
  }
  static func matrix(_ tensor: Tensor, _ rules: RoundingModel) -> BoundedWeights {
    // Products of coefficients need the numbers themselves.
    Bounded<Format>.packed(tensor, rules)
  }
  static func element(_ weights: BoundedWeights, _ index: Int) -> Affine {
    Affine(Bounded<Format>.element(weights, index))
  }
  static func elements(_ weights: BoundedWeights) -> [Affine] {
    Bounded<Format>.elements(weights).map { Affine($0) }
  }

  var detached: Affine { Affine(center) }

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
  static func minimum(_ left: Affine, _ right: Affine) -> Affine {
    Affine(.minimum(left.center, right.center))
  }
  static func compare(_ left: Affine, _ right: Affine, _ comparison: Arithmetic.Operator) -> Affine {
    Affine(.compare(left.center, right.center, comparison))
  }
  static func choose(_ condition: Affine, _ a: Affine, _ b: Affine) -> Affine {
    Affine(.choose(condition.center, a.center, b.center))
  }
  static func leaky(_ x: Affine, _ slope: Affine) -> Affine {
    if x.center.isPositive { return x }
    return x.center.isNegative ? slope * x : Affine(.leaky(x.center, slope.center))
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
  static func normalise(
    _ x: ArraySlice<Affine>, by divisor: Normalization.Divisor, epsilon: Double, _ rules: RoundingModel,
    into result: inout [Affine]
  ) {
    var y: [Bounded<Format>] = []
    Bounded.normalise(x.map(\.center)[...], by: divisor, epsilon: epsilon, rules, into: &y)
    result.append(contentsOf: y.map { Affine($0) })
  }
  static func argMax(_ x: ArraySlice<Affine>) -> (offset: Int, isDecided: Bool) {
    Bounded.argMax(x.map(\.center)[...])
  }
}
