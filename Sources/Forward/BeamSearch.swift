package import Recurrent
package import Tensors

/// How a loop that feeds tokens back looks for the best sequence, instead of taking the best token of each step.
public struct Beam: Sendable, Equatable {
  /// Hypotheses that each row of the batch keeps; 1 is greedy.
  public var width: Int
  /// α of the length penalty `((5 + n) / 6)^α` that divides the log-probability of n tokens (Wu et al. 2016,
  /// equation 14); 0 for none.
  public var lengthPenalty: Double

  /// A beam of `width` hypotheses; without a length penalty, log-probabilities are compared as they are.
  public init(width: Int, lengthPenalty: Double = 0) {
    self.width = width
    self.lengthPenalty = lengthPenalty
  }

  func rank(_ logProbability: Double, length: Int) -> Double {
    var penalty = 1.0
    if lengthPenalty != 0 { penalty = power((5 + Double(length)) / 6, lengthPenalty) }
    return logProbability / penalty
  }
}

/// Runs a model whose loops search their tokens by beam (Sutskever et al. 2014, section 3.2).
///
/// A token's probability is the softmax of what the loop's ArgMax looks at, or that itself where it is one already. A
/// hypothesis that ends leaves the beam; a row is done when `width` have ended, or after the loop's most steps. Outputs
/// are those of the row's best hypothesis.
/// - Throws: `.cannotSearch` where no loop, or a loop other than by an ArgMax, feeds tokens back.
package func beamForward(
  _ model: Model, inputs: [String: Tensor], precision: Precision, beam: Beam
) throws(ForwardError) -> [String: Tensor] {
  switch precision {
  case .float32:
    let values = try searched(model, inputs, beam, as: Float.self)
    return try model.arrangedOutputs(values) { Tensor($0, shape: $1) }
  case .float64:
    let values = try searched(model, inputs, beam, as: Double.self)
    return try model.arrangedOutputs(values) { Tensor($0, shape: $1) }
  }
}

private func searched<Number: Native>(
  _ model: Model, _ tensors: [String: Tensor], _ beam: Beam, as: Number.Type
) throws(ForwardError) -> [String: Value<Number>] {
  do { try model.validated() } catch { throw .invalidModel(error) }
  let isLoop = { (layer: Layer) in if case .generate = layer.operation { true } else { false } }
  guard model.layers.contains(where: isLoop) else {
    throw .cannotSearch(layer: model.name, reason: "the model has no loop that feeds tokens back")
  }
  let inputs = try PassInputs<Number>(model, model.inputs, tensors)
  var values = inputs.values
  for layer in model.layers {
    let given = layer.inputs.map { $0.flatMap { values[$0] } }
    let outputs: [Value<Number>]
    if case .generate(let generate) = layer.operation {
      outputs = try BeamSearch<Number>(generate, layer.name, beam).run(given.map { $0! }, batch: inputs.batch)
    } else {
      outputs = try PreparedLayer<Number>(layer, Execution.current).run(given, batch: inputs.batch)
    }
    for (name, output) in zip(layer.outputs, outputs) {
      if let name { values[name] = output }
    }
  }
  return values
}

/// One loop's search.
private struct BeamSearch<Number: Native> {
  /// A sequence of tokens so far.
  struct Hypothesis {
    /// Of the batch.
    var row: Int
    var logProbability = 0.0
    /// Its row in the record of each step.
    var trail: [Int] = []
  }

  /// A hypothesis and the token that may follow.
  struct Candidate {
    var parent: Int
    var token: Int
    var logProbability: Double
    /// What ArgMax sees: decides where rounding makes equal what is not.
    var score: Number

    func comesBefore(_ other: Candidate) -> Bool {
      if logProbability != other.logProbability { return logProbability > other.logProbability }
      if score != other.score { return score > other.score }
      return (parent, token) < (other.parent, other.token)
    }
  }

