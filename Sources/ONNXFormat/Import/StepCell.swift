internal import Recurrent
internal import Tensors

/// One step of an RNN, LSTM or GRU, found in what becomes of its state.
struct StepCell: Equatable {
  typealias Rows = StepAlgebra.Rows
  typealias Sum = StepAlgebra.Sum

  /// What one gate's activation is given: parts of x, R·h and the biases.
  struct Gate: Equatable {
    /// Values that do not depend on the state: through a matrix, or some of their features as they are.
    var inputs: [Input] = []
    /// Nil in a step whose state is known to be 0.
    var recurrent: Rows?
    var recurrentBias: Rows?
    /// Added to the parts of x.
    var biases: Set<Rows> = []
  }

  struct Input: Hashable {
    var value: String
    var matrix: Rows?
    var bias: Rows?
    /// Where the features begin that are added as they are.
    var start: Int?
  }

  var cell: Cell
  var hiddenSize: Int
  /// Whether a part of the new state is the old one, as in a GRU; not where that is known to be 0.
  var keepsState = true
  var gates: [Recurrent.Gate: Gate]
  var gateActivation = Activation.sigmoid
  var candidateActivation = Activation.tanh
  var outputActivation = Activation.tanh
  /// The cell state's name before the step; nil where it is known to be 0.
  var cellState: String?
  /// What it is behind the step.
  var nextCellState: Sum?

  var usesHardSigmoid: Bool {
    [gateActivation, candidateActivation, outputActivation].contains { $0.kind == .hardSigmoid }
  }

  /// Whether nothing of it is missing, as where a state is known to be 0.
  var isWhole: Bool {
    keepsState && gates.count == cell.gateCount && gates.values.allSatisfy { $0.recurrent != nil }
  }

  /// Whether a step is this one, with a state that is known to be 0.
  func isFirst(of template: StepCell) -> Bool {
    let own = weights
    let others = template.weights
    return hiddenSize == others.hiddenSize && cell.name == others.cell.name
      && (cell == others.cell || own.gates[.reset] == nil)
      && (!cell.hasGateActivation || gateActivation == others.gateActivation)
      && candidateActivation == others.candidateActivation && outputActivation == others.outputActivation
      && own.gates.allSatisfy { name, gate in
        guard var other = others.gates[name] else { return false }
        if gate == other { return true }
        guard gate.recurrent == nil else { return false }
        // What a matrix makes of 0 is its bias.
        let bias = other.recurrentBias
        (other.recurrent, other.recurrentBias) = (nil, nil)
        if gate == other { return bias == nil }
        return bias.map { other.biases.insert($0).inserted && gate == other } ?? false
      }
  }

  /// The gates' weights without the names of what they read: the same at each step of a recurrence.
  var weights: StepCell {
    var copy = self
    copy.cellState = nil
    copy.nextCellState = nil
    copy.gates = gates.mapValues { gate in
      var gate = gate
      gate.inputs = gate.inputs.map { Input(value: "", matrix: $0.matrix, bias: $0.bias, start: $0.start) }
      return gate
    }
    return copy
  }
}

extension StepAlgebra {
  /// The cell whose state `h` becomes `next`; nil where it is none that is known.
  ///
  /// - Parameter states: what else may be a state of it; nil where nothing is known of that.
  func cell(_ next: Sum, h: String, states: Set<String>? = nil) -> StepCell? {
    lstm(next, h: h, states) ?? gru(next, h: h) ?? rnn(next, h: h)
  }

  /// h' = a(W x + R h + b)
  private func rnn(_ next: Sum, h: String) -> StepCell? {
    guard case .activation(let activation, let inner)? = next.factor, activation.kind.isOfCells,
      let gate = gate(sums[inner], h: h)
    else { return nil }
    return StepCell(
      cell: .rnn, hiddenSize: next.width, gates: [.hidden: gate], candidateActivation: activation)
  }

