internal import ByteIO
package import Forward
package import Recurrent
package import Tensors

/// One side of a comparison: something that runs, and the canonical model behind it where there is one.
package struct Subject: Sendable {
  package let name: String
  /// Nil where the file can be evaluated but not imported: the evaluator's own bounds stand for the model's then.
  package let model: Model?
  /// Runs the file by its own format's rules, in Float32 or Float64.
  package let evaluate: @Sendable ([String: Tensor], Precision) throws -> [String: Tensor]
  package let inputNames: [String]
  /// The narrowest type that the import says something was rounded to; nil where the model is the file's bit for bit.
  package let roundedTo: ElementType?
  /// Whether the evaluator goes by other rules than the canonical model's: those of `.rnnw` and of a model in memory are the
  /// same, so that their agreement says nothing of how a file is understood.
  package let hasSecondRoad: Bool
  /// What the evaluator knows of roundings; asked for without a model only. Nil where it knows nothing.
  let rounding: EvaluatorRounding?
  /// Of Float64 arithmetic, without symbols.
  let boundedPasses: Deferred<BoundedPasses, ForwardError>?

  package init(
    name: String, model: Model?, inputNames: [String], roundedTo: ElementType? = nil,
    hasSecondRoad: Bool = true, rounding: EvaluatorRounding? = nil,
    evaluate: @escaping @Sendable ([String: Tensor], Precision) throws -> [String: Tensor]
  ) {
    self.name = name
    self.model = model
    self.inputNames = inputNames
    self.roundedTo = roundedTo
    self.hasSecondRoad = hasSecondRoad
    self.evaluate = evaluate
    self.rounding = rounding
    boundedPasses = model.map { model in
      Deferred { () throws(ForwardError) in
        try BoundedPasses(model, rounding: .float64, symbols: .none)
      }
    }
  }
}

/// What verification found, with everything that a report shows.
public struct VerificationReport: Sendable, Equatable {
  /// Name of the left side, such as its path.
  public var left: String
  /// Name of the right side, such as its path.
  public var right: String
  /// What all of it comes to.
  public var verdict: Verdict
  /// Of the left and the right model; nil where a side has none.
  public var fingerprints: [String?]
  /// The two models side by side; nil where one side has none, or is a recording.
  public var structure: Structure?
  /// One for each output, over all probes.
  public var outputs: [OutputComparison]
  /// Each side's evaluator against its canonical model: does the importer understand the file?
  public var roads: [Road]
  /// Names of the inputs that were tried.
  public var probes: [String]
  /// Of made-up inputs; nil for given ones.
  public var seed: UInt64?
  /// Why the verdict is no better, in words.
  public var reasons: [String]
  /// What could not have been noticed; nil where nothing was compared.
  public var radius: BlindRadius?
  /// Where and why the sides differ; nil where they do not.
  public var diagnosis: Diagnosis?

  /// One side's evaluator held against its canonical model.
  public struct Road: Sendable, Equatable {
    /// The side's name.
    public var side: String
    /// One for each output, over all probes.
    public var outputs: [OutputComparison]
    /// Whether two roads were held against each other, or one with itself.
    public var isSecond = true
    /// The worst of its outputs'.
    public var verdict: Verdict { outputs.map(\.verdict).max() ?? .equal }
  }
}

extension VerificationReport {
  /// Of one probe, by a bound that the caller derived.
  ///
  /// - Parameter violation: in words, where an output lies outside.
  package init(_ left: String, _ right: String, probe: String, violation: String?) {
    self.init(
      left: left, right: right, verdict: violation == nil ? .equal : .different, fingerprints: [nil, nil],
      outputs: [], roads: [], probes: [probe], seed: nil, reasons: [violation].compactMap { $0 })
  }
}

extension VerificationReport: CustomStringConvertible {
  /// The verdict on a line, then why it is no better, and what explains a difference.
  public var description: String {
    let lines = reasons + [diagnosis?.summary].compactMap(\.self)
    return "\(left) ↔ \(right): \(verdict)" + lines.map { "\n  \($0)" }.joined()
  }
}

