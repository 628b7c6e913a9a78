public import Foundation
import Glibc

/// A child process that has ended.
public struct Child {
  /// Nil where a signal ended it.
  public let code: Int32?
  public let signal: Int32?
  public let seconds: Double

  public struct Failure: Error, CustomStringConvertible {
    public let description: String
  }

  /// Runs a program to its end, with files for its streams.
  ///
  /// By posix_spawn: Foundation's Process in Swift 6.3 reads past a directory entry in `run()` and now and then
  /// crashes (swift-corelibs-foundation, pull request 5472).
  /// - Parameters:
  ///   - environment: all of it.
  ///   - streams: descriptors for standard input, output and error.
  public static func run(
    _ executable: URL, _ arguments: [String], environment: [String: String], in folder: URL,
    streams: (input: Int32, output: Int32, error: Int32), timeout: Double
  ) throws -> Child {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // First out of the way of 0, 1 and 2, which they may be themselves.
    let spare: Int32 = 1_000
    for (target, source) in [streams.input, streams.output, streams.error].enumerated() {
      posix_spawn_file_actions_adddup2(&actions, source, spare + Int32(target))
    }
    for target in 0..<Int32(3) { posix_spawn_file_actions_adddup2(&actions, spare + target, target) }
    for target in 0..<Int32(3) { posix_spawn_file_actions_addclose(&actions, spare + target) }

    // posix_spawn itself cannot change the folder but by an extension that Swift does not see.
    let runner = "/usr/bin/env"
    let words = ([runner, "-C", folder.path, executable.path] + arguments).map { strdup($0) }
    let settings = environment.map { strdup("\($0)=\($1)") }
    defer { for each in words + settings { free(each) } }
    let start = DispatchTime.now().uptimeNanoseconds
    var process = pid_t()
    let failure = posix_spawn(&process, runner, &actions, nil, words + [nil], settings + [nil])
    guard failure == 0 else {
      throw Failure(description: "\(executable.path): \(String(cString: strerror(failure)))")
    }

    func seconds() -> Double { Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 }
    var status: Int32 = 0
    while waitpid(process, &status, WNOHANG) == 0 {
      if seconds() > timeout {
        // It is our own child, and not yet waited for: nothing else has its number.
        kill(process, SIGKILL)
        waitpid(process, &status, 0)
        throw Failure(
          description: "\(executable.lastPathComponent) \(arguments) still ran after \(timeout) s")
      }
      usleep(seconds() < 0.1 ? 500 : 10_000)
    }
    let signal = status & 0x7f
    return Child(
      code: signal == 0 ? status >> 8 & 0xff : nil, signal: signal == 0 ? nil : signal, seconds: seconds())
  }

  /// The same, with everything that it prints; nothing comes in.
  public static func output(
    of executable: URL, _ arguments: [String], in folder: URL, timeout: Double = 600, joiningError: Bool
  ) throws -> (child: Child, text: String) {
    let place = try TemporaryFolder()
    let output = try place.write([], to: "output")
    let nothing = open("/dev/null", O_RDWR)
    let file = open(output, O_WRONLY)
    defer {
      close(nothing)
      close(file)
    }
    let child = try run(
      executable, arguments, environment: ProcessInfo.processInfo.environment, in: folder,
      streams: (nothing, file, joiningError ? file : nothing), timeout: timeout)
    return (child, String(decoding: try place.read("output"), as: UTF8.self))
  }
}
