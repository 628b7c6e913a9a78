internal import ArgumentParser
internal import ByteIO
internal import FixtureChecks
internal import RNNConv

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check a repository's fixture models against a manifest: made for CI.",
    discussion: """
      The manifest is rnnconv.json (docs/checking.md, schemas/check-manifest.schema.json): models, counterparts in other \
      formats, inputs, expected outputs, the worst verdict that passes, fingerprints. Each fixture is checked in a worker \
      process, so that a bad file fails its fixture and nothing else.

      Examples:
        rnnconv check fixtures --init
        rnnconv check fixtures
        rnnconv check fixtures --junit out.xml --format github --step-summary
        rnnconv check fixtures --shard 2/5
        rnnconv check fixtures --changed-since origin/main
        rnnconv check fixtures --power
        rnnconv check fixtures --add
        rnnconv check fixtures --update --dry-run

      Exit codes: 0 every fixture passes or is skipped; 1 some fixture fails; 2 bad arguments, or no manifest; 4 the \
      manifest is malformed or inaccessible; 5 the only failures are inconclusive verdicts.
      """)

  @Argument(help: "A manifest, or the folder that holds it as rnnconv.json.", completion: .file())
  var path = "."

  @Flag(name: .customLong("init"), help: "Write a manifest of what is found in the folder.")
  var initialise = false

  @Flag(help: "Add models below the manifest's folder that it does not list; leaves what it lists alone.")
  var add = false

  @Flag(
    help: """
      Record fingerprints, expected outputs that are missing or not met, and paths of files that moved, anew; says first \
      what changes.
      """)
  var update = false

  @Flag(help: "With --add or --update: only say what would change.")
  var dryRun = false

  @Flag(help: "Also fail a fixture whose inputs could not notice a convention mistake.")
  var power = false

  @Option(
    help: ArgumentHelp(
      "Only this fixture, or all that begin with a name that ends with *; repeat for more.", valueName: "name"
    ))
  var only: [String] = []

  @Option(
    help: ArgumentHelp("Only what changed since a git revision, untracked files included.", valueName: "rev"))
  var changedSince: String?

  @Option(help: ArgumentHelp("Only part i of n, for jobs that share the work.", valueName: "i/n"))
  var shard: String?

  @Option(name: .shortAndLong, help: "Fixtures checked at a time (default: the cores there are).")
  var jobs: Int?

  @Option(help: "Seconds after which a check counts as hanging, where the manifest does not say.")
  var timeout = 120.0

  @OptionGroup var limitation: LimitOptions

  @OptionGroup var reports: CheckReports

  @Flag(name: .shortAndLong, help: "Show the fixtures that pass, too.")
  var verbose = false

  func validate() throws {
    if let jobs, !(1...1_024).contains(jobs) { throw ValidationError("--jobs \(jobs): give 1 to 1024") }
    guard timeout > 0, timeout <= 86_400 else {
      throw ValidationError("--timeout \(timeout): give more than 0 seconds, a day at most")
    }
    if let shard, FixtureSelection.Shard(shard) == nil {
      throw ValidationError("--shard \(shard): give i/n, such as 2/5, with i from 1 to n")
    }
    if dryRun, !update, !add { throw ValidationError("--dry-run goes with --add or --update") }
    if initialise || add, update || power || shard != nil || changedSince != nil || !only.isEmpty {
      let what = initialise ? "--init writes a manifest of" : "--add takes"
      throw ValidationError("\(what) everything that it finds: it takes no selection")
    }
    if initialise, add {
      throw ValidationError("--init writes a manifest and --add extends one: give one of them")
    }
    if update, power { throw ValidationError("--update records and --power judges: give one of them") }
    try reports.check()
  }

  func run() throws {
    // Before any worker complains of them.
    _ = try limitation.limits
    do {
      if initialise { return try writeDraft() }
      let manifest = try Manifest.open(path)
      if add { return try add(to: manifest) }
      let positions = try selection.positions(in: manifest)
      if update { return try record(manifest, positions) }
      let run = check(manifest, positions)
      try reports.write(run)
      if run.exitCode != 0 { throw ExitCode(run.exitCode) }
    } catch let error as ManifestError {
      if reports.standardOutput == .github { Terminal.write(error.annotation, to: 1) }
      Terminal.error(error.description)
      throw ExitCode(error.exitCode)
    } catch let error as FixtureSelection.Failure { throw RNNConvError.arguments(error.description) }
  }

  var pool: WorkerPool {
    WorkerPool(
      arguments: ["check-worker"] + limitation.limit.flatMap { ["--limit", $0] },
      workers: jobs ?? WorkerPool.cores, timeout: timeout)
  }

  private var selection: FixtureSelection {
    var selection = FixtureSelection()
    selection.only = only
    selection.changedSince = changedSince
    selection.shard = shard.flatMap(FixtureSelection.Shard.init)
    return selection
  }

  /// Runs; for people, shows each fixture as it is done.
  private func check(_ manifest: Manifest, _ positions: [Int]) -> CheckRun {
    let isForPeople = reports.standardOutput == nil
    let counter = Counter(of: positions.count)
    let unlisted = Unlisted(in: manifest)
    let moves = manifest.moves(positions, among: unlisted, by: pool)
    var run = manifest.check(positions, power: power, moves: moves, by: pool) { outcome in
      counter.clear()
      if isForPeople { show(outcome) }
      counter.advance()
    }
    counter.clear()
    if isForPeople {
      let what = "\(positions.count) of \(manifest.fixtures.count) fixtures of \(manifest.path)"
      Terminal.print("\(run.summary): \(what) in \(run.seconds.formatted) s")
    }
    if isWarning(of: manifest), let warning = unlisted.warning(for: manifest, besides: moves) {
      run.warning = warning
      Terminal.print("\(Terminal.paint("warning:", .yellow, on: 2)) \(warning)", to: 2)
    }
    return run
  }

  /// Once for a folder: another manifest than its own lists what it likes, a name asks for one fixture, and of the parts that
  /// share the work the first one speaks.
  private func isWarning(of manifest: Manifest) -> Bool {
    manifest.isOfFolder && only.isEmpty && (selection.shard?.index ?? 1) == 1
  }

  private func show(_ outcome: Outcome) {
    switch outcome.status {
    case .passed:
      if verbose {
        let verdict = outcome.verdict.map { Terminal.paint($0) } ?? "refused"
        Terminal.print("\(Terminal.paint("pass", .green))  \(outcome.fixture): \(verdict)")
      }
    case .skipped:
      if verbose {
        Terminal.print("\(Terminal.paint("skip", .yellow))  \(outcome.fixture): \(outcome.skipped ?? "")")
      }
    case .failed:
      Terminal.print("\(Terminal.paint("FAIL", .red))  \(Terminal.paint(outcome.fixture, .bold))")
      for problem in outcome.problems {
        let lines = problem.message.split(separator: "\n").map(String.init)
        for (index, line) in lines.enumerated() {
          Terminal.print(index == 0 ? "      \(problem.kind.rawValue): \(line)" : "        \(line)")
        }
      }
    }
    if verbose || outcome.status == .failed {
      for note in outcome.notes { Terminal.print("      \(Terminal.paint("note", .yellow)): \(note)") }
    }
  }
}

/// On a terminal, how many are done.
private final class Counter {
  private let total: Int
  private var done = 0
  private let isShown = isatty(2) == 1

  init(of total: Int) { self.total = total }

  func advance() {
    done += 1
    if isShown { Terminal.write("\r\(done)/\(total)", to: 2) }
  }

  func clear() {
    if isShown, done > 0 { Terminal.write("\r" + String(repeating: " ", count: 20) + "\r", to: 2) }
  }
}

extension Double {
  fileprivate var formatted: String { "\((self * 100).rounded() / 100)" }
}