/// Why no comparison could be made.
public enum VerificationError: Error, Equatable, CustomStringConvertible {
  /// There are no inputs to compare on, for this reason.
  case noProbes(String)
  /// A weight of this side is NaN or ∞.
  case notFinite(side: String, NotFinite)
  /// An input's fixed sizes ask for more elements than the `limit` of what is made up.
  case inputTooLarge(String, sizes: [Int], limit: Int)
  /// The sides have other outputs, by name.
  case outputsDiffer(left: [String], right: [String])
  /// The sides have other inputs, by name.
  case inputsDiffer(left: [String], right: [String])
  /// A side does not run on a probe.
  case cannotRun(side: String, probe: String, reason: String)

  public var description: String {
    switch self {
    case .noProbes(let reason): "there is nothing to compare on: \(reason)"
    case .notFinite(let side, let reason): "\(side): \(reason)"
    case .inputTooLarge(let name, let sizes, let limit):
      "input '\(name)' is fixed to \(sizes.map(String.init).joined(separator: "·")) elements, over the \(limit) that are "
        + "made up for a comparison: give your own with \(Setting.inputs)"
    case .outputsDiffer(let left, let right): "the outputs differ: \(left) and \(right)"
    case .inputsDiffer(let left, let right): "the inputs differ: \(left) and \(right)"
    case .cannotRun(let side, let probe, let reason):
      "\(side) does not run on the probe '\(probe)': \(reason)"
    }
  }
}

