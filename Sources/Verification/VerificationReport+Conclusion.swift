internal import Forward
internal import Recurrent

extension VerificationReport {
  /// Nil where the side's import is right. Until a wrong one is mended, its model says nothing about the file.
  ///
  /// - Parameter probes: by the side's own input names.
  func diagnosisOfImport(_ side: Subject, _ probes: [Probe]) throws(VerificationError) -> Diagnosis? {
    let isWrong = roads.contains { $0.side == side.name && $0.verdict == .different }
    return isWrong ? try diagnoseImport(of: side, probes: probes) : nil
  }

  /// Draws the verdict from the comparisons.
  mutating func conclude(_ model: Model?) {
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
        reasons.append("\(road.side): neither bound nor envelope decides output '\(worst?.name ?? "")'")
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
      if output.stochastic > 0 {
        reasons.append(
          "output '\(output.name)': in \(output.stochastic) of \(output.elements) elements the worst case says nothing; "
            + "\(envelopePasses) perturbed passes decided: evidence, not proof")
      }
      // Next to elements that have become chaotic, others may stray too.
      if output.outsideEnvelope > 0, output.outsideEnvelope == output.undecided {
        reasons.append(
          "output '\(output.name)': \(output.outsideEnvelope) of \(output.elements) elements are farther apart than "
            + "\(envelopePasses) perturbed passes strayed, though not than the worst case: probably different; shorter "
            + "sequences would tell")
      }
      if output.verdict == .inconclusive, fingerprints.allSatisfy({ $0 == nil }) {
        reasons.append(
          "output '\(output.name)': the file cannot be imported, so no bound can be derived; only a tolerance of your own "
            + "(--atol, --rtol) can tell")
      } else if output.undecided > output.outsideEnvelope {
        reasons.append(
          "output '\(output.name)': rounding alone may move \(output.undecided - output.outsideEnvelope) of "
            + "\(output.elements) elements as far as the output's own range: the recurrence expands"
            + (model.flatMap(\.expansion).map { " (\($0))" } ?? "")
            + "; shorter sequences, or Float64 on both sides, would tell")
      }
    }
  }
}
