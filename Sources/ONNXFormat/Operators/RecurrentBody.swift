internal import Recurrent
internal import Tensors

/// The body of a loop along sequences, taken apart: cells, and layers that work on whole sequences as they do on a step.
struct RecurrentBody {
  struct FoundCell {
    var recurrence: FoundRecurrence
    /// The states' names before the step.
    var hidden: String
    var cellState: String?
    /// What h is called behind it.
    var next: String
    /// Whether a row runs a step; nil where all rows run all steps.
    var mask: String?
    /// What h is called where rows skip steps, by what it is at these.
    var masked: [String: StepPacking.Direction] = [:]
  }

  enum Step {
    case layer(Layer)
    case cell(FoundCell)
  }

  /// Each is looked for in all of the body.
  private static let mostCells = 32

  let loop: RecurrentLoop
  let inner: ONNXImporter
  /// The sequences that the steps are of, by the steps' names.
  let sequences: [String: String]
  /// Steps that say which rows run them.
  let masks: Set<String>
  /// What stands in the body's place, in order.
  private(set) var plan: [Step] = []

  init(_ loop: RecurrentLoop, _ inner: ONNXImporter, sequences: [String: String], masks: Set<String>) {
    self.masks = masks
    self.loop = loop
    self.inner = inner
    self.sequences = sequences
  }

  private func value(_ name: String) -> String? {
    if case .view(let view)? = inner.values[name], view.offset == 0, view.wrapping == nil {
      view.value
    } else {
      nil
    }
  }

  /// Finds the cells.
  ///
  /// - Parameter outside: the kinds of what the body reads.
  mutating func find(_ outside: [String: ValueKind]) throws(RecurrentLoop.Reason) {
    var kinds = outside
    do { for layer in inner.layers { try layer.wire(&kinds) } } catch {
      throw RecurrentLoop.Reason("\(error)")
    }
    var algebra = StepAlgebra()
    var cells: [FoundCell] = []
    var open = loop.states
    // Cells upon cells: what one makes is given to the next.
    while !open.isEmpty, cells.count < Self.mostCells {
      let sums = sums(&algebra, kinds, given: given(cells))
      var found: FoundCell?
      for state in open where found == nil {
        found = layer(state, open, sums) ?? cell(state, open, sums, &algebra, kinds)
      }
      guard let found else { break }
      cells.append(found)
      open.removeAll { $0.input == found.hidden || $0.input == found.cellState }
      // What holds an output over the steps that are skipped is done.
      open.removeAll { state in value(state.output).map { found.masked[$0] != nil } ?? false }
    }
    guard !cells.isEmpty else {
      let names = loop.states.map { "'\($0.input)'" }.joined(separator: ", ")
      throw RecurrentLoop.Reason(
        loop.states.isEmpty
          ? "it hands no state on" : "what its body makes of \(names) is no step of an RNN, LSTM or GRU")
    }
    order(cells)
  }

  /// What cells make.
  private func given(_ cells: [FoundCell]) -> Set<String> {
    Set(cells.flatMap { $0.mask == nil ? [$0.next] : Array($0.masked.keys) })
  }

  /// What values are, and which of them depend on states that no cell was found for.
  private typealias Sums = (known: [String: [StepAlgebra.Sum]], dependent: Set<String>)

  /// What each value is in terms of states, steps and what is given.
  private func sums(
    _ algebra: inout StepAlgebra, _ kinds: [String: ValueKind], given: Set<String>
  ) -> Sums {
    var sums: [String: [StepAlgebra.Sum]] = [:]
    var dependent: Set<String> = []
    for state in loop.states {
      dependent.insert(state.input)
      sums[state.input] = [StepAlgebra.value(state.input, kinds[state.input]?.features ?? 0)]
    }
    func known(_ name: String) -> [StepAlgebra.Sum] {
      sums[name] ?? [StepAlgebra.value(name, kinds[name]?.features ?? 0)]
    }
    for mask in masks { sums[mask] = [StepAlgebra.value(mask, 1)] }
    var followed = dependent.union(masks)
    for layer in inner.layers {
      let inputs = layer.inputs.compactMap { $0 }
      guard layer.outputs.count == 1, let output = layer.outputs[0] else {
        if inputs.contains(where: dependent.contains) {
          dependent.formUnion(layer.outputs.compactMap { $0 }.filter { !given.contains($0) })
        }
        continue
      }
      if given.contains(output) { continue }
      if inputs.contains(where: dependent.contains) { dependent.insert(output) }
      guard inputs.contains(where: followed.contains) else { continue }
      followed.insert(output)
      let made = algebra.output(of: layer.operation, inputs.map(known))
      if let made, made.allSatisfy({ algebra.isBounded($0) }) { sums[output] = made }
    }
    return (sums, dependent)
  }

