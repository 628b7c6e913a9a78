import Foundation
import TestSupport
import Testing

/// What `make install` and the archive of `make dist` lay down, by the script that both use.
@Suite struct InstallTests {
  private func run(_ program: String, _ arguments: [String]) throws -> (code: Int32?, text: String) {
    let (child, text) = try Child.output(
      of: URL(filePath: program), arguments, in: Repository.root, joiningError: true)
    return (child.code, text)
  }

  @Test func `the binary, its manual page and completions are installed, and work from there`() throws {
    let folder = try TemporaryFolder()
    let prefix = folder.path("stage/usr/local")
    let install = try run("/bin/bash", ["scripts/install.sh", try Tool.binary.get().path, prefix])
    #expect(install.code == 0, "\(install)")
    let files = try FileManager.default.subpathsOfDirectory(atPath: prefix).filter { $0.contains("rnnconv") }
    #expect(
      files.sorted() == [
        "bin/rnnconv", "share/bash-completion/completions/rnnconv",
        "share/fish/vendor_completions.d/rnnconv.fish",
        "share/man/man1/rnnconv.1", "share/zsh/site-functions/_rnnconv",
      ])
    let version = try run("\(prefix)/bin/rnnconv", ["--version"])
    #expect(version.code == 0)
    // Workers start from wherever the binary is.
    let check = try run("\(prefix)/bin/rnnconv", ["check", Repository.fixtures.path, "--only", "demo"])
    #expect(check.code == 0 && check.text.hasPrefix("1 passed, 0 failed"), "\(check)")
    let completion = try run(
      "/bin/bash",
      ["-c", "source \(prefix)/share/bash-completion/completions/rnnconv && complete -p rnnconv"])
    #expect(completion.code == 0 && completion.text.contains("rnnconv"), "\(completion)")
  }

  @Test func `the manual page is what the commands say of themselves`() throws {
    _ = try runPython(["scripts/manual.py", try Tool.binary.get().path, "--check"])
    let page = try String(contentsOf: Repository.root.appending(path: "docs/rnnconv.1"), encoding: .utf8)
    for command in HelpTests.subcommands {
      #expect(page.contains(".SH RNNCONV \(command.uppercased().replacing("-", with: "\\-"))"), "\(command)")
    }
    #expect(!page.contains("check\\-worker"))
  }
}
