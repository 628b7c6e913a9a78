internal import ArgumentParser
internal import CMeasure
internal import Foundation

/// What the machine can do at best: fused operations a second of one core, and bytes a second that threads read together.
struct Limits {
  let peak: Double
  private var bandwidths: [Key: Double] = [:]

  private struct Key: Hashable {
    let bytes: Int
    let threads: Int
  }

  /// The best of many short runs: other programs only take away.
  init() {
    peak = (0..<40).map { _ in
      var operations = 0.0
      let took = ContinuousClock().measure { operations = cm_fused_operations(400_000) }
      return operations / took.seconds
    }.max()!
  }

  /// Bytes a second, where each of the threads reads as many bytes of its own again and again.
  mutating func bandwidth(bytes: Int, threads: Int) -> Double {
    let key = Key(bytes: max(512, bytes / 512 * 512), threads: threads)
    if let known = bandwidths[key] { return known }
    let count = key.bytes / 4
    let rounds = max(1, 20_000_000 / key.bytes)
    let numbers = [Float](repeating: 1, count: count * threads)
    let best = (0..<15).map { _ in
      let took = ContinuousClock().measure {
        DispatchQueue.concurrentPerform(iterations: threads) { thread in
          numbers.withUnsafeBufferPointer { numbers in
            for _ in 0..<rounds { _ = cm_read(numbers.baseAddress! + thread * count, count) }
          }
        }
      }
      return Double(threads * rounds * key.bytes) / took.seconds
    }.max()!
    bandwidths[key] = best
    return best
  }

  /// The least seconds of a layer: each product is bound by arithmetic or by reading its weights, W once, R at every step.
  mutating func seconds(_ item: ForwardCase, threads: Int) -> Double {
    let weights = item.multiplications / 2 / Double(item.steps * item.batch)
    let bandwidth = bandwidth(bytes: Int(weights) * 4 / threads, threads: threads)
    let arithmetic = 2 * weights * Double(item.batch) / (peak * Double(threads))
    let reading = 4 * weights / bandwidth
    return max(arithmetic * Double(item.steps), reading) + Double(item.steps) * max(arithmetic, reading)
  }
}

struct LimitsBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "limits",
    abstract: "The machine's rooflines: fused operations a second, bytes read a second.")

  func run() throws {
    var limits = Limits()
    print(Machine.text)
    print("fused multiply-adds, one core: \((limits.peak / 1e9).fixed(1)) GFLOP/s")
    print("KiB a thread  1 thread GB/s  2 threads GB/s")
    for power in 4...15 {
      let bytes = 1 << (power + 10)
      let rates = [1, 2].map { limits.bandwidth(bytes: bytes, threads: $0) / 1e9 }
      print("\(bytes >> 10)".padded(12) + rates[0].fixed(1).padded(15) + rates[1].fixed(1).padded(16))
    }
  }
}
