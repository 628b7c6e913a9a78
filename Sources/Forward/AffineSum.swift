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
    coefficients.add(1, right.coefficients)
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
    precondition(
      row >= 0 && start >= 0 && (row + 1) * count <= weights.values.count && start + count <= x.count)
    var sum = AffineSum()
    sum.plain.terms = count
    var scales: [Double] = []
    var rows: [Coefficients] = []
    for k in 0..<count {
      let (w, x) = (weights.values[row * count + k], x[start + k])
      let product = w * x.center.value
      let error = weights.errors?[row * count + k] ?? 0
      sum.plain.value += product
      sum.plain.magnitude += abs(product)
      sum.plain.propagated += abs(w) * x.center.error + error * x.center.magnitude
      sum.rest += abs(w) * x.rest + error * x.center.magnitude
      guard !x.coefficients.isEmpty else { continue }
      sum.spread += abs(w) * x.spread
      scales.append(w)
      rows.append(x.coefficients)
    }
    sum.coefficients.add(scales, rows)
    return sum
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
