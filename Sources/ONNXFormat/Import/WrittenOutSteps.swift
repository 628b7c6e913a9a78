internal import Recurrent
internal import Tensors

/// Recurrences whose steps stand one after another in a model, each with the same weights, put together again as recurrent layers.
///
/// A step is found by its product with the state: the same weight on what an earlier such product led to. What the steps read must be
/// the steps of one sequence, or the parts of one vector, in order or backwards; what they make is read from the layer that
/// takes their place. Whatever else reads what a step makes keeps reading it.
struct WrittenOutSteps {
  /// A recurrence that was found.
  struct Found {
    var layer: String
    var cell: Cell
    var steps: Int
  }

  private(set) var importer: ONNXImporter
  private(set) var found: [Found] = []
  private var algebra = StepAlgebra()
  private var kinds: [String: ValueKind]
  /// How many steps sequences have, where that is known.
  private var steps: [String: Int]
  private var makers: [String: Int] = [:]
  /// What lists of values were found to be: the steps of a sequence, or nil.
  private var lifted: [[String]: Lifted?] = [:]
  /// Steps that are the last that their recurrence makes: what it calls them, and all of them.
  private var lastSteps: [String: (h: String, y: String)] = [:]
  /// Weights whose products are no steps.
  private var refused: Set<Int> = []

  private struct Lifted: Equatable {
    var sequence: String
    /// Whether the first value is the last step.
    var isBackwards: Bool
  }

  /// Of one step what is between two states.
  private typealias Sums = [String: [StepAlgebra.Sum]]

  /// As many recurrences as a model may have; each is looked for anew.
  private static let mostFound = 64
  /// Layers between one state and the next, at most.
  private static let mostLayers = 400

  /// - Parameter inputs: the model's inputs.
  init(_ importer: ONNXImporter, _ inputs: [Model.Port]) throws(ModelError) {
    self.importer = importer
    kinds = Dictionary(inputs.map { ($0.value, $0.kind) }) { first, _ in first }
    var steps: [String: Int] = [:]
    for case .view(let view) in importer.values.values {
      if let count = view.timeSize { steps[view.value] = count }
    }
    self.steps = steps
    for layer in importer.layers { try layer.wire(&kinds) }
  }

  mutating func rollUp() {
    shareGathers()
    while found.count < Self.mostFound, rollUpOne() {}
    if !found.isEmpty { joinSteps() }
  }

  /// Where each step is cut out of a vector that was put in order for it, there is one such vector.
  private mutating func shareGathers() {
    var known: [String: [FeatureGather: String]] = [:]
    var renamed: [String: String] = [:]
    for layer in layers {
      guard case .gather(let gather) = layer.operation, let input = layer.inputs[0],
        let output = layer.outputs.first ?? nil
      else { continue }
      if let first = known[input]?[gather] {
        renamed[output] = first
      } else {
        known[input, default: [:]][gather] = output
      }
    }
    importer.rename(renamed)
  }

  private var layers: [Layer] { importer.layers }

  private func maker(_ value: String) -> Layer? { makers[value].map { layers[$0] } }

  private mutating func rollUpOne() -> Bool {
    makers = [:]
    lifted = [:]
    var groups: [Int: [Int]] = [:]
    var order: [Int] = []
    for (index, layer) in layers.enumerated() {
      for case let output? in layer.outputs { makers[output] = index }
      guard case .dense(let dense) = layer.operation, kinds[layer.inputs[0]!]?.hasTime == false else {
        continue
      }
      let weight = algebra.rows(dense.weight).tensor
      if groups[weight] == nil { order.append(weight) }
      groups[weight, default: []].append(index)
    }
    for weight in order where !refused.contains(weight) {
      let products = groups[weight]!
      if products.count > 1, rollUp(products) { return true }
      refused.insert(weight)
    }
    return false
  }

  // MARK: Steps

