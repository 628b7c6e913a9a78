/// A row of docs/BENCHMARKS.md: what is measured, and how far it is to be from a peer.
struct ForwardCase: Sendable {
  enum Peer: String, Sendable { case onnxruntime, best }

  let cell: String
  let steps: Int
  let batch: Int
  /// I = H
  let size: Int
  /// Whose time ours is divided by, and what the quotient must reach and aims at.
  var peer = Peer.onnxruntime
  var must: Double?
  var aim: Double?

  var text: String { "\(cell) \(steps),\(batch),\(size)" }

  var multiplications: Double {
    let gates = ["RNN": 1, "GRU": 3, "LSTM": 4][cell]!
    return Double(gates * size * 2 * size) * Double(steps * batch)
  }

  static let all: [ForwardCase] = [
    ForwardCase(cell: "LSTM", steps: 128, batch: 1, size: 128, must: 1.1, aim: 1),
    ForwardCase(cell: "LSTM", steps: 128, batch: 1, size: 512, must: 1.1, aim: 1),
    ForwardCase(cell: "LSTM", steps: 64, batch: 1, size: 1024, must: 1.1, aim: 1),
    ForwardCase(cell: "LSTM", steps: 128, batch: 32, size: 512, peer: .best, must: 1.2, aim: 1),
    ForwardCase(cell: "LSTM", steps: 32, batch: 64, size: 1024, peer: .best, must: 1.2, aim: 1),
    ForwardCase(cell: "LSTM", steps: 1000, batch: 1, size: 64, must: 1, aim: 0.8),
    ForwardCase(cell: "GRU", steps: 128, batch: 1, size: 512, must: 1.1, aim: 0.95),
    ForwardCase(cell: "GRU", steps: 128, batch: 32, size: 512, must: 1.2, aim: 1),
    ForwardCase(cell: "GRU", steps: 1000, batch: 1, size: 64, must: 0.8, aim: 0.6),
    ForwardCase(cell: "RNN", steps: 128, batch: 1, size: 512, must: 0.85, aim: 0.7),
    ForwardCase(cell: "RNN", steps: 64, batch: 1, size: 1024, must: 0.85, aim: 0.7),
    ForwardCase(cell: "RNN", steps: 128, batch: 32, size: 512, peer: .best, must: 1, aim: 0.8),
    ForwardCase(cell: "RNN", steps: 32, batch: 64, size: 1024, peer: .best, must: 1, aim: 0.8),
    ForwardCase(cell: "RNN", steps: 1000, batch: 1, size: 64, must: 0.4, aim: 0.25),
  ]
}
