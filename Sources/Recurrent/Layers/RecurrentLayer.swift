public import Tensors

/// Which way a recurrent layer goes through its sequence.
public enum Direction: String, Sendable, CaseIterable, Hashable {
  /// From the first step to the last.
  case forward
  /// From the last step to the first.
  case reverse
  /// Both ways, each with its own weights; features of the forward direction come first.
  case bidirectional

  /// D: 2 for bidirectional, else 1.
  public var count: Int { self == .bidirectional ? 2 : 1 }
}

/// What a recurrent layer runs along, and what is a row to it.
public enum RecurrentPath: Sendable, Hashable {
  /// Along time; rows are those of the batch.
  case time
  /// Along time at each of N places of the features, `[T, B, N·I]`, by the same weights: each place of each row is a row of its own.
  case timeAtPlaces(Int)
  /// Along an axis of N places of the features, `[T, B, M·N·I]` or `[B, M·N·I]`: each of the M places before it, of each step of each row,
  /// is a row of its own, which starts from states of 0.
  case places(Int)

  /// N; 1 where there are no places.
  public var placeCount: Int {
    switch self {
    case .time: 1
    case .timeAtPlaces(let count), .places(let count): count
    }
  }

  /// Whether states go from step to step.
  package var isAlongTime: Bool {
    switch self {
    case .time, .timeAtPlaces: true
    case .places: false
    }
  }
}

/// The weights and activations of one direction of a recurrent layer.
///
/// G gates in canonical order, hidden size H, input size I, output size O (P with a projection, else H).
public struct DirectionParameters: Sendable, Equatable {
  /// W, `[G·H, I]`.
  public var inputWeight: Tensor
  /// R, `[G·H, O]`; nil for cells whose gates see x alone (minGRU).
  public var recurrentWeight: Tensor?
  /// b_W, `[G·H]`; nil where the source had none.
  public var inputBias: Tensor?
  /// b_R, `[G·H]`; kept apart from `inputBias` so that a round trip is bit-exact.
  public var recurrentBias: Tensor?
  /// P, `[3·H]` in the order f, i, o (LSTM). f and i see `c_{t−1}`, o sees `c_t`.
  public var peepholes: Tensor?
  /// `[P, H]`: `h_t = projection · (o⊙a(c_t))` (LSTM, Sak et al. 2014).
  public var projection: Tensor?
  /// For f, i, o of the LSTM, r and z of the GRU, z of the minGRU; unused by the RNN.
  public var gateActivation: Activation
  /// For g of the LSTM, n of the GRU, h of the RNN, n of the minGRU (whose paper has none: `.identity`).
  public var candidateActivation: Activation
  /// Of `c_t` on its way to the output (LSTM); unused by the others.
  public var outputActivation: Activation

  /// The weights of one direction; by default without biases, peepholes and projection, and with σ and tanh.
  public init(
    inputWeight: Tensor, recurrentWeight: Tensor?, inputBias: Tensor? = nil, recurrentBias: Tensor? = nil,
    peepholes: Tensor? = nil, projection: Tensor? = nil, gateActivation: Activation = .sigmoid,
    candidateActivation: Activation = .tanh, outputActivation: Activation = .tanh
  ) {
    self.inputWeight = inputWeight
    self.recurrentWeight = recurrentWeight
    self.inputBias = inputBias
    self.recurrentBias = recurrentBias
    self.peepholes = peepholes
    self.projection = projection
    self.gateActivation = gateActivation
    self.candidateActivation = candidateActivation
    self.outputActivation = outputActivation
  }
}