  /// One after another, products of a weight with what the product before led to.
  private mutating func rollUp(_ products: [Int]) -> Bool {
    guard let slot = stateSlot(products[0], products[1]) else { return false }
    let states = products.map { state(of: $0, slot) }
    let all = states.compactMap { $0 }
    guard all.count == states.count, Set(all).count == all.count else { return false }
    var cells: [StepCell] = []
    var sums: [Sums] = []
    for (h, next) in zip(all, all.dropFirst()) {
      guard let (cell, own) = step(from: h, to: next) else { return false }
      cells.append(cell)
      sums.append(own)
    }
    // Of the last step the new state has no product that reads it.
    guard let (cell, own, next) = lastStep(products.last!, from: all.last!, like: cells) else { return false }
    cells.append(cell)
    sums.append(own)
    let template = cells[min(1, cells.count - 1)]
    guard cells.dropFirst().allSatisfy({ $0.weights == template.weights }),
      cells[0].weights == template.weights || cells[0].isFirst(of: template)
    else { return false }
    return replace(cells, sums, states: all + [next])
  }

  /// Where the state is among what the product reads: nil for all of it, else which part of a Concat.
  private func stateSlot(_ first: Int, _ second: Int) -> Int?? {
    let input = layers[second].inputs[0]!
    if let concat = maker(input), case .concat = concat.operation {
      for (slot, part) in concat.inputs.enumerated() where depends(part!, on: first) { return .some(slot) }
      return nil
    }
    return depends(input, on: first) ? .some(nil) : nil
  }

  private func state(of product: Int, _ slot: Int?) -> String? {
    let input = layers[product].inputs[0]!
    guard let slot else { return input }
    guard let concat = maker(input), case .concat = concat.operation, slot < concat.inputs.count else {
      return nil
    }
    return concat.inputs[slot]
  }

  /// Whether a value is made from what a layer makes.
  private func depends(_ value: String, on layer: Int) -> Bool {
    var waiting = [value]
    var seen: Set<String> = [value]
    while let next = waiting.popLast(), seen.count < Self.mostLayers {
      guard let maker = makers[next], maker >= layer else { continue }
      if maker == layer { return true }
      for case let input? in layers[maker].inputs where seen.insert(input).inserted { waiting.append(input) }
    }
    return false
  }

  /// The cell that makes one state of another.
  private mutating func step(from h: String, to next: String) -> (StepCell, Sums)? {
    guard let sums = sums(of: next, from: h), let parts = sums[next], parts.count == 1,
      let cell = algebra.cell(parts[0], h: h), cell.hiddenSize == kinds[h]?.features
    else { return nil }
    return (cell, sums)
  }

  /// What the values between a state and another are in terms of the state and of what does not depend on it.
  private mutating func sums(of value: String, from h: String) -> Sums? {
    let first = makers[h] ?? -1
    var between: Set<Int> = []
    var waiting = [value]
    while let next = waiting.popLast() {
      guard next != h, let maker = makers[next], maker > first, between.insert(maker).inserted else {
        continue
      }
      guard between.count < Self.mostLayers else { return nil }
      waiting += layers[maker].inputs.compactMap { $0 }
    }
    var sums: Sums = [h: [StepAlgebra.value(h, kinds[h]?.features ?? 0)]]
    for index in between.sorted() { add(index, to: &sums) }
    return sums
  }

  /// Adds what a layer makes, where it depends on what is known.
  private mutating func add(_ index: Int, to sums: inout Sums) {
    let layer = layers[index]
    let inputs = layer.inputs.compactMap { $0 }
    guard layer.outputs.count == 1, let output = layer.outputs[0], inputs.contains(where: { sums[$0] != nil })
    else { return }
    let parts = inputs.map { sums[$0] ?? [StepAlgebra.value($0, kinds[$0]?.features ?? 0)] }
    guard let made = algebra.output(of: layer.operation, parts), made.allSatisfy({ algebra.isBounded($0) })
    else {
      return
    }
    sums[output] = made
  }

