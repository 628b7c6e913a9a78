internal import ByteIO
internal import Verification

/// What came of taking a mistake back.
public enum Mending: Sendable {
  /// The suspect's own model without its mistake, which was verified against what is right.
  case mended(ModelFile)
  /// Why there is none.
  case impossible(String)
}

extension VerificationRequest {
  /// Takes back the one mistake that explains a difference, and verifies what comes of it.
  public func mending(_ outcome: Outcome) throws(RNNConvError) -> Mending {
    guard let diagnosis = outcome.report.diagnosis else { return .impossible("there is nothing to mend") }
    guard let mended = outcome.report.mended else {
      return .impossible(
        diagnosis.isCertain
          ? "\(diagnosis.summary); what was lost is not in \(diagnosis.suspect), so it cannot be mended: convert "
            + "\(diagnosis.reference) again"
          : diagnosis.summary)
    }
    let check = try verified(mended, diagnosis, outcome)
    guard check.verdict <= .equal else {
      return .impossible(
        "\(mended.path) would be '\(check.verdict.rawValue)', not equal to \(diagnosis.reference)"
          + (check.reasons.first.map { ": \($0)" } ?? ""))
    }
    return .mended(mended)
  }

  /// The mended model against what the suspect was judged by.
  private func verified(
    _ mended: ModelFile, _ diagnosis: Diagnosis, _ outcome: Outcome
  ) throws(RNNConvError) -> VerificationReport {
    var options = outcome.options
    options.isDiagnosing = false
    if let file = outcome.models.first(where: { diagnosis.suspect == "the import of \($0.path)" }) {
      return try mended.verify(againstEvaluatorOf: file, outcome.probes(), options)
    }
    if !expected.isEmpty {
      return try mended.verify(
        expected: try expected.tensors(
          for: (try? mended.model)?.outputs.map(\.name) ?? [], "output", limits: limits),
        from: diagnosis.reference, options)
    }
    // Inputs go by the first file's names.
    return diagnosis.suspect == outcome.models[0].path
      ? try mended.verify(against: outcome.models[1], options)
      : try outcome.models[0].verify(against: mended, options)
  }

  /// The file that lies where something is to be written, under whatever name; nil where none of those that were read does.
  public func input(at path: String, _ outcome: Outcome? = nil) -> String? {
    guard let target = FileIdentity(path) else { return nil }
    let tensors = [inputs, expected, bindings].joined().map(\.path)
    return (files + tensors + (outcome?.companions ?? [])).first { FileIdentity($0) == target }
  }
}

extension ModelFile {
  /// Compares the model with what another file's own evaluator computes, whatever that file's import is.
  fileprivate func verify(
    againstEvaluatorOf file: ModelFile, _ probes: [Probe], _ options: VerificationOptions
  ) throws(RNNConvError) -> VerificationReport {
    let evaluator = Subject(name: file.path, model: nil, inputNames: file.subject.inputNames) {
      try file.evaluate($0, precision: $1)
    }
    do { return try Verification.verify(subject, evaluator, probes: probes, isDiagnosing: false) } catch {
      throw .comparison(error)
    }
  }
}
