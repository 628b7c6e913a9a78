import Testing

@testable import Verification

/// With how much effort bounds are derived before an output is judged.
@Suite struct EffortTests {
  /// An output whose first element is off by `deviation`, the bounds that were asked for, and the verdict.
  private func judged(
    deviation: Double, quick: Double, few: Double?, many: Double?, wide: Double? = nil
  ) -> (asked: [String], OutputComparison) {
    var asked: [String] = []
    func bounds(_ name: String, _ bound: Double?) -> [Double]? {
      asked.append(name)
      return bound.map { [$0, $0] }
    }
    let sides = Sides(
      shape: [2], left: [1, -1], right: [1 + deviation, -1], bounds: [quick, quick], sameBits: [false, true],
      sharpBounds: [{ bounds("few", few) }, { bounds("many", many) }], wideBounds: { bounds("wide", wide) })
    var comparison = OutputComparison(name: "y")
    comparison.add(sides, probe: "p", tolerance: nil)
    return (asked, comparison)
  }

  @Test func `Where the sides are the same, a bound that decides will do`() {
    let (asked, output) = judged(deviation: 0, quick: 0.1, few: 1e-9, many: 1e-12)
    #expect(asked.isEmpty && output.verdict == .equal)
  }

  @Test func `Where a bound says nothing, the next one is asked for, and none after one that decides`() {
    let (asked, output) = judged(deviation: 0, quick: .infinity, few: 0.1, many: 1e-12)
    #expect(asked == ["few"] && output.verdict == .equal)
  }

  @Test(arguments: [0.1, .infinity])
  func `A deviation is judged by the sharpest bound, and not by those before it`(quick: Double) {
    let (asked, output) = judged(deviation: 1e-6, quick: quick, few: 1e-2, many: 1e-7)
    #expect(asked == ["few", "many", "wide"] && output.verdict == .different)
  }

  @Test func `A deviation within the sharpest bound is none, and one beyond it may be of Float32`() {
    let within = judged(deviation: 1e-6, quick: 0.1, few: 1e-2, many: 1e-5)
    #expect(within.asked == ["few", "many"] && within.1.verdict == .equal && within.1.widened == 0)
    let beyond = judged(deviation: 1e-6, quick: 0.1, few: 1e-2, many: 1e-7, wide: 1e-5)
    #expect(beyond.asked == ["few", "many", "wide"] && beyond.1.verdict == .equal && beyond.1.widened == 1)
  }

  @Test func `A bound that is sharp already takes no more effort`() {
    let (asked, output) = judged(deviation: 1e-12, quick: 1e-11, few: 1e-13, many: 1e-14)
    #expect(asked.isEmpty && output.verdict == .equal)
  }

  @Test func `Bounds that cannot be derived leave the ones before`() {
    let (asked, output) = judged(deviation: 1e-6, quick: 1e-5, few: nil, many: nil)
    #expect(asked == ["few", "many"] && output.verdict == .equal)
  }
}
