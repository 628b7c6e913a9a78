import Forward
import ONNXFormat
import Recurrent
import Tensors
import Testing

/// Nodes whose attributes or constants ask for what nobody can give: the importer, and a pass of what it makes of them, say so soon,
/// and never trap.
@Suite("ONNX import bounds") struct ImportHostileTests {
  private static let extremes: [Int64] = [
    .min, -(1 << 31), -1, 0, 1, 1 << 14, 1 << 24, 1 << 31, 1 << 40, .max,
  ]

  /// A list of `count` with an extreme at one place, or at all.
  private static func lists(_ extreme: Int64, count: Int) -> [[Int64]] {
    [
      [Int64](repeating: extreme, count: count), [extreme] + [Int64](repeating: 1, count: count - 1),
      [Int64](repeating: 1, count: count - 1) + [extreme],
    ]
  }

  @Test("windows at the edge of 64 bits, along time and along fixed axes")
  func windows() {
    let weight = Tensor([Float](repeating: 0.5, count: 2 * 2 * 9), shape: [2, 2, 3, 3])
    for operation in ["Conv", "MaxPool", "AveragePool", "LpPool", "ConvTranspose"] {
      let isPool = operation.hasSuffix("Pool")
      for name in ["strides", "dilations", "pads", "kernel_shape", "output_padding", "output_shape"] {
        for extreme in Self.extremes {
          for list in Self.lists(extreme, count: name == "pads" ? 4 : 2) {
            var attributes: [String: ONNXAttribute] = isPool ? ["kernel_shape": .ints([3, 3])] : [:]
            if isPool, extreme == 1 { attributes["ceil_mode"] = .int(1) }
            attributes[name] = .ints(list)
            Self.expectBounded(
              operation, isPool ? ["x"] : ["x", "w"], attributes, isPool ? [:] : ["w": weight])
          }
        }
      }
      for extreme in Self.extremes {
        Self.expectBounded(
          operation, isPool ? ["x"] : ["x", "w"],
          isPool
            ? [
              "kernel_shape": .ints([3, 3]), "ceil_mode": .int(extreme), "count_include_pad": .int(extreme),
            ]
            : ["group": .int(extreme)], isPool ? [:] : ["w": weight])
      }
    }
    // A huge kernel with as huge pads has a small result.
    for size in [1 << 14, 1 << 16, 1 << 20, 1 << 24, Int64(Int32.max)] as [Int64] {
      for operation in ["MaxPool", "AveragePool"] {
        Self.expectBounded(
          operation, ["x"],
          ["kernel_shape": .ints([size, size]), "pads": .ints([size - 1, size - 1, size - 1, size - 1])])
        Self.expectBounded(
          operation, ["x"], ["kernel_shape": .ints([1, size]), "pads": .ints([0, size - 1, 0, 0])])
      }
    }
  }

