internal import ArgumentParser
internal import FixtureChecks
internal import Forward

/// What `check` starts for each core; people never do.
struct CheckWorker: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check-worker", abstract: "Answers the jobs of 'rnnconv check'.", shouldDisplay: false)

  @OptionGroup var limitation: LimitOptions

  /// There is a worker for each core: none takes a second one.
  func run() throws {
    let limits = try limitation.limits
    Execution.$current.withValue(Execution(threads: 1)) { Worker.serve(limits: limits) }
  }
}
