import Forward
import Recurrent
import Tensors
import TestSupport
import Verification

/// A model as a side that runs it.
func side(_ model: Model, _ name: String) -> Subject {
  Subject(name: name, model: model, inputNames: model.inputs.map(\.name)) { inputs, precision in
    try forward(model, inputs: inputs, precision: precision)
  }
}

/// Random models in which a mistake can be made.
enum MutationModels {
  /// - Parameter size: of the hidden state; 3 or less makes quick tests, realistic ones have tens.
  static func model(for mistake: String, seed: UInt64, size: Int = 3) -> Model {
    if let model = windowed(for: mistake, seed: seed, size: size) { return model }
    if let model = surrounded(for: mistake, seed: seed, size: size) { return model }
    let turn = Int(seed)
    let all: [Cell] = [.lstm, .gru(resetAfter: true), .rnn, .gru(resetAfter: false)]
    let gated: [Cell] = [.lstm, .gru(resetAfter: true), .lstm, .gru(resetAfter: false)]
    let grus: [Cell] = [.gru(resetAfter: true), .gru(resetAfter: false)]
    let cells: [Cell] =
      switch mistake {
      case "forget-bias", "peephole-order", "peepholes-dropped", "coupling", "states-swapped",
        "output-activation":
        [.lstm]
      case "reset-form", "update-complement": grus
      case "biases-swapped": [.gru(resetAfter: true)]
      case "gate-order", "gate-activation", "hard-sigmoid": gated
      default: all
      }
    let directions: [Direction] =
      switch mistake {
      case "half-not-reversed", "halves-swapped", "directions-swapped": [.bidirectional]
      case "direction-flipped": [.forward, .reverse]
      case "output-not-reversed": [.reverse, .bidirectional]
      default: Direction.allCases
      }
    var specification = LayerSpecification(cells[turn % cells.count])
    specification.direction = directions[turn / cells.count % directions.count]
    specification.hiddenSize = size
    // Weights as PyTorch draws them.
    if size > 8 { (specification.inputSize, specification.scale) = (size, 1 / Float(size).squareRoot()) }
    // Of a square block the reshape is the transpose.
    if mistake == "kernel-reshaped" { specification.inputSize = size + 1 }
    // What is exchanged has one shape: a second layer reads both directions' features.
    if mistake == "layers-swapped", specification.direction == .bidirectional {
      specification.inputSize = 2 * size
    }
    specification.peepholes = specification.cell == .lstm && (mistake.hasPrefix("peephole") || turn % 3 == 0)
    specification.clip = mistake == "clip-dropped" ? 0.2 : nil
    let isPlain = mistake == "axes-swapped"
    var model = specification.model(
      seed: seed, lengths: !isPlain && (mistake == "lengths-ignored" || turn % 2 == 0),
      initialStates: !isPlain && (mistake.contains("state") || turn % 4 == 1))
    if isPlain { model.outputs = [model.outputs[0]] }
    if mistake == "activations-lost" { model = model.withOtherActivations() }
    return mistake == "layers-swapped" || turn % 5 == 4 ? stacked(model, specification, seed) : model
  }

  /// The model with a second layer behind its first output.
  private static func stacked(_ model: Model, _ specification: LayerSpecification, _ seed: UInt64) -> Model {
    var generator = SeededGenerator(seed: seed ^ 0xABCD)
    var specification = specification
    specification.inputSize = specification.direction.count * specification.hiddenSize
    let second = specification.layer(&generator)
    var model = model
    let inputs = model.layers[0].inputs
    model.layers[0].outputs[0] = "between"
    model.layers.append(
      Layer(
        "second", .recurrent(second), inputs: ["between", inputs.count > 1 ? inputs[1] : nil],
        outputs: ["y"]))
    return model
  }
}

extension Model {
  /// What Keras makes of `activation="relu", recurrent_activation="relu"`.
  func withOtherActivations() -> Model {
    changingRecurrent { layer in
      for direction in layer.directions.indices {
        // Of an RNN one activation is all: that relu is lost is another mistake's name.
        layer.directions[direction].candidateActivation = layer.cell == .rnn ? Activation(.softsign) : .relu
        if layer.cell != .rnn { layer.directions[direction].gateActivation = .relu }
        if layer.cell == .lstm { layer.directions[direction].outputActivation = .relu }
      }
    }
  }

  /// The model with each of its recurrent layers changed.
  func changingRecurrent(_ change: (inout RecurrentLayer) -> Void) -> Model {
    var model = self
    for index in model.layers.indices {
      guard case .recurrent(var layer) = model.layers[index].operation else { continue }
      change(&layer)
      model.layers[index].operation = .recurrent(layer)
    }
    return model
  }

  /// The model with `change` added to one number of one of its tensors, drawn at random; and which tensor that is.
  func changingOneNumber(by change: Float, using generator: inout SeededGenerator) -> (Model, role: String) {
    let chosen = Int.random(in: 0..<tensors.count, using: &generator)
    var model = self
    var number = 0
    for index in model.layers.indices {
      model.layers[index].operation = model.layers[index].operation.mapTensors { tensor in
        defer { number += 1 }
        guard number == chosen else { return tensor }
        var values = tensor.floats
        values[Int.random(in: values.indices, using: &generator)] += change
        return Tensor(values, shape: tensor.shape)
      }
    }
    return (model, tensors[chosen].role)
  }

  /// Whether the models compute something else on a probe, by a thousand millionth of an output's range.
  func moves(_ other: Model, on probes: [Probe]) throws -> Bool {
    func own(_ model: Model, _ probe: Probe) -> [String: Tensor] {
      probe.inputs.filter { input in model.inputs.contains { $0.name == input.key } }
    }
    return try probes.contains { probe in
      let mine = try forward(self, inputs: own(self, probe), precision: .float64)
      guard let theirs = try? forward(other, inputs: own(other, probe), precision: .float64) else {
        return true
      }
      return mine.contains { name, tensor in
        guard let found = theirs[name], found.shape == tensor.shape else { return true }
        let range = tensor.doubles.reduce(0) { max($0, abs($1)) }
        return zip(tensor.doubles, found.doubles).contains { !(abs($0 - $1) <= 1e-9 * range) }
      }
    }
  }

  /// The same computation, with the recurrent bias added to the input bias wherever that changes nothing.
  func keepingOneBias() -> Model {
    var model = self
    for index in model.layers.indices {
      guard case .recurrent(var layer) = model.layers[index].operation else { continue }
      // A GRU that resets afterwards needs the recurrent bias of n, its last block, where it is.
      let kept = layer.cell == .gru(resetAfter: true) ? 2 * layer.hiddenSize : Int.max
      for direction in layer.directions.indices {
        guard let input = layer.directions[direction].inputBias?.floats,
          let recurrent = layer.directions[direction].recurrentBias?.floats
        else { continue }
        func bias(_ number: (Int) -> Float) -> Tensor {
          Tensor(input.indices.map(number), shape: [input.count])
        }
        layer.directions[direction].inputBias = bias { $0 < kept ? input[$0] + recurrent[$0] : input[$0] }
        layer.directions[direction].recurrentBias = bias { $0 < kept ? 0 : recurrent[$0] }
      }
      model.layers[index].operation = .recurrent(layer)
    }
    return model
  }
}
