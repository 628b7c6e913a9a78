internal import Recurrent
internal import Tensors

extension Mistake {
  static let biases: [Mistake] = [
    Mistake("bias-lost", "a bias is lost, or zeros stand for it") { model, purpose in
      lostBiases.flatMap { $0.candidates(in: model, purpose) }
        + (purpose.isMaking ? lostDenseBiases(model) : [])
    },
    Mistake(
      "bias-twice", "a bias is counted twice",
      [
        scaled("the input bias", [.inputBias]), scaled("the recurrent bias", [.recurrentBias]),
        scaled("both biases", [.inputBias, .recurrentBias]),
      ]),
    Mistake(
      "bias-repeated", "one bias stands in for both",
      [
        lossy("the input bias", hasBoth) { layer, d in
          layer.directions[d].recurrentBias = layer.directions[d].inputBias
        },
        lossy("the recurrent bias", hasBoth) { layer, d in
          layer.directions[d].inputBias = layer.directions[d].recurrentBias
        },
      ]),
    Mistake(
      "biases-swapped", "the input bias and the recurrent bias are exchanged",
      [
        // Elsewhere the two are added, so nothing changes.
        .involution("", parts: [.inputBias, .recurrentBias]) {
          !$0.cell.kind.gatesWithTwoBiases.isEmpty
        } _: { layer, d in
          let bias = layer.directions[d].inputBias
          layer.directions[d].inputBias = layer.directions[d].recurrentBias
          layer.directions[d].recurrentBias = bias
        }
      ]),
    Mistake("forget-bias", "the forget gate's bias is shifted by 1", [shifted(1), shifted(-1)]),
  ]

  static let equations: [Mistake] = [
    Mistake(
      "reset-form", "the GRU resets on the other side of the recurrent product",
      [resetForm(after: true), resetForm(after: false)]),
    Mistake("hard-sigmoid", "another sigmoid", sigmoids),
    Mistake(
      "candidate-activation", "another activation of the candidate",
      exchanges(usual, \.candidateActivation) { _ in true }),
    Mistake(
      "output-activation", "another activation of the cell's output",
      exchanges(usual, \.outputActivation) { $0.cell.hasOutputActivation }),
    Mistake(
      "gate-activation", "another activation of the gates",
      exchanges([.sigmoid, .tanh], \.gateActivation) { $0.cell.hasGateActivation }),
    Mistake(
      "activations-lost", "the activations are lost, the defaults taken",
      [
        Change(
          detail: "", fits: { layer in layer.directions.contains { $0.losesActivations(layer.cell) } },
          make: { layer, d in
            layer.directions[d].gateActivation = .sigmoid
            layer.directions[d].candidateActivation = .tanh
            layer.directions[d].outputActivation = .tanh
          })
      ]),
    Mistake(
      "clip-dropped", "the clip is dropped",
      [
        Change(
          detail: "", isPerDirection: false, fits: { $0.clip != nil }, make: { layer, _ in layer.clip = nil })
      ]
    ).recorded("the recording ignores the clip"),
    Mistake(
      "coupling", "the coupling of input and forget gate is lost, or made up",
      [
        .involution("", perDirection: false) {
          $0.cell.kind.isCouplable
        } _: { layer, _ in
          layer.inputForget.toggle()
        }
      ]),
  ]

  private static func lossy(
    _ detail: String, _ fits: @escaping @Sendable (RecurrentLayer) -> Bool, _ make: @escaping Change.Edit
  ) -> Change {
    Change(detail: detail, parts: [.inputBias, .recurrentBias], fits: fits, make: make)
  }

  private static let lostBiases = [
    lossy("the input bias") {
      $0.directions.contains { $0.inputBias != nil }
    } _: { layer, d in
      layer.directions[d].inputBias = nil
    },
    lossy("the recurrent bias") {
      $0.directions.contains { $0.recurrentBias != nil }
    } _: { layer, d in
      layer.directions[d].recurrentBias = nil
    },
    lossy("both biases", hasBoth) { layer, d in
      layer.directions[d].inputBias = nil
      layer.directions[d].recurrentBias = nil
    },
  ]

  private static func lostDenseBiases(_ model: Model) -> [Candidate] {
    model.layers.enumerated().compactMap { index, layer in
      guard case .dense(var dense) = layer.operation, dense.bias != nil else { return nil }
      dense.bias = nil
      let changed = dense
      return Candidate(
        place: "layer '\(layer.name)'", isLossy: true, touches: { $0 == index && $1 == "bias" }
      ) {
        var model = model
        model.layers[index].operation = .dense(changed)
        return model
      }
    }
  }

