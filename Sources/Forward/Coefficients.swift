internal import CKernels

/// The coefficients of a number's error in the symbols ε₀, ε₁, …; those behind the end are 0.
struct Coefficients: Sendable {
  /// Below so many multiplications a thread is not worth waking.
  private static let leastWork = 1 << 20

  private(set) var elements: [Double] = []

  var count: Int { elements.count }
  var isEmpty: Bool { elements.isEmpty }

  /// Σ|c_k|, never too small.
  var sum: Double {
    // Four sums at once, since each addition waits for the one before it.
    var sums = SIMD4<Double>.zero
    elements.withUnsafeBufferPointer { elements in
      let whole = elements.count & ~3
      for k in stride(from: 0, to: whole, by: 4) {
        sums += SIMD4(abs(elements[k]), abs(elements[k + 1]), abs(elements[k + 2]), abs(elements[k + 3]))
      }
      for k in whole..<elements.count { sums[0] += abs(elements[k]) }
    }
    // n additions in any order lose at most a share γ_n.
    return sums.sum() * (1 + Double(count) * 0x1p-52)
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

  /// Σ w[unit][j] · rows[j] for some units of the weights; nothing where no row has symbols.
  static func products(
    _ weights: [Double], _ units: Range<Int>, _ rows: [Coefficients], instructions: InstructionSet = .best
  ) -> [Coefficients] {
    let count = rows.count
    let columns = rows.reduce(0) { max($0, $1.count) }
    if columns == 0 { return [] }
    // Strips of columns, each of which is read from one place for unit after unit.
    let strip = Int(CK_STRIP)
    let strips = (columns + strip - 1) / strip
    var x: [Double] = []
    x.reserveCapacity(strips * count * strip)
    for start in stride(from: 0, to: columns, by: strip) {
      for row in rows {
        let part = row.elements.dropFirst(start).prefix(strip)
        x.append(contentsOf: part)
        x.append(contentsOf: repeatElement(0, count: strip - part.count))
      }
    }
    // Safe: these are the sizes that the C function stays under.
    precondition(units.lowerBound >= 0 && units.upperBound * count <= weights.count)
    let width = strips * strip
    let sums = [Double](unsafeUninitializedCapacity: units.count * width) { sums, initialized in
      weights.withUnsafeBufferPointer { weights in
        x.withUnsafeBufferPointer { x in
          // Safe: each thread writes its own units' rows.
          nonisolated(unsafe) let sums = sums
          let worthwhile = units.count * count * width / Self.leastWork
          withThreads(min(Execution.current.threads, worthwhile)) { threads in
            concurrently(threads) { member in
              let first = units.count * member / threads
              let last = units.count * (member + 1) / threads
              instructions.kernels.linear(
                last - first, count, strips, weights.baseAddress! + (units.lowerBound + first) * count,
                x.baseAddress!, sums.baseAddress! + first * width)
            }
          }
        }
      }
      initialized = units.count * width
    }
    return (0..<units.count).map {
      Coefficients(elements: Array(sums[($0 * width)..<($0 * width + columns)]))
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