  let generate: Generate
  let beam: Beam
  private let layers: [PreparedLayer<Number>]
  /// Which layer of the body chooses the token.
  private let choice: Int
  private let scores: Scores

  /// What ArgMax looks at.
  enum Scores { case logits, probabilities, logProbabilities }

  init(_ generate: Generate, _ name: String, _ beam: Beam) throws(ForwardError) {
    func refuse(_ reason: String) -> ForwardError { .cannotSearch(layer: name, reason: reason) }
    guard beam.width >= 1, beam.lengthPenalty.isFinite else { throw refuse("a beam of \(beam.width)") }
    let tokens = generate.carried.filter { $0.kind == .tokens }
    guard tokens.count == 1 else { throw refuse("it feeds back \(tokens.count) tokens, not one") }
    let choice = generate.body.firstIndex { layer in
      layer.operation == .argMax && layer.outputs.first == tokens[0].output
    }
    guard let choice else { throw refuse("the token that it feeds back is no ArgMax") }
    if let stop = generate.stop, stop.value != tokens[0].output {
      throw refuse("it stops at another token than the one it feeds back")
    }
    self.generate = generate
    self.beam = beam
    self.choice = choice
    layers = generate.body.map { PreparedLayer($0, Execution.current) }
    let seen = generate.body[choice].inputs[0]
    switch generate.body.first(where: { $0.outputs.contains(seen) })?.operation {
    case .softmax: scores = .probabilities
    case .logSoftmax: scores = .logProbabilities
    case nil, .recurrent, .embedding, .dense, .activation, .layerNormalization, .select, .concat, .slice,
      .arithmetic, .reverse,
      .constant,
      .dropout, .argMax, .generate, .convolution, .pool, .padding, .gather, .unfold, .fold, .reduce,
      .timeSoftmax, .repeated, .stepPacking, .batchNormalization, .normalization, .transposedConvolution,
      .resize, .cumulativeSum, .attention,
      .choice:
      scores = .logits
    }
  }

  /// The same outputs as `GeneratePass.run`.
  func run(_ initial: [Value<Number>], batch: Int) throws(ForwardError) -> [Value<Number>] {
    guard batch > 0 else { return try GeneratePass(generate, Execution.current).run(initial, batch: 0) }
    var carried = zip(generate.carried, initial).map { $1.with(steps: $0.kind.hasTime ? 1 : nil) }
    var live = (0..<batch).map { Hypothesis(row: $0) }
    var ended = [[Hypothesis]](repeating: [], count: batch)
    var records: [[Value<Number>]] = []
    for _ in 0..<generate.maxSteps where !live.isEmpty {
      var values = Dictionary(
        zip(generate.carried.map(\.input), carried), uniquingKeysWith: { first, _ in first })
      try run(0..<choice, &values, batch: live.count)
      let seen = values[generate.body[choice].inputs[0]!]!.numbers
      guard seen.features > 0 else { throw .empty(layer: generate.body[choice].name, what: "features") }
      let chosen = chosen(seen, live, ended.map(\.count))

      let parents = chosen.map(\.parent)
      values = values.mapValues { $0.rows(parents) }
      values[generate.body[choice].outputs[0]!] = .integers(
        Integers(steps: 1, batch: chosen.count, elements: chosen.map { Int64($0.token) }))
      try run((choice + 1)..<layers.count, &values, batch: chosen.count)
      records.append(generate.collected.map { values[$0]! })

      var next: [(hypothesis: Hypothesis, slot: Int)] = []
      for (slot, candidate) in chosen.enumerated() {
        var hypothesis = live[candidate.parent]
        hypothesis.logProbability = candidate.logProbability
        hypothesis.trail.append(slot)
        if let stop = generate.stop, stop.token == Int64(candidate.token) {
          ended[hypothesis.row].append(hypothesis)
        } else {
          next.append((hypothesis, slot))
        }
      }
      next.removeAll { ended[$0.hypothesis.row].count >= beam.width }
      live = next.map(\.hypothesis)
      carried = generate.carried.map { values[$0.output]!.rows(next.map(\.slot)) }
    }
    for hypothesis in live { ended[hypothesis.row].append(hypothesis) }
    return outputs(ended.map(best), records, batch: batch)
  }

