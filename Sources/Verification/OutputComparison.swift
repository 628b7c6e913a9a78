internal import Tensors

/// How one output compares between two sides, over all probes.
public struct OutputComparison: Sendable, Equatable {
  /// Of the output.
  public var name: String
  /// Of this output alone; that of its worst element, or of all elements together.
  public var verdict = Verdict.identical
  /// Elements compared.
  public var elements = 0
  /// Elements that nothing decides: rounding alone may move them too far, or they are apart by more than noise and less than
  /// the bound.
  public var undecided = 0
  /// Elements that rounding noise decided: by evidence, not by proof.
  public var stochastic = 0
  /// Elements that are as far apart as one rounding of weights in Float32 leads, where an optimiser may have folded some.
  public var folded = 0
  /// Largest deviation between the sides.
  public var maxDeviation = 0.0
  /// What was allowed at the element where deviation ÷ allowance is largest.
  public var boundThere = 0.0
  /// The most that was allowed of any element that was decided.
  public var maxAllowed = 0.0
  /// The largest bound of any element.
  public var maxBound = 0.0
  /// Largest deviation ÷ what was allowed: above 1 the sides differ, or noise does not explain it.
  public var tightness = 0.0
  /// Where that element is: probe, and index in the output's tensor.
  public var worst: Place?
  /// The first element, in order of the tensor, outside its bound, or beyond all noise.
  public var firstOutside: Place?
  /// Whether that is a proof: outside a bound.
  public var isProven = false
  /// Largest deviation in multiples of the noise; 0 where noise was not asked for.
  public var noiseMultiple = 0.0
  /// Root mean square of the deviations in multiples of the noise, of the elements that are decided.
  /// 0 where noise was not asked for.
  public var noiseRMS: Double { noiseCount == 0 ? 0 : (noiseSquares / Double(noiseCount)).squareRoot() }
  /// The largest change of an element, as a share of its feature's range, that could have passed.
  public var blindShare = 0.0

  /// For each time step the largest deviation and allowance, of all probes; empty where the output has no time axis.
  public var steps: [Step] = []

  var noiseSquares = 0.0
  var noiseCount = 0

  /// One time step of an output, over all probes, rows and features.
  public struct Step: Sendable, Equatable {
    /// The largest deviation between the sides.
    public var deviation = 0.0
    /// The largest allowance.
    public var bound = 0.0
  }

  /// One element, and what each side says there.
  public struct Place: Sendable, Equatable {
    /// The probe's name.
    public var probe: String
    /// In the output's tensor, a number for each axis.
    public var index: [Int]
    /// The left side's number.
    public var left: Double
    /// The right side's number; of a recording, the recorded one.
    public var right: Double
  }

  /// A comparison of nothing yet.
  public init(name: String) { self.name = name }
}

/// Comparisons in the order in which their outputs were met, found by name.
struct OutputComparisons {
  private(set) var list: [OutputComparison] = []
  private var places: [String: Int] = [:]

  /// Changes the comparison of an output; the first time, makes one.
  mutating func record(_ name: String, _ body: (inout OutputComparison) -> Void) {
    let place = places[name] ?? list.count
    if place == list.count {
      places[name] = place
      list.append(OutputComparison(name: name))
    }
    body(&list[place])
  }
}

/// The thresholds of verdicts, in one place; docs/error-bounds.md has the calibration that they come from.
package enum Sharpness {
  /// A bound decides where it is at most this share of a feature's range: what moves an output by more is then outside it.
  package static let decisive = 0x1p-20
  /// Float64 evaluations closer than this share of a feature's range agree, whatever a bound says: a hundredth of what Float32
  /// would round, so that nothing hides behind it.
  static let negligible = 0x1p-30
  /// Weights that an optimiser folded explain at most this share.
  static let folded = 0x1p-14
  /// Noise decides where its allowance is at most this share of a feature's range.
  static let noisy = 1.0 / 64
  /// A deviation is like noise up to this many times its estimate,
  static let usual = 7.0
  /// or this many times at the root mean square of all elements.
  static let usualRMS = 1.6
  /// The fewer elements, the more their mean square differs by chance.
  static let spreadRMS = 1.2
  /// A deviation of half as many times, and this share of the mean square's, needs no steadier estimate.
  static let plain = (usual: usual / 2, usualRMS: 0.8)
  /// Roundings that are known to lie between two sides move them by this many times their noise at most.
  static let farthest = 9.0
  /// Beyond these, no right recording was ever found.
  static let never = 120.0
  static let neverRMS = 30.0
}

