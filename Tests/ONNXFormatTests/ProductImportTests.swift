import Recurrent
import Tensors
import TestSupport
import Testing

@testable import ONNXFormat

/// Reductions of functions, products of two values and from the left, steps at the ends of an open time, sums up to each step: what the
/// importer makes of them computes what the evaluator computes of the file.
@Suite struct ProductImportTests {
  @Test(
    arguments: ["ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceMin", "ReduceLogSumExp", "ReduceLogSum"],
    [13, 18] as [Int64])
  func `reductions over time, over features, and over both`(_ operation: String, opset: Int64) throws {
    // The logarithm of a sum has a value where that is positive.
    let before =
      operation == "ReduceLogSum" ? [node("Exp", ["x"], "e")] : [node("Identity", ["x"], "e")]
    for axes in [[0], [2], [-1, 0], [3]] as [[Int64]] {
      for keeps in [0, 1] as [Int64] {
        let isInner = axes == [3]
        let shaped = isInner ? [node("Reshape", ["e", "parts"], "r")] : [node("Identity", ["e"], "r")]
        let reduction =
          opset == 18
          ? node(operation, ["r", "over"], "y", ["keepdims": .int(keeps)])
          : node(operation, ["r"], "y", ["keepdims": .int(keeps), "axes": .ints(axes)])
        let layers = try AroundRecurrence.imported(
          before + shaped + [reduction],
          ["parts": integers(0, 0, 2, 2)].merging(
            opset == 18 ? ["over": Tensor(axes, shape: [axes.count])] : [:]
          ) { $1 },
          opset: opset)
        #expect(!layers.isEmpty, "\(axes)")
      }
    }
  }