  private func run(
    _ range: Range<Int>, _ values: inout [String: Value<Number>], batch: Int
  ) throws(ForwardError) {
    for index in range {
      let wiring = generate.body[index]
      let outputs = try layers[index].run(wiring.inputs.map { $0.flatMap { values[$0] } }, batch: batch)
      for (name, output) in zip(wiring.outputs, outputs) {
        if let name { values[name] = output }
      }
    }
  }

  /// The best followers of each row's hypotheses: as many as its beam has room for.
  private func chosen(_ x: Numbers<Number>, _ live: [Hypothesis], _ ended: [Int]) -> [Candidate] {
    var candidates = [[Candidate]](repeating: [], count: ended.count)
    for (index, hypothesis) in live.enumerated() {
      let seen = Array(x.elements[(index * x.features)..<((index + 1) * x.features)])
      for (token, logProbability) in logProbabilities(seen).enumerated() {
        candidates[hypothesis.row].append(
          Candidate(
            parent: index, token: token, logProbability: hypothesis.logProbability + logProbability,
            score: seen[token]))
      }
    }
    return zip(candidates, ended).flatMap { candidates, ended in
      candidates.sorted { $0.comesBefore($1) }.prefix(beam.width - ended)
    }
  }

  private func logProbabilities(_ seen: [Number]) -> [Double] {
    let numbers = seen.map { Double($0) }
    switch scores {
    case .logProbabilities: return numbers
    case .probabilities: return numbers.map { Double.logarithm($0) }
    case .logits:
      var result: [Double] = []
      Double.logSoftmax(numbers[...], Execution.current, into: &result)
      return result
    }
  }

  private func best(_ hypotheses: [Hypothesis]) -> Hypothesis {
    func rank(_ hypothesis: Hypothesis) -> Double {
      beam.rank(hypothesis.logProbability, length: hypothesis.trail.count)
    }
    return hypotheses.dropFirst().reduce(hypotheses[0]) { rank($1) > rank($0) ? $1 : $0 }
  }

  /// Follows the trails back.
  private func outputs(
    _ best: [Hypothesis], _ records: [[Value<Number>]], batch: Int
  ) -> [Value<Number>] {
    let steps = best.map(\.trail.count).max() ?? 0
    var results: [Value<Number>] = []
    for position in generate.collected.indices {
      var parts: [Value<Number>] = []
      for step in 0..<steps {
        let slots = best.map { step < $0.trail.count ? $0.trail[step] : nil }
        parts.append(records[step][position].rows(slots, padding: generate.stop?.padding ?? 0))
      }
      results.append(.stacked(parts, batch: batch))
    }
    guard generate.stop != nil else { return results }
    return results + [
      .integers(Integers(steps: nil, batch: batch, elements: best.map { Int64($0.trail.count) }))
    ]
  }
}

extension Value {
  /// Rows of a value of one step.
  fileprivate func rows(_ rows: [Int]) -> Value { self.rows(rows.map { $0 }, padding: 0) }

  /// Rows of a value of one step; padding, or zeros, for nil.
  fileprivate func rows(_ rows: [Int?], padding: Int64) -> Value {
    switch self {
    case .numbers(let x):
      let elements = rows.flatMap { row in
        row.map { x.elements[($0 * x.features)..<(($0 + 1) * x.features)] }
          ?? ArraySlice(repeating: .zero, count: x.features)
      }
      return .numbers(Numbers(steps: x.steps, batch: rows.count, features: x.features, elements: elements))
    case .integers(let ids):
      let elements = rows.map { row in row.map { ids.elements[$0] } ?? padding }
      return .integers(Integers(steps: ids.steps, batch: rows.count, elements: elements))
    }
  }
}
