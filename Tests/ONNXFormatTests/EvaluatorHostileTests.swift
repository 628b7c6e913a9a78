import ByteIO
import ONNXFormat
import Tensors
import Testing

/// Nodes whose attributes or inputs ask for what nobody can give: an error that names the node, soon, and no trap.
@Suite("ONNX evaluator bounds")
struct EvaluatorHostileTests {
  static let extremes: [Int64] = [.min, -1, 0, 1 << 6, 1 << 31, 1 << 32, .max]

  @Test("attributes of convolutions and pools at the edge of 64 bits")
  func windows() {
    let image = ["X": Self.zeros([1, 2, 5, 5]), "W": Self.zeros([2, 2, 3, 3])]
    for operation in ["Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"] {
      let isPool = operation.hasSuffix("Pool")
      let names =
        ["strides", "dilations", "pads", "kernel_shape"] + (isPool ? [] : ["output_padding", "output_shape"])
      for name in names where name.hasPrefix("output") == false || operation == "ConvTranspose" {
        for extreme in Self.extremes {
          for all in [true, false] {
            let count = name == "pads" ? 4 : 2
            var attributes: [String: ONNXAttribute] = isPool ? ["kernel_shape": .ints([3, 3])] : [:]
            attributes[name] = .ints([extreme] + [Int64](repeating: all ? extreme : 1, count: count - 1))
            Self.expectBounded(
              ONNXNode(
                operation, inputs: isPool ? ["X"] : ["X", "W"], outputs: ["y"], attributes: attributes), image
            )
          }
        }
      }
      for extreme in Self.extremes where !isPool {
        let attributes = ["group": ONNXAttribute.int(extreme)]
        Self.expectBounded(
          ONNXNode(operation, inputs: ["X", "W"], outputs: ["y"], attributes: attributes), image)
      }
    }
  }

  @Test("a kernel and padding that are both huge, so that the output is small")
  func hugeKernels() {
    let huge = Int64(Int32.max)
    for operation in ["MaxPool", "AveragePool", "LpPool"] {
      for rank in 1...4 {
        let attributes: [String: ONNXAttribute] = [
          "kernel_shape": .ints([Int64](repeating: huge, count: rank)),
          "pads": .ints([Int64](repeating: huge, count: 2 * rank)),
          "dilations": .ints([Int64](repeating: 2, count: rank)),
        ]
        let node = ONNXNode(operation, inputs: ["X"], outputs: ["y"], attributes: attributes)
        Self.expectBounded(node, ["X": Self.zeros([1, 1] + [Int](repeating: 3, count: rank))])
      }
    }
  }

  @Test("equations whose results, or sums, are far larger than what they read")
  func equations() {
    let names = ["a", "b", "c", "d", "e", "f"]
    let vectors = Dictionary(uniqueKeysWithValues: names.map { ($0, Self.zeros([1 << 10])) })
    for count in 3...6 {
      let given = Array(names.prefix(count))
      for result in [given.joined(), "", "a"] {
        let equation = "\(given.joined(separator: ","))->\(result)"
        let node = ONNXNode(
          "Einsum", inputs: given, outputs: ["y"], attributes: ["equation": .string(equation)])
        Self.expectBounded(node, vectors)
      }
    }
    let image = Self.zeros([1, 2, 3])
    for equation in [
      "", "->", ",", "...", "......->", "a...b...->", "abc->abcd", "abc->aa", "aab->a", "abc->a->b", "ab1->a",
      "a..bc->a",
      String(repeating: "a", count: 1 << 16), String(repeating: ",", count: 1 << 16),
    ] {
      let node = ONNXNode(
        "Einsum", inputs: ["X"], outputs: ["y"], attributes: ["equation": .string(equation)])
      Self.expectBounded(node, ["X": image])
    }
  }

