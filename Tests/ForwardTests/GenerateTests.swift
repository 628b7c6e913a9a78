import Forward
import Recurrent
import Tensors
import TestSupport
import Testing

private let cells: [Cell] = Cell.all

/// Inputs of `GeneratingForm.model` for a batch.
private func inputs(_ form: GeneratingForm, batch: Int, seed: UInt64) -> [String: Tensor] {
  var generator = SeededGenerator(seed: seed)
  func integers(_ range: ClosedRange<Int64>, _ shape: [Int]) -> Tensor {
    Tensor((0..<shape.reduce(1, *)).map { _ in Int64.random(in: range, using: &generator) }, shape: shape)
  }
  switch form {
  case .captioning:
    return ["features": generator.tensor([batch, 5], scale: 2), "first": integers(0...5, [batch])]
  case .drawing: return ["start": generator.tensor([batch, 3])]
  case .translation: return ["words": integers(0...8, [4, batch]), "lengths": integers(1...4, [batch])]
  }
}

/// A chain without rounding: the token after t is t + 1, after the last one 0.
private func counting(to vocabulary: Int, from table: Tensor? = nil, stop: Int64, maxSteps: Int) -> Model {
  var next = [Float](repeating: 0, count: vocabulary * vocabulary)
  for token in 0..<vocabulary { next[token * vocabulary + (token + 1) % vocabulary] = 1 }
  let body = [
    Layer(
      "next", .embedding(table: table ?? Tensor(next, shape: [vocabulary, vocabulary])), inputs: ["token"],
      outputs: ["scores"]),
    Layer("best", .argMax, inputs: ["scores"], outputs: ["following"]),
  ]
  let generate = Generate(
    body: body, carried: [.init(input: "token", output: "following", kind: .tokens)],
    collected: ["following", "scores"], stop: .init(value: "following", token: stop, padding: -7),
    maxSteps: maxSteps)
  return Model(
    inputs: [.indices("first")],
    outputs: [.tokens("tokens"), .sequence("scores", features: vocabulary), .indices("steps")],
    layers: [
      Layer("loop", .generate(generate), inputs: ["first"], outputs: ["tokens", "scores", "steps"])
    ])
}

@Suite struct GenerateTests {
  @Test(arguments: Precision.allCases)
  func `Rows stop at their own step, and padding follows`(_ precision: Precision) throws {
    let model = counting(to: 6, stop: 4, maxSteps: 9)
    let found = try forward(
      model, inputs: ["first": Tensor([Int64(0), 3, 2], shape: [3])], precision: precision)
    // By hand: 1 2 3 4 | 4 | 3 4
    #expect(try found["tokens"]!.integers() == [1, 4, 3, 2, -7, 4, 3, -7, -7, 4, -7, -7])
    #expect(found["tokens"]!.shape == [4, 3])
    #expect(try found["steps"]!.integers() == [4, 1, 2])
    let scores = found["scores"]!.doubles
    #expect(scores[6..<12].allSatisfy { $0 == 0 } == false, "the stop token's own scores are there")
    #expect(scores[24..<30].allSatisfy { $0 == 0 }, "row 1, step 1 is behind its end")
  }

  @Test func `Without reaching the stop token a row makes all steps`() throws {
    let model = counting(to: 6, stop: 5, maxSteps: 3)
    let found = try forward(model, inputs: ["first": Tensor([Int64(5), 3], shape: [2])], precision: .float32)
    #expect(try found["tokens"]!.integers() == [0, 4, 1, 5, 2, -7])
    #expect(try found["steps"]!.integers() == [3, 2])
  }

