internal import ByteIO
internal import Recurrent
internal import Tensors

/// A layer whose tensors have been converted for a pass.
struct PreparedLayer<Number: Scalar>: Sendable {
  let name: String
  let operation: Layer.Operation
  let rules: Number.Rules
  /// The tensors of `operation`, in its own order, where no other property keeps them; a table's only where its rows
  /// cannot be converted one by one.
  private let weights: [Number.Weights]
  private let recurrent: Number.Recurrence?
  private let dense: Number.Dense?
  private let convolution: Number.Convolver?
  private let transposed: ConvolutionPass<Number>?
  /// Of a gather.
  private let sources: [Int]
  private let channels: ChannelPass<Number>?
  private let normalization: NormalizationPass<Number>?
  private let generation: GeneratePass<Number>?

  init(_ layer: Layer, _ rules: Number.Rules) {
    name = layer.name
    operation = layer.operation
    self.rules = rules
    var recurrent: Number.Recurrence?
    var dense: Number.Dense?
    var convolution: Number.Convolver?
    var transposed: ConvolutionPass<Number>?
    var channels: ChannelPass<Number>?
    var normalization: NormalizationPass<Number>?
    var generation: GeneratePass<Number>?
    var sources: [Int] = []
    var weights: [Number.Weights] = []
    switch layer.operation {
    case .recurrent(let layer): recurrent = Number.recurrence(layer, rules)
    case .dense(let layer): dense = Number.Dense(weight: layer.weight, bias: layer.bias, rules)
    case .convolution(let layer): convolution = Number.Convolver(layer, rules)
    case .batchNormalization(let layer): channels = ChannelPass(layer, rules)
    case .gather(let gather): sources = gather.sources
    case .transposedConvolution(let layer): transposed = ConvolutionPass(layer, rules)
    case .normalization(let layer): normalization = NormalizationPass(layer, rules)
    case .generate(let generate): generation = GeneratePass(generate, rules)
    // Rows that are looked up are converted one by one, but where all of the table has to be narrowed.
    case .embedding where !rules.narrowsWeights: break
    case .embedding, .arithmetic, .choice, .constant, .layerNormalization:
      weights = layer.operation.tensors.map { Number.stored($0.tensor, rules) }
    case .activation, .softmax, .logSoftmax, .select, .concat, .slice, .reverse, .dropout, .argMax, .pool,
      .padding, .unfold, .fold, .reduce, .timeSoftmax, .repeated, .resize, .cumulativeSum, .attention,
      .stepPacking:
      break
    }
    self.recurrent = recurrent
    self.dense = dense
    self.convolution = convolution
    self.transposed = transposed
    self.channels = channels
    self.normalization = normalization
    self.generation = generation
    self.sources = sources
    self.weights = weights
  }