  @Test("constants that say how much: pads, places, shapes, counts")
  func constants() {
    for extreme in Self.extremes {
      func one(_ values: Int64...) -> Tensor { Tensor(values, shape: [values.count]) }
      for mode in ["constant", "reflect", "edge", "wrap"] {
        for list in Self.lists(extreme, count: 8) {
          Self.expectBounded("Pad", ["x", "p"], ["mode": .string(mode)], ["p": Tensor(list, shape: [8])])
        }
        Self.expectBounded(
          "Pad", ["x", "p", "", "a"], ["mode": .string(mode)], ["p": one(1, 1), "a": one(extreme)])
      }
      for position in 1...4 {
        var inputs = ["x", "n", "m", "n", "n"]
        inputs[position] = "e"
        let numbers = ["n": one(1), "m": one(3), "e": one(extreme)]
        Self.expectBounded("Slice", inputs, [:], numbers)
      }
      for axis in -1...4 {
        Self.expectBounded("Gather", ["x", "e"], ["axis": .int(Int64(axis))], ["e": one(extreme, 0)])
        Self.expectBounded(
          "Gather", ["x", "e"], ["axis": .int(Int64(axis))], ["e": Tensor([extreme], shape: [])])
        Self.expectBounded("Split", ["x", "e"], ["axis": .int(Int64(axis))], ["e": one(extreme, 1)])
      }
      for list in Self.lists(extreme, count: 4) {
        for operation in ["Reshape", "Expand", "Tile"] {
          Self.expectBounded(operation, ["x", "e"], [:], ["e": Tensor(list, shape: [4])])
        }
        Self.expectBounded("Reshape", ["x", "e"], ["allowzero": .int(1)], ["e": Tensor(list, shape: [4])])
        Self.expectBounded("Transpose", ["x"], ["perm": .ints(list)])
      }
      for operation in ["Squeeze", "Unsqueeze", "ReduceSum"] {
        Self.expectBounded(operation, ["x", "e"], [:], ["e": one(extreme)])
      }
      for operation in ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"] {
        Self.expectBounded(operation, ["x"], ["axes": .ints([extreme])])
      }
      for operation in ["Softmax", "LogSoftmax", "Flatten", "ArgMax", "LayerNormalization", "Concat"] {
        let inputs =
          operation == "Concat" ? ["x", "x"] : operation == "LayerNormalization" ? ["x", "s"] : ["x"]
        Self.expectBounded(
          operation, inputs, ["axis": .int(extreme)],
          operation == "LayerNormalization" ? ["s": Tensor([1, 1, 1, 1, 1] as [Float], shape: [5])] : [:])
      }
    }
  }

  @Test("numbers that are none: constants of functions and norms")
  func numbers() {
    for number in [Float.nan, .infinity, -.infinity, -1, 0, .greatestFiniteMagnitude, .leastNonzeroMagnitude]
    {
      let two = Tensor([number, 1], shape: [2])
      Self.expectBounded(
        "BatchNormalization", ["x", "c", "c", "c", "c"], ["epsilon": .float(number)], ["c": two])
      for (operation, name) in [
        ("LeakyRelu", "alpha"), ("Elu", "alpha"), ("HardSigmoid", "beta"), ("Selu", "gamma"),
        ("Celu", "alpha"),
        ("ThresholdedRelu", "alpha"),
      ] { Self.expectBounded(operation, ["x"], [name: .float(number)]) }
      for operation in ["Pow", "Div", "Max", "Min", "PRelu", "Mul"] {
        Self.expectBounded(operation, ["x", "n"], [:], ["n": Tensor([number], shape: [])])
      }
      Self.expectBounded(
        "Clip", ["x", "n", "m"], [:], ["n": Tensor([number], shape: []), "m": Tensor([Float(0)], shape: [])])
      Self.expectBounded(
        "Pad", ["x", "p", "n"], [:],
        ["p": Tensor([0, 0, 1, 1, 0, 0, 1, 1] as [Int64], shape: [8]), "n": Tensor([number], shape: [])])
    }
  }

  @Test("scales and sizes of a resized axis that ask for too much, or are none")
  func resizing() {
    let image: [ONNXValueInfo.Dimension] = [.symbol("batch"), .fixed(2), .fixed(5), .fixed(6)]
    let numbers: [Float] = [
      .nan, .infinity, -.infinity, -1, 0, .leastNonzeroMagnitude, 0.4, 0x1p31, 0x1p63, 0x1p64,
      .greatestFiniteMagnitude,
    ]
    for mode in ["nearest", "linear", "cubic"] {
      for coordinates in ["half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"] {
        let attributes: [String: ONNXAttribute] = [
          "mode": .string(mode), "coordinate_transformation_mode": .string(coordinates),
        ]
        for number in numbers {
          for scales in [[1, 1, number, 1], [1, 1, 1, number], [number, 1, 1, 1], [1, number, 1, 1]] {
            for axes in [nil, image] {
              Self.expectBounded(
                "Resize", ["x", "", "s"], attributes, ["s": Tensor(scales, shape: [4])], opset: 13,
                axes: axes)
            }
          }
        }
        for extreme in Self.extremes + [1 << 62] {
          for list in Self.lists(extreme, count: 4) {
            for axes in [nil, image] {
              Self.expectBounded(
                "Resize", ["x", "", "", "n"], attributes, ["n": Tensor(list, shape: [4])], opset: 13,
                axes: axes)
            }
          }
          for policy in ["not_larger", "not_smaller"] {
            Self.expectBounded(
              "Resize", ["x", "", "", "n"],
              attributes.merging([
                "keep_aspect_ratio_policy": .string(policy), "axes": .ints([2, extreme]),
              ]) { $1 }, ["n": Tensor([3, extreme], shape: [2])], opset: 18, axes: image)
          }
        }
      }
    }
    for number in numbers {
      Self.expectBounded(
        "Upsample", ["x", "s"], [:], ["s": Tensor([1, 1, number, number], shape: [4])], opset: 9)
      Self.expectBounded(
        "Resize", ["x", "", "s"], ["mode": .string("cubic"), "cubic_coeff_a": .float(number)],
        ["s": Tensor([1, 1, 2, 1] as [Float], shape: [4])], opset: 13)
    }
  }

  @Test("groups, axes and epsilons of norms, axes of sums, choices")
  func norms() {
    let channels = ["c": Tensor([1, 2] as [Float], shape: [2])]
    for extreme in Self.extremes {
      for opset in [18, 21] as [Int64] {
        Self.expectBounded(
          "GroupNormalization", ["x", "c", "c"], ["num_groups": .int(extreme)], channels, opset: opset)
      }
      for (operation, opset) in [("LayerNormalization", 17), ("RMSNormalization", 23)] as [(String, Int64)] {
        Self.expectBounded(
          operation, ["x", "s"], ["axis": .int(extreme)],
          ["s": Tensor([Float](repeating: 1, count: 5), shape: [5])], opset: opset)
      }
      Self.expectBounded("MeanVarianceNormalization", ["x"], ["axes": .ints([0, extreme])], opset: 13)
      for p in [1, 2, extreme] {
        Self.expectBounded("LpNormalization", ["x"], ["axis": .int(extreme), "p": .int(p)])
      }
      for tensor in [Tensor([extreme], shape: []), Tensor([extreme, 0], shape: [2])] {
        Self.expectBounded(
          "CumSum", ["x", "a"], ["exclusive": .int(extreme), "reverse": .int(extreme)], ["a": tensor])
      }
    }
    for number in [Float.nan, .infinity, -.infinity, -1, 0, .greatestFiniteMagnitude, .leastNonzeroMagnitude]
    {
      let more: [String: ONNXAttribute] = ["epsilon": .float(number)]
      Self.expectBounded("InstanceNormalization", ["x", "c", "c"], more, channels)
      Self.expectBounded(
        "GroupNormalization", ["x", "c", "c"], more.merging(["num_groups": .int(2)]) { $1 }, channels,
        opset: 21)
      for (operation, opset) in [("LayerNormalization", 17), ("RMSNormalization", 23)] as [(String, Int64)] {
        Self.expectBounded(
          operation, ["x", "s"], more.merging(["axis": .int(2)]) { $1 },
          ["s": Tensor([Float](repeating: number, count: 5), shape: [5, 1])], opset: opset)
      }
      for shape in [[], [1], [5, 1], [2, 1, 1], [1, 1, 1, 1, 1], [0], [3]] {
        let flags = Tensor([Bool](repeating: true, count: shape.reduce(1, *)), shape: shape)
        let value = Tensor([Float](repeating: number, count: shape.reduce(1, *)), shape: shape)
        Self.expectBounded("Where", ["f", "x", "v"], [:], ["f": flags, "v": value])
        Self.expectBounded("Where", ["f", "v", "x"], [:], ["f": flags, "v": value])
        Self.expectBounded("Where", ["x", "v", "x"], [:], ["v": value])
      }
    }
  }

  /// A body that hands the image on, or makes more and more of it.
  private static func loop(_ turns: Int64, _ operation: String, _ inputs: [String]) -> ONNXNode {
    let nodes = [
      ONNXNode(
        operation, inputs: inputs, outputs: ["next"],
        attributes: operation == "Concat" ? ["axis": .int(2)] : [:]),
      ONNXNode("Identity", inputs: ["next"], outputs: ["scan"]),
      ONNXNode("Identity", inputs: ["c"], outputs: ["goes"]),
    ]
    var body = ONNXGraph(name: "body", nodes: nodes)
    body.inputs = [.init("i", .int64, []), .init("c", .bool, []), .init("v", .float32, nil)]
    body.outputs = [.init("goes", .bool, nil), .init("next", .float32, nil), .init("scan", .float32, nil)]
    return ONNXNode(
      "Loop", name: "hostile", inputs: ["n", "t", "x"], outputs: ["y", "all"],
      attributes: ["body": .graph(body)])
  }

  @Test("loops of many turns, of bodies that grow, and lists that hold themselves many times over")
  func loops() {
    for extreme in Self.extremes {
      for (operation, inputs) in [
        ("Tanh", ["v"]), ("Add", ["v", "v"]), ("Concat", ["v", "v"]), ("Concat", ["v", "x"]),
      ] {
        Self.expectBounded(
          [Self.loop(extreme, operation, inputs)],
          ["n": Tensor([extreme], shape: []), "t": Tensor([true], shape: [])])
      }
      Self.expectBounded(
        [
          ONNXNode("SequenceConstruct", name: "hostile", inputs: ["x", "x"], outputs: ["s"]),
          ONNXNode("SequenceAt", name: "hostile at", inputs: ["s", "n"], outputs: ["y"]),
        ], ["n": Tensor([extreme], shape: [])])
      Self.expectBounded(
        [
          ONNXNode(
            "SplitToSequence", name: "hostile", inputs: ["x", "n"], outputs: ["s"],
            attributes: ["axis": .int(2)]),
          ONNXNode(
            "ConcatFromSequence", name: "hostile join", inputs: ["s"], outputs: ["y"],
            attributes: ["axis": .int(extreme)]),
        ], ["n": Tensor([extreme], shape: [])])
    }
    for operation in ["ConcatFromSequence", "Concat", "Add"] {
      var nodes: [ONNXNode] = []
      for step in 0..<40 {
        let value = step == 0 ? "x" : "v\(step)"
        if operation == "ConcatFromSequence" {
          nodes.append(
            ONNXNode("SequenceConstruct", name: "hostile", inputs: [value, value], outputs: ["s\(step)"]))
        }
        nodes.append(
          ONNXNode(
            operation, name: "hostile \(step)",
            inputs: operation == "ConcatFromSequence" ? ["s\(step)"] : [value, value],
            outputs: [step == 39 ? "y" : "v\(step + 1)"],
            attributes: operation == "Add" ? [:] : ["axis": .int(2)]))
      }
      Self.expectBounded(nodes, [:])
    }
  }

  /// Imports the node behind an image `[B, 2, 5, T]`, and runs what comes of it on five steps.
  private static func expectBounded(
    _ operation: String, _ inputs: [String], _ attributes: [String: ONNXAttribute] = [:],
    _ constants: [String: Tensor] = [:], opset: Int64? = nil, axes: [ONNXValueInfo.Dimension]? = nil,
    location: SourceLocation = #_sourceLocation
  ) {
    let node = ONNXNode(
      operation, name: "hostile", inputs: inputs, outputs: operation == "Split" ? ["y", "z"] : ["y"],
      attributes: attributes)
    expectBounded(
      [node], constants,
      opset: opset ?? (operation.hasPrefix("Reduce") && operation != "ReduceSum" ? 13 : 17),
      axes: axes, location: location)
  }

  private static func expectBounded(
    _ nodes: [ONNXNode], _ constants: [String: Tensor], opset: Int64 = 17,
    axes: [ONNXValueInfo.Dimension]? = nil,
    location: SourceLocation = #_sourceLocation
  ) {
    var graph = ONNXGraph(name: "g", nodes: nodes)
    graph.inputs = [
      .init("x", .float32, axes ?? [.symbol("batch"), .fixed(2), .fixed(5), .symbol("time")])
    ]
    graph.outputs = [.init("y", .float32, nil)]
    graph.initializers = constants.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) }
    let what = "\(nodes.map(\.operation).prefix(3)) \(nodes[0].attributes) \(constants)"
    let start = ContinuousClock.now
    do throws(ONNXError) {
      let model = try ONNXImporter.importModel(ONNXModel(irVersion: 8, opsets: ["": opset], graph: graph))
        .model
      // An error is as good: the axes may be taken for others.
      let shape = model.inputs[0].axes.map { $0.size ?? 5 }
      let x = Tensor([Float](repeating: 0.5, count: shape.reduce(1, *)), shape: shape)
      _ = try? forward(model, inputs: [model.inputs[0].name: x], precision: .float32)
    } catch {
      let text = "\(error)"
      #expect(
        ["hostile", "'x'", "'y'"].contains { text.contains($0) }, "\(what): \(text)", sourceLocation: location
      )
    }
    let taken = ContinuousClock.now - start
    #expect(taken < .seconds(20), "\(what): \(taken)", sourceLocation: location)
  }
}
