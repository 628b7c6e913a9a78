internal import ArgumentParser
internal import Foundation

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

extension [Double] {
  /// The middle of an odd number of them, the upper middle of an even one.
  var median: Double { sorted()[count / 2] }
}

extension Double {
  func fixed(_ digits: Int) -> String { String(format: "%.\(digits)f", self) }
}

extension String {
  func padded(_ width: Int, left: Bool = true) -> String {
    let spaces = String(repeating: " ", count: Swift.max(0, width - count))
    return left ? spaces + self : self + spaces
  }
}

extension FileManager {
  /// A folder of this process for what it measures; the caller removes it.
  func scratch(_ name: String) throws -> URL {
    let folder = temporaryDirectory.appendingPathComponent("rnnconv-\(name)-\(getpid())")
    try createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }
}

enum Machine {
  /// Processor, cores, memory, kernel.
  static var text: String {
    let cpu = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?
      .split(separator: "\n").first { $0.hasPrefix("model name") }?
      .split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
    let info = ProcessInfo.processInfo
    return "\(cpu ?? "unknown processor"), \(info.activeProcessorCount) cores, "
      + "\(info.physicalMemory >> 30) GiB, \(info.operatingSystemVersionString)"
  }
}

/// Programs that run as whole processes.
enum Program {
  /// The one beside this.
  static var rnnconv: String { Bundle.main.bundleURL.appendingPathComponent("rnnconv").path }

  /// Seconds of a process, which must succeed; one that does not has said why.
  static func seconds(_ command: [String]) throws -> Double {
    // Foundation's Process notices an end up to 50 ms later.
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    let arguments = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var status: Int32 = 1
    let took = ContinuousClock().measure {
      var process: pid_t = 0
      guard posix_spawnp(&process, command[0], &actions, nil, arguments, environ) == 0 else { return }
      while waitpid(process, &status, 0) == -1 && errno == EINTR {}
    }
    guard status == 0 else { throw ExitCode.failure }
    return took.seconds
  }
}