/// One RNN, LSTM, GRU or minGRU layer over a sequence.
///
/// Inputs: x `[T, B, I]`; optionally lengths `[B]`, initial hidden state `[B, D·O]`, initial cell state `[B, D·H]`
/// (direction-major features). Outputs: y `[T, B, D·O]`, last hidden state `[B, D·O]`, last cell state `[B, D·H]`.
///
/// With lengths, row b runs over its first `lengths[b]` steps only; y is 0 behind them, the last states are those of
/// the last valid step (the initial ones for a length of 0), and the reverse direction starts at the last valid step.
///
/// Dual-path networks (Luo et al. 2020) run over the bands of a spectrum and over time in turns, the other axis among the rows: with a
/// `path` of N places x is `[T, B, N·I]`, the places before the features of each. Along time y is `[T, B, N·D·O]` and states are
/// `[B, N·D·O]` and `[B, N·D·H]`; along the places y is `[T, B, M·N·D·O]` and states are those behind the last place, `[T, B, M·D·O]`
/// and `[T, B, M·D·H]`.
public struct RecurrentLayer: Sendable, Equatable {
  /// The recurrence of every direction.
  public var cell: Cell
  /// Which way it goes; `directions` holds a set of weights for each.
  public var direction: Direction
  /// I
  public var inputSize: Int
  /// H
  public var hiddenSize: Int
  /// What enters an activation is clipped to ±clip: pre-activations, and c_t on its way to the LSTM's output
  /// activation (ONNX: "applied to the input of activations"). Nil for no clipping.
  public var clip: Double?
  /// LSTM: couples the gates as `f = 1 − i`.
  public var inputForget: Bool
  /// What it runs along.
  public var path: RecurrentPath
  /// One for each direction: forward before reverse.
  public var directions: [DirectionParameters]

  /// A layer of these weights, one `DirectionParameters` for each direction; without `clip` nothing is clipped.
  public init(
    cell: Cell, direction: Direction, inputSize: Int, hiddenSize: Int, clip: Double? = nil,
    inputForget: Bool = false, path: RecurrentPath = .time, directions: [DirectionParameters]
  ) {
    self.cell = cell
    self.direction = direction
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.clip = clip
    self.inputForget = inputForget
    self.path = path
    self.directions = directions
  }

  /// P, where the layer projects its hidden state.
  public var projectionSize: Int? { directions.first?.projection?.shape.first }
  /// O: P with a projection, else H.
  public var outputSize: Int { projectionSize ?? hiddenSize }
}

extension RecurrentLayer {
  /// Where a gate's rows are in what stacks the gates; none where the cell has no such gate.
  package func rows(of gate: Gate) -> Range<Int> {
    guard let block = cell.gateOrder.gates.firstIndex(of: gate) else { return 0..<0 }
    return (block * hiddenSize)..<((block + 1) * hiddenSize)
  }

  /// `forward` or `reverse` for each weight set.
  public var directionNames: [String] {
    switch direction {
    case .forward: ["forward"]
    case .reverse: ["reverse"]
    case .bidirectional: ["forward", "reverse"]
    }
  }
}

extension RecurrentLayer: LayerKind {
  package var name: LayerName { cell.kind.name }
  package var operation: Layer.Operation { .recurrent(self) }