/// Compares two sides.
///
/// Where both have models that can be laid side by side, their parameters decide (`Structure`), and probes prove that each side
/// computes what its model says: its own evaluator against its import, in Float64. Where they cannot, outputs alone decide, by
/// the Float64 bound of the weights as they are.
///
/// - Parameters:
///   - seed: of probes that were made up; nil for inputs that the user gave. One of the former that a side cannot run is left out.
///   - storage: what the right side may have stored the left side's weights as.
///   - isDiagnosing: where they differ, find out which known mistake explains it.
///   - isSingleNeeded: whether Float32 evaluations are compared, too; without them nothing is `identical`.
package func verify(
  _ left: Subject, _ right: Subject, probes: [Probe], tolerance: Tolerance? = nil, seed: UInt64? = nil,
  storage: WeightStorage? = nil, isDiagnosing: Bool = true, isSingleNeeded: Bool = true
) throws(VerificationError) -> VerificationReport {
  guard !probes.isEmpty else { throw .noProbes("no inputs were given") }
  try left.requireFinite()
  try right.requireFinite()
  let pairing = try InputPairing(left, right)
  var report = VerificationReport(
    left: left.name, right: right.name, verdict: .identical, fingerprints: [nil, nil], outputs: [], roads: [],
    probes: [], seed: seed, reasons: pairing.reasons(left.name, right.name))
  let names: [String: String]
  do { names = try Subject.outputs(left, right) } catch {
    // Other outputs are a difference, not a misuse.
    report.verdict = .different
    report.reasons.append(error.description)
    return report
  }
  if let model = left.model, let other = right.model, pairing.leftOnly.isEmpty, pairing.rightOnly.isEmpty {
    report.structure = Structure(model, other, inputs: pairing.names, outputs: names, storage: storage)
  }
  let isShared =
    report.structure?.outcome == .same && pairing.names.allSatisfy { $0 == $1 }
    && names.allSatisfy { $0 == $1 }
  let trials = probes.map { probe in
    Subject.Trial(
      [
        .init(subject: left, inputs: pairing.ofLeft(probe.inputs), isSingleNeeded: isSingleNeeded),
        .init(subject: right, inputs: pairing.ofRight(probe.inputs), isSingleNeeded: isSingleNeeded),
      ], probe, isShared: isShared)
  }
  // A hash of all weights takes as long as some of their passes.
  let (leftPrint, rightPrint) = (left.fingerprinting, right.fingerprinting)
  Subject.Trial.run(trials, besides: [leftPrint, rightPrint])
  var ran: [(probe: Probe, left: Subject.Run, right: Subject.Run, outputs: [String: String])] = []
  var failure: VerificationError?
  for trial in trials {
    let runs: [Subject.Run]
    do { runs = try trial.runs(seed: seed ?? 1) } catch {
      guard seed != nil, probes.count > 1 else { throw error }
      failure = failure ?? error
      report.reasons.append("\(error); that probe is left out")
      continue
    }
    report.probes.append(trial.probe.name)
    let pairs =
      names.isEmpty
      ? try matched(
        runs[0].double.keys.sorted(), runs[1].double.keys.sorted(), VerificationError.outputsDiffer) : names
    ran.append((trial.probe, runs[0], runs[1], pairs))
  }
  let judged = ran
  let folding = Folding(left, right)
  let compared = Deferred<VerificationReport, VerificationError> { [report] () throws(VerificationError) in
    var report = report
    var outputs = OutputComparisons()
    // Of several probes the first says it.
    var unequal: Set<String> = []
    let (mine, theirs) = (left.model?.portsOfOutputs, right.model?.portsOfOutputs)
    for (probe, a, b, pairs) in judged {
      let folded = folding.map { folding in
        Deferred { () throws(any Error) -> [String: Noise] in
          let run = folding.isLeft ? a : b
          let inputs = (folding.isLeft ? pairing.ofLeft : pairing.ofRight)(probe.inputs)
          return try folding.noise(inputs, around: run.double, seed: seed ?? 1)
        }
      }
      for name in left.model?.outputs.map(\.name) ?? pairs.keys.sorted() {
        guard let other = pairs[name], let x = a.double[name], let y = b.double[other] else { continue }
        guard x.shape == y.shape else {
          let hasOwnSteps = (left.model ?? right.model)?.hasOwnSteps ?? false
          let mayDecide = hasOwnSteps || left.model == nil || right.model == nil
          let isUndecided = mayDecide && [a, b].contains { $0.own?.sharpBounds?.hasUndecided ?? false }
          outputs.record(name) {
            let reason = $0.add(
              steps: x.shape, y.shape, isUndecided: isUndecided, hasOwnSteps: hasOwnSteps, probe: probe.name)
            if unequal.insert(name).inserted { report.reasons.append(reason) }
          }
          continue
        }
        var sides = Sides(
          a, b, name, other, x, y, mine?[name] ?? theirs?[other],
          structure: report.structure, hasTolerance: tolerance != nil)
        sides.isEvaluatedOnly = left.model == nil || right.model == nil
        if let folding, let folded {
          sides.foldingNoise = { (try? folded.value)?[folding.isLeft ? name : other] }
          sides.singleNoise = { a.own?.singleNoise?[name] ?? b.own?.singleNoise?[other] }
        }
        outputs.record(name) { $0.add(sides, probe: probe.name, tolerance: tolerance) }
      }
    }
    report.outputs = outputs.list
    return report
  }
  let roads = [
    Deferred { () throws(VerificationError) in left.road(judged.map { ($0.probe, $0.left) }) },
    Deferred { () throws(VerificationError) in right.road(judged.map { ($0.probe, $0.right) }) },
  ]
  concurrently([compared] + roads)
  report = try compared.value
  guard !report.probes.isEmpty else { throw failure ?? .noProbes(report.reasons.joined(separator: "; ")) }
  guard report.outputs.contains(where: { $0.elements > 0 || $0.verdict > .equal }) else {
    throw .noProbes("the inputs give outputs of no element")
  }
  report.fingerprints = [try leftPrint.value, try rightPrint.value]
  report.roads = [try roads[0].value, try roads[1].value].compactMap(\.self)
  report.conclude(left, right, hasTolerance: tolerance != nil)
  report.radius = BlindRadius(
    output: report.outputs.map(\.blindShare).max() ?? 0,
    comparesWeights: report.structure?.unaligned == nil && report.structure != nil)
  guard isDiagnosing, report.verdict == .different else { return report }
  try report.diagnose(left, right, pairing, probes, storage)
  return report
}

