extension VerificationReport {
  /// Nil where the side's import is right. Until a wrong one is mended, its model says nothing about the file.
  ///
  /// - Parameter probes: by the side's own input names.
  func diagnosisOfImport(_ side: Subject, _ probes: [Probe]) throws(VerificationError) -> Diagnosis? {
    let isWrong = roads.contains { $0.side == side.name && $0.verdict == .different }
    return isWrong ? try diagnoseImport(of: side, probes: probes) : nil
  }

  /// Draws the verdict from the comparisons.
  mutating func conclude() {
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
