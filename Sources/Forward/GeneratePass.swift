internal import Recurrent

/// A Generate ready for a pass.
struct GeneratePass<Number: Scalar>: Sendable {
  let generate: Generate
  let layers: [PreparedLayer<Number>]

  init(_ generate: Generate, _ rules: Number.Rules) {
    self.generate = generate
    // It has steps of its own.
    var rules = rules
    rules.readsStoredWeights = false
    layers = generate.body.map { PreparedLayer($0, rules) }
  }

  /// What is collected, then the rows' own numbers of steps where a token stops them.
  ///
  /// A row whose stop token is undecided is unknown from the next step on, and so is its number of steps.
  func run(_ initial: [Value<Number>], batch: Int) throws(ForwardError) -> [Value<Number>] {
    var carried = zip(generate.carried, initial).map { $1.with(steps: $0.kind.hasTime ? 1 : nil) }
    var rows = Rows(batch: batch)
    var collected = [[Value<Number>]](repeating: [], count: generate.collected.count)
    for _ in 0..<generate.maxSteps {
      var values = Dictionary(
        zip(generate.carried.map(\.input), carried), uniquingKeysWith: { first, _ in first })
      try step(&values, batch: batch)
      for (index, name) in generate.collected.enumerated() {
        collected[index].append(rows.masked(values[name]!, padding: generate.stop?.padding ?? 0))
      }
      carried = generate.carried.map { values[$0.output]! }
      guard let stop = generate.stop else { continue }
      rows.end(values[stop.value]!.integers, at: stop.token)
      if !rows.goOn { break }
    }
    let outputs = collected.map { Value.stacked($0, batch: batch) }
    guard generate.stop != nil else { return outputs }
    let undecided = rows.isDoubtful.contains(true) ? rows.isDoubtful : nil
    return outputs + [
      .integers(Integers(steps: nil, batch: batch, elements: rows.lengths, undecided: undecided))
    ]
  }

  /// One step: adds what the body makes to the values that it begins with.
  func step(_ values: inout [String: Value<Number>], batch: Int) throws(ForwardError) {
    for (layer, wiring) in zip(layers, generate.body) {
      let outputs = try layer.run(wiring.inputs.map { $0.flatMap { values[$0] } }, batch: batch)
      for (name, output) in zip(wiring.outputs, outputs) {
        if let name { values[name] = output }
      }
    }
  }
}

/// Which rows of a batch go on.
private struct Rows {
  /// Steps made so far.
  var lengths: [Int64]
  var hasEnded: [Bool]
  /// Another rounding could have ended the row, or not ended it, at a step before.
  var isDoubtful: [Bool]

  init(batch: Int) {
    lengths = [Int64](repeating: 0, count: batch)
    hasEnded = [Bool](repeating: false, count: batch)
    isDoubtful = hasEnded
  }

  var goOn: Bool { hasEnded.contains(false) }

  /// Counts the step, and ends rows whose token is `stop`.
  mutating func end(_ tokens: Integers, at stop: Int64) {
    for row in hasEnded.indices where !hasEnded[row] {
      lengths[row] += 1
      hasEnded[row] = tokens.elements[row] == stop
      if tokens.isUndecided(row) { isDoubtful[row] = true }
    }
  }

  /// A step's value with padding in the rows that have ended.
  func masked<Number>(_ value: Value<Number>, padding: Int64) -> Value<Number> {
    switch value {
    case .numbers(var numbers):
      for index in numbers.elements.indices {
        let row = index / numbers.features
        if hasEnded[row] { numbers.elements[index] = .zero }
        if isDoubtful[row] { numbers.elements[index] = .unknown }
      }
      return .numbers(numbers)
    case .integers(var integers):
      for row in hasEnded.indices {
        if hasEnded[row] { integers.elements[row] = padding }
        if isDoubtful[row] || hasEnded[row], integers.undecided != nil || isDoubtful[row] {
          if integers.undecided == nil {
            integers.undecided = [Bool](repeating: false, count: integers.elements.count)
          }
          integers.undecided![row] = isDoubtful[row]
        }
      }
      return .integers(integers)
    }
  }
}

extension Value {
  /// The same elements with a time axis of one step, or without one.
  func with(steps: Int?) -> Value {
    switch self {
    case .numbers(let x):
      .numbers(Numbers(steps: steps, batch: x.batch, features: x.features, elements: x.elements))
    case .integers(let ids):
      .integers(Integers(steps: steps, batch: ids.batch, elements: ids.elements, undecided: ids.undecided))
    }
  }

  /// Values of one step each, one after another; at least one.
  static func stacked(_ steps: [Value], batch: Int) -> Value {
    switch steps[0] {
    case .numbers(let first):
      return .numbers(
        Numbers(
          steps: steps.count, batch: batch, features: first.features,
          elements: steps.flatMap(\.numbers.elements)))
    case .integers:
      let parts = steps.map(\.integers)
      let isCertain = parts.allSatisfy { $0.undecided == nil }
      return .integers(
        Integers(
          steps: steps.count, batch: batch, elements: parts.flatMap(\.elements),
          undecided: isCertain
            ? nil
            : parts.flatMap { part in part.undecided ?? [Bool](repeating: false, count: part.elements.count) }
        ))
    }
  }
}