  /// The outputs, from inputs whose kinds validation has checked.
  func run(_ inputs: [Value<Number>?], batch: Int) throws(ForwardError) -> [Value<Number>] {
    switch operation {
    case .recurrent(let layer): return try runRecurrent(layer, inputs)
    case .embedding(let embedding): return [try embed(inputs[0]!.integers, embedding.table)]
    case .dense: return [.numbers(dense!.run(inputs[0]!.numbers))]
    case .convolution(let layer):
      try requireWindow(layer.axes, inputs[0]!)
      try requireRoom(
        inputs[0]!, channels: layer.weight.shape[0], places: layer.axes.results(),
        steps: inputs[0]!.steps.flatMap { layer.axes.steps(of: $0) }, explained: layer.weight.shape[0])
      return [.numbers(convolution!.run(inputs[0]!.numbers))]
    case .transposedConvolution(let layer):
      for axis in layer.axes where axis.size == nil {
        let steps = inputs[0]!.steps ?? 1
        guard axis.places(of: steps) > 0 else {
          throw .tooFewSteps(layer: name, steps: steps, least: axis.least)
        }
      }
      try requireRoom(
        inputs[0]!, channels: layer.outputs,
        places: layer.axes.reduce(1) { places, axis in places * (axis.size.map(axis.places) ?? 1) },
        steps: inputs[0]!.steps.flatMap { layer.steps(of: $0) }, explained: layer.outputs)
      return [.numbers(transposed!.run(inputs[0]!.numbers))]
    case .resize(let resize): return [.numbers(ResizePass(layer: resize).run(inputs[0]!.numbers))]
    case .pool(let pool):
      try requireWindow(pool.axes, inputs[0]!, roundsUp: pool.roundsUp)
      try requireSight(pool, inputs[0]!)
      try requireRoom(
        inputs[0]!, channels: inputs[0]!.numbers.features / pool.axes.places,
        places: pool.axes.results(roundsUp: pool.roundsUp),
        steps: inputs[0]!.steps.flatMap { pool.axes.steps(of: $0, roundsUp: pool.roundsUp) })
      return [.numbers(inputs[0]!.numbers.pooled(pool))]
    case .padding(let padding):
      try requirePlaces(padding, inputs[0]!)
      let (now, then) = padding.axes.reduce((1, 1)) { sizes, axis in
        axis.size.map { (sizes.0 * $0, sizes.1 * ($0 + axis.before + axis.after)) } ?? sizes
      }
      let time = padding.axes.first { $0.size == nil }
      try requireRoom(
        inputs[0]!, channels: inputs[0]!.numbers.features / now, places: then,
        steps: inputs[0]!.steps.map { $0 + (time?.before ?? 0) + (time?.after ?? 0) })
      return [.numbers(inputs[0]!.numbers.padded(padding))]
    case .gather:
      try requireRoom(inputs[0]!, channels: sources.count, places: 1, steps: inputs[0]!.steps)
      return [
        .numbers(
          inputs[0]!.numbers.mapGroups(features: sources.count) { group, result in
            result.append(contentsOf: sources.lazy.map { group[group.startIndex + $0] })
          })
      ]
    case .unfold(let unfold): return [.numbers(inputs[0]!.numbers.unfolded(unfold))]
    case .fold(let fold):
      guard inputs[0]!.steps == fold.count else {
        throw .wrongSteps(layer: name, expected: fold.count, found: inputs[0]!.steps ?? 1)
      }
      return [.numbers(inputs[0]!.numbers.folded())]
    case .reduce(let reduction): return [.numbers(inputs[0]!.numbers.reduced(reduction))]
    case .repeated:
      let (steps, v) = (inputs[0]!.steps ?? 1, inputs[1]!.numbers)
      return [
        .numbers(
          Numbers(
            steps: steps, batch: v.batch, features: v.features,
            elements: (0..<steps).flatMap { _ in v.elements }))
      ]
    case .attention(let attention):
      let (queries, keys, values) = (inputs[0]!.numbers, inputs[1]!.numbers, inputs[2]!.numbers)
      try requireSameSteps(keys, values)
      guard keys.steps ?? 1 > 0 else { throw .empty(layer: name, what: "steps") }
      let mask = inputs.count > 3 ? inputs[3]?.numbers : nil
      if let mask { try requireSameSteps(keys, mask) }
      return [.numbers(AttentionPass(attention, rules: rules).run(queries, keys, values, mask: mask))]
    case .cumulativeSum(let sum): return [.numbers(inputs[0]!.numbers.summedUp(sum))]
    case .timeSoftmax: return [.numbers(inputs[0]!.numbers.softmaxOverTime(rules))]
    case .activation(let activation):
      return [.numbers(Number.activate(activation, all: inputs[0]!.numbers, rules))]
    case .softmax:
      let x = inputs[0]!.numbers
      return [.numbers(x.mapGroups(features: x.features) { Number.softmax($0, rules, into: &$1) })]
    case .logSoftmax:
      let x = inputs[0]!.numbers
      return [.numbers(x.mapGroups(features: x.features) { Number.logSoftmax($0, rules, into: &$1) })]
    case .layerNormalization(let normalization):
      return [.numbers(normalise(inputs[0]!.numbers, normalization))]
    case .batchNormalization: return [.numbers(channels!.run(inputs[0]!.numbers))]
    case .normalization(let layer):
      if layer.overTime, inputs[0]!.steps == 0 { throw .empty(layer: name, what: "steps") }
      return [.numbers(normalization!.run(inputs[0]!.numbers))]
    case .select(let selection): return [try select(selection, inputs)]
    case .concat: return [.numbers(try concatenate(inputs.map { $0!.numbers }))]
    case .slice(let slice):
      return [
        .numbers(
          inputs[0]!.numbers.mapGroups(features: slice.count) { group, result in
            result.append(contentsOf: group.dropFirst(slice.start).prefix(slice.count))
          })
      ]
    case .arithmetic(let arithmetic): return [.numbers(try calculate(arithmetic, inputs.map { $0!.numbers }))]
    case .choice(let choice): return [.numbers(try choose(choice, inputs.map { $0!.numbers }))]
    case .constant(let constant):
      let tensor = constant.value
      let rows = tensor.shape[0]
      if tensor.shape.count == 1 {
        // Validation has put integers here.
        let integers = (try? tensor.integers()) ?? []
        let all = rows == batch ? integers : (0..<batch).flatMap { _ in integers }
        return [.integers(Integers(steps: nil, batch: batch, elements: all))]
      }
      let elements = Number.elements(weights[0])
      return [
        .numbers(
          Numbers(
            steps: nil, batch: batch, features: tensor.shape[1],
            elements: rows == batch ? elements : (0..<batch).flatMap { _ in elements }))
      ]
    case .stepPacking(let packing): return try run(packing, inputs[0]!.numbers, inputs[1]!.integers)
    case .dropout: return [inputs[0]!]
    case .reverse: return [try reverse(inputs)]
    case .argMax: return [.integers(try argMax(inputs[0]!.numbers))]
    case .generate: return try generation!.run(inputs.map { $0! }, batch: batch)
    }
  }