/// The two sides' values of one output on one probe, and how far apart correct evaluations may be.
struct Sides {
  var shape: [Int]
  /// What is compared: Float64 evaluations, or a reference and recorded values.
  var left: [Double]
  var right: [Double]
  /// For each element, the range of its own feature over time and batch, of the trusted side.
  var scales: [Double]
  /// What the usual feature's range is at least, for what is judged by noise.
  var usualScale = 0.0
  /// For each element, the most that both sides can differ if they compute the same.
  var bounds: [Double]
  /// What is known to lie between the sides, on top: the movement by stated roundings, an output held in a narrower type.
  var slack: [Double]?
  /// Whether the Float32 evaluations of both sides agree bit for bit.
  var sameBits: [Bool]?
  /// The same as `bounds`, derived with more and more effort, asked for only where those before do not decide.
  var sharpBounds: [() -> [Double]?] = []
  /// How far evaluations usually stray; nil without anything that says so.
  var noise: () -> Noise? = { nil }
  /// How far roundings of the weights that an optimiser may have folded usually lead; nil where nothing was folded.
  var foldingNoise: (() -> Noise?)?
  /// How far Float32 evaluations usually stray, where something may have been folded.
  var singleNoise: (() -> Noise?)?
  /// Whether no parameters tell, so that what is far beyond noise differs though no bound proves it.
  var isEvaluatedOnly = false
  /// Below this nothing is told apart: what hardware may flush to zero.
  var floor: Double
  /// Whether deviations are judged by noise first: recorded outputs, whose arithmetic is not at hand.
  var isRecording = false
  /// Token ids: the same, or others.
  var isInteger = false
  /// Whether the parameters are known to differ: what moved then needs no bound to be told.
  var isKnownToDiffer = false
  /// Which axis of the shape is time.
  var timeAxis: Int?
}

extension OutputComparison {
  /// What the fewness of elements adds to the root mean square of right ones.
  private var spread: Double { Sharpness.spreadRMS / Double(max(noiseCount, 1)).squareRoot() }

  /// Of a recording: whether a steadier estimate of the noise could change nothing.
  var isPlainlyEqual: Bool {
    verdict <= .equal && noiseMultiple <= Sharpness.plain.usual
      && noiseRMS <= Sharpness.plain.usualRMS * (Sharpness.usualRMS + spread)
  }

