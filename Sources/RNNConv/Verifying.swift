internal import ByteIO
public import Forward
internal import Recurrent
internal import Synchronization
public import Tensors
public import Verification

/// How verification is done.
public struct VerificationOptions: Sendable, Equatable {
  /// Of the generated probes.
  public var seed: UInt64
  /// What the second file may have stored the first one's weights as.
  public var storage: WeightStorage?
  /// What is tried where inputs are made up.
  public var suite: ProbeSuite
  /// Inputs given by the user, instead of generated ones.
  public var inputs: [String: Tensor]?
  /// Accepts deviations beyond the derived bound; the verdict is then `close` at best.
  public var tolerance: Tolerance?
  /// How accurate the runtime is that made expected outputs.
  public var runtime: Runtime
  /// How far that runtime's tanh and sigmoid may be off, where it is not one that was measured.
  public var activationError: Double?
  /// Whether to find out how much a weight could have changed without that expected outputs show it.
  public var isMeasuringRadius = true
  /// Whether Float32 evaluations of both files are compared, too; without them nothing is `identical`.
  public var isSingleNeeded = true

  /// The arithmetic of expected outputs.
  var rounding: RoundingModel {
    var rounding = runtime.rounding
    if let activationError {
      rounding.sigmoid = FunctionError(relative: 0, absolute: activationError)
      rounding.tanh = rounding.sigmoid
    }
    return rounding
  }
  /// Whether to find out where and why two sides differ.
  public var isDiagnosing = true

  /// The runtimes whose activations were measured (docs/activation-accuracy.md).
  public enum Runtime: String, Sendable, CaseIterable {
    /// One that is not known: as the widest of the others.
    case any
    /// ONNX Runtime.
    case onnxruntime
    /// PyTorch.
    case pytorch
    /// Keras, on TensorFlow.
    case keras
    /// OpenVINO.
    case openvino
    /// LiteRT, formerly TensorFlow Lite.
    case litert
    /// Sonos' tract.
    case tract

    var rounding: RoundingModel {
      switch self {
      case .onnxruntime: .onnxruntime
      // OpenVINO's functions are PyTorch's, bit for bit.
      case .pytorch, .openvino: .pytorch
      case .keras, .litert: .keras
      // The widest of those that were measured.
      case .any, .tract: .tract
      }
    }
  }

  /// Made-up inputs of the standard suite, no tolerance and a runtime that is not known, unless said otherwise.
  public init(
    seed: UInt64 = 1, suite: ProbeSuite = .standard, inputs: [String: Tensor]? = nil,
    tolerance: Tolerance? = nil,
    runtime: Runtime = .any
  ) {
    self.seed = seed
    self.suite = suite
    self.inputs = inputs
    self.tolerance = tolerance
    self.runtime = runtime
  }
}

extension ModelFile {
  /// The file as a side of a comparison.
  package var subject: Subject {
    let file = self
    let model = try? model
    return Subject(
      name: path, model: model, inputNames: model?.inputs.map(\.name) ?? inputNames,
      roundedTo: notes.compactMap(\.roundedTo).filter(\.isFloat).max { $0.unitRoundoff < $1.unitRoundoff },
      hasSecondRoad: content.hasSecondRoad, rounding: content.rounding,
      evaluate: OwnFault().remembering { (inputs, precision) throws(RNNConvError) in
        try file.evaluate(inputs, precision: precision)
      })
  }

