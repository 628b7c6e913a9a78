/// What verification found, best first.
public enum Verdict: String, Sendable, Comparable, CaseIterable {
  /// One fingerprint, and every output equal bit for bit.
  case identical
  /// Every output element lies within the bound derived for it, or within the envelope where that bound says nothing.
  case equal
  /// Only within the tolerance that the user gave.
  case close
  /// The arithmetic itself cannot tell: rounding alone may move the output as far as its own range.
  case inconclusive
  /// Some element lies outside its bound.
  case different

  public static func < (left: Verdict, right: Verdict) -> Bool {
    left.rank < right.rank
  }

  private var rank: Int {
    switch self {
    case .identical: 0
    case .equal: 1
    case .close: 2
    case .inconclusive: 3
    case .different: 4
    }
  }

  /// Documented exit code of `rnnconv verify`: 0 good, 1 different, 5 inconclusive.
  public var exitCode: Int32 {
    switch self {
    case .identical, .equal, .close: 0
    case .different: 1
    case .inconclusive: 5
    }
  }
}

/// A tolerance that the user gave: `|Δ| ≤ absolute + relative·|reference|`.
public struct Tolerance: Sendable, Equatable {
  public var absolute: Double
  public var relative: Double

  public init(absolute: Double = 0, relative: Double = 0) {
    self.absolute = absolute
    self.relative = relative
  }
}

/// How one output compares between two sides, over all probes.
public struct OutputComparison: Sendable, Equatable {
  public var name: String
  public var verdict = Verdict.identical
  /// Elements compared.
  public var elements = 0
  /// Elements that neither bound nor envelope decides: they cover the output's own range, or the sides are apart by
  /// more than the envelope and less than the bound.
  public var undecided = 0
  /// Of these, elements outside an envelope that would have told.
  public var outsideEnvelope = 0
  /// Elements whose worst case says nothing, found equal by the stochastic envelope: by evidence, not by proof.
  public var stochastic = 0
  /// Elements outside the Float64 bound, judged by the wider one of Float32: the weights were rounded somewhere.
  public var widened = 0
  /// Largest deviation between the sides.
  public var maxDeviation = 0.0
  /// What was allowed, bound or envelope, at the element where deviation ÷ bound is largest.
  public var boundThere = 0.0
  /// The largest bound of any element.
  public var maxBound = 0.0
  /// Largest deviation ÷ bound: above 1 the sides differ.
  public var tightness = 0.0
  /// Where that element is: probe, and index in the output's tensor.
  public var worst: Place?
  /// The first element, in order of the tensor, outside its bound.
  public var firstOutside: Place?

  /// For each time step the largest deviation and bound, of all probes; empty where the output has no time axis.
  public var steps: [Step] = []

  public struct Step: Sendable, Equatable {
    public var deviation = 0.0
    public var bound = 0.0
  }

  public struct Place: Sendable, Equatable {
    public var probe: String
    public var index: [Int]
    public var left: Double
    public var right: Double
  }

  public init(name: String) { self.name = name }
}

/// The two sides' values of one output on one probe, and how far apart correct evaluations may be.
struct Sides {
  var shape: [Int]
  /// What is compared: Float64 evaluations, or a reference and recorded values.
  var left: [Double]
  var right: [Double]
  /// For each element, the most that both sides can differ if they compute the same.
  var bounds: [Double]
  /// Whether the Float32 evaluations of both sides agree bit for bit.
  var sameBits: [Bool]
  /// A share of the output's range: closer than that the sides are equal by any bound that decides, so that none is
  /// sharpened. The standard one is far below what a bit of Float32 does in any weight; for recorded outputs it is what
  /// one function of the runtime may be off by.
  var negligible = 0x1p-44
  /// The same as `bounds`, derived with more and more effort, asked for only where those before do not decide.
  var sharpBounds: [() -> [Double]?] = []
  /// The wider bound of Float32 arithmetic, asked for only where `bounds` is exceeded; nil where there is none.
  var wideBounds: () -> [Double]?
  /// How far evaluations stray in practice, asked for only where `bounds` says nothing; nil without a model.
  var envelope: () -> [Double]? = { nil }
  /// The wider envelope of Float32 arithmetic, asked for only outside the other one.
  var wideEnvelope: () -> [Double]? = { nil }
  /// Which axis of the shape is time.
  var timeAxis: Int?
}

