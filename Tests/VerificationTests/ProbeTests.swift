import Recurrent
import Tensors
import TestSupport
import Testing
import Verification

@Suite struct ProbeTests {
  private func probe(_ name: String, _ suite: ProbeSuite, _ model: Model) throws -> Probe {
    try #require(
      try Probe.generated(for: model, seed: 1, suite: suite).first {
        // Sizes, then what is in the rows.
        $0.name.split(separator: " ", maxSplits: 2)[2].split(separator: "/").contains(name[...])
      },
      "\(name)")
  }

  @Test func `larger suites hold the smaller ones`() throws {
    let model = LayerSpecification(.lstm).model(seed: 1, lengths: true)
    let names = try ProbeSuite.allCases.map { suite in
      try Probe.generated(for: model, seed: 1, suite: suite).map(\.name)
    }
    #expect(names[0].count == 3 && names[1].starts(with: names[0]) && names[2].starts(with: names[1]))
  }

  @Test func `ragged lengths reach one step and all of them`() throws {
    let model = LayerSpecification(.gru(resetAfter: true)).model(seed: 2, lengths: true)
    for suite in ProbeSuite.allCases {
      let lengths = try #require(try probe("ragged lengths", suite, model).inputs["lengths"]).integers()
      #expect(lengths.min() == 1 && lengths.max() == 6 && lengths.count == 4)
    }
    let without = try Probe.generated(for: LayerSpecification(.lstm).model(seed: 2), seed: 1)
    #expect(!without.contains { $0.name.contains("ragged") })
  }

  @Test func `a row is zero, then tiny, then below Float32's normal numbers and not zero`() throws {
    let x = try #require(
      try probe("zeros-tiny-denormal", .standard, LayerSpecification(.rnn).model(seed: 3)).inputs["x"])
    #expect(x.shape == [6, 4, 3])
    func row(_ step: Int) -> [Float] { (0..<3).map { abs(x.floats[(step * 4 + 3) * 3 + $0]) } }
    #expect((row(0) + row(1)).allSatisfy { $0 == 0 })
    #expect((row(2) + row(3)).allSatisfy { $0 <= 1e-30 && $0 > 1e-36 })
    #expect((row(4) + row(5)).allSatisfy { $0 < .leastNormalMagnitude && $0 > 0 })
  }

  @Test func `one-hot steps have one feature, wherever the axes put it`() throws {
    var model = LayerSpecification(.rnn).model(seed: 4)
    model.inputs[0].axes = [
      PortAxis([.batch]), PortAxis([.features(stride: 1, count: 3)], size: 3), PortAxis([.time]),
    ]
    let x = try #require(try probe("one-hot", .standard, model).inputs["x"])
    #expect(x.shape == [4, 3, 6])
    for step in 0..<6 {
      #expect((0..<3).map { x.floats[(2 * 3 + $0) * 6 + step] }.sorted() == [0, 0, 1])
    }
  }

  /// All extremes are tried, however many rows the model allows.
  @Test(arguments: [1, 2, 3, 4, 5], [1, 2, 9])
  func `sizes that the model fixes are kept`(_ batch: Int, _ steps: Int) throws {
    var model = LayerSpecification(.lstm).model(seed: 6)
    model.inputs[0].axes[0].size = steps
    model.inputs[0].axes[1].size = batch
    let probes = try Probe.generated(for: model, seed: 1)
    let fillings = Set(probes.flatMap { $0.name.split(separator: " ").last!.split(separator: "/") })
    let faint: Set<Substring> = steps < 3 ? ["zeros", "tiny", "denormal"] : ["zeros-tiny-denormal"]
    #expect(fillings == faint.union(["random", "moving", "saturating", "one-hot"]))
    let rows = fillings.count
    #expect(probes.count <= (rows + batch - 1) / batch + 1, "\(probes.map(\.name))")
    #expect(probes.allSatisfy { $0.inputs["x"]!.shape == [steps, batch, 3] })
  }

  @Test func `tokens reach both ends of the vocabulary`() throws {
    let table = Tensor([Float](repeating: 0.1, count: 30), shape: [10, 3])
    let model = Model(
      inputs: [
        Model.Port(
          name: "ids", value: "ids", elementType: .int64, kind: .tokens,
          axes: [PortAxis([.time]), PortAxis([.batch])])
      ], outputs: [.sequence("e", features: 3)],
      layers: [Layer("embed", .embedding(table: table), inputs: ["ids"], outputs: ["e"])])
    let ids = try #require(try probe("one-hot tokens", .standard, model).inputs["ids"]).integers()
    #expect(ids.first == 0 && ids.last == 9 && ids.allSatisfy { (0..<10).contains($0) })
  }

  @Test func `only the thorough suite is long, and as long as the model's size allows`() throws {
    let model = LayerSpecification(.rnn).model(seed: 5)
    #expect(try probe("long", .thorough, model).inputs["x"]?.shape == [1_000, 1, 3])
    for suite in [ProbeSuite.quick, .standard] {
      let probes = try Probe.generated(for: model, seed: 1, suite: suite)
      #expect(probes.allSatisfy { $0.inputs["x"]!.shape[0] <= 12 })
    }
  }

  @Test func `a window that leaves fewer steps gets more of them`() throws {
    var specification = LayerSpecification(.lstm)
    specification.inputSize = 2
    var model = specification.model(seed: 1)
    let input = model.inputs[0].value
    model.layers[0].inputs[0] = "seen"
    let weight = Tensor([Float](repeating: 0.1, count: 2 * 2 * 30), shape: [2, 2, 30])
    let axis = WindowAxis(size: nil, kernel: 30, stride: 5)
    model.layers.insert(
      Layer(
        "window", .convolution(Convolution(weight: weight, axes: [axis])), inputs: [input], outputs: ["seen"]),
      at: 0)
    let steps = try Set(
      Probe.generated(for: model, seed: 1).map { $0.inputs[model.inputs[0].name]!.shape[0] })
    // 1, 2, 3, 4, 6 and 12 steps of the recurrence.
    #expect(steps == [30, 35, 40, 45, 55, 85])
  }
}
