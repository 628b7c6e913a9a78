internal import ArgumentParser
internal import Foundation

struct ProcessesBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "processes",
    abstract: "`rnnconv verify` as a whole process beside two onnxruntime sessions and allclose; start-up.",
    discussion: """
      Processes take turns; medians. The models are two ONNX files of one LSTM (I = 64, H = 128), with T = 32 and B = 4 in \
      onnxruntime; what rnnconv tries are its own suites of inputs.
      """)

  @Option(help: "A Python with numpy, onnx and onnxruntime.")
  var python: String?

  @Option(help: "How many processes each.")
  var rounds = 25

  @Option(help: "The rnnconv that is measured; the one beside this program if left out.")
  var rnnconv: String?

  func validate() throws {
    guard rounds > 0 else { throw ValidationError("--rounds takes a number from 1 on") }
  }

  private static let peer = """
    import sys, numpy as np, onnxruntime as ort
    x = np.random.default_rng(1).standard_normal((32, 4, 64), dtype=np.float32)
    a, b = (ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"X": x}) for path in sys.argv[1:])
    sys.exit(0 if all(np.allclose(left, right) for left, right in zip(a, b)) else 1)
    """

  func run() throws {
    let rnnconv = rnnconv ?? Program.rnnconv
    let folder = try FileManager.default.scratch("processes")
    defer { try? FileManager.default.removeItem(at: folder) }
    let peers = try Peers.forward(python: python)
    let path = Peers.python(python)!
    _ = try peers.ask([
      "op": "prepare", "cell": "LSTM", "T": 32, "B": 4, "I": 64, "H": 128, "threads": 1,
      "folder": folder.path,
    ])
    // Another file of the same weights.
    let (a, native, b) = (
      "\(folder.path)/model.onnx", "\(folder.path)/model.rnnw", "\(folder.path)/again.onnx"
    )
    _ = try Program.seconds([rnnconv, "convert", a, native])
    _ = try Program.seconds([rnnconv, "convert", native, b])

    let commands: [(name: String, command: [String])] = [
      ("verify", [rnnconv, "verify", a, b]), ("onnxruntime", [path, "-c", Self.peer, a, b]),
      ("--version", [rnnconv, "--version"]), ("env alone", ["true"]),
    ]
    var times: [String: [Double]] = [:]
    for _ in 0..<rounds {
      for (name, command) in commands { times[name, default: []].append(try Program.seconds(command)) }
    }
    for (name, _) in commands {
      print(name.padded(14, left: false) + ((times[name]!.median * 1e3).fixed(1) + " ms").padded(10))
    }
    let ratio = times["verify"]!.median / times["onnxruntime"]!.median
    print("verify ÷ onnxruntime: \(ratio.fixed(3)), must reach 0.1, aims at 0.045")
    let start = (times["--version"]!.median - times["env alone"]!.median) * 1e3
    print("start-up, less what starting `true` takes: \(start.fixed(1)) ms, must reach 6, aims at 3")
    let size = (try? FileManager.default.attributesOfItem(atPath: rnnconv)[.size] as? Int) ?? 0
    print("binary: \((Double(size) / 1e6).fixed(1)) MB. \(Machine.text)")
  }
}
