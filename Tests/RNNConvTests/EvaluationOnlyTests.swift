import ByteIO
import Foundation
import ONNXFormat
import RNNConv
import Tensors
import TestSupport
import Testing
import Verification

/// Files that are evaluated and not imported: judged by the bounds and the noise of their own evaluator, without a tolerance.
@Suite struct EvaluationOnlyTests {
  private func entries() throws -> [RecordedCase] {
    try RecordedCase.all(in: FixtureTests.folder).filter { FixtureTests.notImportable[$0.name] != nil }
  }

  @Test func `what peers recorded is equal, and a file is equal to itself`() throws {
    let entries = try entries()
    #expect(entries.count >= 14)
    for entry in entries {
      let file = try ModelFile.open(entry.model)
      let options = VerificationOptions(inputs: try entry.inputs())
      let recorded = try file.verify(expected: try entry.outputs(), from: "recorded", options)
      #expect(recorded.verdict <= .equal, "\(entry.name): \(recorded)")
      #expect(recorded.outputs.allSatisfy { $0.maxAllowed > 0 && $0.blindShare < 1e-3 }, "\(entry.name)")
      // On inputs that are made up, too.
      for options in [options, VerificationOptions()] {
        let report = try file.verify(against: try ModelFile.open(entry.model), options)
        #expect(
          report.verdict == .equal && report.outputs.allSatisfy { $0.undecided == 0 },
          "\(entry.name): \(report)")
      }
    }
  }

  @Test func `a weight that is changed a little is proven to be different, as a file and by a recording`()
    throws
  {
    for entry in try entries() {
      var source = try ONNXDecoder.decode(try ByteBuffer.open(path: entry.model), folder: entry.folder.path)
      guard
        let largest = source.graph.initializers.indices.filter({
          source.graph.initializers[$0].tensor.elementType == .float32
        }).max(by: { source.graph.initializers[$0].tensor.count < source.graph.initializers[$1].tensor.count }
        )
      else { continue }
      let tensor = source.graph.initializers[largest].tensor
      // As weights of a bit less precision are.
      source.graph.initializers[largest].tensor = Tensor(
        tensor.floats.map { $0 * (1 + 0x1p-9) }, shape: tensor.shape)
      let changed = try ModelFile(bytes: try ONNXEncoder.encode(source).model, path: "changed.onnx")
      let options = VerificationOptions(inputs: try entry.inputs())
      let file = try ModelFile.open(entry.model)
      let report = try file.verify(against: changed, options)
      #expect(
        report.verdict == .different && report.outputs.contains(where: \.isProven), "\(entry.name): \(report)"
      )
      let recorded = try changed.verify(expected: try entry.outputs(), from: "recorded", options)
      #expect(recorded.verdict == .different, "\(entry.name): \(recorded)")
    }
  }

  /// `y` = the place of the largest of x · W, and x at that place of a table.
  private func picking(_ weights: [Float]) throws -> ModelFile {
    let graph = ONNXGraph(
      name: "picking",
      nodes: [
        ONNXNode("MatMul", inputs: ["x", "W"], outputs: ["scores"]),
        ONNXNode("ArgMax", inputs: ["scores"], outputs: ["place"], attributes: ["axis": .int(1)]),
        ONNXNode("Gather", inputs: ["table", "place"], outputs: ["y"]),
        ONNXNode("Sinh", inputs: ["x"], outputs: ["z"]),
      ],
      initializers: [
        .init("W", Tensor(weights, shape: [2, 2])), .init("table", Tensor([0, 100] as [Float], shape: [2])),
      ],
      inputs: [ONNXValueInfo("x", .float32, [.unknown, .fixed(2)])],
      outputs: [ONNXValueInfo("y", .float32, nil), ONNXValueInfo("z", .float32, nil)])
    let model = ONNXModel(irVersion: 8, opsets: ["": 13], graph: graph)
    return try ModelFile(bytes: try ONNXEncoder.encode(model).model, path: "picking.onnx")
  }

  @Test func `what rounding alone picks is inconclusive, and nothing else is`() throws {
    let inputs = ["x": Tensor([0.1, 0.2] as [Float], shape: [1, 2])]
    let options = VerificationOptions(inputs: inputs)
    let z = Tensor([0.10016675, 0.201336] as [Float], shape: [1, 2])
    func verdicts(_ file: ModelFile, y: Float) throws -> [String: Verdict] {
      let report = try file.verify(
        expected: ["y": Tensor([y], shape: [1, 1]), "z": z], from: "recorded", options)
      return Dictionary(uniqueKeysWithValues: report.outputs.map { ($0.name, $0.verdict) })
    }
    // Columns that give the same score, but for the order of what is added: 0.1 · 0.4 + 0.2 · 0.2 = 0.1 · 0.2 + 0.2 · 0.3
    let tied = try picking([0.4, 0.2, 0.2, 0.3])
    #expect(throws: RNNConvError.self) { try tied.model }
    let both = try [0, 100].map { try verdicts(tied, y: $0) }
    #expect(both.map { $0["y"] }.contains(.inconclusive) && !both.map { $0["y"] }.contains(.different))
    #expect(both.allSatisfy { $0["z"] == .equal })
    let certain = try picking([0.4, 0.2, 0.2, 0.2])
    #expect(try verdicts(certain, y: 0)["y"] == .identical)
    #expect(try verdicts(certain, y: 100)["y"] == .different)
  }

  /// `tanh(conv(x))` normalised, through a square root of its own; what no import takes beside. The batch normalisation stands for itself, or
  /// is folded into the convolution as an optimiser does it, in Float32.
  private func normalised(
    epsilon: Float, isFolded: Bool, changing change: ([Float]) -> [Float] = { $0 }
  ) throws -> ModelFile {
    let (channels, kernel) = (16, 3)
    var generator = SeededGenerator(seed: 5)
    let bias = generator.floats(channels, scale: 0.5)
    let mean = generator.floats(channels, scale: 0.5)
    let beta = generator.floats(channels, scale: 0.5)
    let gamma = generator.floats(channels, scale: 0.2).map { $0 + 1 }
    let variance = generator.floats(channels, scale: 0.4).map { $0 + 1 }
    var weight = change(generator.floats(channels * channels * kernel, scale: 0.15))
    var conv = bias
    if isFolded {
      for channel in 0..<channels {
        let factor = gamma[channel] / (variance[channel] + epsilon).squareRoot()
        conv[channel] = (bias[channel] - mean[channel]) * factor + beta[channel]
        for place in channel * channels * kernel..<(channel + 1) * channels * kernel {
          weight[place] *= factor
        }
      }
    }
    func vector(_ values: [Float]) -> Tensor { Tensor(values, shape: [channels]) }
    var nodes = [
      ONNXNode(
        "Conv", inputs: ["x", "W", "b"], outputs: [isFolded ? "n" : "c"], attributes: ["pads": .ints([1, 1])])
    ]
    if !isFolded {
      nodes.append(
        ONNXNode(
          "BatchNormalization", inputs: ["c", "gamma", "beta", "mean", "variance"], outputs: ["n"],
          attributes: ["epsilon": .float(epsilon)]))
    }
    nodes += [
      ONNXNode("Tanh", inputs: ["n"], outputs: ["y"]),
      ONNXNode("Reshape", inputs: ["x", "shape"], outputs: ["grid"]),
      ONNXNode("GridSample", inputs: ["image", "grid"], outputs: ["z"]),
    ]
    var constants: [ONNXGraph.Initializer] = [
      .init("W", Tensor(weight, shape: [channels, channels, kernel])), .init("b", vector(conv)),
      .init("shape", Tensor([1, 1, -1, 2] as [Int64], shape: [4])),
      .init("image", Tensor([1, 2, 3, 4] as [Float], shape: [1, 1, 2, 2])),
    ]
    if !isFolded {
      constants += [
        .init("gamma", vector(gamma)), .init("beta", vector(beta)), .init("mean", vector(mean)),
        .init("variance", vector(variance)),
      ]
    }
    let graph = ONNXGraph(
      name: "normalised", nodes: nodes, initializers: constants,
      inputs: [ONNXValueInfo("x", .float32, [.fixed(2), .fixed(channels), .fixed(12)])],
      outputs: [ONNXValueInfo("y", .float32, nil), ONNXValueInfo("z", .float32, nil)])
    let model = ONNXModel(irVersion: 8, opsets: ["": 17], graph: graph)
    return try ModelFile(bytes: try ONNXEncoder.encode(model).model, path: "normalised.onnx")
  }

  /// The allowance for folded weights is as wide as their rounding, and no wider: what is not folded is evaluated in Float64.
  @Test func `a folded file is equal, and no mistake hides in what folding leaves`() throws {
    var generator = SeededGenerator(seed: 6)
    let options = VerificationOptions(
      inputs: ["x": Tensor(generator.floats(2 * 16 * 12, scale: 1), shape: [2, 16, 12])])
    let original = try normalised(epsilon: 1e-5, isFolded: false)
    #expect(throws: RNNConvError.self) { try original.model }
    let right = try original.verify(against: try normalised(epsilon: 1e-5, isFolded: true), options)
    #expect(right.verdict == .equal && right.outputs.contains { $0.folded > 0 }, "\(right)")
    // And the other way round: then the folded weights are those that are known.
    let turned = try normalised(epsilon: 1e-5, isFolded: true).verify(against: original, options)
    #expect(turned.verdict == .equal, "\(turned)")
    let mistakes: [(String, ModelFile)] = [
      ("epsilon 1e-3", try normalised(epsilon: 1e-3, isFolded: true)),
      ("epsilon 1e-6", try normalised(epsilon: 1e-6, isFolded: true)),
      (
        "half precision",
        try normalised(epsilon: 1e-5, isFolded: true) { $0.map { Float(Float16($0)) } }
      ),
      (
        "a weight",
        try normalised(epsilon: 1e-5, isFolded: true) { [$0[0] * 1.001] + $0.dropFirst() }
      ),
    ]
    for (name, file) in mistakes {
      let report = try original.verify(against: file, options)
      #expect(report.verdict == .different, "\(name): \(report)")
    }
  }
}
