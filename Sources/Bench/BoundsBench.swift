internal import ArgumentParser
internal import Forward
internal import RNNConv

struct BoundsBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bounds",
    abstract: "A Float64 pass that carries a bound for every element, beside a plain Float64 pass.",
    discussion: """
      Both on one thread, weights converted anew in each pass, in turns; medians. The bounds are intervals: what is run again with \
      symbols, where intervals grow, comes on top.
      """)

  @Option(help: "How many passes each.")
  var rounds = 9

  @Option(help: "Only rows that begin with this, such as 'GRU' or 'LSTM 128,1'.")
  var only = ""

  private static let cases = ["LSTM", "GRU", "RNN"].flatMap { cell in
    [(32, 4, 64), (1000, 1, 64), (128, 1, 128), (64, 8, 256), (128, 1, 512), (64, 32, 512)].map {
      ForwardCase(cell: cell, steps: $0.0, batch: $0.1, size: $0.2)
    }
  }

  func validate() throws {
    guard rounds > 0 else { throw ValidationError("--rounds takes a number from 1 on") }
  }

  func run() throws {
    print("pass              plain ms  bounded ms   ratio")
    for item in Self.cases where item.text.hasPrefix(only) {
      let (model, inputs) = item.random(layers: 1)
      let clock = ContinuousClock()
      var plain: [Double] = []
      var bounded: [Double] = []
      for _ in 0..<rounds {
        plain.append(
          try clock.measure {
            _ = try forward(model, inputs: inputs, precision: .float64, execution: Execution(threads: 1))
          }.seconds)
        bounded.append(
          try clock.measure {
            _ = try boundedForward(model, inputs: inputs, rounding: .float32, symbols: .none)
          }.seconds)
      }
      print(
        item.text.padded(16, left: false) + (plain.median * 1e3).fixed(3).padded(10)
          + (bounded.median * 1e3).fixed(3).padded(12) + (bounded.median / plain.median).fixed(2).padded(8))
    }
  }
}