  /// h' = o⊙a(c'), c' = f⊙c + i⊙g
  private func lstm(_ next: Sum, h: String, _ states: Set<String>?) -> StepCell? {
    guard let pair = pair(next), next.terms.count == 1 else { return nil }
    for (output, shown) in [pair, (pair.1, pair.0)] {
      let cell = sums[shown.sum]
      guard let parts = cellState(cell, states), let o = gate(sums[output.sum], h: h) else { continue }
      var found = StepCell(
        cell: .lstm, hiddenSize: next.width, gates: [.output: o], gateActivation: output.activation,
        outputActivation: shown.activation, cellState: parts.state, nextCellState: cell)
      // Which of two factors is the gate: the one that looks like the others, where they do not all look alike.
      let (first, second) = parts.new
      let isFirst = first.activation == output.activation
      let (input, candidate) = isFirst ? (first, second) : (second, first)
      guard input.activation == output.activation, let i = gate(sums[input.sum], h: h),
        let g = gate(sums[candidate.sum], h: h)
      else { continue }
      (found.gates[.input], found.gates[.candidate]) = (i, g)
      found.candidateActivation = candidate.activation
      if let forget = parts.forget {
        guard forget.activation == output.activation, let f = gate(sums[forget.sum], h: h) else {
          continue
        }
        found.gates[.forget] = f
      }
      return found
    }
    return nil
  }

  private typealias Activated = (activation: Activation, sum: Sum.ID)

  /// Of f⊙c + i⊙g the parts; f and c are missing where c is known to be 0.
  private func cellState(
    _ sum: Sum, _ states: Set<String>?
  ) -> (forget: Activated?, state: String?, new: (Activated, Activated))? {
    guard sum.isPolynomial, sum.number == 0, sum.terms.count <= 2, sum.terms.values.allSatisfy({ $0 == 1 })
    else { return nil }
    var kept: (Activated, String)?
    var new: (Activated, Activated)?
    for term in sum.terms.keys {
      if let found = gated(term, width: sum.width) {
        guard kept == nil, states?.contains(found.1) ?? true else { return nil }
        kept = found
      } else if let found = pair(term) {
        guard new == nil else { return nil }
        new = found
      }
    }
    guard let new, kept != nil || sum.terms.count == 1 else { return nil }
    return (kept?.0, kept?.1, new)
  }

  /// h' = (1 − z)⊙n + z⊙h
  private func gru(_ next: Sum, h: String) -> StepCell? {
    guard next.isPolynomial, next.number == 0, (2...3).contains(next.terms.count) else { return nil }
    // n; z and n in one product with −1; z and h.
    guard
      let alone = next.terms.first(where: { $0.value == 1 && $0.key.count == 1 && $0.key.values.first == 1 }),
      case .activation(let activation, let inner) = alone.key.first!.key,
      let taken = next.terms.first(where: { $0.value == -1 }), let both = pair(taken.key)
    else { return nil }
    let update: Activated
    if both.0 == (activation, inner) {
      update = both.1
    } else if both.1 == (activation, inner) {
      update = both.0
    } else {
      return nil
    }
    if next.terms.count == 3 {
      guard let kept = next.terms.first(where: { $0.key != alone.key && $0.value == 1 }),
        let (gate, state) = gated(kept.key, width: next.width), gate == update, state == h
      else { return nil }
    }
    guard let z = gate(sums[update.sum], h: h) else { return nil }
    var found = StepCell(
      cell: .gru(resetAfter: false), hiddenSize: next.width, gates: [.update: z],
      gateActivation: update.activation, candidateActivation: activation)
    found.keepsState = next.terms.count == 3
    let candidate = sums[inner]
    guard let reset = reset(candidate, h: h) else {
      // Of a state of 0 the reset gate is nowhere.
      guard next.terms.count == 2, let n = gate(candidate, h: h) else { return nil }
      found.gates[.new] = n
      return found
    }
    guard reset.gate.activation == update.activation, let r = gate(sums[reset.gate.sum], h: h),
      var n = gate(reset.rest, h: h), n.recurrent == nil
    else { return nil }
    found.cell = .gru(resetAfter: reset.isAfter)
    (n.recurrent, n.recurrentBias) = (reset.matrix, reset.bias)
    (found.gates[.reset], found.gates[.new]) = (r, n)
    return found
  }