  @Test func `a matrix from the left is a Dense over the axis before the last`() throws {
    let weight = Tensor((0..<12).map { Float($0) - 5 }, shape: [3, 4])
    let layers = try AroundRecurrence.imported(
      [node("Transpose", ["x"], "t", ["perm": .ints([1, 2, 0])]), node("MatMul", ["w", "t"])], ["w": weight])
    #expect(layers == [.dense(weight: weight, bias: nil)])
    let one = try weight.reshaped([1, 3, 4])
    #expect(
      try AroundRecurrence.imported(
        [node("Transpose", ["x"], "t", ["perm": .ints([1, 2, 0])]), node("MatMul", ["w", "t"])], ["w": one])
        == [.dense(weight: weight, bias: nil)])
    let error = #expect(throws: ONNXError.self) {
      try AroundRecurrence.imported([node("MatMul", ["w", "x"])], ["w": weight])
    }
    #expect("\(try #require(error))".contains("not a product over the features of a step"))
  }

  /// A step's features on two axes: a product over one of them is the same at every place of the other.
  @Test func `a product over a part of a step's features is a window of one place`() throws {
    func weight(_ shape: [Int]) -> Tensor {
      Tensor((0..<shape.reduce(1, *)).map { Float($0 % 7) / 4 - 0.5 }, shape: shape)
    }
    let parts = node("Reshape", ["x", "parts"], "q")
    let cases: [(nodes: [ONNXNode], weight: [Int], groups: Int)] = [
      ([node("MatMul", ["q", "w"])], [3, 5], 1), ([node("MatMul", ["w", "q"])], [5, 2], 1),
      // Another one at each place of the axis in front.
      ([node("MatMul", ["q", "w"])], [1, 3, 5], 1),
      (
        [node("Transpose", ["q"], "r", ["perm": .ints([2, 0, 1, 3])]), node("MatMul", ["r", "w"])],
        [2, 1, 3, 5], 2
      ),
    ]
    for (nodes, shape, groups) in cases {
      let layers = try AroundRecurrence.imported(
        [parts] + nodes, ["parts": integers(0, 0, 2, 3), "w": weight(shape)], units: 6)
      guard case .convolution(let convolution)? = layers.last else {
        Issue.record("\(shape): \(layers)")
        continue
      }
      #expect(convolution.groups == groups)
    }
    #expect(throws: ONNXError.self) {
      try AroundRecurrence.imported(
        [parts, node("MatMul", ["q", "w"])], ["parts": integers(0, 0, 2, 3), "w": weight([2, 5])], units: 6)
    }
  }

  @Test(
    arguments: [
      // Of one value, whose axes change places or are summed over.
      ("tbhd->hdbt", nil), ("tbhd->bd", nil), ("tbhd", nil), ("...d->...", nil),
      // With a constant: over all features, some, and with one of its own at each place.
      ("tbhd,hdo->tbo", [2, 3, 5]), ("tbhd,od->ohbt", [5, 3]), ("tbhd,hdo->bhto", [2, 3, 5]),
      ("tbhd,hdoe->tbeho", [2, 3, 2, 2]), ("...d,do", [3, 4]), ("tbhd,d->tbhd", [3]), ("tbhd,h->tbd", [2]),
      ("tbhd,o->tbhdo", [2]), ("tbhd,do->tb", [3, 2]),
    ] as [(String, [Int]?)])
  func `an Einsum of a value`(_ equation: String, shape: [Int]?) throws {
    var constants = ["parts": integers(0, 0, 2, 3)]
    let values = (0..<(shape ?? []).reduce(1, *)).map { Float($0 % 5) / 2 - 1 }
    if let shape { constants["w"] = Tensor(values, shape: shape) }
    // Letters of a constant that nothing asks for are summed over: refused, since its sums would be rounded.
    let isRefused = equation == "tbhd,do->tb"
    for opset in [12, 17] as [Int64] {
      let nodes = [
        node("Reshape", ["x", "parts"], "q"),
        node("Einsum", shape == nil ? ["q"] : ["q", "w"], "y", ["equation": .string(equation)]),
      ]
      if isRefused {
        #expect(throws: ONNXError.self) {
          try AroundRecurrence.imported(nodes, constants, opset: opset, units: 6)
        }
      } else {
        _ = try AroundRecurrence.imported(nodes, constants, opset: opset, units: 6)
      }
    }
    guard shape != nil, !equation.contains("."), let comma = equation.firstIndex(of: ","),
      let arrow = equation.firstIndex(of: "-"), !isRefused
    else { return }
    // The constant first.
    let turned =
      equation[equation.index(after: comma)..<arrow] + "," + equation[..<comma] + equation[arrow...]
    _ = try AroundRecurrence.imported(
      [
        node("Reshape", ["x", "parts"], "q"),
        node("Einsum", ["w", "q"], "y", ["equation": .string(String(turned))]),
      ], constants, units: 6)
  }

  @Test(arguments: [
    "tbhd,tbed->tbhe", "tbhd,tbhd->tb", "tbhd,tbhd->bd", "tbhd,tbgd->bgt", "tbhd,tbhd->tbhd",
    "tbhd,tbed,tbhe->bt",
    "tbhd,tbed,tbef->tbhf",
  ])
  func `an Einsum of values`(_ equation: String) throws {
    let count = equation.count { $0 == "," } + 1
    // Of the third, h and e are as many: two.
    let square = equation.hasSuffix("tbhe->bt") || equation.hasSuffix("tbef->tbhf")
    let shape = square ? integers(0, 0, 2, 2) : integers(0, 0, 2, 3)
    _ = try AroundRecurrence.imported(
      [
        node("Reshape", ["x", "parts"], "q"),
        node("Einsum", [String](repeating: "q", count: count), "y", ["equation": .string(equation)]),
      ], ["parts": shape], units: square ? 4 : 6)
  }

  @Test func `an Einsum of queries and keys, and one of what a softmax makes of it, are attention`() throws {
    for (first, second) in [
      ("qbhd,kbhd->bhqk", "bhqk,kbhd->qbhd"), ("qbhd,kbhd->bhqk", "bhqk,kbhd->bqhd"),
    ] {
      let layers = try AroundRecurrence.imported(
        [
          node("Reshape", ["x", "parts"], "q"),
          node("Einsum", ["q", "q"], "s", ["equation": .string(first)]),
          node("Softmax", ["s"], "a", ["axis": .int(-1)]),
          node("Einsum", ["a", "q"], "y", ["equation": .string(second)]),
        ], ["parts": integers(0, 0, 2, 3)], units: 6)
      #expect(layers == [.attention(Attention(heads: 2))])
    }
  }

  @Test(arguments: [
    "", "tbhd,", "tbh->t", "tbhd->x", "tbhd->tt", "tb1d->tb", "tb..d->tb", "tbhhh->t", "tbhh->tbh",
    String(repeating: "a", count: 100_000), "...tbhd...->t", "tbhd->tb->t",
  ])
  func `an equation that says nothing is refused`(_ equation: String) throws {
    #expect(throws: ONNXError.self) {
      try AroundRecurrence.imported(
        [
          node("Reshape", ["x", "parts"], "q"),
          node("Einsum", ["q"], "y", ["equation": .string(equation)]),
        ], ["parts": integers(0, 0, 2, 2)])
    }
  }

  /// `[B, 1, T]` times `[B, T, F]`, as attention writes its sum, and the other ways in which one axis may be time.
  @Test func `a product of two values, whichever of its axes is time`() throws {
    let rows = node("Transpose", ["x"], "rows", ["perm": .ints([1, 0, 2])])
    let columns = node("Transpose", ["x"], "columns", ["perm": .ints([1, 2, 0])])
    let last = [
      node("Gather", ["x", "end"], "last", ["axis": .int(0)]), node("Reshape", ["last", "square"], "m"),
    ]
    let parts = node("Reshape", ["x", "square4"], "parts")
    let constants = [
      "end": Tensor([-1] as [Int64], shape: []), "square": integers(-1, 4, 1),
      "square4": integers(0, 0, 2, 2),
      "w": Tensor([1, -2, 3, 0.5] as [Float], shape: [4, 1]),
    ]
    func check(_ nodes: [ONNXNode], _ comment: Comment) throws {
      let used = Set(nodes.flatMap(\.inputs))
      let layers = try AroundRecurrence.imported(
        nodes, constants.filter { used.contains($0.key) }, steps: [1, 3])
      #expect(layers.contains { $0 == .arithmetic(Arithmetic(.multiply)) }, comment)
    }
    try check([rows, columns, node("MatMul", ["columns", "rows"])], "[B, F, T] × [B, T, F]")
    try check(
      [
        rows, node("MatMul", ["rows", "w"], "s"), node("Softmax", ["s"], "a", ["axis": .int(1)]),
        node("Transpose", ["a"], "at", ["perm": .ints([0, 2, 1])]), node("MatMul", ["at", "rows"]),
      ], "attention")
    try check([rows] + last + [node("MatMul", ["rows", "m"])], "[B, T, F] × [B, F, 1]")
    try check(
      last + [node("Transpose", ["m"], "mt", ["perm": .ints([0, 2, 1])]), node("MatMul", ["m", "mt"])],
      "outer product")
    try check([parts, node("MatMul", ["parts", "parts"])], "[T, B, 2, 2] × [T, B, 2, 2]")
    // Two times are scores, of which an output cannot be made.
    let error = #expect(throws: ONNXError.self) {
      try check([rows, columns, node("MatMul", ["rows", "columns"])], "two times")
    }
    #expect("\(try #require(error))".contains("does not depend on the model's inputs"))
  }

  /// As attention is written out: two heads on an axis of their own, or none.
  @Test func `products of queries and keys, a softmax and a product with values are one layer`() throws {
    let heads = [
      node("Reshape", ["x", "parts"], "h"), node("Transpose", ["h"], "q", ["perm": .ints([1, 2, 0, 3])]),
      node("Transpose", ["h"], "k", ["perm": .ints([1, 2, 3, 0])]),
    ]
    let tail = [
      node("Transpose", ["o"], "u", ["perm": .ints([2, 0, 1, 3])]), node("Reshape", ["u", "whole"]),
    ]
    let constants = [
      "parts": integers(0, 0, 2, 2), "whole": integers(0, 0, -1), "root": floats(1.5, shape: []),
    ]
    func check(_ nodes: [ONNXNode], opset: Int64 = 17) throws -> [Layer.Operation] {
      let used = Set(nodes.flatMap(\.inputs))
      return try AroundRecurrence.imported(nodes, constants.filter { used.contains($0.key) }, opset: opset)
    }
    for (opset, axis) in [(11, 3), (17, -1)] as [(Int64, Int64)] {
      let found = try check(
        heads + [
          node("MatMul", ["q", "k"], "s"), node("Div", ["s", "root"], "d"),
          node("Softmax", ["d"], "w", ["axis": .int(axis)]), node("MatMul", ["w", "q"], "o"),
        ] + tail, opset: opset)
      #expect(found.last == .attention(Attention(heads: 2)))
      #expect(found.count == 2)
    }
    let plain = [
      node("Transpose", ["x"], "q", ["perm": .ints([1, 0, 2])]),
      node("Transpose", ["x"], "k", ["perm": .ints([1, 2, 0])]), node("MatMul", ["q", "k"], "s"),
      node("Softmax", ["s"], "w", ["axis": .int(2)]), node("MatMul", ["w", "q"]),
    ]
    #expect(try check(plain) == [.attention(Attention(heads: 1))])
    for wrong in [
      plain.prefix(3) + [node("MatMul", ["s", "q"])],
      plain.prefix(3) + [node("Softmax", ["s"], "w", ["axis": .int(1)]), node("MatMul", ["w", "q"])],
      plain.prefix(4) + [node("Mul", ["w", "root"], "m"), node("MatMul", ["m", "q"])],
      plain.prefix(3) + [
        node("Add", ["s", "root"], "m"), node("Softmax", ["m"], "w"), node("MatMul", ["w", "q"]),
      ],
      plain.prefix(4) + [node("Relu", ["w"])],
    ] {
      #expect(throws: ONNXError.self) { try check(Array(wrong)) }
    }
    var model = try AroundRecurrence.model([.activation(.sigmoid)])
    let value = model.outputs[0].value
    model.layers.append(
      Layer(
        "attend", .attention(Attention(heads: 2)), inputs: [value, model.layers[0].outputs[0], value],
        outputs: ["attended"]))
    model.outputs = [.sequence("attended", features: 4)]
    try AroundRecurrence.roundTrip(model, opsets: [7, 11, 13, 17, 23])
  }

  @Test(arguments: [(-3, .max), (-3, -1), (0, 2), (1, 3), (-4, 0)] as [(Int64, Int64)])
  func `steps at one end of an open time`(_ cut: (Int64, Int64)) throws {
    guard cut.1 != 0 else {
      #expect(throws: ONNXError.self) {
        try AroundRecurrence.imported(
          [node("Slice", ["x", "s", "e", "a"])],
          ["s": integers(cut.0), "e": integers(cut.1), "a": integers(0)],
          steps: [4])
      }
      return
    }
    let layers = try AroundRecurrence.imported(
      [node("Slice", ["x", "s", "e", "a"])], ["s": integers(cut.0), "e": integers(cut.1), "a": integers(0)],
      steps: [4, 6])
    #expect(layers.last == .concat)
  }

  @Test func `too many steps at an end are refused, and fewer than there are stop the model`() throws {
    #expect(throws: ONNXError.self) {
      try AroundRecurrence.imported(
        [node("Slice", ["x", "s", "e", "a"])],
        ["s": integers(-1000), "e": integers(.max), "a": integers(0)], steps: [4])
    }
    let error = #expect(throws: (any Error).self) {
      try AroundRecurrence.imported(
        [node("Slice", ["x", "s", "e", "a"])], ["s": integers(-3), "e": integers(.max), "a": integers(0)],
        steps: [2])
    }
    #expect("\(try #require(error))".contains("step -3"))
  }

  @Test func `sums up to each step, in all four ways`() throws {
    for exclusive in [0, 1] as [Int64] {
      for reverse in [0, 1] as [Int64] {
        let layers = try AroundRecurrence.imported(
          [node("CumSum", ["x", "a"], "y", ["exclusive": .int(exclusive), "reverse": .int(reverse)])],
          ["a": Tensor([-3] as [Int64], shape: [])])
        let layer = Layer.Operation.cumulativeSum(
          CumulativeSum(isExclusive: exclusive == 1, isReverse: reverse == 1))
        #expect(layers == [layer])
        try AroundRecurrence.roundTrip(try AroundRecurrence.model([layer]), opsets: [11, 17])
      }
    }
    #expect(throws: ONNXError.self) {
      try AroundRecurrence.imported([node("CumSum", ["x", "a"])], ["a": Tensor([2] as [Int64], shape: [])])
    }
  }
}
