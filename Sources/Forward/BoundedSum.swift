internal import CKernels
internal import Tensors

/// A sum of products under way, with what bounds every order of summing it.
struct BoundedSum: SumOfProducts, BitwiseCopyable {
  /// Σab
  var value = 0.0
  /// Σ|a||b|
  var magnitude = 0.0
  /// What the errors of a and b add: Σ(|a|e_b + |b|e_a + e_a e_b)
  var propagated = 0.0
  /// n
  var terms = 0

  static func + (left: BoundedSum, right: BoundedSum) -> BoundedSum {
    BoundedSum(
      value: left.value + right.value, magnitude: left.magnitude + right.magnitude,
      propagated: left.propagated + right.propagated, terms: left.terms + right.terms)
  }
}

/// Numbers of a tensor; errors only where some do not fit the format.
///
/// Of a large matrix that stays as it is stored there are its panels alone, and errors are found panel by panel.
struct BoundedWeights: Sendable {
  var values: [Double]
  var errors: [Double]?
  /// The same in panels, of a matrix that products are made of.
  private(set) var panels: PackedMatrix<Double>?
  private(set) var errorPanels: PackedMatrix<Double>?

  init(values: [Double], errors: [Double]?) {
    self.values = values
    self.errors = errors
  }

  /// A matrix `[N, columns]` that stays as it is stored.
  init(stored tensor: Tensor) {
    values = []
    panels = PackedMatrix(.stored(tensor), outputs: tensor.shape[0], depth: tensor.shape[1], bias: nil)
  }

  /// A matrix `[N, columns]`.
  func packed(columns: Int) -> BoundedWeights {
    func panels(_ numbers: [Double]) -> PackedMatrix<Double> {
      PackedMatrix(
        .numbers(numbers), outputs: columns == 0 ? 0 : numbers.count / columns, depth: columns, bias: nil)
    }
    var result = self
    result.panels = panels(values)
    result.errorPanels = errors.map(panels)
    return result
  }
}

/// Sums of three products at once, Σ w·x, Σ|w|·y and Σ|w|·z, of some units with rows of (x, y, z).
struct TripleSums {
  /// `[rows, 3, width]`
  private let sums: [Double]
  private let width: Int
  /// The first unit of `sums`.
  private let first: Int

  /// - Parameters:
  ///   - units: some of those in the panels.
  ///   - x: `[rows, depth, 3]`
  init(_ matrix: PackedMatrix<Double>, units: Range<Int>, _ x: [Double], rows: Int) {
    let panels = Self.panels(units)
    self.init(panels, matrix.tripleProducts(panels, x, rows: rows))
  }

  private init(_ panels: Range<Int>, _ sums: [Double]) {
    first = panels.lowerBound * PackedMatrix<Double>.width
    width = panels.count * PackedMatrix<Double>.width
    self.sums = sums
  }

  /// The panels that hold some units.
  private static func panels(_ units: Range<Int>) -> Range<Int> {
    let width = PackedMatrix<Double>.width
    let start = units.lowerBound / width
    return start..<max(start, (units.upperBound + width - 1) / width)
  }

  /// The sums with a matrix that stays as it is stored, and those of its numbers' errors with other rows, where there are
  /// any.
  static func sums<Format>(
    _ matrix: StoredMatrix<Double>, units: Range<Int>, _ x: [Double], errors y: @autoclosure () -> [Double],
    rows: Int, _: Bounded<Format>.Type
  ) -> (exact: TripleSums, errors: TripleSums?) {
    let panels = panels(units)
    var exact = [Double](repeating: 0, count: rows * 3 * panels.count * PackedMatrix<Double>.width)
    var errors: [Double]?
    var ofErrors: [Double]?
    matrix.forEachGroup(of: panels) { group, numbers in
      func add(_ numbers: UnsafePointer<Double>, _ x: [Double], to sums: inout [Double]) {
        let width = group.count * PackedMatrix<Double>.width
        let products = PackedMatrix<Double>.tripleProducts(
          numbers, panels: group.count, depth: matrix.depth, x, rows: rows)
        for row in 0..<(rows * 3) {
          let start = (row * panels.count + group.lowerBound - panels.lowerBound) * PackedMatrix<Double>.width
          sums.replaceSubrange(start..<(start + width), with: products[(row * width)..<((row + 1) * width)])
        }
      }
      let found = Bounded<Format>.errors(numbers, isQuantised: matrix.tensor.quantization != nil)
      add(numbers.baseAddress!, x, to: &exact)
      guard let found else { return }
      let y = ofErrors ?? y()
      ofErrors = y
      var sums = errors ?? [Double](repeating: 0, count: exact.count)
      add(found, y, to: &sums)
      errors = sums
    }
    return (TripleSums(panels, exact), errors.map { TripleSums(panels, $0) })
  }

  @inline(__always)
  func first(_ unit: Int, _ row: Int) -> Double { sums[row * 3 * width + unit - first] }
  @inline(__always)
  func second(_ unit: Int, _ row: Int) -> Double { sums[(row * 3 + 1) * width + unit - first] }
  @inline(__always)
  func third(_ unit: Int, _ row: Int) -> Double { sums[(row * 3 + 2) * width + unit - first] }

  /// For each row the three numbers of every element.
  static func rows(
    _ starts: [Int], _ count: Int, _ element: (Int) -> (Double, Double, Double)
  ) -> [Double] {
    [Double](unsafeUninitializedCapacity: starts.count * 3 * count) { packed, initialized in
      var target = 0
      for start in starts {
        for k in start..<(start + count) {
          // Inside: three numbers for each of `count` elements of each row.
          (packed[target], packed[target + 1], packed[target + 2]) = element(k)
          target += 3
        }
      }
      initialized = target
    }
  }
}