/// Compares one side with recorded outputs, such as another runtime's.
///
/// `equal` says that they deviate as rounding noise does: element by element, and all together. The worst case, which is far
/// wider, can only prove a difference.
/// - Parameters:
///   - rounding: how accurate the runtime that recorded them is; recorded Float64 is judged as such.
///   - isMeasuringRadius: whether to find out how much a weight could have changed unnoticed.
package func verify(
  _ left: Subject, expected: [String: Tensor], from source: String, probe: Probe, rounding: RoundingModel,
  tolerance: Tolerance? = nil, isDiagnosing: Bool = true, isMeasuringRadius: Bool = false
) throws(VerificationError) -> VerificationReport {
  try left.requireFinite()
  // Numbers that are all those of Float32 were computed in it, whatever type keeps them.
  let isDouble =
    expected.values.allSatisfy { $0.elementType == .float64 }
    && expected.values.contains { $0.doubles.contains { Double(Float($0)) != $0 && !$0.isNaN } }
  let rounding = isDouble ? .float64 : rounding
  let side = Subject.Side(
    subject: left, inputs: probe.inputs, recording: rounding, isSingleNeeded: left.model == nil)
  let trial = Subject.Trial([side], probe, isShared: false)
  let fingerprint = left.fingerprinting
  Subject.Trial.run([trial], besides: [fingerprint])
  let run = try trial.runs(seed: 1)[0]
  var report = VerificationReport(
    left: left.name, right: source, verdict: .equal, fingerprints: [try fingerprint.value, nil], outputs: [],
    roads: [],
    probes: [probe.name], seed: nil, reasons: [])
  // A few passes tell noise well enough where nothing is near a threshold; of tokens none of them must be another one.
  let isPlain = run.recorded != nil && run.double.values.allSatisfy { $0.elementType.isFloat }
  if isPlain { report.compare(run, expected, left.model, rounding, isBrief: true, tolerance: tolerance) }
  if !isPlain || !report.outputs.allSatisfy(\.isPlainlyEqual) {
    report.compare(run, expected, left.model, rounding, isBrief: false, tolerance: tolerance)
  }
  let missing = run.double.keys.filter { expected[$0] == nil }.sorted()
  if !missing.isEmpty {
    report.reasons.append(
      "not compared, since nothing was recorded of it: \(missing.joined(separator: ", "))")
  }
  let strangers = expected.keys.filter { run.double[$0] == nil }.sorted()
  guard report.outputs.contains(where: { $0.elements > 0 || $0.verdict > .equal }) else {
    throw strangers.isEmpty
      ? .noProbes("the arrays hold no element")
      : .outputsDiffer(left: run.double.keys.sorted(), right: expected.keys.sorted())
  }
  report.roads = left.road([(probe, run)]).map { [$0] } ?? []
  report.conclude(left, nil)
  report.radius = BlindRadius(output: report.outputs.map(\.blindShare).max() ?? 0, comparesWeights: false)
  if isMeasuringRadius, let model = left.model, let noise = run.recorded?.noise {
    let allowed = noise.filter { expected[$0.key] != nil }.mapValues { $0.usual.map { Sharpness.usual * $0 } }
    report.radius?.layers = model.blindWeights(left.own(probe.inputs), allowed: allowed, seed: 1)
  }
  if !strangers.isEmpty {
    // What was not compared is not right; a difference is one whatever else was given.
    guard report.verdict == .different else {
      throw .outputsDiffer(left: run.double.keys.sorted(), right: expected.keys.sorted())
    }
    report.reasons.append("not compared, since no output has that name: \(strangers.joined(separator: ", "))")
  }
  guard isDiagnosing, report.verdict == .different else { return report }
  report.diagnosis = try report.diagnosisOfImport(left, [probe])
  if report.diagnosis == nil {
    report.diagnosis = try diagnose(
      left, expected: expected, from: source, probe: probe, rounding: rounding)
  }
  return report
}

extension VerificationReport {
  /// Takes what was recorded of one probe into account, and nothing else.
  ///
  /// - Parameter isBrief: whether a few noisy passes are enough.
  fileprivate mutating func compare(
    _ run: Subject.Run, _ expected: [String: Tensor], _ model: Model?, _ rounding: RoundingModel,
    isBrief: Bool,
    tolerance: Tolerance?
  ) {
    reasons = []
    var outputs = OutputComparisons()
    let (probe, ports) = (probes[0], model?.portsOfOutputs)
    for name in run.double.keys.sorted() {
      guard let theirs = expected[name], let ours = run.double[name] else { continue }
      guard theirs.shape == ours.shape else {
        let hasOwnSteps = model?.hasOwnSteps ?? false
        let isUndecided =
          (hasOwnSteps || model == nil) && run.recorded?.sharpBounds?.hasUndecided ?? false
        outputs.record(name) {
          reasons.append(
            $0.add(
              steps: ours.shape, theirs.shape, isUndecided: isUndecided, hasOwnSteps: hasOwnSteps,
              probe: probe))
        }
        continue
      }
      let sides = Sides(
        recorded: run, name, ours, theirs, ports?[name], rounding, isBrief: isBrief,
        hasTolerance: tolerance != nil)
      outputs.record(name) { $0.add(sides, probe: probe, tolerance: tolerance) }
    }
    self.outputs = outputs.list
  }

