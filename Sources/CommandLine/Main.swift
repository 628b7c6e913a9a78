internal import ArgumentParser
internal import ByteIO
internal import CMalloc
internal import FixtureChecks
internal import RNNConv

/// The command line: one file a subcommand, and no logic beyond arguments and words.
@main
struct RNNConvCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rnnconv",
    abstract: "Converts recurrent models between formats and proves the conversion right.",
    discussion: """
      Examples:
        rnnconv import model.onnx -o model.rnnw
        rnnconv export model.rnnw -o model.onnx --opset 14
        rnnconv verify model.onnx other.onnx
        rnnconv run model.onnx --input x.npy -o y.npy
        rnnconv gradient-flow model.onnx
        rnnconv check fixtures --junit out.xml

      Exit codes: 0 identical, equal, close, or done; 1 different; 2 bad arguments; 3 not expressible in the target \
      format; 4 a file is malformed, unsupported or inaccessible; 5 inconclusive.
      """,
    version: RNNConvVersion.current,
    subcommands: [
      Import.self, Export.self, Convert.self, Verify.self, ReplayCommand.self, Diff.self, Inspect.self,
      Run.self, Extract.self, Build.self, GradientFlowCommand.self, Check.self, CheckWorker.self,
    ])

  /// Set before a command runs, and by nobody else.
  nonisolated(unsafe) private(set) static var headStart: HeadStart?

  static func main() {
    keepFreedMemory()
    // A reader that goes away (`| head`) is not our failure.
    signal(SIGPIPE, SIG_DFL)
    // A file over the system's limit is an error of the write, not the end of the process.
    signal(SIGXFSZ, SIG_IGN)
    MappedFiles.exitWhenCutShort(code: 4)
    do {
      var command = try parsed()
      try command.run()
    } catch let error as RNNConvError {
      Terminal.error(error.summary, details: error.details)
      Glibc.exit(error.exitCode)
    } catch {
      // Wrong arguments are exit code 2 here, not the library's 64.
      if exitCode(for: error) == .validationFailure {
        Terminal.write(fullMessage(for: error) + "\n", to: 2)
        Glibc.exit(2)
      }
      exit(withError: error)
    }
  }

  /// The library reflects on every option of every command that it may meet: half of a small verification's start. Where the
  /// first word is a command, that one alone reads the rest; what it does not understand is for all of them to explain.
  private static func parsed() throws -> any ParsableCommand {
    try requireText()
    let words = PairedArchitectureArguments.rewritten(Array(Swift.CommandLine.arguments.dropFirst()))
    func command(_ name: String) -> (any ParsableCommand.Type)? {
      configuration.subcommands.first { $0.configuration.commandName == name }
    }
    guard let word = words.first, !word.hasPrefix("-") else { return try parseAsRoot(words) }
    let rest = Array(words.dropFirst())
    if word == "help" {
      // Help on a command that there is not would be help on all of them.
      if let topic = rest.first, !topic.hasPrefix("-"), topic != "help", command(topic) == nil {
        throw RNNConvError.arguments(unknown(topic))
      }
      return try parseAsRoot(words)
    }
    guard let named = command(word) else { throw RNNConvError.arguments(unknown(word)) }
    let parse = { @Sendable () throws -> any ParsableCommand in
      if let command = try? named.parseAsRoot(rest), type(of: command) == named { return command }
      return try parseAsRoot(words)
    }
    guard named == Verify.self else { return try parse() }
    let start = HeadStart(rest)
    headStart = start
    return try start.beside(parse)
  }

  /// Swift mends what is not UTF-8, and no file has the mended name.
  private static func requireText() throws {
    for argument in UnsafeBufferPointer(
      start: Swift.CommandLine.unsafeArgv, count: Int(Swift.CommandLine.argc))
    {
      guard let argument, String(validatingCString: argument) == nil else { continue }
      throw RNNConvError.arguments(
        "'\(String(cString: argument))' is not UTF-8: rename the file, or give it on standard input, as -")
    }
  }

  private static func unknown(_ word: String) -> String {
    let names = configuration.subcommands.filter { $0.configuration.shouldDisplay }
      .compactMap { $0.configuration.commandName }
    if let near = word.nearest(in: names) { return "there is no command '\(word)'; did you mean '\(near)'?" }
    if FileIdentity(word) != nil {
      return "\(word) is a file, not a command, such as 'rnnconv inspect \(word)'"
    }
    return "there is no command '\(word)', only \(names.joined(separator: ", "))"
  }

  /// Passes free and ask for the same few arrays over and over: given back to the system in between, their pages would
  /// be cleared and mapped anew each time, a fifth of a small verification. Larger arrays still go back at once.
  private static func keepFreedMemory() {
    mallopt(M_MMAP_THRESHOLD, 8 << 20)
    mallopt(M_TRIM_THRESHOLD, 64 << 20)
  }
}