  /// Takes one probe's values into account.
  mutating func add(_ sides: Sides, probe: String, tolerance: Tolerance?) {
    var judge = Judge(sides)
    // How far apart two steps' elements are; 0 without a time axis.
    let stepSize = sides.timeAxis.map { sides.shape[($0 + 1)...].reduce(1, *) } ?? 0
    let stepCount = sides.timeAxis.map { sides.shape[$0] } ?? 0
    var isFirst = worst == nil
    for index in sides.left.indices {
      elements += 1
      let (a, b) = (sides.left[index], sides.right[index])
      let isSame = Verification.isSame(a, b)
      // NaN passes for nothing but NaN: it is outside every finite bound. Where numbers may overflow, one order of a sum
      // gives ∞ and another ∞ − ∞.
      let deviation = isSame ? 0 : a.isNaN || b.isNaN ? .infinity : abs(a - b)
      let isIdentical = isSame && (sides.sameBits?[index] ?? true)
      let finding = isIdentical && !sides.isRecording ? nil : judge.judge(index, deviation)
      func place() -> Place { Place(probe: probe, index: sides.shape.index(at: index), left: a, right: b) }
      if !isIdentical { verdict = max(verdict, .equal) }
      if let finding {
        switch finding.kind {
        case .within: break
        case .likeNoise: stochastic += 1
        case .likeFolding: folded += 1
        case .undecided:
          undecided += 1
          verdict = max(verdict, .inconclusive)
        case .outside, .beyondNoise:
          let isClose = tolerance.map { deviation <= $0.absolute + $0.relative * abs(a) } ?? false
          verdict = max(verdict, isClose ? .close : .different)
          guard !isClose else { break }
          if finding.kind == .outside, !isProven { (isProven, firstOutside) = (true, nil) }
          if firstOutside == nil, finding.kind == .outside || !isProven { firstOutside = place() }
        }
      }
      let allowed = finding?.allowed ?? min(sides.bounds[index], Sharpness.negligible * sides.scales[index])
      // On another trajectory nothing is a multiple of anything.
      if let noise = finding?.noise, finding?.kind != .undecided || !judge.isErratic {
        let multiple = deviation == 0 ? 0 : deviation / noise
        noiseMultiple = max(noiseMultiple, multiple)
        if finding?.kind != .undecided, sides.isRecording {
          noiseSquares += multiple * multiple
          noiseCount += 1
        }
      }
      if finding?.kind != .undecided, allowed.isFinite {
        maxAllowed = max(maxAllowed, allowed)
        if sides.scales[index] > 0 { blindShare = max(blindShare, allowed / sides.scales[index]) }
      }
      if stepSize > 0 {
        let step = index / stepSize % stepCount
        while steps.count <= step { steps.append(Step()) }
        steps[step].deviation = max(steps[step].deviation, deviation)
        steps[step].bound = max(steps[step].bound, allowed.isNaN ? .infinity : allowed)
      }
      let ratio =
        deviation == 0 ? 0 : allowed == 0 || deviation == .infinity ? .infinity : deviation / allowed
      if ratio > tightness || isFirst {
        tightness = ratio
        boundThere = allowed
        worst = place()
        isFirst = false
      }
      maxBound = max(maxBound, finding?.bound ?? sides.bounds[index])
      maxDeviation = max(maxDeviation, deviation)
    }
    // Those that are within a bound, too: the others alone would be large ones.
    if !sides.isRecording, folded > 0, let noise = judge.folded {
      for index in sides.left.indices where noise[index] > 0 && noise[index].isFinite {
        let multiple = abs(sides.left[index] - sides.right[index]) / noise[index]
        guard multiple.isFinite else { continue }
        noiseSquares += multiple * multiple
        noiseCount += 1
      }
    }
    guard sides.isRecording || folded > 0, verdict < .different, tolerance == nil else { return }
    // A small bias of many elements shows in none of them, but in all together.
    if noiseRMS > Sharpness.neverRMS + spread, sides.isRecording, !judge.isErratic {
      verdict = .different
    } else if noiseRMS > Sharpness.usualRMS + spread {
      verdict = max(verdict, .inconclusive)
    }
  }
}

/// Judges elements, with no more effort than the hardest of them takes.
private struct Judge {
  enum Kind {
    /// Within a bound that is sharp.
    case within
    /// As noise is.
    case likeNoise
    /// As roundings of what an optimiser may have folded lead.
    case likeFolding
    case undecided
    /// Outside a bound: proven.
    case outside
    /// Farther than noise ever was.
    case beyondNoise
  }

  struct Finding {
    var kind: Kind
    /// What was allowed, by bound or noise.
    var allowed: Double
    /// The least bound that was derived.
    var bound: Double
    /// The usual deviation, where it was asked for.
    var noise: Double?
  }

  private let sides: Sides
  private var sharp: [[Double]] = []
  private lazy var noise = sides.noise()
  lazy var isErratic = noise?.isErratic ?? false
  /// Asked for once, not for each element.
  private lazy var usual = noise?.usual
  private(set) lazy var folded = sides.foldingNoise?()?.usual
  private lazy var single = sides.singleNoise?()?.usual

  init(_ sides: Sides) { self.sides = sides }

  mutating func judge(_ index: Int, _ deviation: Double) -> Finding {
    sides.isRecording ? recorded(index, deviation) : derived(index, deviation)
  }

  private func decides(_ allowed: Double, _ index: Int, _ share: Double) -> Bool {
    allowed <= share * sides.scales[index] || allowed <= sides.floor
  }

