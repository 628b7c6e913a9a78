internal import CKernels
internal import Tensors

/// A sum of products under way, with what bounds every order of summing it: Σab, Σ|a||b|, what the errors of a and b add,
/// Σ(|a|e_b + |b|e_a + e_a e_b), and n.
typealias BoundedSum = bounded_sum

extension BoundedSum: SumOfProducts {
  static func + (left: BoundedSum, right: BoundedSum) -> BoundedSum {
    BoundedSum(
      value: left.value + right.value, magnitude: left.magnitude + right.magnitude,
      propagated: left.propagated + right.propagated, terms: left.terms + right.terms)
  }
}

/// Numbers of a tensor; errors only where some do not fit the format.
struct BoundedWeights: Sendable {
  var values: [Double]
  var errors: [Double]?
}

extension Bounded {
  typealias Sum = BoundedSum
  typealias Weights = BoundedWeights

  static var emptySum: BoundedSum { BoundedSum() }

  static func weights(_ tensor: Tensor) -> BoundedWeights {
    var values = tensor.doubles
    // A runtime rounds a quantised number's scale and the product.
    let isQuantised = tensor.quantization != nil
    func error(_ value: Double) -> Double {
      guard value.isFinite else { return .infinity }
      return isQuantised
        ? 3 * u * abs(value) + ownUnit * abs(value) + storageError(value) : storageError(value)
    }
    if !isQuantised, Format.holds(values) { return BoundedWeights(values: values, errors: nil) }
    let errors = values.map(error)
    for index in values.indices where !values[index].isFinite { values[index] = 0 }
    return BoundedWeights(values: values, errors: errors)
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

  static func element(_ weights: BoundedWeights, _ index: Int) -> Bounded {
    Bounded(weights.values[index], weights.errors?[index] ?? 0, own: 0)
  }

  static func elements(_ weights: BoundedWeights) -> [Bounded] {
    weights.values.indices.map { element(weights, $0) }
  }

  static func dot(
    _ weights: BoundedWeights, row: Int, _ x: [Bounded], at start: Int, count: Int
  ) -> BoundedSum {
    products(weights, units: row..<(row + 1), x, starts: [start], count: count)![0]
  }

  static func products(
    _ weights: BoundedWeights, units: Range<Int>, _ x: [Bounded], starts: [Int], count: Int
  ) -> [BoundedSum]? {
    var packed = Self.packed(starts, count) { row, k in
      let number = x[row + k]
      return (number.value, abs(number.value), number.error)
    }
    var sums = products(weights.values, units, packed, rows: starts.count, count: count)
    guard let errors = weights.errors else { return sums }
    // Σ e_w (|x| + e_x)
    for first in stride(from: 0, to: packed.count, by: max(1, 3 * count)) {
      for k in first..<(first + count) { packed[k + count] += packed[k + 2 * count] }
    }
    for (index, sum) in products(errors, units, packed, rows: starts.count, count: count).enumerated() {
      sums[index].propagated += sum.magnitude
    }
    return sums
  }

  /// For each row the first of three numbers of every element, then the second, then the third.
  static func packed(
    _ starts: [Int], _ count: Int, _ element: (_ row: Int, _ k: Int) -> (Double, Double, Double)
  ) -> [Double] {
    [Double](unsafeUninitializedCapacity: starts.count * 3 * count) { packed, initialized in
      for (row, start) in starts.enumerated() {
        let target = 3 * row * count
        for k in 0..<count {
          // Inside: `target` and three times `count` end where the next row begins.
          (packed[target + k], packed[target + count + k], packed[target + 2 * count + k]) = element(start, k)
        }
      }
      initialized = starts.count * 3 * count
    }
  }

  /// Of exact weights with rows that are `packed`.
  static func products(
    _ weights: [Double], _ units: Range<Int>, _ x: [Double], rows: Int, count: Int
  ) -> [BoundedSum] {
    // Safe: these are the sizes that the C function stays under.
    precondition(
      units.lowerBound >= 0 && units.upperBound * count <= weights.count && x.count == rows * 3 * count)
    return [BoundedSum](unsafeUninitializedCapacity: units.count * rows) { sums, initialized in
      weights.withUnsafeBufferPointer { weights in
        x.withUnsafeBufferPointer { x in
          let first = weights.baseAddress.map { $0 + units.lowerBound * count }
          bounded_products(first, x.baseAddress, sums.baseAddress, units.count, rows, count)
        }
      }
      initialized = units.count * rows
    }
  }

  static func + (left: BoundedSum, right: Bounded) -> BoundedSum {
    BoundedSum(
      value: left.value + right.value, magnitude: left.magnitude + abs(right.value),
      propagated: left.propagated + right.error, terms: left.terms + 1)
  }

  /// γ_n Σ|â||b̂| for the evaluation's roundings (Higham 2002, eq. 3.5, any order), the same in Float64 for ours,
  /// what was propagated, and n underflows.
  init(_ sum: BoundedSum) {
    // Two more than the terms: a factor 1/n, or a bias that starts from 0.
    let n = Double(sum.terms + 2)
    guard n * Self.u < 0.5 else {
      self = .unknown
      return
    }
    let gamma = n * Self.u / (1 - n * Self.u)
    let ownGamma = n * ownUnit / (1 - n * ownUnit)
    // Our own n additions of numbers ≥ 0 lose at most a share γ_n of them.
    let magnitude = sum.magnitude * (1 + 2 * ownGamma)
    let propagated = sum.propagated * (1 + 2 * ownGamma)
    let rounding = gamma * (magnitude + propagated) + ownGamma * magnitude + 4 * n * Self.tiny
    self =
      magnitude + propagated + rounding <= Self.largest
      ? Bounded(sum.value, propagated, own: rounding) : .unknown
  }
}