  /// The outputs of this layer and of those upon it, all of which are recurrent; nil where running them together would not
  /// pay.
  ///
  /// - Parameters:
  ///   - stack: all of them; empty where there is but this one.
  ///   - inputs: of each, whose sequences but the first are not there yet.
  func runTogether(
    _ stack: [RecurrentLayer], _ inputs: [[Value<Number>?]], upper: (Int) -> PreparedLayer
  ) -> [[Value<Number>]]? {
    guard stack.count > 1, let x = inputs[0][0]?.numbers else { return nil }
    let states = inputs.map { inputs in
      InitialStates(
        h: inputs.count > 2 ? inputs[2]?.numbers : nil, c: inputs.count > 3 ? inputs[3]?.numbers : nil)
    }
    return Number.runTogether(stack, x, states: states, rules) {
      $0 == 0 ? recurrent! : upper($0).recurrent!
    }
  }

  private func runRecurrent(
    _ layer: RecurrentLayer, _ inputs: [Value<Number>?]
  ) throws(ForwardError) -> [Value<Number>] {
    func input(_ index: Int) -> Value<Number>? { index < inputs.count ? inputs[index] : nil }
    let x = inputs[0]!.numbers
    let lengths = input(1)?.integers
    let known = try lengths.map { lengths throws(ForwardError) in
      try checked(lengths, allowed: 0...(x.steps ?? 1))
    }
    let outputs: [Value<Number>]
    switch layer.path {
    case .time:
      outputs = Number.run(
        recurrent!, x, lengths: known, h: input(2)?.numbers, c: input(3)?.numbers)
    case .timeAtPlaces(let places):
      outputs = Number.run(
        recurrent!, x.withRows(at: places),
        lengths: known?.flatMap { [Int](repeating: $0, count: places) },
        h: input(2)?.numbers.withRows(at: places), c: input(3)?.numbers.withRows(at: places)
      ).map { .numbers($0.numbers.withoutRows(at: places)) }
    case .places(let places):
      outputs = x.along(places, width: layer.inputSize) {
        Number.run(recurrent!, $0, lengths: nil, h: nil, c: nil)
      }
    }
    guard let lengths, let undecided = lengths.undecided else { return outputs }
    return outputs.map { output in
      var numbers = output.numbers
      for index in numbers.elements.indices where undecided[index / numbers.features % numbers.batch] {
        numbers.elements[index] = .unknown
      }
      return .numbers(numbers)
    }
  }

