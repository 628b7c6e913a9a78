internal import ByteIO
internal import RNNConv
internal import Tensors
internal import Verification

/// Checks one fixture, in this process. What goes wrong is a problem of the fixture, never an error.
struct FixtureCheck {
  let fixture: Fixture
  /// The manifest's folder.
  let folder: String
  /// What a file may ask for.
  let limits: Limits
  var outcome: Outcome

  init(_ fixture: Fixture, in folder: String, limits: Limits) {
    self.fixture = fixture
    self.folder = folder
    self.limits = limits
    outcome = Outcome(fixture.name)
  }

  /// - Parameter power: also ask whether the inputs could notice every known mistake.
  mutating func run(power: Bool) -> Outcome {
    if let reason = fixture.skip {
      outcome.skipped = reason
      return outcome
    }
    guard areFilesThere() else { return outcome }
    if let refusal = fixture.refused {
      checkRefusal(refusal)
      return outcome
    }
    guard let reference = opened(fixture.models[0]) else { return outcome }
    compareAll(reference)
    if power { checkPower(reference) }
    return outcome
  }

  private mutating func areFilesThere() -> Bool {
    for path in fixture.paths where !Folder.holds(Folder.join(folder, path)) {
      outcome.problems.append(Problem(.missing, path, "\(Folder.join(folder, path)): there is no such file"))
    }
    for path in fixture.paths {
      guard let reason = Folder.refusal(of: path, beneath: folder) else { continue }
      outcome.problems.append(Problem(.unreadable, path, "\(Folder.join(folder, path)): \(reason)"))
    }
    return outcome.problems.isEmpty
  }

  /// - Parameter path: the file at fault, where the error names none of the fixture's.
  private func unreadable(_ path: String, _ error: RNNConvError) -> Problem {
    let message = error.description.printable
    let path = named(by: error) ?? path
    let file = Folder.join(folder, path)
    return Problem(.unreadable, path, message.contains(file) ? message : "\(file): \(message)")
  }

  /// The file of the fixture that an error names. Where inputs do not fit, it names the model, which is right.
  private func named(by error: RNNConvError) -> String? {
    switch error {
    case .model, .run, .evaluation, .comparison: return nil
    case .file, .unknownFormat, .foreignFormat, .unreadable, .notImported, .notExpressible, .loss, .disproved,
      .arguments:
      break
    }
    // The longest: what `a/x.npz` is called stands in `data/x.npz` too.
    return fixture.paths.filter { error.description.contains(Folder.join(folder, $0)) }.max {
      $0.utf8.count < $1.utf8.count
    }
  }

  // MARK: Models

  private func path(of model: Fixture.Model) -> String { Folder.join(folder, model.path) }

  func open(_ model: Fixture.Model) throws(RNNConvError) -> ModelFile {
    // Weights that are graph inputs may be among the inputs given.
    let values = try fixture.inputs.below(folder).named(limits: limits).merging(
      try model.bindings.below(folder).bindings(limits: limits)
    ) { $1 }
    return try ModelFile.open(
      path(of: model), format: try model.format.map(Format.named), bindings: values,
      architecture: model.architecture, limits: limits)
  }

  private mutating func opened(_ model: Fixture.Model) -> ModelFile? {
    do {
      let file = try open(model)
      if let recorded = model.fingerprint {
        let found = try file.model.fingerprint.description
        if found != recorded {
          outcome.problems.append(
            Problem(
              .fingerprint, model.path,
              "\(file.path): its fingerprint is \(found.prefix(16))…, recorded is \(recorded.prefix(16))…: the model's "
                + "content changed; 'rnnconv check --update' records it"))
        }
      }
      return file
    } catch {
      outcome.problems.append(unreadable(model.path, error))
      return nil
    }
  }

  func given(for reference: ModelFile) throws(RNNConvError) -> [String: Tensor]? {
    fixture.inputs.isEmpty
      ? nil : try fixture.inputs.below(folder).tensors(for: reference.inputNames, "input", limits: limits)
  }

  func expected(of reference: ModelFile) throws(RNNConvError) -> [String: Tensor] {
    try fixture.expected.below(folder).tensors(for: reference.outputNames, "output", limits: limits)
  }

  // MARK: Comparisons

  private mutating func compareAll(_ reference: ModelFile) {
    let inputs: [String: Tensor]?
    do { inputs = try given(for: reference) } catch {
      outcome.problems.append(unreadable(fixture.inputs[0].path, error))
      return
    }
    if !fixture.expected.isEmpty {
      compareWithRecording(reference, inputs)
    } else if fixture.models.count == 1 {
      let path = fixture.models[0].path
      compare(reference, inputs, else: path) { (check) throws(RNNConvError) in
        for inputs in check.tried(inputs) { check.add(try reference.verify(check.options(inputs)), path) }
      }
    }
    for model in fixture.models.dropFirst() { compare(reference, with: model, inputs) }
    judgeDifference()
  }

  private mutating func compareWithRecording(_ reference: ModelFile, _ inputs: [String: Tensor]?) {
    compare(reference, inputs, else: fixture.expected[0].path) { (check) throws(RNNConvError) in
      let source = check.fixture.expected.below(check.folder).map(\.description).joined(separator: ", ")
      let report = try reference.verify(
        expected: try check.expected(of: reference), from: source, check.options(inputs))
      check.add(report, check.file(ofWorst: report))
    }
  }

