/// The coefficients of a number's error in the symbols ε₀, ε₁, …; those behind the end are 0.
struct Coefficients: Sendable {
  private(set) var elements: [Double] = []

  var count: Int { elements.count }
  var isEmpty: Bool { elements.isEmpty }

  /// Σ|c_k|, never too small.
  var sum: Double {
    // n additions lose at most a share γ_n.
    elements.reduce(0) { $0 + abs($1) } * (1 + Double(count) * 0x1p-52)
  }

  /// self += scale · other
  mutating func add(_ scale: Double, _ other: Coefficients) {
    if scale == 0 { return }
    pad(to: other.count)
    let count = other.count
    elements.withUnsafeMutableBufferPointer { sum in
      other.elements.withUnsafeBufferPointer { x in
        // `sum` has been padded to `count`, which is all of `x`.
        for k in 0..<count { sum[k] += scale * x[k] }
      }
    }
  }

  /// self += Σ scales[j] · others[j], four rows at a time so that the sum is read and written less.
  mutating func add(_ scales: [Double], _ others: [Coefficients]) {
    let count = others.first?.count ?? 0
    guard others.allSatisfy({ $0.count == count }) else {
      for (scale, other) in zip(scales, others) { add(scale, other) }
      return
    }
    pad(to: count)
    var j = 0
    while j + 4 <= others.count {
      let (p, q, r, s) = (scales[j], scales[j + 1], scales[j + 2], scales[j + 3])
      elements.withUnsafeMutableBufferPointer { sum in
        others[j].elements.withUnsafeBufferPointer { a in
          others[j + 1].elements.withUnsafeBufferPointer { b in
            others[j + 2].elements.withUnsafeBufferPointer { c in
              others[j + 3].elements.withUnsafeBufferPointer { d in
                // All five have `count` elements: checked and padded above.
                for k in 0..<count { sum[k] += (p * a[k] + q * b[k]) + (r * c[k] + s * d[k]) }
              }
            }
          }
        }
      }
      j += 4
    }
    while j < others.count {
      add(scales[j], others[j])
      j += 1
    }
  }

  /// The coefficient of symbol k, which is a new one.
  mutating func set(_ k: Int, _ coefficient: Double) {
    pad(to: k + 1)
    elements[k] = coefficient
  }

  /// Only the symbols given, renumbered; returns Σ|c_k| of the others, never too small.
  mutating func keep(_ symbols: [Int]) -> Double {
    let kept = Coefficients(elements: symbols.map { $0 < count ? elements[$0] : 0 })
    for symbol in symbols where symbol < count { elements[symbol] = 0 }
    let dropped = sum
    self = kept
    return dropped
  }

  mutating func pad(to count: Int) {
    if self.count < count { elements.append(contentsOf: repeatElement(0, count: count - self.count)) }
  }
}