  /// The step behind the last product: its state is what looks like those before.
  private mutating func lastStep(
    _ product: Int, from h: String, like cells: [StepCell]
  ) -> (StepCell, Sums, next: String)? {
    var sums: Sums = [h: [StepAlgebra.value(h, kinds[h]?.features ?? 0)]]
    // What the state is made of before its product.
    let first = makers[h] ?? -1
    var touched = 0
    let end = min(layers.count, product + 8 * Self.mostLayers)
    for index in (first + 1)..<max(end, first + 1) {
      if touched >= Self.mostLayers { break }
      let before = sums.count
      add(index, to: &sums)
      guard sums.count > before, let output = layers[index].outputs[0] else { continue }
      touched += 1
      guard index >= product, let parts = sums[output], parts.count == 1,
        let cell = algebra.cell(parts[0], h: h),
        cell.hiddenSize == kinds[h]?.features, cell.isWhole,
        cells.isEmpty || cell.weights == cells.last!.weights
          || cells.count == 1 && cells[0].isFirst(of: cell)
      else { continue }
      return (cell, sums, output)
    }
    return nil
  }

  // MARK: Sequences

  private mutating func replace(_ cells: [StepCell], _ sums: [Sums], states: [String]) -> Bool {
    var template = cells[1]
    let count = cells.count
    // c: what each step makes is what the next reads.
    var cellStates: [String?] = []
    if template.cell.hasCellState {
      for (position, cell) in cells.enumerated().dropFirst() {
        guard let state = cell.cellState, let before = sums[position - 1][state], before.count == 1,
          before[0] == cells[position - 1].nextCellState
        else { return false }
      }
      cellStates = cells.map(\.cellState)
    }
    // x
    var isBackwards: Bool?
    for (name, position) in template.gates.flatMap({ name, gate in gate.inputs.indices.map { (name, $0) } }) {
      guard let values = inputs(of: cells, name, position), let sequence = lift(values),
        isBackwards ?? sequence.isBackwards == sequence.isBackwards
      else { return false }
      isBackwards = sequence.isBackwards
      template.gates[name]!.inputs[position].value = sequence.sequence
    }
    // The algebra is one exclusive access, and asks who makes a value.
    var algebra = algebra
    defer { self.algebra = algebra }
    guard let isBackwards,
      let found = algebra.recurrence(
        template, isBackwards ? .reverse : .forward, width: { kinds[$0]?.features },
        maker: { maker($0) })
    else { return false }
    add(
      found, template, isBackwards, count: count, states, cellStates, sums,
      last: cells[count - 1].nextCellState)
    return true
  }

  /// What a gate reads at each step.
  private mutating func inputs(of cells: [StepCell], _ name: Gate, _ position: Int) -> [String]? {
    func values(_ name: Gate, _ position: Int) -> [String]? {
      let all = cells.dropFirst().compactMap { cell -> String? in
        guard let inputs = cell.gates[name]?.inputs, inputs.indices.contains(position) else { return nil }
        return inputs[position].value
      }
      return all.count == cells.count - 1 ? all : nil
    }
    guard let later = values(name, position) else { return nil }
    if let gate = cells[0].gates[name] {
      return gate.inputs.indices.contains(position) ? [gate.inputs[position].value] + later : nil
    }
    // A gate that a state of 0 hides in the first step reads there what another reads that reads the same later.
    for (other, gate) in cells[0].gates {
      for (position, input) in gate.inputs.enumerated() {
        guard let alike = values(other, position) else { continue }
        if alike == later { return [input.value] + later }
        // Or it reads a part of what the other reads a part of.
        guard let part = maker(later[0]), let first = source(input.value),
          zip(alike, later).allSatisfy({ source($0) != nil && source($0) == source($1) })
        else { continue }
        let known = layers.first { $0.operation == part.operation && $0.inputs == [first] }?.outputs.first
        return [known.flatMap { $0 } ?? append(part.operation, [first], "\(first)·part")] + later
      }
    }
    return nil
  }