  @Test("weights without elements, of huge sizes")
  func emptyWeights() {
    for shape in [[0, 1, 1 << 30], [1, 0, 1 << 30], [0, 0, 1 << 30], [1 << 30, 0, 1]] {
      // ConvTranspose's first size is that of the image, which would have as many channels.
      for operation in shape[0] > 1 ? ["Conv"] : ["Conv", "ConvTranspose"] {
        for pads in [0, 1 << 30] as [Int64] {
          Self.expectBounded(
            ONNXNode(
              operation, inputs: ["X", "W"], outputs: ["y"], attributes: ["pads": .ints([pads, pads])]),
            ["X": Self.zeros([1, shape[operation == "Conv" ? 1 : 0], 4]), "W": Self.zeros(shape)])
        }
      }
    }
  }

  @Test("numbers of elements, blocks, groups and neighbours at the edge of 64 bits")
  func counts() {
    let image = Self.zeros([1, 4, 2, 2])
    for extreme in Self.extremes {
      for (operation, attribute, inputs) in [
        ("DepthToSpace", "blocksize", 1), ("SpaceToDepth", "blocksize", 1), ("LRN", "size", 1),
        ("GroupNormalization", "num_groups", 3), ("Hardmax", "axis", 1), ("LpNormalization", "p", 1),
        ("LpNormalization", "axis", 1), ("GlobalLpPool", "p", 1), ("Compress", "axis", 2),
      ] {
        let names = ["X", operation == "Compress" ? "flags" : "C", "C"].prefix(inputs)
        let node = ONNXNode(
          operation, inputs: Array(names), outputs: ["y"], attributes: [attribute: .int(extreme)])
        let flags = Tensor([true, false], shape: [2])
        Self.expectBounded(node, ["X": image, "C": Self.zeros([4]), "flags": flags], opset: 21)
      }
      let number = Tensor([extreme], shape: [1])
      Self.expectBounded(
        ONNXNode("TopK", inputs: ["X", "k"], outputs: ["y", "i"]), ["X": image, "k": number])
      Self.expectBounded(
        ONNXNode("EyeLike", inputs: ["X"], outputs: ["y"], attributes: ["k": .int(extreme)]),
        ["X": Self.zeros([3, 3])])
      Self.expectBounded(
        ONNXNode(
          "CenterCropPad", inputs: ["X", "k"], outputs: ["y"], attributes: ["axes": .ints([1])]),
        ["X": image, "k": number])
      let shifts = ["X": Tensor([Int64(5), -5], shape: [2]), "k": number]
      for direction in ["LEFT", "RIGHT"] {
        Self.expectBounded(
          ONNXNode(
            "BitShift", inputs: ["X", "k"], outputs: ["y"], attributes: ["direction": .string(direction)]),
          shifts, opset: 28)
      }
    }
  }

  @Test("scales, sizes and regions that ask for too much, or for no number at all")
  func resizing() {
    let image = ["X": Self.zeros([1, 1, 4, 4])]
    let numbers: [Float] = [0, -1, 1e-30, 1e-3, 1e9, 1e30, .infinity, .nan, -.infinity]
    for mode in ["nearest", "linear", "cubic"] {
      for transformation in ["half_pixel", "half_pixel_symmetric", "align_corners", "tf_crop_and_resize"] {
        let attributes: [String: ONNXAttribute] = [
          "mode": .string(mode), "coordinate_transformation_mode": .string(transformation),
        ]
        for antialias in mode == "nearest" ? [0] : [0, 1] as [Int64] {
          let more = attributes.merging(["antialias": .int(antialias)]) { $1 }
          for number in numbers {
            let roi = Tensor([0, 0, 0, number, 1, 1, 1, 1], shape: [8])
            let scales = Tensor([1, 1, number, 2], shape: [4])
            let plain = Tensor([Float(1), 1, 2, 0.5], shape: [4])
            for (roi, scales) in [(roi, plain), (roi, scales)] {
              Self.expectBounded(
                ONNXNode("Resize", inputs: ["X", "roi", "scales"], outputs: ["y"], attributes: more),
                image.merging(["roi": roi, "scales": scales]) { $1 })
            }
          }
          for extreme in Self.extremes {
            let sizes = Tensor([1, 1, extreme, 1], shape: [4])
            for policy in ["stretch", "not_larger", "not_smaller"] {
              Self.expectBounded(
                ONNXNode(
                  "Resize", inputs: ["X", "roi", "", "sizes"], outputs: ["y"],
                  attributes: more.merging(["keep_aspect_ratio_policy": .string(policy)]) { $1 }),
                image.merging(["sizes": sizes, "roi": Tensor([Float](repeating: 0.5, count: 8), shape: [8])])
                { $1 })
            }
          }
        }
      }
    }
    for number in numbers {
      Self.expectBounded(
        ONNXNode("Upsample", inputs: ["X", "scales"], outputs: ["y"]),
        image.merging(["scales": Tensor([1, 1, number, number], shape: [4])]) { $1 }, opset: 9)
    }
  }