  private func checked(
    _ lengths: Integers, allowed: ClosedRange<Int>
  ) throws(ForwardError) -> [Int] {
    var result: [Int] = []
    for (row, length) in lengths.elements.enumerated() {
      guard let checked = Int(exactly: length), allowed.contains(checked) else {
        throw .lengthOutOfRange(layer: name, row: row, length: length, allowed: allowed)
      }
      result.append(checked)
    }
    return result
  }

  /// Rows of the table; ids −V…−1 count from its end, as in ONNX Gather.
  private func embed(_ ids: Integers, _ table: Tensor) throws(ForwardError) -> Value<Number> {
    let (vocabulary, features) = (table.shape[0], table.shape[1])
    var elements: [Number] = []
    elements.reserveCapacity(ids.elements.count * features)
    for (index, id) in ids.elements.enumerated() {
      if ids.isUndecided(index) {
        elements.append(contentsOf: repeatElement(.unknown, count: features))
        continue
      }
      guard id >= -vocabulary, id < vocabulary else {
        throw .tokenOutOfRange(
          layer: name, step: index / ids.batch, row: index % ids.batch, token: id, vocabulary: vocabulary)
      }
      let row = id < 0 ? Int(id) + vocabulary : Int(id)
      if weights.isEmpty {
        elements += Number.elements(Number.stored(table.rows(row..<(row + 1)), rules))
      } else {
        for f in 0..<features { elements.append(Number.element(weights[0], row * features + f)) }
      }
    }
    return .numbers(Numbers(steps: ids.steps, batch: ids.batch, features: features, elements: elements))
  }

  private func select(
    _ selection: Selection, _ inputs: [Value<Number>?]
  ) throws(ForwardError) -> Value<Number> {
    let sequence = inputs[0]!
    let steps = sequence.steps ?? 1
    if case .step(let step) = selection {
      let t = step < 0 ? step + steps : step
      guard t >= 0, t < steps else { throw .stepOutOfRange(layer: name, step: step, steps: steps) }
      switch sequence {
      case .numbers(let x):
        let size = x.batch * x.features
        return .numbers(
          Numbers(
            steps: nil, batch: x.batch, features: x.features,
            elements: Array(x.elements[(t * size)..<((t + 1) * size)])))
      case .integers(let ids):
        let range = (t * ids.batch)..<((t + 1) * ids.batch)
        return .integers(
          Integers(
            steps: nil, batch: ids.batch, elements: Array(ids.elements[range]),
            undecided: ids.undecided.map { Array($0[range]) }))
      }
    }
    let x = sequence.numbers
    guard steps > 0 else { throw .empty(layer: name, what: "steps") }
    var result = Numbers<Number>(zeros: nil, batch: x.batch, features: x.features)
    let size = x.batch * x.features
    switch selection {
    case .lastValid:
      let lengths = inputs[1]!.integers
      for (b, length) in try checked(lengths, allowed: 1...steps).enumerated() {
        for f in 0..<x.features {
          let source = x.elements[(length - 1) * size + b * x.features + f]
          result.elements[b * x.features + f] = lengths.isUndecided(b) ? .unknown : source
        }
      }
    case .mean, .sum:
      for index in 0..<size {
        let sum = Number((0..<steps).reduce(Number.emptySum) { $0 + x.elements[$1 * size + index] })
        result.elements[index] = selection == .sum ? sum : sum / Number.constant(Double(steps))
      }
    case .step: break  // taken above, of tokens too
    case .max:
      for index in 0..<size {
        result.elements[index] = (1..<steps).reduce(x.elements[index]) {
          Number.maximum($0, x.elements[$1 * size + index])
        }
      }
    }
    return .numbers(result)
  }

