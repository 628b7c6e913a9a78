internal import ArgumentParser
internal import Foundation
internal import RNNConv
internal import Recurrent
internal import Synchronization
internal import Tensors

struct ServingBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serving",
    abstract: "Requests a second that several tasks at once get answered, beside one onnxruntime session.",
    discussion: """
      An LSTM (I = 64, H = 128) on sequences of T = 32 and B = 1 in Float32. Programs take turns, a burst each; medians.
      """)

  @Option(help: "A Python with numpy, onnx and onnxruntime.")
  var python: String?

  @Option(help: "How many tasks ask at once.")
  var tasks = 8

  @Option(help: "How many bursts each.")
  var rounds = 5

  @Option(help: "Seconds of a burst.")
  var burst = 1.0

  func validate() throws {
    guard tasks > 0, rounds > 0, burst > 0 else {
      throw ValidationError("--tasks, --rounds and --burst take numbers above 0")
    }
  }

  func run() throws {
    let folder = try FileManager.default.scratch("serving")
    defer { try? FileManager.default.removeItem(at: folder) }
    let peers = try Peers.forward(python: python)
    _ = try peers.ask([
      "op": "prepare", "cell": "LSTM", "T": 32, "B": 1, "I": 64, "H": 128, "threads": 1,
      "folder": folder.path,
    ])
    let file = try ModelFile.open("\(folder.path)/model.onnx")
    let x = try TensorFile.read("\(folder.path)/x.npy")[0].tensor
    let inputs = [file.inputNames[0]: x]
    let (one, all) = (try file.prepared(threads: 1), try file.prepared())

    let ways: [(name: String, body: @Sendable () async throws -> Void)] = [
      ("prepared(threads: 1)", { try runNow(one, inputs) }),
      ("prepared(threads: 1), await", { _ = try await one.run(inputs) }),
      ("prepared()", { try runNow(all, inputs) }),
      ("ModelFile.run", { try runNow(file, inputs) }),
    ]
    var rates: [String: [Double]] = [:]
    for _ in 0..<rounds {
      for way in ways {
        rates[way.name, default: []].append(try Self.rate(tasks, seconds: burst, way.body))
      }
      let answer = try peers.ask(["op": "serve_many", "threads": tasks, "seconds": burst])
      rates["onnxruntime", default: []].append(answer["rate"] as? Double ?? .nan)
    }
    let theirs = rates["onnxruntime"]!.median
    print("\("\(tasks) tasks at once".padded(30, left: false))  requests/s  ÷ onnxruntime")
    for name in ways.map(\.name) + ["onnxruntime"] {
      let rate = rates[name]!.median
      print(
        name.padded(30, left: false) + rate.fixed(0).padded(12) + (rate / theirs).fixed(2).padded(15))
    }
    print(Machine.text)
  }

  /// Answers a second over all tasks.
  private static func rate(
    _ tasks: Int, seconds: Double, _ body: @escaping @Sendable () async throws -> Void
  ) throws -> Double {
    let clock = ContinuousClock()
    let answers = Counter()
    let (done, start) = (DispatchSemaphore(value: 0), clock.now)
    let failure = Failure()
    Task {
      do {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for _ in 0..<tasks {
            group.addTask {
              while start.duration(to: clock.now) < .seconds(seconds) {
                try await body()
                answers.count.wrappingAdd(1, ordering: .relaxed)
              }
            }
          }
          try await group.waitForAll()
        }
      } catch { failure.error.withLock { $0 = error } }
      done.signal()
    }
    done.wait()
    if let error = failure.error.withLock({ $0 }) { throw error }
    return Double(answers.count.load(ordering: .relaxed)) / start.duration(to: clock.now).seconds
  }
}

// Not in a task's own context, where the asynchronous functions of these names would be meant.
private func runNow(_ model: PreparedModel, _ inputs: [String: Tensor]) throws { _ = try model.run(inputs) }
private func runNow(_ file: ModelFile, _ inputs: [String: Tensor]) throws { _ = try file.run(inputs) }

private final class Counter: Sendable { let count = Atomic(0) }

private final class Failure: Sendable { let error = Mutex<(any Error)?>(nil) }
