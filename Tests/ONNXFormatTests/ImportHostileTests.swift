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

  /// Imports the node behind an image `[B, 2, 5, T]`, and runs what comes of it on five steps.
  private static func expectBounded(
    _ operation: String, _ inputs: [String], _ attributes: [String: ONNXAttribute] = [:],
    _ constants: [String: Tensor] = [:], location: SourceLocation = #_sourceLocation
  ) {
    let node = ONNXNode(
      operation, name: "hostile", inputs: inputs, outputs: operation == "Split" ? ["y", "z"] : ["y"],
      attributes: attributes)
    var graph = ONNXGraph(name: "g", nodes: [node])
    graph.inputs = [.init("x", .float32, [.symbol("batch"), .fixed(2), .fixed(5), .symbol("time")])]
    graph.outputs = [.init("y", .float32, nil)]
    graph.initializers = constants.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) }
    let start = ContinuousClock.now
    do throws(ONNXError) {
      let model = try ONNXImporter.importModel(
        ONNXModel(
          irVersion: 8, opsets: ["": operation.hasPrefix("Reduce") && operation != "ReduceSum" ? 13 : 17],
          graph: graph)
      ).model
      // An error is as good: the axes may be taken for others.
      let shape = model.inputs[0].axes.map { $0.size ?? 5 }
      let x = Tensor([Float](repeating: 0.5, count: shape.reduce(1, *)), shape: shape)
      _ = try? forward(model, inputs: [model.inputs[0].name: x], precision: .float32)
    } catch {
      let text = "\(error)"
      #expect(
        ["hostile", "'x'", "'y'"].contains { text.contains($0) }, "\(operation): \(text)",
        sourceLocation: location)
    }
    let taken = ContinuousClock.now - start
    #expect(
      taken < .seconds(20), "\(operation) \(attributes) \(constants): \(taken)", sourceLocation: location)
  }
}
