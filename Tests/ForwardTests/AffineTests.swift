import CKernels
import Glibc
import Recurrent
import TestSupport
import Testing

@testable import Forward

/// Numbers with symbols, against points of the set that they stand for.
@Suite struct AffineTests {
  private typealias Number = Affine<Float>

  @Test func `every activation is tried`() {
    #expect(Set((everyActivation + steepActivations).map(\.kind)) == Set(Activation.Kind.allCases))
  }

  /// x + Σ c_k ε_k, nothing left unexplained.
  private func number(_ value: Double, _ coefficients: [Double]) -> Number {
    let radius = coefficients.reduce(0) { $0 + abs($1) }
    return Number(Bounded(value, radius, own: 0), settled: Coefficients(elements: coefficients))
  }

  private func point(_ number: Number, _ symbols: [Double]) -> Double {
    zip(number.coefficients.elements, symbols).reduce(number.center.value) { $0 + $1.0 * $1.1 }
  }

  private func symbols(_ count: Int, _ generator: inout SeededGenerator) -> [Double] {
    let corners = Bool.random(using: &generator)
    return (0..<count).map { _ in
      corners ? (Bool.random(using: &generator) ? 1 : -1) : Double.random(in: -1...1, using: &generator)
    }
  }

  /// The greatest |f̂(x̂) − (y + Σ c_k ε_k)| over points of the symbols, and whether every f̂(x̂) is in y ± e; the points
  /// themselves are rounded, which takes some units of the last place. NaN where a number is none.
  private func deviation(
    _ y: Number, symbols count: Int, _ f: ([Double]) -> Double, _ generator: inout SeededGenerator
  ) -> (Double, isWithin: Bool) {
    var worst = 0.0
    var isWithin = true
    for _ in 0..<40 {
      let epsilon = symbols(count, &generator)
      let found = f(epsilon)
      let deviation = abs(found - point(y, epsilon))
      // max would pass over a NaN.
      worst = worst.isNaN || deviation.isNaN ? .nan : max(worst, deviation)
      isWithin = isWithin && abs(found - y.center.value) <= y.center.error + 8 * found.ulp
    }
    return (worst, isWithin)
  }

  @Test(arguments: smoothActivations + straightActivations)
  func `An activation is its line, give or take the rest`(_ activation: Activation) throws {
    var generator = SeededGenerator(seed: 51)
    var needed = 0
    for k in 0..<200 {
      let x = number(
        Double.random(in: -4...4, using: &generator),
        (0..<3).map { _ in Double.random(in: -1...1, using: &generator) * [1e-3, 0.1, 1][k % 3] })
      let y = Number.activate(activation, x, .float32)
      let f = { (epsilon: [Double]) in Double.activate(activation, self.point(x, epsilon)) }
      let (worst, isWithin) = deviation(y, symbols: 3, f, &generator)
      #expect(worst <= y.rest, "\(activation) around \(x.center)")
      #expect(isWithin, "\(activation) around \(x.center)")
      // Without what curvature adds, the rest would be the rounding alone.
      if worst > Bounded.activate(activation, x.center, .float32).own { needed += 1 }
    }
    if smoothActivations.contains(activation) {
      #expect(needed > 50, "a line without a remainder would not be caught")
    }
  }

