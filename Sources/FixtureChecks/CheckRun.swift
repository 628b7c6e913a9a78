internal import ByteIO

/// All outcomes of one run, in the order of the manifest: what every report is made from.
public struct CheckRun: Sendable {
  public let manifest: Manifest
  public let entries: [Entry]
  /// By the clock on the wall.
  public let seconds: Double
  /// What lies in the manifest's folder and is not checked, in words.
  public var warning: String?

  public struct Entry: Sendable {
    public let fixture: Fixture
    /// Of its name in the manifest.
    public let line: Int?
    public let outcome: Outcome
  }

  public var outcomes: [Outcome] { entries.map(\.outcome) }

  public func count(_ status: Outcome.Status) -> Int { outcomes.count { $0.status == status } }

  /// 0 every fixture passes or is skipped · 5 the failures are verdicts that the arithmetic cannot decide · 1 otherwise.
  public var exitCode: Int32 {
    let problems = outcomes.flatMap(\.problems)
    return problems.isEmpty ? 0 : problems.allSatisfy { $0.kind == .inconclusive } ? 5 : 1
  }

  /// Where a file of the manifest lies, for messages: from where the manifest's own path starts.
  public func path(_ file: String) -> String { Folder.join(manifest.folder, file) }
}

extension Manifest {
  /// Checks fixtures, many at a time.
  ///
  /// - Parameters:
  ///   - positions: of the fixtures to check.
  ///   - power: also ask whether their inputs could notice every known mistake.
  ///   - moves: of files that are not there, to say where they are.
  ///   - done: called for each, in the order of `positions`, as soon as those before it are finished too.
  public func check(
    _ positions: [Int], power: Bool = false, moves: [Move] = [], by pool: WorkerPool,
    done: (Outcome) -> Void = { _ in }
  ) -> CheckRun {
    let start = WorkerProcess.now
    let jobs = positions.map { Job(power ? .checkPower : .check, fixtures[$0], in: folder) }
    var outcomes = jobs.map { Outcome($0.fixture.name) }
    var isFinished = [Bool](repeating: false, count: jobs.count)
    var told = 0
    _ = pool.run(jobs) { index, answer, seconds in
      let fixture = jobs[index].fixture
      var outcome = Outcome(fixture.name)
      func failed(_ kind: Problem.Kind, _ message: String) {
        outcome.problems = [Problem(kind, fixture.models[0].path, message)]
      }
      switch answer {
      case .json(let json):
        if let found = Outcome(json) {
          outcome = found
        } else {
          failed(.crash, "the worker gave an answer that is none")
        }
      case .crash(let how): failed(.crash, "its process \(how); please report this")
      case .timeout(let limit):
        failed(
          .timeout,
          "no answer after \(limit.brief) s: the check was ended (--timeout, or \"timeout\" in the manifest)")
      case .cannotStart(let reason): failed(.crash, "no process could be started to check it: \(reason)")
      }
      outcome.seconds = seconds
      outcome.tell(of: moves)
      outcomes[index] = outcome
      isFinished[index] = true
      while told < jobs.count, isFinished[told] {
        done(outcomes[told])
        told += 1
      }
    }
    return CheckRun(
      manifest: self,
      entries: zip(positions, outcomes).map {
        CheckRun.Entry(fixture: fixtures[$0], line: lines[$0], outcome: $1)
      }, seconds: WorkerProcess.now - start)
  }
}

extension Outcome {
  /// Says of what is missing where it seems to be.
  fileprivate mutating func tell(of moves: [Move]) {
    for index in problems.indices where problems[index].kind == .missing {
      guard let move = moves.first(where: { $0.from == problems[index].file }) else { continue }
      problems[index].message += "; moved to \(move.to)? 'rnnconv check --update' takes the new path"
    }
  }
}

extension Double {
  /// To a hundredth, without zeros at the end: `1.5`, `120`.
  var brief: String {
    let hundredths = (self * 100).rounded()
    guard hundredths.magnitude < 1e15 else { return "\(self)" }
    let whole = Int(hundredths) / 100
    let rest = abs(Int(hundredths) % 100)
    return rest == 0
      ? "\(whole)" : rest % 10 == 0 ? "\(whole).\(rest / 10)" : "\(whole).\(rest < 10 ? "0" : "")\(rest)"
  }

  /// Seconds with three digits behind the point, as reports for machines have them.
  var milliseconds: String {
    let count = Int((max(0, self) * 1_000).rounded())
    let rest = String(count % 1_000)
    return "\(count / 1_000)." + String(repeating: "0", count: 3 - rest.count) + rest
  }
}