  @Sendable private static func hasBoth(_ layer: RecurrentLayer) -> Bool {
    layer.directions.contains { $0.inputBias != nil && $0.recurrentBias != nil }
  }

  /// Halving is exact, so this can be taken back.
  private static func scaled(_ detail: String, _ parts: [StackedPart]) -> Change {
    Change(
      detail: detail, parts: parts,
      fits: { layer in parts.allSatisfy { part in layer.directions.contains { $0.holds([part]) } } },
      make: { layer, d in
        layer.directions[d].mapStacked(parts) { $0.changing(0..<$0.shape[0]) { 2 * $0 } }
      },
      mend: { layer, d in
        layer.directions[d].mapStacked(parts) { $0.changing(0..<$0.shape[0]) { $0 / 2 } }
      })
  }

  private static func shifted(_ amount: Double) -> Change {
    @Sendable func shift(_ layer: inout RecurrentLayer, _ d: Int, _ amount: Double) {
      let rows = layer.rows(of: .forget)
      let direction = layer.directions[d]
      if direction.inputBias == nil, let bias = direction.recurrentBias {
        layer.directions[d].recurrentBias = bias.changing(rows) { $0 + amount }
      } else {
        let bias =
          direction.inputBias
          ?? Tensor(
            [Float](repeating: 0, count: layer.cell.gateCount * layer.hiddenSize),
            shape: [layer.cell.gateCount * layer.hiddenSize])
        layer.directions[d].inputBias = bias.changing(rows) { $0 + amount }
      }
    }
    return Change(
      detail: amount > 0 ? "1 too much" : "1 too little", parts: [.inputBias, .recurrentBias],
      fits: { $0.cell.gateOrder.gates.contains(.forget) && !$0.inputForget },
      make: { shift(&$0, $1, amount) }, mend: { shift(&$0, $1, -amount) })
  }

  private static func resetForm(after: Bool) -> Change {
    Change(
      detail: after
        ? "before the product where after it is meant" : "after the product where before it is meant",
      isPerDirection: false, fits: { $0.cell.kind.resetAfter == after },
      make: { layer, _ in layer.cell = .gru(resetAfter: !after) },
      mend: { layer, _ in layer.cell = .gru(resetAfter: after) },
      suffered: { $0.cell.kind.resetAfter == !after })
  }

  private static let usual = [Activation.tanh, .relu, .sigmoid, Activation(.identity)]

  private static let sigmoids: [Change] = exchanges(
    [
      .sigmoid, Activation(.hardSigmoid, alpha: 0.2, beta: 0.5),
      Activation(.hardSigmoid, alpha: 1.0 / 6, beta: 0.5),
    ], \.gateActivation
  ) { $0.cell.hasGateActivation }

  private static func exchanges(
    _ activations: [Activation], _ path: any WritableKeyPath<DirectionParameters, Activation> & Sendable,
    _ fits: @escaping @Sendable (RecurrentLayer) -> Bool
  ) -> [Change] {
    @Sendable func exchange(_ from: Activation, _ to: Activation) -> Change.Edit {
      { layer, d in
        if isSame(layer.directions[d][keyPath: path], from) { layer.directions[d][keyPath: path] = to }
      }
    }
    @Sendable func uses(_ layer: RecurrentLayer, _ activation: Activation) -> Bool {
      fits(layer) && layer.directions.contains { isSame($0[keyPath: path], activation) }
    }
    return activations.flatMap { right in
      activations.filter { $0 != right }.map { wrong in
        Change(
          detail: "\(wrong) where \(right) is meant", fits: { uses($0, right) }, make: exchange(right, wrong),
          mend: exchange(wrong, right), suffered: { uses($0, wrong) })
      }
    }
  }

  /// 1/6 is stored in Float32 by some.
  private static func isSame(_ left: Activation, _ right: Activation) -> Bool {
    left.kind == right.kind && abs(left.alpha - right.alpha) < 1e-6 && abs(left.beta - right.beta) < 1e-6
  }
}

extension DirectionParameters {
  /// Whether there are activations to lose, other than one of those that are exchanged for one another anyway.
  fileprivate func losesActivations(_ cell: Cell) -> Bool {
    var others = candidateActivation == .tanh ? [] : [candidateActivation]
    if cell.hasOutputActivation, outputActivation != .tanh { others.append(outputActivation) }
    let isGateLost =
      cell.hasGateActivation && ![.sigmoid, .tanh].contains(gateActivation)
      && gateActivation.kind != .hardSigmoid
    return others.count > 1 || isGateLost
      || others.count == 1
        && (gateActivation != .sigmoid && cell.hasGateActivation
          || ![.relu, .sigmoid, Activation(.identity)].contains(others[0]))
  }
}