  /// Looks for what explains a difference: in a side's own road first, since nothing else can be told while that is wrong.
  fileprivate mutating func diagnose(
    _ left: Subject, _ right: Subject, _ pairing: InputPairing, _ probes: [Probe], _ storage: WeightStorage?
  ) throws(VerificationError) {
    let ran = probes.filter { self.probes.contains($0.name) }
    func asTaken(_ side: ([String: Tensor]) -> [String: Tensor]) -> [Probe] {
      ran.map { Probe(name: $0.name, inputs: side($0.inputs)) }
    }
    diagnosis = try diagnosisOfImport(left, asTaken(pairing.ofLeft))
    if diagnosis == nil { diagnosis = try diagnosisOfImport(right, asTaken(pairing.ofRight)) }
    if diagnosis == nil {
      diagnosis = try Verification.diagnose(left: left, right: right, probes: ran, storage: storage)
    }
  }
}

extension Sides {
  /// Two sides' Float64 evaluations of one output.
  ///
  /// Where stated roundings of parameters lie between them, by how much the models are apart is known, and only the rest is
  /// judged. A right side that is not proven to be the left one brings no roundings of its own.
  fileprivate init(
    _ a: Subject.Run, _ b: Subject.Run, _ name: String, _ other: String, _ x: Tensor, _ y: Tensor,
    _ port: Model.Port?,
    structure: Structure?, hasTolerance: Bool
  ) {
    /// Neither side brings its own allowance: the lesser bound counts twice, since both claim to compute the same.
    func both(_ bounds: (Derivation) -> [String: BoundedTensor]?) -> [Double]? {
      let mine = a.own.flatMap(bounds)?.errors(of: name, shape: x.shape)
      let theirs = b.own.flatMap(bounds)?.errors(of: other, shape: x.shape)
      guard let mine, let theirs else { return (mine ?? theirs)?.map { 2 * $0 } }
      return zip(mine, theirs).map { 2 * min($0, $1) }
    }
    let isProof = structure?.isProof ?? false
    var slack = Self.added(a.stated(name, x), isProof ? b.stated(other, y) : y.storageError)
    if isProof, structure?.outcome != .same, let p = a.own?.bounds[name], let q = b.own?.bounds[other],
      p.shape == x.shape, q.shape == x.shape
    {
      let moved = zip(p.values, q.values).map { abs($0 - $1) }
      // Apart from the least bound, the other side's own rounding lies between its model and what is known of it.
      slack = moved.indices.map { (slack?[$0] ?? 0) + moved[$0] + q.errors[$0] }
    }
    let left = x.doubles
    self.init(
      shape: x.shape, left: left, right: y.doubles, scales: Features(left, x.shape, port).scales,
      bounds: both { $0.bounds } ?? Array(repeating: hasTolerance ? 0 : .infinity, count: x.count),
      slack: slack,
      sameBits: Self.sameBits(a.single[name], b.single[other], count: x.count),
      sharpBounds: [{ both(\.sharperBounds) }, { both(\.sharpBounds) }],
      noise: { a.own?.noise?[name] ?? b.own?.noise?[other] ?? a.observedNoise(name, port, .float64) },
      floor: RoundingModel.float64.floor, isKnownToDiffer: structure?.outcome == .different,
      timeAxis: port?.timeAxis(of: x.shape))
  }