  func probes(_ other: ModelFile?, _ options: VerificationOptions) throws(RNNConvError) -> [Probe] {
    if let inputs = options.inputs { return [Probe(name: "given inputs", inputs: inputs)] }
    let theirs = other.flatMap { try? $0.model }
    if let model = try? model {
      guard let other, let theirs else { return try generated(model, path, options, isBlind: other != nil) }
      // A side that ignores an input must not hide it from the other.
      guard model.inputs.count < theirs.inputs.count else {
        return try generated(model.fitting(theirs), path, options)
      }
      let names: [String: String]
      do { names = try InputPairing(subject, other.subject).names } catch {
        throw RNNConvError(error, isMadeUp: true)
      }
      // Under this side's names, where it has them.
      let own = Dictionary(names.map { ($0.value, $0.key) }) { first, _ in first }
      return try generated(theirs.fitting(model), other.path, options).map { probe in
        Probe(
          name: probe.name,
          inputs: Dictionary(probe.inputs.map { (own[$0.key] ?? $0.key, $0.value) }) { first, _ in first })
      }
    }
    guard let other else {
      // Why this file has no canonical model is the reason that nothing can be generated.
      do { _ = try model } catch {
        let (path, reason): (String, String)
        switch error {
        case .unreadable(let file, let why), .notImported(let file, let why, _): (path, reason) = (file, why)
        default: throw error
        }
        throw .unreadable(
          path: path,
          reason:
            "\(reason); with inputs and outputs of your own it is judged without (\(Setting.inputs), \(Setting.expected))"
        )
      }
      return []
    }
    guard let theirs else {
      let probes = declaredProbes(seed: options.seed)
      guard !probes.isEmpty else {
        throw .arguments(
          "neither \(path) nor \(other.path) could be imported, and none of the inputs that were made up for them fits: give your "
            + "own with \(Setting.inputs) (\(inputNames.joined(separator: ", ")))")
      }
      return probes
    }
    // The other side's inputs under this side's names.
    let names = Dictionary(uniqueKeysWithValues: zip(theirs.inputs.map(\.name), inputNames))
    let same = Set(theirs.inputs.map(\.name)) == Set(inputNames)
    return try generated(theirs, other.path, options, isBlind: true).map { probe in
      Probe(
        name: probe.name,
        inputs: Dictionary(
          uniqueKeysWithValues: probe.inputs.map { (same ? $0.key : names[$0.key] ?? $0.key, $0.value) }))
    }
  }

  private func generated(
    _ model: Model, _ path: String, _ options: VerificationOptions, isBlind: Bool = false
  ) throws(RNNConvError) -> [Probe] {
    do {
      return try Probe.generated(for: model, seed: options.seed, suite: options.suite, isBlind: isBlind)
    } catch { throw .unreadable(path: path, reason: error.description) }
  }

  /// Compares two files.
  ///
  /// Each side runs by its own format's rules; the bound on their difference is derived from the canonical models.
  /// - Throws: `RNNConvError.comparison` where they cannot be compared.
  public func verify(
    against other: ModelFile, _ options: VerificationOptions = VerificationOptions()
  ) throws(RNNConvError) -> VerificationReport {
    try verifyIntegrity()
    try other.verifyIntegrity()
    guard options.inputs == nil, let notTried = sizesNotTried ?? other.sizesNotTried else {
      return try compared(with: other, options)
    }
    do {
      var report = try shortened.compared(with: other.shortened, options)
      report.fingerprints = [self, other].map { (try? $0.model)?.fingerprint.description }
      report.reasons.append(notTried)
      // It is of the shortened model.
      report.diagnosis?.mended = nil
      return report
    } catch {
      // Its own constants may hold the sizes, so that it runs with no others.
      guard [self, other].allSatisfy({ (try? $0.model)?.isTooLargeToProbe != true }) else {
        throw .evaluation(
          path: path, reason: "\(notTried); it does not run so: \(error). Give inputs of your own")
      }
      var once = options
      once.suite = .quick
      return try compared(with: other, once)
    }
  }

  /// What made-up inputs do not try of the sizes that the file fixes; nil where they do.
  var sizesNotTried: String? { (try? model)?.sizesNotTried }

  private func compared(
    with other: ModelFile, _ options: VerificationOptions
  ) throws(RNNConvError) -> VerificationReport {
    let probes = try probes(other, options)
    do {
      return try Verification.verify(
        subject, other.subject, probes: probes, tolerance: options.tolerance,
        seed: options.inputs == nil ? options.seed : nil, storage: options.storage,
        isDiagnosing: options.isDiagnosing, isSingleNeeded: options.isSingleNeeded)
    } catch { throw RNNConvError(error, isMadeUp: options.inputs == nil) }
  }

