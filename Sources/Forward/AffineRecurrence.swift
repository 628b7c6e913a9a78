internal import Recurrent

/// Recurrent layers, where errors return: worst cases multiply at every step, though the recurrence contracts.
extension Bounded {
  /// Runs the layer with intervals; then with symbols where that is affordable, and takes the lesser error.
  static func run(
    _ pass: RecurrentPass<Bounded>, _ x: Numbers<Bounded>, lengths: [Int]?, h: Numbers<Bounded>?,
    c: Numbers<Bounded>?
  ) -> [Value<Bounded>] {
    let plain = pass.run(x, lengths: lengths, h: h, c: c)
    let symbols = affordableSymbols(pass.layer, x)
    guard symbols > 0 else { return plain }
    let affine = RecurrentPass<Affine<Format>>(pass.layer, pass.rules)
    let refined = affine.run(
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

  /// How many symbols a number may have so that the pass stays below `budget` products; 0 where too few to help.
  private static func affordableSymbols(_ layer: RecurrentLayer, _ x: Numbers<Bounded>) -> Int {
    let states = layer.outputSize + (layer.cell == .lstm ? layer.hiddenSize : 0)
    let weights = layer.hiddenSize * layer.outputSize * (layer.cell.gateCount + (layer.projectionSize == nil ? 0 : 1))
    let steps = max(1, x.groups * layer.directions.count)
    let affordable = budget / steps / max(weights, 1)
    return affordable < 3 * states ? 0 : min(affordable, 32 * states)
  }

  /// Products: about a second of one core.
  private static var budget: Int { 1 << 31 }
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
      let kept = greatestSymbols(states, of: symbols, count: max(0, limit / 2 - states.count))
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
