import ByteIO
import StateDicts
import Tensors
import TestSupport
import Testing

/// From names and shapes to an architecture: what is inferred, what is assumed and said to be, what is refused.
@Suite struct InferenceTests {
  private func state(_ shapes: KeyValuePairs<String, [Int]>, isOrdered: Bool = true) -> StateDict {
    StateDict(
      entries: shapes.map { name, shape in
        .init(name, Tensor([Float](repeating: 0, count: shape.reduce(1, *)), shape: shape))
      }, isOrdered: isOrdered)
  }

  private func recurrent(_ inference: Inference) throws -> Architecture.Recurrent {
    try #require(
      inference.architecture.steps.lazy.compactMap { step -> Architecture.Recurrent? in
        if case .recurrent(let module) = step { module } else { nil }
      }.first)
  }

  private func refusal(_ state: StateDict, _ options: ArchitectureOptions = .init()) -> String {
    let error = #expect(throws: StateDictError.self) { try Inference(state, options) }
    return error.map { "\($0)" } ?? ""
  }

  @Test(arguments: [
    ([16, 3], [16, 4], "LSTM"), ([12, 3], [12, 4], "GRU"), ([4, 3], [4, 4], "RNN_TANH"),
    // 12 rows are 4·3 for H = 3 and 3·4 for H = 4: the columns decide.
    ([12, 3], [12, 3], "LSTM"), ([12, 9], [12, 12], "RNN_TANH"),
  ])
  func `the hidden size decides the kind of cell`(input: [Int], hidden: [Int], mode: String) throws {
    let module = try recurrent(Inference(state(["x.weight_ih_l0": input, "x.weight_hh_l0": hidden])))
    #expect(module.mode.rawValue == mode)
    #expect(module.hiddenSize == hidden[1] && module.inputSize == input[1])
  }

  @Test(arguments: [
    // v = ((3, 4), (6, 8)): its rows have the norms 5 and 10, its columns √45 and √80.
    ([2, 1], [10, 10], [6, 8, 6, 8]), ([1, 2], [45, 80], [20.1246, 35.7771, 40.2492, 71.5542]),
    ([], [125], [33.5410, 44.7214, 67.0820, 89.4427]),
  ])
  func `weight norm is folded over the axis that its magnitudes leave`(
    shape: [Int], magnitudes: [Int], expected: [Double]
  ) throws {
    for (g, v) in [
      ("a.weight_hh_l0_g", "a.weight_hh_l0_v"),
      ("a.parametrizations.weight_hh_l0.original0", "a.parametrizations.weight_hh_l0.original1"),
    ] {
      let state = StateDict(entries: [
        .init(v, Tensor([3, 4, 6, 8] as [Float], shape: [2, 2])),
        .init(g, Tensor(magnitudes.map(Float.init), shape: shape)),
      ])
      let folded = state.withWeightNormFolded()
      #expect(folded.entries.map(\.name) == ["a.weight_hh_l0"] && folded.derived.count == 1)
      let values = try #require(folded["a.weight_hh_l0"]).doubles
      #expect(values.count == expected.count)
      #expect(zip(values, expected).allSatisfy { abs($0 - $1) < 1e-4 * $1 }, "\(values)")
    }
  }

  @Test func `what only looks like weight norm stays as it is`() throws {
    for (names, shapes) in [
      (["a.weight_g", "a.weight_v"], [[3, 1], [2, 2]]), (["a.weight_g"], [[2, 1]]),
      (["a.weight", "a.weight_g", "a.weight_v"], [[2, 2], [2, 1], [2, 2]]),
      (["a.gate_g", "a.gate_v"], [[2, 1], [2, 2]]),
      (["a.weight_g", "a.weight_v"], [[2, 1, 1], [2, 2, 2]]),
      (["original0", "original1"], [[2, 1], [2, 2]]),
    ] {
      let state = StateDict(
        entries: zip(names, shapes).map { name, shape in
          .init(name, Tensor([Float](repeating: 1, count: shape.reduce(1, *)), shape: shape))
        })
      #expect(state.withWeightNormFolded() == state, "\(names)")
    }
  }

  @Test func `a projection decides the hidden size`() throws {
    let module = try recurrent(
      Inference(
        state(["weight_ih_l0": [16, 3], "weight_hh_l0": [16, 2], "weight_hr_l0": [2, 4]])))
    #expect(module.mode == .lstm && module.hiddenSize == 4 && module.projectionSize == 2)
  }

  @Test func `cells and exported arrays are recognised by their names`() throws {
    for (names, module) in [
      (["cell.weight_ih", "cell.weight_hh", "cell.bias_ih", "cell.bias_hh"], "cell"),
      (["enc_w_ih", "enc_w_hh", "enc_b_ih", "enc_b_hh"], "enc"),
      (["a.b.weight_ih_l0", "a.b.weight_hh_l0", "a.b.bias_ih_l0", "a.b.bias_hh_l0"], "a.b"),
      (["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"], ""),
    ] {
      let shapes = [[12, 3], [12, 4], [12], [12]]
      let entries = zip(names, shapes).map { name, shape in
        StateDict.Entry(name, Tensor([Float](repeating: 0, count: shape.reduce(1, *)), shape: shape))
      }
      let found = try recurrent(Inference(StateDict(entries: entries)))
      #expect(found.name == module && found.mode == .gru && found.layers[0][0].hiddenBias == names[3])
    }
  }

  @Test func `a nonlinearity for modules that have none to choose is refused`() {
    var options = ArchitectureOptions()
    options.nonlinearity = "relu"
    let text = refusal(state(["weight_ih_l0": [12, 3], "weight_hh_l0": [12, 4]]), options)
    #expect(text.contains("no module is an nn.RNN"))
  }

  @Test func `everything that is taken for granted is said, with the option that settles it`() throws {
    let bare = state([
      "rnn.weight_ih_l0": [4, 3], "rnn.weight_hh_l0": [4, 4], "fc.weight": [2, 4], "fc.bias": [2],
    ])
    let assumed = try Inference(bare).findings.filter { $0.kind == .assumed }.compactMap(\.setting)
    #expect(Set(assumed) == [.nonlinearity, .select, .head, .batchFirst])

    var options = ArchitectureOptions()
    options.nonlinearity = "relu"
    options.select = .last
    options.head = [.softmax]
    options.batchFirst = true
    let settled = try Inference(bare, options)
    #expect(!settled.findings.isEmpty && settled.findings.allSatisfy { $0.kind == .inferred })
    #expect(try recurrent(settled).mode == .rnnReLU)
    #expect(settled.architecture.batchFirst)
    #expect(settled.architecture.steps.suffix(3).first == .select(.last))
    #expect(settled.architecture.steps.last == .activation(.softmax))
  }

  @Test func `an embedding before and Linears behind are found by their sizes`() throws {
    let tagger = state([
      "emb.weight": [11, 5], "rnn.weight_ih_l0": [16, 5], "rnn.weight_hh_l0": [16, 4], "fc.weight": [3, 4],
      "fc.bias": [3],
    ])
    let steps = try Inference(tagger).architecture.steps
    #expect(steps.first == .embedding(.init(name: "emb", weight: "emb.weight")))
    #expect(steps.last == .linear(.init(name: "fc", weight: "fc.weight", bias: "fc.bias")))
  }

  @Test func `between two Linears nothing is guessed`() throws {
    let two = state([
      "rnn.weight_ih_l0": [16, 5], "rnn.weight_hh_l0": [16, 4], "a.weight": [3, 4], "a.bias": [3],
      "b.weight": [2, 3],
      "b.bias": [2],
    ])
    #expect(refusal(two).contains("`.head` relu,none"))
    var options = ArchitectureOptions()
    options.head = [.relu]
    #expect(refusal(two, options).contains("1 activations, there are 2 Linears"))
    options.head = [.relu, nil]
    #expect(try Inference(two, options).architecture.steps.count == 4)
  }

  @Test func `modules that do not feed one another are not joined`() throws {
    let both = state([
      "enc.weight_ih_l0": [12, 5], "enc.weight_hh_l0": [12, 4], "emb.weight": [9, 5],
      "dec.weight_ih_l0": [12, 5],
      "dec.weight_hh_l0": [12, 4], "fc.weight": [9, 4],
    ])
    #expect(refusal(both).contains("'enc' (GRU, 5 → 4); 'dec' (GRU, 5 → 4)"))
    var options = ArchitectureOptions()
    options.modules = ["emb", "dec", "fc"]
    let chosen = try Inference(both, options)
    #expect(chosen.architecture.steps.count == 3)
    #expect(
      chosen.findings.filter { $0.kind == .unread }.map(\.subject) == [
        "enc.weight_ih_l0", "enc.weight_hh_l0",
      ])
    options.modules = ["emb", "nothing"]
    #expect(refusal(both, options).contains("there is no module 'nothing'; there are enc, emb, dec, fc"))
    options.modules = ["enc", "dec"]
    #expect(refusal(both, options).contains("takes 5 features, what comes before gives 4"))
  }

  @Test func `what stands between modules and is none of ours ends the chain`() throws {
    let normalised = state([
      "rnn.weight_ih_l0": [16, 5], "rnn.weight_hh_l0": [16, 4], "norm.weight": [4], "norm.bias": [4],
      "norm.running_mean": [4], "norm.running_var": [4], "fc.weight": [3, 4], "fc.bias": [3],
    ])
    let inference = try Inference(normalised)
    #expect(inference.architecture.steps.count == 1)
    #expect(inference.findings.filter { $0.kind == .unread }.count == 6)
  }

  @Test func `norms of the width that flows are taken for LayerNorm, and that is said`() throws {
    let shapes: KeyValuePairs<String, [Int]> = [
      "before.weight": [5], "before.bias": [5], "a.weight_ih_l0": [16, 5], "a.weight_hh_l0": [16, 4],
      "between.weight": [4], "between.bias": [4], "b.weight_ih_l0": [12, 4], "b.weight_hh_l0": [12, 4],
      "after.weight": [4], "after.bias": [4], "fc.weight": [3, 4], "last.weight": [3], "last.bias": [3],
    ]
    let inference = try Inference(state(shapes))
    let norms = inference.architecture.steps.enumerated().compactMap { index, step in
      if case .layerNorm(let names, let epsilon) = step, epsilon == 1e-5 {
        "\(index) \(names.name)"
      } else {
        nil
      }
    }
    #expect(norms == ["0 before", "2 between", "4 after", "6 last"])
    #expect(inference.architecture.steps.count == 7)
    let assumed = inference.findings.filter { $0.kind == .assumed }.map(\.subject)
    #expect(assumed.filter { ["before", "between", "after", "last"].contains($0) }.count == 4)
    #expect(inference.findings.allSatisfy { $0.kind != .unread })
    // A weight alone may be an RMSNorm's; a norm of another width belongs elsewhere.
    for other in [["norm.weight": [4]], ["norm.weight": [3], "norm.bias": [3]]] as [KeyValuePairs] {
      var all: [(String, [Int])] = [("rnn.weight_ih_l0", [16, 5]), ("rnn.weight_hh_l0", [16, 4])]
      all += other.map { ($0.key, $0.value) }
      let left = try Inference(
        StateDict(
          entries: all.map {
            .init($0.0, Tensor([Float](repeating: 0, count: $0.1.reduce(1, *)), shape: $0.1))
          }))
      #expect(left.findings.contains { $0.kind == .unread && $0.subject == "norm.weight" })
    }
  }

  @Test func `a pickled module's class says whether it is a LayerNorm, and with what eps`() throws {
    func inference(_ className: String) throws -> Inference {
      var given = state([
        "rnn.weight_ih_l0": [16, 5], "rnn.weight_hh_l0": [16, 4], "norm.weight": [4], "norm.bias": [4],
      ])
      var module = Hyperparameters(className: className)
      module.epsilon = 1e-3
      given.modules["norm"] = module
      return try Inference(given)
    }
    let own = try inference("torch.nn.modules.normalization.LayerNorm")
    guard case .layerNorm(_, epsilon: 1e-3)? = own.architecture.steps.last else {
      Issue.record("\(own.architecture.steps)")
      return
    }
    #expect(!own.findings.contains { $0.kind == .assumed && $0.subject == "norm" })
    // Others compute something else under that name: T5's is a root mean square.
    for name in [
      "__main__.LayerNorm", "transformers.models.t5.T5LayerNorm", "torch.nn.modules.normalization.GroupNorm",
    ] {
      #expect(try inference(name).findings.filter { $0.kind == .unread }.count == 2, "\(name)")
    }
  }

  @Test func `sorted names are put in order by sizes, and that is said`() throws {
    let sorted = state(
      [
        "embedding.weight": [11, 5], "fc.bias": [3], "fc.weight": [3, 4], "rnn.weight_hh_l0": [16, 4],
        "rnn.weight_ih_l0": [16, 5],
      ], isOrdered: false)
    let inference = try Inference(sorted)
    #expect(inference.architecture.steps.count == 3)
    #expect(inference.findings.contains { $0.subject == "order" && $0.kind == .assumed })
  }

  @Test func `weights that contradict each other are refused`() throws {
    let cases: [(KeyValuePairs<String, [Int]>, String)] = [
      (["fc.weight": [3, 4]], "no recurrent weights"),
      (["weight_ih_l0": [16, 3]], "no weight_hh"),
      (["weight_hh_l0": [16, 4]], "no weight_ih"),
      (["weight_ih_l0": [20, 3], "weight_hh_l0": [20, 4]], "4·H, 3·H or H rows"),
      (["weight_ih_l0": [12, 3], "weight_hh_l0": [16, 4]], "expected [16, 3]"),
      (["weight_ih_l0": [16, 3], "weight_hh_l0": [16, 4], "bias_ih_l0": [4]], "expected [16]"),
      (
        [
          "weight_ih_l0": [16, 3], "weight_hh_l0": [16, 4], "weight_ih_l2": [16, 4], "weight_hh_l2": [16, 4],
        ], "0 to 2"
      ),
      (
        [
          "weight_ih_l0": [16, 3], "weight_hh_l0": [16, 4], "weight_ih_l1": [16, 3], "weight_hh_l1": [16, 4],
        ], "[16, 4]"
      ),
      (
        [
          "weight_ih_l0": [16, 3], "weight_hh_l0": [16, 4], "weight_ih_l1": [12, 4], "weight_hh_l1": [12, 4],
        ], "layer 1 is GRU"
      ),
      (["weight_ih_l0_reverse": [16, 3], "weight_hh_l0_reverse": [16, 4]], "forward and reverse"),
      (["weight_ih_l0": [12, 3], "weight_hh_l0": [12, 2], "weight_hr_l0": [2, 4]], "only an LSTM"),
      (["weight_ih_l0": [16, 3], "weight_hh_l0": [16]], "not a matrix"),
      (["weight_ih_l999999": [16, 3], "weight_hh_l999999": [16, 4]], "0 to 999999"),
      (["x.weight_ih": [16, 3], "x.weight_ih_l0": [16, 3], "x.weight_hh": [16, 4]], "twin"),
    ]
    for (shapes, word) in cases {
      let text = refusal(state(shapes))
      #expect(text.contains(word), "\(text)")
    }
  }

  @Test func `an architecture in the file is checked against its tensors`() throws {
    var valid = state(["rnn.weight_ih_l0": [16, 3], "rnn.weight_hh_l0": [16, 4]])
    let architecture = try Inference(valid).architecture
    valid.metadata[Architecture.metadataKey] = architecture.json
    #expect(try Inference(valid).architecture == architecture)
    for (text, word) in [
      ("{", "byte"), ("[]", "batch_first"), (#"{"batch_first":true,"steps":[],"inputs":1}"#, "inputs"),
      (architecture.json.replacing("\"rnn\"", with: "\"other\""), "'other'"),
      (architecture.json.replacing("LSTM", with: "GRU"), "not GRU"),
      (architecture.json.replacing("recurrent", with: "secret"), "unknown kind"),
    ] {
      valid.metadata[Architecture.metadataKey] = text
      let message = refusal(valid)
      #expect(message.contains(word), "\(message)")
    }
  }
}
