internal import RNNConv
internal import Verification

extension FixtureCheck {
  /// Mistakes in storage, not in a convention: too small, or too large, for the inputs to matter.
  private static let inStorage: Set<String> = ["precision-lost", "byte-order"]

  /// Every known mistake that can be made in the reference must be noticed by the fixture's inputs, or be accepted
  /// with a reason.
  mutating func checkPower(_ reference: ModelFile) {
    guard fixture.blindTo["all"] == nil else { return }
    let path = fixture.models[0].path
    let report: PowerReport
    do { report = try reference.power(options(try given(for: reference))) } catch {
      outcome.problems.append(
        Problem(.blind, path, "which mistakes its inputs would notice cannot be told: \(error)"))
      return
    }
    for item in report.mistakes
    where item.noticed < item.ways && fixture.blindTo[item.mistake] == nil
      && !Self.inStorage.contains(item.mistake)
    {
      let places = item.unnoticed.prefix(3).joined(separator: "; ")
      let more = item.unnoticed.count > 3 ? " and \(item.unnoticed.count - 3) more" : ""
      outcome.problems.append(
        Problem(
          .blind, path,
          "\(reference.path): would not notice \(item.mistake) (\(item.name)) in \(item.unnoticed.count) of \(item.ways) "
            + "ways: \(places)\(more)" + item.reasons.map { "\nbecause \($0)" }.joined()))
    }
    for mistake in fixture.blindTo.keys.sorted()
    where !report.mistakes.contains(where: { $0.mistake == mistake && $0.noticed < $0.ways }) {
      outcome.notes.append("blind_to names \(mistake), which the inputs notice: it can be taken out")
    }
  }
}
