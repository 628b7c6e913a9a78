internal import ByteIO
internal import Forward
internal import Recurrent
internal import Tensors

extension VerificationReport {
  /// Nil where the side's import is right. Until a wrong one is mended, its model says nothing about the file.
  ///
  /// - Parameter probes: by the side's own input names.
  func diagnosisOfImport(_ side: Subject, _ probes: [Probe]) throws(VerificationError) -> Diagnosis? {
    let isWrong = roads.contains { $0.side == side.name && $0.verdict == .different }
    return isWrong ? try diagnoseImport(of: side, probes: probes) : nil
  }

  /// Draws the verdict: from the parameters where they prove, from the outputs, and from each side's road.
  ///
  /// - Parameter right: nil for a recording.
  mutating func conclude(_ left: Subject, _ right: Subject?, hasTolerance: Bool = false) {
    verdict = max(verdict, outputs.map(\.verdict).max() ?? .different)
    if let structure { conclude(structure, hasTolerance) }
    if verdict == .identical, fingerprints[0] == nil || fingerprints[0] != fingerprints[1] {
      verdict = .equal
    }
    for side in [left, right].compactMap({ $0 }) where side.model == nil {
      reasons.append(
        "\(side.name) has no canonical model: only its outputs were looked at, on these inputs; what it does beyond them is not "
          + "known")
    }
    for side in [left, right].compactMap({ $0 }) {
      guard let type = side.roundedTo, verdict <= .equal, type.unitRoundoff > 0x1p-24 else { continue }
      reasons.append(
        "\(side.name) rounds to \(type.rawValue) inside, which its import leaves out: so far its outputs may differ"
      )
    }
    for road in roads where road.verdict > .equal {
      let worst = road.outputs.first { $0.verdict == road.verdict }
      switch road.verdict {
      case .inconclusive:
        reasons.append(
          "\(road.side): neither bound nor noise decides output '\(worst?.name ?? "")' of its own evaluator")
      case .identical, .equal, .close, .different:
        reasons.append("\(road.side): its own evaluator and its imported model disagree: the import is wrong")
      }
      verdict = max(verdict, road.verdict)
    }
    for output in outputs { explain(output, (left.model ?? right?.model), isRecording: right == nil) }
  }

  /// What the parameters say.
  private mutating func conclude(_ structure: Structure, _ hasTolerance: Bool) {
    switch structure.outcome {
    case .same: break
    case .rounded, .near:
      reasons += structure.differences.map(\.summary).firstFew
      reasons += structure.attributes.map(\.summary).firstFew
      guard let moved = outputs.max(by: { $0.maxDeviation < $1.maxDeviation }) else { return }
      reasons.append(
        "this moves output '\(moved.name)' by \(moved.maxDeviation.brief) on these probes, certainly by no more than "
          + moved.maxAllowed.brief)
      // What arithmetic leaves is as small as noise; where it moves more, it is not told from a mistake.
      if structure.outcome == .near, outputs.contains(where: { $0.blindShare > 2 * Sharpness.decisive }) {
        verdict = max(verdict, .inconclusive)
        reasons.append("that is more than such small differences should: are they meant?")
      }
    case .otherAttributes:
      reasons += structure.attributes.map(\.summary).firstFew
      if verdict <= .equal {
        verdict = .inconclusive
        reasons.append(
          "no output moved by it on these probes; inputs that reach it would tell (\(Setting.inputs))")
      }
    case .unaligned:
      reasons.append(
        "the models are built differently (\(structure.unaligned ?? "")), so outputs alone decide, by the bounds of Float64"
      )
    case .different:
      reasons += structure.differences.filter { $0.relation == .different }.map(\.summary).firstFew
      if verdict <= .equal { reasons.append("no output moved by it on these probes") }
      // The user accepts what stays within the tolerance.
      verdict = hasTolerance && verdict <= .close ? .close : .different
    }
  }

  private mutating func explain(_ output: OutputComparison, _ model: Model?, isRecording: Bool) {
    let name = "output '\(output.name)'"
    if output.verdict == .different, let place = output.firstOutside {
      let what =
        output.isProven
        ? "first leaves its bound" : "is first farther off than rounding noise ever is (evidence, not proof)"
      reasons.append(
        "\(name) \(what) at \(place.index) on the probe '\(place.probe)': \(place.left) against \(place.right)"
      )
    }
    if isRecording, output.verdict > .equal || output.noiseMultiple > Sharpness.usual,
      !output.isProven, output.elements > 0
    {
      reasons.append(
        "\(name): the largest deviation is \(output.noiseMultiple.brief) times rounding noise, all together "
          + "\(output.noiseRMS.brief) times; up to \(Sharpness.usual.brief) and \(Sharpness.usualRMS.brief) times is usual"
          + (output.verdict == .inconclusive
            ? ": the runtime is less exact than stated (\(Setting.runtime), \(Setting.activationError)), or something small is wrong; its Float64 "
              + "outputs would tell" : ""))
    }
    if !isRecording, output.stochastic > 0 {
      reasons.append(
        "\(name): in \(output.stochastic) of \(output.elements) elements the worst case says nothing; rounding noise decided: "
          + "evidence, not proof")
    }
    if output.folded > 0 {
      reasons.append(
        "\(name): in \(output.folded) of \(output.elements) elements the files are as far apart as weights rounded once in Float32 lead, "
          + "as an optimiser does that folds them: evidence, not proof")
    }
    let beyond = output.noiseMultiple > Sharpness.usual
    guard output.undecided > 0, output.verdict == .inconclusive, !(isRecording && beyond) else { return }
    guard let model else {
      return reasons.append(
        "\(name): rounding alone may move \(output.undecided) of \(output.elements) elements so far that it would hide a mistake, "
          + "or decide there otherwise what the graph compares or picks; other inputs, or Float64 on both sides, would tell"
      )
    }
    reasons.append(
      "\(name): rounding alone may move \(output.undecided) of \(output.elements) elements so far that it would hide a mistake: "
        + "the recurrence expands" + (model.expansion.map { " (\($0))" } ?? "")
        + "; shorter sequences, or Float64 on both sides, would tell")
  }
}

extension AttributeMismatch {
  /// One line for a report.
  public var summary: String {
    "layer '\(layer)': \(name) is \(left) against \(right)" + (isRounding ? ", one number in Float32" : "")
  }
}

extension [String] {
  /// A report need not list hundreds.
  fileprivate var firstFew: [String] { count <= 8 ? self : prefix(8) + ["and \(count - 8) more"] }
}