  @Test("lengths, frames and places of signals and grids at the edge of 64 bits")
  func signals() {
    let signal = Self.zeros([1, 8, 1])
    for extreme in Self.extremes {
      let number = Tensor([extreme], shape: [])
      for onesided in [0, 1] as [Int64] {
        for inverse in [0, 1] as [Int64] {
          let attributes: [String: ONNXAttribute] = ["onesided": .int(onesided), "inverse": .int(inverse)]
          Self.expectBounded(
            ONNXNode("DFT", inputs: ["x", "n"], outputs: ["y"], attributes: attributes),
            ["x": signal, "n": number], opset: 20)
          Self.expectBounded(
            ONNXNode("DFT", inputs: ["x", "", "n"], outputs: ["y"], attributes: attributes),
            ["x": signal, "n": number], opset: 20)
        }
        Self.expectBounded(
          ONNXNode(
            "STFT", inputs: ["x", "n", "", "four"], outputs: ["y"], attributes: ["onesided": .int(onesided)]),
          ["x": signal, "n": number, "four": Tensor([Int64(4)], shape: [])])
        Self.expectBounded(
          ONNXNode(
            "STFT", inputs: ["x", "four", "", "n"], outputs: ["y"], attributes: ["onesided": .int(onesided)]),
          ["x": signal, "n": number, "four": Tensor([Int64(4)], shape: [])])
      }
      for operation in ["HannWindow", "HammingWindow", "BlackmanWindow"] {
        Self.expectBounded(ONNXNode(operation, inputs: ["n"], outputs: ["y"]), ["n": number])
      }
      let plain = Tensor([Int64(16)], shape: [])
      for position in 0..<3 {
        var inputs = ["p", "p", "p", "low", "high"]
        inputs[position] = "n"
        let edges = ["low": Tensor([Float(0)], shape: []), "high": Tensor([Float(8)], shape: [])]
        Self.expectBounded(
          ONNXNode("MelWeightMatrix", inputs: inputs, outputs: ["y"]),
          edges.merging(["n": number, "p": plain]) { $1 })
      }
      for (image, block) in [
        ([extreme, 4], [2, 2]), ([4, 4], [extreme, 2]), ([extreme, extreme], [extreme, extreme]),
      ]
        as [([Int64], [Int64])]
      {
        Self.expectBounded(
          ONNXNode("Col2Im", inputs: ["x", "i", "b"], outputs: ["y"]),
          ["x": Self.zeros([1, 4, 9]), "i": Tensor(image, shape: [2]), "b": Tensor(block, shape: [2])])
      }
      Self.expectBounded(
        ONNXNode("AffineGrid", inputs: ["t", "i"], outputs: ["y"]),
        ["t": Self.zeros([1, 2, 3]), "i": Tensor([1, 1, extreme, 2], shape: [4])], opset: 20)
    }
    for place in [Float.nan, .infinity, -.infinity, 1e38, -1e38, 1e10] {
      for padding in ["zeros", "border", "reflection"] {
        for mode in ["linear", "nearest", "cubic"] {
          let attributes: [String: ONNXAttribute] = ["padding_mode": .string(padding), "mode": .string(mode)]
          Self.expectBounded(
            ONNXNode("GridSample", inputs: ["x", "g"], outputs: ["y"], attributes: attributes),
            ["x": Self.zeros([1, 1, 4, 4]), "g": Tensor([place, 0, 0, place], shape: [1, 1, 2, 2])], opset: 20
          )
        }
      }
    }
  }