  private mutating func add(
    _ recurrence: FoundRecurrence, _ cell: StepCell, _ isBackwards: Bool, count: Int, _ states: [String],
    _ cellStates: [String?], _ sums: [Sums], last: StepAlgebra.Sum?
  ) {
    let node = ONNXNode(cell.cell.name, name: "\(cell.cell.name)_rolled_up", inputs: [], outputs: [])
    let x =
      recurrence.inputs.count == 1
      ? recurrence.inputs[0]
      : append(.concat, recurrence.inputs, "\(recurrence.inputs[0])·joined", steps: count)
    var inputs: [String?] = [x, nil, start(states[0])]
    if cell.cell.hasCellState { inputs.append(cellStates[0].flatMap { start($0) }) }
    while inputs.last == .some(nil) { inputs.removeLast() }
    let name = importer.uniqueLayer(node)
    let made = (["y", "h"] + (cell.cell.hasCellState ? ["c"] : [])).map {
      importer.uniqueValue("\(name)·\($0)")
    }
    append(Layer(name, .recurrent(recurrence.layer), inputs: inputs, outputs: made))
    steps[made[0]] = count
    var renamed: [String: String] = [:]
    for (position, state) in states.enumerated().dropFirst() {
      let step = isBackwards ? count - position : position - 1
      renamed[state] = append(
        .select(.step(step == count - 1 ? -1 : step)), [made[0]], "\(made[0])·\(step)")
    }
    lastSteps[renamed[states[count]]!] = (made[1], made[0])
    if let last {
      for (value, sum) in sums.last! where sum == [last] { renamed[value] = made[2] }
    }
    importer.rename(renamed)
    importer.sortLayers()
    importer.dropUnusedLayers()
    importer.note(
      name, recurrence.isRounded ? .rounded : .exact,
      "\(count) steps of a recurrence that was written out one by one, with the same weights in each, are rolled up"
        + recurrence.roundingNote, roundedTo: recurrence.isRounded ? .float32 : nil
    )
    found.append(Found(layer: name, cell: cell.cell, steps: count))
  }

  /// A state before the first step; nil for zeros.
  private func start(_ state: String) -> String? {
    if let layer = maker(state), case .constant(let constant) = layer.operation, constant.value.isZero {
      return nil
    }
    return state
  }

  // MARK: Layers

  private mutating func append(_ layer: Layer) {
    // What does not fit is found when the model is checked.
    try? layer.wire(&kinds)
    for case let output? in layer.outputs { makers[output] = importer.layers.count }
    importer.layers.append(layer)
  }

  /// Adds a layer of one output; that.
  private mutating func append(
    _ operation: Layer.Operation, _ inputs: [String], _ wanted: String, steps count: Int? = nil
  ) -> String {
    let value = importer.uniqueValue(wanted)
    let node = ONNXNode(operation.name, name: value, inputs: [], outputs: [])
    append(Layer(importer.uniqueLayer(node), operation, inputs: inputs, outputs: [value]))
    if let count { steps[value] = count }
    return value
  }

  /// The only value that a value is made of.
  private func source(_ value: String) -> String? {
    guard let layer = maker(value), layer.inputs.count == 1 else { return nil }
    return layer.inputs[0]
  }

  // MARK: Lists of steps

  /// The sequence whose steps values are.
  private mutating func lift(_ values: [String], depth: Int = 0) -> Lifted? {
    if let known = lifted[values] { return known }
    // A chain of layers of each step may be as long as the file.
    guard depth < 64, let first = maker(values[0]), values.allSatisfy({ makers[$0] != nil }) else {
      return nil
    }
    let result: Lifted?
    switch first.operation {
    case .select: result = selected(values)
    case .slice: result = sliced(values, depth)
    case .gather where layersDiffer(values): result = gathered(values)
    default: result = applied(values, depth)
    }
    lifted[values] = .some(result)
    return result
  }

  private func layersDiffer(_ values: [String]) -> Bool {
    let operations = values.map { maker($0)!.operation }
    return operations.contains { $0 != operations[0] }
  }

  /// 0 up to n − 1, or down.
  private func order(_ places: [Int], of sequence: String) -> Lifted? {
    let up = Array(0..<places.count)
    if places == up { return Lifted(sequence: sequence, isBackwards: false) }
    return places == up.reversed() ? Lifted(sequence: sequence, isBackwards: true) : nil
  }

