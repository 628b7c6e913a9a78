internal import ArgumentParser
internal import Foundation
internal import RNNConv

/// Measurements: of forward passes and of files beside the peers, and for the scripts that play peers against rnnconv
/// (Tests/judges/live_*.py).
@main
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rnnconv-bench", abstract: "Measure rnnconv.",
    subcommands: [
      ForwardBench.self, NetworksBench.self, FilesBench.self, ProcessesBench.self, CheckBench.self,
      BoundsBench.self,
      GrowthBench.self, ServingBench.self,
      LimitsBench.self, MemoryBench.self, OpenFile.self, FileStepCommand.self,
    ])
}

struct OpenFile: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "open",
    abstract: "How long opening a model file takes, and how much of it comes into memory.")

  @Argument(help: "The model.")
  var file: String

  @Option(help: "How many times it is opened; the quickest counts.")
  var runs = 9

  func run() throws {
    let before = try Memory.resident
    var seconds: [Double] = []
    var kept: ModelFile?
    for _ in 0..<runs {
      kept = nil
      let clock = ContinuousClock()
      let took = try clock.measure { kept = try ModelFile.open(file) }
      seconds.append(Double(took.components.attoseconds) * 1e-18 + Double(took.components.seconds))
    }
    let opened = try Memory.resident
    // The import leaves weights in the file, so that they are read here: the judge has to see memory grow.
    let model = try kept?.model
    let sum = model?.sumOfPages ?? 0
    let used = try Memory.resident
    print(
      "{\"seconds\": \(seconds.min() ?? 0), \"fileBytes\": \(kept?.byteCount ?? 0), \"sumOfPages\": \(sum), "
        + "\"grownBytes\": \(opened - before), \"grownBytesInUse\": \(used - before)}")
  }
}

enum Memory {
  /// Bytes of this process in memory, mapped files included.
  static var resident: Int { get throws { try field("VmRSS:") } }
  /// The most that they have been since `forgetPeak`.
  static var peak: Int { get throws { try field("VmHWM:") } }

  static func forgetPeak() throws {
    try "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
  }

  private static func field(_ name: String) throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
    let number = line?.split(whereSeparator: { " \t".contains($0) }).dropFirst().first
    return (number.flatMap { Int($0) } ?? 0) * 1024
  }
}