  /// By the bounds of Float64, sharper ones where they do not decide, and its noise where none does. Worst cases of large layers
  /// grow by a factor of ten a step; what is computed does not, so that hardly ever more than the first is asked for.
  private mutating func derived(_ index: Int, _ deviation: Double) -> Finding {
    let slack = sides.slack?[index] ?? 0
    var (bound, effort) = (sides.bounds[index], 0)
    while true {
      if !(deviation <= bound + slack) {
        return folding(index, deviation, bound)
          ?? Finding(kind: .outside, allowed: bound + slack, bound: bound)
      }
      let least = Sharpness.negligible * sides.scales[index]
      if deviation <= least + slack || decides(bound, index, Sharpness.decisive) {
        return Finding(
          kind: .within, allowed: min(bound, max(least, deviation - slack)) + slack, bound: bound)
      }
      if sides.isKnownToDiffer { return Finding(kind: .outside, allowed: least + slack, bound: bound) }
      guard effort < sides.sharpBounds.count else { break }
      if effort == sharp.count { sharp.append(sides.sharpBounds[effort]() ?? sides.bounds) }
      bound = min(bound, sharp[effort][index])
      effort += 1
    }
    guard let noise = usual?[index] else {
      return folding(index, deviation, bound)
        ?? Finding(kind: .undecided, allowed: bound + slack, bound: bound)
    }
    let allowed = Sharpness.farthest * noise
    let isLike = deviation <= allowed + slack && decides(allowed, index, Sharpness.decisive)
    if !isLike, let finding = folding(index, deviation, bound) { return finding }
    let isBeyond =
      sides.isEvaluatedOnly && !isErratic
      && deviation > max(Sharpness.never * max(noise, folded?[index] ?? 0) + slack, sides.floor)
    return Finding(
      kind: isLike ? .likeNoise : isBeyond ? .beyondNoise : .undecided, allowed: allowed + slack,
      bound: bound, noise: noise)
  }

  /// Where no bound says that the sides agree, but folded weights may lie between them; nil where those explain nothing.
  private mutating func folding(_ index: Int, _ deviation: Double, _ bound: Double) -> Finding? {
    guard let noise = folded?[index] else { return nil }
    let slack = sides.slack?[index] ?? 0
    func isLike(_ noise: Double) -> Bool {
      deviation <= Sharpness.usual * noise + slack
        && decides(Sharpness.usual * noise, index, Sharpness.folded)
    }
    func finding(_ kind: Kind) -> Finding {
      Finding(kind: kind, allowed: Sharpness.usual * noise + slack, bound: bound, noise: noise)
    }
    if isLike(noise) { return finding(.likeFolding) }
    // An optimiser may round more often than is known of any; but never does anything lie that far off.
    guard deviation <= Sharpness.never * noise + slack, let single = single?[index], isLike(single) else {
      return nil
    }
    return finding(.undecided)
  }

  /// By noise; the bound, which is wide, can only prove a difference.
  private mutating func recorded(_ index: Int, _ deviation: Double) -> Finding {
    let slack = sides.slack?[index] ?? 0
    let bound = sides.bounds[index] + slack
    guard let noise = usual?[index] else {
      let kind: Kind =
        !(deviation <= bound) ? .outside : decides(bound, index, Sharpness.decisive) ? .within : .undecided
      return Finding(kind: kind, allowed: bound, bound: bound)
    }
    if sides.isInteger {
      let isSame = deviation == 0 && noise == 0
      return Finding(
        kind: isSame ? .likeNoise : !(deviation <= bound) ? .outside : .undecided, allowed: 0, bound: bound)
    }
    // What a narrower type rounds away is uniform, up to the slack.
    let usual = (noise * noise + slack * slack / 3).squareRoot()
    let allowed = max(Sharpness.usual * noise + slack, sides.floor)
    func finding(_ kind: Kind) -> Finding {
      Finding(kind: kind, allowed: allowed, bound: bound, noise: usual)
    }
    if !(deviation <= max(bound, sides.floor)) { return finding(.outside) }
    let scale = max(sides.scales[index], sides.usualScale)
    guard Sharpness.usual * noise <= max(Sharpness.noisy * scale, sides.floor) else {
      return finding(.undecided)
    }
    if deviation <= allowed { return finding(.likeNoise) }
    let isBeyond = !isErratic && deviation > max(Sharpness.never * noise + slack, sides.floor)
    return finding(isBeyond ? .beyondNoise : .undecided)
  }
}
