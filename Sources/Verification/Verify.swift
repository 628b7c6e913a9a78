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

  public init(
    name: String, model: Model?, inputNames: [String],
    evaluate: @escaping @Sendable ([String: Tensor], Precision) throws -> [String: Tensor]
  ) {
    self.name = name
    self.model = model
    self.inputNames = inputNames
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
/// Where they differ and `isDiagnosing`, the report says which known mistake explains it. Both run in Float64, where rounding hides least: each element may differ by the sum of both sides' Float64 bounds.
/// An element outside it is judged by the bounds of Float32, the precision that the models are made for; so a
/// conversion that rounds a weight once is still `equal`. `identical` asks Float32 evaluations to agree bit for bit.
public func verify(
  _ left: Subject, _ right: Subject, probes: [Probe], tolerance: Tolerance? = nil, seed: UInt64? = nil,
  isDiagnosing: Bool = true
) throws(VerificationError) -> VerificationReport {
  guard !probes.isEmpty else { throw .noProbes("no inputs were given") }
  let names = try matched(left.inputNames, right.inputNames) { .inputsDiffer(left: $0, right: $1) }
  var outputs: [OutputComparison] = []
  var leftRoad: [OutputComparison] = []
  var rightRoad: [OutputComparison] = []
  for probe in probes {
    let renamed = Dictionary(uniqueKeysWithValues: probe.inputs.map { (names[$0.key] ?? $0.key, $0.value) })
    let a = try left.run(probe, probe.inputs)
    let b = try right.run(probe, renamed)
    let order = left.model?.outputs.map(\.name) ?? a.double.keys.sorted()
    let pairs = try matched(order, right.model?.outputs.map(\.name) ?? b.double.keys.sorted()) {
      .outputsDiffer(left: $0, right: $1)
    }
    for name in order {
      guard let other = pairs[name], let x = a.double[name], let y = b.double[other] else { continue }
      guard x.shape == y.shape else { throw .shapesDiffer(output: name, left: x.shape, right: y.shape) }
      let sides = Sides(
        shape: x.shape, left: x.doubles, right: y.doubles,
        bounds: sum(a.bounds?[name]?.errors, b.bounds?[other]?.errors)
          ?? Array(repeating: 0, count: x.count),
        sameBits: sameBits(a.single[name], b.single[other], count: x.count),
        wideBounds: { sum(a.wide(name), b.wide(other)) })
      outputs.record(name) { $0.add(sides, probe: probe.name, tolerance: tolerance) }
    }
    a.compareRoad(probe, &leftRoad)
    b.compareRoad(probe, &rightRoad)
  }
  var report = VerificationReport(
    left: left.name, right: right.name, verdict: .equal,
    fingerprints: [left.model?.fingerprint.description, right.model?.fingerprint.description],
    outputs: outputs,
    roads: [
      left.model.map { _ in VerificationReport.Road(side: left.name, outputs: leftRoad) },
      right.model.map { _ in VerificationReport.Road(side: right.name, outputs: rightRoad) },
    ].compactMap { $0 }, probes: probes.map(\.name), seed: seed, reasons: [])
  report.conclude()
  guard isDiagnosing, report.verdict == .different else { return report }
  report.diagnosis = try report.diagnosisOfImport([left, right], probes)
  if report.diagnosis == nil { report.diagnosis = try diagnose(left: left, right: right, probes: probes) }
  return report
}

/// Compares one side with recorded outputs, such as another runtime's.
///
/// - Parameter rounding: how accurate the runtime that recorded them is; recorded Float64 is judged as such.
public func verify(
  _ left: Subject, expected: [String: Tensor], from source: String, probe: Probe, rounding: RoundingModel,
  tolerance: Tolerance? = nil
) throws(VerificationError) -> VerificationReport {
  let isDouble = expected.values.allSatisfy { $0.elementType == .float64 }
  let run = try left.run(probe, probe.inputs)
  let reference: [String: BoundedTensor]?
  do {
    reference = try left.model.map {
      try boundedForward($0, inputs: run.ownInputs, rounding: isDouble ? .float64 : rounding)
    }
  } catch { throw .cannotRun(side: left.name, probe: probe.name, reason: "\(error)") }
  var outputs: [OutputComparison] = []
  for name in run.double.keys.sorted() {
    guard let theirs = expected[name], let ours = run.double[name] else { continue }
    guard theirs.shape == ours.shape else {
      throw .shapesDiffer(output: name, left: ours.shape, right: theirs.shape)
    }
    // Without a canonical model there is no bound: only a tolerance, or equality, can tell.
    let sides = Sides(
      shape: ours.shape, left: reference?[name]?.values ?? ours.doubles, right: theirs.doubles,
      bounds: reference?[name]?.errors
        ?? Array(repeating: tolerance == nil ? .infinity : 0, count: ours.count),
      sameBits: Array(repeating: true, count: ours.count), wideBounds: { nil })
    outputs.record(name) { $0.add(sides, probe: probe.name, tolerance: tolerance) }
  }
  guard !outputs.isEmpty else {
    throw .outputsDiffer(left: run.double.keys.sorted(), right: expected.keys.sorted())
  }
  var road: [OutputComparison] = []
  run.compareRoad(probe, &road)
  var report = VerificationReport(
    left: left.name, right: source, verdict: .equal,
    fingerprints: [left.model?.fingerprint.description, nil], outputs: outputs,
    roads: left.model.map { _ in [.init(side: left.name, outputs: road)] } ?? [], probes: [probe.name],
    seed: nil,
    reasons: [])
  report.conclude()
  if report.verdict == .different {
    report.diagnosis = try report.diagnosisOfImport([left], [probe])
    if report.diagnosis == nil {
      report.diagnosis = try diagnose(
        left, expected: expected, from: source, probe: probe, rounding: isDouble ? .float64 : rounding)
    }
  }
  return report
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
  return zip(left.doubles, right.doubles).map { $0.bitPattern == $1.bitPattern }
}

extension Subject {
  /// What one side made of one probe.
  fileprivate struct Run {
    let single: [String: Tensor]
    let double: [String: Tensor]
    /// Float64 reference and bounds; nil without a canonical model.
    let bounds: [String: BoundedTensor]?
    let model: Model?
    let ownInputs: [String: Tensor]

    /// Bounds of Float32 arithmetic.
    func wide(_ output: String) -> [Double]? {
      guard let model else { return nil }
      return try? boundedForward(model, inputs: ownInputs, rounding: .float32)[output]?.errors
    }

    /// The evaluator's output against the canonical model's.
    func compareRoad(_ probe: Probe, _ road: inout [OutputComparison]) {
      guard let bounds else { return }
      for (name, bounded) in bounds.sorted(by: { $0.key < $1.key }) {
        guard let value = double[name], value.shape == bounded.shape else { continue }
        // Both roads start from the same bits, so nothing but Float64 rounding lies between them.
        let sides = Sides(
          shape: value.shape, left: bounded.values, right: value.doubles,
          bounds: bounded.errors.map { 2 * $0 }, sameBits: Array(repeating: true, count: value.count),
          wideBounds: { nil })
        road.record(name) { $0.add(sides, probe: probe.name, tolerance: nil) }
      }
    }
  }

  fileprivate func run(
    _ probe: Probe, _ inputs: [String: Tensor]
  ) throws(VerificationError) -> Run {
    do {
      let own = model.map { model in inputs.filter { input in model.inputs.contains { $0.name == input.key } }
      }
      return Run(
        single: try evaluate(inputs, .float32), double: try evaluate(inputs, .float64),
        bounds: try model.map { try boundedForward($0, inputs: own!, rounding: .float64) }, model: model,
        ownInputs: own ?? inputs)
    } catch { throw .cannotRun(side: name, probe: probe.name, reason: "\(error)") }
  }
}

extension VerificationReport {
  /// The first side whose import is wrong: until that is mended, its model says nothing about the file.
  fileprivate func diagnosisOfImport(
    _ sides: [Subject], _ probes: [Probe]
  ) throws(VerificationError) -> Diagnosis? {
    for (number, side) in sides.enumerated() {
      let isWrong = roads.contains { road in
        // A reference that is no number tells nothing.
        road.side == side.name && road.outputs.contains { $0.firstOutside?.left.isFinite ?? false }
      }
      guard isWrong else { continue }
      // Probes have the left side's input names.
      guard number == 0 || Set(side.inputNames) == Set(sides[0].inputNames) else { continue }
      return try diagnoseImport(of: side, probes: probes)
    }
    return nil
  }

  /// Draws the verdict from the comparisons.
  fileprivate mutating func conclude() {
    verdict = outputs.map(\.verdict).max() ?? .different
    let sameFingerprint =
      fingerprints.count == 2 && fingerprints[0] != nil && fingerprints[0] == fingerprints[1]
    if verdict == .identical, !sameFingerprint {
      verdict = .equal
      if fingerprints.allSatisfy({ $0 != nil }) {
        reasons.append(
          "every output is equal bit for bit; the fingerprints differ, so the models are written differently")
      }
    }
    for road in roads where road.verdict > .equal {
      let worst = road.outputs.first { $0.verdict == road.verdict }
      switch road.verdict {
      case .inconclusive:
        reasons.append("\(road.side): the bound of output '\(worst?.name ?? "")' covers its own range")
      default:
        reasons.append("\(road.side): its own evaluator and its imported model disagree: the import is wrong")
      }
      verdict = max(verdict, road.verdict)
    }
    for output in outputs {
      if output.verdict == .different, let place = output.firstOutside {
        reasons.append(
          "output '\(output.name)' first leaves its bound at \(place.index) on the probe '\(place.probe)': "
            + "\(place.left) against \(place.right)")
      }
      if output.widened > 0, output.verdict == .equal {
        reasons.append(
          "output '\(output.name)': \(output.widened) of \(output.elements) elements are equal to Float32's rounding, "
            + "not Float64's: a weight or constant was rounded")
      }
      if output.verdict == .inconclusive, fingerprints.allSatisfy({ $0 == nil }) {
        reasons.append(
          "output '\(output.name)': the file cannot be imported, so no bound can be derived; only a tolerance of your own "
            + "(--atol, --rtol) can tell")
      } else if output.verdict == .inconclusive {
        reasons.append(
          "output '\(output.name)': the rounding bound covers the output's own range in \(output.undecided) of "
            + "\(output.elements) elements: the recurrence expands; shorter sequences or Float64 on both sides would tell"
        )
      }
    }
  }
}

extension [OutputComparison] {
  fileprivate mutating func record(_ name: String, _ body: (inout OutputComparison) -> Void) {
    if let index = firstIndex(where: { $0.name == name }) {
      body(&self[index])
    } else {
      append(OutputComparison(name: name))
      body(&self[count - 1])
    }
  }
}

/// Pairs names: by name where both sides have the same ones, else by position.
func matched(
  _ left: [String], _ right: [String], _ failure: ([String], [String]) -> VerificationError
) throws(VerificationError) -> [String: String] {
  if Set(left) == Set(right) { return Dictionary(uniqueKeysWithValues: left.map { ($0, $0) }) }
  guard left.count == right.count else { throw failure(left, right) }
  return Dictionary(uniqueKeysWithValues: zip(left, right))
}
