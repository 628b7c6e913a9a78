internal import ArgumentParser
internal import FixtureChecks

/// What `check` starts for each core; people never do.
struct CheckWorker: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check-worker", abstract: "Answers the jobs of 'rnnconv check'.", shouldDisplay: false)

  func run() { Worker.serve() }
}
