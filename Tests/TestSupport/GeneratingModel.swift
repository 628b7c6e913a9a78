public import Recurrent
internal import Tensors

/// The forms whose output is fed back in.
public enum GeneratingForm: String, Sendable, CaseIterable {
  /// One to many: features start the states, tokens are fed back, a stop token.
  case captioning
  /// One to many: each output is the next input, as it is; a fixed number of steps.
  case drawing
  /// Sequence to sequence: ragged tokens, an encoder of both directions, a bridge of a Dense for each state.
  case translation

  /// A random model of the form, whose cells are `cell`.
  public func model(_ cell: Cell, seed: UInt64, maxSteps: Int = 7) -> Model {
    var generator = SeededGenerator(seed: seed)
    let parts = Parts(cell: cell, generator: generator)
    generator = SeededGenerator(seed: seed &+ 1)
    func dense(_ outputs: Int, _ inputs: Int) -> Layer.Operation {
      .dense(weight: generator.tensor([outputs, inputs], scale: 1.5), bias: generator.tensor([outputs]))
    }
    let starts = parts.states.map { "\($0)_start" }
    switch self {
    case .captioning:
      return Model(
        name: rawValue,
        inputs: [.vector("features", features: 5), .indices("first")],
        outputs: [.tokens("tokens"), .sequence("scores", features: Parts.vocabulary), .indices("steps")],
        layers: starts.map { Layer($0, dense(Parts.hidden, 5), inputs: ["features"], outputs: [$0]) } + [
          Layer(
            "generate", .generate(parts.tokens(&generator, maxSteps)), inputs: ["first"] + starts,
            outputs: ["tokens", "scores", "steps"])
        ])
    case .drawing:
      return Model(
        name: rawValue, inputs: [.vector("start", features: 3)],
        outputs: [.sequence("points", features: 3), .sequence("states", features: Parts.hidden)],
        layers: starts.map {
          Layer($0, .constant(generator.tensor([1, Parts.hidden])), inputs: [], outputs: [$0])
        } + [
          Layer(
            "generate", .generate(parts.vectors(&generator, maxSteps)), inputs: ["start"] + starts,
            outputs: ["points", "states"])
        ])
    case .translation:
      var encoder = LayerSpecification(cell)
      encoder.direction = .bidirectional
      encoder.hiddenSize = 3
      let last = parts.states.map { "\($0)_last" }
      return Model(
        name: rawValue, inputs: [.tokens("words"), .indices("lengths")],
        outputs: [.tokens("tokens"), .sequence("scores", features: Parts.vocabulary), .indices("steps")],
        layers: [
          Layer("table", .embedding(table: generator.tensor([9, 3])), inputs: ["words"], outputs: ["x"]),
          Layer(
            "encoder", .recurrent(encoder.layer(&generator)), inputs: ["x", "lengths"], outputs: [nil] + last),
        ] + zip(starts, last).map { Layer($0, dense(Parts.hidden, 6), inputs: [$1], outputs: [$0]) } + [
          Layer("bos", .constant(Tensor([Int64(2)], shape: [1])), inputs: [], outputs: ["first"]),
          Layer(
            "generate", .generate(parts.tokens(&generator, maxSteps)), inputs: ["first"] + starts,
            outputs: ["tokens", "scores", "steps"]),
        ])
    }
  }
}

/// Bodies of the loops.
private struct Parts {
  static let vocabulary = 6
  static let hidden = 5

  let cell: Cell
  let states: [String]

  init(cell: Cell, generator: SeededGenerator) {
    self.cell = cell
    states = cell == .lstm ? ["h", "c"] : ["h"]
  }

  private func step(_ generator: inout SeededGenerator, outputs: Int) -> [Layer] {
    var specification = LayerSpecification(cell)
    specification.hiddenSize = Self.hidden
    specification.scale = 1.2
    return [
      Layer(
        "cell", .recurrent(specification.layer(&generator)), inputs: ["x", nil] + states,
        outputs: ["y"] + states.map { "\($0)_next" }),
      Layer(
        "head",
        .dense(
          weight: generator.tensor([outputs, Self.hidden], scale: 2), bias: generator.tensor([outputs])),
        inputs: ["y"], outputs: ["scores"]),
    ]
  }

  private var carriedStates: [Generate.Carried] {
    states.map { .init(input: $0, output: "\($0)_next", kind: .vector(features: Self.hidden)) }
  }

  func tokens(_ generator: inout SeededGenerator, _ maxSteps: Int) -> Generate {
    Generate(
      body: [
        Layer(
          "table", .embedding(table: generator.tensor([Self.vocabulary, 3], scale: 2)), inputs: ["token"],
          outputs: ["x"])
      ] + step(&generator, outputs: Self.vocabulary) + [
        Layer("best", .argMax, inputs: ["scores"], outputs: ["next"])
      ],
      carried: [.init(input: "token", output: "next", kind: .tokens)] + carriedStates,
      collected: ["next", "scores"], stop: .init(value: "next", token: 1, padding: 0), maxSteps: maxSteps)
  }

  func vectors(_ generator: inout SeededGenerator, _ maxSteps: Int) -> Generate {
    Generate(
      body: step(&generator, outputs: 3),
      carried: [.init(input: "x", output: "scores", kind: .sequence(features: 3))] + carriedStates,
      collected: ["scores", "h_next"], maxSteps: maxSteps)
  }
}
