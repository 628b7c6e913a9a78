internal import ArgumentParser
internal import ByteIO
internal import RNNConv
internal import Verification

/// The library that reads the arguments takes as long as the passes of a small model do: meanwhile another core opens the
/// models that a verification names. What the arguments say otherwise of a file then makes it be opened again.
struct HeadStart: Sendable {
  /// Larger ones take so long that little would be gained, and much lost where the arguments are wrong.
  private static let mostBytes: off_t = 8 << 20

  private let files: [(path: String, file: Deferred<ModelFile, RNNConvError>)]

  /// - Parameter words: behind the name of the command.
  init(_ words: some Collection<String>) {
    files = words.filter(Self.isModel).prefix(2).map { path in
      (path, Deferred { () throws(RNNConvError) in try ModelFile.open(path) })
    }
  }

  private static func isModel(_ word: String) -> Bool {
    var status = stat()
    return !word.hasPrefix("-") && Format.all.contains { $0.isNamed(by: word) }
      && stat(word, &status) == 0
      && status.st_mode & S_IFMT == S_IFREG && status.st_size <= mostBytes
  }

  /// What the body gives; the files are opened beside it.
  func beside(_ body: @escaping @Sendable () throws -> any ParsableCommand) throws -> any ParsableCommand {
    struct Parsed: @unchecked Sendable {
      // Handed from the thread that made it to the one that waits for it.
      let command: any ParsableCommand
    }
    let parsing = Deferred<Parsed, any Error> { Parsed(command: try body()) }
    concurrently([parsing] + files.map { $0.file as any Runnable })
    return try parsing.value.command
  }

  /// Those that could be opened, by path.
  var opened: [String: ModelFile] {
    Dictionary(files.compactMap { entry in (try? entry.file.value).map { (entry.path, $0) } }) { first, _ in
      first
    }
  }
}
