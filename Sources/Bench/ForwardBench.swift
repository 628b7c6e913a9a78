internal import ArgumentParser
internal import Forward
internal import Foundation
internal import RNNConv
internal import Recurrent
internal import Tensors

struct ForwardBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forward",
    abstract: "Forward passes in Float32, beside onnxruntime and PyTorch in the same run.",
    discussion: """
      Ours and the peers take turns, a burst of passes each; the figures are medians over all bursts. The peers run where \
      --python, or RNNCONV_PYTHON, names a Python that has numpy, onnx, onnxruntime and (if it can be) torch.
      """)

  @Option(help: "A Python that has the peers.")
  var python: String?

  @Option(parsing: .upToNextOption, help: "How many threads each may use; one table for each number.")
  var threads = [1, 2]

  @Option(help: "How many bursts each.")
  var rounds = 7

  @Option(help: "Seconds of a burst.")
  var burst = 0.12

  @Option(help: "Only rows that begin with this, such as 'GRU' or 'LSTM 128,1'.")
  var only = ""

  @Flag(help: "Print the results as JSON.")
  var json = false

  func run() throws {
    guard rounds > 0, burst >= 0, threads.allSatisfy({ $0 > 0 }) else {
      throw ValidationError("--rounds and --threads take numbers from 1 on, --burst one from 0 on")
    }
    let peers = Peers.open(
      python: python, script: PackageResources.forward_peers_py, needs: ["numpy", "onnx", "onnxruntime"])
    let cases = ForwardCase.all.filter { $0.text.hasPrefix(only) }
    if !json { print(ForwardResult.header) }
    var limits = Limits()
    var results: [ForwardResult] = []
    for count in threads {
      for item in cases {
        let roof = limits.seconds(item, threads: count)
        let result = try measure(item, threads: count, roof: roof, peers)
        results.append(result)
        if !json { print(result.line) }
      }
    }
    if !json { return print(Self.summary(results)) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let report = ForwardReport(machine: Machine.text, peers: peers?.versions ?? [:], results: results)
    print(String(decoding: try encoder.encode(report), as: UTF8.self))
  }

  private func measure(
    _ item: ForwardCase, threads: Int, roof: Double, _ peers: Peers?
  ) throws -> ForwardResult {
    let folder = try FileManager.default.scratch("bench")
    defer { try? FileManager.default.removeItem(at: folder) }
    var names: [String] = []
    if let peers {
      let answer = try peers.ask([
        "op": "prepare", "cell": item.cell, "T": item.steps, "B": item.batch, "I": item.size, "H": item.size,
        "threads": threads, "folder": folder.path,
      ])
      names = answer["peers"] as? [String] ?? []
    }
    let (model, inputs, expected) = try peers == nil ? item.own() : item.read(folder.path)
    let prepared = try PackedModel(model, precision: .float32, execution: Execution(threads: threads))
    let output = try prepared.run(inputs).values.first!
    let deviation = expected.map { zip($0.floats, output.floats).reduce(0) { max($0, abs($1.0 - $1.1)) } }

    var times: [String: [Double]] = [:]
    for _ in 0..<rounds {
      times["rnnconv", default: []] += try Self.burst(seconds: burst) { _ = try prepared.run(inputs) }
      for name in names { times[name, default: []] += try peers!.passes(name, seconds: burst) }
    }
    return ForwardResult(item, threads: threads, times, roof: roof, deviation: deviation)
  }

  /// Seconds of each run; the first, which warms up, does not count.
  static func burst(seconds: Double, _ body: () throws -> Void) rethrows -> [Double] {
    let clock = ContinuousClock()
    try body()
    var times: [Double] = []
    let start = clock.now
    while times.count < 2 || start.duration(to: clock.now) < .seconds(seconds) {
      times.append(try clock.measure(body).seconds)
    }
    return times
  }

  private static func summary(_ results: [ForwardResult]) -> String {
    let judged = results.filter { $0.ratio != nil }
    let reached = judged.filter { $0.reachesMust == true }.count
    let aimed = judged.filter { $0.reachesAim == true }.count
    return "\(reached) of \(judged.count) reach what they must, \(aimed) what they aim at. \(Machine.text)"
  }
}

