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

  public struct Road: Sendable, Equatable {
    public var side: String
    public var outputs: [OutputComparison]
    public var verdict: Verdict { outputs.map(\.verdict).max() ?? .equal }
  }
}

/// Why no comparison could be made.
public enum VerificationError: Error, Equatable, CustomStringConvertible {
  case noProbes(String)
  case outputsDiffer(left: [String], right: [String])
  case inputsDiffer(left: [String], right: [String])
  case shapesDiffer(output: String, left: [Int], right: [Int])
  case cannotRun(side: String, probe: String, reason: String)

  public var description: String {
    switch self {
    case .noProbes(let reason): "there is nothing to compare on: \(reason)"
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
/// Each element may differ by the sum of both sides' bounds: each is a bound on the distance between any correct
/// Float32 evaluation and the exact value.
public func verify(
  _ left: Subject, _ right: Subject, probes: [Probe], rounding: RoundingModel? = nil,
  tolerance: Tolerance? = nil, seed: UInt64? = nil
) throws(VerificationError) -> VerificationReport {
  guard !probes.isEmpty else { throw .noProbes("no inputs were given") }
  let precision = left.precision ?? right.precision ?? .float32
  let rounding = rounding ?? (precision == .float64 ? .float64 : .float32)
  let names = try matched(left.inputNames, right.inputNames) { .inputsDiffer(left: $0, right: $1) }
  var outputs: [OutputComparison] = []
  var leftRoad: [OutputComparison] = []
  var rightRoad: [OutputComparison] = []
  for probe in probes {
    let renamed = Dictionary(uniqueKeysWithValues: probe.inputs.map { (names[$0.key] ?? $0.key, $0.value) })
    let a = try left.run(probe, probe.inputs, precision, rounding)
    let b = try right.run(probe, renamed, precision, rounding)
    let order = left.model?.outputs.map(\.name) ?? a.values.keys.sorted()
    let pairs = try matched(order, right.model?.outputs.map(\.name) ?? b.values.keys.sorted()) {
      .outputsDiffer(left: $0, right: $1)
    }
    for name in order {
      guard let x = a.values[name], let y = b.values[pairs[name]!] else { continue }
      guard x.shape == y.shape else { throw .shapesDiffer(output: name, left: x.shape, right: y.shape) }
      let (e, f) = (a.bounds?[name]?.errors, b.bounds?[pairs[name]!]?.errors)
      let bounds: [Double] =
        switch (e, f) {
        case (let e?, let f?): zip(e, f).map { ($0 + $1).nextUp }
        // The other side claims to compute the same, so the same bound holds for it.
        case (let e?, nil), (nil, let e?): e.map { 2 * $0 }
        case (nil, nil): Array(repeating: .infinity, count: x.count)
        }
      outputs.record(name) {
        $0.add(
          left: x.doubles, right: y.doubles, bounds: bounds, shape: x.shape, probe: probe.name,
          tolerance: tolerance)
      }
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
  return report
}

/// Compares one side with recorded outputs, such as another runtime's.
///
/// - Parameter rounding: how accurate the runtime that recorded them is.
public func verify(
  _ left: Subject, expected: [String: Tensor], from source: String, probe: Probe, rounding: RoundingModel,
  tolerance: Tolerance? = nil
) throws(VerificationError) -> VerificationReport {
  let precision = left.precision ?? .float32
  let rounding =
    precision == .float64 && expected.values.allSatisfy({ $0.elementType == .float64 }) ? .float64 : rounding
  let run = try left.run(probe, probe.inputs, precision, rounding)
  var outputs: [OutputComparison] = []
  for name in run.values.keys.sorted() {
    guard let theirs = expected[name], let ours = run.values[name] else { continue }
    guard theirs.shape == ours.shape else {
      throw .shapesDiffer(output: name, left: ours.shape, right: theirs.shape)
    }
    // The recorded output's distance from the Float64 reference, or, without one, from the evaluator.
    let reference = run.bounds?[name]?.values ?? ours.doubles
    let bounds = run.bounds?[name]?.errors ?? Array(repeating: .infinity, count: ours.count)
    outputs.record(name) {
      $0.add(
        left: reference, right: theirs.doubles, bounds: bounds, shape: ours.shape, probe: probe.name,
        tolerance: tolerance)
    }
  }
  guard !outputs.isEmpty else {
    throw .outputsDiffer(left: run.values.keys.sorted(), right: expected.keys.sorted())
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
  return report
}

extension Subject {
  /// Float64 where everything that the model says of floats is Float64.
  fileprivate var precision: Precision? {
    guard let model else { return nil }
    let floats = (model.inputs + model.outputs).filter { !$0.kind.isInteger }
    return floats.allSatisfy { $0.elementType == .float64 } && !floats.isEmpty ? .float64 : .float32
  }

  fileprivate struct Run {
    let values: [String: Tensor]
    let bounds: [String: BoundedTensor]?

    /// The evaluator's output against the canonical model's.
    func compareRoad(_ probe: Probe, _ road: inout [OutputComparison]) {
      guard let bounds else { return }
      for (name, bounded) in bounds.sorted(by: { $0.key < $1.key }) {
        guard let value = values[name], value.shape == bounded.shape else { continue }
        road.record(name) {
          $0.add(
            left: bounded.values, right: value.doubles, bounds: bounded.errors, shape: value.shape,
            probe: probe.name, tolerance: nil)
        }
      }
    }
  }

  fileprivate func run(
    _ probe: Probe, _ inputs: [String: Tensor], _ precision: Precision, _ rounding: RoundingModel
  ) throws(VerificationError) -> Run {
    do {
      let values = try evaluate(inputs, precision)
      let own =
        model.map { model in inputs.filter { input in model.inputs.contains { $0.name == input.key } } }
        ?? inputs
      return Run(
        values: values, bounds: try model.map { try boundedForward($0, inputs: own, rounding: rounding) })
    } catch { throw .cannotRun(side: name, probe: probe.name, reason: "\(error)") }
  }
}

extension VerificationReport {
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
      if output.verdict == .inconclusive {
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
private func matched(
  _ left: [String], _ right: [String], _ failure: ([String], [String]) -> VerificationError
) throws(VerificationError) -> [String: String] {
  if Set(left) == Set(right) { return Dictionary(uniqueKeysWithValues: left.map { ($0, $0) }) }
  guard left.count == right.count else { throw failure(left, right) }
  return Dictionary(uniqueKeysWithValues: zip(left, right))
}
