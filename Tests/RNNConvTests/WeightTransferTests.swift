import ByteIO
import Foundation
import ONNXFormat
import PyTorchFormat
import RNNConv
import StateDicts
import Tensors
import TestSupport
import Testing
import WeightTransfer

/// Weights of a state dict in the graph of an export: what tells where each goes, and what is refused.
@Suite struct WeightTransferTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func random(_ shape: [Int], _ seed: UInt64) -> Tensor {
    var generator = SeededGenerator(seed: seed)
    return Tensor(
      (0..<shape.reduce(1, *)).map { _ in Float(Int.random(in: -64...64, using: &generator)) / 128 },
      shape: shape)
  }

  private func state(_ shapes: [(String, [Int])], seed: UInt64 = 7) -> StateDict {
    StateDict(
      entries: shapes.enumerated().map {
        .init($0.element.0, random($0.element.1, seed &+ UInt64($0.offset)))
      })
  }

  private func graph(
    _ nodes: [ONNXNode], _ weights: [(String, [Int])], inputs: [ONNXValueInfo], output: String = "y"
  ) -> ONNXModel {
    var graph = ONNXGraph(name: "g")
    graph.nodes = nodes.enumerated().map { index, node in
      var node = node
      node.index = index
      return node
    }
    graph.initializers = weights.enumerated().map {
      .init($0.element.0, random($0.element.1, 900 + UInt64($0.offset)))
    }
    graph.inputs = inputs
    graph.outputs = [ONNXValueInfo(output, .float32, nil)]
    return ONNXModel(irVersion: 8, opsets: ["": 17], graph: graph)
  }

  private let rows = [ONNXValueInfo("x", .float32, [.symbol("T"), .symbol("B"), .fixed(4)])]

  private func product(_ x: String, _ w: String, _ y: String, name: String = "") -> ONNXNode {
    ONNXNode("MatMul", name: name, inputs: [x, w], outputs: [y])
  }

  private func files(_ state: StateDict, _ model: ONNXModel) throws -> (weights: ModelFile, graph: ModelFile)
  {
    let weights = try folder.write(ByteBuffer(joining: try PyTorchWriter.encode(state)).array, to: "new.pt")
    let export = try folder.write(
      ByteBuffer(joining: [try ONNXEncoder.encode(model).model]).array, to: "export.onnx")
    return (try ModelFile.open(weights), try ModelFile.open(export))
  }

  // MARK: PyTorch's exports

  @Test func `an export's own weights go back into it byte for byte, and others change nothing else`() throws
  {
    var count = 0
    for entry in try RecordedCase.all(in: FixtureTests.folder)
    where entry.name.hasPrefix("torch-legacy") && FixtureTests.notImportable[entry.name] == nil {
      let export = try ModelFile.open(entry.model)
      let weights = folder.path("\(entry.name).pt")
      // What packs sequences is no state dict.
      guard (try? export.convert(to: weights)) != nil else { continue }
      let same = folder.path("\(entry.name).onnx")
      let (report, _) = try ModelFile.open(weights).convert(like: export, to: same)
      #expect(!report.proven.isEmpty && report.kept.isEmpty, "\(entry.name): \(report)")
      #expect(
        try ByteBuffer.open(path: same).array == ByteBuffer.open(path: entry.model).array, "\(entry.name)")

      // Other weights: the file is as long, and computes what the state dict does.
      var state = try PyTorchFormat.decode(try ByteBuffer.open(path: weights))
      state.entries = state.entries.enumerated().map { index, old in
        StateDict.Entry(old.name, random(old.tensor.shape, UInt64(index)))
      }
      let trained = try folder.write(
        ByteBuffer(joining: try PyTorchWriter.encode(state)).array, to: "\(entry.name)-new.pt")
      let target = folder.path("\(entry.name)-new.onnx")
      let file = try ModelFile.open(trained)
      _ = try file.convert(like: export, to: target)
      let written = try ModelFile.open(target)
      #expect(written.byteCount == export.byteCount)
      // The whole chain, from its architecture in the state dict, against the written file.
      let verdict = try file.verify(against: written).verdict
      #expect(verdict <= .equal, "\(entry.name): \(verdict)")
      count += 1
    }
    #expect(count >= 20)
  }

  // MARK: What tells

  @Test func `a transposed weight without a name is told by the bias beside it, by its node, by its shape`()
    throws
  {
    let weights = state([
      ("one.weight", [4, 4]), ("one.bias", [4]), ("two.weight", [4, 4]), ("three.weight", [2, 4]),
    ])
    let model = graph(
      [
        product("x", "w1", "a"), ONNXNode("Add", inputs: ["a", "one.bias"], outputs: ["b"]),
        product("b", "w2", "c", name: "/two/MatMul"), product("c", "w3", "y"),
      ], [("w1", [4, 4]), ("one.bias", [4]), ("w2", [4, 4]), ("w3", [4, 2])], inputs: rows)
    let transfer = try WeightTransfer(weights, into: model.graph)
    let found = Dictionary(
      uniqueKeysWithValues: transfer.placements.map { ($0.initializer, ($0.recipe, $0.reason)) })
    #expect(found["w1"]?.0 == .transposed("one.weight") && found["w1"]?.1 == .bias)
    #expect(found["w2"]?.0 == .transposed("two.weight") && found["w2"]?.1 == .module)
    #expect(found["w3"]?.0 == .transposed("three.weight") && found["w3"]?.1 == .shape)
    #expect(found["one.bias"]?.1 == .name && transfer.unused.isEmpty)
    #expect(transfer.tensors["w3"] == weights["three.weight"]!.transposed([1, 0]))
  }

  @Test func `two weights of one shape and no name are refused with both names, unless values decide`() throws
  {
    let weights = state([("one.weight", [4, 4]), ("two.weight", [4, 4])])
    var model = graph(
      [product("x", "w1", "a"), product("a", "w2", "y")], [("w1", [4, 4]), ("w2", [4, 4])], inputs: rows)
    let error = #expect(throws: TransferError.self) { try WeightTransfer(weights, into: model.graph) }
    #expect(
      error?.description.contains("'one.weight' or 'two.weight'") ?? false, "\(String(describing: error))")
    // One of them is what it was: then the other is the other.
    model.graph.initializers[1].tensor = weights["one.weight"]!.transposed([1, 0])
    let transfer = try WeightTransfer(weights, into: model.graph)
    #expect(transfer.placements.map(\.recipe) == [.transposed("two.weight"), .transposed("one.weight")])
    #expect(transfer.placements.map(\.reason) == [.shape, .values])
  }

  @Test func `one weight and two places that it may have is refused with both places`() throws {
    let model = graph(
      [product("x", "w1", "a"), product("a", "w2", "y")], [("w1", [4, 4]), ("w2", [4, 4])], inputs: rows)
    let error = #expect(throws: TransferError.self) {
      try WeightTransfer(state([("one.weight", [4, 4])]), into: model.graph)
    }
    #expect(error?.description.contains("'w1' or 'w2'") ?? false, "\(String(describing: error))")
  }

  @Test func `another model is refused by the shape of a name, and by the sizes of a recurrence`() throws {
    let named = graph(
      [ONNXNode("Gather", inputs: ["emb.weight", "x"], outputs: ["y"])], [("emb.weight", [9, 4])],
      inputs: rows)
    #expect(
      throws: TransferError.wrongShape(
        place: "emb.weight", expected: [9, 4], tensor: "emb.weight", found: [12, 4])
    ) { try WeightTransfer(state([("emb.weight", [12, 4])]), into: named.graph) }
    let error = #expect(throws: TransferError.self) {
      try WeightTransfer(lstm(hidden: 3), into: lstmGraph().graph)
    }
    #expect(error?.description.contains("LSTM 4 → 3") ?? false, "\(String(describing: error))")
  }

  @Test func `a BatchNorm folded into a convolution is the one that names tell, and none is guessed`() throws
  {
    let shapes: [(String, [Int])] = [
      ("weight", [3]), ("bias", [3]), ("running_mean", [3]), ("running_var", [3]),
    ]
    func model() -> ONNXModel {
      graph(
        [
          ONNXNode(
            "Conv", name: "/conv1/Conv", inputs: ["x", "k1", "b1"], outputs: ["a"],
            attributes: ["pads": .ints([0, 0])]),
          ONNXNode(
            "Conv", name: "/conv2/Conv", inputs: ["a", "k2", "b2"], outputs: ["y"],
            attributes: ["pads": .ints([0, 0])]),
        ], [("k1", [3, 3, 1]), ("b1", [3]), ("k2", [3, 3, 1]), ("b2", [3])],
        inputs: [ONNXValueInfo("x", .float32, [.symbol("B"), .fixed(3), .symbol("T")])])
    }
    func weights(_ one: String, _ two: String) -> StateDict {
      var weights = state(
        [("conv1.weight", [3, 3, 1]), ("conv2.weight", [3, 3, 1])]
          + [one, two].flatMap { norm in shapes.map { ("\(norm).\($0.0)", $0.1) } })
      weights.entries = weights.entries.map { entry in
        entry.name.hasSuffix("var")
          ? .init(entry.name, Tensor(entry.tensor.floats.map { abs($0) + 0.5 }, shape: [3])) : entry
      }
      return weights
    }
    // Registered behind both: by number, not by what comes next.
    let transfer = try WeightTransfer(weights("bn1", "bn2"), into: model().graph)
    let norms = transfer.placements.compactMap { placement -> String? in
      if case .foldedWeight(let name, let norm) = placement.recipe { "\(name) \(norm.name)" } else { nil }
    }
    #expect(norms == ["conv1.weight bn1", "conv2.weight bn2"])
    #expect(transfer.assumptions.count == 1)
    // Names that say nothing, both norms of one size.
    let error = #expect(throws: TransferError.self) {
      try WeightTransfer(weights("left", "right"), into: model().graph)
    }
    #expect(error?.description.contains("conv1.weight with left") ?? false, "\(String(describing: error))")
    // Folded into convolutions that kept their names: what stands there is no weight of the state dict.
    var named = model()
    for (index, norm) in ["bn2", "bn1"].enumerated() {
      named.graph.nodes[index].name = "node_\(index)"
      named.graph.nodes[index].metadata = ["pkg.torch.onnx.name_scopes": "['', '\(norm)', 'batch_norm']"]
      named.graph.nodes[index].inputs[1] = "conv\(index + 1).weight"
      named.graph.initializers[2 * index].name = "conv\(index + 1).weight"
    }
    let told = try WeightTransfer(weights("bn1", "bn2"), into: named.graph).placements.compactMap {
      placement -> String? in
      if case .foldedWeight(let name, let norm) = placement.recipe { "\(name) \(norm.name)" } else { nil }
    }
    // The node's own word, not the names'.
    #expect(told == ["conv1.weight bn2", "conv2.weight bn1"])
    // Proven: the written nodes against nn.Conv1d and nn.BatchNorm1d.
    let (new, export) = try files(weights("bn1", "bn2"), model())
    let (report, _) = try new.convert(like: export, to: folder.path("folded.onnx"))
    #expect(report.proven == ["conv1", "conv2"] && report.unproven.isEmpty, "\(report)")
  }

  // MARK: Proof

  private func lstm(hidden: Int = 5) -> StateDict {
    state([
      ("rnn.weight_ih_l0", [4 * hidden, 4]), ("rnn.weight_hh_l0", [4 * hidden, hidden]),
      ("rnn.bias_ih_l0", [4 * hidden]), ("rnn.bias_hh_l0", [4 * hidden]),
    ])
  }

  private func lstmGraph(_ attributes: [String: ONNXAttribute] = [:]) -> ONNXModel {
    graph(
      [
        ONNXNode(
          "LSTM", inputs: ["x", "W", "R", "B"], outputs: ["", "y"],
          attributes: attributes.merging(["hidden_size": .int(5)]) { own, _ in own })
      ], [("W", [1, 20, 4]), ("R", [1, 20, 5]), ("B", [1, 40])], inputs: rows)
  }

  @Test func `a graph whose node is no nn.LSTM is disproved, and nothing is written`() throws {
    let (weights, export) = try files(lstm(), lstmGraph())
    let (report, _) = try weights.convert(like: export, to: folder.path("good.onnx"))
    #expect(report.proven == ["rnn"] && report.unproven.isEmpty)
    for attributes: [String: ONNXAttribute] in [
      ["input_forget": .int(1)], ["clip": .float(0.1)],
      ["activations": .strings(["HardSigmoid", "Tanh", "Tanh"])],
      ["direction": .string("reverse")],
    ] {
      let (weights, export) = try files(lstm(), lstmGraph(attributes))
      let path = folder.path("bad.onnx")
      let error = #expect(throws: RNNConvError.self) { try weights.convert(like: export, to: path) }
      guard case .disproved? = error else {
        Issue.record("\(attributes): \(String(describing: error))")
        continue
      }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }

  @Test func `a tensor without a place is a loss, and one that is kept is said`() throws {
    var weights = lstm()
    weights.entries.append(.init("extra.weight", random([2, 2], 5)))
    let (file, export) = try files(weights, lstmGraph())
    let path = folder.path("new.onnx")
    let error = #expect(throws: RNNConvError.self) { try file.convert(like: export, to: path) }
    #expect(error?.description.contains("extra.weight") ?? false)
    var options = ConversionOptions()
    options.allowLoss = true
    _ = try file.convert(like: export, to: path, options)
    var model = lstmGraph()
    model.graph.nodes[0].outputs = ["", "h"]
    model.graph.nodes.append(ONNXNode("Mul", inputs: ["h", "table"], outputs: ["y"], index: 1))
    model.graph.initializers.append(.init("table", random([5], 3)))
    let (new, other) = try files(lstm(), model)
    let (report, _) = try new.convert(like: other, to: folder.path("kept.onnx"))
    #expect(report.kept == ["table [5]"])
  }

  @Test func `weights of a wider type are rounded to the graph's, and that is said`() throws {
    var weights = lstm()
    weights.entries = weights.entries.map { entry in
      .init(entry.name, Tensor(entry.tensor.doubles.map { $0 + 1e-12 }, shape: entry.tensor.shape))
    }
    let (file, export) = try files(weights, lstmGraph())
    let (report, conversion) = try file.convert(like: export, to: folder.path("new.onnx"))
    #expect(conversion.exactness == .rounded && report.proven == ["rnn"], "\(conversion.notes)")
  }

  @Test func `what is no state dict, and what is no graph, is refused`() throws {
    let (file, export) = try files(lstm(), lstmGraph())
    #expect(throws: RNNConvError.self) { try export.convert(like: export, to: folder.path("a.onnx")) }
    #expect(throws: RNNConvError.self) { try file.convert(like: file, to: folder.path("a.onnx")) }
  }
}