struct BoundedProducts<Format: BoundedFormat>: Products {
  private let exact: TripleSums
  /// Σ e_w (|x| + e_x), the second of three.
  private let storage: TripleSums?
  private let count: Int

  init(
    _ weights: BoundedWeights, units: Range<Int>, _ x: [Bounded<Format>], starts: [Int], count: Int
  ) {
    self.count = count
    let rows = TripleSums.rows(starts, count) { (x[$0].value, abs(x[$0].value), x[$0].error) }
    var magnitudes: [Double] { TripleSums.rows(starts, count) { (0, x[$0].magnitude, 0) } }
    if let stored = weights.panels!.stored {
      (exact, storage) = TripleSums.sums(
        stored, units: units, rows, errors: magnitudes, rows: starts.count, Bounded<Format>.self)
    } else {
      exact = TripleSums(weights.panels!, units: units, rows, rows: starts.count)
      storage = weights.errorPanels.map { TripleSums($0, units: units, magnitudes, rows: starts.count) }
    }
  }

  @inline(__always)
  func sum(_ k: Int, _ r: Int) -> BoundedSum {
    BoundedSum(
      value: exact.first(k, r), magnitude: exact.second(k, r),
      propagated: exact.third(k, r) + (storage?.second(k, r) ?? 0), terms: count)
  }
}

extension Bounded {
  typealias Sum = BoundedSum
  typealias Weights = BoundedWeights
  typealias Sums = BoundedProducts<Format>

  static var emptySum: BoundedSum { BoundedSum() }

  static func weights(_ tensor: Tensor) -> BoundedWeights {
    var values = tensor.doubles
    let errors = values.withUnsafeMutableBufferPointer {
      Self.errors($0, isQuantised: tensor.quantization != nil)
    }
    return BoundedWeights(values: values, errors: errors)
  }

  /// The errors of a tensor's numbers, where there are any; numbers that are not finite become 0, and nothing is known of
  /// them.
  static func errors(_ numbers: UnsafeMutableBufferPointer<Double>, isQuantised: Bool) -> [Double]? {
    // A runtime rounds a quantised number's scale and the product.
    func error(_ value: Double) -> Double {
      guard value.isFinite else { return .infinity }
      return isQuantised
        ? 3 * u * abs(value) + ownUnit * abs(value) + storageError(value) : storageError(value)
    }
    if !isQuantised, Format.holds(UnsafeBufferPointer(numbers)) { return nil }
    let errors = numbers.map(error)
    for index in numbers.indices where !numbers[index].isFinite { numbers[index] = 0 }
    return errors
  }

  /// Each weight is off by what storing it moves it, in either direction, before it is used.
  static func stored(_ tensor: Tensor, _ rules: RoundingModel) -> BoundedWeights {
    var result = weights(tensor)
    guard let storage = rules.storage, tensor.elementType.isFloat else { return result }
    let moved = zip(storage.stored(tensor).doubles, tensor.doubles).map { abs($0 - $1) }
    // What is stored may need another rounding to the format than the original did.
    result.errors = zip(moved, tensor.doubles).map { moved, value in
      moved.isFinite ? (moved + u * (abs(value) + moved)) * outwards + tiny : .infinity
    }
    for index in result.values.indices where !result.values[index].isFinite { result.values[index] = 0 }
    return result
  }

  static func matrix(_ tensor: Tensor, _ rules: RoundingModel) -> BoundedWeights {
    rules.staysStored(tensor) ? BoundedWeights(stored: tensor) : packed(tensor, rules)
  }

  /// A matrix whose every number is at hand.
  static func packed(_ tensor: Tensor, _ rules: RoundingModel) -> BoundedWeights {
    stored(tensor, rules).packed(columns: tensor.shape[1])
  }

  // Inlined: handing over the weights costs ten times what is done with them.
  @inline(__always)
  static func element(_ weights: BoundedWeights, _ index: Int) -> Bounded {
    Bounded(weights.values[index], weights.errors?[index] ?? 0, own: 0)
  }

  static func elements(_ weights: BoundedWeights) -> [Bounded] {
    weights.values.indices.map { element(weights, $0) }
  }

  static func + (left: BoundedSum, right: Bounded) -> BoundedSum {
    BoundedSum(
      value: left.value + right.value, magnitude: left.magnitude + abs(right.value),
      propagated: left.propagated + right.error, terms: left.terms + 1)
  }

  /// γ_n Σ|â||b̂| for the evaluation's roundings (Higham 2002, eq. 3.5, any order), the same in Float64 for ours,
  /// what was propagated, and n underflows. γ_n = nu / (1 − nu) ≤ nu (1 + 2nu) where nu ≤ ½.
  init(_ sum: BoundedSum) {
    // Two more than the terms: a factor 1/n, or a bias that starts from 0.
    let n = Double(sum.terms + 2)
    guard n * Self.u < 0.5 else {
      self = .unknown
      return
    }
    let gamma = n * Self.u * (1 + 2 * n * Self.u)
    let ownGamma = n * ownUnit * (1 + 2 * n * ownUnit)
    // Our own n additions of numbers ≥ 0 lose at most a share γ_n of them.
    let magnitude = sum.magnitude * (1 + 2 * ownGamma)
    let propagated = sum.propagated * (1 + 2 * ownGamma)
    let rounding = gamma * (magnitude + propagated) + ownGamma * magnitude + 4 * n * Self.tiny
    self =
      magnitude + propagated + rounding <= Self.largest
      ? Bounded(sum.value, propagated, own: rounding) : .unknown
  }
}