  private func selected(_ values: [String]) -> Lifted? {
    let count = values.count
    let source = maker(values[0])!.inputs[0]!
    var places: [Int] = []
    for value in values {
      guard let layer = maker(value), case .select(.step(let step)) = layer.operation,
        layer.inputs[0] == source,
        steps[source] == count
      else { return nil }
      places.append(step < 0 ? step + count : step)
    }
    // Steps of a sequence that was turned around are its own, the other way about.
    if let layer = maker(source), case .reverse = layer.operation, layer.inputs.count == 1,
      let order = order(places, of: layer.inputs[0]!)
    {
      return Lifted(sequence: order.sequence, isBackwards: !order.isBackwards)
    }
    return order(places, of: source)
  }

  private mutating func sliced(_ values: [String], _ depth: Int) -> Lifted? {
    guard layersDiffer(values) else { return applied(values, depth) }
    var source = maker(values[0])!.inputs[0]!
    guard let width = kinds[values[0]]?.features, kinds[source]?.hasTime == false else { return nil }
    var starts: [Int] = []
    for value in values {
      guard let layer = maker(value), case .slice(let slice) = layer.operation, layer.inputs[0] == source,
        slice.count == width
      else { return nil }
      starts.append(slice.start)
    }
    let first = starts.min()!
    guard starts.allSatisfy({ ($0 - first) % width == 0 }),
      let order = order(starts.map { ($0 - first) / width }, of: "")
    else { return nil }
    var isBackwards = order.isBackwards
    if let layer = maker(source), case .gather(let gather) = layer.operation,
      gather == .turning(values.count, width), kinds[layer.inputs[0]!]?.features == width * values.count
    {
      source = layer.inputs[0]!
      isBackwards.toggle()
    }
    // What was joined of steps before is those steps.
    if let layer = maker(source), first == 0, kinds[source]?.features == width * values.count {
      switch layer.operation {
      case .fold: return Lifted(sequence: layer.inputs[0]!, isBackwards: isBackwards)
      case .concat
      where layer.inputs.count == values.count && layer.inputs.allSatisfy({ kinds[$0!]?.features == width }):
        let parts = layer.inputs.compactMap { $0 }
        return lift(isBackwards ? parts.reversed() : parts, depth: depth + 1)
      default: break
      }
    }
    let count = values.count
    var whole = source
    if kinds[source]?.features != width * count {
      whole = append(.slice(start: first, count: width * count), [source], "\(source)·part")
    }
    let sequence = append(
      .unfold(Unfold(count: count, inner: width)), [whole], "\(source)·steps", steps: count)
    return Lifted(sequence: sequence, isBackwards: isBackwards)
  }

  /// Each a place of an axis inside the features that is not the first.
  private mutating func gathered(_ values: [String]) -> Lifted? {
    let count = values.count
    let source = maker(values[0])!.inputs[0]!
    var gathers: [FeatureGather] = []
    for value in values {
      guard let layer = maker(value), case .gather(let gather) = layer.operation, layer.inputs[0] == source
      else {
        return nil
      }
      gathers.append(gather)
    }
    let factors = gathers[0].factors
    guard let features = kinds[source]?.features, kinds[source]?.hasTime == false,
      gathers.allSatisfy({ $0.factors == factors }), (1...2).contains(factors.count)
    else { return nil }
    let inner = factors.count == 2 ? factors[1].count : 1
    guard factors.count == 1 || factors[1].stride == 1, factors[0].stride == count * inner,
      factors[0].count * count * inner == features, gathers.allSatisfy({ $0.start % inner == 0 }),
      let order = order(gathers.map { $0.start / inner }, of: "")
    else { return nil }
    let sequence = append(
      .unfold(Unfold(count: count, inner: inner)), [source], "\(source)·steps", steps: count)
    return Lifted(sequence: sequence, isBackwards: order.isBackwards)
  }