  /// The loop written out: each step a pass of its own through the body, as a model of one step.
  @Test(arguments: cells, GeneratingForm.allCases)
  func `The loop is its body, pass by pass, bit for bit`(_ cell: Cell, _ form: GeneratingForm) throws {
    let model = form.model(cell, seed: 3)
    guard let layer = model.layers.last, case .generate(let generate) = layer.operation else {
      Issue.record("no loop")
      return
    }
    let given = inputs(form, batch: 4, seed: 4)
    let whole = try forward(model, inputs: given, precision: .float32)

    // What the loop starts from: the model without it.
    var before = model
    before.layers.removeLast()
    before.outputs = zip(layer.inputs, generate.carried).map { input, carried in
      carried.outerKind.isInteger ? .indices(input!) : .vector(input!, features: carried.kind.features)
    }
    var carried = try forward(before, inputs: given, precision: .float32)
    carried = Dictionary(
      uniqueKeysWithValues: zip(generate.carried, layer.inputs).map { ($0.input, carried[$1!]!) })
    let kinds = try generate.valueKinds(of: "body")
    func port(_ value: String) -> Model.Port {
      switch kinds[value]! {
      case .sequence(let features): .sequence(value, features: features)
      case .vector(let features): .vector(value, features: features)
      case .tokens: .tokens(value)
      case .indices: .indices(value)
      }
    }
    let step = Model(
      inputs: generate.carried.map { port($0.input) },
      outputs: Set(generate.carried.map(\.output) + generate.collected).sorted().map(port),
      layers: generate.body)
    var ended = [false, false, false, false]
    let steps = try whole["steps"]?.integers() ?? [Int64](repeating: 7, count: 4)
    let (first, second) = (whole[model.outputs[0].name]!, whole[model.outputs[1].name]!)
    #expect(first.shape[0] > 0)
    for n in 0..<first.shape[0] {
      for value in generate.carried where value.kind.hasTime {
        let tensor = carried[value.input]!
        if tensor.shape.first != 1 || tensor.shape.count < 2
          || !value.kind.isInteger && tensor.shape.count < 3
        {
          carried[value.input] = try tensor.reshaped([1] + tensor.shape)
        }
      }
      let made = try forward(step, inputs: carried, precision: .float32)
      for (collected, found) in zip(generate.collected, [first, second]) {
        let width = made[collected]!.count / 4
        for row in 0..<4 where !ended[row] {
          let ours = found.doubles[(n * 4 + row) * width..<(n * 4 + row + 1) * width]
          #expect(
            Array(ours) == Array(made[collected]!.doubles[row * width..<(row + 1) * width]),
            "step \(n), row \(row)")
        }
      }
      for row in 0..<4 { ended[row] = n + 1 >= steps[row] }
      carried = Dictionary(uniqueKeysWithValues: generate.carried.map { ($0.input, made[$0.output]!) })
    }
  }

  @Test(arguments: cells, GeneratingForm.allCases)
  func `Each row of a batch is the row run alone, bit for bit`(_ cell: Cell, _ form: GeneratingForm) throws {
    let model = form.model(cell, seed: 5)
    let all = inputs(form, batch: 6, seed: 6)
    for precision in Precision.allCases {
      let whole = try forward(model, inputs: all, precision: precision)
      for row in 0..<6 {
        var own: [String: Tensor] = [:]
        for port in model.inputs {
          let tensor = all[port.name]!
          own[port.name] = port.kind.hasTime ? tensor.row(row, axis: 1) : tensor.row(row, axis: 0)
        }
        let alone = try forward(model, inputs: own, precision: precision)
        for port in model.outputs {
          let ours = whole[port.name]!.row(row, axis: port.kind.hasTime ? 1 : 0)
          let steps = alone[port.name]!.shape[0]
          #expect(
            ours.rows(0..<(port.kind.hasTime ? steps : 1)) == alone[port.name]!, "\(port.name), row \(row)")
          // Behind its own steps: padding, which is 0 here.
          if port.kind.hasTime {
            #expect(ours.rows(steps..<ours.shape[0]).doubles.allSatisfy { $0 == 0 })
          }
        }
      }
    }
  }

  @Test(arguments: cells, GeneratingForm.allCases)
  func `Float32 passes lie within the bounds, and decided tokens are the same`(
    _ cell: Cell, _ form: GeneratingForm
  ) throws {
    for seed in UInt64(0)..<4 {
      let model = form.model(cell, seed: seed)
      let given = inputs(form, batch: 5, seed: seed)
      let bounded = try boundedForward(model, inputs: given, rounding: .float32)
      let found = try forward(model, inputs: given, precision: .float32)
      var decided = 0
      for (name, bound) in bounded where found[name]!.shape == bound.shape {
        for (index, number) in found[name]!.doubles.enumerated() {
          #expect(bound.contains(number, at: index), "\(name) \(index): \(number)")
          if bound.errors[index] < .infinity { decided += 1 }
        }
      }
      #expect(decided > 0, "the bounds say nothing")
    }
  }

  @Test func `A tie that rounding decides leaves everything behind it unknown`() throws {
    // Token 1's two best scores are one ulp apart: no evaluation may be held to either.
    var next = [Float](repeating: 0, count: 16)
    next[0 * 4 + 1] = 1
    next[1 * 4 + 2] = 1
    next[1 * 4 + 3] = Float(1).nextUp
    next[2 * 4 + 3] = 1
    next[3 * 4 + 0] = 1
    var model = counting(to: 4, from: Tensor(next, shape: [4, 4]), stop: 3, maxSteps: 4)
    guard case .generate(var generate) = model.layers[0].operation else {
      Issue.record("no loop")
      return
    }
    // A Dense of ones brings rounding in.
    let identity = Tensor([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] as [Float], shape: [4, 4])
    generate.body.insert(
      Layer("same", .dense(weight: identity, bias: nil), inputs: ["scores"], outputs: ["rounded"]), at: 1)
    generate.body[2].inputs = ["rounded"]
    model.layers[0].operation = .generate(generate)
    let bounded = try boundedForward(
      model, inputs: ["first": Tensor([Int64(0), 3], shape: [2])], rounding: .float32)
    let tokens = bounded["tokens"]!
    // Row 0: token 1 is certain, what follows it is not. Row 1: 0 and 1 are certain, then the same.
    #expect(tokens.errors[0] == 0 && tokens.errors[2] == .infinity)
    #expect(tokens.errors[1] == 0 && tokens.errors[3] == 0)
    #expect(bounded["steps"]!.errors == [.infinity, .infinity])
    let scores = bounded["scores"]!
    #expect(scores.errors[0..<4].allSatisfy { $0 < .infinity })
    for step in 2..<tokens.shape[0] {
      #expect(scores.errors[(step * 8)..<(step * 8 + 4)].allSatisfy { $0 == .infinity }, "step \(step)")
    }
  }

  @Test func `A loop cannot stream`() throws {
    let error = #expect(throws: ForwardError.self) {
      _ = try StepSession(GeneratingForm.drawing.model(.rnn, seed: 1), batch: 1, precision: .float32)
    }
    #expect(error?.description.contains("generate") ?? false)
  }

  @Test func `A token that the table does not hold is named with its layer`() throws {
    let error = #expect(throws: ForwardError.self) {
      _ = try forward(
        counting(to: 4, stop: 3, maxSteps: 2), inputs: ["first": Tensor([Int64(4)], shape: [1])],
        precision: .float32)
    }
    #expect(error == .tokenOutOfRange(layer: "next", step: 0, row: 0, token: 4, vocabulary: 4))
  }
}