  /// A recurrent layer of one step, as PyTorch's exporter writes an nn.LSTMCell.
  private func layer(
    _ state: RecurrentLoop.Carried, _ open: [RecurrentLoop.Carried], _ sums: Sums
  ) -> FoundCell? {
    guard let next = value(state.output),
      let layer = inner.layers.first(where: { $0.outputs.count > 1 && $0.outputs[1] == next }),
      case .recurrent(let recurrent) = layer.operation, recurrent.direction == .forward,
      layer.inputs.count > 2, layer.inputs[1] == nil, layer.inputs[2] == state.input,
      let steps = inner.layers.first(where: { $0.outputs == [layer.inputs[0]] }),
      case .unfold(let unfold) = steps.operation, unfold.count == 1, let x = steps.inputs[0],
      !sums.dependent.contains(x)
    else { return nil }
    var cellState: String?
    if recurrent.cell.hasCellState {
      guard layer.inputs.count > 3, layer.outputs.count > 2,
        let carried = open.first(where: { $0.input == layer.inputs[3] }),
        value(carried.output) == layer.outputs[2]
      else { return nil }
      cellState = carried.input
    }
    return FoundCell(
      recurrence: FoundRecurrence(inputs: [x], layer: recurrent), hidden: state.input, cellState: cellState,
      next: next)
  }

  private func cell(
    _ state: RecurrentLoop.Carried, _ open: [RecurrentLoop.Carried], _ sums: Sums,
    _ algebra: inout StepAlgebra, _ kinds: [String: ValueKind]
  ) -> FoundCell? {
    func sum(_ name: String) -> StepAlgebra.Sum? {
      guard let value = value(name), let parts = sums.known[value], parts.count == 1 else { return nil }
      return parts[0]
    }
    guard let after = sum(state.output) else { return nil }
    let mask = masks.sorted().first { mask in after.terms.keys.contains { $0[.spread(mask)] != nil } }
    /// A state where its row runs the step.
    func running(_ carried: RecurrentLoop.Carried) -> StepAlgebra.Sum? {
      guard let after = sum(carried.output) else { return nil }
      guard let mask else { return after }
      return algebra.running(
        after, mask: mask, otherwise: StepAlgebra.value(carried.input, kinds[carried.input]?.features ?? 0))
    }
    guard let plain = running(state), let next = mask == nil ? value(state.output) : name(of: plain, sums),
      let cell = algebra.cell(plain, h: state.input, states: Set(open.map(\.input))),
      cell.hiddenSize == kinds[state.input]?.features
    else { return nil }
    if cell.cell.hasCellState {
      guard let name = cell.cellState, let carried = open.first(where: { $0.input == name }),
        running(carried) == cell.nextCellState, kinds[name]?.features == cell.hiddenSize
      else { return nil }
    }
    var masked: [String: StepPacking.Direction] = [:]
    if let mask {
      for (name, parts) in sums.known
      where parts.count == 1 && parts[0].terms.keys.contains(where: { $0[.spread(mask)] != nil }) {
        if algebra.running(parts[0], mask: mask, otherwise: nil) == plain { masked[name] = .unpack }
      }
      // A state whose new value is the output, or what it was.
      for held in loop.states {
        guard let name = value(held.output), let after = sum(held.output), masked[name] == nil,
          algebra.running(
            after, mask: mask, otherwise: StepAlgebra.value(held.input, kinds[held.input]?.features ?? 0))
            == plain
        else { continue }
        masked[name] = .unpackHolding
      }
    }
    let makers = inner.layers.reduce(into: [String: Layer]()) { all, layer in
      if layer.outputs.count == 1, let output = layer.outputs[0] { all[output] = layer }
    }
    guard
      let recurrence = algebra.recurrence(
        cell, .forward, width: { kinds[$0]?.features }, maker: { makers[$0] }),
      // No gate sees another state, or what is made of one.
      cell.gates.values.allSatisfy({ $0.inputs.allSatisfy { !sums.dependent.contains($0.value) } }),
      recurrence.inputs.allSatisfy({ !sums.dependent.contains($0) })
    else { return nil }
    return FoundCell(
      recurrence: recurrence, hidden: state.input, cellState: cell.cellState, next: next, mask: mask,
      masked: masked)
  }

  /// The first value that a sum is.
  private func name(of sum: StepAlgebra.Sum, _ sums: Sums) -> String? {
    inner.layers.lazy.compactMap { $0.outputs.first ?? nil }.first { sums.known[$0] == [sum] }
  }

  /// Layers in their order, each cell where its h is made; without what only cells needed.
  private mutating func order(_ cells: [FoundCell]) {
    var dependent = Set(loop.states.map(\.input)).union(masks)
    let given = given(cells)
    for layer in inner.layers {
      let outputs = layer.outputs.compactMap { $0 }
      if let cell = cells.first(where: { outputs.contains($0.next) }) {
        plan.append(.cell(cell))
        // What it makes of steps that are skipped is nothing.
        if cell.mask != nil { dependent.formUnion(outputs) }
        continue
      }
      if outputs.contains(where: given.contains) { continue }
      if layer.inputs.contains(where: { $0.map(dependent.contains) ?? false })
        || !(layer.operation.kind is any StepwiseLayer || layer.inputs.isEmpty)
      {
        dependent.formUnion(outputs)
        continue
      }
      plan.append(.layer(layer))
    }
  }
}