  package func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    try fields.text("direction", direction.rawValue)
    try fields.integer("inputSize", inputSize)
    try fields.integer("hiddenSize", hiddenSize)
    try fields.real("clip", clip)
    if cell.kind.isCouplable { try fields.flag("inputForget", inputForget) }
    if let resetAfter = cell.kind.resetAfter { try fields.flag("resetAfter", resetAfter) }
    try path.write(to: &fields)
    for (name, direction) in zip(directionNames, directions) {
      fields.begin("directions", part: name)
      for (role, tensor) in direction.all { try fields.tensor(role, tensor) }
      // All three, also those that the cell does not use: a round trip loses nothing.
      try fields.activation("gateActivation", direction.gateActivation)
      try fields.activation("candidateActivation", direction.candidateActivation)
      try fields.activation("outputActivation", direction.outputActivation)
      fields.end()
    }
  }

  package init<Fields: FieldReader>(_ name: LayerName, from fields: inout Fields) throws(Fields.Failure) {
    let cell: Cell =
      switch name {
      case .lstm: .lstm
      case .gru: .gru(resetAfter: try fields.flag("resetAfter"))
      case .minGRU: .minGRU
      case .rnn: .rnn
      // Other names go to other layers (`Layer.Operation.init`).
      case .embedding, .dense, .activation, .softmax, .logSoftmax, .layerNormalization, .select, .concat,
        .slice,
        .arithmetic, .constant, .dropout, .reverse, .argMax, .generate, .convolution, .pool, .padding,
        .featureGather, .unfold, .fold, .reduce, .timeSoftmax, .repeat, .stepPacking, .batchNormalization,
        .normalization,
        .transposedConvolution, .resize, .cumulativeSum, .attention, .choice:
        .rnn
      }
    let direction: Direction = try fields.name("direction", "direction")
    let (inputSize, hiddenSize) = (try fields.size("inputSize"), try fields.size("hiddenSize"))
    let clip = try fields.optionalReal("clip")
    let inputForget = cell.kind.isCouplable ? try fields.flag("inputForget") : false
    let path = try RecurrentPath(from: &fields)
    var directions: [DirectionParameters] = []
    for index in 0..<(try fields.partCount("directions")) {
      try fields.begin("directions", part: index)
      directions.append(
        DirectionParameters(
          inputWeight: try fields.tensor("inputWeight"),
          recurrentWeight: cell.kind.hasRecurrentWeight ? try fields.tensor("recurrentWeight") : nil,
          inputBias: try fields.optionalTensor("inputBias"),
          recurrentBias: try fields.optionalTensor("recurrentBias"),
          peepholes: try fields.optionalTensor("peepholes"),
          projection: try fields.optionalTensor("projection"),
          gateActivation: try fields.activation("gateActivation"),
          candidateActivation: try fields.activation("candidateActivation"),
          outputActivation: try fields.activation("outputActivation")))
      try fields.end()
    }
    self.init(
      cell: cell, direction: direction, inputSize: inputSize, hiddenSize: hiddenSize, clip: clip,
      inputForget: inputForget, path: path, directions: directions)
  }

  package func identify<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    if let resetAfter = cell.kind.resetAfter { try fields.flag("resetAfter", resetAfter) }
    try fields.text("direction", direction.rawValue)
    try fields.integer("inputSize", inputSize)
    try fields.integer("hiddenSize", hiddenSize)
    try fields.real("clip", clip)
    try fields.flag("inputForget", inputForget)
    try path.write(to: &fields)
    for (name, direction) in zip(directionNames, directions) {
      fields.begin("directions", part: name)
      for (role, tensor) in direction.all {
        // Formats that hold both biases write zeros for one that is not there.
        let isNone = role.hasSuffix("Bias") && tensor?.isZero == true
        try fields.tensor(role, isNone ? nil : tensor)
      }
      if cell.hasGateActivation { try fields.activation("gateActivation", direction.gateActivation) }
      try fields.activation("candidateActivation", direction.candidateActivation)
      if cell.hasOutputActivation { try fields.activation("outputActivation", direction.outputActivation) }
      fields.end()
    }
  }

  package mutating func mapTensors(_ transform: (Tensor) -> Tensor) {
    directions = directions.map { direction in
      var direction = direction
      direction.inputWeight = transform(direction.inputWeight)
      direction.recurrentWeight = direction.recurrentWeight.map(transform)
      direction.inputBias = direction.inputBias.map(transform)
      direction.recurrentBias = direction.recurrentBias.map(transform)
      direction.peepholes = direction.peepholes.map(transform)
      direction.projection = direction.projection.map(transform)
      return direction
    }
  }

  package func reasonNotToStream(_ inputs: [String?], varying: Set<String>) -> String? {
    // Each step by itself.
    if !path.isAlongTime { return nil }
    guard direction == .forward else { return "it starts at the end of the sequence" }
    if inputs.count > 1, inputs[1] != nil { return "it has lengths" }
    return inputs.dropFirst(2).contains { $0.map(varying.contains) ?? false }
      ? "its initial state depends on the sequence" : nil
  }

  package func outputKinds(_ inputs: LayerInputs) throws(ModelError) -> [ValueKind] {
    guard (1...4).contains(inputs.count) else { throw inputs.wrongCount("inputs", expected: "1 to 4") }
    guard inputSize >= 1, hiddenSize >= 1, hiddenSize <= Int.max / 8 else {
      throw inputs.invalid("input size \(inputSize), hidden size \(hiddenSize)")
    }
    let places = path.placeCount
    guard (1...WindowAxis.most).contains(places), inputSize <= ValueKind.mostFeatures / places,
      hiddenSize <= ValueKind.mostFeatures / places
    else { throw inputs.invalid("\(places) places of \(inputSize) features, and of \(hiddenSize)") }
    if path.isAlongTime {
      guard inputs[0] == .sequence(features: places * inputSize) else {
        throw inputs.wrongInput(0, expected: "a sequence of \(places * inputSize) features")
      }
    } else {
      let features = try inputs.features().features
      guard features > 0, features % (places * inputSize) == 0,
        features / (places * inputSize) <= ValueKind.mostFeatures / places / hiddenSize
      else { throw inputs.wrongInput(0, expected: "places of \(places) · \(inputSize) features") }
    }
    guard directions.count == direction.count else {
      throw inputs.invalid("\(direction.rawValue) with \(directions.count) weight sets")
    }
    let rows = cell.gateCount * hiddenSize
    for direction in directions {
      try inputs.require(direction.inputWeight, "input weight", shape: [rows, inputSize])
      guard (direction.recurrentWeight != nil) == cell.kind.hasRecurrentWeight else {
        throw inputs.invalid(
          cell.kind.hasRecurrentWeight
            ? "there is no recurrent weight" : "a \(cell.name) has no recurrent weight")
      }
      if let weight = direction.recurrentWeight {
        try inputs.require(weight, "recurrent weight", shape: [rows, outputSize])
      } else if direction.recurrentBias != nil {
        throw inputs.invalid("a \(cell.name) has no recurrent bias")
      }
      if let bias = direction.inputBias { try inputs.require(bias, "input bias", shape: [rows]) }
      if let bias = direction.recurrentBias { try inputs.require(bias, "recurrent bias", shape: [rows]) }
      if let peepholes = direction.peepholes {
        guard let seeing = cell.kind.peepholes else { throw inputs.invalid("peepholes need an LSTM") }
        try inputs.require(peepholes, "peepholes", shape: [seeing.gates.count * hiddenSize])
      }
      for activation in [
        direction.gateActivation, direction.candidateActivation, direction.outputActivation,
      ] where !activation.kind.isOfCells {
        throw inputs.invalid(
          "\(activation.kind.rawValue) is no activation of a cell, only a layer of its own")
      }
      guard (direction.projection != nil) == (projectionSize != nil) else {
        throw inputs.invalid("only one direction has a projection")
      }
      if let projection = direction.projection {
        guard cell.kind.isProjectable else { throw inputs.invalid("a projection needs an LSTM") }
        try inputs.require(projection, "projection", shape: [outputSize, hiddenSize])
      }
    }
    if let clip, !(clip > 0) { throw inputs.invalid("clip \(clip) is not positive") }
    if inputForget, !cell.kind.isCouplable { throw inputs.invalid("input_forget needs an LSTM") }
    if !path.isAlongTime {
      let kind = try inputs.features()
      let rows = kind.features / (places * inputSize)
      let units = rows * direction.count * outputSize
      let states = [kind.with(features: places * units), kind.with(features: units)]
      return cell.hasCellState ? states + [kind.with(features: rows * direction.count * hiddenSize)] : states
    }
    let hidden = ValueKind.vector(features: places * direction.count * outputSize)
    let cellState = ValueKind.vector(features: places * direction.count * hiddenSize)
    if inputs.count > 1, let lengths = inputs[1], lengths != .indices {
      throw inputs.wrongInput(1, expected: "lengths [B]")
    }
    if inputs.count > 2, let state = inputs[2], state != hidden {
      throw inputs.wrongInput(2, expected: "\(hidden)")
    }
    if inputs.count > 3, let state = inputs[3] {
      guard cell.hasCellState else { throw inputs.invalid("only an LSTM has a cell state") }
      guard state == cellState else { throw inputs.wrongInput(3, expected: "\(cellState)") }
    }
    let sequence = ValueKind.sequence(features: places * direction.count * outputSize)
    return cell.hasCellState ? [sequence, hidden, cellState] : [sequence, hidden]
  }
}

