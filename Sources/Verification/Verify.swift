public import Forward
public import Recurrent
public import Tensors

/// One side of a comparison: something that runs, and the canonical model behind it where there is one.
public struct Subject: Sendable {
  public let name: String
  /// Nil where the file can be evaluated but not imported: no bound can be derived on this side.
  public let model: Model?
  /// Runs the file by its own format's rules, in Float32 or Float64.
  public let evaluate: @Sendable ([String: Tensor], Precision) throws -> [String: Tensor]
  public let inputNames: [String]
  /// Whether the model's constants are the file's to Float32's rounding only.
  public let isRounded: Bool

  public init(
    name: String, model: Model?, inputNames: [String], isRounded: Bool = false,
    evaluate: @escaping @Sendable ([String: Tensor], Precision) throws -> [String: Tensor]
  ) {
    self.name = name
    self.model = model
    self.inputNames = inputNames
    self.isRounded = isRounded
    self.evaluate = evaluate
  }
}

/// What verification found, with everything that a report shows.
public struct VerificationReport: Sendable, Equatable {
  public var left: String
  public var right: String
  public var verdict: Verdict
  public var fingerprints: [String?]
  public var outputs: [OutputComparison]
  /// Each side's evaluator against its canonical model: does the importer understand the file?
  public var roads: [Road]
  public var probes: [String]
  public var seed: UInt64?
  /// Why the verdict is no better, in words.
  public var reasons: [String]
  /// Where and why the sides differ; nil where they do not.
  public var diagnosis: Diagnosis?

  public struct Road: Sendable, Equatable {
    public var side: String
    public var outputs: [OutputComparison]
    public var verdict: Verdict { outputs.map(\.verdict).max() ?? .equal }
  }
}

/// Why no comparison could be made.
public enum VerificationError: Error, Equatable, CustomStringConvertible {
  case noProbes(String)
  case inputTooLarge(String, sizes: [Int], limit: Int)
  case outputsDiffer(left: [String], right: [String])
  case inputsDiffer(left: [String], right: [String])
  case shapesDiffer(output: String, left: [Int], right: [Int])
  case cannotRun(side: String, probe: String, reason: String)

  public var description: String {
    switch self {
    case .noProbes(let reason): "there is nothing to compare on: \(reason)"
    case .inputTooLarge(let name, let sizes, let limit):
      "input '\(name)' is fixed to \(sizes.map(String.init).joined(separator: "·")) elements, over the \(limit) that are "
        + "made up for a comparison: give your own with --input"
    case .outputsDiffer(let left, let right): "the outputs differ: \(left) and \(right)"
    case .inputsDiffer(let left, let right): "the inputs differ: \(left) and \(right)"
    case .shapesDiffer(let output, let left, let right): "output '\(output)' has shape \(left) and \(right)"
    case .cannotRun(let side, let probe, let reason):
      "\(side) does not run on the probe '\(probe)': \(reason)"
    }
  }
}

