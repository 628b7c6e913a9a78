import Foundation
import RNNConv
import TestSupport
import Testing

@Suite struct HelpTests {
  static let subcommands = [
    "import", "export", "convert", "verify", "replay", "diff", "inspect", "run", "extract", "build",
    "gradient-flow",
    "check",
  ]

  @Test(arguments: [[]] + subcommands.map { [$0] })
  func `help exits 0 and shows an example`(command: [String]) throws {
    let outcome = try Tool.run(command + ["--help"])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("Examples:\n"), "\(outcome)")
    #expect(outcome.output.contains("rnnconv \(command.first ?? "import") "), "\(outcome)")
    #expect(outcome.error.isEmpty, "\(outcome)")
  }

  @Test func `the main help lists the subcommands and the exit codes`() throws {
    let outcome = try Tool.run("--help")
    for word in Self.subcommands + ["Exit codes"] { #expect(outcome.output.contains(word), "\(word)") }
    let bare = try Tool.run()
    #expect(bare.code == 0 && bare.output == outcome.output, "\(bare)")
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func `shells get completions`(shell: String) throws {
    let outcome = try Tool.run("--generate-completion-script", shell)
    #expect(outcome.code == 0, "\(outcome)")
    for word in Self.subcommands { #expect(outcome.output.contains(word), "\(word)") }
  }

  @Test(arguments: [
    ("verfy", "did you mean 'verify'?"), ("insp", "did you mean 'inspect'?"),
    ("quantise", "only import, export"),
    (Sample.demo, "is a file, not a command, such as 'rnnconv inspect"),
  ])
  func `a command that there is not is named, with what was meant`(word: String, advice: String) throws {
    let outcome = try Tool.run(word, Sample.demo)
    #expect(outcome.code == 2 && outcome.output.isEmpty, "\(outcome)")
    #expect(outcome.error.contains(word) && outcome.error.contains(advice), "\(outcome)")
  }

  @Test func `completions hold file names and the values of options`() throws {
    let outcome = try Tool.run("--generate-completion-script", "fish")
    for value in ["onnxruntime litert", "float32 float64", "safetensors"] {
      let words = value.split(separator: " ")
      #expect(words.allSatisfy { outcome.output.contains($0) }, "\(value)")
    }
    #expect(outcome.output.contains("-rfka") || outcome.output.contains("-rF"), "files are completed")
  }

  @Test func `the version is the library's`() throws {
    let outcome = try Tool.run("--version")
    #expect(outcome.code == 0)
    #expect(outcome.output == "\(RNNConvVersion.current)\n")
  }
}
