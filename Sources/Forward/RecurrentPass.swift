internal import Recurrent

/// A recurrent layer ready for a pass: one weight set a direction.
struct RecurrentPass<Number: Scalar>: Sendable {
  let layer: RecurrentLayer
  let directions: [DirectionWeights<Number>]
  let rules: Number.Rules

  init(_ layer: RecurrentLayer, _ rules: Number.Rules) {
    self.layer = layer
    self.rules = rules
    directions = layer.directions.map { DirectionWeights(layer, $0, rules) }
  }

  /// x `[T, B, I]`, lengths `[B]` within 0…T, initial states `[B, D·O]` and `[B, D·H]` (zero where nil);
  /// returns y `[T, B, D·O]` and the last states.
  ///
  /// A row of length 0 has y = 0 and keeps its initial state. Numbers that remember keep at most `symbols`.
  func run(
    _ x: Numbers<Number>, lengths: [Int]?, h: Numbers<Number>?, c: Numbers<Number>?, symbols: Int = 0
  ) -> [Value<Number>] {
    let steps = x.steps ?? 1
    let batch = x.batch
    let lengths = lengths ?? [Int](repeating: steps, count: batch)
    let units = layer.outputSize
    let cells = layer.cell.hasCellState ? layer.hiddenSize : 0
    let count = directions.count
    var y = Numbers<Number>(zeros: steps, batch: batch, features: count * units)
    var lastH = h ?? Numbers(zeros: nil, batch: batch, features: count * units)
    var lastC = c ?? Numbers(zeros: nil, batch: batch, features: count * cells)

    for (d, direction) in directions.enumerated() {
      let isReverse = layer.direction == .reverse || d == 1
      var state = CellState(
        h: lastH.part(d, of: count, features: units), c: lastC.part(d, of: count, features: cells))
      let steps = (0..<(lengths.max() ?? 0)).map { k in
        (0..<batch).filter { k < lengths[$0] }.map { b in
          let t = isReverse ? lengths[b] - 1 - k : k
          return ActiveRow(batch: b, x: (t * batch + b) * layer.inputSize)
        }
      }
      // Weights that are not packed are read once for all steps, which are few.
      let inputs = rules.readsStoredWeights ? direction.inputs(x.elements, steps.flatMap { $0 }) : nil
      var first = 0
      for rows in steps {
        if let inputs {
          direction.step(StepInputs(sums: inputs, first: first), rows, &state)
        } else {
          direction.step(x.elements, rows, &state)
        }
        first += rows.count
        for row in rows {
          let target = (row.x / layer.inputSize * count + d) * units
          for j in 0..<units { y.elements[target + j] = state.h[row.batch * units + j].detached }
          state.settle(row.batch, of: batch, symbols: symbols)
        }
      }
      lastH.setPart(d, of: count, features: units, state.h.map(\.detached))
      lastC.setPart(d, of: count, features: cells, state.c.map(\.detached))
    }
    return layer.cell.hasCellState
      ? [.numbers(y), .numbers(lastH), .numbers(lastC)] : [.numbers(y), .numbers(lastH)]
  }
}

extension Numbers {
  /// `[T, B, N·F]` as `[T, B·N, F]`: the same numbers in the same order.
  func withRows(at places: Int) -> Numbers {
    Numbers(steps: steps, batch: batch * places, features: features / places, elements: elements)
  }

  /// The other way.
  func withoutRows(at places: Int) -> Numbers {
    Numbers(steps: steps, batch: batch / places, features: features * places, elements: elements)
  }

  /// What a recurrent layer makes that runs along N places of the features, `[T, B, M·N·I]`: each group of N·I is a row of its own.
  ///
  /// - Parameter run: from `[N, T·B·M, I]` to y `[N, T·B·M, D·O]` and states `[T·B·M, …]`.
  func along(_ places: Int, width: Int, _ run: (Numbers) -> [Value<Number>]) -> [Value<Number>] {
    let outer = features / (places * width)
    let each = Numbers(steps: nil, batch: groups * outer, features: places * width, elements: elements)
    func result(_ numbers: Numbers) -> Value<Number> {
      .numbers(
        Numbers(
          steps: steps, batch: batch, features: outer * numbers.features, elements: numbers.elements))
    }
    let outputs = run(each.unfolded(Unfold(count: places, inner: width))).map(\.numbers)
    return [result(outputs[0].folded())] + outputs.dropFirst().map(result)
  }
}

extension CellState {
  /// After row b's step.
  fileprivate mutating func settle(_ b: Int, of batch: Int, symbols: Int) {
    if symbols == 0 { return }
    let (units, cells) = (h.count / batch, c.count / batch)
    var states = Array(h[(b * units)..<((b + 1) * units)] + c[(b * cells)..<((b + 1) * cells)])
    Number.settle(&states, symbols: symbols)
    h.replaceSubrange((b * units)..<((b + 1) * units), with: states[..<units])
    c.replaceSubrange((b * cells)..<((b + 1) * cells), with: states[units...])
  }
}

extension Numbers {
  /// `[B, features]`: part d of `[B, count·features]`.
  fileprivate func part(_ d: Int, of count: Int, features: Int) -> [Number] {
    if count == 1 { return elements }
    var part: [Number] = []
    for b in 0..<batch {
      let start = (b * count + d) * features
      part.append(contentsOf: elements[start..<(start + features)])
    }
    return part
  }

  fileprivate mutating func setPart(_ d: Int, of count: Int, features: Int, _ part: [Number]) {
    for b in 0..<batch {
      for j in 0..<features { elements[(b * count + d) * features + j] = part[b * features + j] }
    }
  }
}