  /// Row b's step t of the result is its step `lengths[b] − 1 − t`; steps behind the length stay.
  private func reverse(_ inputs: [Value<Number>?]) throws(ForwardError) -> Value<Number> {
    let sequence = inputs[0]!
    let steps = sequence.steps ?? 1
    let given = inputs.count > 1 ? inputs[1]?.integers : nil
    let lengths = try given.map { (lengths) throws(ForwardError) in try checked(lengths, allowed: 0...steps) }
    func source(_ t: Int, _ b: Int) -> Int {
      let length = lengths?[b] ?? steps
      return t < length ? length - 1 - t : t
    }
    switch sequence {
    case .numbers(let x):
      var result = x
      for t in 0..<steps {
        for b in 0..<x.batch {
          for f in 0..<x.features {
            let from = x.elements[(source(t, b) * x.batch + b) * x.features + f]
            result.elements[(t * x.batch + b) * x.features + f] =
              given?.isUndecided(b) ?? false ? .unknown : from
          }
        }
      }
      return .numbers(result)
    case .integers(let ids):
      var result = ids
      for t in 0..<steps {
        for b in 0..<ids.batch {
          let from = source(t, b) * ids.batch + b
          result.elements[t * ids.batch + b] = ids.elements[from]
          if ids.undecided != nil { result.undecided![t * ids.batch + b] = ids.isUndecided(from) }
        }
      }
      return .integers(result)
    }
  }

  private func concatenate(_ parts: [Numbers<Number>]) throws(ForwardError) -> Numbers<Number> {
    let first = parts[0]
    for part in parts.dropFirst() { try requireSameSteps(first, part) }
    var elements: [Number] = []
    for group in 0..<first.groups {
      for part in parts {
        elements.append(contentsOf: part.elements[(group * part.features)..<((group + 1) * part.features)])
      }
    }
    return Numbers(
      steps: first.steps, batch: first.batch, features: parts.reduce(0) { $0 + $1.features },
      elements: elements)
  }

  private func calculate(
    _ arithmetic: Arithmetic, _ inputs: [Numbers<Number>]
  ) throws(ForwardError) -> Numbers<Number> {
    func apply(_ left: Number, _ right: Number) -> Number {
      switch arithmetic.operator {
      case .add: left + right
      case .subtract: left - right
      case .multiply: left * right
      case .divide: left / right
      case .maximum: Number.maximum(left, right)
      case .minimum: Number.minimum(left, right)
      case .prelu: Number.leaky(left, right)
      case .greater, .notLess, .equal: Number.compare(left, right, arithmetic.operator)
      }
    }
    var result = inputs[0]
    if let constant = arithmetic.constant {
      let numbers = Number.elements(weights[0])
      // How many neighbours share a number.
      let inner = constant.shape == [1] ? max(1, result.features) : arithmetic.inner
      for first in stride(from: 0, to: result.elements.count, by: inner) {
        let number = numbers[constant.shape == [1] ? 0 : first / inner % numbers.count]
        for index in first..<(first + inner) {
          let x = result.elements[index]
          result.elements[index] = arithmetic.constantFirst ? apply(number, x) : apply(x, number)
        }
      }
    } else {
      let (left, right) = (inputs[0], inputs[1])
      // A vector is the same at each step.
      if left.steps != nil, right.steps != nil { try requireSameSteps(left, right) }
      if left.steps == nil { result = right }
      // A vector's numbers come again at each step.
      let size = max(1, min(left.elements.count, right.elements.count))
      for first in stride(from: 0, to: result.elements.count, by: size) {
        let (own, other) = (left.steps == nil ? 0 : first, right.steps == nil ? 0 : first)
        for index in 0..<size {
          result.elements[first + index] = apply(left.elements[own + index], right.elements[other + index])
        }
      }
    }
    return result
  }

