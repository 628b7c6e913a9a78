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
  static func model(for mistake: String, seed: UInt64) -> Model {
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
    specification.hiddenSize = 3
    // Of a square block the reshape is the transpose.
    if mistake == "kernel-reshaped" { specification.inputSize = 4 }
    // What is exchanged has one shape: a second layer reads both directions' features.
    if mistake == "layers-swapped", specification.direction == .bidirectional { specification.inputSize = 6 }
    specification.peepholes = specification.cell == .lstm && (mistake.hasPrefix("peephole") || turn % 3 == 0)
    specification.clip = mistake == "clip-dropped" ? 0.2 : nil
    let isPlain = mistake == "axes-swapped"
    var model = specification.model(
      seed: seed, lengths: !isPlain && (mistake == "lengths-ignored" || turn % 2 == 0),
      initialStates: !isPlain && (mistake.contains("state") || turn % 4 == 1))
    if isPlain { model.outputs = [model.outputs[0]] }
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
