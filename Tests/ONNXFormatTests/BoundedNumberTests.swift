import ReferenceMath
import TestSupport
import Testing

/// `BoundedNumber` against Float evaluations of the same formulas.
@Suite struct BoundedNumberTests {
  typealias Bounded = BoundedNumber<Float>

  private func holds(_ bound: Bounded, _ number: Float) -> Bool {
    abs(bound.value - Double(number)) <= bound.radius
  }

  private func random(_ count: Int, _ seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float.random(in: -2...2, using: &generator) }
  }

  @Test func `a sum's bound holds every order of its terms, whichever sums they were in before`() {
    for seed in 1...50 as ClosedRange<UInt64> {
      // Large ones that cancel: what is rounded then depends on the order.
      let terms = random(40, seed) + random(40, seed).map { 1e6 * $0 } + random(40, seed).map { -1e6 * $0 }
      let bounded = terms.map { Bounded($0) }
      let whole = bounded.reduce(0, +)
      let parts = bounded[..<50].reduce(0, +) + bounded[50...].reduce(0, +)
      var generator = SeededGenerator(seed: seed)
      for _ in 0..<20 {
        let sum = terms.shuffled(using: &generator).reduce(0, +)
        #expect(holds(whole, sum) && holds(parts, sum))
      }
      // And is no wider than the worst of 120 roundings.
      let mass = terms.reduce(0) { $0 + abs(Double($1)) }
      #expect(whole.radius < 120 * 0x1.1p-24 * mass)
    }
  }

  @Test func `integers stay exact as long as Float holds them`() {
    let sum = (1...1_000).reduce(Bounded(0)) { $0 + Bounded($1) }
    #expect(sum.radius == 0 && sum.whole == 500_500)
    #expect((sum * 4 / 8).radius == 0)
    #expect((sum * 100 * 100).radius > 0)
    #expect((Bounded(7) / 3).radius > 0)
    #expect((Bounded(7) / 3).rounded(.down).radius == 0)
  }

  @Test func `a function's bound holds Float's own functions, and what its argument may be`() {
    let functions: [(String, (Bounded) -> Bounded, (Float) -> Float, ClosedRange<Float>)] = [
      ("exp", Bounded.exp, Float.exp, -20...20), ("expm1", Bounded.expm1, Float.expm1, -20...20),
      ("log", Bounded.log, Float.log, 0.01...50), ("log1p", Bounded.log1p, Float.log1p, -0.9...50),
      ("tanh", Bounded.tanh, Float.tanh, -9...9), ("erf", Bounded.erf, Float.erf, -4...4),
      ("sin", Bounded.sin, Float.sin, -50...50), ("cos", Bounded.cos, Float.cos, -50...50),
      ("tan", Bounded.tan, Float.tan, -1.5...1.5), ("asin", Bounded.asin, Float.asin, -0.99...0.99),
      ("acos", Bounded.acos, Float.acos, -0.99...0.99), ("atan", Bounded.atan, Float.atan, -50...50),
      ("sinh", Bounded.sinh, Float.sinh, -9...9), ("cosh", Bounded.cosh, Float.cosh, -9...9),
      ("asinh", Bounded.asinh, Float.asinh, -50...50), ("acosh", Bounded.acosh, Float.acosh, 1.1...50),
      ("atanh", Bounded.atanh, Float.atanh, -0.9...0.9),
      ("sigmoid", Bounded.sigmoid, Float.sigmoid, -20...20),
      ("√", { $0.squareRoot() }, { $0.squareRoot() }, 0.01...50),
      ("pow 2.5", { Bounded.pow($0, Bounded(2.5)) }, { Float.pow($0, 2.5) }, 0.01...20),
      ("pow -3", { Bounded.pow($0, Bounded(-3)) }, { Float.pow($0, -3) }, 0.1...20),
      ("pow 2", { Bounded.pow($0, Bounded(2)) }, { $0 * $0 }, -20...20),
      ("gelu", Functions<Bounded>.gelu, Functions<Float>.gelu, -6...6),
      ("softplus", Functions<Bounded>.softplus, Functions<Float>.softplus, -20...20),
      ("mish", Functions<Bounded>.mish, Functions<Float>.mish, -20...20),
      (
        "selu", { Functions<Bounded>.selu($0, Bounded(1.67), Bounded(1.05)) },
        { Functions<Float>.selu($0, 1.67, 1.05) }, -6...6
      ),
    ]
    var generator = SeededGenerator(seed: 3)
    for (name, bounded, plain, range) in functions {
      for _ in 0..<200 {
        let x = Float.random(in: range, using: &generator)
        let exact = bounded(Bounded(x))
        #expect(holds(exact, plain(x)), "\(name) of \(x)")
        #expect(exact.radius < 1e-4 * (1 + abs(exact.value)), "\(name) of \(x) ± \(exact.radius)")
        // A number that some evaluation is off by up to its radius.
        let wide = (Bounded(x) + Bounded(1e-4)) - Bounded(1e-4)
        for off in [-1, -0.5, 0.5, 1] as [Double] {
          let moved = Float(wide.value + 0.99 * off * wide.radius)
          guard range.contains(moved), abs(Double(moved) - wide.value) <= wide.radius else { continue }
          #expect(holds(bounded(wide), plain(moved)), "\(name) of \(moved)")
        }
      }
    }
  }

  @Test func `what rounding alone decides is noted, and nothing else`() {
    let rules = EvaluationRules(
      RuntimeFunctions(
        sigmoid: EvaluatorBoundTests.functions.sigmoid, tanh: EvaluatorBoundTests.functions.tanh,
        elementary: EvaluatorBoundTests.functions.elementary))
    func isNoted(_ body: () -> Void) -> Bool {
      EvaluationRules.$current.withValue(rules) {
        body()
        return Bounded.takeUndecided()
      }
    }
    let third = Bounded(1) / 3
    #expect(isNoted { _ = third < third * third * 3 })
    #expect(isNoted { _ = (third * 3).rounded(.down).whole })
    #expect(isNoted { Bounded.noteOrder([third, third * third * 3, 0], first: 1) })
    #expect(!isNoted { _ = third < 0.4 })
    #expect(!isNoted { _ = Bounded(0.5) < Bounded(0.5) })
    #expect(!isNoted { Bounded.noteOrder([third, 0, third * 0.5, third * 0.5], first: 1) })
    #expect(!isNoted { Bounded.noteOrder([third, third * third * 3, 0], first: 0) })
    #expect(!isNoted { _ = Bounded.larger(third, third * third * 3) })
    #expect(!isNoted { _ = Functions<Bounded>.relu(third * 3 - 1) })
  }

  @Test func `functions of a lane hold what Float makes of it, moved as far as it may be`() {
    var generator = SeededGenerator(seed: 9)
    for _ in 0..<200 {
      let size = Int.random(in: 1...30, using: &generator)
      let x = (0..<size).map { _ in Float.random(in: -8...8, using: &generator) }
      let bounded = x.map { (Bounded($0) + Bounded(1e-3)) - Bounded(1e-3) }
      let moved = bounded.map {
        Float($0.value + $0.radius * Double.random(in: -0.9...0.9, using: &generator))
      }
      func check(_ name: String, _ bounds: [Bounded], _ numbers: [Float]) {
        for (bound, number) in zip(bounds, numbers) {
          #expect(holds(bound, number), "\(name): \(number), not \(bound.value) ± \(bound.radius)")
        }
      }
      check("softmax", Bounded.softmax(bounded[...]), Float.softmax(moved[...]))
      check("logSoftmax", Bounded.logSoftmax(bounded[...]), Float.logSoftmax(moved[...]))
      check("logSumExp", [Bounded.logSumExp(bounded[...])], [Float.logSumExp(moved[...])])
      check("norm", [Bounded.norm(bounded[...])], [Float.norm(moved[...])])
      let (bounds, numbers) = (Bounded.moments(bounded[...]), Float.moments(moved[...]))
      check("moments", [bounds.mean, bounds.variance], [numbers.mean, numbers.variance])
      // As E[x²] − m², too.
      let square = moved.reduce(0) { $0 + $1 * $1 } / Float(size)
      check("variance", [bounds.variance], [square - numbers.mean * numbers.mean])
    }
  }
}