  /// Each made by the same layer of values that are steps themselves.
  private mutating func applied(_ values: [String], _ depth: Int) -> Lifted? {
    let all = values.map { maker($0)! }
    let first = all[0]
    guard first.operation.kind is any StepwiseLayer, first.outputs.count == 1, !first.inputs.isEmpty,
      all.allSatisfy({ $0.inputs.count == first.inputs.count && $0.operation == first.operation })
    else { return nil }
    var inputs: [String] = []
    var isBackwards: Bool?
    for position in first.inputs.indices {
      let own = all.compactMap { $0.inputs[position] }
      guard own.count == all.count else { return nil }
      if case .arithmetic = first.operation, Set(own).count == 1, kinds[own[0]]?.hasTime == false {
        // The same at each step.
        inputs.append(own[0])
        continue
      }
      guard let sequence = lift(own, depth: depth + 1),
        isBackwards ?? sequence.isBackwards == sequence.isBackwards
      else { return nil }
      isBackwards = sequence.isBackwards
      inputs.append(sequence.sequence)
    }
    guard let isBackwards else { return nil }
    let sequence = append(first.operation, inputs, "\(values[0])·steps", steps: values.count)
    return Lifted(sequence: sequence, isBackwards: isBackwards)
  }

  /// What joins all steps of a sequence again is made of it at once.
  private mutating func joinSteps() {
    var renamed: [String: String] = [:]
    makers = [:]
    for (index, layer) in layers.enumerated() {
      for case let output? in layer.outputs { makers[output] = index }
    }
    lifted = [:]
    for index in layers.indices {
      let layer = layers[index]
      guard case .concat = layer.operation, layer.inputs.count > 1, kinds[layer.inputs[0]!]?.hasTime == false,
        let sequence = lift(layer.inputs.compactMap { $0 })
      else { continue }
      let source =
        sequence.isBackwards
        ? append(.reverse, [sequence.sequence], "\(sequence.sequence)·backwards", steps: layer.inputs.count)
        : sequence.sequence
      importer.layers[index].operation = .fold(Fold(count: layer.inputs.count))
      importer.layers[index].inputs = [source]
    }
    for (step, last) in lastSteps {
      guard let maker = makers[last.y], maker < importer.layers.count else { continue }
      if importer.layers[maker].outputs.count < 2 { importer.layers[maker].outputs.append(nil) }
      importer.layers[maker].outputs[1] = last.h
      renamed[step] = last.h
    }
    joinFolds()
    // A fold that is unfolded is what it was.
    for layer in layers {
      guard case .unfold(let unfold) = layer.operation, let fold = folded(layer.inputs[0]!),
        fold.count == unfold.count, let width = kinds[fold.sequence]?.features,
        unfold.inner == (fold.isTurned ? 1 : width), let output = layer.outputs[0]
      else { continue }
      renamed[output] = fold.sequence
    }
    importer.rename(renamed)
    unfoldOutputs()
    importer.sortLayers()
    importer.dropUnusedLayers()
  }

  /// All steps of a sequence as features: the steps one after another, or, turned, the features.
  private func folded(_ value: String) -> (sequence: String, count: Int, isTurned: Bool)? {
    guard let layer = maker(value), let input = layer.inputs.first ?? nil else { return nil }
    switch layer.operation {
    case .fold(let fold): return (input, fold.count, false)
    case .gather(let gather):
      guard let fold = folded(input), !fold.isTurned, let width = kinds[fold.sequence]?.features else {
        return nil
      }
      // The steps the other way about, of steps that were turned around.
      if gather == .turning(fold.count, width), let layer = maker(fold.sequence),
        case .reverse = layer.operation, layer.inputs.count == 1
      {
        return (layer.inputs[0]!, fold.count, false)
      }
      guard
        gather == FeatureGather([.init(count: width, stride: 1), .init(count: fold.count, stride: width)])
      else { return nil }
      return (fold.sequence, fold.count, true)
    default: return nil
    }
  }