  private mutating func compare(
    _ reference: ModelFile, with model: Fixture.Model, _ inputs: [String: Tensor]?
  ) {
    guard let counterpart = opened(model) else { return }
    compare(reference, inputs, else: model.path) { (check) throws(RNNConvError) in
      for inputs in check.tried(inputs) {
        var options = check.options(inputs)
        options.storage = model.storage
        check.add(try reference.verify(against: counterpart, options), model.path)
      }
    }
  }

  /// - Parameter other: the file at fault where nothing can be compared although the reference runs on the inputs.
  private mutating func compare(
    _ reference: ModelFile, _ inputs: [String: Tensor]?, else other: String,
    _ body: (inout Self) throws(RNNConvError) -> Void
  ) {
    do { try body(&self) } catch {
      let fits = inputs.map { (try? reference.evaluate($0)) != nil } ?? true
      outcome.problems.append(unreadable(fits ? other : input(in: error).path, error))
    }
  }

  /// Of several files of inputs, the one whose input an error names.
  private func input(in error: RNNConvError) -> TensorArgument {
    fixture.inputs.first { $0.name.map { error.description.contains("'\($0)'") } ?? false }
      ?? fixture.inputs[0]
  }

  /// The file of the recorded output that deviates most; the model, where no output does and the file contradicts itself.
  private func file(ofWorst report: VerificationReport) -> String {
    let wrong = report.outputs.filter { $0.verdict == report.verdict }
    guard let worst = wrong.max(by: { $0.tightness < $1.tightness }) else { return fixture.models[0].path }
    func holds(_ argument: TensorArgument) -> Bool {
      if let name = argument.name { return name == worst.name }
      let tensors = try? argument.tensors(limits: limits)
      return tensors?.contains { $0.name == worst.name } ?? false
    }
    let files = zip(fixture.expected, fixture.expected.below(folder))
    return (files.first { holds($1) }?.0 ?? fixture.expected[0]).path
  }

  /// The inputs given, and made-up ones where there are none or the fixture asks for both.
  private func tried(_ inputs: [String: Tensor]?) -> [[String: Tensor]?] {
    inputs == nil ? [nil] : fixture.triesBoth ? [inputs, nil] : [inputs]
  }

  func options(_ inputs: [String: Tensor]?) -> VerificationOptions {
    var options = fixture.options
    options.inputs = inputs
    options.isMeasuringRadius = false
    return options
  }

  private mutating func add(_ report: VerificationReport, _ path: String) {
    outcome.comparisons.append(.init(left: report.left, right: report.right, verdict: report.verdict))
    guard fixture.verdict != .different, report.verdict > fixture.verdict else { return }
    let kind: Problem.Kind =
      switch report.verdict {
      case .different: .different
      case .inconclusive: .inconclusive
      case .identical, .equal, .close: .worse
      }
    let why = (report.diagnosis.map { [$0.summary] } ?? []) + report.reasons
    outcome.problems.append(
      Problem(
        kind, path,
        "\(report.left.printable) against \(report.right.printable): \(report.verdict.rawValue), allowed is \(fixture.verdict.rawValue)"
          + why.map { "\n\($0.printable)" }.joined()))
  }

  private mutating func judgeDifference() {
    guard fixture.verdict == .different, outcome.problems.isEmpty, outcome.verdict != .different else {
      return
    }
    outcome.problems.append(
      Problem(
        .alike, fixture.models[0].path,
        "must differ, and the verdict is \(outcome.verdict?.rawValue ?? "none"): these inputs notice nothing")
    )
  }

  // MARK: Bad files

  private mutating func checkRefusal(_ refusal: Fixture.Refusal) {
    let model = fixture.models[0]
    do {
      let file = try open(model)
      _ = try file.model
      try file.verifyIntegrity()
      if let inputs = try given(for: file) { _ = try file.evaluate(inputs) }
      outcome.problems.append(
        Problem(.accepted, model.path, "\(file.path): a bad file that must be refused was read"))
    } catch {
      let message = error.description.printable
      // Words count in what is said about the file, not in its name.
      let said = message.split(separator: path(of: model)).joined().lowercased()
      let isRight = refusal.words.isEmpty || refusal.words.contains { said.contains($0.lowercased()) }
      if !isRight {
        outcome.problems.append(
          Problem(
            .accepted, model.path,
            "\(message)\nrefused for another reason than recorded: none of '\(refusal.words.joined(separator: "', '"))'"
          ))
      } else if let code = refusal.code, code != error.exitCode {
        outcome.problems.append(
          Problem(
            .accepted, model.path, "\(message)\nrefused with code \(error.exitCode), recorded is \(code)"))
      } else {
        outcome.notes.append("refused: \(message)")
      }
    }
  }
}

extension [TensorArgument] {
  /// The same files, seen from where the manifest's folder is seen from.
  func below(_ folder: String) -> [TensorArgument] {
    map { TensorArgument(name: $0.name, path: Folder.join(folder, $0.path)) }
  }
}
