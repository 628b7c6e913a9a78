internal import ArgumentParser
internal import Forward
internal import Foundation
internal import Recurrent
internal import Tensors

struct MemoryBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memory",
    abstract: "How far memory grows during a pass that needs the last step only.",
    discussion: """
      Tokens, an embedding, two LSTM layers, the last step, a dense layer. Prints JSON: the bytes that memory grew by at \
      most, and those of one value [T, B, H].
      """)

  @Option(help: "T")
  var steps = 100_000
  @Option(help: "B")
  var batch = 1
  @Option(help: "H")
  var size = 64

  func validate() throws {
    guard steps > 0, batch > 0, size > 0 else { throw ValidationError("sizes are numbers from 1 on") }
  }

  func run() throws {
    var generator = RandomNumbers()
    let lower = generator.layer("LSTM", size)
    let upper = generator.layer("LSTM", size)
    let model = Model(
      inputs: [.tokens("ids")], outputs: [.vector("scores", features: 5)],
      layers: [
        Layer("table", .embedding(table: generator.tensor([100, size], 1)), inputs: ["ids"], outputs: ["x"]),
        Layer("lower", .recurrent(lower), inputs: ["x"], outputs: ["y"]),
        Layer("upper", .recurrent(upper), inputs: ["y"], outputs: ["z"]),
        Layer("last", .select(.step(-1)), inputs: ["z"], outputs: ["v"]),
        Layer(
          "head", .dense(weight: generator.tensor([5, size], 1), bias: nil), inputs: ["v"],
          outputs: ["scores"]),
      ])
    let prepared = try PackedModel(model, precision: .float32)
    func ids(_ steps: Int) -> Tensor {
      Tensor((0..<(steps * batch)).map { Int64($0 * 7 % 100) }, shape: [steps, batch])
    }
    _ = try prepared.run(["ids": ids(min(steps, 2000 / batch + 2))])
    let given = ids(steps)
    let before = try Memory.resident
    try Memory.forgetPeak()
    _ = try prepared.run(["ids": given])
    print(
      "{\"grownBytes\": \(max(0, try Memory.peak - before)), \"valueBytes\": \(4 * steps * batch * size)}")
  }
}
