import Forward
import Recurrent
import Tensors
import TestSupport
import Testing
import Verification

/// Mistakes that were met in the wild, and how they are told.
@Suite struct NamedMistakeTests {
  private func diagnosis(_ left: Model, _ right: Model) throws -> Diagnosis {
    try diagnose(
      left: side(left, "left"), right: side(right, "right"), probes: try Probe.generated(for: left, seed: 1))
  }

  private func zeros(_ tensor: Tensor?) -> Tensor? {
    tensor.map { Tensor([Float](repeating: 0, count: $0.count), shape: $0.shape) }
  }

  @Test func `a bias of zeros is named as lost`() throws {
    let model = LayerSpecification(.lstm).model(seed: 1)
    let both = model.changingRecurrent {
      $0.directions[0].inputBias = zeros($0.directions[0].inputBias)
      $0.directions[0].recurrentBias = zeros($0.directions[0].recurrentBias)
    }
    let found = try diagnosis(model, both)
    #expect(found.isCertain && found.explanations.map(\.mistake) == ["bias-lost"], "\(found.summary)")
    #expect(found.summary.contains("zeros stand for it") && found.summary.contains("both biases"))
    #expect(
      found.places.contains { $0.hasSuffix("forward.bias: zeroed in the right model") }, "\(found.places)")
    let one = model.changingRecurrent {
      $0.directions[0].recurrentBias = zeros($0.directions[0].recurrentBias)
    }
    #expect(try diagnosis(model, one).summary.contains("(layer 'layer': the recurrent bias)"))
    // Of the side that lost it, whichever it is.
    let reversed = try diagnosis(one, model)
    #expect(reversed.isCertain && reversed.suspect == "left", "\(reversed.summary)")
  }

  @Test func `all activations lost together are one mistake, and every one that differs is told`() throws {
    var specification = LayerSpecification(.lstm)
    specification.direction = .bidirectional
    let model = specification.model(seed: 2).withOtherActivations()
    let wrong = specification.model(seed: 2)
    let found = try diagnosis(model, wrong)
    #expect(found.isCertain && found.suspect == "right", "\(found.summary)")
    #expect(found.explanations.map(\.mistake) == ["activations-lost"])
    #expect(
      found.places.contains("layer 'layer', forward.gateActivation: relu against sigmoid"), "\(found.places)")
    #expect(try diagnosis(wrong, model).suspect == "left")
  }

  @Test func `one activation that is lost keeps its name`() throws {
    let wrong = LayerSpecification(.lstm).model(seed: 3)
    let model = wrong.changingRecurrent { $0.directions[0].candidateActivation = .relu }
    #expect(try diagnosis(model, wrong).explanations.map(\.mistake) == ["candidate-activation"])
  }

  @Test(arguments: [Cell.lstm, .gru(resetAfter: true)])
  func `a recording that ignores lengths is told to be the wrong side`(_ cell: Cell) throws {
    let model = LayerSpecification(cell).model(seed: 4, lengths: true)
    let probe = try Probe.generated(for: model, seed: 4).last!
    let ignoring = try #require(Mistake.named("lengths-ignored")?.apply(to: model).first).model
    let expected = try forward(ignoring, inputs: probe.inputs, precision: .float32)
    let found = try diagnose(side(model, "model"), expected: expected, from: "recorded.npz", probe: probe)
    #expect(found.isCertain && found.suspect == "recorded.npz" && found.mended == nil, "\(found.summary)")
    #expect(found.summary.contains("the recording ignores the rows' lengths"), "\(found.summary)")
  }

  @Test func `a recording that ignores the clip is told to be the wrong side`() throws {
    var specification = LayerSpecification(.gru(resetAfter: true))
    specification.clip = 0.2
    let model = specification.model(seed: 5)
    let probe = try Probe.generated(for: model, seed: 5).last!
    let ignoring = model.changingRecurrent { $0.clip = nil }
    let expected = try forward(ignoring, inputs: probe.inputs, precision: .float32)
    let found = try diagnose(side(model, "model"), expected: expected, from: "recorded.npz", probe: probe)
    #expect(found.isCertain && found.suspect == "recorded.npz" && found.mended == nil, "\(found.summary)")
    #expect(found.summary.contains("the recording ignores the clip"), "\(found.summary)")
  }

  @Test func `the last step for the last hidden state is told with what would settle it`() throws {
    var specification = LayerSpecification(.lstm)
    specification.direction = .bidirectional
    var hidden = specification.model(seed: 6)
    hidden.outputs = [hidden.outputs[1]]
    var last = hidden
    last.layers.append(Layer("last", .select(.step(-1)), inputs: ["y"], outputs: ["z"]))
    last.outputs[0].value = "z"
    let found = try diagnosis(last, hidden)
    #expect(found.isCertain && found.explanations.map(\.mistake) == ["selection"], "\(found.summary)")
    #expect(found.suggestion == .select(left: "last", right: "hidden"))
    // Either may be what was meant.
    #expect(found.summary.hasPrefix("certain if left is right"), "\(found.summary)")
  }

  @Test func `layers of other names and order are compared, named and mended`() throws {
    let model = MutationModels.model(for: "layers-swapped", seed: 0)
    var wrong = try #require(
      Mistake.named("gate-order")?.apply(to: model).first { $0.place.hasPrefix("all recurrent layers: ONNX") }
    ).model
    for index in wrong.layers.indices { wrong.layers[index].name += " of another file" }
    let found = try diagnosis(model, wrong)
    #expect(found.isCertain && found.explanations.first?.evidence == .weights, "\(found.summary)")
    let mended = try #require(found.mended)
    #expect(mended.layers[0].name == wrong.layers[0].name)
    #expect(try !model.moves(mended, on: try Probe.generated(for: model, seed: 1)))
  }
}