/// Compares two sides on probes.
///
/// Both run in Float64, where rounding hides least: each element may differ by the sum of both sides' Float64 bounds.
/// An element outside it is judged by the bounds of Float32, the precision that the models are made for; so a
/// conversion that rounds a weight once is still `equal`. `identical` asks Float32 evaluations to agree bit for bit.
///
/// - Parameters:
///   - storage: what the right side may have stored the left side's weights as; the bounds then say how far that can
///     move the outputs.
///   - isDiagnosing: where they differ, find out which known mistake explains it.
public func verify(
  _ left: Subject, _ right: Subject, probes: [Probe], tolerance: Tolerance? = nil, seed: UInt64? = nil,
  storage: WeightStorage? = nil, isDiagnosing: Bool = true
) throws(VerificationError) -> VerificationReport {
  guard !probes.isEmpty else { throw .noProbes("no inputs were given") }
  let pairing = try InputPairing(left, right)
  var outputs: [OutputComparison] = []
  var leftRoad: [OutputComparison] = []
  var rightRoad: [OutputComparison] = []
  var reasons = pairing.reasons(left.name, right.name)
  let trials = probes.map { probe in
    Subject.Trial(
      [
        .init(
          subject: left, inputs: pairing.ofLeft(probe.inputs),
          rounding: RoundingModel.float64.storing(storage)),
        .init(subject: right, inputs: pairing.ofRight(probe.inputs)),
      ], probe)
  }
  // A hash of all weights takes as long as some of their passes.
  let (leftPrint, rightPrint) = (left.fingerprinting, right.fingerprinting)
  Subject.Trial.run(trials, besides: [leftPrint, rightPrint])
  for trial in trials {
    let probe = trial.probe
    let runs = try trial.runs(seed: seed ?? 1)
    let (a, b) = (runs[0], runs[1])
    let order = left.model?.outputs.map(\.name) ?? a.double.keys.sorted()
    let pairs = try matched(order, right.model?.outputs.map(\.name) ?? b.double.keys.sorted()) {
      .outputsDiffer(left: $0, right: $1)
    }
    for name in order {
      guard let other = pairs[name], let x = a.double[name], let y = b.double[other] else { continue }
      guard x.shape == y.shape else {
        guard (left.model ?? right.model)?.hasOwnSteps ?? false else {
          throw .shapesDiffer(output: name, left: x.shape, right: y.shape)
        }
        let isUndecided = [a, b].contains { $0.derived?.sharpBounds?.hasUndecided ?? false }
        outputs.record(name) {
          reasons.append($0.add(steps: x.shape, y.shape, isUndecided: isUndecided, probe: probe.name))
        }
        continue
      }
      func both(_ bounds: (Derivation) -> [String: BoundedTensor]?) -> [Double]? {
        sum(
          a.derived.flatMap(bounds)?.errors(of: name, shape: x.shape),
          b.derived.flatMap(bounds)?.errors(of: other, shape: x.shape))
      }
      let sides = Sides(
        shape: x.shape, left: x.doubles, right: y.doubles,
        bounds: both { $0.bounds } ?? Array(repeating: tolerance == nil ? .infinity : 0, count: x.count),
        sameBits: sameBits(a.single[name], b.single[other], count: x.count),
        sharpBounds: [{ both(\.sharperBounds) }, { both(\.sharpBounds) }], wideBounds: { both(\.wideBounds) },
        envelope: { both(\.envelope) }, wideEnvelope: { both(\.wideEnvelope) },
        timeAxis: left.model?.timeAxis(ofOutput: name))
      outputs.record(name) { $0.add(sides, probe: probe.name, tolerance: tolerance) }
    }
    a.compareRoad(probe, &leftRoad)
    b.compareRoad(probe, &rightRoad)
  }
  var report = VerificationReport(
    left: left.name, right: right.name, verdict: .equal,
    fingerprints: [try leftPrint.value, try rightPrint.value],
    outputs: outputs,
    roads: [
      left.model.map { _ in VerificationReport.Road(side: left.name, outputs: leftRoad) },
      right.model.map { _ in VerificationReport.Road(side: right.name, outputs: rightRoad) },
    ].compactMap { $0 }, probes: probes.map(\.name), seed: seed,
    reasons: reasons)
  report.conclude(left.model ?? right.model)
  guard isDiagnosing, report.verdict == .different else { return report }
  func asTaken(_ side: ([String: Tensor]) -> [String: Tensor]) -> [Probe] {
    probes.map { Probe(name: $0.name, inputs: side($0.inputs)) }
  }
  report.diagnosis = try report.diagnosisOfImport(left, asTaken(pairing.ofLeft))
  if report.diagnosis == nil {
    report.diagnosis = try report.diagnosisOfImport(right, asTaken(pairing.ofRight))
  }
  if report.diagnosis == nil {
    report.diagnosis = try diagnose(left: left, right: right, probes: probes, storage: storage)
  }
  return report
}

