import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// The command line binary, run as a user runs it.
enum Tool {
  struct Outcome: CustomStringConvertible {
    let arguments: [String]
    /// The exit code; nil where a signal ended the process.
    let code: Int32?
    let signal: Int32?
    let seconds: Double
    let outputBytes: [UInt8]
    let error: String

    var output: String { String(decoding: outputBytes, as: UTF8.self) }

    var description: String {
      "rnnconv \(arguments.joined(separator: " ")) ended with \(signal.map { "signal \($0)" } ?? "\(code!)") "
        + "after \(seconds) s\n--- output\n\(output.prefix(2_000))\n--- error\n\(error.prefix(2_000))"
    }

    /// The output as a JSON object.
    func json() throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(outputBytes)) as? [String: Any])
    }
  }

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Whether `make sanitize` runs the tests.
  static let isSanitized = ProcessInfo.processInfo.environment["RNNCONV_SANITIZER"] != nil

  /// Under the thread sanitizer what takes three seconds takes a minute.
  static let timeout = isSanitized ? 600.0 : 60.0

  /// What `make sanitize` sets for every process; nothing else of the tests' own environment reaches the tool.
  private static let inherited = ProcessInfo.processInfo.environment.filter {
    $0.key.hasSuffix("SAN_OPTIONS") || ["SWIFT_BACKTRACE", "LD_PRELOAD"].contains($0.key)
  }

  /// `RNNCONV_BINARY`, or the binary of the same build as these tests.
  static let binary = Result { () throws(Failure) -> URL in
    var candidates: [URL] = []
    if let path = ProcessInfo.processInfo.environment["RNNCONV_BINARY"] {
      candidates = [URL(filePath: path)]
    } else {
      // The test bundle lies beside the products of its own build.
      let places = CommandLine.arguments + Bundle.allBundles.map(\.bundlePath)
      for place in places where place.contains("/.build") {
        candidates.append(URL(filePath: place).deletingLastPathComponent().appending(path: "rnnconv"))
      }
    }
    for candidate in candidates where FileManager.default.isExecutableFile(atPath: candidate.path) {
      return candidate.standardizedFileURL
    }
    throw Failure(description: "no rnnconv binary at \(candidates.map(\.path))")
  }

  /// Runs `rnnconv`. Its streams are files or, with `terminal`, a pseudo-terminal for output and error.
  static func run(
    _ arguments: String..., input: [UInt8] = [], environment: [String: String] = [:],
    terminal: Bool = false, in folder: String? = nil
  ) throws -> Outcome {
    try run(arguments, input: input, environment: environment, terminal: terminal, in: folder)
  }

  static func run(
    _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:],
    terminal: Bool = false, in folder: String? = nil
  ) throws -> Outcome {
    let streams = try TemporaryFolder()
    let screen = terminal ? try PseudoTerminal() : nil
    func opened(_ name: String, _ bytes: [UInt8], _ flags: Int32) throws -> FileHandle {
      let descriptor = open(try streams.write(bytes, to: name), flags | O_CLOEXEC)
      guard descriptor >= 0 else {
        throw Failure(description: "\(name): \(String(cString: strerror(errno)))")
      }
      return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }
    let source = try opened("input", input, O_RDONLY)
    let output = try screen?.user ?? opened("output", [], O_WRONLY)
    let error = try screen?.user ?? opened("error", [], O_WRONLY)
    let child = try Child.run(
      try binary.get(), arguments,
      environment: inherited.merging(["PATH": "/usr/bin:/bin", "TERM": "xterm"]) { $1 }.merging(environment) {
        $1
      },
      in: folder.map { URL(filePath: $0) } ?? Repository.root,
      streams: (source.fileDescriptor, output.fileDescriptor, error.fileDescriptor), timeout: timeout)
    return Outcome(
      arguments: arguments, code: child.code, signal: child.signal, seconds: child.seconds,
      outputBytes: try screen?.shown() ?? streams.read("output"),
      error: screen == nil ? String(decoding: try streams.read("error"), as: UTF8.self) : "")
  }
}

/// A terminal that nobody looks at, for what is shown on terminals only.
private struct PseudoTerminal {
  private let master: FileHandle
  /// What the process writes to.
  let user: FileHandle

  init() throws {
    var (descriptor, other): (Int32, Int32) = (-1, -1)
    guard openpty(&descriptor, &other, nil, nil, nil) == 0 else {
      throw Tool.Failure(description: "no pseudo-terminal: \(String(cString: strerror(errno)))")
    }
    // Only the process that is to use it may inherit it.
    for each in [descriptor, other] { _ = fcntl(each, F_SETFD, FD_CLOEXEC) }
    master = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    user = FileHandle(fileDescriptor: other, closeOnDealloc: true)
  }

  /// Everything shown so far; a terminal holds about 4 KiB unread.
  func shown() throws -> [UInt8] {
    _ = fcntl(master.fileDescriptor, F_SETFL, O_NONBLOCK)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4_096)
    while case let count = read(master.fileDescriptor, &chunk, chunk.count), count > 0 {
      bytes += chunk[0..<count]
    }
    return bytes
  }
}
