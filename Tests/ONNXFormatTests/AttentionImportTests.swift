import ByteIO
import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// Masks of attention and its operators, each held against what the evaluator makes of the same nodes.
@Suite struct AttentionImportTests {
  /// Scores `s` `[B, T, T]` of a recurrence's `h` `[B, T, 4]`, their sizes `z`, and what is made of `m`, the masked ones.
  private static let scores = [
    node("Transpose", ["x"], "h", ["perm": .ints([1, 0, 2])]),
    node("Transpose", ["x"], "k", ["perm": .ints([1, 2, 0])]), node("MatMul", ["h", "k"], "s"),
    node("Shape", ["s"], "z"), node("Slice", ["z", "one1", "three1"], "d"),
  ]
  private static let tail = [
    node("Softmax", ["m"], "w", ["axis": .int(-1)]), node("MatMul", ["w", "h"], "y"),
  ]
  private static let constants = [
    "one1": integers(1), "three1": integers(3), "zero1": integers(0), "two1": integers(2),
    "zero": Tensor([0] as [Int64], shape: []), "one": Tensor([1] as [Int64], shape: []),
    "outside": floats(-.infinity, shape: []), "far": floats(-1e9, shape: []),
    "none": floats(0, shape: []), "table": triangle(8, shape: [8, 8]), "zeros2": integers(0, 0),
    "axes2": integers(0, 1),
  ]

  private static func triangle(_ steps: Int, shape: [Int], near: Float = 1, far: Float = 0) -> Tensor {
    Tensor((0..<(steps * steps)).map { $0 % steps <= $0 / steps ? near : far }, shape: shape)
  }

  private static let ones = node(
    "ConstantOfShape", ["d"], "ones", ["value": .tensor(Tensor([1] as [Float], shape: [1]))])
  private static let counted = [
    node("Gather", ["z", "one"], "n"), node("Range", ["zero", "n", "one"], "r"),
    node("Unsqueeze", ["r", "one1"], "rows"), node("Unsqueeze", ["r", "zero1"], "columns"),
  ]

  /// The masked scores, in the ways in which exporters and people write them.
  static let causal: [String: [ONNXNode]] = [
    "trilu, added": [
      ones, node("Trilu", ["ones"], "t", ["upper": .int(0)]), node("Equal", ["t", "none"], "c"),
      node("Where", ["c", "outside", "none"], "a"), node("Add", ["s", "a"], "m"),
    ],
    "triu of -inf": [
      node(
        "ConstantOfShape", ["d"], "f", ["value": .tensor(Tensor([-.infinity] as [Float], shape: [1]))]),
      node("Trilu", ["f", "one"], "a"), node("Add", ["a", "s"], "m"),
    ],
    "booleans": [
      ones, node("Trilu", ["ones", "one"], "t"), node("Cast", ["t"], "c", ["to": .int(9)]),
      node("Not", ["c"], "e"), node("Unsqueeze", ["e", "zero1"], "u"),
      node("Where", ["u", "s", "far"], "m"),
    ],
    "columns up to rows": counted + [
      node("LessOrEqual", ["columns", "rows"], "c"), node("Where", ["c", "s", "outside"], "m"),
    ],
    "columns behind rows": counted + [
      node("Greater", ["columns", "rows"], "c"), node("Where", ["c", "outside", "s"], "m"),
    ],
    "rows before columns": counted + [
      node("Less", ["rows", "columns"], "c"), node("Where", ["c", "outside", "s"], "m"),
    ],
    "rows from one on": counted + [
      node("Add", ["rows", "one"], "next"), node("Less", ["columns", "next"], "c"),
      node("Where", ["c", "s", "outside"], "m"),
    ],
    "a table cut": [
      node("Slice", ["table", "zeros2", "d", "axes2"], "t"), node("Equal", ["t", "none"], "c"),
      node("Where", ["c", "far", "s"], "m"),
    ],
  ]

  private func imported(
    _ nodes: [ONNXNode], opset: Int64 = 17, within: Double = 1e-9
  ) throws -> [Layer.Operation] {
    let used = Set(nodes.flatMap(\.inputs))
    return try AroundRecurrence.imported(
      nodes, Self.constants.filter { used.contains($0.key) }, opset: opset, within: within)
  }