/// Compares one side with recorded outputs, such as another runtime's.
///
/// - Parameter rounding: how accurate the runtime that recorded them is; recorded Float64 is judged as such.
public func verify(
  _ left: Subject, expected: [String: Tensor], from source: String, probe: Probe, rounding: RoundingModel,
  tolerance: Tolerance? = nil, isDiagnosing: Bool = true
) throws(VerificationError) -> VerificationReport {
  let isDouble = expected.values.allSatisfy { $0.elementType == .float64 }
  let rounding = isDouble ? .float64 : rounding
  let trial = Subject.Trial(
    [.init(subject: left, inputs: probe.inputs, rounding: rounding, isSingleNeeded: false)], probe)
  let fingerprint = left.fingerprinting
  Subject.Trial.run([trial], besides: [fingerprint])
  let run = try trial.runs(seed: 1)[0]
  let derived = run.derived
  var outputs: [OutputComparison] = []
  var reasons: [String] = []
  for name in run.double.keys.sorted() {
    guard let theirs = expected[name], let ours = run.double[name] else { continue }
    guard theirs.shape == ours.shape else {
      guard let derived, left.model?.hasOwnSteps ?? false else {
        throw .shapesDiffer(output: name, left: ours.shape, right: theirs.shape)
      }
      outputs.record(name) {
        reasons.append(
          $0.add(
            steps: ours.shape, theirs.shape, isUndecided: derived.sharpBounds?.hasUndecided ?? false,
            probe: probe.name))
      }
      continue
    }
    /// Where the model stopped at the same step.
    func comparable(_ bounds: [String: BoundedTensor]?) -> BoundedTensor? {
      bounds?[name].flatMap { $0.shape == ours.shape ? $0 : nil }
    }
    let bounded = comparable(derived?.bounds)?.around { run.own?.pass?[name]?.doubles }
    func sharp(_ bounds: [String: BoundedTensor]?) -> [Double]? {
      bounded.flatMap { comparable(bounds)?.errors(around: $0.values) }
    }
    // Without a canonical model there is no bound: only a tolerance, or equality, can tell.
    let sides = Sides(
      shape: ours.shape, left: bounded?.values ?? ours.doubles, right: theirs.doubles,
      bounds: bounded?.errors
        ?? Array(repeating: tolerance == nil || derived != nil ? .infinity : 0, count: ours.count),
      sameBits: Array(repeating: true, count: ours.count),
      negligible: max(0x1p-44, rounding.negligible(left.model)),
      sharpBounds: [{ sharp(derived?.sharperBounds) }, { sharp(derived?.sharpBounds) }],
      wideBounds: { nil }, envelope: { derived?.envelope?.errors(of: name, shape: ours.shape) },
      timeAxis: left.model?.timeAxis(ofOutput: name))
    outputs.record(name) { $0.add(sides, probe: probe.name, tolerance: tolerance) }
  }
  guard !outputs.isEmpty else {
    throw .outputsDiffer(left: run.double.keys.sorted(), right: expected.keys.sorted())
  }
  var road: [OutputComparison] = []
  run.compareRoad(probe, &road)
  var report = VerificationReport(
    left: left.name, right: source, verdict: .equal,
    fingerprints: [try fingerprint.value, nil], outputs: outputs,
    roads: left.model.map { _ in [.init(side: left.name, outputs: road)] } ?? [], probes: [probe.name],
    seed: nil, reasons: reasons)
  report.conclude(left.model)
  if isDiagnosing, report.verdict == .different {
    report.diagnosis = try report.diagnosisOfImport(left, [probe])
    if report.diagnosis == nil {
      report.diagnosis = try diagnose(
        left, expected: expected, from: source, probe: probe, rounding: rounding)
    }
  }
  return report
}

extension Subject {
  fileprivate var fingerprinting: Deferred<String?, VerificationError> {
    let model = model
    return Deferred { () throws(VerificationError) in model?.fingerprint.description }
  }
}

extension Model {
  /// The axis of an output's tensor that is time and nothing else.
  fileprivate func timeAxis(ofOutput name: String) -> Int? {
    outputs.first { $0.name == name }?.axes.firstIndex { $0.factors == [.time] }
  }
}

/// The sum of two sides' bounds, rounded up. Where one side has none, the other's counts twice: it claims to compute
/// the same.
private func sum(_ left: [Double]?, _ right: [Double]?) -> [Double]? {
  switch (left, right) {
  case (let a?, let b?): zip(a, b).map { ($0 + $1).nextUp }
  case (let a?, nil), (nil, let a?): a.map { 2 * $0 }
  case (nil, nil): nil
  }
}

private func sameBits(_ left: Tensor?, _ right: Tensor?, count: Int) -> [Bool] {
  guard let left, let right, left.count == count, right.count == count else {
    return Array(repeating: false, count: count)
  }
  // Which of the many NaNs an operation gives, no format says.
  return zip(left.doubles, right.doubles).map { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN }
}

/// Pairs names: by name where both sides have the same ones, else by position.
func matched(
  _ left: [String], _ right: [String], _ failure: ([String], [String]) -> VerificationError
) throws(VerificationError) -> [String: String] {
  if Set(left) == Set(right) { return Dictionary(uniqueKeysWithValues: left.map { ($0, $0) }) }
  guard left.count == right.count else { throw failure(left, right) }
  return Dictionary(uniqueKeysWithValues: zip(left, right))
}

extension RoundingModel {
  /// A share of an output's range that no bound of a recording is below but by chance: what a tanh may be off by, and what
  /// the roundings of one sum make where they do not conspire.
  fileprivate func negligible(_ model: Model?) -> Double {
    let terms = model.map { $0.layers.map(\.operation.longestSum).max() ?? 0 } ?? 0
    return tanh.relative + tanh.absolute + 2 * unitRoundoff * Double(terms).squareRoot()
  }
}

extension Operation {
  /// The terms of a recurrent layer's sums.
  fileprivate var longestSum: Int {
    switch self {
    case .recurrent(let layer): layer.inputSize + layer.outputSize
    case .generate(let generate): generate.body.map(\.operation.longestSum).max() ?? 0
    default: 0
    }
  }
}
