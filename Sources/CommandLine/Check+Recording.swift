internal import ArgumentParser
internal import FixtureChecks
internal import RNNConv

extension Check {
  /// `--init`
  func writeDraft() throws {
    let draft = try Draft(of: path, by: pool)
    try draft.create()
    show(notesOf: draft)
    Terminal.print(
      "\(draft.manifest.path): \(counted(draft.added)); check them with 'rnnconv check \(path)'")
  }

  /// `--add`
  func add(to manifest: Manifest) throws {
    let draft = Draft(adding: Unlisted(in: manifest), to: manifest, by: pool)
    show(notesOf: draft)
    for fixture in draft.added {
      Terminal.print("\(Terminal.paint(fixture.name, .bold)): \(fixture.paths.joined(separator: ", "))")
    }
    if draft.added.isEmpty {
      Terminal.print("nothing to add")
    } else if dryRun {
      Terminal.print("\(counted(draft.added)) to add; nothing was written (--dry-run)")
    } else {
      try draft.replace()
      Terminal.print("\(manifest.path): \(counted(draft.added)) added")
    }
  }

  private func show(notesOf draft: Draft) {
    for note in draft.notes { Terminal.print("\(Terminal.paint("note", .yellow))  \(note)") }
  }

  private func counted(_ fixtures: [Fixture]) -> String {
    "\(fixtures.count) fixture\(fixtures.count == 1 ? "" : "s")"
  }

  /// `--update`
  func record(_ manifest: Manifest, _ positions: [Int]) throws {
    let moves = manifest.moves(positions, among: Unlisted(in: manifest), by: pool)
    for move in moves { Terminal.print(move.description) }
    var manifest = try manifest.taking(moves)
    let proposals = manifest.proposals(positions, by: pool)
    var isBad = show(proposals)
    let count = proposals.reduce(moves.count) { $0 + $1.changes.count }
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