  /// Folds that are joined along their features, as both directions are, are one fold of what is joined.
  private mutating func joinFolds() {
    for index in layers.indices {
      guard case .concat = layers[index].operation else { continue }
      let parts = layers[index].inputs.compactMap { $0.flatMap { folded($0) } }
      guard let first = parts.first, parts.count > 1, parts.count == layers[index].inputs.count,
        parts.allSatisfy({ $0.count == first.count && $0.isTurned })
      else { continue }
      let whole = append(.concat, parts.map(\.sequence), "\(first.sequence)·joined", steps: first.count)
      let width = kinds[whole]?.features ?? 0
      let fold = append(.fold(Fold(count: first.count)), [whole], "\(whole)·all")
      importer.layers[index].operation = .gather(
        FeatureGather([.init(count: width, stride: 1), .init(count: first.count, stride: width)]))
      importer.layers[index].inputs = [fold]
    }
  }

  /// An output of all steps is a sequence, where its steps are an axis of their own.
  private mutating func unfoldOutputs() {
    for info in importer.source.graph.outputs {
      guard case .view(var view)? = importer.values[info.name], let fold = folded(view.value),
        let width = kinds[fold.sequence]?.features,
        let axis = view.axes.firstIndex(of: [
          .features(stride: fold.isTurned ? 1 : width, count: fold.count)
        ])
      else { continue }
      var axes = view.axes
      axes[axis] = [.time]
      if fold.isTurned {
        // Without the steps, what lies between features is that much less.
        axes = axes.map { factors in
          factors.map { factor in
            guard case .features(let stride, let count) = factor else { return factor }
            return .features(stride: stride / fold.count, count: count)
          }
        }
      }
      view = View(
        value: fold.sequence, kind: .sequence(features: width), axes: axes, timeSize: fold.count)
      importer.values[info.name] = .view(view)
    }
  }
}

extension ONNXImporter {
  /// Reads other values instead.
  fileprivate mutating func rename(_ names: [String: String]) {
    func new(_ name: String) -> String {
      var name = name
      // A name that is replaced may be what another was replaced by.
      for _ in 0..<4 { name = names[name] ?? name }
      return name
    }
    for index in layers.indices { layers[index].inputs = layers[index].inputs.map { $0.map(new) } }
    for (name, value) in values {
      guard case .view(var view) = value, names[view.value] != nil else { continue }
      view.value = new(view.value)
      values[name] = .view(view)
    }
  }

  /// Removes what no output of the graph needs.
  fileprivate mutating func dropUnusedLayers() {
    let needed = source.graph.outputs.compactMap { info -> Model.Port? in
      guard case .view(let view)? = values[info.name] else { return nil }
      return Model.Port(name: info.name, value: view.value, elementType: .float32, kind: view.kind, axes: [])
    }
    var model = Model(inputs: [], outputs: needed, layers: layers)
    model.dropUnused()
    layers = model.layers
  }

  /// Puts each layer behind those whose outputs it reads, in their order as far as that can be.
  fileprivate mutating func sortLayers() {
    var makers: [String: Int] = [:]
    for (index, layer) in layers.enumerated() {
      for case let output? in layer.outputs { makers[output] = index }
    }
    var isDone = [Bool](repeating: false, count: layers.count)
    var isOpen = isDone
    var sorted: [Layer] = []
    for root in layers.indices where !isDone[root] {
      var stack = [root]
      while let index = stack.last {
        isOpen[index] = true
        let missing = layers[index].inputs.compactMap { $0.flatMap { makers[$0] } }.first {
          !isDone[$0] && !isOpen[$0]
        }
        if let missing {
          stack.append(missing)
          continue
        }
        stack.removeLast()
        if !isDone[index] { sorted.append(layers[index]) }
        isDone[index] = true
      }
    }
    layers = sorted
  }
}

extension FeatureGather {
  /// `count` steps of `width` features each, from the last to the first.
  fileprivate static func turning(_ count: Int, _ width: Int) -> FeatureGather {
    FeatureGather(
      start: (count - 1) * width, [.init(count: count, stride: -width), .init(count: width, stride: 1)])
  }
}