  /// One output and what was recorded of it.
  fileprivate init(
    recorded run: Subject.Run, _ name: String, _ ours: Tensor, _ theirs: Tensor, _ port: Model.Port?,
    _ rounding: RoundingModel, isBrief: Bool, hasTolerance: Bool
  ) {
    // Where the model stopped at the same step.
    let bounded = run.recorded?.bounds[name].flatMap { $0.shape == ours.shape ? $0 : nil }
    let left = ours.doubles
    let features = Features(left, ours.shape, port)
    self.init(
      shape: ours.shape, left: left, right: theirs.doubles, scales: features.scales,
      usualScale: features.usualScale,
      bounds: bounded?.errors(around: left.map { $0.isFinite ? $0 : 0 })
        ?? Array(repeating: hasTolerance && run.recorded == nil ? 0 : .infinity, count: ours.count),
      slack: Self.added(theirs.storageError, run.stated(name, ours)),
      noise: {
        guard let recorded = run.recorded else { return run.observedNoise(name, port, rounding) }
        return isBrief ? recorded.briefNoise?[name] : recorded.noise?[name]
      },
      floor: rounding.floor, isRecording: true, isInteger: !ours.elementType.isFloat,
      timeAxis: port?.timeAxis(of: ours.shape)
    )
  }

  private static func added(_ a: [Double]?, _ b: [Double]?) -> [Double]? {
    guard let a, let b else { return a ?? b }
    return zip(a, b).map { $0 + $1 }
  }

  private static func sameBits(_ left: Tensor?, _ right: Tensor?, count: Int) -> [Bool] {
    guard let left, let right, left.count == count, right.count == count else {
      return Array(repeating: false, count: count)
    }
    // Which of the many NaNs an operation gives, no format says.
    return zip(left.doubles, right.doubles).map { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN }
  }
}

extension Subject.Run {
  /// Where there is no model to draw noise in: what the file's own evaluator is off by in Float32, of each feature.
  func observedNoise(_ name: String, _ port: Model.Port?, _ rounding: RoundingModel) -> Noise? {
    guard let single = single[name], let double = double[name], single.shape == double.shape,
      double.elementType.isFloat
    else { return nil }
    let (a, b) = (single.doubles, double.doubles)
    // Runtimes' functions are several times less accurate than the evaluator's.
    let unit = rounding.unitRoundoff * 0x1p24 * (rounding.format == .float32 ? 4 : 1)
    let noise = zip(a, b).map { isSame($0, $1) ? 0 : unit * abs($0 - $1) }
    return Noise(usual: Features(b, double.shape, port).pooled(noise, b, rounding))
  }
}

extension Subject {
  /// Its own evaluator against its canonical model; nil without one.
  fileprivate func road(_ runs: [(probe: Probe, run: Run)]) -> VerificationReport.Road? {
    guard let model else { return nil }
    var outputs = OutputComparisons()
    for (probe, run) in runs { run.compareRoad(probe, model.portsOfOutputs, &outputs) }
    return VerificationReport.Road(side: name, outputs: outputs.list, isSecond: hasSecondRoad)
  }

  fileprivate var fingerprinting: Deferred<String?, VerificationError> {
    let model = model
    return Deferred { () throws(VerificationError) in model?.fingerprint.description }
  }

  /// A NaN or ∞ among the weights makes every output one: nothing could be compared.
  fileprivate func requireFinite() throws(VerificationError) {
    guard let found = model?.firstNotFinite else { return }
    throw .notFinite(side: name, found)
  }

  /// Which output of the right side is which of the left one; empty where a side has no model to tell.
  fileprivate static func outputs(_ left: Subject, _ right: Subject) throws(VerificationError) -> [String:
    String]
  {
    guard let mine = left.model?.outputs.map(\.name), let theirs = right.model?.outputs.map(\.name) else {
      return [:]
    }
    return try matched(mine, theirs) { .outputsDiffer(left: $0, right: $1) }
  }
}

extension Model.Port {
  /// The axis of a tensor of this shape that is time and nothing else.
  func timeAxis(of shape: [Int]) -> Int? { axes(of: shape)?.firstIndex { $0.factors == [.time] } }
}

/// Pairs names: by name where both sides have the same ones, else by position.
func matched(
  _ left: [String], _ right: [String], _ failure: ([String], [String]) -> VerificationError
) throws(VerificationError) -> [String: String] {
  if Set(left) == Set(right) { return Dictionary(uniqueKeysWithValues: left.map { ($0, $0) }) }
  guard left.count == right.count else { throw failure(left, right) }
  return Dictionary(uniqueKeysWithValues: zip(left, right))
}
