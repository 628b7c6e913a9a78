import Testing

@testable import Verification

/// How an element is judged, and with how much effort bounds are derived before.
@Suite struct EffortTests {
  /// An output whose first element is off by `deviation`, the bounds that were asked for, and the verdict.
  private func judged(
    deviation: Double, quick: Double, few: Double? = nil, many: Double? = nil, noise: Double? = nil,
    slack: Double? = nil, isRecording: Bool = false
  ) -> (asked: [String], OutputComparison) {
    var asked: [String] = []
    func bounds(_ name: String, _ bound: Double?) -> [Double]? {
      asked.append(name)
      return bound.map { [$0, $0] }
    }
    let sides = Sides(
      shape: [2], left: [1, -1], right: [1 + deviation, -1], scales: [2, 2], bounds: [quick, quick],
      slack: slack.map { [$0, $0] }, sameBits: [false, true],
      sharpBounds: [{ bounds("few", few) }, { bounds("many", many) }],
      noise: { bounds("noise", noise).map { Noise(usual: $0) } },
      floor: 1e-300, isRecording: isRecording)
    var comparison = OutputComparison(name: "y")
    comparison.add(sides, probe: "p", tolerance: nil)
    return (asked, comparison)
  }

  @Test(arguments: [0, 1e-10]) func `Sides that agree are equal by any bound`(deviation: Double) {
    let (asked, output) = judged(deviation: deviation, quick: .infinity, few: 1e-9, many: 1e-12)
    #expect(asked.isEmpty && output.verdict == .equal)
  }

  @Test
  func `A deviation within a bound that is not sharp asks for the next, and none after one that decides`() {
    let (asked, output) = judged(deviation: 1e-8, quick: .infinity, few: 1e-7, many: 1e-12)
    #expect(asked == ["few"] && output.verdict == .equal)
  }

  @Test(arguments: [0.1, .infinity])
  func `A deviation is judged by the sharpest bound, and not by those before it`(quick: Double) {
    let (asked, output) = judged(deviation: 1e-6, quick: quick, few: 1e-2, many: 1e-7)
    #expect(asked == ["few", "many"] && output.verdict == .different && output.isProven)
  }

  @Test func `Within a bound that hides a mistake nothing is equal, but where noise is as large`() {
    let loose = judged(deviation: 1e-3, quick: 0.1, few: 0.1, many: 0.1, noise: 1e-9)
    #expect(loose.asked == ["few", "many", "noise"] && loose.1.verdict == .inconclusive)
    let noisy = judged(deviation: 1e-7, quick: 0.1, few: 0.1, many: 0.1, noise: 1e-7)
    #expect(noisy.1.verdict == .equal && noisy.1.stochastic == 1)
    let chaotic = judged(deviation: 1e-3, quick: 0.1, few: 0.1, many: 0.1, noise: 1e-3)
    #expect(chaotic.1.verdict == .inconclusive)
  }

  @Test func `What is stated between the sides is allowed on top`() {
    let (asked, output) = judged(deviation: 1e-3, quick: 1e-12, slack: 1.1e-3)
    #expect(asked.isEmpty && output.verdict == .equal && output.maxAllowed > 1e-3)
    #expect(judged(deviation: 1e-3, quick: 1e-12, slack: 1e-4).1.verdict == .different)
  }

  @Test
  func `A recording is equal like noise, different beyond all noise or its bound, and else inconclusive`() {
    func verdict(_ deviation: Double, noise: Double = 1e-7, bound: Double = 0.1) -> Verdict {
      judged(deviation: deviation, quick: bound, noise: noise, isRecording: true).1.verdict
    }
    #expect(verdict(0) == .equal && verdict(3e-7) == .equal)
    #expect(verdict(3e-6) == .inconclusive)
    #expect(verdict(1e-4) == .different)
    #expect(verdict(1e-3, noise: 1e-2, bound: 1e-4) == .different, "outside its bound")
    #expect(verdict(1e-3, noise: 1e-2) == .inconclusive, "noise that hides a mistake")
  }

  @Test func `A small bias of all elements shows in their mean square`() {
    let count = 1000
    let sides = Sides(
      shape: [count], left: Array(repeating: 1, count: count),
      right: Array(repeating: 1 + 5e-7, count: count),
      scales: Array(repeating: 2, count: count), bounds: Array(repeating: 1, count: count),
      noise: {
        Noise(usual: Array(repeating: 1e-7, count: count))
      }, floor: 0, isRecording: true)
    var comparison = OutputComparison(name: "y")
    comparison.add(sides, probe: "p", tolerance: nil)
    #expect(comparison.noiseMultiple < Sharpness.usual && comparison.verdict == .inconclusive)
  }
}