  @Test(arguments: causal.keys.sorted())
  func `a mask of the steps behind a query's own is the layer's`(_ way: String) throws {
    let found = try imported(Self.scores + Self.causal[way]! + Self.tail)
    #expect(found == [.attention(Attention(heads: 1, isCausal: true))])
  }

  @Test func `a constant of a fixed number of steps is the same mask`() throws {
    let mask = Self.triangle(5, shape: [1, 5, 5], near: 0, far: -.infinity)
    let nodes = Array(Self.scores.prefix(3)) + [node("Add", ["s", "mask"], "m")] + Self.tail
    let found = try AroundRecurrence.imported(nodes, ["mask": mask], fixed: 5)
    #expect(found == [.attention(Attention(heads: 1, isCausal: true))])
    let other = Self.triangle(5, shape: [5, 5], near: 0, far: -1)
    #expect(throws: ONNXError.self) { try AroundRecurrence.imported(nodes, ["mask": other], fixed: 5) }
  }

  @Test func `a mask that is off by a step, or hides too little, is refused by what it shows`() throws {
    let wrong: [(nodes: [ONNXNode], words: String)] = [
      (
        [
          Self.ones, node("Trilu", ["ones", "zero"], "t"), node("Cast", ["t"], "c", ["to": .int(9)]),
          node("Where", ["c", "outside", "s"], "m"),
        ], "up to its own − 1"
      ),
      (
        Self.counted + [
          node("Less", ["columns", "rows"], "c"), node("Where", ["c", "s", "outside"], "m"),
        ], "up to its own − 1"
      ),
      (
        Self.counted + [
          node("Greater", ["columns", "rows"], "c"), node("Where", ["c", "s", "outside"], "m"),
        ], "does not leave out"
      ),
      (
        [
          Self.ones, node("Trilu", ["ones", "one"], "t"), node("Add", ["s", "t"], "m"),
        ], "−10000 and less"
      ),
      (
        [
          Self.ones, node("Trilu", ["ones", "one"], "t"), node("Cast", ["t"], "c", ["to": .int(9)]),
          node("Where", ["c", "none", "s"], "m"),
        ], "it sets scores to 0.0"
      ),
    ]
    for (nodes, words) in wrong {
      let error = #expect(throws: ONNXError.self) { try imported(Self.scores + nodes + Self.tail) }
      #expect("\(try #require(error))".contains(words), "\(String(describing: error))")
    }
    // Behind the softmax it is too late.
    let late =
      Self.scores + Self.counted + [
        node("Softmax", ["s"], "w", ["axis": .int(-1)]), node("LessOrEqual", ["columns", "rows"], "c"),
        node("Where", ["c", "w", "outside"], "m"), node("MatMul", ["m", "h"], "y"),
      ]
    #expect(throws: ONNXError.self) { try imported(late) }
  }

  @Test func `causal attention, with a mask of its keys or without, is written and read as the same model`()
    throws
  {
    var model = try AroundRecurrence.model([.activation(.sigmoid)])
    let (h, value) = (model.layers[0].outputs[0], model.outputs[0].value)
    let plain = model
    model.layers.append(
      Layer(
        "attend", .attention(Attention(heads: 2, isCausal: true)), inputs: [value, h, value],
        outputs: ["attended"]))
    model.outputs = [.sequence("attended", features: 4)]
    try AroundRecurrence.roundTrip(model, opsets: [12, 13, 17, 23])
    #expect(throws: ONNXError.self) { try ONNXExporter.export(model, opset: 11) }
    for isCausal in [false, true] {
      var masked = plain
      masked.layers += [
        Layer("part", .slice(start: 1, count: 1), inputs: [h], outputs: ["part"]),
        Layer(
          "shown", .arithmetic(.notLess, constant: floats(-0.5), constantFirst: false), inputs: ["part"],
          outputs: ["shown"]),
        Layer(
          "attend", .attention(Attention(heads: 2, isCausal: isCausal)), inputs: [value, h, value, "shown"],
          outputs: ["attended"]),
      ]
      masked.outputs = [.sequence("attended", features: 4)]
      try AroundRecurrence.roundTrip(masked, opsets: [12, 17], steps: [])
      let file = try ONNXExporter.export(masked, opset: 17).model
      #expect(file.graph.nodes.contains { $0.operation == "Where" })
    }
  }