extension OutputComparison {
  /// Takes one probe's values into account.
  mutating func add(_ sides: Sides, probe: String, tolerance: Tolerance?) {
    var (least, most) = (Double.infinity, -Double.infinity)
    for number in sides.left where number.isFinite { (least, most) = (min(least, number), max(most, number)) }
    let scale = least > most ? 0 : max(most - least, abs(least), abs(most))
    // A bound as large as the output itself says nothing; one below Float32's resolution of 1 always does.
    func decides(_ bound: Double) -> Bool { bound.isFinite && bound <= max(0.5 * scale, 0x1p-20) }

    let negligible = sides.negligible * scale
    /// Whether more effort for the bound could change nothing.
    func isSharp(_ bound: Double, _ deviation: Double) -> Bool {
      bound <= 0x1p-30 * scale || !(deviation > negligible) && decides(bound)
    }
    var sharp: [[Double]] = []
    lazy var wide = sides.wideBounds()
    var envelopes: [[Double]]?
    /// The least envelope around the deviation, else the widest.
    func envelope(_ index: Int, _ deviation: Double) -> Double? {
      if envelopes == nil { envelopes = sides.envelope().map { [$0] } ?? [] }
      if envelopes!.count == 1, deviation > envelopes![0][index], let more = sides.wideEnvelope() {
        envelopes!.append(more)
      }
      return envelopes!.map { $0[index] }.first { deviation <= $0 } ?? envelopes!.last?[index]
    }
    // How far apart two steps' elements are; 0 without a time axis.
    let stepSize = sides.timeAxis.map { sides.shape[($0 + 1)...].reduce(1, *) } ?? 0
    let stepCount = sides.timeAxis.map { sides.shape[$0] } ?? 0
    var isFirst = worst == nil
    let (left, right, bounds, sameBits, shape) = (
      sides.left, sides.right, sides.bounds, sides.sameBits, sides.shape
    )
    for index in left.indices {
      elements += 1
      let (a, b) = (left[index], right[index])
      let isSame = Verification.isSame(a, b)
      // NaN passes for nothing but NaN: it is outside every finite bound. Where numbers may overflow, one order of a sum
      // gives ∞ and another ∞ − ∞.
      let deviation = isSame ? 0 : a.isNaN || b.isNaN ? .infinity : abs(a - b)
      let isIdentical = isSame && sameBits[index]
      var bound = bounds[index]
      var effort = 0
      // What is outside one bound is outside every lesser one.
      while effort < sides.sharpBounds.count, !isIdentical, deviation <= bound, !isSharp(bound, deviation) {
        if effort == sharp.count { sharp.append(sides.sharpBounds[effort]() ?? bounds) }
        bound = min(bound, sharp[effort][index])
        effort += 1
      }
      if !(deviation <= bound), let wider = wide?[index], wider > bound || bound.isNaN {
        bound = wider
        widened += 1
      }
      func place() -> Place { Place(probe: probe, index: Self.index(index, shape), left: a, right: b) }
      if isIdentical {
        // Nothing to judge.
      } else if !(deviation <= bound) {
        let isClose = tolerance.map { deviation <= $0.absolute + $0.relative * abs(a) } ?? false
        verdict = max(verdict, isClose ? .close : .different)
        if !isClose, firstOutside == nil { firstOutside = place() }
      } else if decides(bound) {
        verdict = max(verdict, .equal)
      } else if let allowed = envelope(index, deviation), decides(allowed) {
        bound = allowed
        if deviation <= allowed {
          stochastic += 1
          verdict = max(verdict, .equal)
        } else {
          undecided += 1
          outsideEnvelope += 1
          verdict = max(verdict, .inconclusive)
        }
      } else {
        undecided += 1
        verdict = max(verdict, .inconclusive)
      }
      if stepSize > 0 {
        let step = index / stepSize % stepCount
        while steps.count <= step { steps.append(Step()) }
        steps[step].deviation = max(steps[step].deviation, deviation)
        steps[step].bound = max(steps[step].bound, bound.isNaN ? .infinity : bound)
      }
      let ratio = deviation == 0 ? 0 : bound == 0 || deviation == .infinity ? .infinity : deviation / bound
      if ratio > tightness || isFirst {
        tightness = ratio
        boundThere = bound
        worst = place()
        isFirst = false
      }
      maxBound = max(maxBound, bound)
      maxDeviation = max(maxDeviation, deviation)
    }
  }

  private static func index(_ flat: Int, _ shape: [Int]) -> [Int] {
    var index: [Int] = []
    var rest = flat
    for size in shape.reversed() {
      index.insert(rest % max(size, 1), at: 0)
      rest /= max(size, 1)
    }
    return index
  }
}