/// What a tensor was made of, where it is no known mistake.
@Suite struct PatternTests {
  static let size = 8

  private static func transposed(_ values: [Float]) -> [Float] {
    values.indices.map { values[$0 % size * size + $0 / size] }
  }

  static let changes: [(String, @Sendable ([Float]) -> [Float], String)] = [
    ("scaled", { $0.map { $0 * 1.05 } }, "multiplied by 1.05"),
    ("shifted", { $0.map { $0 + 0.125 } }, "shifted by 0.125"),
    ("negated", { $0.map { -$0 } }, "of the other sign"),
    ("zeroed", { $0.map { _ in 0 } }, "zeroed"),
    ("transposed", transposed, "transposed"),
    ("F16", { $0.map { Float(Float16($0)) } }, "rounded to F16"),
    ("bytes", { $0.map { Float(bitPattern: $0.bitPattern.byteSwapped) } }, "with the bytes of each number"),
    ("rows", { Array($0[size...]) + $0[..<size] }, "with its rows in another order"),
    (
      "halves",
      { values in values.indices.map { values[$0 - $0 % size + ($0 % size + size / 2) % size] } },
      "with the halves of its columns exchanged"
    ),
    (
      "columns", { values in values.indices.map { values[$0 - $0 % size + ($0 % size + 1) % size] } },
      "with its columns in another order"
    ),
  ]

  /// The words for one gate's rows of the recurrent kernel, and for all of them.
  @Test(arguments: changes.map(\.0))
  func `a pattern is told, of one gate and of all`(_ name: String) throws {
    let (_, change, words) = try #require(Self.changes.first { $0.0 == name })
    var specification = LayerSpecification(.lstm)
    (specification.hiddenSize, specification.inputSize) = (Self.size, 5)
    let model = specification.model(seed: 9)
    for gates in [[1], [0, 1, 2, 3]] {
      let wrong = model.changingRecurrent { layer in
        var values = layer.directions[0].recurrentWeight!.floats
        for gate in gates {
          let rows = gate * 64..<(gate + 1) * 64
          values.replaceSubrange(rows, with: change(Array(values[rows])))
        }
        layer.directions[0].recurrentWeight = Tensor(values, shape: [32, 8])
      }
      let found = try diagnose(
        left: side(model, "left"), right: side(wrong, "right"),
        probes: try Probe.generated(for: model, seed: 1))
      let line = try #require(found.places.first { $0.contains("forward.recurrentWeight") })
      #expect(line.contains(words), "\(line)")
      #expect(line.contains("the rows of i ") == (gates == [1]), "\(line)")
      #expect(!line.contains("besides") && !line.contains("no pattern"), "\(line)")
    }
  }

  @Test func `noise and single numbers are told as such`() throws {
    var specification = LayerSpecification(.gru(resetAfter: true))
    specification.hiddenSize = Self.size
    let model = specification.model(seed: 10)
    func line(_ change: (inout [Float]) -> Void) throws -> String {
      let wrong = model.changingRecurrent { layer in
        var values = layer.directions[0].recurrentWeight!.floats
        change(&values)
        layer.directions[0].recurrentWeight = Tensor(values, shape: [24, 8])
      }
      let found = try diagnose(
        left: side(model, "left"), right: side(wrong, "right"),
        probes: try Probe.generated(for: model, seed: 1))
      return try #require(found.places.first { $0.contains("recurrentWeight") })
    }
    var generator = SeededGenerator(seed: 11)
    let noise = generator.floats(192, scale: 1e-3)
    #expect(try line { for index in $0.indices { $0[index] += noise[index] } }.contains("no pattern"))
    #expect(try line { $0[19] += 0.5 }.contains("1 of 192 numbers differs (first at [2, 3]: "))
  }
}
