public import ByteIO
public import StateDicts
internal import Tensors
public import Verification

/// Everything that a verification is asked for: enough to do it again.
public struct VerificationRequest: Sendable {
  /// A model, and what it is compared with: a second one, expected outputs, or its own import.
  public var files: [String]
  /// By port name; empty to make inputs up.
  public var inputs: [TensorArgument] = []
  /// Outputs that were recorded elsewhere, for a single file; empty for none.
  public var expected: [TensorArgument] = []
  /// Values for graph inputs that hold weights.
  public var bindings: [TensorArgument] = []
  /// The files' format, instead of going by their content.
  public var format: Format?
  /// What files of weights alone do not say.
  public var architecture = ArchitectureOptions()
  /// The same of the first file, where it is not that of both.
  public var leftArchitecture: ArchitectureOptions?
  /// The same of the second file, where it is not that of both.
  public var rightArchitecture: ArchitectureOptions?
  /// Whether a model may leave something of its file out, such as a head that no layer stands for.
  public var allowsLoss = false
  /// What the files may ask for; no part of what is written down, as it changes no result.
  public var limits = Limits.standard
  /// Its `inputs` come from the files above.
  public var options = VerificationOptions()

  /// Files that are open already, by their paths: taken where nothing above says how they are to be opened.
  package var alreadyOpen: [String: ModelFile] = [:]

  /// One or two files, on inputs that are made up.
  public init(_ files: [String]) { self.files = files }

  /// A finished verification.
  public struct Outcome: Sendable {
    /// What was found.
    public let report: VerificationReport
    /// The files, opened.
    public let models: [ModelFile]
    let options: VerificationOptions
    /// Paths of the models' further files (external data).
    let companions: [String]

    /// The inputs that were tried.
    public func probes() throws(RNNConvError) -> [Probe] {
      let isShort = options.inputs == nil && models.contains { $0.sizesNotTried != nil }
      let tried = isShort ? models.map(\.shortened) : models
      return try tried[0].probes(tried.count == 2 ? tried[1] : nil, options)
    }
  }

  /// Opens the files and compares.
  ///
  /// - Parameter find: where a file that the request names lies on this machine.
  public func run(finding find: (String) -> String = { $0 }) throws(RNNConvError) -> Outcome {
    guard expected.isEmpty || files.count == 1 else {
      throw .arguments("compare either with a second file or with \(Setting.expected), not both")
    }
    let (models, options) = try opened(find)
    if !allowsLoss { for model in models { try model.requireWhole() } }
    let other = models.count == 2 ? models[1] : nil
    var report: VerificationReport
    if let other {
      report = try models[0].verify(against: other, options)
    } else if expected.isEmpty {
      report = try models[0].verify(options)
    } else {
      let names = models[0].outputNames
      report = try models[0].verify(
        expected: try expected.found(find).tensors(for: names, "output", limits: limits),
        from: expected.map(\.description).joined(separator: ", "), options)
    }
    for (path, model) in zip(files, models) {
      report.reasons += model.leftOut.map { "\(path): \($0.detail)" }
      guard report.verdict > .equal else { continue }
      // A wrong guess looks like a wrong file.
      report.reasons += model.findings.filter { $0.kind == .assumed }.map {
        "\(path) does not say it, assumed: \($0.subject.isEmpty ? "" : "\($0.subject): ")\($0.detail)"
          + ($0.setting.map { " (\($0))" } ?? "")
      }
    }
    return Outcome(
      report: report, models: models, options: options, companions: models.flatMap(\.companionPaths))
  }

  /// Tells which known mistakes the inputs, given or made up, would notice in the first model.
  public func power() throws(RNNConvError) -> PowerReport {
    let (models, options) = try opened { $0 }
    if !allowsLoss { try models[0].requireWhole() }
    return try models[0].power(options)
  }

  /// The models, and the options with the inputs that were given.
  private func opened(
    _ find: (String) -> String
  ) throws(RNNConvError) -> (models: [ModelFile], options: VerificationOptions) {
    guard (1...2).contains(files.count) else { throw .arguments("give one or two files") }
    let inputs = inputs.found(find)
    // Weights that are graph inputs may be among the inputs given.
    let (format, limits) = (format, limits)
    let own = [leftArchitecture, rightArchitecture].map { $0 ?? architecture }
    let values = try inputs.named(limits: limits).merging(
      try bindings.found(find).bindings(limits: limits)
    ) { $1 }
    let opened = zip(files, own).map { (path, architecture) in
      let found = find(path)
      let isPlain =
        format == nil && values.isEmpty && architecture == ArchitectureOptions() && limits == .standard
      let open = isPlain ? alreadyOpen[found] : nil
      return Deferred { () throws(RNNConvError) in
        if let open { return open.named(path) }
        return try ModelFile.open(
          found, format: format, bindings: values, architecture: architecture, limits: limits
        ).named(path)
      }
    }
    concurrently(opened)
    let models = try opened.map { (file) throws(RNNConvError) in try file.value }
    for name in bindings.compactMap(\.name) where !models.contains(where: { $0.canBind(name) }) {
      throw ModelFile.unbound(name, in: models)
    }
    if architecture.concernsWeightsAlone, !models.contains(where: \.holdsWeightsAlone) {
      throw models[0].architectureIsItsOwn
    }
    for (model, said) in zip(models, [leftArchitecture, rightArchitecture])
    where said?.concernsWeightsAlone ?? false && !model.holdsWeightsAlone { throw model.architectureIsItsOwn }
    var options = options
    if !inputs.isEmpty {
      options.inputs = try inputs.tensors(for: models[0].inputNames, "input", limits: limits)
    }
    return (models, options)
  }
}

extension [TensorArgument] {
  /// The same where their files lie on this machine.
  fileprivate func found(_ find: (String) -> String) -> [TensorArgument] {
    map { TensorArgument(name: $0.name, path: find($0.path)) }
  }
}