  @Test("sequences: positions outside, elements of other types, and more than the limit holds")
  func sequences() {
    let x = ["x": Self.zeros([3, 2])]
    let made = ONNXNode("SequenceConstruct", inputs: ["x", "x"], outputs: ["s"])
    for extreme in Self.extremes {
      let constants = x.merging(["n": Tensor([extreme], shape: [])]) { $1 }
      for nodes in [
        [made, ONNXNode("SequenceAt", inputs: ["s", "n"], outputs: ["y"])],
        [
          made, ONNXNode("SequenceErase", inputs: ["s", "n"], outputs: ["t"]),
          ONNXNode("SequenceLength", inputs: ["t"], outputs: ["y"]),
        ],
        [
          made, ONNXNode("SequenceInsert", inputs: ["s", "x", "n"], outputs: ["t"]),
          ONNXNode("SequenceLength", inputs: ["t"], outputs: ["y"]),
        ],
        [
          ONNXNode("SplitToSequence", inputs: ["x", "n"], outputs: ["t"]),
          ONNXNode("SequenceLength", inputs: ["t"], outputs: ["y"]),
        ],
        [
          made,
          ONNXNode("ConcatFromSequence", inputs: ["s"], outputs: ["y"], attributes: ["axis": .int(extreme)]),
        ],
      ] { Self.expectBounded(nodes, constants) }
    }
    // A tensor where a sequence belongs, a sequence where a tensor does, and one as the output of a graph.
    for nodes in [
      [ONNXNode("SequenceLength", inputs: ["x"], outputs: ["y"])],
      [made, ONNXNode("Relu", inputs: ["s"], outputs: ["y"])],
      [made, ONNXNode("Add", inputs: ["x", "s"], outputs: ["y"])],
      [ONNXNode("SequenceConstruct", inputs: ["x"], outputs: ["y"])],
      [
        ONNXNode("SequenceEmpty", inputs: [], outputs: ["s"]),
        ONNXNode("ConcatFromSequence", inputs: ["s"], outputs: ["y"], attributes: ["axis": .int(0)]),
      ],
      [
        ONNXNode("SequenceEmpty", inputs: [], outputs: ["s"], attributes: ["dtype": .int(7)]),
        ONNXNode("SequenceInsert", inputs: ["s", "x"], outputs: ["t"]),
        ONNXNode("SequenceAt", inputs: ["t", "x"], outputs: ["y"]),
      ],
    ] { #expect(Self.expectBounded(nodes, x) != nil, "\(nodes.map(\.operation))") }
    // Each sequence holds the one before twice over, by the tensor that is made of it.
    var nodes = [ONNXNode("Identity", inputs: ["x"], outputs: ["v0"])]
    for step in 0..<40 {
      nodes.append(ONNXNode("SequenceConstruct", inputs: ["v\(step)", "v\(step)"], outputs: ["s\(step)"]))
      nodes.append(
        ONNXNode(
          "ConcatFromSequence", inputs: ["s\(step)"], outputs: ["v\(step + 1)"], attributes: ["axis": .int(0)]
        ))
    }
    nodes.append(ONNXNode("Identity", inputs: ["v40"], outputs: ["y"]))
    guard case .overLimit? = Self.expectBounded(nodes, x) else {
      Issue.record("the sequences are not bounded")
      return
    }
  }

  @Test("heads, windows and positions of attention at the edge of 64 bits")
  func attention() {
    let flat = ["q": Self.zeros([1, 2, 4]), "c": Self.zeros([3, 2])]
    for extreme in Self.extremes {
      for name in [
        "q_num_heads", "kv_num_heads", "left_window_size", "right_window_size", "is_causal",
        "qk_matmul_output_mode",
      ] {
        var attributes: [String: ONNXAttribute] = ["q_num_heads": .int(2), "kv_num_heads": .int(2)]
        attributes[name] = .int(extreme)
        Self.expectBounded(
          ONNXNode("Attention", inputs: ["q", "q", "q"], outputs: ["y"], attributes: attributes), flat,
          opset: 25)
      }
      let lengths = flat.merging(["n": Tensor([extreme], shape: [1])]) { $1 }
      Self.expectBounded(
        ONNXNode(
          "Attention", inputs: ["q", "q", "q", "", "", "", "n"], outputs: ["y"],
          attributes: ["q_num_heads": .int(1), "kv_num_heads": .int(1)]), lengths, opset: 24)
      for name in ["num_heads", "rotary_embedding_dim", "interleaved"] {
        var attributes: [String: ONNXAttribute] = ["num_heads": .int(1)]
        attributes[name] = .int(extreme)
        Self.expectBounded(
          ONNXNode("RotaryEmbedding", inputs: ["q", "c", "c", "p"], outputs: ["y"], attributes: attributes),
          flat.merging(["p": Tensor([extreme, 1], shape: [1, 2])]) { $1 }, opset: 23)
      }
    }
  }

  @Test("heads and sizes of onnxruntime's attention at the edge of 64 bits")
  func fusedAttention() {
    let constants = ["q": Self.zeros([1, 2, 4]), "w": Self.zeros([4, 12]), "none": Self.zeros([1, 0, 4])]
    func run(_ operation: String, _ inputs: [String], _ attributes: [String: ONNXAttribute]) {
      var all: [String: ONNXAttribute] = ["num_heads": .int(2)]
      all.merge(attributes) { $1 }
      Self.expectBounded(
        ONNXNode(operation, domain: "com.microsoft", inputs: inputs, outputs: ["y"], attributes: all),
        constants)
    }
    for extreme in Self.extremes {
      for name in ["num_heads", "unidirectional", "do_rotary", "rotary_embedding_dim"] {
        run("Attention", ["q", "w"], [name: .int(extreme)])
        if !name.contains("rotary") { run("MultiHeadAttention", ["q", "q", "q"], [name: .int(extreme)]) }
      }
      run("Attention", ["q", "w"], ["qkv_hidden_sizes": .ints([extreme, extreme, extreme])])
      run("Attention", ["q", "w"], ["qkv_hidden_sizes": .ints([extreme])])
    }
    run("MultiHeadAttention", ["q", "none", "none"], [:])
    run("MultiHeadAttention", ["q"], [:])
    run("Attention", ["q", "q"], [:])
  }

  // MARK: Running one node

  static func zeros(_ shape: [Int]) -> Tensor {
    Tensor([Float](repeating: 0, count: shape.reduce(1, *)), shape: shape)
  }

  static func expectBounded(
    _ node: ONNXNode, _ constants: [String: Tensor], opset: Int64 = 19,
    location: SourceLocation = #_sourceLocation
  ) {
    expectBounded([node], constants, opset: opset, location: location)
  }

  /// Whatever comes of the nodes, whose output is `y`, comes soon, and an error names one of them or the output.
  @discardableResult
  static func expectBounded(
    _ nodes: [ONNXNode], _ constants: [String: Tensor], opset: Int64 = 19,
    location: SourceLocation = #_sourceLocation
  ) -> ONNXError? {
    var graph = ONNXGraph(name: "g", nodes: nodes)
    graph.initializers = constants.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) }
    graph.outputs = [.init("y", nil, nil)]
    let start = ContinuousClock.now
    var thrown: ONNXError?
    do throws(ONNXError) {
      let model = ONNXModel(irVersion: 8, opsets: ["": opset], graph: graph)
      _ = try ONNXEvaluator(model).run([:], precision: .float32)
    } catch {
      let names = nodes.map(\.operation) + ["'y'"]
      #expect(names.contains { "\(error)".contains($0) }, "\(error)", sourceLocation: location)
      thrown = error
    }
    let taken = ContinuousClock.now - start
    #expect(
      taken < .seconds(20), "\(nodes[0].operation) \(nodes[0].attributes): \(taken)", sourceLocation: location
    )
    return thrown
  }
}
