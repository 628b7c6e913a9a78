internal import ArgumentParser
internal import Foundation

struct CheckBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "`rnnconv check` of many small fixtures, beside the same check in Python with onnxruntime.",
    discussion: """
      Whole processes, in turns; medians. The fixtures are ONNX models as a runtime's CI has them (RNN, GRU and LSTM, one or \
      two layers, some bidirectional; H 16 to 64, T 5 to 20, B 1 to 4) with inputs and the outputs that onnxruntime gives. Python \
      opens each in onnxruntime, runs it once and compares with numpy's allclose.
      """)

  @Option(help: "A Python with numpy, onnx and onnxruntime.")
  var python: String?

  @Option(help: "How many fixtures.")
  var count = 500

  @Option(help: "How many processes each.")
  var rounds = 5

  @Option(help: "The rnnconv that is measured; the one beside this program if left out.")
  var rnnconv: String?

  func validate() throws {
    guard count > 0, rounds > 0 else { throw ValidationError("--count and --rounds take numbers from 1 on") }
  }

  func run() throws {
    guard let python = Peers.python(python) else {
      throw ValidationError(
        "--python PATH, or RNNCONV_PYTHON, names the Python that makes the fixtures and is compared with")
    }
    let rnnconv = rnnconv ?? Program.rnnconv
    let folder = try FileManager.default.scratch("check")
    defer { try? FileManager.default.removeItem(at: folder) }
    let script = String(decoding: PackageResources.check_peer_py, as: UTF8.self)
    _ = try Program.seconds([python, "-c", script, "generate", folder.path, "\(count)"])
    _ = try Program.seconds([rnnconv, "check", folder.path, "--init"])

    var ours: [Double] = []
    var theirs: [Double] = []
    for _ in 0..<rounds {
      ours.append(try Program.seconds([rnnconv, "check", folder.path]))
      theirs.append(try Program.seconds([python, "-c", script, "run", folder.path]))
    }
    func each(_ times: [Double]) -> String { (times.median / Double(count) * 1e3).fixed(2) }
    print("\(count) fixtures  ms a fixture")
    print("rnnconv check".padded(16, left: false) + each(ours).padded(10))
    print("Python".padded(16, left: false) + each(theirs).padded(10))
    print("ratio".padded(16, left: false) + (ours.median / theirs.median).fixed(2).padded(10))
    print(Machine.text)
  }
}
