internal import ArgumentParser
internal import FixtureChecks
internal import RNNConv
internal import Verification

struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Do a recorded verification again and compare every number bit for bit.",
    discussion: """
      Reads what 'rnnconv verify --evidence' wrote. Files are looked for at their recorded paths, then beside the \
      evidence. Exit code as for verify where everything is reproduced; 1 where something differs. Another version of \
      rnnconv alone is told and does not count.

      Examples:
        rnnconv verify a.onnx b.rnnw --evidence proof.json
        rnnconv replay proof.json
      """)

  @Argument(help: "The evidence.", completion: .file())
  var file: String

  @Flag(help: "Print the result as JSON.")
  var json = false

  func run() throws {
    let recorded = try Evidence.open(file)
    let folder = file.lastIndex(of: "/").map { String(file[..<$0]) } ?? "."
    let replay = try Terminal.progress("replaying") { try recorded.replay(folder: folder) }
    if json {
      try Terminal.printJSON(replay.json)
    } else {
      show(replay)
    }
    let code = replay.isReproduced ? recorded.verdict.exitCode : 1
    if code != 0 { throw ExitCode(code) }
  }

  private func show(_ replay: Replay) {
    for difference in replay.differences.prefix(20) { Terminal.print("  \(difference)") }
    if replay.differences.count > 20 { Terminal.print("  … and \(replay.differences.count - 20) more") }
    let verdict = Terminal.paint(replay.now.verdict)
    if replay.isReproduced {
      Terminal.print("reproduced: verdict \(verdict), every number bit for bit")
    } else {
      Terminal.print(
        "not reproduced: verdict \(Terminal.paint(replay.recorded.verdict)) recorded, \(verdict) now")
    }
  }
}