  /// Compares the file's own evaluator with its imported model: is it understood as it is meant?
  public func verify(_ options: VerificationOptions = VerificationOptions()) throws(RNNConvError)
    -> VerificationReport
  {
    let model = try model
    let imported = ModelFile(model, name: "\(path) as imported")
    return try verify(against: imported, options)
  }

  /// Compares the file with recorded outputs.
  ///
  /// - Parameters:
  ///   - expected: by output name.
  ///   - source: what reports call them, such as their file.
  ///   - options: with the inputs that they were made with, and the runtime that made them.
  /// - Throws: `RNNConvError.arguments` without inputs; `.comparison` where they cannot be compared.
  public func verify(
    expected: [String: Tensor], from source: String, _ options: VerificationOptions
  ) throws(RNNConvError) -> VerificationReport {
    guard let inputs = options.inputs else {
      throw .arguments("expected outputs need the inputs that they were made with: \(Setting.inputs)")
    }
    try verifyIntegrity()
    do {
      return try Verification.verify(
        subject, expected: expected, from: source, probe: Probe(name: "given inputs", inputs: inputs),
        rounding: options.rounding, tolerance: options.tolerance, isDiagnosing: options.isDiagnosing,
        isMeasuringRadius: options.isMeasuringRadius)
    } catch { throw RNNConvError(error, isMadeUp: false) }
  }

  /// Which known mistakes the inputs, given or generated, would notice in this model.
  public func power(_ options: VerificationOptions = VerificationOptions()) throws(RNNConvError)
    -> PowerReport
  {
    var model = try model
    // Sizes that would take too long are as little tried as where two files are compared.
    if options.inputs == nil, model.sizesNotTried != nil { model = model.shortened }
    let probes = try ModelFile(model, name: path).probes(nil, options)
    do {
      return try Verification.power(
        of: model, name: path, probes: probes, seed: options.inputs == nil ? options.seed : nil)
    } catch { throw RNNConvError(error, isMadeUp: options.inputs == nil) }
  }
}

/// What a file asks for beyond the limits it asks for on every probe that is no smaller: one is tried, not all.
final class OwnFault: Sendable {
  private let smallest = Mutex<(elements: Int, error: RNNConvError)?>(nil)

  func remembering(_ evaluate: @escaping Format.Content.Evaluate) -> Format.Content.Evaluate {
    { (inputs, precision) throws(RNNConvError) in
      let elements = inputs.values.reduce(0) { $0 + $1.count }
      if let known = self.smallest.withLock({ $0 }), known.elements <= elements { throw known.error }
      do throws(RNNConvError) { return try evaluate(inputs, precision) } catch {
        if case .unreadable = error {
          self.smallest.withLock { if $0.map({ $0.elements > elements }) ?? true { $0 = (elements, error) } }
        }
        throw error
      }
    }
  }
}

extension RNNConvError {
  /// - Parameter isMadeUp: whether the inputs were made up to fit the file: where they do not, it contradicts itself.
  fileprivate init(_ error: VerificationError, isMadeUp: Bool) {
    switch error {
    case .notFinite(let side, let reason): self = .unreadable(path: side, reason: reason.description)
    case .cannotRun(let side, let probe, let reason) where isMadeUp:
      self = .unreadable(path: side, reason: "it does not run on the probe '\(probe)': \(reason)")
    case .cannotRun, .noProbes, .inputTooLarge, .outputsDiffer, .inputsDiffer:
      self = .comparison(error)
    }
  }
}

extension VerificationReport {
  /// The suspect with its mistake taken back; nil unless exactly one known mistake explains the difference.
  public var mended: ModelFile? {
    diagnosis.flatMap { diagnosis in
      diagnosis.mended.map { ModelFile($0, name: "\(diagnosis.suspect) with its mistake taken back") }
    }
  }
}