  private struct Reset {
    var gate: Activated
    var isAfter: Bool
    var matrix: Rows
    var bias: Rows?
    /// The candidate without it.
    var rest: Sum
  }

  /// R(r⊙h), or r⊙(R h + b), as a part of the candidate.
  private func reset(_ candidate: Sum, h: String) -> Reset? {
    var rest = candidate
    for product in candidate.products {
      let inner = sums[product.of]
      guard inner.isPolynomial, inner.number == 0, inner.terms.count == 1, let term = inner.terms.first,
        term.value == 1, let (gate, state) = gated(term.key, width: inner.width), state == h
      else { continue }
      rest.products.remove(product)
      return Reset(gate: gate, isAfter: false, matrix: product.matrix, bias: product.bias, rest: rest)
    }
    for (term, scale) in candidate.terms where scale == 1 && term.count == 2 {
      var gate: Activated?
      var matrix: (Rows, Rows?)?
      for (factor, power) in term where power == 1 {
        switch factor {
        case .activation(let activation, let id): gate = (activation, id)
        case .sum(let id):
          let inner = sums[id]
          guard inner.terms.isEmpty, inner.number == 0, inner.products.count == 1,
            let product = inner.products.first, sums[product.of].value == h,
            inner.biases.count + (product.bias == nil ? 0 : 1) <= 1
          else { break }
          matrix = (product.matrix, product.bias ?? inner.biases.first)
        case .value, .spread, .constant: break
        }
      }
      guard let gate, let matrix else { continue }
      rest.terms[term] = nil
      return Reset(gate: gate, isAfter: true, matrix: matrix.0, bias: matrix.1, rest: rest)
    }
    return nil
  }

  /// Two activations, multiplied.
  private func pair(_ term: [Factor: Int]) -> (Activated, Activated)? {
    var found: [Activated] = []
    for (factor, power) in term {
      guard case .activation(let activation, let id) = factor, activation.kind.isOfCells else { return nil }
      found += [Activated](repeating: (activation, id), count: min(power, 3))
    }
    return found.count == 2 ? (found[0], found[1]) : nil
  }

  private func pair(_ sum: Sum) -> (Activated, Activated)? {
    guard sum.isPolynomial, sum.number == 0, sum.terms.count == 1, let term = sum.terms.first,
      term.value == 1
    else { return nil }
    return pair(term.key)
  }

  /// An activation times all of a value.
  private func gated(_ term: [Factor: Int], width: Int) -> (Activated, String)? {
    guard term.count == 2, term.values.allSatisfy({ $0 == 1 }) else { return nil }
    var gate: Activated?
    var value: String?
    for factor in term.keys {
      switch factor {
      case .activation(let activation, let id) where activation.kind.isOfCells: gate = (activation, id)
      case .value(let name, 0): value = name
      case .value, .spread, .activation, .constant, .sum: return nil
      }
    }
    guard let gate, let value else { return nil }
    return (gate, value)
  }

  /// What a gate's activation is given; nil where it is anything else than W x + R h + b.
  private func gate(_ sum: Sum, h: String) -> StepCell.Gate? {
    guard sum.number == 0 else { return nil }
    var gate = StepCell.Gate(biases: sum.biases)
    for (term, scale) in sum.terms {
      guard scale == 1, term.count == 1, let factor = term.first, factor.value == 1,
        case .value(let name, let start) = factor.key, name != h
      else { return nil }
      gate.inputs.append(StepCell.Input(value: name, start: start))
    }
    for product in sum.products {
      guard let name = sums[product.of].value else { return nil }
      if name == h {
        guard gate.recurrent == nil else { return nil }
        (gate.recurrent, gate.recurrentBias) = (product.matrix, product.bias)
      } else {
        gate.inputs.append(StepCell.Input(value: name, matrix: product.matrix, bias: product.bias))
      }
    }
    // Sets have no order; what is written must have one.
    gate.inputs.sort {
      ($0.matrix?.tensor ?? -1, $0.start ?? -1, $0.value) < (
        $1.matrix?.tensor ?? -1, $1.start ?? -1, $1.value
      )
    }
    return gate
  }
}