/// One row's figures.
struct ForwardResult: Encodable {
  let name: String
  let threads: Int
  /// Medians in seconds, by program.
  let seconds: [String: Double]
  /// The quickest run of each.
  let quickest: [String: Double]
  /// Our time divided by that of the peer the row names: of the medians, and of the quickest runs.
  let ratio: Double?
  let quickestRatio: Double?
  /// The least time that the machine allows divided by our quickest.
  let roofline: Double
  let must: Double?
  let aim: Double?
  let gigaflops: Double
  /// The largest difference from onnxruntime's output.
  let deviation: Float?

  /// - Parameters:
  ///   - times: of each run, by program.
  ///   - roof: the least time that the machine allows.
  init(_ item: ForwardCase, threads: Int, _ times: [String: [Double]], roof: Double, deviation: Float?) {
    name = item.text
    self.threads = threads
    seconds = times.mapValues(\.median)
    quickest = times.mapValues { $0.min()! }
    func ratio(_ figures: [String: Double]) -> Double? {
      let others = figures.filter { $0.key == "onnxruntime" || item.peer == .best && $0.key != "rnnconv" }
      return others.values.min().map { figures["rnnconv"]! / $0 }
    }
    self.ratio = ratio(seconds)
    quickestRatio = ratio(quickest)
    roofline = roof / quickest["rnnconv"]!
    must = item.must
    aim = item.aim
    gigaflops = 2 * item.multiplications / quickest["rnnconv"]! / 1e9
    self.deviation = deviation
  }

  var reachesMust: Bool? { ratio.flatMap { ratio in must.map { ratio <= $0 } } }
  var reachesAim: Bool? { ratio.flatMap { ratio in aim.map { ratio <= $0 } } }

  static let header =
    "pass            threads  rnnconv ms  onnxruntime      torch    ratio  quickest    must     aim  GFLOP/s  roofline  deviation"

  var line: String {
    func milliseconds(_ name: String) -> String {
      seconds[name].map { ($0 * 1e3).fixed(3) } ?? "–"
    }
    let verdict =
      ratio == nil ? "" : reachesAim == true ? "  aim" : reachesMust == true ? "  must" : "  NOT REACHED"
    let cells: [(String, Int)] = [
      ("\(threads)", 7), (milliseconds("rnnconv"), 12), (milliseconds("onnxruntime"), 13),
      (milliseconds("torch"), 11), (ratio?.fixed(2) ?? "–", 9), (quickestRatio?.fixed(2) ?? "–", 10),
      (must?.fixed(2) ?? "–", 8), (aim?.fixed(2) ?? "–", 8), (gigaflops.fixed(1), 9), (roofline.fixed(2), 10),
      (deviation.map { String(format: "%.0e", $0) } ?? "–", 11),
    ]
    return cells.reduce(name.padded(16, left: false)) { $0 + $1.0.padded($1.1) } + verdict
  }
}

struct ForwardReport: Encodable {
  let machine: String
  let peers: [String: String]
  let results: [ForwardResult]
}

extension ForwardCase {
  /// What the peers have written.
  fileprivate func read(_ folder: String) throws -> (Model, [String: Tensor], Tensor?) {
    func array(_ name: String) throws -> Tensor {
      try TensorArgument("\(folder)/\(name)").tensors()[0].tensor
    }
    let model = try ModelFile.open("\(folder)/model.onnx").model
    return (model, ["X": try array("x.npy")], try array("y.npy"))
  }

  fileprivate func own() -> (Model, [String: Tensor], Tensor?) {
    let (model, inputs) = random(layers: 1)
    return (model, inputs, nil)
  }
}

extension Peers {
  /// Seconds of each pass of a peer, for about so long.
  fileprivate func passes(_ peer: String, seconds: Double) throws -> [Double] {
    try ask(["op": "run", "peer": peer, "seconds": seconds])["times"] as? [Double] ?? []
  }
}
