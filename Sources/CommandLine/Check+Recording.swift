internal import ArgumentParser
internal import FixtureChecks
internal import RNNConv

extension Check {
  /// `--init`
  func writeDraft() throws {
    let draft = try Draft(of: path, by: pool)
    try draft.write()
    for note in draft.notes { Terminal.print("\(Terminal.paint("note", .yellow))  \(note)") }
    let count = draft.manifest.fixtures.count
    Terminal.print(
      "\(draft.manifest.path): \(count) fixture\(count == 1 ? "" : "s"); check them with 'rnnconv check \(path)'"
    )
  }

  /// `--update`
  func record(_ manifest: Manifest, _ positions: [Int]) throws {
    var manifest = manifest
    let proposals = manifest.proposals(positions, by: pool)
    var isBad = show(proposals)
    let count = proposals.reduce(0) { $0 + $1.changes.count }
    if dryRun || count == 0 {
      Terminal.print(count == 0 ? "nothing to record" : "\(count) to record; nothing was written (--dry-run)")
    } else {
      let failed = try manifest.record(proposals, at: positions, by: pool).filter { !$0.problems.isEmpty }
      isBad = show(failed.map { $0.withoutChanges }) || isBad
      Terminal.print("\(manifest.path): \(count) recorded")
    }
    if isBad { throw ExitCode(1) }
  }

  /// True where something cannot be recorded.
  private func show(_ recordings: [Recording]) -> Bool {
    for recording in recordings where !recording.changes.isEmpty || !recording.problems.isEmpty {
      Terminal.print(Terminal.paint(recording.fixture, .bold))
      for change in recording.changes { Terminal.print("  \(change.description)") }
      for problem in recording.problems {
        Terminal.print("  \(Terminal.paint("cannot be recorded", .red)): \(problem)")
      }
    }
    return recordings.contains { !$0.problems.isEmpty }
  }
}

extension Recording {
  fileprivate var withoutChanges: Recording {
    var copy = self
    copy.changes = []
    return copy
  }
}