/// Every layer that a ragged batch goes through, with lengths.
@Suite struct RaggedTests {
  @Test(arguments: specifications.indices)
  func `Each row of a ragged batch is the row run alone, bit for bit`(_ index: Int) throws {
    let specification = specifications[index]
    let recurrent = specification.model(seed: 7, lengths: true, initialStates: true)
    // Many to one at the last valid step, and a head on every frame.
    var model = recurrent
    var generator = SeededGenerator(seed: 8)
    let features = recurrent.outputs[0].kind.features
    model.layers += [
      Layer("last", .select(.lastValid), inputs: ["y", "lengths"], outputs: ["last"]),
      Layer(
        "one", .dense(weight: generator.tensor([2, features]), bias: nil), inputs: ["last"], outputs: ["one"]),
      Layer(
        "many", .dense(weight: generator.tensor([2, features]), bias: nil), inputs: ["y"], outputs: ["many"]),
      Layer("back", .reverse, inputs: ["many", "lengths"], outputs: ["back"]),
    ]
    model.outputs += [
      .vector("one", features: 2), .sequence("many", features: 2), .sequence("back", features: 2),
    ]
    let lengths: [Int64] = [3, 7, 1, 5]
    let all = randomInputs(model, steps: 7, batch: 4, lengths: lengths, seed: 9)
    for precision in Precision.allCases {
      let whole = try forward(model, inputs: all, precision: precision)
      for (row, length) in lengths.enumerated() {
        var own: [String: Tensor] = [:]
        for port in model.inputs {
          let tensor = all[port.name]!.row(row, axis: port.kind.hasTime ? 1 : 0)
          own[port.name] = port.kind.hasTime ? tensor.rows(0..<Int(length)) : tensor
        }
        let alone = try forward(model, inputs: own, precision: precision)
        for port in model.outputs {
          var ours = whole[port.name]!.row(row, axis: port.kind.hasTime ? 1 : 0)
          if port.kind.hasTime { ours = ours.rows(0..<Int(length)) }
          #expect(ours == alone[port.name]!, "\(specification.text), \(port.name), row \(row)")
        }
      }
    }
  }
}

extension Tensor {
  /// One row of the batch, which is on `axis`; that axis stays, of size 1.
  fileprivate func row(_ row: Int, axis: Int) -> Tensor {
    if axis == 0 { return rows(row..<(row + 1)) }
    var permutation = Array(shape.indices)
    permutation.swapAt(0, axis)
    return transposed(permutation).rows(row..<(row + 1)).transposed(permutation)
  }
}
