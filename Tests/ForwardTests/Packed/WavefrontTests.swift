import Recurrent
import Tensors
import TestSupport
import Testing

@testable import Forward

@Suite struct WavefrontTests {
  /// Layers one upon another, each with initial states and its last ones asked for.
  private func model(_ specifications: [LayerSpecification]) -> Model {
    var generator = SeededGenerator(seed: 31)
    var input = 5
    var (layers, inputs): ([Layer], [Model.Port]) = ([], [.sequence("y-1", features: input)])
    var outputs: [Model.Port] = []
    for (k, specification) in specifications.enumerated() {
      var specification = specification
      specification.inputSize = input
      let layer = specification.layer(&generator)
      let names = layer.cell == .lstm ? ["h", "c"] : ["h"]
      for (name, size) in zip(names, [layer.outputSize, layer.hiddenSize]) {
        inputs.append(.vector("\(name)\(k)0", features: size))
        outputs.append(.vector("\(name)\(k)", features: size))
      }
      layers.append(
        Layer(
          "layer\(k)", .recurrent(layer), inputs: ["y\(k - 1)", nil] + names.map { "\($0)\(k)0" },
          outputs: ["y\(k)"] + names.map { "\($0)\(k)" }))
      input = layer.outputSize
    }
    outputs.append(.sequence("y\(specifications.count - 1)", features: input))
    return Model(inputs: inputs, outputs: outputs, layers: layers)
  }

  private func sized(_ cell: Cell, _ size: Int, projection: Int? = nil) -> LayerSpecification {
    var specification = LayerSpecification(cell)
    specification.hiddenSize = size
    specification.projectionSize = projection
    specification.scale = 0.3
    return specification
  }

  @Test(arguments: [1, 2], [1203, 1600])
  func `Layers run together give the bits of layers run one after another`(_ batch: Int, _ steps: Int) throws
  {
    let stacks = [
      [sized(.lstm, 33), sized(.lstm, 20)],
      [sized(.lstm, 40, projection: 9), sized(.gru(resetAfter: true), 24), sized(.rnn, 50)],
      [
        sized(.gru(resetAfter: false), 17), sized(.lstm, 30), sized(.gru(resetAfter: true), 31),
        sized(.rnn, 16),
      ],
    ]
    for stack in stacks {
      let model = model(stack)
      #expect(model.stack(at: 0).count == stack.count && model.stack(at: stack.count - 1).isEmpty)
      var generator = SeededGenerator(seed: 32)
      var inputs: [String: Tensor] = [:]
      for port in model.inputs {
        let features = port.kind.features
        inputs[port.name] = generator.tensor(
          port.kind.hasTime ? [steps, batch, features] : [batch, features])
      }
      for precision in Precision.allCases {
        let alone = try forward(model, inputs: inputs, precision: precision, execution: Execution(threads: 1))
        for threads in [2, 3, 8] {
          let execution = Execution(threads: threads)
          let wavefront = Wavefront<Float>(model.stack(at: 0), steps: steps, batch: batch, execution)
          #expect(wavefront?.threads == min(threads, stack.count))
          let together = try forward(model, inputs: inputs, precision: precision, execution: execution)
          #expect(together == alone, "\(stack.count) layers, \(threads) threads, \(precision)")
          let prepared = try PackedModel(model, precision: precision, execution: execution)
          #expect(try prepared.run(inputs) == alone)
        }
      }
    }
  }

  @Test func `Only layers that each read the sequence below from its start make a stack`() {
    let plain = model([sized(.lstm, 8), sized(.lstm, 8), sized(.lstm, 8)])
    #expect(plain.stack(at: 0).count == 3 && plain.stack(at: 1).count == 2)
    func changed(_ change: (inout Model) -> Void) -> Int {
      var model = plain
      change(&model)
      return model.stack(at: 0).count
    }
    // Lengths, a state of the layer below, another layer's sequence, and a reverse direction.
    #expect(changed { $0.layers[1].inputs[1] = "lengths" } == 0)
    #expect(changed { $0.layers[2].inputs[2] = "h0" } == 2)
    #expect(changed { $0.layers[2].inputs[0] = "y0" } == 2)
    #expect(
      changed {
        guard case .recurrent(var layer) = $0.layers[1].operation else { preconditionFailure("no layer") }
        layer.direction = .reverse
        $0.layers[1].operation = .recurrent(layer)
      } == 0)
  }

  @Test
  func `Short sequences, single threads and layers that are shared out themselves run one after another`() {
    func pays(_ size: Int, steps: Int, threads: Int) -> Bool {
      let stack = model([sized(.lstm, size), sized(.lstm, size)]).stack(at: 0)
      return Wavefront<Float>(stack, steps: steps, batch: 1, Execution(threads: threads)) != nil
    }
    #expect(pays(64, steps: 1000, threads: 2))
    #expect(!pays(64, steps: 20, threads: 2) && !pays(64, steps: 1000, threads: 1))
    #expect(!pays(512, steps: 1000, threads: 2))
  }
}