  @Test func `the operator of ONNX: causal, shared heads, a scale, four axes, a mask`() throws {
    let h = node("Transpose", ["x"], "h", ["perm": .ints([1, 0, 2])])
    // 1/√2 is a constant of Float32 in the model.
    func layers(_ nodes: [ONNXNode]) throws -> [Layer.Operation] {
      try imported([h] + nodes, opset: 23, within: 1e-7)
    }
    let heads: [String: ONNXAttribute] = ["q_num_heads": .int(2), "kv_num_heads": .int(2)]
    let causal = try layers([
      node("Attention", ["h", "h", "h"], "y", heads.merging(["is_causal": .int(1)]) { $1 })
    ])
    #expect(causal.last == .attention(Attention(heads: 2, isCausal: true)))
    #expect(causal.count == 2)
    let plain = try layers([
      node("Attention", ["h", "h", "h"], "y", heads.merging(["scale": .float(1)]) { $1 })
    ])
    #expect(plain == [.attention(Attention(heads: 2))])
    let shared = try layers([
      node("Slice", ["h", "zero1", "two1", "two1"], "k"),
      node(
        "Attention", ["h", "k", "k"], "y",
        ["q_num_heads": .int(2), "kv_num_heads": .int(1), "scale": .float(0.5)]),
    ])
    #expect(shared.last == .attention(Attention(heads: 2)))
    let masked = try layers(
      Array(Self.counted(of: "h")) + [
        node("LessOrEqual", ["columns", "rows"], "c"),
        node("Attention", ["h", "h", "h", "c"], "y", heads),
      ])
    #expect(masked.last == .attention(Attention(heads: 2, isCausal: true)))
    for (name, attribute) in [("softcap", ONNXAttribute.float(2)), ("is_causal", .float(1))] {
      #expect(throws: ONNXError.self) {
        try layers([node("Attention", ["h", "h", "h"], "y", heads.merging([name: attribute]) { $1 })])
      }
    }
    #expect(throws: ONNXError.self) { try layers([node("Attention", ["h", "h", "h"], "y")]) }
  }

  private static func counted(of value: String) -> [ONNXNode] {
    [node("Shape", [value], "z")] + counted
  }

  /// As onnxruntime's optimiser for transformers writes it.
  @Test(arguments: [0, 1] as [Int64])
  func `operators of onnxruntime: one product for all three, or three inputs and a bias`(_ isCausal: Int64)
    throws
  {
    var generator = SeededGenerator(seed: 3)
    func fused(_ operation: String, _ inputs: [String]) -> ONNXNode {
      ONNXNode(
        operation, domain: "com.microsoft", inputs: inputs, outputs: ["y"],
        attributes: ["num_heads": .int(2), "unidirectional": .int(isCausal)])
    }
    for (operation, inputs) in [
      ("Attention", ["h", "w", "b"]), ("MultiHeadAttention", ["h", "h", "h", "b"]),
    ] {
      var file = try ONNXExporter.export(AroundRecurrence.recurrence(), opset: 17).model.followed(
        by: [node("Transpose", ["x"], "h", ["perm": .ints([1, 0, 2])]), fused(operation, inputs)],
        ["w": generator.tensor([4, 12]), "b": generator.tensor([12])].filter { inputs.contains($0.key) })
      file.graph.outputs[0].shape = nil
      file.opsets["com.microsoft"] = 1
      let model = try ONNXImporter.importModel(file).model
      #expect(model.layers.last?.operation == .attention(Attention(heads: 2, isCausal: isCausal == 1)))
      for steps in [1, 2, 5] {
        #expect(try AroundRecurrence.distance(file, model, steps: steps) < 1e-6)
      }
    }
  }
}
