/// What verification found, best first.
public enum Verdict: String, Sendable, Comparable, CaseIterable {
  /// One fingerprint, and every output equal bit for bit.
  case identical
  /// Every output element lies within the bound derived for it.
  case equal
  /// Only within the tolerance that the user gave.
  case close
  /// The arithmetic itself cannot tell: the bound covers the output's own range.
  case inconclusive
  /// Some element lies outside its bound.
  case different

  public static func < (left: Verdict, right: Verdict) -> Bool {
    allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)!
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
  /// Elements whose bound covers the output's own range.
  public var undecided = 0
  /// Largest deviation between the sides.
  public var maxDeviation = 0.0
  /// Bound at the element where deviation ÷ bound is largest.
  public var boundThere = 0.0
  /// Largest deviation ÷ bound: above 1 the sides differ.
  public var tightness = 0.0
  /// Where that element is: probe, and index in the output's tensor.
  public var worst: Place?
  /// The first element, in order of the tensor, outside its bound.
  public var firstOutside: Place?

  public struct Place: Sendable, Equatable {
    public var probe: String
    public var index: [Int]
    public var left: Double
    public var right: Double
  }

  public init(name: String) { self.name = name }
}

extension OutputComparison {
  /// Takes one probe's values into account.
  ///
  /// - Parameters:
  ///   - left, right: the two sides, row-major.
  ///   - bounds: for each element, the most that two correct evaluations can differ.
  ///   - shape: of both.
  mutating func add(
    left: [Double], right: [Double], bounds: [Double], shape: [Int], probe: String, tolerance: Tolerance?
  ) {
    let finite = left.filter(\.isFinite)
    let range = (finite.max() ?? 0) - (finite.min() ?? 0)
    let scale = max(range, finite.reduce(0) { max($0, abs($1)) })
    for index in left.indices {
      elements += 1
      let (a, b) = (left[index], right[index])
      if a.bitPattern == b.bitPattern { continue }
      // NaN never passes: it is outside every bound.
      let deviation = a == b ? 0 : abs(a - b)
      let bound = bounds[index]
      // A bound as large as the output itself says nothing; one below Float32's resolution of 1 always does.
      let decides = bound.isFinite && bound <= max(0.5 * scale, 0x1p-20)
      if !decides { undecided += 1 }
      let isInside = deviation <= bound && !deviation.isNaN
      if !isInside, decides || !deviation.isFinite {
        let isClose = tolerance.map { deviation <= $0.absolute + $0.relative * abs(a) } ?? false
        verdict = max(verdict, isClose ? .close : .different)
        if !isClose, firstOutside == nil { firstOutside = place(index, shape, probe, a, b) }
      } else {
        verdict = max(verdict, decides ? .equal : .inconclusive)
      }
      let ratio = deviation == 0 ? 0 : bound == 0 || deviation.isNaN ? .infinity : deviation / bound
      if worst == nil || ratio > tightness {
        tightness = ratio
        boundThere = bound
        worst = place(index, shape, probe, a, b)
      }
      maxDeviation = max(maxDeviation, deviation.isNaN ? .infinity : deviation)
    }
  }

  private func place(_ flat: Int, _ shape: [Int], _ probe: String, _ left: Double, _ right: Double) -> Place {
    var index: [Int] = []
    var rest = flat
    for size in shape.reversed() {
      index.insert(rest % max(size, 1), at: 0)
      rest /= max(size, 1)
    }
    return Place(probe: probe, index: index, left: left, right: right)
  }
}
