internal import ArgumentParser
internal import Forward
internal import Foundation
internal import RNNConv
internal import Tensors

struct NetworksBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "networks",
    abstract:
      "Whole networks, convolutions around a recurrence, in Float32 beside onnxruntime in the same run.",
    discussion: """
      Each is an ONNX file as exporters write them (networks_peers.py), which both sides open. Both take turns, a burst of \
      passes each; the figures are medians over all bursts.
      """)

  @Option(help: "A Python that has numpy, onnx and onnxruntime.")
  var python: String?

  @Option(parsing: .upToNextOption, help: "How many threads each may use; one table for each number.")
  var threads = [1, 2]

  @Option(parsing: .upToNextOption, help: "How many rows a batch has.")
  var batch = [1, 8]

  @Option(help: "How many bursts each.")
  var rounds = 7

  @Option(help: "Seconds of a burst.")
  var burst = 0.12

  @Option(help: "Only networks that begin with this.")
  var only = ""

  /// A network of networks_peers.py, and how many steps its input has.
  private static let networks = [
    ("crnn", 320), ("speech", 400), ("voice", 200), ("wake", 100), ("sleep", 3000), ("tagger", 60),
  ]
  /// Ratios to onnxruntime.
  private static let (must, aim) = (1.5, 1.0)

  func run() throws {
    guard rounds > 0, burst >= 0, (threads + batch).allSatisfy({ $0 > 0 }) else {
      throw ValidationError("--rounds, --threads and --batch take numbers from 1 on, --burst one from 0 on")
    }
    guard
      let peers = Peers.open(
        python: python, script: PackageResources.networks_peers_py, needs: ["numpy", "onnx", "onnxruntime"])
    else { throw ExitCode.failure }
    print("network T,B        threads  rnnconv ms  onnxruntime    ratio  quickest    must     aim  deviation")
    var ratios: [Double] = []
    for count in threads {
      for (name, steps) in Self.networks where name.hasPrefix(only) {
        for rows in batch { ratios.append(try measure(name, steps, rows, threads: count, peers)) }
      }
    }
    let reached = ratios.filter { $0 <= Self.must }.count
    let aimed = ratios.filter { $0 <= Self.aim }.count
    print("\(reached) of \(ratios.count) reach what they must, \(aimed) what they aim at. \(Machine.text)")
  }

  /// Prints a row; returns our median divided by the peer's.
  private func measure(
    _ name: String, _ steps: Int, _ rows: Int, threads: Int, _ peers: Peers
  ) throws -> Double {
    let folder = try FileManager.default.scratch("bench")
    defer { try? FileManager.default.removeItem(at: folder) }
    _ = try peers.ask([
      "op": "prepare", "network": name, "B": rows, "T": steps, "threads": threads, "folder": folder.path,
    ])
    func array(_ name: String) throws -> Tensor {
      try TensorArgument("\(folder.path)/\(name)").tensors()[0].tensor
    }
    let model = try ModelFile.open("\(folder.path)/model.onnx").model
    let prepared = try PackedModel(model, precision: .float32, execution: Execution(threads: threads))
    let (inputs, expected) = (["X": try array("x.npy")], try array("y.npy"))
    let output = try prepared.run(inputs).values.first!
    guard output.shape == expected.shape else {
      throw Peers.Failure(description: "\(name): \(output.shape), not \(expected.shape) as onnxruntime's")
    }
    let deviation = zip(output.floats, expected.floats).reduce(0) { max($0, abs($1.0 - $1.1)) }

    var own: [Double] = []
    var other: [Double] = []
    for _ in 0..<rounds {
      own += try ForwardBench.burst(seconds: burst) { _ = try prepared.run(inputs) }
      other += try peers.ask(["op": "run", "seconds": burst])["times"] as? [Double] ?? []
    }
    let ratio = own.median / other.median
    let cells: [(String, Int)] = [
      ("\(threads)", 7), ((own.median * 1e3).fixed(3), 12), ((other.median * 1e3).fixed(3), 13),
      (ratio.fixed(2), 9), ((own.min()! / other.min()!).fixed(2), 10), (Self.must.fixed(2), 8),
      (Self.aim.fixed(2), 8), (String(format: "%.0e", deviation), 11),
    ]
    let verdict = ratio <= Self.aim ? "  aim" : ratio <= Self.must ? "  must" : "  NOT REACHED"
    let title = "\(name) \(steps),\(rows)".padded(19, left: false)
    print(cells.reduce(title) { $0 + $1.0.padded($1.1) } + verdict)
    return ratio
  }
}