extension RecurrentPath {
  /// Nothing for time, so that layers of before have the fingerprints of before.
  fileprivate func write<Fields: FieldWriter>(to fields: inout Fields) throws(Fields.Failure) {
    switch self {
    case .time: break
    case .timeAtPlaces(let count): try fields.integer("timeAtPlaces", count)
    case .places(let count): try fields.integer("places", count)
    }
  }

  fileprivate init<Fields: FieldReader>(from fields: inout Fields) throws(Fields.Failure) {
    let shared = try fields.optionalSize("timeAtPlaces")
    let along = try fields.optionalSize("places")
    self = along.map { .places($0) } ?? shared.map { .timeAtPlaces($0) } ?? .time
  }
}

extension DirectionParameters {
  /// Every tensor that there may be with its role, in canonical order.
  fileprivate var all: [(role: String, tensor: Tensor?)] {
    [
      ("inputWeight", inputWeight), ("recurrentWeight", recurrentWeight), ("inputBias", inputBias),
      ("recurrentBias", recurrentBias), ("peepholes", peepholes), ("projection", projection),
    ]
  }

  /// Every tensor with its role, in canonical order.
  public var tensors: [(role: String, tensor: Tensor)] {
    all.compactMap { role, tensor in tensor.map { (role, $0) } }
  }
}
