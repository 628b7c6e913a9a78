internal import Recurrent

/// Recurrent layers, where errors return: worst cases multiply at every step, even where the recurrence contracts.
extension Bounded {
  /// Runs the layer with intervals; where they grow and it is affordable, again with symbols. The lesser error counts.
  static func run(
    _ pass: RecurrentPass<Bounded>, _ x: Numbers<Bounded>, lengths: [Int]?, h: Numbers<Bounded>?,
    c: Numbers<Bounded>?
  ) -> [Value<Bounded>] {
    let plain = pass.run(x, lengths: lengths, h: h, c: c)
    let symbols = affordableSymbols(
      pass.layer, steps: x.groups * pass.directions.count, pass.rules.symbols)
    if symbols == 0 || plain.allSatisfy({ isSharp($0.numbers) }) { return plain }
    let refined = RecurrentPass<Affine<Format>>(pass.layer, pass.rules).run(
      x.remembering(), lengths: lengths, h: h?.remembering(), c: c?.remembering(), symbols: symbols)
    return zip(plain, refined).map { plain, refined in
      var numbers = plain.numbers
      for (index, number) in refined.numbers.elements.enumerated()
      where number.center.error < numbers.elements[index].error {
        numbers.elements[index] = number.center
      }
      return .numbers(numbers)
    }
  }

  /// Errors of a thousand units of the last place, about what one step makes, or of 1e-9 of the greatest value: no
  /// comparison needs less.
  private static func isSharp(_ numbers: Numbers<Bounded>) -> Bool {
    let most = numbers.elements.reduce(0) { max($0, abs($1.value)) }
    let enough = max(1024 * u, 0x1p-30) * most
    return numbers.elements.allSatisfy { $0.error <= enough }
  }

  /// How many symbols a number may have: many for small layers, a few times the states for larger ones, none where
  /// even they would take longer than was asked for.
  private static func affordableSymbols(_ layer: RecurrentLayer, steps: Int, _ wanted: Symbols) -> Int {
    if wanted == .none { return 0 }
    let states = layer.outputSize + (layer.cell.hasCellState ? layer.hiddenSize : 0)
    let matrices = layer.cell.gateCount + (layer.projectionSize == nil ? 0 : 1)
    // Products for one symbol a state, through all steps; more of them than an integer holds are too many as well. A core
    // does 2³⁴ in a second or so. Beyond 2³⁶ sampling begins to be quicker.
    let products = [steps, matrices, layer.hiddenSize, layer.outputSize, states].reduce(1) { $0 * Double($1) }
    if products > (wanted == .many ? 0x1p31 : 0x1p36) { return 0 }
    let each = Int(0x1p28 / max(products, 1))
    return min(max(each, 4), wanted == .few ? 2 : 32) * states
  }
}

extension Numbers {
  fileprivate func remembering<Format>() -> Numbers<Affine<Format>> where Number == Bounded<Format> {
    Numbers<Affine<Format>>(
      steps: steps, batch: batch, features: features, elements: elements.map { Affine($0) })
  }
}

extension Affine {
  /// Gives each state a symbol of its own for what none explains; first forgets the least symbols if there are too
  /// many, which turns them into a box around the rest.
  static func settle(_ states: inout [Affine], symbols limit: Int) {
    var symbols = states.reduce(0) { max($0, $1.coefficients.count) }
    var settled = states.map { (coefficients: $0.coefficients, rest: $0.rest) }
    if symbols + states.count > limit {
      let kept = greatestSymbols(states, of: symbols, count: max(0, limit * 3 / 4 - states.count))
      for j in settled.indices { settled[j].rest += settled[j].coefficients.keep(kept) }
      symbols = kept.count
    }
    for j in states.indices {
      var (coefficients, rest) = settled[j]
      coefficients.pad(to: symbols + states.count)
      coefficients.set(symbols + j, rest * outwards)
      states[j] = Affine(states[j].center, settled: coefficients)
    }
  }

  /// The symbols that move the states most, in order.
  private static func greatestSymbols(_ states: [Affine], of symbols: Int, count: Int) -> [Int] {
    var weight = [Double](repeating: 0, count: symbols)
    for state in states {
      for (k, c) in state.coefficients.elements.enumerated() { weight[k] += abs(c) }
    }
    return weight.indices.sorted { weight[$0] > weight[$1] }.prefix(count).sorted()
  }
}