  @Test(arguments: smoothActivations + steepActivations)
  func `A slope is that of a short chord`(_ activation: Activation) {
    for x in [-30, -4, -1.2, -0.1, 0.1, 0.7, 2.9, 20] {
      let ends = [x - 1e-5, x + 1e-5].map { Double.activate(activation, $0) }
      // Of what is negative log and roots are no numbers, whatever slope they may have.
      if ends[0].isNaN { continue }
      let slope = activation.slope(at: x)
      // 1/x and its kind are curved near 0.
      let tolerance = steepActivations.contains(activation) ? 1e-5 : 1e-8
      #expect(
        abs((ends[1] - ends[0]) / 2e-5 - slope) < tolerance * max(1, abs(slope)), "\(activation) at \(x)")
    }
  }

  @Test func `Sums, products and blends are lines, give or take the rest`() {
    var generator = SeededGenerator(seed: 52)
    var needed = 0
    for k in 0..<300 {
      let scale = [1e-4, 0.1, 1][k % 3]
      func random() -> Number {
        number(
          Double.random(in: -2...2, using: &generator),
          (0..<4).map { _ in Double.random(in: -1...1, using: &generator) * scale })
      }
      let (a, b, c) = (random(), random(), random())
      func check(_ y: Number, curved: Bool, _ f: (Double, Double, Double) -> Double) {
        let (worst, isWithin) = deviation(
          y, symbols: 4, { e in f(self.point(a, e), self.point(b, e), self.point(c, e)) }, &generator)
        #expect(worst <= y.rest && isWithin, "case \(k)")
        if curved, worst > 1e-5 { needed += 1 }
      }
      check(a + b, curved: false) { a, b, _ in a + b }
      check(a - b, curved: false) { a, b, _ in a - b }
      check(a * b, curved: true) { a, b, _ in a * b }
      check(.blend(a, b, c, .relu, .float32), curved: true) { n, h, z in (1 - z) * n + z * h }
      check(.clip(a, .constant(0.75)), curved: false) { a, _, _ in min(max(a, -0.75), 0.75) }
      let weights = BoundedWeights(values: [0.5, -1.25, 3], errors: nil).packed(columns: 3)
      check(Number(Number.dot(weights, row: 0, [a, b, c], at: 0, count: 3) + a), curved: false) {
        a, b, c in 0.5 * a - 1.25 * b + 3 * c + a
      }
    }
    #expect(needed > 200, "products without a remainder would not be caught")
  }

  @Test func `Errors cancel`() {
    let x = number(1, [0.1, -0.2])
    #expect((x - x).center.error < 1e-6)
    #expect((x - x).center.error > 0)
    let plain = x.center - x.center
    #expect(plain.error > 0.5)
  }

  @Test func `A number that overflows or is no number is unknown, whatever its symbols say`() {
    let large = number(3e38, [1])
    #expect((large + large).center.error == .infinity)
    #expect((Number.unknown - Number.unknown).center.error == .infinity)
    #expect(Number.activate(.sigmoid, .unknown, .float32).center.error == .infinity)
    // Coefficients beyond Float64's range leave the interval.
    let wide = Number(
      Bounded(0, 1, own: 0),
      settled: Coefficients(elements: [.greatestFiniteMagnitude, .greatestFiniteMagnitude]))
    let y = Number.activate(.sigmoid, wide, .float32)
    #expect(y.center.error < 1)
    #expect(y.coefficients.isEmpty)
  }

  /// The support function of the set in a direction: max Σ v_j x̂_j.
  private func support(_ states: [Number], _ direction: [Double]) -> Double {
    let count = states.map(\.coefficients.count).max()!
    var sum = 0.0
    for k in 0..<count {
      var c = 0.0
      for (v, state) in zip(direction, states) where k < state.coefficients.count {
        c += v * state.coefficients.elements[k]
      }
      sum += abs(c)
    }
    return zip(direction, states).reduce(sum) { $0 + abs($1.0) * $1.1.rest }
  }

  @Test func `Settling, and forgetting symbols, never loses a point`() {
    var generator = SeededGenerator(seed: 53)
    for count in [0, 3, 12, 40] {
      var states = (0..<4).map { _ in
        Number(
          Bounded(0, 1e9, own: 0),
          Coefficients(elements: (0..<count).map { _ in Double.random(in: -1...1, using: &generator) }),
          rest: Double.random(in: 0...1, using: &generator))
      }
      let before = states
      Number.settle(&states, symbols: 16)
      #expect(states.allSatisfy { $0.coefficients.count <= 16 && $0.rest == 0 })
      for _ in 0..<50 {
        let direction = (0..<4).map { _ in Double.random(in: -1...1, using: &generator) }
        #expect(support(states, direction) >= support(before, direction) * (1 - 0x1p-50), "\(count) symbols")
      }
    }
  }

  /// Sizes on both sides of whole vectors and of the tiles' units.
  static let sizes = [1, 2, 3, 4, 5, 8, 15, 16, 17, 23, 37]

  @Test(arguments: sizes, InstructionSet.available)
  func `Products of coefficients are the fused sums in order, to the bit`(
    columns: Int, set: InstructionSet
  ) {
    var generator = SeededGenerator(seed: 54)
    for count in [1, 2, 5, 8] {
      let weights = (0..<(7 * count)).map { _ in Double.random(in: -1...1, using: &generator) }
      for units in [0..<1, 0..<7, 2..<6, 4..<7] {
        // One row has all of the symbols, and the others some.
        let rows = (0..<count).map { row in
          let own = row == count / 2 ? columns : Int.random(in: 0...columns, using: &generator)
          return Coefficients(elements: (0..<own).map { _ in Double.random(in: -1...1, using: &generator) })
        }
        let products = Coefficients.products(weights, units, rows, instructions: set)
        #expect(products.count == units.count)
        for (unit, product) in zip(units, products) {
          let expected = (0..<columns).map { column in
            rows.indices.reduce(0.0) { sum, row in
              let x = column < rows[row].count ? rows[row].elements[column] : 0
              return sum.addingProduct(weights[unit * count + row], x)
            }
          }
          #expect(product.elements == expected, "unit \(unit) of \(units), \(count) rows")
        }
      }
    }
    #expect(Coefficients.products([1, 2], 0..<1, [Coefficients(), Coefficients()]).isEmpty)
  }

  @Test(arguments: sizes)
  func `A sum of absolute coefficients is never too small`(count: Int) {
    var generator = SeededGenerator(seed: 55)
    let elements = (0..<count).map { _ in Double.random(in: -1...1, using: &generator) }
    let sum = Coefficients(elements: elements).sum
    // Whole multiples of 2⁻⁵⁷, which add up exactly.
    let least = elements.reduce(Int64(0)) { $0 + Int64(abs($1) * 0x1p57) }
    #expect(sum * 0x1p57 >= Double(least))
    #expect(sum * 0x1p57 <= Double(least) * (1 + 0x1p-45))
  }

  @Test(arguments: [1, 3, 4, 9], [false, true])
  func `Products of rows are the sums of their elements`(count: Int, isStored: Bool) {
    var generator = SeededGenerator(seed: 56)
    func random() -> Double { Double.random(in: -1...1, using: &generator) }
    let units = 5
    let weights = BoundedWeights(
      values: (0..<(units * count)).map { _ in random() },
      errors: isStored ? (0..<(units * count)).map { _ in abs(random()) / 64 } : nil
    ).packed(columns: count)
    for rows in 1...6 {
      let x = (0..<(rows * count + 2)).map { index in
        // A third without symbols.
        Number(
          Bounded(random(), 1e3, own: 0),
          Coefficients(elements: (0..<(index % 3 * 4)).map { _ in random() }), rest: abs(random()))
      }
      // Not where the array starts, and the last one first.
      let starts = (0..<rows).map { 2 + $0 * count }.reversed() as [Int]
      let products = AffineProducts(weights, units: 1..<units, x, starts: starts, count: count)
      for (row, start) in starts.enumerated() {
        for unit in 1..<units {
          let sum = products.sum(unit, row)
          var (value, rest, spread) = (0.0, 0.0, 0.0)
          var coefficients = Coefficients()
          for k in 0..<count {
            let (w, number) = (weights.values[unit * count + k], x[start + k])
            value += w * number.center.value
            rest += abs(w) * number.rest + (weights.errors?[unit * count + k] ?? 0) * number.center.magnitude
            spread += abs(w) * number.spread
            coefficients.add(w, number.coefficients)
          }
          #expect(abs(sum.plain.value - value) < 1e-14 && sum.plain.terms == count)
          #expect(abs(sum.rest - rest) <= 1e-14 * rest && abs(sum.spread - spread) <= 1e-14 * spread)
          #expect(sum.coefficients.count == coefficients.count)
          #expect(
            zip(sum.coefficients.elements, coefficients.elements).allSatisfy { abs($0 - $1) < 1e-14 },
            "unit \(unit) of the row at \(start)")
        }
      }
    }
  }
}