  /// A vector is the same at each step.
  private func choose(_ choice: Choice, _ inputs: [Numbers<Number>]) throws(ForwardError) -> Numbers<Number> {
    var result = inputs[0]
    for input in inputs.dropFirst() where input.steps != nil {
      if result.steps != nil { try requireSameSteps(result, input) }
      result = input
    }
    var (given, constants) = (inputs.dropFirst(), weights[...])
    func operand(_ constant: Tensor?) -> [Number] {
      constant == nil ? given.removeFirst().elements : Number.elements(constants.removeFirst())
    }
    let (condition, first, second) = (inputs[0].elements, operand(choice.first), operand(choice.second))
    // A constant is one number, or one for each feature, which come last.
    for index in result.elements.indices {
      result.elements[index] = Number.choose(
        condition[index % condition.count], first[index % first.count], second[index % second.count])
    }
    return result
  }

  private func argMax(_ x: Numbers<Number>) throws(ForwardError) -> Integers {
    guard x.features > 0 else { throw .empty(layer: name, what: "features") }
    var result = Integers(steps: x.steps, batch: x.batch, elements: [])
    for group in 0..<x.groups {
      let (offset, isDecided) = Number.argMax(x.elements[(group * x.features)..<((group + 1) * x.features)])
      result.elements.append(Int64(offset))
      if !isDecided, result.undecided == nil {
        result.undecided = [Bool](repeating: false, count: x.groups)
      }
      if !isDecided { result.undecided![group] = true }
    }
    return result
  }

  private func normalise(_ x: Numbers<Number>, _ layer: LayerNormalization) -> Numbers<Number> {
    let scale = Number.elements(weights[0])
    let bias = layer.bias.map { _ in Number.elements(weights[1]) }
    return x.mapGroups(features: x.features) { group, result in
      let first = result.count
      Number.normalise(group, by: .deviation, epsilon: layer.epsilon, rules, into: &result)
      for k in 0..<x.features {
        let y = result[first + k] * scale[k]
        result[first + k] = bias.map { y + $0[k] } ?? y
      }
    }
  }

  /// A window along time needs as many steps as it spans.
  private func requireWindow(
    _ axes: [WindowAxis], _ x: Value<Number>, roundsUp: Bool = false
  ) throws(ForwardError) {
    for axis in axes where axis.size == nil {
      let steps = x.steps ?? 1
      guard axis.places(of: steps, roundsUp: roundsUp) > 0 else {
        throw .tooFewSteps(layer: name, steps: steps, least: max(1, axis.span - axis.before - axis.after))
      }
    }
  }

  /// Each result of a pool is made of one step at least.
  private func requireSight(_ pool: Pool, _ x: Value<Number>) throws(ForwardError) {
    let steps = x.steps ?? 1
    for axis in pool.axes where axis.size == nil && axis.isBlind(of: steps, roundsUp: pool.roundsUp) {
      throw .tooFewSteps(layer: name, steps: steps, least: axis.dilation)
    }
  }

  /// A few bytes of a file must not make memory run out, however few numbers they are given.
  ///
  /// - Parameters:
  ///   - channels: of the result.
  ///   - places: of each channel of the result.
  ///   - steps: of the result.
  ///   - explained: how many results of a number the weights explain, which are in the file.
  private func requireRoom(
    _ x: Value<Number>, channels: Int, places: Int, steps: Int?, explained: Int = 1
  ) throws(ForwardError) {
    let numbers = x.numbers
    let made = checkedProduct([steps ?? 1, numbers.batch, channels, places]) ?? .max
    let read = numbers.elements.count
    let allowed = max(1 << 26, checkedProduct([64, read, explained]) ?? .max)
    guard made <= allowed else { throw .tooMuch(layer: name, made: made, read: read) }
  }

  private func requirePlaces(_ padding: Padding, _ x: Value<Number>) throws(ForwardError) {
    for axis in padding.axes where axis.size == nil {
      let steps = x.steps ?? 1
      guard steps >= 1, axis.kept(of: steps) >= 1 else {
        throw .tooFewSteps(layer: name, steps: steps, least: 1 + steps - axis.kept(of: steps))
      }
    }
  }

  private func requireSameSteps(
    _ left: Numbers<Number>, _ right: Numbers<Number>
  ) throws(ForwardError) {
    guard left.steps == right.steps else {
      throw .stepsMismatch(layer: name, expected: left.steps ?? 1, found: right.steps ?? 1)
    }
  }
}
